"""What other papers say, held against stored differences."""

from __future__ import annotations

import re

import pandas as pd
import pytest

from stablerep.errors import MissingError
from stablerep.study import disagreements
from stablerep.study.chapters import chapter, chapter_names
from stablerep.study.disagreements import ABSENT, ALIKE, OPEN, OTHER, SAID, SAME, UNTESTED, WIDE, Compared, word_of
from stablerep.study.experiments.arms import FLOOR_ARMS
from stablerep.study.protocol import protocol_hash
from stablerep.study.root import PROJECT


@pytest.mark.parametrize(
    ("interval", "word", "at_least"),
    [
        ((0.01, 0.03), SAME, SAME), ((-0.03, -0.02), OTHER, OTHER), ((-0.005, 0.005), ALIKE, SAME), ((-0.02, 0.02), WIDE, WIDE),
        ((-0.008, -0.001), OTHER, SAME), ((-0.02, 0.001), WIDE, WIDE), ((-0.02, -0.002), OTHER, WIDE),
    ],
)  # fmt: skip
def test_words_follow_the_interval(interval, word, at_least):
    assert (word_of(*interval), word_of(*interval, at_least=True)) == (word, at_least)


LINEAR = "linear subgroup"


def stored(
    monkeypatch, low: float, high: float, probe: str = "one-shot concept", *, seeds: int = 3, protocol: str = "", floor: float = 0.1
):  # fmt: skip
    """Stored results in which every pair that is asked for lies in one interval on the primary probe, and far beyond on another one.

    Arms lie by ``floor`` above the floors on the primary probe, where 0.05 would be seen; ``protocol`` in the place of today's.
    """

    def tables(name: str) -> dict[str, pd.DataFrame]:
        mine = [one.compared for one in SAID if one.compared and one.compared.chapter == name]
        rows = [
            {"probe": where, "first": one.first, "second": one.second, "difference": middle, "low": middle - half, "high": middle + half, "seeds": seeds}
            for one in mine for where, middle, half in ((probe, (low + high) / 2, (high - low) / 2), (LINEAR, 0.9, 0.01))
        ]  # fmt: skip
        floors = [
            {"probe": where, "first": arm, "second": other, "difference": apart, "visible": 0.05}
            for arm in {name for one in mine for name in (one.first, one.second)} for other in FLOOR_ARMS
            for where, apart in ((probe, floor), (LINEAR, 0.2))
        ]  # fmt: skip
        return {
            "differences": pd.DataFrame(rows), "floors": pd.DataFrame(floors), "arms": pd.DataFrame({"probe": [probe, LINEAR]}),
        }  # fmt: skip

    def record(name: str) -> dict:
        return {"protocol": protocol or protocol_hash([*chapter(name).CLAIMS, name])}

    monkeypatch.setattr(disagreements, "stored_tables", tables)
    monkeypatch.setattr(disagreements, "stored_record", record)


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
    assert {OTHER, UNTESTED} == set(words(page)) and "−3.0 [−4.0,\N{NO-BREAK SPACE}−2.0]" in page and "90" not in page


@pytest.mark.parametrize(
    ("how", "why"),
    [
        ({"seeds": 2}, "fewer than three seeds"),
        ({"floor": 0.04}, "an arm at the floors"),
        ({"protocol": "0123456789ab"}, "results of an earlier protocol"),
        ({"seeds": 1, "floor": -0.1}, "fewer than three seeds; an arm at the floors"),
    ],
)
@pytest.mark.parametrize("interval", [(0.02, 0.04), (-0.04, -0.02), (-0.005, 0.005)])
def test_what_cannot_be_told_has_the_reason(monkeypatch, how, why, interval):
    """The difference stands there all the same."""
    stored(monkeypatch, *interval, **how)
    page = disagreements.disagreements()
    assert {f"{OPEN} ({why})", UNTESTED} == set(words(page)) and f"[{100 * interval[0]:+.1f}".replace("-", "−") in page


def test_an_interval_that_is_too_wide_has_a_word_of_its_own(monkeypatch):
    stored(monkeypatch, -0.03, 0.02)
    assert {WIDE, UNTESTED} == set(words(disagreements.disagreements()))


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


def test_the_summary_counts_words():
    words = [ABSENT, SAME, f"{OPEN} (fewer than three seeds)", UNTESTED, SAME]
    told = f"*{SAME}*, 2; *{OPEN}*, 1; *{ABSENT}*, 1; *{UNTESTED}*, 1."
    assert disagreements.summary(words) == f"Of 5 statements, by what came out here: {told}"


def test_a_pair_may_be_stored_the_other_way_round(monkeypatch):
    stored(monkeypatch, 0.01, 0.03)
    here = Compared("compare", "SimCLR real", "SimCLR synthetic")
    assert disagreements.found(here) == ("+2.0 [+1.0,\N{NO-BREAK SPACE}+3.0]", SAME)
    there = Compared("compare", here.second, here.first)
    assert disagreements.found(there) == ("−2.0 [−3.0,\N{NO-BREAK SPACE}−1.0]", OTHER)


def pairs_of(name: str, module) -> set[tuple[str, str]]:
    """The pairs that a chapter's reference compares, both ways round."""
    if name == "mixture":
        found = module.pairs(["stablerep", "simclr"], 4)
    else:
        found = module.PAIRS
    return {way for pair in found for way in ((pair.first, pair.second), (pair.second, pair.first))}
