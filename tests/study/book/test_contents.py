"""The table of contents, and what a reader adds to it: checked before anything runs."""

from __future__ import annotations

import json
from pathlib import Path
from types import SimpleNamespace

import pytest

from stablerep.errors import InputError, MissingError
from stablerep.study.book import early, whole
from stablerep.study.book.build import check_pages
from stablerep.study.book.notes import add_chapter_notes
from stablerep.study.book.whole import time_left
from stablerep.study.chapters import chapter_names, has_stored_results, is_computed, resolve, schemas
from stablerep.study.chapters.photographs import CIFAR
from stablerep.study.root import PROJECT
from stablerep.study.store.runs import RunStore
from stablerep.study.store.step import Step


def test_the_contents_name_every_chapter_in_order():
    assert chapter_names(PROJECT) == list(schemas())


@pytest.mark.parametrize(
    ("name", "content", "said"),
    [
        ("a.txt", b"# Title", "a.txt is not a Markdown file"),
        ("a.md", b"# Title\n\ncaf\xe9", "a.md, line 3: byte 0xe9 is not UTF-8; save the file as UTF-8."),
        ("a.md", b"No title at all.\n", "a.md has no title; begin it with a line such as '# My notes'."),
        ("a.md", b"```\n# a comment\n```\n", "a.md has no title"),
        ("a.md", b"# Title\n\n![x](plots/absent.png)\n", "a.md shows plots/absent.png, which is not there."),
    ],
)
def test_a_page_that_could_not_be_built_is_refused(tmp_path, name, content, said):
    (tmp_path / name).write_bytes(content)
    with pytest.raises(InputError, match=said):
        check_pages([tmp_path / name])


def test_a_page_that_is_missing_or_a_folder(tmp_path):
    with pytest.raises(MissingError, match="there is no file .*absent.md"):
        check_pages([tmp_path / "absent.md"])
    (tmp_path / "folder.md").mkdir()
    with pytest.raises(InputError, match="folder.md cannot be read: is a directory"):
        check_pages([tmp_path / "folder.md"])


@pytest.mark.parametrize(
    "text", ["# Title\n", "\ufeff# Title\r\n", "Title\n=====\n", "(label)=\n# Title\n\n![x](https://a/b.png)"]
)
def test_pages_that_can_be_built(tmp_path, text):
    page = Path(tmp_path / "w: 4.md")
    page.write_text(text, encoding="utf-8")
    check_pages([page])


def test_the_time_left_is_corrected_by_what_has_run():
    three = {"a": 10, "b": 20, "c": 30}
    assert time_left(three, "a", 10) == 50  # as estimated
    assert time_left(three, "a", 25) == 125  # everything takes 2.5 times as long
    assert time_left(three, "ab", 15) == 15
    assert time_left(three, "abc", 99) == 0
    assert time_left({"a": 0, "b": 20}, "a", 0.1) == 20  # executed before: nothing to learn from


# The book before its runs are done


@pytest.fixture
def early_world(tmp_path, monkeypatch):
    """Chapters of which one was executed, one has stored results, and others have nothing; what was executed is noted."""
    executed, store = [], RunStore(tmp_path / "runs")
    done = store.obtain(
        Step("notebook", 1, lambda p: "", announced=False), parameters={"name": "corpus"}, inputs={},
        compute=lambda folder: (folder / "corpus.ipynb").write_text('{"cells": [], "metadata": {}}') and {},
    )  # fmt: skip

    def execute(name, given, **how):
        executed.append((name, given["live"]))
        return store.obtain(
            Step("notebook", 1, lambda p: "", announced=False), parameters={"name": name}, inputs={},
            compute=lambda folder: (folder / f"{name}.ipynb").write_text('{"cells": [], "metadata": {"stablerep": {}}}') and {},
        )  # fmt: skip

    def tables(name):
        if name != "compare":
            raise MissingError(f"results/{name} holds no stored results")

    monkeypatch.setattr(early, "notebook_identity", lambda name, p, store: {
        "step": Step("notebook", 1, lambda p: "", announced=False), "parameters": {"name": name}, "inputs": {},
    })  # fmt: skip
    monkeypatch.setattr(early, "execute_notebook", execute)
    monkeypatch.setattr(early, "stored_tables", tables)
    return SimpleNamespace(store=store, done=done, executed=executed, folder=tmp_path)


def test_a_page_comes_early_as_far_as_it_is_known(early_world):
    for name in ("corpus", "compare", "bias_representation"):
        early.place_early(name, resolve(name, {}), 600.0, early_world.store, early_world.folder)
    assert early_world.executed == [("compare", False)]  # corpus was executed before, the other has nothing to draw
    pages = {
        name: json.loads((early_world.folder / f"{name}.ipynb").read_text())
        for name in ("corpus", "compare", "bias_representation")
    }
    assert "stablerep" not in pages["corpus"]["metadata"]
    assert pages["compare"]["metadata"]["stablerep"]["pending"] == "10.0 min"
    text = "".join(pages["bias_representation"]["cells"][0]["source"])
    assert (
        text.startswith("# Bias in representations\n\n**Does learning from synthetic images")
        and "its run is still going on: about 10.0 min" in text
    )
    notebook = pages["bias_representation"]
    add_chapter_notes("bias_representation", notebook)
    assert len(notebook["cells"]) == 1  # it says itself what it is


def test_a_chapter_that_computes_nothing_is_not_announced_as_going_on(early_world):
    early.place_early("photographs", resolve("photographs", {}), 3.0, early_world.store, early_world.folder)
    text = (early_world.folder / "photographs.ipynb").read_text()
    assert "none was computed for this book." in text and f"$ {CIFAR.command}" in text and "still going on" not in text


def test_pages_of_stored_results_come_early_from_several_processes(tmp_path):
    """What one process makes of each, two make of all; a chapter with nothing stored says what is to come."""
    store, parameters = RunStore(tmp_path / "runs"), {name: resolve(name, {}) for name in ("corpus", "zero_shot")}
    folders = tmp_path / "one", tmp_path / "two"
    for workers, folder in enumerate(folders, 1):
        folder.mkdir()
        early.place_all_early(parameters, dict.fromkeys(parameters, 600.0), store, folder, workers)
    for name in parameters:
        one, two = (json.loads((folder / f"{name}.ipynb").read_text()) for folder in folders)
        assert [cell["source"] for cell in one["cells"]] == [cell["source"] for cell in two["cells"]]
        assert one["metadata"] == two["metadata"] and "stablerep" in one["metadata"]
    assert len(store.list()) == 1  # the notebook of the corpus, found again


def test_pages_come_early_where_runs_take_long():
    def plan(name: str, seconds: float, executed: bool) -> SimpleNamespace:
        return SimpleNamespace(name=name, seconds=seconds, executed=executed)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(early, "total", lambda plans: SimpleNamespace(seconds=sum(one.seconds for one in plans)))
        plans = [plan("a", 59, False), plan("b", 61, False), plan("c", 900, True)]
        assert early.waited_for(plans, 1) == {"b"}
        assert early.waited_for(plans[:2], 1) == early.waited_for(plans, 4) == set()  # the whole book is there soon


def test_pages_are_built_before_the_runs_end_and_after_each(tmp_path, monkeypatch):
    """At once as far as they are known, then after each chapter that was waited for, and once more at the end, strictly."""
    built, lines = [], []

    def place(folder: Path, name: str, text: str) -> None:
        (folder / f"{name}.ipynb").write_text(text)

    def build(root, output, folder, *, record, pages, strict=False, kept=None):
        built.append(["".join(path.read_text() for path in sorted(folder.glob("*.ipynb"))), strict])
        assert strict or kept, "only the last build begins anew"
        return output / "index.html"

    monkeypatch.setenv("STABLEREP_RUNS", str(tmp_path / "runs"))
    monkeypatch.setattr(
        whole, "compute_together", lambda wanted, *rest, complete, **how: [complete([name]) for name, _ in wanted]
    )
    monkeypatch.setattr(whole, "waited_for", lambda plans, workers: {"generator", "methods"})
    monkeypatch.setattr(
        whole,
        "place_all_early",
        lambda named, seconds, store, folder, workers: [place(folder, one, "-") for one in named],
    )
    monkeypatch.setattr(whole, "execute_notebook", lambda name, given, store, forked: name)
    monkeypatch.setattr(whole, "place_chapter", lambda run, name, folder: place(folder, name, "EXECUTED"))
    monkeypatch.setattr(whole, "build_book", build)
    index = whole.make_book({"preset": "smoke"}, title="Early", output=tmp_path / "html", strict=True, log=lines.append)
    whole_book = [
        name
        for name in chapter_names()
        if has_stored_results(name) or is_computed(name, resolve(name, {"preset": "smoke"}))
    ]
    assert [text.count("EXECUTED") for text, _ in built] == [0, 2, 3, len(whole_book)] and len(whole_book) >= len(
        chapter_names()
    ) - 1
    assert [strict for _, strict in built] == [False] * 3 + [True]
    told = lines.index(f"{index} can be read; its pages are built again as their runs end")
    assert told < next(k for k, line in enumerate(lines) if line.startswith("[1/"))
