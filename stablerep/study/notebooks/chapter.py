"""What a notebook works with: its checked parameters, the tables that its page draws, this run's own, its verdict."""

from __future__ import annotations

import ast
import os
import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pandas as pd
from tqdm import TqdmWarning

from stablerep.checkpoint import save_table
from stablerep.errors import MissingError
from stablerep.figures.table_cells import show_table
from stablerep.statistics.verdict import SEEDS
from stablerep.study.chapters import (
    chapter,
    compute_tables,
    is_computed,
    lacking,
    preset_differences,
    probe_of,
    resolve,
    stored_record,
    stored_tables,
)
from stablerep.study.experiments.answers import Answer
from stablerep.study.experiments.study import Study
from stablerep.study.notebooks.beside import side_by_side
from stablerep.study.notebooks.given import parameter_table
from stablerep.study.notebooks.heads import answered, answers_of, floors_sentence
from stablerep.study.notebooks.reference import describe_reference
from stablerep.study.parameters.base import Parameters
from stablerep.study.root import project_root
from stablerep.study.store.folder import write_json

if TYPE_CHECKING:
    from IPython.display import Markdown

ASKED = "asked.json"
RECORD_FOLDER = "STABLEREP_RECORD"  # where an executed notebook leaves its tables and the keys of its runs


@dataclass(frozen=True)
class Chapter:
    """What a notebook works with: its parameters, the stored reference, this run's tables."""

    name: str
    parameters: Parameters

    @cached_property
    def study(self) -> Study:
        """The study of these parameters; its corpus is open once something was asked of it."""
        return Study(parameters=self.parameters)

    @cached_property
    def stored(self) -> dict[str, pd.DataFrame] | None:
        """The committed reference tables; None when there are none yet, or when this run is of another corpus."""
        if getattr(self.parameters, "corpus", "emoji") != "emoji":
            return None
        try:
            return stored_tables(self.name)
        except MissingError:
            return None

    @cached_property
    def own(self) -> dict[str, pd.DataFrame] | None:
        """The tables of this run, computed now; None when nothing is to be computed (``live`` is false), or something is lacking for it.

        They are left, with the keys of the runs behind them, where the executor of the notebook wants them.
        """
        if not is_computed(self.name, self.parameters):
            return None
        tables = compute_tables(self.name, self.parameters, self.study)
        self._leave(tables)
        return tables

    @cached_property
    def tables(self) -> dict[str, pd.DataFrame]:
        """The tables that the page draws: the stored reference, or this run's own where there is none."""
        if is_computed(self.name, self.parameters):
            return self.stored or self.own
        tables = self.stored or stored_tables(self.name)
        self._leave(tables)
        return tables

    def _leave(self, tables: dict[str, pd.DataFrame]) -> None:
        if folder := os.environ.get(RECORD_FOLDER):
            for name, table in tables.items():
                save_table(Path(folder) / f"{name}.parquet", table)
            store = self.study.store
            write_json(Path(folder) / ASKED, {"runs": store.asked, "accepted": store.accepted})

    @property
    def given(self) -> dict[str, Any]:
        """The parameters behind :attr:`tables`."""
        own = self.parameters.model_dump()
        return own | stored_record(self.name)["parameters"] if self.tables is self.stored else own

    @property
    def whose(self) -> str:
        """Of whom the numbers of :attr:`tables` are."""
        return "the reference" if self.tables is self.stored else "this run"

    @property
    def reference(self) -> str:
        """What the stored reference is, and whether the code behind it is still the same, in sentences."""
        if self.stored:
            return describe_reference(self.name, self.parameters)
        return "There is no stored reference yet." if self.is_emoji else "The stored reference is of the emoji."

    @property
    def is_emoji(self) -> bool:
        return getattr(self.parameters, "corpus", "emoji") == "emoji"

    @cached_property
    def answers(self) -> list[Answer]:
        """The chapter's answer to each of its claims, computed from :attr:`tables`."""
        return self._answers(self.tables)

    def _answers(self, tables: dict[str, pd.DataFrame]) -> list[Answer]:
        def seeds() -> int:
            return (self.given if tables is self.tables else self.parameters.model_dump()).get("seeds", 1)

        return answers_of(self.name, tables, seeds)

    def words(self, tables: dict[str, pd.DataFrame]) -> dict[str, str]:
        """The word on each claim, as readers see it, by some tables of the chapter: those that the page draws, or this run's."""
        return {one.claim: one.shown for one in self._answers(tables)}

    def opening(self, summary: str = "") -> Markdown:
        """The question, and what came out: a badge and a sentence for each claim, or a summary where none is tested; and how sure that is."""
        from IPython.display import Markdown

        parts = [f"**{chapter(self.name).QUESTION}**", *(answered(self.name, one) for one in self.answers), summary]
        if self.tables is not self.stored:
            parts.append(floors_sentence(self.name, self.tables))
        parts.append(f"*Numbers of {self.whose}{self._how_sure()}.*" if self.answers or summary else "")
        return Markdown("\n\n".join(filter(None, parts)))

    def _how_sure(self) -> str:
        seeds = int(self.given.get("seeds", 1))
        if self.tables is self.stored:
            over = getattr(chapter(self.name), "CLUSTERS", "concepts")
            return f", from {seeds} seeds; intervals are 95 %, over {over} and seeds" if seeds > 1 else ""
        few = ", on which no verdict rests" if seeds < SEEDS else ""
        return f", from {seeds} seed{'s' if seeds > 1 else ''}{few}; {self.reference[0].lower()}{self.reference[1:].removesuffix('.')}"

    def verdict(self) -> Markdown:
        """The answers with their rules, and what the reference is; that there is none stands in :meth:`opening`."""
        from IPython.display import Markdown

        about = self.reference if self.tables is self.stored else ""
        return Markdown("\n\n".join(filter(None, [*(one.markdown for one in self.answers), self.notes(), about])))

    def own_run(self) -> Markdown:
        """What this run is beside the reference, in sentences."""
        from IPython.display import Markdown

        if self.own is None:
            why = lacking(self.name, self.parameters)
            return Markdown(f"This page was drawn from stored results; nothing was computed for it. {why}".rstrip())
        changed = preset_differences(self.name, self.parameters)
        told = ", ".join(f"`{name} = {value}`" for name, (value, _) in changed.items() if name != "live")
        said = f"This run: preset `{self.parameters.preset}`{', with ' + told if told else ''}."
        above = f" It is what the page above shows. {self.reference}"
        shown = above if self.tables is self.own else f" {floors_sentence(self.name, self.own)}".rstrip()
        return Markdown(said + shown)

    def show_beside(self) -> None:
        """Display this run's headline numbers next to those of the reference, where there are both."""
        if self.own is None or self.tables is self.own:
            return
        mine, theirs = (chapter(self.name).HEADLINE.rows(tables) for tables in (self.own, self.stored))
        if "probe" in mine["keys"]:
            probe = getattr(chapter(self.name), "headline_probe", lambda tables: self.probe)(self.own)
            mine["rows"] = [row for row in mine["rows"] if row["probe"] == probe]
        show_table(side_by_side(mine, theirs))

    def solutions(self, *answers: str) -> Markdown:
        """Answers to the exercises, numbered and folded."""
        from IPython.display import Markdown

        lines = "\n".join(f"{number}. {answer}" for number, answer in enumerate(answers, 1))
        return Markdown(f":::{{admonition}} Solutions\n:class: dropdown\n{lines}\n:::")

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
        mine = getattr(chapter(self.name), "left_out", lambda p, study: "")(self.parameters, self.study)
        sentences = [self.study.left_out(), mine, *self.study.corpus.notes]
        return " ".join(sentence for sentence in sentences if sentence)

    def parameter_table(self) -> pd.DataFrame:
        """Value (beside the preset's if it differs), meaning, valid values with unit, and cost by parameter."""

        return parameter_table(self.name, self.parameters)


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
