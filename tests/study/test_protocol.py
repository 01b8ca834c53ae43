"""The protocol's mark: of its words, and what a record says of it."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stablerep.study import protocol
from stablerep.study.chapters import chapter, stored_record
from stablerep.study.protocol import PAGE, REMARKS, protocol_hash, protocol_sentence
from stablerep.study.root import PROJECT

WORDS = (PROJECT / PAGE).read_text(encoding="utf-8").split()


@pytest.fixture
def page(tmp_path, monkeypatch):
    """A project of its own, and what writes its protocol."""
    monkeypatch.setattr(protocol, "PROJECT", tmp_path)
    path = tmp_path / PAGE
    path.parent.mkdir()
    return lambda text: path.write_text(text, encoding="utf-8")


def test_the_project_has_a_protocol_whose_mark_is_twelve_digits():
    assert len(protocol_hash()) == 12 and set(protocol_hash()) <= set("0123456789abcdef")


@given(st.lists(st.sampled_from([" ", "\n", "\n\n", "  \n", "\t"]), min_size=30, max_size=30))
def test_line_breaks_change_nothing(breaks):
    """A page that was wrapped anew, or read from another system, is the same protocol."""
    with pytest.MonkeyPatch.context() as patch:
        texts = iter([" ".join(WORDS[:30]), "".join(word + space for word, space in zip(WORDS[:30], breaks))])
        found = []
        for text in texts:
            patch.setattr(protocol, "PROJECT", _Folder(text))
            found.append(protocol_hash())
    assert found[0] == found[1]


class _Folder:
    """A folder all of whose files have one text."""

    def __init__(self, text: str) -> None:
        self.text = text

    def __truediv__(self, name: str) -> _Folder:
        return self

    def is_file(self) -> bool:
        return True

    def read_text(self, encoding: str) -> str:
        return self.text


def test_words_change_the_mark(page):
    marks = set()
    for text in ("five seeds", "three seeds", "five seeds.", "fiveseeds", "seeds five", "Five seeds", ""):
        page(text)
        marks.add(protocol_hash())
    assert len(marks) == 7


def test_the_row_of_a_claim_marks_that_claim_alone(page):
    table = "Five seeds.\n\n| claim | arms |\n|---|---|\n| C1 | a against b |\n| C10 | c against d |\n"
    page(table)
    before = {claims: protocol_hash(claims) for claims in ((), ("C1",), ("C10",), ("C1", "C10"))}
    assert len(set(before.values())) == 4 and protocol_hash(("C10", "C1")) == before["C1", "C10"]
    page(table.replace("c against d", "c against e"))
    assert {claims for claims, mark in before.items() if protocol_hash(claims) != mark} == {("C10",), ("C1", "C10")}
    page(table + "| C3 | new |\n| `scaling` | new |\n")
    assert protocol_hash(("C1", "scaling")) not in before.values()  # a chapter may have a row of its own
    assert {claims: protocol_hash(claims) for claims in before} == before
    page(table.replace("Five", "Three"))
    assert not set(before.values()) & {protocol_hash(claims) for claims in before}


def test_remarks_are_not_marked(page):
    page("Five seeds.\n")
    mark = protocol_hash()
    page(f"Five seeds.\n\n{REMARKS}\n\nThree were known.\n")
    assert protocol_hash() == mark


def test_explanations_are_not_marked_wherever_they_stand(page):
    page("Five seeds.\n\nThree words.\n")
    mark = protocol_hash()
    page(
        "Five seeds.\n\n<!-- explained -->\nA seed is a number.\n\n| C1 | of no table |\n<!-- /explained -->\n\nThree words.\n"
    )
    assert protocol_hash() == mark
    page("Five seeds.\n\n<!-- explained -->\nNot closed.\n\nThree words.\n")
    assert protocol_hash() != mark
    page(
        "Five <!-- explained -->x<!-- /explained -->\n<!-- explained -->y<!-- /explained --> seeds.\n\nThree more words.\n"
    )
    assert protocol_hash() != mark  # what stands between two explanations counts


@pytest.mark.parametrize("name", ["compare", "methods", "scaling", "images_per_caption", "generator", "corpus"])
def test_explaining_the_protocol_left_stored_results_under_it(name):
    assert stored_record(name)["protocol"] == protocol_hash([*chapter(name).CLAIMS, name])


def test_the_same_words_in_lines_have_the_same_mark(page):
    page("# Protocol\n\nFive seeds,\nthree words.\n")
    mark = protocol_hash()
    page("# Protocol\r\n\r\nFive\r\nseeds, three   words.")
    assert protocol_hash() == mark


def test_without_a_checkout_there_is_no_mark(tmp_path, monkeypatch):
    monkeypatch.setattr(protocol, "PROJECT", tmp_path)
    assert protocol_hash() is None


def test_a_record_says_whether_it_follows_the_protocol_of_today(monkeypatch):
    monkeypatch.setattr(protocol, "protocol_hash", lambda claims: "c0ffee" + "0" * 6 if claims == ("C1",) else "")
    assert protocol_sentence({"protocol": "c0ffee000000"}, ("C1",)) == (
        "It follows the [protocol](/book/protocol.md) c0ffee000000."
    )
    assert protocol_sentence({"protocol": "beef00000000"}, ("C1",)) == (
        "**It follows an earlier [protocol](/book/protocol.md) (beef00000000; today's is c0ffee000000).**"
    )
    for record in ({}, {"protocol": None}):  # of before there was one, or computed without a checkout
        assert protocol_sentence(record, ("C1",)) == "**It was computed before there was a protocol.**"
