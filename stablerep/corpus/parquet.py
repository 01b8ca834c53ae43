"""Captioned images in parquet files, in the layout of the ``datasets`` library.

An image is a struct of ``bytes`` and ``path``; class names stand in the schema's metadata. Metadata columns are read at once,
images only when they are asked for, a batch of rows at a time.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np
import pandas as pd

from stablerep.corpus import Corpus
from stablerep.corpus.decoding import decode_image
from stablerep.corpus.sources import (
    Options,
    assemble,
    choose_columns,
    content_hash,
    fingerprint,
    short_name,
    split_named,
)
from stablerep.errors import InputError

if TYPE_CHECKING:
    import pyarrow as pa
    import pyarrow.parquet as pq

BATCH = 1024


class Part(Protocol):
    """A table of images: one parquet file, or one split of a Hub data set."""

    name: str

    def __len__(self) -> int: ...

    def schema(self) -> pa.Schema: ...

    def columns(self, names: Sequence[str]) -> pa.Table: ...

    def batches(self, column: str, wanted: np.ndarray) -> Iterator[tuple[int, pa.Array]]:
        """Pairs of first row and values that together hold the ``wanted`` rows (ascending, counted from 0)."""

    def image_bytes(self, value: Any) -> bytes | None: ...

    def content(self) -> str:
        """A hash of everything in it."""


@dataclass(frozen=True)
class ParquetPart:
    """One parquet file; ``name`` is its path inside the source."""

    name: str
    path: str

    def __len__(self) -> int:
        with self._file() as file:
            return file.metadata.num_rows

    def schema(self) -> pa.Schema:
        with self._file() as file:
            return file.schema_arrow

    def columns(self, names: Sequence[str]) -> pa.Table:
        with self._file() as file:
            return file.read(columns=list(names))

    def batches(self, column: str, wanted: np.ndarray) -> Iterator[tuple[int, pa.Array]]:
        with self._file() as file:
            start = 0
            for group in range(file.num_row_groups):
                end = start + file.metadata.row_group(group).num_rows
                if np.searchsorted(wanted, start) < np.searchsorted(wanted, end):
                    for batch in file.iter_batches(BATCH, row_groups=[group], columns=[column]):
                        yield start, batch.column(0)
                        start += len(batch)
                start = end

    def image_bytes(self, value: Any) -> bytes | None:
        return value["bytes"] if isinstance(value, dict) else value

    def content(self) -> str:
        return content_hash(Path(self.path))

    @contextmanager
    def _file(self) -> Iterator[pq.ParquetFile]:
        import pyarrow as pa
        import pyarrow.parquet as pq

        try:
            with pq.ParquetFile(self.path) as file:
                yield file
        except (pa.ArrowException, OSError) as error:
            raise InputError(f"{self.name} cannot be read as parquet ({str(error).rstrip('.')}).") from error


def open_parquet(root: Path, files: Sequence[Path], options: Options) -> Corpus:
    """Open parquet files; ``root`` is the folder they were found in, or the only file."""
    folder = root if root.is_dir() else root.parent
    parts = [ParquetPart(path.relative_to(folder).as_posix(), str(path)) for path in files]
    splits = [split_named(Path(part.name).stem, *Path(part.name).parent.parts[::-1]) for part in parts]
    name = short_name(root.name) if root.is_dir() else short_name(root.parent.name if splits[0] else "", root.stem)
    return open_parts(parts, splits, name, options)


def open_parts(parts: Sequence[Part], splits: Sequence[str | None], name: str, options: Options) -> Corpus:
    """Join parts to a corpus; ``splits`` has what each part's name says. The first part decides on the columns."""
    schema = parts[0].schema()
    image = _image_column(schema, options.image_column, parts[0].name)
    names = _class_names(schema)
    kinds = {column.name: _kind(column.type) for column in schema if column.name != image}
    caption, label = choose_columns(kinds, names.keys() & kinds.keys(), options, parts[0].name)
    kept = [column for column, kind in kinds.items() if kind != "nested"]
    needed = {image, caption, label} - {None}
    frames = []
    for part in parts:
        present = part.schema()
        if missing := sorted(needed - set(present.names)):
            raise InputError(
                f"{part.name} has no column {missing[0]!r}, which {parts[0].name} has; open one data set at a time."
            )
        here = [column for column in kept if column in present.names]
        frame = part.columns(here).to_pandas(ignore_metadata=True) if here else pd.DataFrame(index=range(len(part)))
        for column, classes in _class_names(present).items():
            if column in frame:
                frame[column] = _named(frame[column], classes, f"column {column!r} of {part.name}")
        frames.append(frame)
    starts = np.cumsum([0, *map(len, frames)])
    rows = pd.concat(frames, ignore_index=True)
    if rows.index.empty:
        raise InputError(f"{name} has no rows.")
    of = np.repeat(np.arange(len(parts)), np.diff(starts))

    def place(i: int) -> str:
        return f"{parts[of[i]].name}, row {i - starts[of[i]] + 1}"

    ids = rows["id"].tolist() if "id" in rows else [f"{parts[p].name}/{i - starts[p] + 1}" for i, p in enumerate(of)]
    table = assemble(rows, ids, [splits[p] for p in of], caption, label, options, place)
    images = PartImages(
        tuple(parts), tuple(starts.tolist()), image, pd.Series(np.arange(len(table)), index=table["id"])
    )
    return Corpus(table, name, fingerprint([(part.name, part.content()) for part in parts], options), images)


@dataclass(frozen=True)
class PartImages:
    """Decodes images of several parts; ``rows`` maps an id to its row over all parts, ``starts`` has each part's first row."""

    parts: tuple[Part, ...]
    starts: tuple[int, ...]
    column: str
    rows: pd.Series = field(repr=False)

    def __call__(self, table: pd.DataFrame, size: int) -> np.ndarray:
        images = np.empty((len(table), 3, size, size), np.uint8)
        rows = self.rows.loc[table["id"].tolist()].to_numpy()
        order = np.argsort(rows, kind="stable")
        rows = rows[order]
        for part, low, high in zip(self.parts, self.starts, self.starts[1:]):
            a, b = np.searchsorted(rows, [low, high])
            if a == b:
                continue
            wanted = rows[a:b] - low
            for start, values in part.batches(self.column, wanted):
                i, j = np.searchsorted(wanted, [start, start + len(values)])
                for row, target in zip(wanted[i:j].tolist(), order[a + i : a + j].tolist()):
                    images[target] = self._decode(part, row, values[row - start].as_py(), size)
        return images

    def _decode(self, part: Part, row: int, value: Any, size: int) -> np.ndarray:
        try:
            if (data := part.image_bytes(value)) is None:
                raise InputError("it has no bytes")
            return decode_image(data, size)
        except (OSError, ValueError) as error:
            raise InputError(
                f"{part.name}, row {row + 1}: the image cannot be read ({str(error).rstrip('.')})."
            ) from error


def _features(schema: pa.Schema) -> dict[str, dict]:
    """What ``datasets`` wrote about the columns; empty where it wrote nothing."""
    try:
        features = json.loads((schema.metadata or {})[b"huggingface"])["info"]["features"]
    except (KeyError, TypeError, ValueError):
        return {}
    return {name: kind for name, kind in features.items() if isinstance(kind, dict)}


def _class_names(schema: pa.Schema) -> dict[str, list[str]]:
    named = {name: kind.get("names") for name, kind in _features(schema).items() if kind.get("_type") == "ClassLabel"}
    return {name: names for name, names in named.items() if names and name in schema.names}


def _named(codes: pd.Series, names: list[str], where: str) -> pd.Series:
    """Codes as categories; -1 and missing codes, by which ``datasets`` says "unknown", become missing values."""
    known = codes.fillna(-1).astype("int64")
    if (outside := known[(known < -1) | (known >= len(names))]).size:
        row, code = outside.index[0] + 1, outside.iloc[0]
        raise InputError(f"{where}, row {row}, holds the class {code}; there are {len(names)}, counted from 0.")
    return pd.Series(pd.Categorical.from_codes(known, categories=names), index=codes.index)


def _image_column(schema: pa.Schema, chosen: str | None, where: str) -> str:
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


def _kind(kind: pa.DataType) -> str:
    import pyarrow.types as types

    if types.is_dictionary(kind):
        kind = kind.value_type
    if types.is_string(kind) or types.is_large_string(kind) or types.is_string_view(kind):
        return "text"
    return "nested" if types.is_nested(kind) or types.is_binary(kind) or types.is_large_binary(kind) else str(kind)
