"""What is written from the chapters: parameters cells of notebooks, JSON Schemas, and README's list of chapters and scoreboard."""

from __future__ import annotations

import json
import re
from pathlib import Path

from stablerep.checkpoint import written_aside
from stablerep.errors import InputError, MissingError
from stablerep.study.chapters import chapter, chapter_names
from stablerep.study.claims import scoreboard_lines
from stablerep.study.markdown import markdown_table
from stablerep.study.parameters.base import Batched
from stablerep.study.parameters.description import describe_schema
from stablerep.study.parameters.presets import preset_values

SHOWN = 7  # choices that a line of a parameters cell names
LISTED = re.compile(r"(<!-- (?P<what>chapters|scoreboard): .*? -->\n).*?(\n<!-- /(?P=what) -->)", re.DOTALL)

KEPT = ("tags", "mystnb", "stablerep")  # metadata of a cell that a notebook is committed with


def parameters_cell(name: str) -> str:
    """Source of the cell that papermill overrides: a line for each parameter, None where the preset decides.

    Papermill reads it with a regular expression: one literal on a line, and a comment without ``=`` and ``#``.
    """
    fixed, lines = {"preset": '"laptop"', "live": "True"}, []
    for row in describe_schema(chapter(name).Parameters):
        told = row.valid if len(row.choices) <= SHOWN else ""
        unit = f"in {row.unit}" if row.unit and row.unit not in row.help else ""
        words = [row.valid] if row.name == "preset" else [row.help, unit, told]
        lines.append(f"{row.name} = {fixed.get(row.name, 'None')}  # {'; '.join(filter(None, words))}")
    return "\n".join(lines)


def sync_notebook(path: Path, *, check: bool = False) -> bool:
    """Write the parameters cell of a chapter's notebook anew, and take out its outputs and volatile metadata.

    True when it was (or, to ``check``, would be) changed. Raises ``InputError`` for a notebook that is none of the
    book's, or has no such cell, and ``MissingError`` for one that is not there.
    """
    if path.stem in chapter_names() and not path.is_file():
        raise MissingError(f"{path} is missing; the chapter {path.stem} has no notebook yet.")
    if path.stem not in chapter_names():
        raise InputError(f"{path.name} is not a notebook of the book, which has {', '.join(chapter_names())}.")
    before = path.read_text()
    content = json.loads(before)
    cells = [cell for cell in content["cells"] if "parameters" in cell["metadata"].get("tags", ())]
    if len(cells) != 1:
        raise InputError(f"{path.name} has {len(cells)} cells tagged parameters; it needs one.")
    cells[0]["source"] = parameters_cell(path.stem).splitlines(True)
    for cell in content["cells"]:
        if cell["cell_type"] == "code":
            cell["outputs"], cell["execution_count"] = [], None
        cell["metadata"] = {key: value for key, value in cell["metadata"].items() if key in KEPT}
    kernel = {"display_name": "Python 3", "language": "python", "name": "python3"}
    content["metadata"] = {"kernelspec": kernel, "language_info": {"name": "python"}}
    return _write(path, before, json.dumps(content, indent=1, ensure_ascii=False) + "\n", check)


def sync_readme(path: Path, *, check: bool = False) -> bool:
    """Write the list of chapters and the scoreboard between README's marks anew; True when it was (or would be) changed."""
    before = path.read_text()
    rows = [[f"`{name}`", chapter(name).QUESTION, ", ".join(chapter(name).CLAIMS)] for name in chapter_names()]
    tables = {"chapters": markdown_table(["chapter", "question", "claims"], rows), "scoreboard": scoreboard_lines()}
    return _write(path, before, LISTED.sub(lambda found: found[1] + tables[found["what"]] + found[3], before), check)


def _write(path: Path, before: str, after: str, check: bool) -> bool:
    if after != before and not check:
        with written_aside(path) as aside:
            aside.write_text(after)
    return after != before


def json_schema(name: str) -> dict:
    """JSON Schema of a chapter's parameters, with the laptop preset's values as defaults; nothing is required.

    Beside the standard's words each parameter has ``unit`` and ``cost``. What the standard cannot say is described.
    """
    module = chapter(name)
    schema = module.Parameters.model_json_schema()
    for field, value in preset_values(module.Parameters, module.PRESETS).items():
        schema["properties"][field]["default"] = value
        if schema["properties"][field]["type"] == "array":
            schema["properties"][field]["uniqueItems"] = True
    batch = " views_per_step is even and a multiple of positives." if issubclass(module.Parameters, Batched) else ""
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema", "title": f"Parameters of the chapter {name}",
        "description": f"What is not given comes from the preset; the defaults are the laptop's.{batch}",
        **{key: value for key, value in schema.items() if key not in ("title", "description", "required")},
    }  # fmt: skip


def write_schemas(folder: Path) -> None:
    """A file ``<chapter>.schema.json`` for each chapter."""
    for name in chapter_names():
        with written_aside(folder / f"{name}.schema.json") as aside:
            aside.write_text(json.dumps(json_schema(name), indent=1, ensure_ascii=False) + "\n")
