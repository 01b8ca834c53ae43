"""Captions against foils: how often an encoder prefers the caption, what the text alone gives, and what synthetic images change."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pandas as pd

from stablerep.figures.bounded import bounded, points_or_alike
from stablerep.figures.canvas import (
    GREY,
    canvas,
    colour_of,
    draw_interval,
    draw_margin,
    filled,
    in_lines,
    is_narrow,
    name_rows,
)
from stablerep.figures.images import pixels_of
from stablerep.figures.tables import percent

if TYPE_CHECKING:
    from matplotlib.figure import Figure

SPREAD = 0.64  # of the room of a row, over which the marks of its arms are spread


def preferred_captions(accuracy: pd.DataFrame, differences: pd.DataFrame, images_of: str) -> Figure:
    """A row for each kind of foil. First: accuracy of each arm, and a cross for what its text tower reaches with the mean image; dotted: chance. Second:
    differences from the second arm of the first pair, with zero and the margin.

    Args:
        accuracy: of :func:`stablerep.audits.composition.accuracies`, with ``kind`` and ``images_of``. differences: of
            :func:`stablerep.statistics.differences`, with the same. images_of: which images are shown.
    """
    arms, pairs = (one[one["images_of"] == images_of] for one in (accuracy, differences))
    arms = bounded(arms, "clusters", value="accuracy")
    pairs = pairs[pairs["second"] == (pairs["second"].iloc[0] if len(pairs) else "")]
    kinds, names = list(dict.fromkeys(arms["kind"])), list(dict.fromkeys(arms["arm"]))
    figure, axes = canvas(2, height=1.4 + 0.62 * max(len(kinds), 1))
    left, right = axes.flat
    for row in arms.itertuples():
        place, colour = kinds.index(row.kind) + _shift(names.index(row.arm), len(names)), colour_of(row.arm)
        draw_interval(left, place, row.accuracy, row.low, row.high, colour, fill=filled(row.arm))
        left.plot(100 * row.text_alone, place, "x", color=colour, markersize=5)
    for chance in sorted({round(100 * one, 3) for one in arms["chance"]}):
        left.axvline(chance, color=GREY, ls=":")
    draw_margin(right)
    firsts = list(dict.fromkeys(pairs["first"]))
    for row in pairs.itertuples():
        place = kinds.index(row.kind) + _shift(firsts.index(row.first), len(firsts))
        draw_interval(right, place, row.difference, row.low, row.high, colour_of(row.first), fill=filled(row.first))
    name_rows(left, kinds)
    name_rows(right, kinds if is_narrow() else [""] * len(kinds))
    left.set_xlabel("caption preferred (%)")
    right.set_xlabel(f"minus {pairs['second'].iloc[0]} (points)" if len(pairs) else "points")
    marks = [(name, "o", colour_of(name), filled(name)) for name in names] + [("text alone", "x", GREY, True)]
    handles = [
        left.plot([], [], sign, color=colour, markerfacecolor=colour if full else "white", label=name)[0]
        for name, sign, colour, full in marks
    ]
    figure.legend(handles=handles, loc="outside lower center", ncols=1 if is_narrow() else 3)
    said = [f"{row.arm}, {row.kind} {percent(row.accuracy, row.low, row.high)} %" for row in arms.itertuples()]
    said += [f"{row.first} minus {row.second}, {row.kind} {points_or_alike(row)} points" for row in pairs.itertuples()]
    figure.set_label(f"Captions preferred to foils, by kind of foil: {'; '.join(said) or 'none'}.")
    return figure


def _shift(number: int, of: int) -> float:
    """How far from the middle of a row its mark of a number stands."""
    return SPREAD * ((number + 0.5) / of - 0.5)


def foil_examples(table: pd.DataFrame, images_of: str) -> Figure:
    """An image for each kind of foil, with its caption and below it the foil.

    Args:
        table: of :func:`stablerep.audits.foils.described`, with ``images_of`` and ``png`` (bytes); kinds without an example are left out.
    """
    shown = table[(table["images_of"] == images_of) & table["png"].notna()]
    figure, axes = canvas(3, -(-len(shown) // 3), panels=len(shown), height=2.6)
    for axis, row in zip(axes.flat, shown.itertuples()):
        axis.imshow(pixels_of(row.png), interpolation="nearest")
        axis.set_title(row.kind)
        said = [in_lines(text, 34) for text in (row.caption, f"not: {row.foil}")]
        axis.set_xlabel("\n".join(said))
        axis.set_xticks([])
        axis.set_yticks([])
    each = "; ".join(f"{row.kind}: {row.caption}, not {row.foil}" for row in shown.itertuples())
    figure.set_label(f"An image of each of {len(shown)} kinds of foils. {each}.")
    return figure
