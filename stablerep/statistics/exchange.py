"""How many of one thing are worth one of another: two lines over a logarithm, and how far one lies from the other along it.

The relative potency of a parallel-line assay, with the interval of Fieller (1954, Some problems in interval estimation, Journal of the Royal
Statistical Society B 16): all shifts that bring the lines together within the error of a crossed mean
(:mod:`stablerep.statistics.crossed`).
"""

from __future__ import annotations

import math
from bisect import bisect_left
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from stablerep.statistics.crossed import CrossedMean, crossed_mean
from stablerep.statistics.peaks import logarithms

DOUBLINGS = (
    np.arange(-1000, 1001) / 100
)  # shifts that are tried: a factor of a thousand either way, in steps of 0.7 percent


@dataclass(frozen=True)
class ExchangeRate:
    """``times`` as many of the second are needed for the accuracy of the first.

    Attributes:
        low, high: 95 % interval; infinite, or 0, where no shift of a factor of a thousand ends it. All are NaN where the lines do not rise
            clearly: any number is then worth any other.
        apart: by how much more the first rises with each doubling than the second; where it is clearly not zero, no one number says it all.
    """

    times: float
    low: float
    high: float
    apart: CrossedMean


def exchange_rate(first: np.ndarray, second: np.ndarray, grid: Sequence[float]) -> ExchangeRate:
    """By two lines of one slope through the accuracies of both over the logarithm of the grid.

    Args:
        first, second: [S, C, W], by seed, cluster and value of the grid, all finite, of the same seeds and clusters. grid: [W], at least two
            different positive values.

    Raises:
        InputError: another shape, values that are not finite, or a grid that determines no line.
    """
    (first, x), (second, _) = (logarithms(values, grid, 2) for values in (first, second))
    weights = (x - x.mean()) / ((x - x.mean()) ** 2).sum()
    ahead, slope = (first - second).mean(2), (first + second) @ weights / 2
    apart, rises = crossed_mean((first - second) @ weights), crossed_mean(slope)
    if not rises.interval()[0] > 0:
        return ExchangeRate(math.nan, math.nan, math.nan, apart)
    best = float(ahead.mean() / slope.mean())

    def together(shift: float) -> bool:
        low, high = crossed_mean(ahead - shift * slope).interval()
        return low <= 0 <= high

    # what holds lies around the best shift without a gap, so that its ends are found by halving
    below, above = DOUBLINGS[best >= DOUBLINGS], DOUBLINGS[best < DOUBLINGS]
    first, after = bisect_left(below, True, key=together), bisect_left(above, True, key=lambda one: not together(one))
    least, most = below[first] if first < len(below) else best, above[after - 1] if after else best
    low = -math.inf if least <= DOUBLINGS[0] else float(least)
    high = math.inf if most >= DOUBLINGS[-1] else float(most)
    return ExchangeRate(2.0**best, 2.0**low, 2.0**high, apart)
