"""The second embedded corpus: public-domain clip art with the names its artists gave it, sorted into classes by a library.

It serves as a transfer set: drawings of another kind than emoji, by many hands, with labels that no emoji was split by.
"""

from __future__ import annotations

import functools
import hashlib
import json
import lzma
import re
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from stablerep.corpus.drawing import cached_array, draw_many
from stablerep.corpus.splits import split_of

if TYPE_CHECKING:
    import pandas as pd

DATA = Path(__file__).parent / "clip_art_data"
COLUMNS = ("id", "caption", "keywords", "label", "author", "stem", "split")

# Words by which copies of one drawing differ.
_VARIANTS = frozenset(
    "a an and the of in on with black white grey gray red green blue yellow orange purple pink brown gold golden silver "
    "dark light shaded outline outlined small big large left right up down half bw color colour colored coloured "
    "grayscale".split()
)


def stem_of(caption: str) -> str:
    """What the titles of variants have in common: the title without numbers, brackets, colours, sizes and directions.

    The title is what stands before the first comma of a caption; keywords follow it. "tree 01", "Green tree (2)" and
    "trees, plant" have one stem, so that variants of a drawing fall on the same side of a split.
    """
    title = re.sub(r"\([^)]*\)", " ", caption.split(",")[0].lower())
    words = re.findall(r"[^\W\d_]+", title)
    kept = [word for word in words if word not in _VARIANTS and len(word) > 1] or words
    return " ".join(word[:-1] if len(word) > 3 and word[-1] == "s" and word[-2] != "s" else word for word in kept)


@functools.cache
def manifest() -> dict:
    """What the corpus was built from: package, version, checksum, counts, licences, and what was left out and why."""
    return json.loads((DATA / "manifest.json").read_text(encoding="utf-8"))


@functools.cache
def read_drawings() -> dict[str, dict[str, str]]:
    """By id: ``caption``, ``keywords`` (separated by a bar), ``label``, ``author`` and ``svg`` of each drawing."""
    lines = lzma.decompress((DATA / "drawings.jsonl.xz").read_bytes()).decode().splitlines()
    return {(row := json.loads(line)).pop("id"): row for line in lines}


def read_table() -> pd.DataFrame:
    """One row per drawing with :data:`COLUMNS`. A stem is in one split only, stratified by label and ranked by its hash."""
    import pandas as pd

    rows = [{"id": name, **row} for name, row in read_drawings().items()]
    table = pd.DataFrame(rows)
    stems = table["stem"] = table["caption"].map(stem_of)
    first = table.groupby(stems, sort=False)["label"].first()  # a stem may occur in two classes; it counts for one
    table["split"] = stems.map(split_of(first.to_dict()))
    return table[list(COLUMNS)]


def fingerprint() -> str:
    """Hash of the rows and vectors, 16 hexadecimal digits."""
    return hashlib.sha256("".join(manifest()["sha256"].values()).encode()).hexdigest()[:16]


def draw(table: pd.DataFrame, size: int) -> np.ndarray:
    """Pixels of the given rows, uint8 [N, 3, size, size]; all drawings are drawn once per size and cached."""
    drawings = read_drawings()
    key = f"{manifest()['sha256']['drawings.jsonl.xz'][:12]}-resvg{version('resvg_py')}"
    whole = cached_array(
        f"clip-art-{size}px-{key}",
        lambda: draw_many((row["svg"] for row in drawings.values()), size, progress=f"drawing clip art at {size} px"),
    )
    place = {name: i for i, name in enumerate(drawings)}
    return whole[table["id"].map(place).to_numpy(np.int64)]
