"""Questions on composition from files as their authors publish them: ARO (Yuksekgonul et al. 2023) and SugarCrepe (Hsieh et al. 2023).

=====================  ==========================================  ====================================================================
set                    file                                        what is read of a row
=====================  ==========================================  ====================================================================
VG-Relation            ``visual_genome_relation.json``, a list     ``image_path``, ``bbox_x``, ``bbox_y``, ``bbox_w``, ``bbox_h`` (pixels),
                                                                   ``true_caption``, ``false_caption``; ``relation_name`` if it is there
VG-Attribution         ``visual_genome_attribution.json``, a list  the same; ``attributes``, a list, if it is there
COCO-Order             ``coco_karpathy_test.json`` (``val``), a    ``image``, ``caption``, a list of sentences, each of which becomes a question;
                       list                                        foils are made (:mod:`stablerep.audits.word_orders`)
Flickr30k-Order        ``flickr30k_test.json`` (``val``), a list   the same
SugarCrepe             ``add_att.json``, ``swap_obj.json`` and so  ``filename``, ``caption``, ``negative_caption``
                       on: an object, a row for each name
=====================  ==========================================  ====================================================================

Files may lie anywhere below a folder. An image is looked for beside its file, in a folder ``images`` or ``val2017`` there, and in the same three
places of the folder itself. Where there is a box, the image is that part of it.
"""

from __future__ import annotations

import hashlib
import json
import os
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd

from stablerep.audits.regions import Box, Regions
from stablerep.audits.word_orders import other_orders, words_of
from stablerep.corpus.hashing import content_hash, short_hash
from stablerep.errors import InputError, MissingError, readable

PAIRS, ORDERS, NAMED = "pairs", "orders", "named"  # how rows are written
LAYOUTS = (
    (r"visual_genome_relation\.json", "VG-Relation", PAIRS), (r"visual_genome_attribution\.json", "VG-Attribution", PAIRS),
    (r"coco_karpathy_(val|test)\.json", "COCO-Order", ORDERS), (r"flickr30k_(val|test)\.json", "Flickr30k-Order", ORDERS),
    (r"((add|replace|swap)_(obj|att|rel))\.json", "SugarCrepe", NAMED),
)  # fmt: skip
BOX = ("bbox_x", "bbox_y", "bbox_w", "bbox_h")
BESIDE = (".", "images", "val2017")  # where images lie, from their file or from the folder


@dataclass(frozen=True)
class AskedFile:
    """The questions of one file.

    Attributes:
        name: of the set; of SugarCrepe with its part. file: its path from the folder on.
        table: a row each: ``row`` (its place or name in the file), ``image`` (place among ``regions``), ``picture`` (the path of the image from the folder
            on), ``group`` (relation, or pair of attributes; empty where there is none), ``caption``, ``foils`` (a list of texts).
        regions: images and parts of images, each once. missing: rows whose image is not there, which are not asked.
    """

    name: str
    file: str
    table: pd.DataFrame
    regions: Regions
    missing: int


def folder_of(source: str) -> Path:
    """The folder that a name means: a path, or a folder below ``STABLEREP_DATA``. Raises ``MissingError`` where there is none."""
    data = os.environ.get("STABLEREP_DATA")
    for path in (Path(source).expanduser(), *([Path(data).expanduser() / source] if data else [])):
        if path.is_dir():
            return path.resolve()
    raise MissingError(f"files is {source!r}, which is no folder, nor one below STABLEREP_DATA.")


def files_in(folder: Path) -> list[tuple[Path, str, str]]:
    """Path, name of the set and layout of every file that is known, in the order of the sets.

    Raises:
        InputError: there is none.
    """
    found = []
    paths = sorted(folder.rglob("*.json"))
    for pattern, title, layout in LAYOUTS:
        for path in paths:
            if match := re.fullmatch(pattern, path.name):
                found.append((path, f"{title} {match[1]}" if layout == NAMED else title, layout))
    if not found:
        known = "visual_genome_relation.json, visual_genome_attribution.json, coco_karpathy_test.json, flickr30k_test.json, swap_att.json"
        raise InputError(f"{folder.name} holds no file of ARO or SugarCrepe; known are {known} and their like.")
    return found


def fingerprint(source: str) -> str:
    """What names the files below a folder: their contents, and names and sizes of the images that lie there."""
    folder = folder_of(source)
    known = [f"{path.relative_to(folder)} {content_hash(path)}" for path, _, _ in files_in(folder)]
    images = [
        f"{path.relative_to(folder)} {path.stat().st_size}"
        for path in sorted(folder.rglob("*")) if path.is_file() and path.suffix != ".json"
    ]  # fmt: skip
    return hashlib.sha256("\n".join(known + images).encode()).hexdigest()[:16]


def read_files(source: str, size: int, *, most: int = 0) -> list[AskedFile]:
    """The questions of every file below a folder.

    Args:
        source: as of :func:`folder_of`. size: side in pixels of the images. most: questions of each file, picked by a hash of their place; 0: all.

    Raises:
        MissingError: no such folder. InputError: no file that is known, or a file or row that is not as the layout says; with file and row.
    """
    folder = folder_of(source)
    return [_asked(folder, *one, size, most) for one in files_in(folder)]


def _asked(folder: Path, path: Path, name: str, layout: str, size: int, most: int) -> AskedFile:
    file = str(path.relative_to(folder))
    questions = [one for row, content in _rows(path, file, layout) for one in _questions(row, content, file, layout)]
    if most and len(questions) > most:
        questions.sort(key=lambda one: (short_hash(f"{name}:{one['row']}"), one["row"]))
        questions = questions[:most]
    rows, places, known, missing = [], {}, {}, 0
    for one in questions:
        picture, box = one.pop("picture"), one.pop("box")
        if picture not in known:
            known[picture] = _image(folder, path, picture)
        if known[picture] is None:
            missing += 1
            continue
        number, _ = places.setdefault((picture, box), (len(places), f"{file}, row {one['row']}"))
        rows.append({"image": number, "picture": picture, **one})
    regions = Regions([(known[picture], box, row) for (picture, box), (_, row) in places.items()], size)
    table = pd.DataFrame(rows, columns=["row", "image", "picture", "group", "caption", "foils"])
    return AskedFile(name, file, table, regions, missing)


def _rows(path: Path, file: str, layout: str) -> Iterator[tuple[str, dict]]:
    """Name and content of each row of a file: names are places from 0 in a list."""
    with readable(path):
        text = path.read_text(encoding="utf-8")
    try:
        content = json.loads(text)
    except json.JSONDecodeError as error:
        raise InputError(f"{file} is no JSON: {error.msg}, line {error.lineno}.") from None
    kind, said = (dict, "an object with a row for each name") if layout == NAMED else (list, "a list of rows")
    if not isinstance(content, kind):
        raise InputError(f"{file} holds {type(content).__name__} at its top; {said} is needed.")
    for row, value in content.items() if layout == NAMED else enumerate(content):
        if not isinstance(value, dict):
            raise InputError(f"{file}, row {row} is {type(value).__name__}; an object with named values is needed.")
        yield str(row), value


def _questions(row: str, content: dict, file: str, layout: str) -> Iterator[dict]:
    """The questions of a row: ``row``, ``picture``, ``box``, ``group``, ``caption``, ``foils``."""
    if layout == ORDERS:
        sentences = content.get("caption")
        if not isinstance(sentences, list) or not all(isinstance(one, str) and one.strip() for one in sentences):
            raise InputError(f"{file}, row {row}: caption is {sentences!r}; a list of sentences is needed.")
        for number, sentence in enumerate(sentences):
            words = words_of(sentence)
            if foils := [" ".join(one) for one in other_orders(words)]:  # none where all words are the same
                about = {"picture": _text(content, "image", row, file), "box": None, "group": ""}
                yield {"row": f"{row}.{number}", **about, "caption": " ".join(words), "foils": foils}
        return
    named = layout == NAMED
    caption, foil = (_text(content, one, row, file) for one in (("caption", "negative_caption") if named else ("true_caption", "false_caption")))  # fmt: skip
    if caption == foil:
        raise InputError(f"{file}, row {row}: the foil is the caption itself, {caption!r}.")
    attributes = content.get("attributes")
    group = " and ".join(map(str, attributes)) if isinstance(attributes, list) else str(content.get("relation_name") or "")  # fmt: skip
    picture = _text(content, "filename" if named else "image_path", row, file)
    yield {
        "row": row, "picture": picture, "box": None if named else _box(content, row, file), "group": group, "caption": caption,
        "foils": [foil],
    }  # fmt: skip


def _text(content: dict, name: str, row: str, file: str) -> str:
    value = content.get(name)
    if not isinstance(value, str) or not value.strip():
        raise InputError(f"{file}, row {row}: {name} is {value!r}; a text is needed.")
    return value


def _box(content: dict, row: str, file: str) -> Box:
    values: list[Any] = [content.get(name) for name in BOX]
    numbers = all(isinstance(one, int | float) and not isinstance(one, bool) for one in values)
    if not numbers or values[2] <= 0 or values[3] <= 0:
        raise InputError(f"{file}, row {row}: {', '.join(BOX)} are {values}; four numbers in pixels are needed, the last two above 0.")  # fmt: skip
    x, y, width, height = values
    return x, y, x + width, y + height


def _image(folder: Path, path: Path, picture: str) -> Path | None:
    """The file of an image, inside the folder; None where it is not there."""
    for top in dict.fromkeys((path.parent, folder)):
        for place in BESIDE:
            found = Path(os.path.normpath(top / place / picture))  # links stay as they are
            if found.is_relative_to(folder) and found.is_file():
                return found
    return None
