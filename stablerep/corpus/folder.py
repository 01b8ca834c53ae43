"""A folder of images with captions: ``metadata.csv`` or ``metadata.jsonl`` beside the images (the ``imagefolder`` convention).

The metadata stands in the folder itself, or in folders below it called ``train``, ``validation`` and ``test``. Its column
``file_name`` names an image relative to the metadata; ``text`` or ``caption`` describes it; ``id`` and ``split`` are optional.
"""

from __future__ import annotations

import csv
import json
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import pandas as pd

from stablerep.corpus import Corpus
from stablerep.corpus.decoding import decode_image
from stablerep.corpus.sources import (
    CAPTION_COLUMNS,
    METADATA,
    SPLIT_NAMES,
    Options,
    assemble,
    choose_columns,
    content_hash,
    fingerprint,
    refuse_repeated,
    short_name,
    split_named,
)
from stablerep.errors import InputError


def metadata_folders(root: Path) -> list[Path]:
    """The folders that hold metadata: ``root`` itself or those of its folders that are named for a split; may be empty."""
    if any((root / name).is_file() for name in METADATA):
        return [root]
    parts = sorted(p for p in root.iterdir() if p.is_dir() and p.name.lower() in SPLIT_NAMES)
    return [part for part in parts if any((part / name).is_file() for name in METADATA)]


def open_folder(root: Path, folders: list[Path], options: Options) -> Corpus:
    """Read the metadata of ``folders`` (from :func:`metadata_folders`); ``root`` is a resolved path.

    Raises ``ValueError`` naming the row.
    """
    if options.image_column is not None:
        raise InputError(f"image_column is {options.image_column!r}; in a folder of images, file_name names the image.")
    frames, files, paths, places, splits = [], [], [], [], []
    for folder in folders:
        present = [folder / name for name in METADATA if (folder / name).is_file()]
        if len(present) > 1:
            raise InputError(f"{folder.name} holds both {' and '.join(METADATA)}; keep one.")
        label = present[0].relative_to(root).as_posix()
        rows = _read_csv(present[0]) if present[0].suffix == ".csv" else _read_jsonl(present[0])
        if rows.empty:
            raise InputError(f"{label} has no rows.")
        if "file_name" not in rows:
            raise InputError(f"{label} has no column file_name; it has {', '.join(rows)}.")
        for number, name in enumerate(rows["file_name"], 1):
            paths.append(_inside(folder, name, f"{label}, row {number}"))
            places.append(f"{label}, row {number} ({name})")
            splits.append(split_named(*(folder / name).relative_to(root).parent.parts))
        below = folder.relative_to(root)
        frames.append(rows.assign(file_name=[(below / name).as_posix() for name in rows["file_name"]]))
        files.append((label, content_hash(present[0])))
    refuse_repeated(paths, "image", places.__getitem__)
    rows = pd.concat(frames, ignore_index=True)
    nested = [c for c in rows if any(isinstance(value, (list, dict)) for value in rows[c])]
    captions, labels = choose_columns(dict.fromkeys(rows, "text"), (), options, files[0][0])
    ids = rows["id" if "id" in rows else "file_name"].tolist()
    table = assemble(rows, ids, splits, captions, labels, options, places.__getitem__)
    table = table.drop(columns=[c for c in nested if c not in ("id", "caption", "split", captions)])
    files += [(name, content_hash(path)) for name, path in zip(rows["file_name"], paths)]
    draw = FolderImages(dict(zip(table["id"], zip(map(str, paths), places))))
    return Corpus(table, short_name(root.name), fingerprint(files, options), draw)


@dataclass(frozen=True)
class FolderImages:
    """Decodes images; ``place`` maps an id to its path and to its row, for messages."""

    place: dict[str, tuple[str, str]] = field(repr=False)

    def __call__(self, table: pd.DataFrame, size: int) -> np.ndarray:
        images = np.empty((len(table), 3, size, size), np.uint8)
        for i, name in enumerate(table["id"]):
            path, place = self.place[name]
            try:
                images[i] = decode_image(Path(path).read_bytes(), size)
            except FileNotFoundError as error:
                raise InputError(f"{place}: the image does not exist any more.") from error
            except (OSError, ValueError) as error:
                raise InputError(f"{place}: the image cannot be read ({str(error).rstrip('.')}).") from error
        return images


def _inside(folder: Path, name: object, place: str) -> Path:
    """The path of an image, symbolic links followed: a link that leads out of the folder is refused as well."""
    if not isinstance(name, str) or not name.strip():
        raise InputError(f"{place}: file_name is empty.")
    relative = Path(name)
    try:
        path = (folder / relative).resolve()
        inside, found = path.is_relative_to(folder.resolve()), path.is_file()
    except (OSError, RuntimeError, ValueError):  # no possible name: too long, a null character, links in a circle
        inside, found = True, False
    if not inside or relative.is_absolute() or ".." in relative.parts:
        raise InputError(f"{place}: file_name {name!r} must be a relative path without '..' that stays in the folder.")
    if not found:
        raise InputError(f"{place}: the image {name!r} does not exist.")
    return path


def _read_csv(path: Path) -> pd.DataFrame:
    """All columns as text, except further columns made of numbers alone: a caption "NA" or "007" stays as it is written."""
    try:
        with open(path, encoding="utf-8-sig", newline="") as file:
            header, *rows = [row for row in csv.reader(file, strict=True) if row] or [[]]
    except (UnicodeDecodeError, csv.Error) as error:
        raise InputError(f"{path.name} cannot be read as CSV in UTF-8 ({error}).") from error
    if len(set(header)) < len(header):
        raise InputError(f"{path.name} names a column twice: {', '.join(header)}.")
    for number, row in enumerate(rows, 1):
        if len(row) != len(header):
            raise InputError(
                f"{path.name}, row {number}: {len(row)} values for {len(header)} columns (a value with a comma needs quotes)."
            )
    table = pd.DataFrame(rows, columns=header, dtype=str)
    for column in table.columns.difference(["id", "file_name", "split", *CAPTION_COLUMNS]):
        numbers = pd.to_numeric(table[column].where(table[column] != ""), errors="coerce")
        if (numbers.notna() == (table[column] != "")).all() and numbers.notna().any():
            table[column] = numbers
    return table


def _read_jsonl(path: Path) -> pd.DataFrame:
    rows = []
    for number, line in enumerate(path.read_bytes().removeprefix(b"\xef\xbb\xbf").rstrip().splitlines(), 1):
        try:
            rows.append(json.loads(line))
            json.dumps(rows[-1], ensure_ascii=False).encode()  # half a surrogate pair passes for JSON but is no text
        except ValueError as error:
            raise InputError(f"{path.name}, row {number}: not JSON in UTF-8 ({error}).") from error
        if not isinstance(rows[-1], dict):
            raise InputError(f"{path.name}, row {number}: an object was expected, not {line[:40].decode()}.")
    return pd.DataFrame(rows)
