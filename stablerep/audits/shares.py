"""Shares of classes among images, from what a reader with known errors read of them.

If images show shares x of the classes and a reader has the confusion C, it reads x C. Inverting this corrects a count for the reader's
errors (adjusted classify and count: Forman 2008). It holds only where the reader errs on the images at hand as on those where its
errors were counted. Where no x explains what was read, they cannot be such images, and the correction is refused.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from stablerep.audits.readers import CANNOT_TELL, Confusion

DRAWS = 500  # of every bootstrap
REFUSED = 0.05  # p-value of the fit, at and below which a correction is refused
ALPHA = 0.05  # of intervals


def correct_shares(read: np.ndarray, confusion: np.ndarray) -> np.ndarray:
    """Shares x >= 0 with sum 1 that best explain what was read: least squares of x @ confusion (Forman 2008, on the simplex).

    Args:
        read: shares of what was read, float [J]. confusion: P(read | class), float [K, J].

    Returns:
        float [K].
    """
    from scipy.optimize import nnls

    heavy = 1e3  # weight of the constraint that shares sum to one
    system = np.vstack([confusion.T, heavy * np.ones(len(confusion))])
    solution, _ = nnls(system, np.append(read, heavy))
    return solution / solution.sum()


def misfit(read: np.ndarray, confusion: np.ndarray) -> float:
    """Distance of what was read from the nearest that any shares explain."""
    return float(np.linalg.norm(read - correct_shares(read, confusion) @ confusion))


def effective_number(counts: np.ndarray) -> int:
    """How many independent images would vary as much as these do, from what was read by caption, [captions, J].

    The images divided by the design effect (Kish 1965; Rao and Scott 1981), which images of a caption that are alike make large: between the
    number of captions and that of images. Where all was read the same, nothing varies, and it is the number of captions.
    """
    captions, images = len(counts), counts.sum()
    total = counts.sum(0) / images
    deviations = counts - counts.sum(1, keepdims=True) * total
    variance = captions / max(captions - 1, 1) * (deviations**2).sum() / images**2
    simple = (total * (1 - total)).sum()
    return round(min(max(simple / variance, captions), images)) if variance > 0 else captions


def beyond(n: int) -> float:
    """Share below which a class lies that none of n independent items shows, exact at 95 %: 1 - 0.05^(1/n), about 3/n (Clopper and Pearson
    1934; the rule of three: Hanley and Lippman-Hand 1983)."""
    return float(1 - ALPHA ** (1 / n))


def kept_off_the_boundary(value, low, high, n: int, *, noticed: float = 1.0) -> tuple[np.ndarray, np.ndarray]:
    """Intervals of shares within 0 and 1, which resampling makes too narrow at 0 and 1: there they reach as far as the exact bound for n items.

    Args:
        value, low, high: numbers or arrays of shares. n: independent items, such as captions.
        noticed: the least chance that a reader names a class that is there; what it overlooks may be that much more.
    """
    reach = min(beyond(n) / noticed, 1.0) if noticed > 0 else 1.0
    value, low, high = (np.asarray(one, float) for one in (value, low, high))
    high = np.where(value < 1e-6, np.maximum(high, reach), high)
    low = np.where(value > 1 - 1e-6, np.minimum(low, 1 - reach), low)
    return np.clip(low, 0, 1), np.clip(high, 0, 1)


@dataclass(frozen=True)
class Shares:
    """What images of some captions show.

    Attributes:
        read, read_low, read_high: shares of what was read, ``CANNOT_TELL`` the last, float [K + 1], with 95 % intervals.
        corrected, corrected_low, corrected_high: shares of the classes, float [K], with 95 % intervals; NaN where the correction is refused.
        captions, images: how many; effective: of :func:`effective_number`.
        distance: of what was read from its best explanation. p: how often images such as the reader knows would be as far from theirs.
    """

    read: np.ndarray
    read_low: np.ndarray
    read_high: np.ndarray
    corrected: np.ndarray
    corrected_low: np.ndarray
    corrected_high: np.ndarray
    captions: int
    images: int
    effective: int
    distance: float
    p: float

    @property
    def refused(self) -> bool:
        return self.p <= REFUSED


def count_shares(
    read: Sequence[str], caption_ids: Sequence[int], confusion: Confusion, *, seed: int, draws: int = DRAWS
) -> Shares:
    """Shares of what was read and of the classes, and whether the reader's errors can explain it.

    Intervals resample captions, and for corrected shares the clusters behind the confusion too. The fit is tested by a parametric
    bootstrap: if the best shares were true, an effective number of images would be read through the confusion, and the confusion would be
    estimated from other clusters.

    Args:
        read: [N] names of classes or ``CANNOT_TELL``. caption_ids: [N].
    """
    names, rng = [*confusion.classes, CANNOT_TELL], np.random.default_rng(seed)
    codes, place = np.unique(np.asarray(caption_ids), return_inverse=True)
    counts = np.zeros((len(codes), len(names)))
    np.add.at(counts, (place, [names.index(one) for one in read]), 1)
    shares, matrix, effective = counts.sum(0) / counts.sum(), confusion.mean(), effective_number(counts)
    best = correct_shares(shares, matrix)
    expected, distance = best @ matrix, misfit(shares, matrix)
    seen, fixed, as_far = [], [], 0
    for _ in range(draws):
        drawn = confusion.mean(_resampled(rng, len(confusion.shown)))
        some = _resampled(rng, len(counts)) @ counts
        seen.append(some / some.sum())
        fixed.append(correct_shares(seen[-1], drawn))
        as_far += misfit(rng.multinomial(effective, expected / expected.sum()) / effective, drawn) >= distance
    p = (1 + as_far) / (1 + draws)
    seen_bounds = np.quantile(seen, [ALPHA / 2, 1 - ALPHA / 2], axis=0)
    bounds = np.quantile(fixed, [ALPHA / 2, 1 - ALPHA / 2], axis=0)
    noticed = float(matrix[:, :-1].diagonal().min())
    corrected = (best, *kept_off_the_boundary(best, *bounds, len(codes), noticed=noticed))
    if p <= REFUSED:
        corrected = (np.full(len(best), np.nan),) * 3
    return Shares(
        shares, *kept_off_the_boundary(shares, *seen_bounds, len(codes)), *corrected,
        len(codes), int(counts.sum()), effective, distance, p,
    )  # fmt: skip


def _resampled(rng: np.random.Generator, count: int) -> np.ndarray:
    """How often each of so many things is drawn when as many are drawn with replacement, [count]."""
    return rng.multinomial(count, np.full(count, 1 / count))
