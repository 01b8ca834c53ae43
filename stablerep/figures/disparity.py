"""Groups of people: how far their accuracies lie apart beside what chance would do, and what real images among synthetic ones change."""

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
    colour_of,
    filled,
    is_narrow,
    name_rows,
    name_vertical,
)
from stablerep.figures.tables import points
from stablerep.statistics import MARGIN

if TYPE_CHECKING:
    from matplotlib.figure import Figure

COLOURS, MARKS = (BLUE, ORANGE, GREEN, PURPLE, BROWN, GREY), "osD^vP*X<>"  # of groups, in turn


def disparities(table: pd.DataFrame) -> Figure:
    """The distance of the best group from the worst in each arm, a panel per attribute; the bar is what shuffled groups reach in 95 % of cases.

    Args:
        table: of :func:`stablerep.audits.disparity.arm_disparities`.
    """
    attributes, arms = list(table["attribute"].unique()), list(table["arm"].unique())
    figure, axes = canvas(max(len(attributes), 1), height=1.2 + 0.28 * max(len(arms), 1))
    for axis, attribute in zip(axes.flat, attributes):
        mine = table[table["attribute"] == attribute].set_index("arm").reindex(arms)
        axis.barh(np.arange(len(arms)), 100 * mine["chance_high"], 0.6, color=GREY, alpha=0.35, label="by chance, 95 %")
        for place, (name, row) in enumerate(mine.iterrows()):
            colour = colour_of(name)
            face = colour if filled(name) or colour == GREY else "white"
            axis.plot(100 * row["range"], place, "o", color=colour, markerfacecolor=face)
        name_rows(axis, arms if axis is axes.flat[0] or is_narrow() else [""] * len(arms))
        axis.set_xlim(0, 108 * mine[["range", "chance_high"]].max(axis=None))
        axis.set_xlabel("best − worst (points)")
        groups = int(mine["groups"].max())
        axis.set_title(f"{attribute}, {groups} groups")
    if attributes:
        figure.legend(*axes.flat[0].get_legend_handles_labels(), loc="outside lower center")
    trained = table[table["arm"].map(colour_of) != GREY]
    said = "; ".join(
        f"{row.arm}, {row.attribute} {100 * row.range:.1f} (by chance up to {100 * row.chance_high:.1f})"
        for row in trained.itertuples()
    )
    figure.set_label(f"Best less worst group, in points: {said}.")
    return figure


def replaced(table: pd.DataFrame, gains: pd.DataFrame) -> Figure:
    """What images change in a group against the others, over the share of them that is synthetic, a panel per attribute. Zero is real images alone.

    Args:
        table: of :func:`stablerep.audits.groups.group_contrasts`, with ``synthetic``. gains: of
            :func:`stablerep.audits.disparity.pair_disparities`, with ``synthetic``.
    """
    attributes = list(table["attribute"].unique())
    figure, axes = canvas(max(len(attributes), 1), height=3.4, sharey=True)
    for axis, attribute in zip(axes.flat, attributes):
        mine = table[table["attribute"] == attribute]
        names = list(mine["label"].unique())
        step = 0.5 * mine["synthetic"].drop_duplicates().sort_values().diff().min()
        width = 30.0 * (step if step == step else 0.5)
        draw_margin_across(axis)
        for k, name in enumerate(names):
            part = mine[mine["label"] == name].sort_values("synthetic")
            x = 100 * part["synthetic"] + (k - (len(names) - 1) / 2) * width / max(len(names), 1)
            errors = 100 * np.array([part["difference"] - part["low"], part["high"] - part["difference"]])
            axis.errorbar(
                x, 100 * part["difference"], yerr=errors.clip(0), fmt=MARKS[k % len(MARKS)] + ":", capsize=2, markersize=5,
                color=COLOURS[k % len(COLOURS)], label=name,
            )  # fmt: skip
        axis.set_xticks(sorted({0.0, *(100 * mine["synthetic"])}))
        axis.set_xlabel("synthetic images (%)")
        axis.set_title(attribute)
        axis.legend(loc="upper center", bbox_to_anchor=(0.5, -0.2), ncols=3)
    name_vertical(axes, "group against others (points)")
    whole = table[table["synthetic"] == table["synthetic"].max()]
    said = "; ".join(f"{row.label} {points(row.difference, row.low, row.high)}" for row in whole.itertuples())
    apart = "; ".join(
        f"{row.attribute} {100 * max(row.variance, 0.0) ** 0.5:.1f} at {100 * row.synthetic:.0f} %"
        for row in gains.dropna(subset=["synthetic"]).sort_values(["attribute", "synthetic"]).itertuples()
    )
    figure.set_label(
        f"What images change in a group against the others, in points, over the share of them that is synthetic. At the largest share: {said}. "
        f"Standard deviation between groups without its bias: {apart}."
    )
    return figure


def draw_margin_across(axis) -> None:
    """As :func:`stablerep.figures.canvas.draw_margin`, across the page."""
    axis.axhspan(-100 * MARGIN, 100 * MARGIN, color=GREY, alpha=0.2, lw=0)
    axis.axhline(0, color=GREY, lw=1)
