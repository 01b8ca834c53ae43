"""A reader's own captioned images behind the same interface as the emoji.

| source | what is read |
|---|---|
| a folder | images with ``metadata.csv`` or ``metadata.jsonl`` (the ``imagefolder`` convention), see :mod:`.folder` |
| a ``.parquet`` file, or a folder of them | the layout of the ``datasets`` library, see :mod:`.parquet` |
| ``hub:owner/name``, ``hub:owner/name:config`` | a data set on the Hugging Face Hub, see :mod:`.hub` |

A relative path that does not exist is looked up below the folder named by ``STABLEREP_DATA``. Rows are counted from 1.

Splits: a column ``split``, or the name of a file or folder (``train``, ``val``, ``test-00000-of-00002``), says where a row
belongs. Where nothing says it, or with ``resplit``, captions are ranked by hash, and 70 % of them train, 10 % validate and
20 % test: rows of equal caption stay together and the order of rows never matters. Images that have labels instead of
captions, or neither, are ranked image by image within each label.
"""

from __future__ import annotations

import difflib
import hashlib
import json
import os
import re
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, fields
from pathlib import Path

import numpy as np
import pandas as pd

from stablerep.corpus import SPLITS, Corpus
from stablerep.corpus.emoji import split_of
from stablerep.errors import InputError

CAPTION_COLUMNS = ("text", "caption")
METADATA = ("metadata.csv", "metadata.jsonl")
SPLIT_NAMES = {
    **dict.fromkeys(("train", "training"), "train"),
    **dict.fromkeys(("validation", "valid", "val", "dev"), "validation"),
    **dict.fromkeys(("test", "testing"), "test"),
}
WHOLE_FILE = 1 << 30  # bytes; of a larger file samples are hashed
BLOCK = 1 << 20


@dataclass(frozen=True, kw_only=True)
class Options:
    """How to read a source."""

    image_column: str | None = None  # parquet and Hub; by default the one column that holds images
    caption_column: str | None = None  # by default `text` or `caption`
    label_column: str | None = None  # by default `label`, or else the only class label
    captions: bool = True  # False: images alone will do, and every caption is ""
    split: str | None = None  # keep this split alone: train, validation or test
    resplit: bool = False  # split by hash even where the source names splits
    check: bool = False  # decode every image now, not only when it is asked for


def open_source(source: str, **options) -> Corpus:
    """Open a folder of images, parquet files or a Hub data set.

    The table has ``id``, ``caption``, ``split`` and the source's further columns (nested columns and those whose name is
    taken are left out). Class labels become categories in the order of their codes. Without a caption column the caption is
    the label's name, or "" when only its number is known. Images are decoded when they are asked for.

    The fingerprint hashes the bytes of every file that is read, its name inside the source, and the options, never a path or
    a time: a copy elsewhere is the same corpus. Of a file above 1 GiB it hashes the size, the last MiB (where a parquet file
    has its footer) and 256 evenly spaced blocks of 1 MiB; a change that keeps the size and falls between them goes unseen.
    Of a Hub data set it hashes every value.

    Args:
        source: see the table above.
        options: the fields of :class:`Options`.

    Raises:
        ValueError: an unknown source or option, a missing column, or a row with an empty caption, a missing or damaged
            image, a path that leaves the folder, or an id that was there before; the message names the row.
    """
    valid = [field.name for field in fields(Options)]
    if unknown := sorted(set(options) - set(valid)):
        raise InputError(f"unknown option {', '.join(map(repr, unknown))}; valid options are {', '.join(valid)}.")
    chosen = Options(**options)
    if chosen.split is not None and chosen.split not in SPLITS:
        raise InputError(f"split is {chosen.split!r}; valid splits are {', '.join(SPLITS)}.")
    if chosen.caption_column is not None and not chosen.captions:
        raise InputError(
            f"caption_column is {chosen.caption_column!r} although captions is False; give one or the other."
        )
    corpus = _open(source, chosen)
    if chosen.check:
        for start in range(0, len(corpus), 1024):
            corpus.draw(corpus.table[start : start + 1024], 8)
    if chosen.split is not None:
        if not (corpus.table["split"] == chosen.split).any():
            raise InputError(
                f"{source} has no {chosen.split} split; it has {', '.join(sorted(set(corpus.table['split'])))}."
            )
        corpus = corpus.split(chosen.split)
    return corpus


def _open(source: str, options: Options) -> Corpus:
    from stablerep.corpus.folder import metadata_folders, open_folder
    from stablerep.corpus.hub import open_hub
    from stablerep.corpus.parquet import open_parquet

    if source.startswith("hub:"):
        return open_hub(source.removeprefix("hub:"), options)
    if not source.strip():
        raise InputError(_unknown(source))
    path = Path(source).expanduser().resolve()
    if not path.exists() and (data := os.environ.get("STABLEREP_DATA")):
        path = (Path(data).expanduser() / source).resolve()
    if path.is_dir():
        if folders := metadata_folders(path):
            return open_folder(path, folders, options)
        found = [
            p for p in path.rglob("*.parquet") if not any(part.startswith(".") for part in p.relative_to(path).parts)
        ]
        if not found:
            raise InputError(f"{source} holds neither {' nor '.join(METADATA)} nor any .parquet file.")
        return open_parquet(path, sorted(found), options)
    if path.is_file() and path.suffix == ".parquet":
        return open_parquet(path, [path], options)
    if path.is_file():
        raise InputError(
            f"{source} is no .parquet file; for images, give the folder that holds {' or '.join(METADATA)}."
        )
    raise InputError(_unknown(source))


def _unknown(source: str) -> str:
    data = Path(os.environ.get("STABLEREP_DATA") or os.devnull)
    there = sorted(p.name for p in data.iterdir() if p.is_dir()) if data.is_dir() else []
    parent = Path(source).expanduser().parent
    beside = sorted(str(parent / p.name) for p in parent.iterdir()) if parent.is_dir() else []
    near = difflib.get_close_matches(source, ["emoji", "clip-art", *there, *beside], n=1)
    return (
        f"unknown source {source!r}{f' (did you mean {near[0]!r}?)' if near else ''}; valid are emoji, clip-art, a folder of "
        f"images with {' or '.join(METADATA)}, a .parquet file or a folder of them, and hub:owner/name"
        f"{'; STABLEREP_DATA holds ' + ', '.join(there) if there else ''}."
    )


def split_named(*names: str) -> str | None:
    """The split that a file or folder name speaks of as a word of its own (``val-00000-of-00002``), or None."""
    words = (word for name in names for word in re.split(r"[^a-z]+", name.lower()))
    return next((SPLIT_NAMES[word] for word in words if word in SPLIT_NAMES), None)


def short_name(*parts: str) -> str:
    return re.sub(r"[^\w.]+", "-", "-".join(part for part in parts if part)).strip("-") or "images"


def choose_columns(
    kinds: Mapping[str, str], class_labels: Collection[str], options: Options, where: str
) -> tuple[str | None, str | None]:
    """The caption column and the label column, either of which may be None.

    ``kinds`` maps each column to its type (``text`` for strings); ``where`` names the source in messages.
    """
    for option in ("caption_column", "label_column"):
        if (name := getattr(options, option)) is not None and name not in kinds:
            raise InputError(f"{option} is {name!r}, but {where} has the columns {', '.join(kinds)}.")
    label = options.label_column
    if label is None and "label" in kinds:
        label = "label"
    elif label is None and len(class_labels) == 1:
        (label,) = class_labels
    if label is not None and kinds[label] == "nested":
        raise InputError(
            f"column {label!r} of {where} holds lists or structures; a label column holds words or numbers."
        )
    if not options.captions:
        return None, label
    named = [options.caption_column] if options.caption_column else [name for name in CAPTION_COLUMNS if name in kinds]
    if len(named) > 1:
        raise InputError(f"{where} has both {' and '.join(named)}; choose with caption_column.")
    if named and kinds[named[0]] != "text":
        raise InputError(f"column {named[0]!r} of {where} holds {kinds[named[0]]}; a caption column holds text.")
    if not named and label is None:
        raise InputError(
            f"{where} has no column {' or '.join(CAPTION_COLUMNS)} and no single label among {', '.join(kinds) or 'no columns'}; "
            "give caption_column or label_column, or captions=False for images alone."
        )
    return (named[0] if named else None), label


def assemble(
    rows: pd.DataFrame,
    ids: Sequence[object],
    named_splits: Sequence[str | None],
    caption: str | None,
    label: str | None,
    options: Options,
    place: Callable[[int], str],
) -> pd.DataFrame:
    """The table of a corpus from the source's columns; ``place`` says where row i stands, for messages."""
    for i, name in enumerate(ids):
        if not isinstance(name, (str, int)) or not str(name).strip():
            raise InputError(f"{place(i)}: the id is {name!r}; it must be text or a whole number.")
    ids = [str(name) for name in ids]
    refuse_repeated(ids, "id", place)
    described = caption
    if caption is None and label is not None and options.captions and has_names(rows[label]):
        described = label
    captions = [""] * len(rows) if described is None else rows[described].tolist()
    for i, text in enumerate(captions):
        if described is not None and not (isinstance(text, str) and text.strip()):
            raise InputError(f"{place(i)}: {described} is empty or no text.")
    splits: list[str | None] = [None] * len(rows) if options.resplit else list(named_splits)
    if "split" in rows and not options.resplit:
        for i, name in enumerate(rows["split"]):
            splits[i] = SPLIT_NAMES.get(str(name).strip().lower())
            if splits[i] is None:
                raise InputError(f"{place(i)}: split is {name!r}; valid are {', '.join(SPLIT_NAMES)}.")
    units = ids if caption is None else captions
    strata = [""] * len(rows) if caption is not None or label is None else rows[label].astype(str).tolist()
    ranked = split_of({units[i]: strata[i] for i, name in enumerate(splits) if name is None})
    splits = [name or ranked[unit] for name, unit in zip(splits, units)]
    further = rows.drop(columns=[c for c in rows if c in ("id", "caption", "split", caption)])
    front = pd.DataFrame({"id": ids, "caption": captions, "split": splits}, dtype=str)
    return pd.concat([front, further.reset_index(drop=True)], axis=1)


def has_names(labels: pd.Series) -> bool:
    """Whether labels are words rather than bare numbers."""
    return labels.dtype == "category" or pd.api.types.is_string_dtype(labels)


def refuse_repeated(values: Iterable[object], what: str, place: Callable[[int], str]) -> None:
    first: dict[object, int] = {}
    for i, value in enumerate(values):
        if first.setdefault(value, i) != i:
            raise InputError(f"{place(i)}: the {what} {str(value)!r} was there before ({place(first[value])}).")


def fingerprint(files: Iterable[tuple[str, str]], options: Options) -> str:
    """Hash of the options that shape a table and of ``files``: pairs of a name inside the source and a content hash."""
    shape = {name: value for name, value in asdict(options).items() if name not in ("split", "check")}
    text = json.dumps([shape, sorted(files)])
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()[:16]


def content_hash(path: Path) -> str:
    """SHA-256 of a file's bytes; of a file above 1 GiB, of the samples described in :func:`open_source`."""
    size = path.stat().st_size
    with open(path, "rb") as file:
        if size <= WHOLE_FILE:
            return hashlib.file_digest(file, "sha256").hexdigest()
        digest = hashlib.sha256(str(size).encode())
        for start in np.linspace(0, size - BLOCK, 257).astype(np.int64).tolist():
            file.seek(start)
            digest.update(file.read(BLOCK))
        return digest.hexdigest()
