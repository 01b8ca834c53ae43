"""Captions and images, from the embedded emoji and clip art or from a reader's own files, behind one interface.

>>> corpus = load_corpus("emoji")
>>> corpus.table.columns.tolist()[:4]
['id', 'caption', 'concept', 'keywords']
>>> images = corpus.images(32)          # uint8 tensor [N, 3, 32, 32]
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from importlib.metadata import version
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from stablerep.corpus.drawing import cached_array, draw_many
from stablerep.corpus.emoji import DESIGNS, manifest, read_emoji, read_svgs
from stablerep.errors import InputError

if TYPE_CHECKING:
    import torch

__all__ = ["DESIGNS", "SPLITS", "Corpus", "emoji_fingerprint", "load_corpus"]

SPLITS = ("train", "validation", "test")


@dataclass(frozen=True)
class Corpus:
    """A table of captioned images, and the images themselves.

    Attributes:
        table: one row per image. Every corpus has ``id`` (unique), ``caption`` and ``split``; the emoji also have ``concept``,
            ``keywords``, ``group``, ``subgroup``, ``skin_tone`` (0 none, 1 light to 5 dark), ``gender``, ``emoji``, ``design``;
            clip art has ``keywords``, ``label`` (its class) and ``author``.
        name: a short name for titles and files.
        fingerprint: hash of everything that determines rows and pixels; part of every run's key.
    """

    table: pd.DataFrame
    name: str
    fingerprint: str
    draw: Callable[[pd.DataFrame, int], np.ndarray] = field(repr=False)

    def __len__(self) -> int:
        return len(self.table)

    def images(self, size: int = 32) -> torch.Tensor:
        """All images in the order of the table, uint8 [N, 3, size, size], RGB on white."""
        import torch

        if size < 8 or size > 1024:
            raise InputError(f"size is {size}; images are drawn at 8 to 1024 pixels.")
        return torch.from_numpy(self.draw(self.table, size))

    def where(self, mask) -> Corpus:
        """The rows for which ``mask`` (boolean, one per row, or a query string) is true."""
        table = self.table.query(mask) if isinstance(mask, str) else self.table[np.asarray(mask, bool)]
        rows = hashlib.sha256("\n".join(table["id"]).encode()).hexdigest()[:16]
        digest = hashlib.sha256(f"{self.fingerprint}:{rows}".encode()).hexdigest()[:16]
        return replace(self, table=table.reset_index(drop=True), fingerprint=digest)

    def split(self, name: str) -> Corpus:
        """The part ``train``, ``validation`` or ``test``."""
        if name not in SPLITS:
            raise InputError(f"split is {name!r}; valid splits are {', '.join(SPLITS)}.")
        return self.where(self.table["split"] == name)

    def one_per_caption(self) -> Corpus:
        """One image of each caption, as in CC12M: the design is picked by a hash of the caption, never by order."""
        rank = [
            hashlib.sha256(f"real:{c}:{i}".encode()).hexdigest()
            for c, i in zip(self.table["caption"], self.table["id"])
        ]
        first = self.table.assign(rank=rank).sort_values("rank").drop_duplicates("caption").index
        return self.where(self.table.index.isin(first))


def load_corpus(
    source: str = "emoji", *, designs: Sequence[str] | None = None, flags: bool = False, **options
) -> Corpus:
    """Open a corpus by name.

    Args:
        source: ``emoji`` or ``clip-art`` (embedded); a folder of images with ``metadata.csv`` or ``metadata.jsonl`` (the
            ``imagefolder`` convention); a ``.parquet`` file or a folder of them in the layout of the ``datasets`` library; or
            ``hub:owner/name`` for a data set on the Hugging Face Hub (needs ``datasets`` and a network).
        designs: emoji designs to keep (all six by default).
        flags: keep flags among the emoji; out by default, since their names say little about their shapes.
        options: for the other sources: see :mod:`stablerep.corpus.sources`.

    Raises:
        ValueError: an unknown source, design or option, or damaged rows, each named.
    """
    if source != "emoji":
        if designs is not None or flags:
            raise InputError(f"designs and flags choose among the emoji; they mean nothing for the source {source!r}.")
        if source == "clip-art":
            return _open_clip_art(**options)
        from stablerep.corpus.sources import open_source

        return open_source(source, **options)
    if options:
        raise InputError(f"unknown option for the emoji corpus: {', '.join(sorted(options))}.")
    designs = DESIGNS if designs is None else (designs,) if isinstance(designs, str) else tuple(designs)
    if not designs or len(set(designs)) < len(designs):
        raise InputError(f"designs is {list(designs)}; give one or more of {', '.join(DESIGNS)}, each once.")
    emoji = read_emoji()
    if not flags:
        emoji = emoji[emoji["group"] != "flags"]
    parts = [emoji[emoji["emoji"].isin(read_svgs(design).keys())].assign(design=design) for design in designs]
    table = pd.concat(parts, ignore_index=True)
    table.insert(0, "id", table["design"] + "/" + table["emoji"])
    columns = [
        "id",
        "caption",
        "concept",
        "keywords",
        "group",
        "subgroup",
        "skin_tone",
        "gender",
        "emoji",
        "design",
        "split",
    ]
    corpus = Corpus(table[columns], "emoji", emoji_fingerprint(), _draw_emoji)
    return corpus.where(np.ones(len(table), bool))


def _open_clip_art(**options) -> Corpus:
    from stablerep.corpus import clip_art

    if options:
        raise InputError(f"unknown option for the clip art: {', '.join(sorted(options))}.")
    return Corpus(clip_art.read_table(), "clip-art", clip_art.fingerprint(), clip_art.draw)


def emoji_fingerprint() -> str:
    """Hash of the data files of the embedded emoji, as their manifest lists them."""
    return hashlib.sha256("".join(sorted(manifest()["sha256"].values())).encode()).hexdigest()[:16]


def _draw_emoji(table: pd.DataFrame, size: int) -> np.ndarray:
    """Pixels of the given rows; each design is drawn whole once per size and cached."""
    images = np.empty((len(table), 3, size, size), np.uint8)
    for design, rows in table.reset_index(drop=True).groupby("design"):
        key = f"{manifest()['sha256'][f'{design}.jsonl.xz'][:12]}-resvg{version('resvg_py')}"
        svgs = read_svgs(design)
        whole = cached_array(
            f"{design}-{size}px-{key}",
            lambda: draw_many(svgs.values(), size, progress=f"drawing {design} at {size} px"),
        )
        place = {emoji: i for i, emoji in enumerate(svgs)}
        images[rows.index] = whole[rows["emoji"].map(place)]
    return images
