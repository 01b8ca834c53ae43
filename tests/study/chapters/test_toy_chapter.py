"""A chapter is one module, one notebook and one line: added to a copy of the tree, it runs, sweeps, traces and is built."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import nbformat
import pytest

from stablerep.study.chapters import chapter_names, is_computed, resolve
from stablerep.study.root import PROJECT
from tests.study.book.test_build import executed_chapter

MODULE = '''
"""A toy: how many captions begin with a letter."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

import pandas as pd

from stablerep.study.chapters import Headline
from stablerep.study.experiments.answers import Answer
from stablerep.study.experiments.study import Study
from stablerep.study.parameters import base
from stablerep.study.parameters.base import knob
from stablerep.study.store.runs import Run
from stablerep.study.store.step import Step

QUESTION = "How many captions begin with each letter?"
CLAIMS = ("C9",)
HEADLINE = Headline("letters", ("letter",), "captions", "captions")
COUNTING = Step("counting", 1, lambda p: f"captions that begin with {p['letter']}", ("stablerep.corpus",), seconds=1.0)


class Parameters(base.Parameters):
    letter: Literal["a", "b", "c"] = knob("first letter of the captions")


PRESETS = {"laptop": dict(letter="a")}


def ask(p: Parameters, study: Study) -> Run:
    def compute(folder: Path) -> dict:
        count = sum(caption.startswith(p.letter) for caption in study.captions().texts)
        pd.DataFrame([{"letter": p.letter, "captions": count}]).to_parquet(folder / "results.parquet")
        return {}

    return study.store.obtain(COUNTING, parameters={"letter": p.letter}, inputs={"corpus": study.about.fingerprint}, compute=compute)


def compute(p: Parameters, asked: Run) -> dict[str, pd.DataFrame]:
    return {"letters": asked.table()}


def verdict(tables: dict[str, pd.DataFrame]) -> list[Answer]:
    return [Answer("C9", "not testable at this scale", "a toy decides nothing")]
'''
CELLS = [
    ("markdown", [], "# Toy\n\nLetters are counted here."),
    ("code", ["parameters", "hide-input"], ""),
    ("code", ["hide-input"], 'from stablerep.study.notebooks.chapter import open_chapter\n\nchapter = open_chapter("toy", globals())\nchapter.parameter_table()'),
    ("code", ["hide-input"], 'chapter.tables["letters"] if chapter.parameters.live else "nothing is stored"'),
    ("code", ["hide-input"], 'chapter.verdict() if chapter.parameters.live else "no verdict"'),
]  # fmt: skip


@pytest.fixture(scope="module")
def tree(tmp_path_factory) -> Path:
    """A copy of the tree with a module, a notebook and a line in the table of contents."""
    root = tmp_path_factory.mktemp("toy") / "project"
    listed = subprocess.run(
        ["git", "-C", str(PROJECT), "ls-files", "-co", "--exclude-standard"], capture_output=True, text=True
    )
    if listed.returncode:
        pytest.skip("the tree is copied by the list of files that git keeps")
    for name in listed.stdout.splitlines():
        if (PROJECT / name).is_file():
            (root / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(PROJECT / name, root / name)
    (root / "stablerep/study/chapters/toy.py").write_text(MODULE.lstrip())
    cells = [
        {"cell_type": kind, "id": f"toy-{number}", "metadata": {"tags": tags} if tags else {}, "source": source}
        | ({"outputs": [], "execution_count": None} if kind == "code" else {})
        for number, (kind, tags, source) in enumerate(CELLS)
    ]
    notebook = {"cells": cells, "metadata": {}, "nbformat": 4, "nbformat_minor": 5}
    (root / "notebooks/toy.ipynb").write_text(json.dumps(notebook))
    contents = root / "_toc.yml"
    first = f"      - file: book/chapters/{chapter_names()[0]}\n"
    assert first in contents.read_text()
    contents.write_text(contents.read_text().replace(first, f"{first}      - file: book/chapters/toy\n"))
    run(root, "notebooks sync")
    return root


# Several commands, one after the other in a process of the copy; what each prints.
COMMANDS = """
import json, sys
from typer.testing import CliRunner
from stablerep.study.commands.main import app

said = []
for arguments in json.loads(sys.argv[1]):
    done = CliRunner().invoke(app, arguments)
    assert done.exit_code == 0, (arguments, done.output, done.exception)
    said.append(done.stdout)
print(json.dumps(said))
"""


def run(root: Path, *commands: str, first: str = "", given: tuple[str, ...] = ()) -> list[str]:
    """What commands of the copy print, after a program that is ``given`` arguments of its own."""
    environment = os.environ | {"PYTHONPATH": str(root), "STABLEREP_RUNS": str(root / "runs"), "COLUMNS": "200"}
    words = json.dumps([command.split() for command in commands])
    done = subprocess.run(
        [sys.executable, "-c", first + COMMANDS, words, *given], cwd=root, env=environment, capture_output=True, text=True
    )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr
    return json.loads(done.stdout.splitlines()[-1])


def test_help_schema_and_lists_follow(tree):
    chapters, parameters, schema = run(tree, "run --help", "run toy --help", "notebooks schema toy")
    assert "toy" in chapters and "first letter of the captions" in parameters
    assert json.loads(schema)["properties"]["letter"]["enum"] == ["a", "b", "c"]
    assert re.search(
        r"\| `toy` \| How many captions begin with each letter\? \| C9 \|", (tree / "README.md").read_text()
    )
    assert (
        "letter = None  # first letter of the captions; a, b or c"
        in json.loads((tree / "notebooks/toy.ipynb").read_text())["cells"][1]["source"]
    )


def test_it_is_planned_run_swept_and_traced(tree):
    toy = "run toy --letter b"
    plan, _, later, chain, _ = run(
        tree, f"{toy} --dry-run", toy, f"{toy} --dry-run", "trace toy/letters", "sweep toy -g letter=b,c -o sweep"
    )
    assert "captions that begin with b: compute" in plan and "1 would be computed" in plan
    assert "0 would be computed" in later and "counting" in chain
    summary = (tree / "sweep" / "summary.md").read_text()
    assert "letter" in summary and "1 done" in summary.replace("2 done", "1 done")


# Executions of the other chapters, by which the book of the copy is built: what is shown of them is held elsewhere.
STAND_INS = """
import shutil, sys
from stablerep.study.book.whole import book_parameters
from stablerep.study.notebooks.execution import notebook_identity
from stablerep.study.store.runs import RunStore

def compute(folder):
    shutil.copy(f"{sys.argv[2]}/{name}.ipynb", folder)

for name, p in book_parameters({"preset": "smoke"}).items():
    if name != "toy":
        RunStore().obtain(**notebook_identity(name, p), compute=compute)
"""


@pytest.mark.slow
def test_the_book_has_it(tree, tmp_path):
    for name in chapter_names():
        nbformat.write(executed_chapter(name), tmp_path / f"{name}.ipynb")
    (said,) = run(tree, "book --preset smoke", first=STAND_INS, given=(str(tmp_path),))
    computed = [name for name in chapter_names() if is_computed(name, resolve(name, {"preset": "smoke"}))]
    assert said.count("executed before") == len(computed) and "toy: executing" in said
    page = (tree / "_build/html/book/chapters/toy.html").read_text()
    assert "Letters are counted here." in page
    introduction = (tree / "_build/html/book/introduction.html").read_text()
    rows = re.findall(r"<strong>C9</strong>.*?</tr>", introduction, re.DOTALL)  # one of results, one of those to come
    assert any("chapters/toy.html" in row for row in rows)
