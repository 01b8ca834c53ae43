"""Notebooks in processes of their own."""

from __future__ import annotations

import json

import pytest

from stablerep.errors import FailedError
from stablerep.study.book.side_by_side import execute_side_by_side
from stablerep.study.chapters import has_stored_results, resolve
from stablerep.study.notebooks.execution import execute_notebook
from stablerep.study.store.runs import RunStore

STORED = {"live": False}


def test_notebooks_are_executed_as_one_alone_is_and_told_of_as_they_end(tmp_path):
    store, wanted = (
        RunStore(tmp_path / "runs"),
        {name: resolve(name, STORED) for name in ("corpus", "images_per_caption")},
    )
    found = dict(execute_side_by_side(wanted, store, tmp_path, 2))
    assert found.keys() == wanted.keys() and min(found.values()) > 0
    for name in wanted:
        run = execute_notebook(name, STORED, store=store, log=None)  # is there, of the same key
        assert (tmp_path / f"{name}.ipynb").read_bytes() == run.path(f"{name}.ipynb").read_bytes()
        assert json.loads((tmp_path / f"{name}.ipynb").read_text())["metadata"]["stablerep"]["key"] == run.key
    assert len(store.list()) == 2


def test_a_notebook_that_fails_ends_all_with_what_it_said(tmp_path):
    without = next(name for name in ("zero_shot", "granularity", "editing") if not has_stored_results(name))
    wanted = {name: resolve(name, STORED) for name in (without, "corpus")}
    with pytest.raises(FailedError, match=f"{without}: cell .* failed with MissingError"):
        list(execute_side_by_side(wanted, RunStore(tmp_path / "runs"), tmp_path, 2))
    assert not (tmp_path / f"{without}.ipynb").exists()
