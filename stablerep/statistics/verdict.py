"""From differences between arms to one of four words."""

from __future__ import annotations

import math
from dataclasses import dataclass

import pandas as pd

WORDS = ("reproduced", "partly", "not reproduced", "not testable at this scale")
COLUMNS = ["first", "second", "difference", "low", "high", "p_better"]


@dataclass(frozen=True)
class Verdict:
    """What a study says of a claim.

    Attributes:
        word: one of ``WORDS``.
        low, high: the interval the word rests on, of the pair that decides; NaN where nothing was tested.
        p_better: P(first better than second) of that pair.
        sentence: every pair with its difference and interval, in points.
    """

    word: str
    low: float
    high: float
    p_better: float
    sentence: str


def verdict(differences: pd.DataFrame, *, margin: float = 0.0) -> Verdict:
    """The verdict on a claim that ``first`` is better than ``second`` in every pair.

    Rule, in this order:

    1. *not testable at this scale* when there is no pair;
    2. *not reproduced* when the interval of any pair lies below ``margin`` (``high < margin``);
    3. *not testable at this scale* when a pair has no interval (NaN, as of a single seed);
    4. *reproduced* when the intervals of all pairs lie above it (``low > margin``);
    5. else *partly*: the intervals of some pairs hold the margin.

    The pair that decides is the one of the lowest upper bound for *not reproduced*, the first without an interval where that is what is
    missing, else the one of the lowest lower bound: a claim about all pairs is as strong as its weakest.

    Args:
        differences: a row per pair: ``first``, ``second``, ``difference``, ``low``, ``high``, ``p_better``, as from
            :func:`stablerep.statistics.paired_difference` or ``paired_difference_over_seeds``, in shares (0.01 is a point).
        margin: where better begins; -0.01 stands for "at least as good", within a point.

    Raises:
        ValueError: a missing column, an interval upside down, or a margin that is not finite.
    """
    if not math.isfinite(margin):
        raise ValueError(
            f"margin is {margin}; it must be a finite number, such as 0 for better or -0.01 for at least as good."
        )
    if differences.empty:
        return Verdict("not testable at this scale", math.nan, math.nan, math.nan, "no pair of arms was run.")
    missing = [column for column in COLUMNS if column not in differences]
    if missing:
        raise ValueError(f"differences lack the columns {missing}; {', '.join(COLUMNS)} are needed.")
    if (differences["low"] > differences["high"]).any():
        row = differences[differences["low"] > differences["high"]].iloc[0]
        raise ValueError(
            f"{row['first']} minus {row['second']} has the interval [{row['low']}, {row['high']}]; low must not exceed high."
        )
    low, high = differences["low"], differences["high"]
    if (high < margin).any():
        word, decides = "not reproduced", int(high.argmin())
    elif (low.isna() | high.isna()).any():
        word, decides = "not testable at this scale", int((low.isna() | high.isna()).argmax())
    else:
        word, decides = "reproduced" if (low > margin).all() else "partly", int(low.argmin())
    parts = [
        f"{r.first} minus {r.second}: {100 * r.difference:+.1f} points [{100 * r.low:+.1f}, {100 * r.high:+.1f}], "
        f"P(better) {r.p_better:.2f}"
        for r in differences.itertuples()
    ]
    found = differences.iloc[decides]
    return Verdict(word, float(found["low"]), float(found["high"]), float(found["p_better"]), "; ".join(parts))
