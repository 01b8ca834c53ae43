"""What each chapter computes: parameters in, tables out. The notebooks only ask for tables and draw them."""

from __future__ import annotations

import importlib
import json
from pathlib import Path
from typing import TYPE_CHECKING

import pandas as pd

from stablerep.study.parameters import SCHEMAS, Parameters

if TYPE_CHECKING:
    from stablerep.study.experiments import Study

STORED = Path(__file__).resolve().parents[3] / "results"


def compute_tables(notebook: str, parameters: Parameters, study: Study | None = None) -> dict[str, pd.DataFrame]:
    """Compute (or find in the run store) every table of a chapter."""
    if study is None:
        from stablerep.study.experiments import Study

        study = Study()
    return importlib.import_module(f"stablerep.study.chapters.{notebook}").compute(parameters, study)


def stored_tables(notebook: str) -> dict[str, pd.DataFrame]:
    """The committed reference tables of a chapter. Raises ``FileNotFoundError`` naming the command that makes them."""
    if notebook not in SCHEMAS:
        raise ValueError(f"notebook is {notebook!r}; the book has {', '.join(SCHEMAS)}.")
    files = sorted((STORED / notebook).glob("*.parquet"))
    if not files:
        raise FileNotFoundError(f"results/{notebook} holds no stored results; `stablerep reference {notebook}` makes them.")
    return {file.stem: pd.read_parquet(file) for file in files}


def stored_record(notebook: str) -> dict:
    """Parameters and provenance of the stored tables."""
    return json.loads((STORED / notebook / "record.json").read_text())


def chapter_tables(notebook: str, parameters: Parameters) -> dict[str, pd.DataFrame]:
    """The tables that a notebook draws: computed when ``live``, else the stored ones."""
    return compute_tables(notebook, parameters) if parameters.live else stored_tables(notebook)
