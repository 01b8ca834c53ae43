"""Notes on pages: what is stale, what is not the preset's, and what a page was made from."""

from __future__ import annotations

import copy
import json

import pytest

from stablerep.study.book.early import announcement
from stablerep.study.book.notes import (
    WORDS,
    add_chapter_notes,
    add_front_note,
    chapter_row,
    stale_chapters,
    stale_inputs,
)
from stablerep.study.book.record import Record
from stablerep.study.chapters import resolve
from stablerep.study.notebooks import execution


@pytest.fixture
def notebook() -> dict:
    """A chapter executed from the sources as they are now."""
    p = resolve("compare", {"preset": "smoke"})
    about = {
        "chapter": "compare", "key": "notebook-0123456789abcdef", "preset": "smoke", "changed": {}, "parameters": p.model_dump(),
        "inputs": execution.current_inputs("compare", p), "runs": [], "headline": None,
    }  # fmt: skip
    cells = [
        {"cell_type": "markdown", "id": "a", "metadata": {}, "source": "# Title"},
        {"cell_type": "markdown", "id": "b", "metadata": {}, "source": "Text"},
    ]
    return {"cells": cells, "metadata": {"stablerep": about}, "nbformat": 4, "nbformat_minor": 5}


def sources(notebook: dict) -> list[str]:
    return [cell["source"] for cell in notebook["cells"]]


def test_a_fresh_page_only_says_what_it_was_made_from(notebook):
    assert stale_inputs("compare", notebook) == []
    add_chapter_notes("compare", notebook)
    first, second, last = sources(notebook)
    assert (first, second) == ("# Title", "Text")
    assert last.endswith("run `notebook-0123456789abcdef`.")
    for value in notebook["metadata"]["stablerep"]["inputs"].values():
        assert f"`{value}`" in last


def test_a_page_without_stored_results_names_no_hash_of_nothing(notebook):
    inputs = notebook["metadata"]["stablerep"]["inputs"]
    inputs["stored"] = execution.stored_hash("no chapter")
    add_chapter_notes("compare", notebook)
    assert inputs["stored"] == execution.NOTHING and "no stored results" in sources(notebook)[-1]
    assert execution.NOTHING not in sources(notebook)[-1]


@pytest.mark.parametrize("changed", WORDS)
def test_each_input_makes_a_page_stale(notebook, changed):
    notebook["metadata"]["stablerep"]["inputs"][changed] = "0" * 16
    assert stale_inputs("compare", notebook) == [WORDS[changed]]
    add_chapter_notes("compare", notebook)
    note = sources(notebook)[1]
    assert "admonition} Stale" in note and f"before {WORDS[changed]} changed" in note


def test_a_change_of_the_library_makes_every_page_stale(notebook, monkeypatch):
    monkeypatch.setattr("stablerep.study.store.code.library_hash", lambda: "another")
    assert stale_inputs("compare", notebook) == ["the library"]


def test_a_page_that_announces_a_chapter_without_results_is_not_stale(tmp_path):
    (tmp_path / "photographs.ipynb").write_text(json.dumps(announcement("photographs", "and none was computed.")))
    assert stale_chapters(tmp_path, ["photographs"]) == []


def test_a_page_of_unknown_make_says_so(notebook):
    del notebook["metadata"]["stablerep"]
    assert stale_inputs("compare", notebook) is None
    add_chapter_notes("compare", notebook)
    assert "Origin unknown" in sources(notebook)[1] and len(notebook["cells"]) == 3


def test_other_parameters_are_named(notebook):
    notebook["metadata"]["stablerep"]["changed"] = {"guidance_scale": 4.0, "encoder": "a`b", "live": False}
    add_chapter_notes("compare", notebook)
    note = sources(notebook)[1]
    assert "`guidance_scale = 4.0`" in note and "preset `smoke`" in note and "live" not in note


def test_stored_results_do_not_follow_parameters(notebook):
    about = notebook["metadata"]["stablerep"]
    about["changed"], about["parameters"]["live"] = {"guidance_scale": 4.0}, False
    add_chapter_notes("compare", notebook)
    assert "drawn from stored results, whose numbers these parameters do not change" in sources(notebook)[1]


def test_stale_chapters_are_told_in_sentences(notebook, tmp_path):
    unknown, old = copy.deepcopy(notebook), copy.deepcopy(notebook)
    unknown["metadata"] = {}
    old["metadata"]["stablerep"]["inputs"] |= {"library": "x", "corpus": "y"}
    for name, content in (("compare", notebook), ("bias_representation", unknown), ("scaling", old)):
        (tmp_path / f"{name}.ipynb").write_text(json.dumps(content))
    first, second = stale_chapters(tmp_path, ["compare", "bias_representation", "scaling"])
    assert (
        first
        == "bias_representation has no record of what it was made from; `stablerep run bias_representation` executes it again."
    )
    assert second.startswith("scaling was executed before") and "the library" in second and "the corpus" in second


RECORD = Record.model_validate(
    {
        "title": "w = 4",
        "key": "0" * 16,
        "preset": "smoke",
        "live": True,
        "chapters": ["corpus", "compare", "bias_representation"],
        "changed": {
            "compare": {"guidance_scale": 4.0, "seed": 1},
            "bias_representation": {"seed": 1},
            "corpus": {"seed": 1},
        },
    }
)


def test_the_first_page_names_the_book_and_its_parameters():
    text = add_front_note("# Old title\n\nProse.\n", RECORD)
    assert text.startswith("# w = 4\n\n") and text.endswith("\n\nProse.\n")
    assert "guidance_scale = 4.0 (compare), seed = 1 (all chapters)" in text
    stored = add_front_note("# Old title\n", RECORD.model_copy(update={"live": False}))
    assert "drawn from stored results, whose numbers its parameters do not change: guidance_scale" in stored
    plain = add_front_note("# Old title\n\nProse.\n", RECORD.model_copy(update={"changed": {}}))
    assert plain == "# w = 4\n\nProse.\n"


def test_a_page_without_a_run_was_not_executed_and_one_without_a_record_is_not_recorded(notebook):
    row = chapter_row("photographs", announcement("photographs", "yet."))
    assert [row[1], *row[3:5]] == ["not executed"] * 3
    assert chapter_row("compare", notebook)[1:5] == ["`smoke`", "none", "not recorded", "not recorded"]
