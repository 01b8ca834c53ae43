"""What follows from the schemas of parameters: the notebooks' parameters cells, the tables of the chapters, help, JSON Schema."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path

from stablerep.errors import InputError
from stablerep.study.parameters.base import SCHEMAS, Batched, Parameters, Seeded
from stablerep.study.parameters.presets import preset_values

SHOWN = 7  # choices that a line of a parameters cell names


@dataclass(frozen=True)
class Described:
    """One parameter: ``kind`` (number, whole number, text, truth value, or list of these), ``valid`` values in words, ``choices`` if it has
    some, ``unit``, ``cost`` (what happens to the running time when it grows) and ``help``."""

    name: str
    kind: str
    valid: str
    choices: tuple[str, ...]
    unit: str
    cost: str
    help: str


def describe_schema(schema: type[Parameters]) -> list[Described]:
    """All parameters of a schema, in its order."""
    rows = []
    for name, field in schema.model_json_schema()["properties"].items():
        choices = field.get("enum") or field.get("items", {}).get("enum") or ()
        rows.append(
            Described(
                name, _kind(field), _valid(field), tuple(choices), field["unit"], field["cost"], field["description"]
            )
        )
    return rows


def _kind(field: dict) -> str:
    if field["type"] == "array":
        return f"list of {_kind(field['items'])}s"
    return {"integer": "whole number", "number": "number", "string": "text", "boolean": "truth value"}[field["type"]]


def _valid(field: dict) -> str:
    if field["type"] == "array":
        inner = _valid(field["items"])
        return f"{max(field.get('minItems', 0), 1)} or more" + (f", each {inner}" if inner else "")
    if "enum" in field:
        *most, last = field["enum"]
        return f"{', '.join(most)} or {last}" if most else last
    low, above = field.get("minimum"), field.get("exclusiveMinimum")
    high, below = field.get("maximum"), field.get("exclusiveMaximum")
    first = _plain(low) if low is not None else f"above {_plain(above)}" if above is not None else ""
    last = _plain(high) if high is not None else f"below {_plain(below)}" if below is not None else ""
    if first and last:
        return (
            f"{first} to {last}"
            if low is not None and high is not None
            else f"{first}, {'at most ' if high is not None else ''}{last}"
        )
    if first:
        return f"{first} or more" if low is not None else first
    return f"at most {last}" if high is not None else last


def _plain(number: float) -> str:
    return str(int(number)) if float(number).is_integer() else f"{number:g}"


def parameters_cell(name: str) -> str:
    """Source of the cell that papermill overrides: a line for each parameter, None where the preset decides.

    Papermill reads it with a regular expression: one literal on a line, and a comment without ``=`` and ``#``.
    """
    fixed, lines = {"preset": '"laptop"', "live": "True"}, []
    for row in describe_schema(SCHEMAS[name]):
        told = row.valid if row.valid and len(row.choices) <= SHOWN and row.name != "preset" else ""
        choices = f"{', '.join(row.choices[:-1])} or {row.choices[-1]}" if row.name == "preset" else ""
        unit = f"in {row.unit}" if row.unit and row.unit not in row.help else ""
        comment = "; ".join(part for part in (choices or row.help, unit, told) if part)
        lines.append(f"{row.name} = {fixed.get(row.name, 'None')}  # {comment}")
    return "\n".join(lines)


def sync_notebook(path: Path, *, check: bool = False) -> bool:
    """Write the parameters cell of a chapter's notebook anew; True when it was (or, to ``check``, would be) changed.

    Raises:
        ValueError: no notebook of the book, or without the cell.
    """
    from stablerep.checkpoint import written_aside

    if path.stem not in SCHEMAS or not path.is_file():
        raise InputError(f"{path.name} is no notebook of the book; there are {', '.join(SCHEMAS)}.")
    content = json.loads(path.read_text())
    cells = [cell for cell in content["cells"] if "parameters" in cell["metadata"].get("tags", ())]
    if len(cells) != 1:
        raise InputError(f"{path.name} has {len(cells)} cells tagged parameters; it needs one.")
    source = parameters_cell(path.stem)
    if "".join(cells[0]["source"]) == source:
        return False
    if not check:
        cells[0]["source"] = source.splitlines(True)
        with written_aside(path) as aside:
            aside.write_text(json.dumps(content, indent=1, ensure_ascii=False) + "\n")
    return True


def json_schema(name: str) -> dict:
    """JSON Schema of a chapter's parameters, with the laptop preset's values as defaults; nothing is required.

    Beside the standard's words each parameter has ``unit`` and ``cost``. What the standard cannot say stands in the description.

    Raises:
        ValueError: no chapter of that name.
    """
    if name not in SCHEMAS:
        raise InputError(f"notebook is {name!r}; the book has {', '.join(SCHEMAS)}.")
    schema = SCHEMAS[name].model_json_schema()
    defaults = (
        {"preset": "laptop", "live": True}
        | ({"seed": 0} if issubclass(SCHEMAS[name], Seeded) else {})
        | preset_values("laptop", name)
    )
    for field, value in defaults.items():
        schema["properties"][field]["default"] = value
        if schema["properties"][field]["type"] == "array":
            schema["properties"][field]["uniqueItems"] = True
    batch = " views_per_step is even and a multiple of positives." if issubclass(SCHEMAS[name], Batched) else ""
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema", "title": f"Parameters of the chapter {name}",
        "description": f"What is not given comes from the preset; the defaults are the laptop's.{batch}",
        **{key: value for key, value in schema.items() if key not in ("title", "description", "required")},
    }  # fmt: skip


def write_schemas(folder: Path) -> None:
    """A file ``<chapter>.schema.json`` for each chapter."""
    from stablerep.checkpoint import written_aside

    for name in SCHEMAS:
        with written_aside(folder / f"{name}.schema.json") as aside:
            aside.write_text(json.dumps(json_schema(name), indent=1, ensure_ascii=False) + "\n")
