"""A folder of images with captions: ``metadata.csv`` or ``metadata.jsonl`` beside the images (the ``imagefolder`` convention).

Metadata may stand in the folder itself and in folders below it, such as ``train``, ``val2017`` and ``test``. Its column
``file_name`` names an image relative to the metadata; ``text`` or ``caption`` describes it; ``id`` and ``split`` are optional.
"""

from __future__ import annotations

import unicodedata
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import pandas as pd

from stablerep.corpus.captioned import Corpus
from stablerep.corpus.columns import CAPTION_COLUMNS, choose_columns
from stablerep.corpus.decoding import decode_image
from stablerep.corpus.hashing import content_hash, fingerprint
from stablerep.corpus.locating import METADATA, Found, short_name
from stablerep.corpus.options import Options
from stablerep.corpus.rows import assemble, refuse_repeated
from stablerep.corpus.splits import splits_of_folders
from stablerep.corpus.text_files import read_table
from stablerep.errors import InputError


def open_folder(found: Found, options: Options) -> Corpus:
    """Read the metadata of a folder and check that each of their images is there.

    Images that no metadata name are counted in the notes. Raises ``InputError`` naming the row.
    """
    root = found.root
    if options.image_column is not None:
        raise InputError(f"image_column is {options.image_column!r}; in a folder of images, file_name names the image.")
    if len({path.parent for path in found.files}) < len(found.files):
        twice = next(
            path.parent for path in found.files if all((path.parent / name) in found.files for name in METADATA)
        )
        raise InputError(f"{twice.name} holds both {' and '.join(METADATA)}; keep one.")
    frames, files, paths, places = [], [], [], []
    for path in found.files:
        label = path.relative_to(root).as_posix()
        try:
            rows = read_table(path)
        except InputError as error:
            raise InputError(str(error).replace(path.name, label, 1)) from error
        if rows.empty:
            raise InputError(f"{label} has no rows.")
        if "file_name" not in rows:
            raise InputError(f"{label} has no column file_name; it has {', '.join(rows)}.")
        below, names = path.parent.relative_to(root), []
        for number, name in enumerate(rows["file_name"], 1):
            image, relative = _inside(path.parent, name, f"{label}, row {number}")
            paths.append(image)
            names.append((below / relative).as_posix())
            places.append(f"{label}, row {number} ({name})")
        frames.append(rows.assign(file_name=names).astype({"id": object} if "id" in rows else {}))
        files.append((label, content_hash(path)))
    refuse_repeated(paths, "image", places.__getitem__, "; keep one row, and so one caption, for each image")
    rows = pd.concat(frames, ignore_index=True)
    table, columns, notes = _table(rows, options, files[0][0], places)
    files += [(name, content_hash(path)) for name, path in zip(_progress(rows["file_name"]), paths)]
    draw = FolderImages(dict(zip(table["id"], zip(map(str, paths), places))))
    return Corpus(
        table, short_name(root.name), fingerprint(files, options), draw, columns.labels, columns.cluster,
        people=columns.people, notes=(*found.notes, *_unread(found, paths), *notes),
    )  # fmt: skip


def _table(rows: pd.DataFrame, options: Options, where: str, places: list[str]):
    nested = [name for name in rows if any(isinstance(value, (list, dict)) for value in rows[name])]
    described = {*CAPTION_COLUMNS, options.caption_column}  # a list there is an error of its row
    kinds = {name: "nested" if name in nested and name not in described else "text" for name in rows}
    columns = choose_columns(kinds, (), options, where)
    splits = splits_of_folders([Path(name).parent.parts for name in rows["file_name"]])
    ids = rows["id" if "id" in rows else "file_name"].tolist()
    table, notes = assemble(rows, ids, splits, columns, options, places.__getitem__)
    keep = ("id", "caption", "split", columns.caption)
    return table.drop(columns=[name for name in nested if name in table and name not in keep]), columns, notes


def _unread(found: Found, read: list[Path]) -> list[str]:
    left = sorted({path.resolve() for path in found.images} - set(read))
    if not left:
        return []
    first = left[0].relative_to(found.root) if left[0].is_relative_to(found.root) else left[0].name
    return [
        f"{len(left)} of {len(found.images)} images below {found.root.name} stand in no metadata and are not read, such as {first}."
    ]


def _progress(items):
    from tqdm import tqdm

    return tqdm(items, desc="reading images for their hash", delay=5, ncols=90)


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


def _inside(folder: Path, name: object, place: str) -> tuple[Path, str]:
    """The path of an image, symbolic links followed, and its name as the corpus keeps it: with slashes and composed accents.

    Metadata may be written with backslashes, or with accents in another form than the file's name has; the file is found. A
    link that leads out of the folder is refused as a path that does.
    """
    if not isinstance(name, str) or not name.strip():
        raise InputError(f"{place}: file_name is empty.")
    slashed = name.replace("\\", "/")
    forms = dict.fromkeys((name, slashed, *(unicodedata.normalize(form, slashed) for form in ("NFC", "NFD"))))
    for form in forms:
        relative = Path(form)
        try:
            path = (folder / relative).resolve()
            inside, found = path.is_relative_to(folder.resolve()), path.is_file()
        except (OSError, RuntimeError, ValueError):  # no possible name: too long, a null character, links in a circle
            inside, found = True, False
        if not inside or relative.is_absolute() or ".." in relative.parts:
            raise InputError(
                f"{place}: file_name {name!r} must be a relative path without '..' that stays in the folder."
            )
        if found:
            return path, unicodedata.normalize("NFC", form)
    raise InputError(f"{place}: the image {name!r} does not exist.")
