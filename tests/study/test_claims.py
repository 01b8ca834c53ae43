"""The claims under test, and the table that says which chapter tests each."""

from __future__ import annotations

import re
from types import SimpleNamespace

import pytest

from stablerep.study import claims
from stablerep.study.chapters import chapter, chapter_names
from stablerep.study.claims import CLAIMS, MARK, claims_table
from stablerep.study.root import PROJECT


def rows(table: str) -> dict[str, list[str]]:
    """The cells of each claim by its name."""
    found = [
        re.split(r"\n  - ", row)
        for row in table.partition("Tested in\n")[2].removesuffix("\n:::").removeprefix("* - ").split("\n* - ")
    ]
    return {name: cells for name, *cells in found}


def test_every_claim_of_a_chapter_is_a_claim():
    names = [claim.name for claim in CLAIMS]
    assert len(set(names)) == len(names)
    for name in chapter_names():
        assert set(chapter(name).CLAIMS) <= set(names), name


def test_the_table_names_the_chapters_of_each_claim():
    found = rows(claims_table())
    assert list(found) == [claim.name for claim in CLAIMS]
    for claim in CLAIMS:
        text, exhibit, where = found[claim.name]
        assert (text, exhibit) == (claim.text, claim.exhibit)
        testing = [name for name in chapter_names() if claim.name in chapter(name).CLAIMS]
        assert where == (", ".join(f"{{doc}}`chapters/{name}`" for name in testing) or claim.untested)
    assert found["C1"][2] == "{doc}`chapters/compare`" and "no chapter yet" in found["C13"][2]


def test_a_claim_of_two_chapters_names_both(monkeypatch):
    monkeypatch.setattr(claims, "chapter_names", lambda: ["one", "two", "three"])
    monkeypatch.setattr(claims, "chapter", lambda name: SimpleNamespace(CLAIMS=("C9",) if name != "two" else ("C2",)))
    found = rows(claims_table())
    assert found["C9"][2] == "{doc}`chapters/one`, {doc}`chapters/three`" and found["C2"][2] == "{doc}`chapters/two`"
    assert found["C1"][2] == "no chapter yet"


def test_texts_are_sentences_that_a_table_can_hold():
    for claim in CLAIMS:
        assert claim.text.endswith(".") and "\n" not in claim.text and not claim.exhibit.endswith("."), claim.name
    assert (PROJECT / "book/introduction.md").read_text().count(MARK) == 1


@pytest.mark.parametrize(
    "claim", [claim for claim in CLAIMS if "{doc}" in claim.untested], ids=lambda claim: claim.name
)
def test_chapters_that_a_sentence_points_to_are_there(claim):
    for name in re.findall(r"\{doc\}`chapters/(\w+)`", claim.untested):
        assert name in chapter_names()
