"""What a schema of Arrow says about columns: which holds images, which holds text, and the names of classes."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pandas as pd

from stablerep.errors import InputError

if TYPE_CHECKING:
    import pyarrow as pa


def class_names(schema: pa.Schema) -> dict[str, list[str]]:
    """Names of classes by column, as ``datasets`` writes them into a schema; empty where it wrote nothing."""
    try:
        features = json.loads((schema.metadata or {})[b"huggingface"])["info"]["features"]
    except (KeyError, TypeError, ValueError):
        return {}
    named = {
        name: kind.get("names")
        for name, kind in features.items()
        if isinstance(kind, dict) and kind.get("_type") == "ClassLabel"
    }
    return {name: names for name, names in named.items() if names and name in schema.names}


def named_classes(codes: pd.Series, names: list[str], where: str) -> pd.Series:
    """Codes as categories; -1 and missing codes, by which ``datasets`` says "unknown", become missing values."""
    known = codes.where(codes.notna(), -1).astype("int64")
    if (outside := known[(known < -1) | (known >= len(names))]).size:
        row, code = outside.index[0] + 1, outside.iloc[0]
        raise InputError(f"{where}, row {row}, holds the class {code}; there are {len(names)}, counted from 0.")
    return pd.Series(pd.Categorical.from_codes(known, categories=names), index=codes.index)


def image_column(schema: pa.Schema, chosen: str | None, where: str) -> str:
    """The column that holds encoded images: a struct of ``bytes`` and ``path``, or bytes. Raises ``InputError`` unless there is one."""
    import pyarrow.types as types

    def holds_bytes(kind) -> bool:
        return types.is_binary(kind) or types.is_large_binary(kind)

    def holds_images(kind) -> bool:
        return types.is_struct(kind) and any(part.name == "bytes" and holds_bytes(part.type) for part in kind)

    structs = [column.name for column in schema if holds_images(column.type)]
    if chosen is not None:
        if chosen not in schema.names:
            raise InputError(f"image_column is {chosen!r}, but {where} has the columns {', '.join(schema.names)}.")
        if chosen not in structs and not holds_bytes(schema.field(chosen).type):
            raise InputError(f"image_column is {chosen!r}, which holds {schema.field(chosen).type}, not image bytes.")
        return chosen
    found = structs or [f.name for f in schema if holds_bytes(f.type)]
    if len(found) != 1:
        columns = ", ".join(found or schema.names)
        raise InputError(f"{where} has {len(found) or 'no'} image columns; give image_column (columns: {columns}).")
    return found[0]


def column_kinds(schema: pa.Schema, image: str) -> dict[str, str]:
    """The type of each column but the image: ``text``, ``nested`` (lists, structures, bytes), or Arrow's name for it."""
    return {column.name: _kind(column.type) for column in schema if column.name != image}


def _kind(kind: pa.DataType) -> str:
    import pyarrow.types as types

    if types.is_dictionary(kind):
        kind = kind.value_type
    if types.is_string(kind) or types.is_large_string(kind) or types.is_string_view(kind):
        return "text"
    return "nested" if types.is_nested(kind) or types.is_binary(kind) or types.is_large_binary(kind) else str(kind)
