"""Cells that show nothing: where a run lacks a table or a figure, its cell would stand on the page as a bar of folded code alone."""

from __future__ import annotations

FOLDED, KEPT = "hide-input", {"parameters", "injected-parameters"}
REMOVED = "remove-cell"


def remove_silent_cells(notebook: dict) -> None:
    """Leave out of a page the executed cells whose code is folded and that gave no output. They stay in the notebook itself."""
    for cell in notebook["cells"]:
        tags = cell["metadata"].get("tags", [])
        if cell["cell_type"] == "code" and FOLDED in tags and not KEPT & set(tags) and cell.get("outputs") == []:
            cell["metadata"]["tags"] = [*tags, REMOVED]
