"""Captioned images in tar shards, in the layout of ``img2dataset`` and ``webdataset``.

A shard ``00000.tar`` holds ``KEY.jpg`` with its caption in ``KEY.txt``; ``KEY.json`` has further columns, ``KEY.cls`` a label.
Where ``img2dataset`` left ``00000.parquet`` beside it, captions and columns come from there, and the shard is looked into only
when its images are asked for. Shards are opened as files; images are read from their place in the shard.
"""

from __future__ import annotations

import functools
import hashlib
import json
import tarfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING, Any

import numpy as np

from stablerep.corpus.captioned import Corpus
from stablerep.corpus.columns import CAPTION_COLUMNS
from stablerep.corpus.hashing import content_hash
from stablerep.corpus.locating import IMAGES, Found, short_name
from stablerep.corpus.options import Options
from stablerep.corpus.parquet import ParquetPart
from stablerep.corpus.parts import open_parts
from stablerep.corpus.splits import split_of_file
from stablerep.corpus.text_files import decode_text
from stablerep.errors import InputError

if TYPE_CHECKING:
    import pyarrow as pa

IMAGE = "image"


@dataclass(frozen=True)
class TarPart:
    """One shard; ``name`` is its path inside the source, ``sidecar`` the path of the parquet file beside it, or empty.

    ``written`` has the times of the last change of both: what was read of a shard is kept, and does not stand for one written anew.
    """

    name: str
    path: str
    sidecar: str = ""
    written: tuple[int, ...] = ()

    def __len__(self) -> int:
        return len(rows_of(self))

    def schema(self) -> pa.Schema:
        import pyarrow as pa

        return rows_of(self).schema.append(pa.field(IMAGE, pa.binary()))

    def columns(self, names: Sequence[str]) -> pa.Table:
        rows = rows_of(self)
        if not self.sidecar:
            image_places(self)  # while the shard's headers are at hand
        return rows.select(list(names))

    def batches(self, column: str, wanted: np.ndarray) -> Iterator[tuple[int, pa.Array]]:
        import pyarrow as pa

        places = image_places(self)
        try:
            with open(self.path, "rb") as file:
                for row in sorted(set(wanted.tolist())):
                    start, length = places[row].tolist()
                    file.seek(max(start, 0))
                    yield row, pa.array([file.read(length) if start >= 0 else None], pa.binary())
        except OSError as error:
            raise InputError(f"{self.name} cannot be read ({error.strerror or error}).") from error

    def image_bytes(self, value: Any) -> bytes | None:
        return value

    def place(self, row: int) -> str:
        return f"{self.name}, key {rows_of(self)['key'][row]}"

    def content(self) -> str:
        digests = [content_hash(Path(path)) for path in (self.path, self.sidecar) if path]
        return hashlib.sha256("".join(digests).encode()).hexdigest()

    def sidecar_part(self) -> ParquetPart:
        return ParquetPart(str(Path(self.name).with_suffix(".parquet")), self.sidecar)


def tar_parts(found: Found) -> tuple[list[TarPart], list[str | None], str]:
    """The shards of a source, what the name of each says about its split, and the name of the source."""
    folder = found.root if found.root.is_dir() else found.root.parent
    parts = []
    for path in found.files:
        sidecar, name = path.with_suffix(".parquet"), path.relative_to(folder).as_posix()
        there = [path, sidecar] if sidecar.is_file() else [path]
        written = tuple(file.stat().st_mtime_ns for file in there)
        parts.append(TarPart(name, str(path), str(sidecar) if sidecar in there else "", written))
    splits = [split_of_file(Path(part.name).stem, Path(part.name).parent.parts) for part in parts]
    return parts, splits, short_name(found.root.name if found.root.is_dir() else found.root.stem)


def open_tars(found: Found, options: Options) -> Corpus:
    """Open shards as one corpus. Raises ``InputError`` naming the shard, and the row or key where there is one."""
    if options.image_column is not None:
        raise InputError(f"image_column is {options.image_column!r}; in a shard the image is the file beside KEY.txt.")
    parts, splits, name = tar_parts(found)
    with_sidecar = [part for part in parts if part.sidecar]
    failed = sum(len(part.sidecar_part()) - len(part) for part in with_sidecar)
    lost = f"{failed} images that the files beside the shards list could not be fetched; no shard has them."
    notes = (*found.notes, lost) if failed else found.notes
    return open_parts(parts, splits, name, options, notes)


def succeeded(table: pa.Table) -> pa.Table:
    """The rows of a sidecar whose image was fetched."""
    import pyarrow.compute as pc

    return table.filter(pc.equal(table["status"], "success")) if "status" in table.column_names else table


@functools.lru_cache(maxsize=4)
def rows_of(part: TarPart) -> pa.Table:
    """The columns of a shard's images: ``id`` (shard and key), ``key``, ``caption``, ``label``, and what ``KEY.json`` holds."""
    import pyarrow as pa

    if part.sidecar:
        sidecar = part.sidecar_part()
        if "key" not in (names := sidecar.schema().names):
            raise InputError(f"{sidecar.name} has no column key, which says where its rows stand in {part.name}.")
        table = succeeded(sidecar.columns([name for name in names if name not in ("id", IMAGE)]))
    else:
        rows = _scanned(part)[0]
        names = list(dict.fromkeys(name for row in rows for name in row))
        table = pa.table({name: _column([row.get(name) for row in rows]) for name in names or ("key", "caption")})
    keys = table["key"].to_pylist()
    shard = str(PurePosixPath(part.name).with_suffix(""))
    return table.add_column(0, "id", pa.array([None if key is None else f"{shard}/{key}" for key in keys], pa.string()))


@functools.cache
def image_places(part: TarPart) -> np.ndarray:
    """Start and length of each image in the shard, int64 [rows, 2] in bytes; -1 where the shard has none of the row's key."""
    keys = rows_of(part)["key"].to_pylist()
    places = _scanned(part)[1]
    return np.array([places.get(key, (-1, 0)) for key in keys], np.int64).reshape(-1, 2)


@functools.lru_cache(maxsize=2)
def _scanned(part: TarPart) -> tuple[list[dict[str, object]], dict[str, tuple[int, int]]]:
    """Rows (unless a sidecar has them) and places of the images by key, in the order of the shard."""
    rows: dict[str, dict[str, object]] = {}
    places: dict[str, tuple[int, int]] = {}
    try:
        with open(part.path, "rb") as opened, tarfile.open(fileobj=opened, mode="r:") as shard:
            for member in shard:
                if not member.isfile():
                    continue
                folder, _, base = member.name.rpartition("/")
                stem, _, kind = base.partition(".")
                if not stem:
                    continue
                key = f"{folder}/{stem}" if folder else stem
                if f".{kind.lower()}" in IMAGES:
                    if key in places:
                        raise InputError(f"{part.name}, key {key}: the shard has two images of this key.")
                    places[key] = (member.offset_data, member.size)
                elif not part.sidecar and kind in ("txt", "json", "cls"):
                    values = _described(shard.extractfile(member).read(), kind, f"{part.name}, key {key}")
                    known = rows.get(key, {})
                    rows[key] = {**values, **known} if kind == "json" else {**known, **values}
    except (tarfile.TarError, OSError, EOFError) as error:
        raise InputError(f"{part.name} cannot be read as an uncompressed tar ({str(error).rstrip('.')}).") from error
    if not places:
        raise InputError(f"{part.name} has no images; a shard holds KEY.jpg (or another kind) and KEY.txt.")
    if not part.sidecar and (bare := sorted(set(rows) - set(places))):
        raise InputError(f"{part.name}, key {bare[0]}: the shard has a text of this key and no image.")
    return [{"key": key, **rows.get(key, {})} for key in places], places


def _described(data: bytes, kind: str, where: str) -> dict[str, object]:
    text = decode_text(data, f"{where}.{kind}")
    if kind == "txt":
        return {"caption": text.strip()}
    if kind == "cls":
        return {"label": int(text) if text.strip().isdecimal() else text.strip()}
    try:
        values = json.loads(text)
    except ValueError as error:
        raise InputError(f"{where}: .{kind} cannot be read ({error}).") from error
    if not isinstance(values, dict):
        raise InputError(f"{where}: .json holds no object.")
    plain = {
        name: value for name, value in values.items() if name in CAPTION_COLUMNS or not isinstance(value, (list, dict))
    }  # of captions in a list it is said that they are one
    return {name: value for name, value in plain.items() if name not in ("id", "key", IMAGE)}


def _column(values: list[object]) -> pa.Array:
    import pyarrow as pa

    if any(
        isinstance(value, (list, dict)) for value in values
    ):  # of captions: in one row a list makes a column of lists
        return pa.array([None if value is None else [json.dumps(value)] for value in values])
    try:
        return pa.array(values)
    except (pa.ArrowInvalid, pa.ArrowTypeError):  # numbers in some shards' rows, texts in others
        return pa.array([None if value is None else str(value) for value in values])
