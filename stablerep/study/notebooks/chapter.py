"""What a notebook works with: its checked parameters, its tables, the stored reference, its verdict."""

from __future__ import annotations

import ast
import os
import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import pandas as pd
from tqdm import TqdmWarning

from stablerep.checkpoint import save_table
from stablerep.errors import MissingError
from stablerep.study.chapters import (
    Answer,
    chapter,
    compute_tables,
    preset_differences,
    probe_of,
    resolve,
    stored_tables,
)
from stablerep.study.experiments.study import Study
from stablerep.study.notebooks.reference import describe_reference
from stablerep.study.parameters.base import Parameters
from stablerep.study.parameters.description import describe_schema
from stablerep.study.root import project_root
from stablerep.study.store.folder import write_json

ASKED = "asked.json"
RECORD_FOLDER = "STABLEREP_RECORD"  # where an executed notebook leaves its tables and the keys of its runs


@dataclass(frozen=True)
class Chapter:
    """What a notebook works with: its parameters, its tables, the stored reference."""

    name: str
    parameters: Parameters

    @cached_property
    def study(self) -> Study:
        """The study of these parameters; its corpus is open once something was asked of it."""
        return Study(parameters=self.parameters)

    @cached_property
    def tables(self) -> dict[str, pd.DataFrame]:
        """The tables to draw: computed when ``live``, else the stored ones.

        They are left, with the keys of the runs behind them, where the executor of the notebook wants them.
        """
        live = self.parameters.live
        tables = compute_tables(self.name, self.parameters, self.study) if live else stored_tables(self.name)
        if folder := os.environ.get(RECORD_FOLDER):
            for name, table in tables.items():
                save_table(Path(folder) / f"{name}.parquet", table)
            store = self.study.store
            write_json(Path(folder) / ASKED, {"runs": store.asked, "accepted": store.accepted})
        return tables

    @cached_property
    def stored(self) -> dict[str, pd.DataFrame] | None:
        """The committed reference tables; None when there are none yet."""
        try:
            return stored_tables(self.name)
        except MissingError:
            return None

    @property
    def firmest(self) -> dict[str, pd.DataFrame]:
        """The stored reference; this run's tables where there is none, or where they are of another corpus."""
        return self.stored if self.stored and getattr(self.parameters, "corpus", "emoji") == "emoji" else self.tables

    def beside(self, table: str) -> pd.DataFrame | None:
        """A table of the stored reference to draw beside this run; None if this run is that, or of another corpus."""
        own = self.parameters.live and self.firmest is not self.tables
        return self.stored[table] if own else None

    @property
    def reference(self) -> str:
        """What the stored reference is, and whether the code behind it is still the same, in sentences."""
        return describe_reference(self.name, self.parameters) if self.stored else "There is no stored reference yet."

    @property
    def answers(self) -> list[Answer]:
        """The chapter's answer to each of its claims, computed from :attr:`firmest`."""
        return chapter(self.name).verdict(self.firmest)

    def verdict(self) -> str:
        """These answers in Markdown."""
        return "\n\n".join(answer.markdown for answer in self.answers)

    @property
    def probes(self) -> list[str]:
        """The probes to draw: of several linear ones that for the last label alone."""
        found = self.tables[chapter(self.name).HEADLINE.table]["probe"].unique()
        linear = [one for one in found if one.startswith("linear")]
        return [one for one in found if one not in linear[:-1]]

    @property
    def probe(self) -> str:
        """The probe that verdicts rest on."""
        return probe_of(self.tables[chapter(self.name).HEADLINE.table])

    def notes(self) -> str:
        """Sentences on what this corpus cannot show, and on what reading it left out."""
        sentences = [self.study.left_out(), *self.study.corpus.notes]
        return " ".join(sentence for sentence in sentences if sentence)

    def parameter_table(self) -> pd.DataFrame:
        """Value (beside the preset's if it differs), meaning, valid values with unit, and cost by parameter."""

        def text(value) -> str:
            return ", ".join(map(str, value)) if isinstance(value, list) else str(value)

        rows, different = {}, preset_differences(self.name, self.parameters)
        for about in describe_schema(type(self.parameters)):
            value = text(getattr(self.parameters, about.name))
            if about.name in different:
                value += f" (preset: {text(different[about.name][1])})"
            cost = "" if about.cost == "none" else about.cost
            rows[about.name] = [value, about.help, f"{about.valid} {about.unit}".strip(), cost]
        return pd.DataFrame.from_dict(rows, orient="index", columns=["value", "meaning", "valid", "cost"])


def open_chapter(name: str, namespace: dict[str, Any]) -> Chapter:
    """Called in a notebook's first cell after the parameters: checks them and fills in the preset.

    Args:
        namespace: ``globals()`` of the notebook; the names of the chapter's parameters are read from it.
    """
    pd.set_option("display.max_colwidth", None)  # tables in the book are read whole
    warnings.filterwarnings("ignore", category=TqdmWarning)  # progress bars are text here: papermill passes them on
    fields = chapter(name).Parameters.model_fields
    given = {field: namespace[field] for field in fields if field in namespace}
    unknown = {field: "" for field in _injected(namespace.get("In", ())) if field not in fields}
    return Chapter(name, resolve(name, given | unknown))


def _injected(executed: Sequence[str]) -> list[str]:
    """Names that papermill assigns in the cell it injects, from the sources of the executed cells."""
    injected = ast.parse("\n".join(source for source in executed if source.startswith("# Parameters\n")))
    names = (node for node in ast.walk(injected) if isinstance(node, ast.Name))
    return [node.id for node in names if isinstance(node.ctx, ast.Store)]


def notebook_path(name: str) -> Path:
    """The committed notebook of a chapter. Raises ``MissingError`` where it is not there."""
    path = project_root() / "notebooks" / f"{name}.ipynb"
    if not path.exists():
        raise MissingError(f"notebooks/{name}.ipynb is missing.")
    return path


def source_text(name: str) -> bytes:
    """The bytes of a committed notebook."""
    return notebook_path(name).read_bytes()
