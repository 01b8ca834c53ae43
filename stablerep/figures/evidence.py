"""What a comparison rests on: every arm above its floors, and the differences that decide the claims."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

import pandas as pd

from stablerep.figures.canvas import (
    GREY,
    canvas,
    colour_of,
    draw_interval,
    draw_margin,
    filled,
    is_narrow,
    name_rows,
    seeds_of,
    wrapped,
)
from stablerep.figures.tables import percent, points

if TYPE_CHECKING:
    from matplotlib.figure import Figure


SIGNS = "sD^vP*XhdH8p<>"  # of sets; as many as there may be in a figure that can still be read
ROOM = 48  # characters that both names of a difference may have on one line


def evidence(
    differences: pd.DataFrame, arms: pd.DataFrame, seeds: pd.DataFrame, words: Mapping[str, str], probe: str
) -> Figure:
    """Accuracy of each arm with the best floor as a line; below, each difference with zero and the margin.

    The colour is that of the method. Marks of arms on synthetic images are filled, all others hollow.

    Args:
        differences: of :func:`stablerep.statistics.differences`. arms: of :func:`stablerep.statistics.summarize`.
        seeds: of :func:`stablerep.statistics.seed_means`. words: the verdict on each claim of ``differences``; pairs of other claims stand without one.
    """
    arms = arms[arms["probe"] == probe].sort_values("accuracy", ascending=False, kind="stable")
    pairs = differences[differences["probe"] == probe]
    words_of_a_panel = 1.2 if is_narrow() else 0.7  # height of its title and label, which have more lines on a phone
    heights = [
        words_of_a_panel + 0.21 * len(arms),
        words_of_a_panel + (0.6 if is_narrow() else 0.5 if in_three_lines(pairs) else 0.33) * len(pairs),
    ]
    figure, axes = canvas(1, 2, height=sum(heights) / 2)
    axes[0][0].get_subplotspec().get_gridspec().set_height_ratios(heights)
    draw_arms(axes[0][0], arms, probe)
    draw_differences(axes[1][0], pairs, seeds[seeds["probe"] == probe], words)
    said = [
        f"{row.first} minus {row.second} {points(row.difference, row.low, row.high)} points"
        for row in pairs.itertuples()
    ]
    figure.set_label(
        f"Accuracy of arms on {probe}, and differences between them: {'; '.join([*_best_of(arms), *said])}."
    )
    return figure


def _best_of(arms: pd.DataFrame) -> list[str]:
    """Which arm that was trained is best, and which floor, of arms in the order of their accuracy."""
    kinds = {"the best arm": arms[arms["views"] > 0], "the best floor": arms[arms["views"] == 0]}
    found = {kind: some.iloc[0] for kind, some in kinds.items() if len(some)}
    return [
        f"{kind} is {one['arm']}, {percent(one['accuracy'], one['low'], one['high'])} %" for kind, one in found.items()
    ]


def of_first_method(differences: pd.DataFrame, arms: pd.DataFrame) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Of differences and arms those of the method that comes first, and the floors: what a figure has room for, where a table has the rest."""
    colour = colour_of(arms["arm"].iloc[0])
    shown = arms["arm"].map(colour_of).eq(colour) | arms["views"].eq(0)
    return differences[differences["first"].map(colour_of) == colour], arms[shown]


def in_three_lines(pairs: pd.DataFrame) -> bool:
    """Whether the names of a difference's arms stand below each other, for want of room beside the differences."""
    return is_narrow() or (pairs["first"].str.len() + pairs["second"].str.len()).max() > ROOM


def draw_arms(axis, arms: pd.DataFrame, title: str) -> None:
    """Accuracy of each arm with its interval, a row each, and the best floor as a dotted line."""
    floors = arms[arms["views"] == 0]
    for place, row in enumerate(arms.itertuples()):
        draw_interval(axis, place, row.accuracy, row.low, row.high, colour_of(row.arm), fill=filled(row.arm))
    label = "accuracy (%)"
    if len(floors):
        best = floors.loc[floors["accuracy"].idxmax()]
        axis.axvline(100 * best["accuracy"], color=GREY, ls=":")
        label += ("\n" if is_narrow() else "; ") + f"dotted: the best floor, {best['arm'].lower()}"
    name_rows(axis, arms["arm"])
    axis.set_xlabel(wrapped(label), loc=_side(), multialignment="left")
    axis.set_title(f"{title}, {seeds_of(arms)}", loc=_side())


def draw_differences(axis, pairs: pd.DataFrame, seeds: pd.DataFrame, words: Mapping[str, str]) -> None:
    """A forest plot: each difference in points with its interval, each seed's below it as a dot, zero, and the margin."""
    each = seeds.pivot(index="seed", columns="arm", values="accuracy")
    draw_margin(axis)
    names = []
    for place, row in enumerate(pairs.itertuples()):
        draw_interval(axis, place, row.difference, row.low, row.high, colour_of(row.first), fill=filled(row.first))
        apart = 100 * (each[row.first] - each[row.second])
        axis.plot(apart, [place + 0.3] * len(apart), ".", markersize=4, color=GREY)
        word = f"{row.claim}, {words[row.claim]}" if row.claim in words else row.claim
        between = "\n− " if in_three_lines(pairs) else " − "
        names.append(f"{word}:\n{row.first}{between}{row.second}")
    name_rows(axis, names)
    legend = "difference (points)", "dots: single seeds", "grey: the margin of a point"
    axis.set_xlabel(("\n" if is_narrow() else "; ").join(legend), loc=_side(), multialignment="left")
    title = wrapped("first minus second, on the same test images and seeds")
    axis.set_title(title, loc=_side(), multialignment="left")


def _side() -> str:
    """Where titles of an axis stand: on a phone its right end is the figure's, and long names of arms leave it less room than a title needs."""
    return "right" if is_narrow() else "center"


def gaps(table: pd.DataFrame, probe: str) -> Figure:
    """A panel for each method: by how many points it is better on real images than on synthetic ones, and the parts that add up to that.

    Args:
        table: of :func:`stablerep.statistics.differences`, with ``method``; ``claim`` says what a row is, the whole first.
    """
    mine = table[table["probe"] == probe]
    methods = dict(list(mine.groupby("method", sort=False)))
    figure, axes = canvas(len(methods), height=1.1 + 0.35 * mine["claim"].nunique(), sharex=True, sharey=True)
    said = []
    for axis, (method, part) in zip(axes.flat, methods.items()):
        draw_margin(axis)
        for place, row in enumerate(part.itertuples()):
            draw_interval(axis, place, row.difference, row.low, row.high, colour_of(row.first), fill=filled(row.first))
        name_rows(axis, [wrapped(name) for name in part["claim"]])
        axis.set_xlabel("difference (points)")
        axis.set_title(f"{method}, {seeds_of(part)}")
        said += [f"{method}, {row.claim} {points(row.difference, row.low, row.high)}" for row in part.itertuples()]
    figure.set_label(f"Real against synthetic images on {probe}, in points: {'; '.join(said)}.")
    return figure


def leads(table: pd.DataFrame) -> Figure:
    """A panel for each measure: by how many points one arm lies above others, a sign for each set, and filled with its interval over all sets.

    Args:
        table: ``measure``, ``first``, ``second``, ``set`` (the last of each pair stands for all), ``difference``, ``low`` and ``high``.
    """
    measures, others = list(dict.fromkeys(table["measure"])), list(dict.fromkeys(table["second"]))
    sets = list(dict.fromkeys(table["set"]))
    figure, axes = canvas(len(measures), height=0.9 + (0.62 if is_narrow() else 0.5) * len(others), sharey=True)
    for axis, measure in zip(axes.flat, measures):
        axis.axvline(0, color=GREY, lw=1)
        for name, sign in zip(sets, SIGNS):
            mine = table[(table["measure"] == measure) & (table["set"] == name)]
            places = [others.index(other) for other in mine["second"]]
            if name != sets[-1]:
                axis.plot(100 * mine["difference"], places, sign, color=GREY, markerfacecolor="none", ls="", label=name)
                continue
            for place, row in zip(places, mine.itertuples()):
                draw_interval(
                    axis, place, row.difference, row.low, row.high, colour_of(row.first), fill=filled(row.first)
                )
            colour = colour_of(mine["first"].iloc[0])
            axis.plot(
                [],
                [],
                "o",
                color=colour,
                markerfacecolor=colour if filled(mine["first"].iloc[0]) else "white",
                ls="",
                label=name,
            )
        name_rows(axis, others)
        axis.set_xlabel("points")
        axis.set_title(f"{measure}:\n{table['first'].iloc[0]} minus")  # in two lines, for want of room beside others
    figure.legend(*axes[0][0].get_legend_handles_labels(), loc="outside lower center", ncols=3 if is_narrow() else 6)
    said = [
        f"{row.measure}, minus {row.second} {points(row.difference, row.low, row.high)} points"
        for row in table[table["set"] == sets[-1]].itertuples()
    ]
    figure.set_label(f"{table['first'].iloc[0]} over all sets: {'; '.join(said)}.")
    return figure
