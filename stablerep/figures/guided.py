"""Accuracy against the guidance scale of the images that an encoder learned from."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from stablerep.figures.canvas import GREY, canvas, colour_of, filled
from stablerep.figures.tables import percent

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
        errors = 100 * np.array([part["accuracy"] - part["low"], part["high"] - part["accuracy"]])
        axis.errorbar(
            part["guidance_scale"], 100 * part["accuracy"], yerr=errors, marker="o", capsize=3, color=colour,
            markerfacecolor=colour if filled(name) else "white", label="synthetic images",
        )  # fmt: skip
        for one in beside[beside["arm"].map(colour_of) == colour].itertuples():
            axis.axhspan(100 * one.low, 100 * one.high, color=colour, alpha=0.12, lw=0)
            axis.axhline(100 * one.accuracy, color=colour, ls="--", label=one.arm)
        if len(floors):
            axis.axhline(100 * floors["accuracy"].max(), color=GREY, ls=":", label="best floor")
        if name in tops.index:
            top = tops.loc[name]
            axis.axvspan(top["low"], top["high"], color=GREY, alpha=0.2, lw=0, label="best w, 95 %")
            said.append(f"{name} is best at w = {top['best']:.1f} [{top['low']:.1f}, {top['high']:.1f}]")
        axis.set_xscale("log", base=2)
        axis.set_xticks(scales, [f"{w:g}" for w in scales])
        axis.minorticks_off()
        axis.set_xlabel("guidance scale w")
        axis.set_title(name.removesuffix(" synthetic"))
        axis.legend(loc="upper center", bbox_to_anchor=(0.5, -0.25))
    axes[0][0].set_ylabel(f"{probe} (%)")
    best = mine.loc[mine["accuracy"].idxmax()]
    highest = f"highest: {best['arm']} at w = {best['guidance_scale']:g}, {percent(best['accuracy'], best['low'], best['high'])} %"
    figure.set_label(f"Accuracy on {probe} against guidance scale; {highest}; {'; '.join(said)}.")
    return figure
