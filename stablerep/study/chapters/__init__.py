"""What each chapter computes: parameters in, tables out. The notebooks only ask for tables and draw them."""

from __future__ import annotations

import importlib
import json
from dataclasses import dataclass
from typing import TYPE_CHECKING

import pandas as pd

from stablerep.errors import InputError, MissingError
from stablerep.study.parameters.base import SCHEMAS, Parameters
from stablerep.study.root import STORED

if TYPE_CHECKING:
    from stablerep.study.experiments.study import Study


def compute_tables(notebook: str, parameters: Parameters, study: Study | None = None) -> dict[str, pd.DataFrame]:
    """Compute (or find in the run store) every table of a chapter."""
    if study is None:
        from stablerep.study.experiments.study import Study

        study = Study()
    return importlib.import_module(f"stablerep.study.chapters.{notebook}").compute(parameters, study)


def stored_tables(notebook: str) -> dict[str, pd.DataFrame]:
    """The committed reference tables of a chapter. Raises ``FileNotFoundError`` naming the command that makes them."""
    if notebook not in SCHEMAS:
        raise InputError(f"notebook is {notebook!r}; the book has {', '.join(SCHEMAS)}.")
    files = sorted((STORED / notebook).glob("*.parquet"))
    if not files:
        raise MissingError(f"results/{notebook} holds no stored results; `stablerep reference {notebook}` makes them.")
    return {file.stem: pd.read_parquet(file) for file in files}


def stored_record(notebook: str) -> dict:
    """Parameters and provenance of the stored tables."""
    return json.loads((STORED / notebook / "record.json").read_text())


@dataclass(frozen=True)
class Headline:
    """The numbers for which a chapter stands: ``value`` of a table by ``keys``, with ``low`` and ``high`` where the table has them."""

    table: str
    keys: tuple[str, ...]
    value: str
    unit: str
    where: tuple[str, str] | None = None  # column and value of the rows that count


HEADLINES = {
    "corpus": Headline("designs", ("design",), "captions", "captions"),
    "generator": Headline(
        "faithfulness", ("source", "guidance_scale", "measure"), "mean", "share of images", ("group", "all")
    ),
    "methods": Headline("arms", ("arm", "probe"), "accuracy", "accuracy"),
    "compare": Headline("arms", ("arm", "probe"), "accuracy", "accuracy"),
    "scaling": Headline("scaling", ("arm", "captions", "probe"), "accuracy", "accuracy"),
    "bias": Headline("shares", ("attribute", "source", "guidance_scale", "label"), "share", "share of images"),
}


def headline(notebook: str, tables: dict[str, pd.DataFrame]) -> dict:
    """A chapter's headline numbers as JSON values: ``keys`` (names), ``value`` (name), ``unit`` and ``rows``, each a dictionary of the keys,
    ``value``, ``low`` and ``high``; None stands for a number that does not exist."""
    about = HEADLINES[notebook]
    table = tables[about.table]
    if about.where:
        table = table[table[about.where[0]] == about.where[1]]
    rows = table.rename(columns={about.value: "value"}).reindex(columns=[*about.keys, "value", "low", "high"])
    rows = [
        dict(zip(rows.columns, row)) for row in rows.astype(object).where(rows.notna(), None).itertuples(index=False)
    ]
    return {"keys": list(about.keys), "value": about.value, "unit": about.unit, "rows": rows}
