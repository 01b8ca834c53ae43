"""What a comparison rests on, in one figure: every arm above its floors, and the differences that decide the claims."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

import pandas as pd

from stablerep.figures.canvas import GREY, METHOD_COLOURS, canvas, draw_interval
from stablerep.statistics.verdict import MARGIN

if TYPE_CHECKING:
    from matplotlib.figure import Figure

_TITLES = sorted(METHOD_COLOURS, key=len, reverse=True)  # StableRep+ before StableRep


def colour_of(arm: str) -> str:
    """The colour of an arm's method; floors are grey."""
    return next((METHOD_COLOURS[title] for title in _TITLES if arm.startswith(title)), GREY)


def evidence(arms: pd.DataFrame, differences: pd.DataFrame, words: Mapping[str, str], probe: str) -> Figure:
    """Accuracy of each arm with the best floor as a line, and each difference with zero and the margin.

    Arms on synthetic images are filled, all others hollow.

    Args:
        arms: of :func:`stablerep.statistics.summarize`. differences: of :func:`stablerep.statistics.differences`.
        words: the verdict on each claim of ``differences``; pairs of other claims stand without one.
    """
    arms = arms[arms["probe"] == probe].sort_values("accuracy", ascending=False, kind="stable")
    pairs = differences[differences["probe"] == probe]
    figure, axes = canvas(2, width=11.5, height=1.4 + 0.32 * max(len(arms), len(pairs)), width_ratios=(1, 1))
    left, right = axes[0]
    floors = arms[arms["views"] == 0]
    for place, row in enumerate(arms.itertuples()):
        draw_interval(left, place, row.accuracy, row.low, row.high, colour_of(row.arm), filled="synthetic" in row.arm)
    label = "accuracy (%)"
    if len(floors):
        best = floors.loc[floors["accuracy"].idxmax()]
        left.axvline(100 * best["accuracy"], color=GREY, ls=":")
        label += f"; dotted: the best floor, {best['arm'].lower()}"
    left.set_yticks(range(len(arms)), arms["arm"], fontsize=9)
    left.set_xlabel(label)
    left.set_title(f"{probe}, {_seeds(arms)}", fontsize=10)
    right.axvspan(-100 * MARGIN, 100 * MARGIN, color=GREY, alpha=0.2, lw=0)
    right.axvline(0, color="black", lw=1)
    names = []
    for place, row in enumerate(pairs.itertuples()):
        draw_interval(right, place, row.difference, row.low, row.high, colour_of(row.first), filled=True)
        word = f"{row.claim}, {words[row.claim]}" if row.claim in words else row.claim
        names.append(f"{word}:\n{row.first} − {row.second}")
    right.set_yticks(range(len(pairs)), names, fontsize=8)
    right.set_xlabel("difference (points); grey: the margin")
    right.set_title("first minus second, the same concepts and seeds", fontsize=10)
    for axis, count in ((left, len(arms)), (right, len(pairs))):
        axis.set_ylim(count - 0.5, -0.5)
        axis.grid(axis="y", visible=False)
    return figure


def _seeds(arms: pd.DataFrame) -> str:
    count = int(arms["seeds"].max()) if len(arms) else 0
    return f"{count} seed{'' if count == 1 else 's'}"
