"""From differences between arms to a word, by a rule that is wrong in at most one of twenty studies in which nothing is to be seen."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, replace

import pandas as pd

from stablerep.statistics.aggregate import holm

WORDS = ("reproduced", "contradicted", "equivalent", "partly", "undecided", "not testable at this scale")
MARGIN = 0.01  # a point: differences within it are too small to matter
SEEDS = 3  # with two, one study in nine in which nothing is to be seen would say something
COLUMNS = ["first", "second", "difference", "low", "high", "p_for", "p_against", "seeds"]


@dataclass(frozen=True)
class Verdict:
    """What a study says of a claim.

    Attributes:
        word: one of ``WORDS``.
        p: two-sided p-value of *reproduced*, *contradicted* and *partly*, corrected for the claim's pairs; NaN for other words.
        sentence: every pair with its difference and interval, in points.
    """

    word: str
    p: float
    sentence: str


def verdict(differences: pd.DataFrame, *, margin: float = MARGIN, alpha: float = 0.05) -> Verdict:
    """The verdict on a claim that ``first`` is better than ``second`` in every pair, or as good to within the margin.

    A pair speaks *for* the claim or *against* it by its p-values, which say what bound the claim has. One pair is enough to contradict a
    claim about all, and to hold for a part of it, so that there the level is shared among the pairs. A pair is *equivalent* when its
    interval lies within the margin on both sides of zero and it speaks neither for nor against. Then, in this order:

    1. *not testable at this scale*: no pair, or one without an interval over at least three seeds;
    2. *reproduced*: all pairs speak for the claim;
    3. *partly*: some do, at the shared level, and others speak against it or are equivalent;
    4. *contradicted*: some speak against it;
    5. *equivalent*: all are;
    6. *undecided*: the study is too small to say.

    Args:
        differences: a row per pair, as from :func:`stablerep.statistics.arms.differences`, in shares (0.01 is a point): ``p_for`` and
            ``p_against`` are one-sided p-values of being above and below the claim's bound.

    Raises:
        ValueError: a missing column, an interval upside down, or a margin that is not a positive number.
    """
    if not 0 < margin < math.inf:
        raise ValueError(f"margin is {margin}; it must be a positive number, such as 0.01 for a point.")
    if differences.empty:
        return Verdict(WORDS[-1], math.nan, "no pair of arms was run")
    missing = [column for column in COLUMNS if column not in differences]
    if missing:
        raise ValueError(f"differences lack the columns {missing}; {', '.join(COLUMNS)} are needed.")
    if (differences["low"] > differences["high"]).any():
        row = differences[differences["low"] > differences["high"]].iloc[0]
        raise ValueError(
            f"{row['first']} minus {row['second']} has the interval [{row['low']}, {row['high']}]; low must not exceed high."
        )
    sentence = "; ".join(
        f"{r.first} minus {r.second}: {100 * r.difference:+.1f} points [{100 * r.low:+.1f}, {100 * r.high:+.1f}]"
        for r in differences.itertuples()
    )
    if (differences["seeds"] < SEEDS).any() or differences[["low", "high"]].isna().any(axis=None):
        return Verdict(WORDS[-1], math.nan, sentence)
    one_sided, count = alpha / 2, len(differences)
    p_for, p_against = differences["p_for"], differences["p_against"]
    speaks_for, surely, against = p_for <= one_sided, p_for <= one_sided / count, p_against <= one_sided / count
    alike = ~surely & ~against & (differences["low"] > -margin) & (differences["high"] < margin)
    if speaks_for.all():
        word, p = "reproduced", 2 * p_for.max()
    elif surely.any() and (against | alike).any():
        word, p = "partly", 2 * count * min(p_for.min(), p_against.min())
    elif against.any():
        word, p = "contradicted", 2 * count * p_against.min()
    else:
        word, p = "equivalent" if alike.all() else "undecided", math.nan
    return Verdict(word, min(p, 1.0) if p == p else p, sentence)


def family(verdicts: Mapping[str, Verdict], *, alpha: float = 0.05) -> dict[str, Verdict]:
    """The verdicts on several claims together: what Holm's method over all of them does not uphold becomes *undecided*.

    Claims that were not testable are not counted; those that are undecided or equivalent are, with a p-value of 1.
    """
    tested = {claim: found for claim, found in verdicts.items() if found.word != WORDS[-1]}
    if not tested:
        return dict(verdicts)
    upheld = holm({claim: 1.0 if math.isnan(v.p) else v.p for claim, v in tested.items()}, alpha=alpha)["rejected"]
    lost = [claim for claim, found in tested.items() if not math.isnan(found.p) and not upheld[claim]]
    return {claim: replace(v, word="undecided") if claim in lost else v for claim, v in verdicts.items()}
