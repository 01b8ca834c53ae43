"""A schema in words: the kind, the valid values and the cost of every parameter, for help, tables and notebooks."""

from __future__ import annotations

from dataclasses import dataclass

from stablerep.study.parameters.base import Parameters

LIMITS = {
    "minimum": "{}", "exclusiveMinimum": "above {}", "maximum": "at most {}", "exclusiveMaximum": "below {}",
}  # fmt: skip


@dataclass(frozen=True)
class Described:
    """One parameter."""

    name: str
    kind: str  # number, whole number, text, truth value, or list of these
    valid: str  # its values in words
    choices: tuple[str, ...]
    unit: str
    cost: str  # what happens to the running time when it grows
    help: str


def describe_schema(schema: type[Parameters]) -> list[Described]:
    """All parameters of a schema, in its order."""
    rows = []
    for name, field in schema.model_json_schema()["properties"].items():
        choices = tuple(field.get("items", field).get("enum", ()))
        words = field["unit"], field["cost"], field["description"]
        rows.append(Described(name, _kind(field), _valid(field), choices, *words))
    return rows


def _kind(field: dict) -> str:
    if field["type"] == "array":
        return f"list of {_kind(field['items'])}s"
    return {"integer": "whole number", "number": "number", "string": "text", "boolean": "truth value"}[field["type"]]


def _valid(field: dict) -> str:
    if field["type"] == "array":
        inner = _valid(field["items"])
        least, most = field.get("minItems"), field.get("maxItems")
        return (f"{least} or more" if least else f"at most {most}" if most else "any number") + (
            f", each {inner}" if inner else ""
        )
    if "enum" in field:
        *most, last = field["enum"]
        return f"{', '.join(most)} or {last}" if most else last
    if "minimum" in field and "maximum" in field:
        return f"{_plain(field['minimum'])} to {_plain(field['maximum'])}"
    if "minimum" in field and "exclusiveMaximum" not in field:
        return f"{_plain(field['minimum'])} or more"
    return ", ".join(words.format(_plain(field[limit])) for limit, words in LIMITS.items() if limit in field)


def _plain(number: float) -> str:
    return str(int(number)) if float(number).is_integer() else f"{number:g}"
