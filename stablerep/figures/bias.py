"""Bias of a generator: distances to references over w, and generated shares against planted ones."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from stablerep.figures.canvas import (
    BLUE,
    BROWN,
    GREEN,
    GREY,
    ORANGE,
    PURPLE,
    canvas,
    draw_interval,
    is_narrow,
    name_rows,
    name_vertical,
    wrapped,
)
from stablerep.figures.edits import edit_grid
from stablerep.figures.tables import percent

if TYPE_CHECKING:
    from matplotlib.figure import Figure

# as the audits name them, whose modules take seconds to import
TOGETHER, VARIATION = "all captions together", "total variation"
AS_READ, CORRECTED = "generated, as read", "generated, corrected"
SCALES = (BLUE, ORANGE, GREEN, PURPLE, BROWN)  # of guidance scales, from the lowest
APART = 0.18  # of a row, from one mark of it to the next
MARKS = {  # in the figure of planted shares: group and source, colour, mark and shift to the side
    ("skewed roles", AS_READ): (BROWN, "o", -0.006),
    ("skewed roles", CORRECTED): (PURPLE, "s", 0.006),
    ("roles left alone", AS_READ): (GREY, "^", 0.0),
}


def distances(table: pd.DataFrame) -> Figure:
    """Total variation of all captions together to each reference: a row per attribute and reference, a colour per w. The mark counts what could not be told as
    a bar of its own, the short line at its left is the least that the distance may be, whatever these images show.

    Args:
        table: of :func:`stablerep.audits.bias_measures.bias_measures`.
    """
    mine = table[(table["over"] == TOGETHER) & (table["measure"] == VARIATION)]
    names = list(dict.fromkeys(f"{row.attribute}, to {row.reference}" for row in mine.itertuples()))
    scales = sorted(mine["guidance_scale"].unique())
    figure, axes = canvas(height=1.3 + (0.6 if is_narrow() else 0.42) * len(names))
    axis = axes[0][0]
    for turn, w in enumerate(scales):
        colour = SCALES[turn % len(SCALES)]
        for row in mine[mine["guidance_scale"] == w].itertuples():
            place = names.index(f"{row.attribute}, to {row.reference}") + APART * (turn - (len(scales) - 1) / 2)
            draw_interval(axis, place, row.value, row.low, row.high, colour)
            axis.plot([100 * row.least], [place], "|", color=colour, markersize=9)
        axis.plot([], [], "o", color=colour, label=f"w = {w:g}")
    name_rows(axis, [wrapped(name) for name in names])
    axis.set_xlim(-2, 102)
    axis.set_xlabel(wrapped("images that would have to show another class (%)"))
    figure.legend(loc="outside lower center", ncols=len(scales))
    last = mine[mine["guidance_scale"] == scales[-1]]
    said = "; ".join(f"{row.attribute}, to {row.reference} {percent(row.value, row.low, row.high)} %" for row in last.itertuples())  # fmt: skip
    figure.set_label(f"Total variation of generated shares to each reference over w; at w = {scales[-1]:g}: {said}.")
    return figure


def planted_shares(table: pd.DataFrame) -> Figure:
    """Share of people drawn in the dark tone among generated images against their share among the training images of the captions, a panel per w, with the 45° line.

    Args:
        table: ``planted`` of :func:`stablerep.audits.planted_shares.planted_shares`; what is NaN has no mark.
    """
    scales = sorted(table["guidance_scale"].unique())
    figure, axes = canvas(min(3, len(scales)), -(-len(scales) // 3), panels=len(scales), height=2.9, sharey=True)
    handles = {}
    for axis, w in zip(axes.flat, scales):
        handles["as learned"] = axis.plot([0, 100], [0, 100], color=GREY, lw=1, ls="--")[0]
        for (group, source), (colour, mark, shift) in MARKS.items():
            mine = table[
                (table["guidance_scale"] == w) & (table["group"] == group) & (table["source"] == source)
            ].dropna(subset=["share"])
            if group != "skewed roles":  # nothing was planted there: they stand at the share of the others
                at = table[(table["group"] == "skewed roles") & (table["source"] == source)].drop_duplicates("planted")
                mine = mine.assign(learned=mine["planted"].map(dict(zip(at["planted"].fillna(-1), at["learned"]))).fillna(0.0))  # fmt: skip
            errors = 100 * np.array([mine["share"] - mine["low"], mine["high"] - mine["share"]]).clip(0)
            drawn = axis.errorbar(
                100 * (mine["learned"] + shift), 100 * mine["share"], yerr=errors, fmt=mark, capsize=2, color=colour,
                markerfacecolor="white" if group != "skewed roles" else colour, markersize=5,
            )  # fmt: skip
            handles.setdefault(f"{group}, {source.removeprefix('generated, ')}", drawn)
        axis.set_title(f"w = {w:g}")
        axis.set_xlim(-5, 105)
        axis.set_ylim(-3, 103)
        axis.set_xlabel("dark, as learned (%)")
    name_vertical(axes, "dark, generated (%)")
    figure.legend(list(handles.values()), list(handles), loc="outside lower center", ncols=1 if is_narrow() else 2)
    read = table[(table["group"] == "skewed roles") & (table["source"] == AS_READ)]
    said = "; ".join(
        f"w = {row.guidance_scale:g}, learned {100 * row.learned:.0f} %: {percent(row.share, row.low, row.high)} %"
        for row in read.itertuples()
    )
    figure.set_label(
        f"People drawn in the dark tone among generated images of skewed roles, as read, against their share in training: {said}."
    )
    return figure


def set_name(share: float) -> str:
    """What a generator with a planted share, or none, is called."""
    return "before" if np.isnan(share) else f"{100 * share:.0f} % dark"


def planted_grid(table: pd.DataFrame) -> Figure:
    """A row per caption, and images of it by the generator before and after it learned each share, from the same noise.

    Args:
        table: ``caption``, ``planted``, ``index`` and ``png``.
    """
    return edit_grid(table.assign(place=[set_name(share) for share in table["planted"]]))
