"""The chapters of the book. A chapter is one module here, one notebook of the same name, and a line in ``_toc.yml``.

A chapter's module has

- ``QUESTION``, one sentence that the chapter answers, and ``CLAIMS``, the names of those of
  :mod:`stablerep.study.claims` that it tests;
- ``Parameters``, the schema of what a reader may change, and ``PRESETS``, its values;
- ``HEADLINE``, the numbers for which it stands (:class:`Headline`);
- ``ask(p, study)``, which asks for every run of the chapter, and reads none;
- ``compute(p, asked)``, which reads these runs and returns the chapter's tables;
- ``verdict(tables)``, which gives an :class:`stablerep.study.experiments.answers.Answer` for each claim;
- where its headline is not of the primary probe, ``headline_probe(tables)``, the one that counts;
- where a corpus may not have all of it, ``left_out(p, study)``, a sentence on what is left out and why, or an empty one;
- where it needs what does not come with the project, ``lacking(p)``, what a run of these parameters lacks and how to get it, in
  sentences, or nothing; such a run computes nothing, and its page is drawn from stored results;
- where its corpora and generators are not those of the parameters ``corpus`` and ``generator``, ``sources(p)``, their fingerprints,
  under these two names;
- where its intervals are not over concepts, ``CLUSTERS``, over what they are;
- where it tests less, or more, of a claim than others do, ``TESTED``, what that is, by the claim's name;
- where the book's first page is to say more, ``in_short(tables)``, which returns sentences.

Help, completion, schemas, plans, sweeps, traces, the table of claims and the list of chapters follow from these.
"""

from __future__ import annotations

import functools
import importlib
import json
import re
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING, Any

from stablerep.errors import MissingError
from stablerep.study.parameters.errors import ParameterError
from stablerep.study.root import PROJECT, STORED

if TYPE_CHECKING:
    import pandas as pd

    from stablerep.study.experiments.study import Study
    from stablerep.study.parameters.base import Parameters

CHAPTERS = "book/chapters"  # where the book reads executed notebooks, and their page on provenance


@dataclass(frozen=True)
class Headline:
    """The numbers for which a chapter stands: ``value`` of a table by ``keys``, with ``low`` and ``high`` if any."""

    table: str
    keys: tuple[str, ...]
    value: str
    unit: str
    where: tuple[str, str] | None = None  # column and value of the rows that count

    def rows(self, tables: dict[str, pd.DataFrame]) -> dict | None:
        """The headline as JSON values: ``keys`` (names), ``value`` (name), ``unit`` and ``rows``, each a dictionary of
        the keys, ``value``, ``low`` and ``high``. None stands for a number, or a whole table, that does not exist."""
        if self.table not in tables:
            return None
        table = tables[self.table]
        if self.where:
            table = table[table[self.where[0]] == self.where[1]]
        rows = table.rename(columns={self.value: "value"}).reindex(columns=[*self.keys, "value", "low", "high"])
        plain = rows.astype(object).where(rows.notna(), None)
        return {
            "keys": list(self.keys), "value": self.value, "unit": self.unit,
            "rows": [dict(zip(rows.columns, row)) for row in plain.itertuples(index=False)],
        }  # fmt: skip


def chapter_names(root=PROJECT) -> list[str]:
    """The chapters that the table of contents of a book names, in its order."""
    contents = root / "_toc.yml"
    if not contents.is_file():
        remedy = "clone the repository and install it with `pip install -e .`"
        raise MissingError(f"the table of contents, _toc.yml, is not here; {remedy}.")
    listed = re.findall(rf"^\s*-\s*file:\s*{CHAPTERS}/(\w+)\s*$", contents.read_text(), re.MULTILINE)
    return [name for name in listed if name != "provenance"]


@functools.cache
def chapter(name: str) -> ModuleType:
    """The module of a chapter. Raises ``ParameterError`` naming those there are."""
    if name not in (names := chapter_names()):
        if name.isidentifier() and Path(__file__).with_name(f"{name}.py").is_file():
            raise ParameterError(f"{name} is no chapter yet; it needs a line `- file: {CHAPTERS}/{name}` in _toc.yml.")
        raise ParameterError(f"there is no chapter {name!r}; the book has {', '.join(names)}.")
    return importlib.import_module(f"{__name__}.{name}")


def schemas() -> dict[str, type[Parameters]]:
    """The schema of every chapter's parameters."""
    return {name: chapter(name).Parameters for name in chapter_names()}


def resolve(name: str, given: dict[str, Any]) -> Parameters:
    """The full parameters of a chapter: what is given, and the preset's values for the rest. None counts as not given.

    Raises ``ParameterError`` for an unknown chapter, and as :func:`stablerep.study.parameters.presets.merge` does.
    """
    from stablerep.study.parameters.presets import merge

    return merge(name, chapter(name).Parameters, chapter(name).PRESETS, given)


def lacking(name: str, parameters: Parameters) -> str:
    """What a run of a chapter lacks, in sentences; empty where it can be computed."""
    return getattr(chapter(name), "lacking", lambda p: "")(parameters)


def is_computed(name: str, parameters: Parameters) -> bool:
    """Whether a chapter computes tables of its own: it is to, and nothing is lacking."""
    return parameters.live and not lacking(name, parameters)


def preset_differences(name: str, parameters: Parameters) -> dict[str, tuple[Any, Any]]:
    """The parameters of a chapter that are not its preset's: by name, their value and the preset's."""
    from stablerep.study.parameters.presets import preset_values

    usual = preset_values(chapter(name).Parameters, chapter(name).PRESETS, parameters.preset)
    return {key: (value, usual[key]) for key, value in parameters.model_dump().items() if value != usual[key]}


def compute_tables(name: str, parameters: Parameters, study: Study) -> dict[str, pd.DataFrame]:
    """Compute (or find in the run store) every table of a chapter."""
    return chapter(name).compute(parameters, chapter(name).ask(parameters, study))


def stored_tables(name: str) -> dict[str, pd.DataFrame]:
    """The committed reference tables of a chapter. Raises ``MissingError`` naming the command that makes them."""
    import pandas as pd

    return {file.stem: pd.read_parquet(file) for file in _stored(name, "*.parquet")}


def stored_record(name: str) -> dict:
    """Parameters and provenance of the stored tables. Raises ``MissingError`` as :func:`stored_tables` does."""
    (file,) = _stored(name, "record.json")
    return json.loads(file.read_text())


def has_stored_results(name: str) -> bool:
    return (STORED / name / "record.json").is_file()


def _stored(name: str, pattern: str) -> list[Path]:
    chapter(name)
    files = sorted((STORED / name).glob(pattern))
    if not files:
        raise MissingError(f"results/{name} holds no stored results; `stablerep reference {name}` makes them.")
    return files


def probe_of(table: pd.DataFrame) -> str:
    """The primary probe, on which verdicts rest: recognition of held-out things across designs, of a corpus without designs
    the linear one for its last label."""
    probes = table["probe"].drop_duplicates()
    across = probes[probes.str.startswith("one-shot")]
    return (across if len(across) else probes[probes.str.startswith("linear")]).iloc[-1]
