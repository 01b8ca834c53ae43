"""Parts of which a corpus is joined: a parquet file, a tar, or one split of a Hub data set, each a table with an image column.

Columns about the images are read at once, images only when they are asked for.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np
import pandas as pd

from stablerep.corpus.arrow_columns import class_names, column_kinds, image_column, named_classes
from stablerep.corpus.captioned import Corpus
from stablerep.corpus.columns import Columns, choose_columns
from stablerep.corpus.decoding import decode_image
from stablerep.corpus.hashing import fingerprint
from stablerep.corpus.options import Options
from stablerep.corpus.rows import assemble
from stablerep.errors import InputError

if TYPE_CHECKING:
    import pyarrow as pa

BATCH = 1024  # rows that are read at a time


class Part(Protocol):
    """A table of images."""

    name: str

    def __len__(self) -> int: ...

    def schema(self) -> pa.Schema: ...

    def columns(self, names: Sequence[str]) -> pa.Table: ...

    def batches(self, column: str, wanted: np.ndarray) -> Iterator[tuple[int, pa.Array]]:
        """Pairs of first row and values that together hold the ``wanted`` rows (ascending, counted from 0)."""

    def image_bytes(self, value: Any) -> bytes | None: ...

    def content(self) -> str:
        """A hash of everything in it."""

    def place(self, row: int) -> str:
        """Where a row (counted from 0) stands, for messages."""


def describe(part: Part, options: Options) -> tuple[str, Columns, dict[str, str], dict[str, list[str]]]:
    """Image column, roles and kinds of the other columns, and names of classes, as the first part of a source decides them."""
    schema = part.schema()
    image = image_column(schema, options.image_column, part.name)
    kinds, names = column_kinds(schema, image), class_names(schema)
    columns = choose_columns(kinds, names.keys() & kinds.keys(), options, part.name)
    return image, columns, kinds, names


def open_parts(
    parts: Sequence[Part], splits: Sequence[str | None], name: str, options: Options, notes: Sequence[str] = ()
) -> Corpus:
    """Join parts to a corpus; ``splits`` has what each part's name says. The first part decides on the columns."""
    image, columns, kinds, _ = describe(parts[0], options)
    kept = [column for column, kind in kinds.items() if kind != "nested"]
    needed = {image, columns.caption, columns.split, *columns.labels, *columns.people} | (
        {columns.cluster} & set(kinds)
    )
    frames = []
    for part in _progress(parts, "reading tables"):
        present = part.schema()
        if missing := sorted(needed - {None} - set(present.names)):
            raise InputError(
                f"{part.name} has no column {missing[0]!r}, which {parts[0].name} has; open one data set at a time."
            )
        here = [column for column in kept if column in present.names]
        if "id" in kept and "id" not in here:
            raise InputError(f"{part.name} has no column 'id', which {parts[0].name} has; open one data set at a time.")
        frames.append(_frame(part, here, present))
    starts = np.cumsum([0, *map(len, frames)])
    rows = pd.concat(frames, ignore_index=True) if len(frames) > 1 else frames[0]
    if rows.index.empty:
        raise InputError(f"{name} has no rows.")
    of = np.repeat(np.arange(len(parts)), np.diff(starts))

    def place(i: int) -> str:
        return parts[of[i]].place(int(i - starts[of[i]]))

    if "id" in rows:
        ids = rows["id"].tolist()
    else:
        ids = [f"{part.name}/{row}" for part, count in zip(parts, np.diff(starts)) for row in range(1, count + 1)]
    named = [split for split, count in zip(splits, np.diff(starts)) for _ in range(count)]
    table, decided = assemble(rows, ids, named, columns, options, place)
    images = PartImages(
        tuple(parts), tuple(starts.tolist()), image, pd.Series(np.arange(len(table)), index=table["id"])
    )
    digest = fingerprint(contents(parts), options)
    return Corpus(
        table, name, digest, images, columns.labels, columns.cluster, people=columns.people, notes=(*notes, *decided)
    )


def contents(parts: Sequence[Part]) -> list[tuple[str, str]]:
    """Name and content hash of each part, for the fingerprint."""
    return [(part.name, part.content()) for part in _progress(parts, "hashing files")]


def _progress(parts: Sequence[Part], what: str):
    from tqdm import tqdm

    return tqdm(parts, desc=what, delay=5, ncols=90)


def _frame(part: Part, columns: list[str], schema: pa.Schema) -> pd.DataFrame:
    if not columns:
        return pd.DataFrame(index=range(len(part)))
    # Whole numbers with gaps become objects, never floats: an id 1 must not turn into 1.0.
    frame = part.columns(columns).to_pandas(ignore_metadata=True, integer_object_nulls=True)
    for column, classes in class_names(schema).items():
        if column in frame:
            frame[column] = named_classes(frame[column], classes, f"column {column!r} of {part.name}")
    return frame


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
            raise InputError(f"{part.place(row)}: the image cannot be read ({str(error).rstrip('.')}).") from error
