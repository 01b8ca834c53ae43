"""Accuracy against numbers that were varied: guidance scales, images of a caption, lengths of training, real images among synthetic ones."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from stablerep.figures.canvas import GREY, canvas, colour_of, filled, is_narrow, name_vertical, wrapped
from stablerep.figures.tables import percent, points

if TYPE_CHECKING:
    from matplotlib.figure import Figure


def guidance(table: pd.DataFrame, real: pd.DataFrame, peaks: pd.DataFrame, probe: str) -> Figure:
    """A panel for each method: accuracy over w, the same method on real images as a level line with its interval, the best floor, and where the
    parabola through the points is highest.

    Args:
        table: of :func:`stablerep.statistics.summarize`, with ``guidance_scale``. real: the same of arms on real images and of floors.
        peaks: ``arm``, ``best``, ``low`` and ``high``.
    """
    mine, beside = table[table["probe"] == probe], real[real["probe"] == probe]
    floors = beside[beside["views"] == 0]
    scales = sorted(mine["guidance_scale"].unique())
    arms, tops = list(dict.fromkeys(mine["arm"])), peaks.set_index("arm")
    figure, axes = canvas(len(arms), height=3.2, sharey=True)
    said = []
    for axis, name in zip(axes.flat, arms):
        part, colour = mine[mine["arm"] == name].sort_values("guidance_scale"), colour_of(name)
        draw_scales(axis, name, part)
        for one in beside[beside["arm"].map(colour_of) == colour].itertuples():
            axis.axhspan(100 * one.low, 100 * one.high, color=colour, alpha=0.12, lw=0)
            axis.axhline(100 * one.accuracy, color=colour, ls="--")
        if len(floors):
            axis.axhline(100 * floors["accuracy"].max(), color=GREY, ls=":")
        if name in tops.index:
            top = tops.loc[name]
            axis.axvspan(top["low"], top["high"], color=GREY, alpha=0.2, lw=0)
            said.append(f"{name} is best at w = {top['best']:.1f} [{top['low']:.1f}, {top['high']:.1f}]")
        over_doublings(axis, scales)
        axis.set_xlabel("guidance scale w")
        axis.set_title(name.replace(" synthetic", ""))
    name_vertical(axes, f"{probe} (%)")
    best = mine.loc[mine["accuracy"].idxmax()]
    highest = f"highest: {best['arm']} at w = {best['guidance_scale']:g}, {percent(best['accuracy'], best['low'], best['high'])} %"
    figure.set_label(f"Accuracy on {probe} against guidance scale; {highest}; {'; '.join(said)}.")
    return figure


def scaled(table: pd.DataFrame, real: pd.DataFrame, probe: str, chance: pd.DataFrame | None = None) -> Figure:
    """A panel for each method: accuracy over w, the same method on real images as level lines, and the best floor, or chance where it is given.

    Args:
        table: of :func:`stablerep.statistics.summarize`, with ``guidance_scale``. real: the same of arms on real images and of floors.
        chance: ``probe`` and ``chance``; a probe that is not there has the best floor.
    """
    mine, beside = table[table["probe"] == probe], real[real["probe"] == probe]
    floors = beside[beside["views"] == 0]["accuracy"]
    chances = {} if chance is None else chance.set_index("probe")["chance"]
    lowest = chances.get(probe, floors.max())
    arms, said = list(dict.fromkeys(mine["arm"])), []
    figure, axes = canvas(len(arms), height=3.2, sharey=True)
    for axis, name in zip(axes.flat, arms):
        part, colour = mine[mine["arm"] == name].sort_values("guidance_scale"), colour_of(name)
        draw_scales(axis, name, part)
        for one in beside[beside["arm"].map(colour_of) == colour].itertuples():
            axis.axhline(100 * one.accuracy, color=colour, ls="--")
            said.append(f"{one.arm} {percent(one.accuracy, one.low, one.high)} %")
        axis.axhline(100 * lowest, color=GREY, ls=":")
        over_doublings(axis, sorted(mine["guidance_scale"].unique()))
        axis.set_xlabel("guidance scale w")
        axis.set_title(name.removesuffix(" synthetic"))
        top = part.loc[part["accuracy"].idxmax()]
        said.append(
            f"{name} at best {percent(top['accuracy'], top['low'], top['high'])} %, at w = {top['guidance_scale']:g}"
        )
    name_vertical(axes, wrapped(f"{probe} (%)"))
    figure.set_label(f"Accuracy on {probe} against guidance scale; {'; '.join(said)}.")
    return figure


def draw_scales(axis, name: str, part: pd.DataFrame, x: str = "guidance_scale", label: str | None = None) -> None:
    """An arm's accuracy with its interval at each guidance scale, or at each value of another column."""
    errors, colour = 100 * np.array([part["accuracy"] - part["low"], part["high"] - part["accuracy"]]), colour_of(name)
    axis.errorbar(
        part[x], 100 * part["accuracy"], yerr=errors, marker="o", capsize=3, color=colour, label=label,
        markerfacecolor=colour if filled(name) else "white",
    )  # fmt: skip


def counted(table: pd.DataFrame, floors: pd.DataFrame, slopes: pd.DataFrame, probe: str) -> Figure:
    """A panel for each number that was varied: accuracy over it, and the best floor.

    Args:
        table: of :func:`stablerep.statistics.summarize`, with ``panel`` and ``number``. floors: the same of floors.
        slopes: ``panel``, ``difference``, ``low`` and ``high``: by how much accuracy rises with each doubling.
    """
    mine, beside = table[table["probe"] == probe], floors[floors["probe"] == probe]
    panels = list(dict.fromkeys(mine["panel"]))
    figure, axes = canvas(len(panels), height=3.2, sharey=True)
    for axis, name in zip(axes.flat, panels):
        part = mine[mine["panel"] == name].sort_values("number")
        first, last = part.iloc[0], part.iloc[-1]
        colour = colour_of(last["arm"])
        axis.plot(part["number"], 100 * part["accuracy"], color=colour)
        for one in part.itertuples():
            errors = 100 * np.array([[one.accuracy - one.low], [one.high - one.accuracy]])
            axis.errorbar(
                one.number, 100 * one.accuracy, yerr=errors, marker="o", capsize=3, color=colour_of(one.arm), ls=""
            )
        axis.axhline(100 * beside["accuracy"].max(), color=GREY, ls=":", label="best floor")
        over_doublings(axis, part["number"])
        to = "" if first["captions"] == last["captions"] else f" to {last['captions']:,}"
        axis.set_xlabel(wrapped(f"{name.partition(',')[0]} ({first['captions']:,}{to} captions)"))
        axis.set_title(wrapped(name.partition(", ")[2]))
    name_vertical(axes, f"{probe} (%)")
    figure.legend(*axes[0][0].get_legend_handles_labels(), loc="outside lower center")  # no place inside is always free
    said = [
        f"a doubling of {row.panel}: {points(row.difference, row.low, row.high)} points" for row in slopes.itertuples()
    ]
    figure.set_label(f"Accuracy on {probe}; {'; '.join(said)}.")
    return figure


def grown(table: pd.DataFrame, differences: pd.DataFrame, probe: str) -> Figure:
    """A panel for the length of training and one for the encoder, in the order of their weights: accuracy of each arm, and the best floor.

    Args:
        table: of :func:`stablerep.statistics.summarize`, with ``panel``, ``steps`` (0 for floors), ``encoder`` and ``weights``.
        differences: of :func:`stablerep.statistics.differences`, with ``panel``, ``steps`` and ``weights``.
    """
    mine = table[table["probe"] == probe]
    panels = dict(list(mine.groupby("panel", sort=False)))
    figure, axes = canvas(len(panels), height=3.6, sharey=True)
    for axis, (panel, part) in zip(axes.flat, panels.items()):
        x = "steps" if part["encoder"].nunique() == 1 else "weights"
        trained, floors = part[part["steps"] > 0].sort_values(x, kind="stable"), part[part["steps"] == 0]
        for name, rows in trained.groupby("arm", sort=False):
            draw_scales(axis, name, rows, x, label=name)
        if x == "steps":
            axis.axhline(100 * floors["accuracy"].max(), color=GREY, ls=":", label="best floor")
            over_doublings(axis, sorted(trained[x].unique()))
            axis.set_xlabel(wrapped(f"steps of {part['encoder'].iloc[0]}"))
        else:
            best = floors.groupby(x)["accuracy"].max()
            axis.plot(best.index, 100 * best, color=GREY, ls=":", label="best floor")
            axis.set_xscale("log")
            named = trained.drop_duplicates(x)
            axis.set_xticks(named[x], [f"{one.encoder}\n{one.weights / 1e6:.1f} M" for one in named.itertuples()])
            axis.minorticks_off()
            axis.set_xlabel(wrapped(f"encoder and its weights, after {trained['steps'].iloc[0]:,} steps"))
        axis.set_title(panel)
    name_vertical(axes, f"{probe} (%)")
    # no place inside is always free
    figure.legend(*axes[0][0].get_legend_handles_labels(), loc="outside lower center", ncols=2 if is_narrow() else 4)
    pairs = differences[differences["probe"] == probe]
    ends = pairs.groupby("panel")[["steps", "weights"]].transform("max")
    last = pairs[(pairs["steps"] == ends["steps"]) & (pairs["weights"] == ends["weights"])]
    said = [
        f"{one.first} minus {one.second}: {points(one.difference, one.low, one.high)} points"
        for one in last.itertuples()
    ]
    figure.set_label(f"Accuracy on {probe} against length of training and encoder; {'; '.join(said)}.")
    return figure


def mixtures(shares: pd.DataFrame, arms: pd.DataFrame, probe: str) -> Figure:
    """Accuracy of each method over how many of a caption's images are to be real, and the best floor.

    Args:
        shares: of :func:`stablerep.statistics.summarize`, with ``real`` and ``total``. arms: the same of arms and floors.
    """
    mine = shares[shares["probe"] == probe]
    floors = arms[(arms["probe"] == probe) & (arms["views"] == 0)]
    figure, axes = canvas(1, height=3.2)
    axis, said = axes[0][0], []
    for method, part in mine.groupby("method", sort=False):
        part = part.sort_values("real")
        draw_scales(axis, f"{method} synthetic", part, "real", label=method)
        ends = [
            f"{percent(one.accuracy, one.low, one.high)} % with {one.real}" for one in part.iloc[[0, -1]].itertuples()
        ]
        said.append(f"{method} {' and '.join(ends)}")
    if len(floors):
        axis.axhline(100 * floors["accuracy"].max(), color=GREY, ls=":", label="best floor")
    axis.set_xticks(sorted(mine["real"].unique()))
    axis.set_xlabel(wrapped(f"real images asked for, of the {mine['total'].iloc[0]} of a caption"))
    axis.set_ylabel(f"{probe} (%)")
    axis.legend()
    figure.set_label(f"Accuracy on {probe} over how many of a caption's images are to be real; {'; '.join(said)}.")
    return figure


def over_doublings(axis, values) -> None:
    """A logarithmic axis that names the values that were tried."""
    axis.set_xscale("log", base=2)
    axis.set_xticks(values, [f"{value:,.0f}" if value >= 1000 else f"{value:g}" for value in values])
    axis.minorticks_off()
