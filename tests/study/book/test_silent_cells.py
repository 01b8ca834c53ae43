"""Cells without output do not stand on a page; those that say something, or set parameters, do."""

from __future__ import annotations

from stablerep.study.book.silent_cells import remove_silent_cells


def cell(kind: str = "code", tags: tuple[str, ...] = ("hide-input",), **more) -> dict:
    return {"cell_type": kind, "metadata": {"tags": list(tags)}, "source": "x = 1", **more}


def test_folded_cells_without_output_are_left_out():
    shown = [
        cell(outputs=[{"output_type": "display_data"}]), cell("markdown", ()), cell(tags=("parameters", "hide-input"), outputs=[]),
        cell(tags=(), outputs=[]),
    ]  # fmt: skip
    silent = [cell(outputs=[]), cell(tags=("hide-input", "own-run"), outputs=[])]
    notebook = {"cells": [*shown, *silent]}
    remove_silent_cells(notebook)
    assert not any("remove-cell" in one["metadata"]["tags"] for one in shown)
    assert all(one["metadata"]["tags"][-1] == "remove-cell" for one in silent)
    assert silent[1]["metadata"]["tags"] == ["hide-input", "own-run", "remove-cell"]
