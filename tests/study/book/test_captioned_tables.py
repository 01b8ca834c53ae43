"""Tables of executed notebooks as numbered ones."""

from __future__ import annotations

import copy

import pandas as pd
import pytest

from stablerep.figures.table_cells import ShownTable
from stablerep.study.book.captioned_tables import caption_tables


@pytest.fixture
def cell():
    frame = pd.DataFrame({"points": ["+1.2 [+0.1, +2.3]"], "note": ["a|b_c *d*"]}, index=pd.Index(["A"], name="arm"))
    about = {"table": {"caption": "Differences in points.", "name": "tab-a"}}
    return {
        "metadata": {"stablerep": about},
        "source": "x",
        "outputs": [{"data": ShownTable(frame)._repr_mimebundle_()}],
    }


def test_a_table_becomes_a_captioned_one_and_nothing_in_it_is_markup(cell):
    other = {"metadata": {}, "outputs": [{"data": {"text/html": "<b>1</b>"}}, {"output_type": "stream"}]}
    notebook = {"cells": [cell, other, {"metadata": {}}]}
    before = copy.deepcopy(other)
    caption_tables(notebook)
    lines = cell["outputs"][0]["data"]["text/markdown"].splitlines()
    assert set(cell["outputs"][0]["data"]) == {"text/markdown"} and other == before
    assert lines[:2] == [":::{table} Differences in points.", ":name: tab-a"] and lines[-1] == ":::"
    assert lines[3:5] == ["| arm | points | note |", "| --- | --- | --- |"]
    assert lines[5] == "| A | +1.2\u00a0\\[+0.1,\u00a0+2.3\\] | a\\|b\\_c \\*d\\* |"


def test_spaces_that_align_numbers_and_lines_of_a_cell_are_kept(cell):
    frame = pd.DataFrame({f"p{k}": ["10.2 [9.1, 11.3]", "9.9 [8.8, 11.0]"] for k in range(4)}, index=["A", "B"])
    cell["outputs"] = [{"data": ShownTable(frame)._repr_mimebundle_()}]
    caption_tables({"cells": [cell]})
    text = cell["outputs"][0]["data"]["text/markdown"]
    assert "| &numsp;9.9<br>\\[8.8,\u00a011.0\\] |" in text


def test_a_table_without_rows_says_that_nothing_was_run(cell):
    cell["outputs"] = [{"data": ShownTable(pd.DataFrame({"points": [], "note": []}))._repr_mimebundle_()}]
    caption_tables({"cells": [cell]})
    assert "| not run | – | – |" in cell["outputs"][0]["data"]["text/markdown"]


def test_a_table_without_a_caption_is_a_fault(cell):
    cell["metadata"] = {}
    with pytest.raises(ValueError, match="without a caption"):
        caption_tables({"cells": [cell]})
