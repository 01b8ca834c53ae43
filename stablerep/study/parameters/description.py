"""A schema in words: the kind, the valid values and the cost of every parameter, for help, tables and notebooks."""

from __future__ import annotations

from dataclasses import dataclass

from stablerep.study.parameters.base import Parameters


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
        least = field.get("minItems", 0)
        return (f"{least} or more" if least else "any number") + (f", each {inner}" if inner else "")
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
