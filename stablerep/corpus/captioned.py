"""A table of captioned images, what may be asked of its columns, and the images themselves."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from stablerep.corpus.splits import SPLITS
from stablerep.errors import InputError

if TYPE_CHECKING:
    import torch


@dataclass(frozen=True)
class Corpus:
    """A table of captioned images, and the images themselves.

    Attributes:
        table: one row per image. Every corpus has ``id`` (unique), ``caption`` and ``split``; the emoji also have ``concept``,
            ``keywords``, ``group``, ``subgroup``, ``skin_tone`` (0 none, 1 light to 5 dark, 6 several), ``tone`` (the same as a word),
            ``gender``, ``emoji``, ``design``, ``held_out`` (nothing learns from the row, whatever its split); clip art has ``keywords``, ``label`` (its class), ``author`` and ``stem``.
        name: a short name for titles and files.
        fingerprint: hash of everything that determines rows and pixels; part of every run's key.
        draw: pixels of some rows of the table at a size, uint8 [n, 3, size, size].
        labels: columns that probes may read; empty where there are none.
        cluster: the column by which items are resampled and split.
        designs: values of the column ``design``; empty where there is none.
        drawings: whether images are drawings on white, which a :class:`stablerep.camera.Camera` makes scenes of.
        people: columns with attributes of people, such as ``gender``; empty where none are known.
        notes: what was decided on opening and what was not read, a sentence each, for commands to print.
    """

    table: pd.DataFrame
    name: str
    fingerprint: str
    draw: Callable[[pd.DataFrame, int], np.ndarray] = field(repr=False)
    labels: tuple[str, ...] = ()
    cluster: str = "caption"
    designs: tuple[str, ...] = ()
    drawings: bool = False
    people: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()

    def __len__(self) -> int:
        return len(self.table)

    def images(self, size: int = 32) -> torch.Tensor:
        """All images in the order of the table, uint8 [N, 3, size, size], RGB on white."""
        import torch

        return torch.from_numpy(self.draw(self.table, valid_size(size)))

    def where(self, mask) -> Corpus:
        """The rows for which ``mask`` (boolean, one per row, or a query string) is true."""
        table = self.table.query(mask) if isinstance(mask, str) else self.table[np.asarray(mask, bool)]
        rows = hashlib.sha256("\n".join(table["id"]).encode("utf-8", "surrogatepass")).hexdigest()[:16]
        digest = hashlib.sha256(f"{self.fingerprint}:{rows}".encode()).hexdigest()[:16]
        return replace(self, table=table.reset_index(drop=True), fingerprint=digest)

    def split(self, name: str) -> Corpus:
        """The part ``train``, ``validation`` or ``test``."""
        if name not in SPLITS:
            raise InputError(f"split is {name!r}; valid splits are {', '.join(SPLITS)}.")
        return self.where(self.table["split"] == name)

    def to_learn_from(self) -> Corpus:
        """The part ``train`` without rows that are held out: all that encoders and generators may see."""
        part = self.split("train")
        return part.where(~part.table["held_out"]) if "held_out" in part.table else part

    def one_per_caption(self) -> Corpus:
        """One image of each caption, as in CC12M: see :meth:`some_per_caption`."""
        return self.some_per_caption(1)

    def some_per_caption(self, count: int) -> Corpus:
        """At most ``count`` images of each caption: they are picked by a hash of caption and id, never by order."""
        rank = [
            hashlib.sha256(f"real:{c}:{i}".encode("utf-8", "surrogatepass")).hexdigest()
            for c, i in zip(self.table["caption"], self.table["id"])
        ]
        ranked = self.table.assign(rank=rank).sort_values("rank")
        first = ranked[ranked.groupby("caption", sort=False).cumcount() < count].index
        return self.where(self.table.index.isin(first))


def valid_size(size: int) -> int:
    """``size`` itself, pixels a side. Raises ``InputError`` outside 8 to 1024."""
    if size < 8 or size > 1024:
        raise InputError(f"size is {size}; images are drawn at 8 to 1024 pixels.")
    return size
