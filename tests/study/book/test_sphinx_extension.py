"""What the book does to executed notebooks before Sphinx reads them."""

from __future__ import annotations

import pytest

from stablerep.study.book.sphinx_extension import leave_out_silent


@pytest.mark.parametrize(
    ("source", "outputs", "left_out"),
    [
        ("if len(table):\n    figures.show(figures.bars, table)", [], True),
        ("chapter.show_beside()", [], True),
        ("Markdown(text) if text else None", [], True),
        ("figures.show_table(table)", [{"data": {}}], False),
        ("probe = chapter.probe\nshown = 1", [], False),  # which shows nothing to begin with
    ],
)
def test_cells_that_had_nothing_to_show_are_left_out(source, outputs, left_out):
    cell = {"cell_type": "code", "source": source, "outputs": outputs, "metadata": {"tags": ["hide-input"]}}
    notebook = {"cells": [{"cell_type": "markdown", "source": "show()", "metadata": {}}, cell]}
    for _ in range(2):
        leave_out_silent(notebook)
        assert cell["metadata"]["tags"] == ["hide-input"] + ["remove-cell"] * left_out
    assert "tags" not in notebook["cells"][0]["metadata"]
