"""Tables on the built pages: numbered and captioned, from what an executed notebook keeps of them."""

from __future__ import annotations

import re

from stablerep.figures.table_cells import TABLE
from stablerep.study.markdown import captioned, markdown_table

_SPECIAL = re.compile(r"([\\`*_{}\[\]<>|$#~])")  # to Markdown, in a cell
_PADS = {
    "\u2007": "&numsp;",
    "\u2008": "&puncsp;",
}  # with which numbers are aligned; Markdown takes the spaces themselves away


def caption_tables(notebook: dict) -> None:
    """Let each table of a notebook be drawn as a numbered one, with the caption and the label in the metadata of its cell. One without rows says that
    what it would show was not run.

    Raises:
        ValueError: a cell shows a table and has no caption.
    """
    for cell in notebook["cells"]:
        for output in cell.get("outputs", ()):
            if kept := output.get("data", {}).get(TABLE):
                about = cell["metadata"].get("stablerep", {}).get("table")
                if about is None:
                    raise ValueError(f"A cell shows a table without a caption: {''.join(cell['source'])}")
                header, *rows = [[_cell(text) for text in row] for row in [kept["header"], *kept["rows"]]]
                rows = rows or [["not run", *["–"] * (len(header) - 1)]]
                output["data"] = {
                    "text/markdown": captioned(about["caption"], markdown_table(header, rows), about["name"])
                }


def _cell(text: str) -> str:
    """The text of a cell in Markdown, in the lines that it has."""
    escaped = _SPECIAL.sub(r"\\\1", text)
    for space, name in _PADS.items():
        escaped = escaped.replace(space, name)
    return escaped.replace("\n", "<br>")
