"""The registry: what every chapter's module has, headlines, answers, and the stored results."""

from __future__ import annotations

import json
from types import ModuleType, SimpleNamespace

import numpy as np
import pandas as pd
import pytest

from stablerep.errors import MissingError
from stablerep.statistics.verdict import WORDS as verdict_words
from stablerep.statistics.verdict import verdict as verdict_on
from stablerep.study import chapters
from stablerep.study.chapters import Headline, chapter, chapter_names, compute_tables, corpus, resolve, schemas
from stablerep.study.experiments.answers import Answer
from stablerep.study.notebooks import reference
from stablerep.study.parameters.base import Parameters
from stablerep.study.parameters.errors import ParameterError
from stablerep.study.root import PROJECT

NAMES = chapter_names()
WORDS = {
    *verdict_words,
    "not reproduced",
}  # the latter is said by rules that compare no pairs of arms, those of C8 and C10


@pytest.mark.parametrize("name", NAMES)
def test_a_chapter_has_what_the_registry_reads(name):
    module = chapter(name)
    assert isinstance(module, ModuleType) and module.__name__.endswith(f".chapters.{name}")
    assert module.QUESTION.endswith("?") and "\n" not in module.QUESTION
    assert isinstance(module.CLAIMS, tuple) and isinstance(module.HEADLINE, Headline)
    assert issubclass(module.Parameters, Parameters) and schemas()[name] is module.Parameters
    for function in (module.ask, module.compute, module.verdict):
        assert function.__doc__, function


@pytest.mark.parametrize("name", [name for name in NAMES if (PROJECT / "results" / name).exists()])
def test_the_stored_reference_has_the_headline_and_an_answer_to_each_claim(name):
    """The committed tables, which pages are drawn from, are such as the chapter's own code reads."""
    module, tables = chapter(name), chapters.stored_tables(name)
    headline = module.HEADLINE.rows(tables)
    assert headline["rows"] and all(row["value"] is not None for row in headline["rows"])
    answers = module.verdict(tables)
    assert tuple(one.claim for one in answers) == module.CLAIMS
    assert all(one.word in WORDS and one.why and not one.why.endswith(".") for one in answers)


def test_chapters_are_those_of_the_table_of_contents(tmp_path):
    contents = (PROJECT / "_toc.yml").read_text()
    assert NAMES and all(f"book/chapters/{name}" in contents for name in NAMES) and "provenance" not in NAMES
    (tmp_path / "_toc.yml").write_text(
        "root: book/introduction\nchapters:\n  - file: book/chapters/zebra\n  - file: book/rerun\n"
        "  - file: book/chapters/ant\n  - file: book/chapters/provenance\n"
    )
    assert chapter_names(tmp_path) == ["zebra", "ant"]
    with pytest.raises(MissingError, match=r"_toc\.yml, is not here; clone the repository"):
        chapter_names(tmp_path / "elsewhere")


def test_every_chapter_is_asked_and_then_computed(monkeypatch):
    for name in schemas():
        monkeypatch.setattr(chapter(name), "ask", lambda p, study, name=name: (name, study))
        monkeypatch.setattr(chapter(name), "compute", lambda p, asked: {"called": asked})
        study = SimpleNamespace()
        assert compute_tables(name, resolve(name, {}), study) == {"called": (name, study)}


def test_a_name_that_is_no_chapter_is_told_with_those_there_are():
    with pytest.raises(ParameterError, match=rf"there is no chapter 'audit'; the book has {', '.join(NAMES)}\."):
        chapter("audit")


def test_a_module_that_the_contents_do_not_list_is_told_the_line(monkeypatch):
    monkeypatch.setattr(chapters, "chapter_names", lambda: [name for name in NAMES if name != "bias_representation"])
    with pytest.raises(
        ParameterError,
        match="bias_representation is no chapter yet; it needs a line `- file: book/chapters/bias_representation` in _toc.yml",
    ):
        chapter.__wrapped__("bias_representation")  # past its cache


def test_a_verdict_speaks_in_the_words_of_the_statistics():
    up = dict(difference=0.1, low=0.05, high=0.15, p_for=0.001, p_against=0.999)
    down = dict(difference=-0.1, low=-0.15, high=-0.05, p_for=0.999, p_against=0.001)
    alike = dict(difference=0.0, low=-0.005, high=0.005, p_for=0.5, p_against=0.5)
    wide = dict(difference=0.0, low=-0.1, high=0.1, p_for=0.5, p_against=0.5)
    claims = ([up], [down], [alike], [up, alike], [wide], [])
    found = [verdict_on(pd.DataFrame(rows).assign(first="a", second="b", seeds=3)).word for rows in claims]
    assert found == list(verdict_words) and set(found) <= WORDS


# Headlines and answers


def test_headline_by_hand():
    table = pd.DataFrame(
        {
            "arm": ["a", "b", "c"],
            "group": ["all", "all", "few"],
            "accuracy": [0.5, np.nan, 0.7],
            "low": [0.4, np.nan, 0.6],
            "n": 3,
        }
    )
    headline = Headline("arms", ("arm",), "accuracy", "share", ("group", "all"))
    assert headline.rows({"arms": table}) == {
        "keys": ["arm"], "value": "accuracy", "unit": "share",
        "rows": [{"arm": "a", "value": 0.5, "low": 0.4, "high": None}, {"arm": "b", "value": None, "low": None, "high": None}],
    }  # fmt: skip
    assert len(Headline("arms", ("arm",), "accuracy", "share").rows({"arms": table})["rows"]) == 3
    assert headline.rows({"others": table}) is None
    json.dumps(headline.rows({"arms": table}), allow_nan=False)


def test_answers_in_markdown():
    assert Answer("C1", "partly", "one is").markdown == "**C1: partly.** One is."
    full = Answer("C2", "reproduced", "all are", "when all are", ["one", "two"]).markdown
    assert full == "**C2: reproduced.** All are. (Rule: when all are.)\n\n- one.\n- two."


# Stored results


@pytest.fixture
def stored(tmp_path, monkeypatch):
    monkeypatch.setattr(chapters, "STORED", tmp_path / "results")
    monkeypatch.setattr(reference, "STORED", tmp_path / "results")
    monkeypatch.setattr(reference, "git_state", lambda folder, **how: {"commit": "c0ffee", "dirty": False})
    monkeypatch.setenv("STABLEREP_RUNS", str(tmp_path / "runs"))
    return tmp_path / "results"


def test_missing_results_name_the_command(stored):
    with pytest.raises(
        FileNotFoundError,
        match="results/bias_representation holds no stored results; `stablerep reference bias_representation` makes them",
    ):
        chapters.stored_tables("bias_representation")
    with pytest.raises(ValueError, match="there is no chapter 'audit'; the book has"):
        chapters.stored_tables("audit")


def test_reference_is_written_and_read_back(stored):
    assert reference.make_reference("corpus", {"designs": ["noto"]}) == [
        "designs.parquet", "splits.parquet", "people.parquet", "images_per_caption.parquet", "record.json",
    ]  # fmt: skip
    parameters = resolve("corpus", {"preset": "reference", "designs": ["noto"]})
    computed, read = corpus.compute(parameters, corpus.ask(parameters, None)), chapters.stored_tables("corpus")
    assert set(read) == set(computed)
    for name in read:
        pd.testing.assert_frame_equal(read[name], computed[name], check_dtype=False)
    record = json.loads((stored / "corpus" / "record.json").read_text())
    assert record == chapters.stored_record("corpus")
    assert record["parameters"] == parameters.model_dump() and record["notebook"] == "corpus"
    assert set(record["sha256"]) == {f"{name}.parquet" for name in read}
    assert record["provenance"]["python"] and "generator" not in record
