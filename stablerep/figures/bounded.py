"""Intervals where nothing varied: a share of 0 or 1 has its exact bound, and a difference of which no part differs has none."""

from __future__ import annotations

import math

import pandas as pd

from stablerep.audits.shares import kept_off_the_boundary
from stablerep.figures.tables import points

_NONE = 1e-9  # width of an interval below which nothing varied


def bounded(table: pd.DataFrame, count: str, *, value: str, low: str = "low", high: str = "high") -> pd.DataFrame:
    """A table of shares whose intervals at 0 and at 1 reach as far as the exact 95 % bound for a number of independent items.

    Where all are alike nothing varies, and an interval by resampling would have no width. Between 0 and 1 such an interval is left out (NaN).

    Args:
        count: column of that number, such as of concepts. value, low, high: columns of shares; rows without an interval (NaN) keep none.
    """
    ends = [_ends(*row) for row in zip(table[value], table[low], table[high], table[count])]
    lows, highs = zip(*ends) if ends else ((), ())
    return table.assign(**{low: list(lows), high: list(highs)})


def _ends(share: float, low: float, high: float, number: int) -> tuple[float, float]:
    if math.isnan(low):
        return low, high
    low, high = map(float, kept_off_the_boundary(share, low, high, int(number)))
    return (low, high) if high - low > _NONE else (math.nan, math.nan)


def is_varied(row) -> bool:
    """Whether a difference has an interval with a width."""
    return row.high - row.low > _NONE


def points_or_alike(row, *, visible: bool = False) -> str:
    """A difference in points with its interval; where every part has the same difference, that difference and how many parts there are.

    Args:
        row: ``difference``, ``low``, ``high``, ``clusters`` and ``visible``. visible: whether the smallest detectable difference follows, after a comma.
    """
    if is_varied(row):
        return points(row.difference, row.low, row.high) + (f", {100 * row.visible:.1f}" if visible else "")
    if math.isnan(row.low):
        return points(row.difference, row.low, row.high)
    return f"{points(row.difference, math.nan, math.nan)} (alike on all {row.clusters})"
