"""A generator before and after an edit: what is read of its images, what a judge recognizes, how even a planted skew became, and the images."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from stablerep.figures.bounded import bounded
from stablerep.figures.canvas import (
    BLUE,
    GREEN,
    GREY,
    ORANGE,
    PURPLE,
    canvas,
    draw_interval,
    is_narrow,
    name_rows,
    wrapped,
)
from stablerep.figures.images import image_grid, pixels_of
from stablerep.figures.tables import percent, points

if TYPE_CHECKING:
    from matplotlib.figure import Figure

COLOURS = (GREY, ORANGE, BLUE, GREEN, PURPLE)
APART = 0.16  # of a row, from one mark of it to the next


def edit_shares(shares: pd.DataFrame, generators: Sequence[str]) -> Figure:
    """Shares of images by some generators, a row for each measure: hollow the first generator, the one before the edit.

    Args:
        shares: ``generator``, ``measure``, ``share``, ``low``, ``high`` and ``clusters``; measures keep their order.
    """
    mine = bounded(shares[shares["generator"].isin(generators)], "clusters", value="share")
    mine = mine.assign(measure=mine["measure"].str.replace("...", "…", regex=False))  # as the text of a page has it
    measures = list(dict.fromkeys(mine["measure"]))
    figure, axes = canvas(height=1.3 + (0.5 if is_narrow() else 0.36) * len(measures))
    axis = axes[0][0]
    for turn, (name, colour) in enumerate(zip(generators, COLOURS)):
        for row in mine[mine["generator"] == name].itertuples():
            place = measures.index(row.measure) + APART * (turn - (len(generators) - 1) / 2)
            draw_interval(axis, place, row.share, row.low, row.high, colour, fill=turn > 0)
        face = colour if turn else "white"
        axis.plot([], [], "o", color=colour, markerfacecolor=face, label=name)
    name_rows(axis, [wrapped(name) for name in measures])
    axis.set_xlim(-2, 102)
    axis.set_xlabel("share of images (%)")
    figure.legend(loc="outside lower center", ncols=1 if is_narrow() else 3)
    said = []
    for measure in measures:
        values = mine[mine["measure"] == measure].set_index("generator")
        each = [
            f"{percent(*values.loc[name, ['share', 'low', 'high']])} % {name}"
            for name in generators
            if name in values.index
        ]
        said.append(f"{measure} {', '.join(each)}")
    figure.set_label(f"Shares of images by {len(generators)} generators: {'; '.join(said)}.")
    return figure


def edit_gaps(gaps: pd.DataFrame) -> Figure:
    """How much more often men are read than women, in points, a row for each generator and a mark for each group of captions.

    Args:
        gaps: of :func:`stablerep.audits.edit_effects.gaps_of`; what is NaN has no mark.
    """
    places, groups = (list(dict.fromkeys(gaps[column])) for column in ("place", "group"))
    figure, axes = canvas(height=1.3 + (0.55 if is_narrow() else 0.42) * len(places))
    axis = axes[0][0]
    axis.axvline(0, color=GREY, lw=1)
    for turn, (group, colour) in enumerate(zip(groups, COLOURS[1:])):
        for row in gaps[(gaps["group"] == group) & gaps["gap"].notna()].itertuples():
            place = places.index(row.place) + APART * (turn - (len(groups) - 1) / 2)
            low, high = (row.gap if np.isnan(end) else end for end in (row.low, row.high))
            draw_interval(axis, place, row.gap, low, high, colour)
        axis.plot([], [], "o", color=colour, label=group)
    name_rows(axis, [wrapped(name) for name in places])
    axis.set_xlim(-105, 105)
    axis.set_xlabel("men minus women (points)")
    figure.legend(loc="outside lower center", ncols=1 if is_narrow() else 3)
    said = [
        f"{row.place}, {row.group} {points(row.gap, row.low, row.high)}"
        for row in gaps[gaps["gap"].notna()].itertuples()
    ]
    figure.set_label(
        f"Share read as men minus share read as women, in points, among images of {len(groups)} groups of captions: {'; '.join(said)}."
    )
    return figure


def edit_grid(table: pd.DataFrame, *, each: int = 2) -> Figure:
    """A row for each caption: the first ``each`` images by every generator, from the same noise.

    Args:
        table: ``caption``, ``place``, ``index`` and ``png`` (bytes).
    """
    shown = table[table["index"] < each]
    captions, places = (list(dict.fromkeys(shown[column])) for column in ("caption", "place"))
    count = shown.groupby(["caption", "place"]).size().min()
    found = {(row.caption, row.place, row.index): row.png for row in shown.itertuples(index=False)}
    columns = [(place, index) for place in places for index in range(count)]
    images = [[pixels_of(found[caption, *column]) for column in columns] for caption in captions]
    figure = image_grid(np.asarray(images), captions, places, groups=[count] * len(places))
    figure.set_label(
        f"{count} images of each of {len(captions)} captions by each of {len(places)} generators, {', '.join(places)}: {'; '.join(captions)}."
    )
    return figure
