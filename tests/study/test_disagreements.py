"""What other papers say, held against stored differences."""

from __future__ import annotations

import re

import pandas as pd
import pytest

from stablerep.errors import MissingError
from stablerep.study import disagreements
from stablerep.study.chapters import chapter, chapter_names
from stablerep.study.disagreements import ABSENT, ALIKE, OPEN, OTHER, SAID, SAME, UNTESTED, Compared, word_of
from stablerep.study.root import PROJECT


@pytest.mark.parametrize(
    ("interval", "word", "at_least"),
    [
        ((0.01, 0.03), SAME, SAME), ((-0.03, -0.02), OTHER, OTHER), ((-0.005, 0.005), ALIKE, SAME), ((-0.02, 0.02), OPEN, OPEN),
        ((-0.008, -0.001), OTHER, SAME), ((-0.02, 0.001), OPEN, OPEN), ((-0.02, -0.002), OTHER, OPEN),
    ],
)  # fmt: skip
def test_words_follow_the_interval(interval, word, at_least):
    assert (word_of(*interval), word_of(*interval, at_least=True)) == (word, at_least)


def stored(monkeypatch, low: float, high: float, probe: str = "one-shot concept"):
    """Stored results in which every pair that is asked for lies in one interval on the primary probe, and far beyond on another one."""

    def tables(name: str) -> dict[str, pd.DataFrame]:
        rows = [
            {"probe": where, "first": one.compared.first, "second": one.compared.second, "difference": middle, "low": middle - half,
             "high": middle + half}
            for one in SAID if one.compared and one.compared.chapter == name
            for where, middle, half in ((probe, (low + high) / 2, (high - low) / 2), ("linear subgroup", 0.9, 0.01))
        ]  # fmt: skip
        return {"differences": pd.DataFrame(rows), "arms": pd.DataFrame({"probe": [probe, "linear subgroup"]})}

    monkeypatch.setattr(disagreements, "stored_tables", tables)


def words(page: str) -> list[str]:
    """The last cell of each row."""
    return [
        row.rsplit("\n  - ", 1)[1].strip() for row in page.removesuffix("\n:::").split("\n* - ")[2:]
    ]  # the first is the head


def test_each_row_has_the_word_for_its_difference(monkeypatch):
    stored(monkeypatch, 0.02, 0.04)
    found = words(disagreements.disagreements())
    assert found == [UNTESTED if one.compared is None else SAME for one in SAID]
    stored(monkeypatch, -0.04, -0.02)
    page = disagreements.disagreements()
    assert {OTHER, UNTESTED} == set(words(page)) and "-3.0 [-4.0,\N{NO-BREAK SPACE}-2.0]" in page and "90" not in page


def test_without_stored_results_rows_say_so(monkeypatch):
    def none(name: str):
        raise MissingError("nothing is stored")

    monkeypatch.setattr(disagreements, "stored_tables", none)
    assert {ABSENT, UNTESTED} == set(words(disagreements.disagreements()))
    monkeypatch.setattr(
        disagreements, "stored_tables", lambda name: {"arms": pd.DataFrame({"probe": ["one-shot concept"]})}
    )
    assert disagreements.found(Compared("compare", "a", "b")) == ("–", ABSENT)


def test_rows_name_chapters_papers_and_pairs_that_there_are():
    known = set(re.findall(r"@\w+\{(\w+),", (PROJECT / "book" / "references.bib").read_text(encoding="utf-8")))
    assert {one.paper for one in SAID} <= known
    for one in SAID:
        if one.compared and one.compared.chapter in chapter_names():
            module = chapter(one.compared.chapter)
            pairs = pairs_of(one.compared.chapter, module)
            assert (one.compared.first, one.compared.second) in pairs, one


def test_a_pair_may_be_stored_the_other_way_round(monkeypatch):
    rows = [{"probe": "one-shot concept", "first": "b", "second": "a", "difference": 0.02, "low": 0.01, "high": 0.04}]
    tables = {"arms": pd.DataFrame(rows), "differences": pd.DataFrame(rows)}
    monkeypatch.setattr(disagreements, "stored_tables", lambda name: tables)
    assert disagreements.found(Compared("compare", "b", "a")) == ("+2.0 [+1.0,\N{NO-BREAK SPACE}+4.0]", SAME)
    assert disagreements.found(Compared("compare", "a", "b")) == ("-2.0 [-4.0,\N{NO-BREAK SPACE}-1.0]", OTHER)


def pairs_of(name: str, module) -> set[tuple[str, str]]:
    """The pairs that a chapter's reference compares, both ways round."""
    if name == "mixture":
        found = module.pairs(["stablerep", "simclr"], [0, 1, 2, 3, 4], 4)
    else:
        found = module.PAIRS
    return {way for pair in found for way in ((pair.first, pair.second), (pair.second, pair.first))}
