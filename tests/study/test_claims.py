"""The claims under test, and the table that says which chapter tests each and what came of it."""

from __future__ import annotations

import re
from math import nan
from types import SimpleNamespace

import pytest

from stablerep.errors import MissingError
from stablerep.study import claims
from stablerep.study.chapters import Answer, chapter, chapter_names
from stablerep.study.claims import CLAIMS, MARK, claims_table
from stablerep.study.protocol import protocol_hash
from stablerep.study.root import PROJECT


def rows(table: str) -> dict[str, list[str]]:
    """The cells of each claim by its name."""
    listed = table.partition("Verdict\n")[2].partition("\n:::")[0].removeprefix("* - ").split("\n* - ")
    return {name: cells for name, *cells in (re.split(r"\n  - ", row) for row in listed)}


def sentence(table: str) -> str:
    return table.partition("\n:::\n\n")[2]


UP = ("reproduced", 0.001)


@pytest.fixture
def stored(monkeypatch):
    """Chapters with made-up stored results: by chapter, a word and p-value for each claim, or an error of the rule; and their protocols."""

    def store(answers: dict[str, dict[str, tuple[str, float]] | Exception], **protocols: str | None) -> None:
        def verdict_of(name):
            def verdict(tables):
                if isinstance(answers[tables["name"]], Exception):
                    raise answers[tables["name"]]
                return [Answer(claim, word, "why", p=p) for claim, (word, p) in answers[tables["name"]].items()]

            found = answers[name]
            return SimpleNamespace(CLAIMS=("C1",) if isinstance(found, Exception) else tuple(found), verdict=verdict)

        def record_of(name):
            if protocols.get(name) == "missing":
                raise MissingError(f"results/{name} holds no stored results")
            return {"protocol": protocols.get(name, protocol_hash())}

        monkeypatch.setattr(claims, "chapter_names", lambda: list(answers))
        monkeypatch.setattr(claims, "chapter", verdict_of)
        monkeypatch.setattr(claims, "stored_tables", lambda name: {"name": name})
        monkeypatch.setattr(claims, "stored_record", record_of)

    return store


def test_every_claim_of_a_chapter_is_a_claim():
    names = [claim.name for claim in CLAIMS]
    assert len(set(names)) == len(names)
    for name in chapter_names():
        assert set(chapter(name).CLAIMS) <= set(names), name


def test_the_table_names_the_chapters_of_each_claim():
    found = rows(claims_table())
    assert list(found) == [claim.name for claim in CLAIMS]
    for claim in CLAIMS:
        text, exhibit, where, word = found[claim.name]
        assert (text, exhibit) == (claim.text, claim.exhibit)
        testing = [name for name in chapter_names() if claim.name in chapter(name).CLAIMS]
        assert where == (", ".join(f"{{doc}}`chapters/{name}`" for name in testing) or claim.untested)
        assert (word == "none") == (not testing) and word
    assert found["C1"][2] == "{doc}`chapters/compare`" and "no chapter yet" in found["C13"][2]


def test_a_claim_of_two_chapters_names_both_with_their_words(stored):
    stored({"one": {"C9": UP}, "two": {"C2": UP}, "three": {"C9": ("undecided", nan)}})
    found = rows(claims_table())
    assert found["C9"][2:] == ["{doc}`chapters/one`, {doc}`chapters/three`", "*reproduced*; *undecided*"]
    assert found["C2"][2:] == ["{doc}`chapters/two`", "*reproduced*"]
    assert found["C1"][2:] == ["no chapter yet", "none"]


def test_holm_is_over_the_claims_of_all_chapters(stored):
    """Four tested claims: 0.012 passes 0.05 / 4, 0.02 does not pass 0.05 / 3, and nothing after it does."""
    stored({
        "one": {"C1": ("reproduced", 0.012), "C2": ("contradicted", 0.02)},
        "two": {"C5": ("partly", 0.021), "C6": ("equivalent", nan), "C16": ("not testable at this scale", nan)},
    })  # fmt: skip
    table = claims_table()
    words = {claim: cells[3] for claim, cells in rows(table).items() if cells[3] != "none"}
    assert words == {
        "C1": "*reproduced*", "C2": "*undecided*", "C5": "*undecided*", "C6": "*equivalent*", "C16": "*not testable at this scale*",
    }  # fmt: skip
    assert sentence(table) == (
        "Holm's method at 5 % over the tested claims (C1, C2, C5, C6) makes undecided: C2 (*contradicted* by itself), "
        "C5 (*partly* by itself)."
    )


def test_where_holm_upholds_all_the_sentence_says_so_and_names_rules_without_a_p_value(stored):
    stored({"one": {"C1": UP}, "two": {"C8": ("not reproduced", nan), "C5": ("undecided", nan)}})
    table = claims_table()
    assert sentence(table) == (
        "Holm's method at 5 % over the tested claims (C1, C8, C5) changes no verdict. It cannot correct verdicts whose rule gives no "
        "p-value: C8."
    )
    assert rows(table)["C8"][3] == "*not reproduced*"


@pytest.mark.parametrize(
    ("answers", "protocol", "said"),
    [
        ({"C1": UP}, "missing", "no results stored"),
        ({"C1": UP}, None, "no result of the present protocol"),  # of the time before there was one
        ({"C1": UP}, "0123456789ab", "*reproduced*, of an earlier protocol"),
        (KeyError("floors"), "0123456789ab", "no result of the present protocol"),
        (ValueError("differences lack the columns"), "0123456789ab", "no result of the present protocol"),
    ],
)
def test_results_that_are_missing_or_of_another_protocol_are_told(stored, answers, protocol, said):
    stored({"one": answers}, one=protocol)
    table = claims_table()
    assert rows(table)["C1"][3] == said
    assert ("over the tested claims" in sentence(table)) == ("reproduced" in said)
    assert ("nothing to correct" in sentence(table)) == ("reproduced" not in said)


def test_a_claim_that_a_chapter_does_not_answer_has_no_result(stored, monkeypatch):
    stored({"one": {"C1": UP}})
    monkeypatch.setattr(claims, "chapter", lambda name: SimpleNamespace(CLAIMS=("C1",), verdict=lambda tables: []))
    assert rows(claims_table())["C1"][3] == "no result of the present protocol"


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
