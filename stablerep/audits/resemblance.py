"""Which images look too much like an image of a corpus: the most alike of the corpus while it passes by, and a bar that the corpus sets itself.

No likeness is large or small in itself: where a corpus holds near-duplicates, images that nothing copied are alike too. So a part of the corpus is
asked about the rest. The corpus falls into two halves, by a hash of what belongs together, such as the designs of one concept. Images of each half
are looked up in the other, which holds no copy of them but by chance; the bar of a half is the likeness that ``LEVEL / 2`` of these exceed. An image is
called a copy where it exceeds the bar of either half, so that about ``LEVEL`` are called of images that show other things than the corpus. More may be of
images that show the same things, although none was copied.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
import torch
from torch import Tensor

from stablerep.audits.equal_galleries import half_of
from stablerep.audits.pixels import nearest, squared_distances
from stablerep.audits.spread import FEATURES, PIXELS
from stablerep.errors import InputError

LEVEL = 0.01  # of images without copies that are called copies
BLOCK = 512  # images that are looked up at once
ROUNDING = 1e-5  # by which a likeness has to exceed a bar, so that no rounding decides


def halves_of(clusters: Sequence[str]) -> np.ndarray:
    """The half, 0 or 1, of each image of a corpus by what it belongs to, int [N]."""
    half = {name: half_of(str(name), "copies") for name in set(clusters)}
    return np.array([half[name] for name in clusters], int)


@dataclass
class MostAlike:
    """Of each half of a corpus the image that is most like each of some images, found while the corpus passes block by block.

    Attributes:
        queries: float [Q, D], of :func:`stablerep.audits.pixels.levels` or :func:`stablerep.audits.spread.directions`.
        by: ``PIXELS``, where a likeness is minus the root mean square difference in grey levels, or ``FEATURES``, where it is a cosine.
        likeness: float [2, Q], by half; minus infinity where nothing has passed. places: int64 [2, Q], of what is most alike; -1 for nothing.
    """

    queries: Tensor
    by: str
    likeness: Tensor = field(init=False)
    places: Tensor = field(init=False)

    def __post_init__(self) -> None:
        if self.by not in (PIXELS, FEATURES):
            raise InputError(f"images are to be compared by {self.by!r}; valid are {PIXELS} and {FEATURES}.")
        self.likeness = torch.full((2, len(self.queries)), -torch.inf)
        self.places = torch.full((2, len(self.queries)), -1)

    def see(self, block: Tensor, first: int, halves: np.ndarray) -> None:
        """A block of the corpus passes.

        Args:
            block: float [G, D], of the same kind as the queries. first: place of its first image. halves: [G].
        """
        for half in (0, 1):
            places = torch.from_numpy(np.flatnonzero(halves == half))
            if not len(places):
                continue
            mine = block[places]
            for start in range(0, len(self.queries), BLOCK):
                some = slice(start, start + BLOCK)
                found, which = self._best(self.queries[some], mine)
                better = found > self.likeness[half, some]
                self.likeness[half, some] = torch.where(better, found, self.likeness[half, some])
                self.places[half, some] = torch.where(better, first + places[which], self.places[half, some])

    def _best(self, queries: Tensor, block: Tensor) -> tuple[Tensor, Tensor]:
        """The largest likeness of each query in a block, [Q], and where it is, [Q]."""
        if self.by == FEATURES:
            found = (queries @ block.T).max(1)
            return found.values, found.indices
        distances, places = nearest(queries, block, squared_distances(queries, block), 1)
        return -distances[:, 0].float(), places[:, 0]

    @property
    def state(self) -> dict[str, Tensor]:
        """What :meth:`resume` goes on from."""
        return {"likeness": self.likeness, "places": self.places}

    def resume(self, state: dict[str, Tensor]) -> None:
        """Go on from a state of the same queries."""
        self.likeness, self.places = state["likeness"].clone(), state["places"].clone()


def bar_of(background: np.ndarray, level: float) -> float:
    """The lowest bar that at most a share ``level`` of the likenesses [N] exceed; infinity where there are none."""
    if not len(background):
        return math.inf
    return float(np.sort(background)[::-1][math.floor(level * len(background))])


@dataclass(frozen=True)
class Calls:
    """Which images are called copies.

    Attributes:
        called: bool [Q]. bars: float [2], the likeness that an image has to exceed in each half.
        background: the share of the corpus's own images that exceed the bar of the other half; at most ``LEVEL / 2``.
        place: int64 [Q], of what is most alike in either half. likeness: float [Q], to that.
    """

    called: np.ndarray
    bars: tuple[float, float]
    background: float
    place: np.ndarray
    likeness: np.ndarray


def call_copies(asked: MostAlike, background: MostAlike, halves: np.ndarray, *, level: float = LEVEL) -> Calls:
    """Call copies among images by the bars that a corpus sets itself.

    Args:
        asked: of the images. background: of images of the corpus. halves: [B], the half of each of the latter.
        level: of images without copies that are called, in all.

    Raises:
        InputError: two ways of comparing, or not one half for each image of the background.
    """
    if asked.by != background.by or len(halves) != background.likeness.shape[1]:
        raise InputError(
            f"images are compared by {asked.by} and {background.by}, and {background.likeness.shape[1]} images of the corpus have {len(halves)} halves; "
            "both go by one way, and each image has a half."
        )
    found = [background.likeness[half].numpy()[halves != half] for half in (0, 1)]
    others = [one[np.isfinite(one)] for one in found]  # nothing has passed of a half without images
    bars = tuple(bar_of(one, level / 2) for one in others)
    over = np.stack([asked.likeness[half].numpy() > bars[half] + ROUNDING for half in (0, 1)])
    exceed = sum(int((one > bar + ROUNDING).sum()) for one, bar in zip(others, bars))
    best = asked.likeness.max(0)
    place = asked.places.gather(0, best.indices[None])[0].numpy()
    return Calls(over.any(0), bars, exceed / max(len(halves), 1), place, best.values.numpy())
