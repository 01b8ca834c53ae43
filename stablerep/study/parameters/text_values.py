"""Values that a reader writes on the command line: text, read as a chapter's schema says, or else as papermill does."""

from __future__ import annotations

import json
import types
from contextlib import suppress
from typing import Annotated, Any, Literal, get_args, get_origin

from pydantic import TypeAdapter, ValidationError
from pydantic.fields import FieldInfo

from stablerep.errors import InputError


def schema_value(field: FieldInfo, text: str | list) -> Any:
    """The value of a parameter from its text, or a list of texts; what its type cannot be read from stays as it is.

    A text is taken as it is; numbers and truth values are those of pydantic (``1e-3``, ``yes``); a list is ``a,b``, in
    brackets or not. An empty number, truth value or list is None: not given.

    Raises:
        InputError: a list whose bracket is not closed.
    """
    return _typed(field.annotation, text)


def _typed(kind: Any, text: str | list) -> Any:
    while get_origin(kind) is Annotated:
        kind = get_args(kind)[0]
    if isinstance(text, list):
        item = get_args(kind)[0] if get_origin(kind) is list else str
        return [_typed(item, one) for one in text]
    if get_origin(kind) in (types.UnionType, Literal) or kind is str:
        return text
    text = text.strip()
    if not text:
        return None
    if get_origin(kind) is list:
        return [_typed(get_args(kind)[0], item) for item in _items(text)]
    for one in (bool,) if kind is bool else (int, float):
        with suppress(ValidationError):
            return TypeAdapter(one).validate_python(text)
    return text


def _items(text: str) -> list[str]:
    """``a,b``, ``[a, b]`` or ``["a", "b"]`` as texts."""
    if not text.startswith("["):
        return [item.strip() for item in text.split(",")]
    if not text.endswith("]"):
        raise InputError(f"{text!r} could not be read as a list; write a,b or [a, b].")
    with suppress(ValueError):
        return [item if isinstance(item, str) else json.dumps(item) for item in json.loads(text)]
    return [item.strip().strip("\"'") for item in text[1:-1].split(",") if item.strip()]


def papermill_value(text: str | list) -> Any:
    """A value for a notebook without a schema, typed as ``papermill -p`` types it."""
    if isinstance(text, list):
        return [papermill_value(one) for one in text]
    literals = {"True": True, "False": False, "None": None}
    if text in literals:
        return literals[text]
    for kind in (int, float):
        with suppress(ValueError):
            return kind(text)
    return text
