"""What the tables on scaling come to, in sentences: how few captions suffice, what the other probe says, and whether the laws foretold the largest size."""

from __future__ import annotations

from collections.abc import Sequence

import pandas as pd

from stablerep.figures.tables import points

OPTIONAL = {
    "worth": "what a synthetic caption is worth", "rises": "what a doubling of the captions adds", "images": "more images of the same captions",
}  # fmt: skip


def fewest(pairs: pd.DataFrame, counts: Sequence[int], names: Sequence[str], panel: str, second: str) -> str:
    """From which number of captions on one arm lies above another on all of them, by each interval alone.

    Args:
        pairs: of one probe and panel, a row for each number: ``low``. counts: these numbers, rising. names: ``first`` of each row. panel, second: in words.
    """
    lows = pairs.set_index("first")["low"]
    arm, enough = names[-1].partition(" at ")[0], counts[-1] + 1
    for count, name in zip(reversed(counts), reversed(names)):
        if not lows[name] > 0:
            break
        enough = count
    if enough > counts[-1]:
        return f"With {panel}, {arm} lies above {second} on {counts[-1]:,} captions at no number of them."
    fewer = f", 1/{counts[-1] / enough:.2g} of them" if enough < counts[-1] else ""
    return f"With {panel}, {arm} lies above {second} on {counts[-1]:,} captions from {enough:,} on{fewer}."


def by_other_probe(pairs: pd.DataFrame, first: str, probe: str) -> str:
    """What one arm's differences are by another probe than the primary one, in each panel; empty where it was not asked.

    Args:
        pairs: ``panel``, ``probe``, ``first``, ``difference``, ``low`` and ``high``.
    """
    mine = pairs[(pairs["probe"] == probe) & (pairs["first"] == first)].drop_duplicates("panel")
    if mine.empty:
        return ""
    said = [f"{points(one.difference, one.low, one.high)} points with {one.panel}" for one in mine.itertuples()]
    return f"By the {probe.partition(' ')[0]} probe ({probe.partition(' ')[2]}), as in the paper, the same difference is {' and '.join(said)}.".replace(
        "-", "−"
    )


def lacking_tables(tables: dict[str, pd.DataFrame]) -> str:
    """Which of the later tables of this chapter its results do not have, and how to compute them; empty where they have all."""
    lacking = [words for name, words in OPTIONAL.items() if name not in tables]
    if not lacking:
        return ""
    many = "these have" if len(lacking) > 1 else "this has"
    return f"Not among these results, so that {many} no table below: {'; '.join(lacking)}. `stablerep run scaling -p image_counts='[1, 2, 4]'` computes them."


def laws_met(laws: pd.DataFrame) -> str:
    """How many of the laws foretold the error of the largest size; empty where none has an interval.

    Args:
        laws: of :func:`stablerep.statistics.power_laws`: ``predicted`` and ``observed``, errors, with ``low`` and ``high`` of the prediction.
    """
    known = laws.dropna(subset=["low", "high", "observed"])
    if known.empty:
        return ""
    missed = known[(known["observed"] < known["low"]) | (known["observed"] > known["high"])]
    if missed.empty:
        return f"The measured error lies inside the band of the prediction in all {len(known)} cases: nothing here speaks against such a law."
    lower = int((missed["observed"] < missed["low"]).sum())
    which = {
        len(missed): "below it, so that more captions helped more than the law foretold",
        0: "above it, so that more captions helped less than the law foretold",
    }
    ending = which.get(lower, f"{lower} of them below it")
    return f"In {len(missed)} of {len(known)} cases the measured error lies outside the band of the prediction, {ending}: there a law fitted to the few smaller sizes did not foretell the largest one."  # fmt: skip
