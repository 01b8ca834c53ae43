"""How varied captioned images are: images of one caption beside images of different captions, and images that are nearly the same."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd
import torch
import torch.nn.functional as F
from torch import Tensor

from stablerep.audits.pixels import levels, squared_distances
from stablerep.errors import InputError
from stablerep.seeding import seed_for
from stablerep.statistics import interval

DRAWS = 1000  # of captions, for intervals
FEWEST = 5  # captions, of fewer of which a bootstrap says nothing
ALIKE = 0.98  # cosine of features, from which two images count as nearly the same
NEAR = 8.0  # grey levels at 32 pixels (root mean square), up to which they do
BLOCK = 512  # images that are compared at once
FEATURES, PIXELS = "features", "pixels"  # by which images are compared


def directions(features: Tensor) -> Tensor:
    """Features float [N, D] on the unit sphere, [N, D + 1]. What has none, such as gradients of one colour, shares a direction of its own."""
    empty = (features == 0).all(1, keepdim=True).float()
    return torch.cat([F.normalize(features.float(), dim=1), empty], 1)


def spread(features: Tensor, captions: Sequence[str], *, seed: int = 0) -> pd.DataFrame:
    """Mean cosine distance between images of one caption (each caption weighs the same), between images of different captions (each pair weighs
    the same), and the first over the second: 0 where images of a caption are all the same, 1 where a caption says nothing of its images.

    Args:
        features: float [N, D]. captions: [N].

    Returns:
        Rows ``measure`` = within, between, ratio: ``value``, ``low`` and ``high`` (95 % bootstrap of captions, NaN of fewer than ``FEWEST``), ``captions`` (for within and ratio those of
        two images or more). What needs a second image of a caption, or a second caption, is NaN where there is none.

    Raises:
        InputError: no images, or not one caption for each.
    """
    if not len(features) or len(features) != len(captions):
        raise InputError(
            f"{len(features)} images have {len(captions)} captions; each needs one, and one image at least."
        )
    z = directions(features).double()
    codes, names = pd.factorize(np.asarray(captions, object))
    sums = torch.zeros(len(names), z.shape[1], dtype=torch.double).index_add_(0, torch.from_numpy(codes), z).numpy()
    n, lengths = np.bincount(codes).astype(float), (sums**2).sum(1)
    several = n > 1
    distance = np.where(several, 1 - (lengths - n) / np.maximum(n * (n - 1), 1), 0.0)
    rng = np.random.default_rng(seed_for(seed, "spread"))
    # how often each caption is drawn: once in the set itself, then as the bootstrap has it
    drawn = np.vstack([np.ones(len(n)), rng.multinomial(len(n), np.full(len(n), 1 / len(n)), DRAWS)])
    with np.errstate(invalid="ignore", divide="ignore"):  # of draws without two captions, or without two images of one
        within = (drawn @ distance) / (drawn @ several)
        between = 1 - (((drawn @ sums) ** 2).sum(1) - drawn**2 @ lengths) / ((drawn @ n) ** 2 - drawn**2 @ n**2)
        found = {"within": within, "between": between, "ratio": within / between}
    rows = []
    for name, values in found.items():
        finite = values[1:][np.isfinite(values[1:])]
        count = len(n) if name == "between" else int(several.sum())
        known = np.isfinite(values[0]) and len(finite) and count >= FEWEST
        low, high = interval(finite) if known else (np.nan, np.nan)
        rows.append({"measure": name, "value": values[0], "low": low, "high": high, "captions": count})
    return pd.DataFrame(rows)


def near_duplicates(features: Tensor, images: Tensor, captions: Sequence[str]) -> pd.DataFrame:
    """Which images have another one that is nearly the same, by ``FEATURES`` (a cosine of ``ALIKE`` or more) and by ``PIXELS`` (at most ``NEAR`` grey levels).

    Args:
        features: float [N, D]. images: uint8 [N, 3, 32, 32]. captions: [N].

    Returns:
        N rows of truth values: a column for each pair of *features* or *pixels* and *same caption* or *other caption*, such as ``pixels, other caption``.
    """
    codes = torch.from_numpy(pd.factorize(np.asarray(captions, object))[0])
    z, x = directions(features), levels(images)
    parts = []
    for first in range(0, len(z), BLOCK):
        some = slice(first, first + BLOCK)
        squares = squared_distances(x[some], x) / x.shape[1]
        alike = {FEATURES: z[some] @ z.T >= ALIKE, PIXELS: squares <= NEAR**2}
        same = codes[some, None] == codes[None]
        itself = torch.arange(len(z))[some, None] == torch.arange(len(z))[None]
        where = {"same caption": same & ~itself, "other caption": ~same}
        parts.append({
            f"{by}, {which}": (near & mask).any(1).numpy() for by, near in alike.items() for which, mask in where.items()
        })  # fmt: skip
    return pd.DataFrame({name: np.concatenate([part[name] for part in parts]) for name in parts[0]})
