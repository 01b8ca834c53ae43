"""The two corpora that come with the package, opened: emoji and clip art."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from importlib.metadata import version

import numpy as np
import pandas as pd

import stablerep.corpus.clip_art as clip_art
from stablerep.corpus.captioned import Corpus
from stablerep.corpus.drawing import cached_array, draw_many
from stablerep.corpus.emoji import DESIGNS, HELD_OUT, manifest, read_emoji, read_svgs
from stablerep.errors import InputError

EMOJI_COLUMNS = (
    "id", "caption", "concept", "keywords", "group", "subgroup", "skin_tone", "tone", "gender", "emoji", "design", "split", "held_out",
)  # fmt: skip


def open_emoji(designs: Sequence[str] | None = None, flags: bool = False) -> Corpus:
    """The emoji in some designs (all by default). Raises ``InputError`` for an unknown or repeated design."""
    designs = DESIGNS if designs is None else (designs,) if isinstance(designs, str) else tuple(designs)
    if not designs or len(set(designs)) < len(designs):
        raise InputError(f"designs is {list(designs)}; give one or more of {', '.join(DESIGNS)}, each once.")
    emoji = read_emoji()
    if not flags:
        emoji = emoji[emoji["group"] != "flags"]
    parts = [emoji[emoji["emoji"].isin(_emoji_of(design))].assign(design=design) for design in designs]
    table = pd.concat(parts, ignore_index=True)
    table.insert(0, "id", table["design"] + "/" + table["emoji"])
    table["held_out"] = table["new_combination"] | ((table["design"] == HELD_OUT) & (len(designs) > 1))
    corpus = Corpus(
        table[list(EMOJI_COLUMNS)], "emoji", emoji_fingerprint(), _draw_emoji,
        labels=("group", "subgroup"), cluster="concept", designs=designs, people=("tone", "gender"), drawings=True,
    )  # fmt: skip
    return corpus.where(np.ones(len(table), bool))


def open_clip_art() -> Corpus:
    """The clip art. Its clusters are stems of titles: variants of a drawing are no independent items."""
    return Corpus(
        clip_art.read_table(), "clip-art", clip_art.fingerprint(), clip_art.draw, labels=("label",), cluster="stem", drawings=True,
    )  # fmt: skip


def emoji_fingerprint() -> str:
    """Hash of the data files of the embedded emoji, as their manifest lists them."""
    return hashlib.sha256("".join(sorted(manifest()["sha256"].values())).encode()).hexdigest()[:16]


def _emoji_of(design: str) -> np.ndarray:
    """The emoji of a design, in the order of its file; kept, since unpacking all drawings for their names takes each process a second."""
    key = manifest()["sha256"].get(f"{design}.jsonl.xz", "")[:12]
    return cached_array(f"{design}-emoji-{key}", lambda: np.array(list(read_svgs(design))))


def _draw_emoji(table: pd.DataFrame, size: int) -> np.ndarray:
    """Pixels of the given rows; each design is drawn whole once per size and cached."""
    images = np.empty((len(table), 3, size, size), np.uint8)
    for design, rows in table.reset_index(drop=True).groupby("design"):
        key = f"{manifest()['sha256'][f'{design}.jsonl.xz'][:12]}-resvg{version('resvg_py')}"
        whole = cached_array(
            f"{design}-{size}px-{key}",
            lambda: draw_many(read_svgs(design).values(), size, progress=f"drawing {design} at {size} px"),
        )
        place = {emoji: i for i, emoji in enumerate(_emoji_of(design))}
        images[rows.index] = whole[rows["emoji"].map(place)]
    return images
