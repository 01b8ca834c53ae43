"""What the book's extension does to the source of a page: solutions that a class is to hand in can be left out."""

from __future__ import annotations

import json
import re
import subprocess
from types import SimpleNamespace

import pytest

from stablerep.study.book import sphinx_extension
from stablerep.study.book.sphinx_extension import CLAIM_TEXTS, SOLVES, change_sources, leave_out_solutions
from stablerep.study.chapters import chapter_names
from stablerep.study.claims import CLAIMS
from stablerep.study.protocol import PAGE
from stablerep.study.root import PROJECT


@pytest.mark.parametrize("name", chapter_names())
def test_a_chapter_prints_its_solutions_in_one_cell_that_can_be_left_out(name):
    notebook = json.loads((PROJECT / "notebooks" / f"{name}.ipynb").read_text())
    before = len(notebook["cells"])
    if any(SOLVES in "".join(cell["source"]) for cell in notebook["cells"]):
        leave_out_solutions(notebook)
        assert len(notebook["cells"]) == before - 1 and SOLVES not in json.dumps(notebook)


@pytest.mark.parametrize(("said", "left"), [("no", 1), ("yes", 2), (None, 2)])
def test_the_environment_says_whether_a_page_has_solutions(monkeypatch, said, left):
    cell = {"cell_type": "code", "metadata": {"tags": []}, "outputs": [], "source": "chapter.solutions('It is two.')"}
    notebook = {"cells": [{"cell_type": "markdown", "metadata": {}, "source": "# Title"}, cell], "metadata": {}}
    for name in ("describe_images", "caption_tables"):
        monkeypatch.setattr(sphinx_extension, name, lambda notebook: None)
    monkeypatch.setattr(sphinx_extension, "add_chapter_notes", lambda name, notebook: None)
    monkeypatch.delenv("STABLEREP_SOLUTIONS", raising=False)
    if said:
        monkeypatch.setenv("STABLEREP_SOLUTIONS", said)
    source = [json.dumps(notebook)]
    app = SimpleNamespace(env=SimpleNamespace(doc2path=lambda name: f"{name}.ipynb"))
    change_sources(app, "book/chapters/compare", source)
    assert len(json.loads(source[0])["cells"]) == left


def test_the_protocol_has_every_claim_in_words():
    page = (PROJECT / PAGE).read_text()
    assert page.count(CLAIM_TEXTS) == 1
    source, app = (
        [page],
        SimpleNamespace(
            env=SimpleNamespace(doc2path=lambda name: f"{name}.md"),
            srcdir=PROJECT,
            config=SimpleNamespace(root_doc="book/introduction"),
        ),
    )
    change_sources(app, "book/protocol", source)
    assert CLAIM_TEXTS not in source[0] and all(f"- **{one.name}** {one.text}\n" in source[0] for one in CLAIMS)


def test_make_hands_the_choice_on():
    done = subprocess.run(
        ["make", "-n", "book", "SOLUTIONS=no"], capture_output=True, text=True, check=True, cwd=PROJECT
    )
    assert re.search(r"^STABLEREP_SOLUTIONS=no \.venv/bin/stablerep book", done.stdout, re.MULTILINE)
