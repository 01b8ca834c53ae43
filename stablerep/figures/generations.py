"""Generators that learned from their own images: what each generation teaches, how varied its images are, and what they look like."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from stablerep.figures.canvas import BLUE, BROWN, GREEN, GREY, ORANGE, PURPLE, canvas, is_narrow
from stablerep.figures.images import image_grid, pixels_of
from stablerep.figures.tables import percent

if TYPE_CHECKING:
    from matplotlib.figure import Figure

WAY_COLOURS = {"replaced": ORANGE, "mixed": PURPLE, "accumulated": GREEN, "filtered": BROWN, "only real": BLUE}
SIGNS = dict(zip(WAY_COLOURS, "osD^v"))


def generations(
    table: pd.DataFrame, shares: pd.DataFrame, sets: pd.DataFrame, arms: pd.DataFrame, probe: str
) -> Figure:
    """Over the generations, a line for each way: accuracy of StableRep on their images with the best floor; how often an image shows what its caption
    names, beside real images; and coverage of real images, beside that by another set of real ones.

    Args:
        table: of :func:`stablerep.statistics.summarize`, with ``way`` and ``generation``; each way begins at 0.
        shares: ``way``, ``generation``, ``source``, ``measure``, ``group``, ``mean``, ``low`` and ``high``. sets: ``way``, ``generation``, ``source``, ``metric``, ``value``, ``low`` and ``high``; generation 0 has no way, real images have neither.
        arms: as the table, of arms and floors.
    """
    mine, covered = table[table["probe"] == probe], sets[sets["metric"] == "coverage"]
    faithful = shares[(shares["measure"] == "top1") & (shares["group"] == "all")]
    faithful = faithful.assign(**{name: 100 * faithful[name] for name in ("low", "high")}, value=100 * faithful["mean"])
    floors = arms[(arms["probe"] == probe) & (arms["views"] == 0)]
    figure, axes = canvas(3, height=3.4)
    ways = [way for way in WAY_COLOURS if way in set(mine["way"])]
    said, shown, reached = [], [], []
    of_images = [
        (axes.flat[1], faithful, "nothing to look up", shown, 1), (axes.flat[2], covered, "too few images", reached, 2),
    ]  # fmt: skip
    for way in ways:
        part = mine[mine["way"] == way].sort_values("generation")
        _line(axes.flat[0], way, ways, part["generation"], *(100 * part[one] for one in ("accuracy", "low", "high")))
        last = part.iloc[-1]
        said.append(
            f"{way} {percent(last['accuracy'], last['low'], last['high'])} % at generation {last['generation']:g}"
        )
        for axis, values, _, last_ones, digits in of_images:
            made = values[(values["way"] == way) | (values["generation"] == 0)].sort_values("generation")
            _line(axis, way, ways, made["generation"], made["value"], made["low"], made["high"])
            if len(made):
                last_ones.append(f"{way} {made['value'].iloc[-1]:.{digits}f}")
    if len(floors):
        axes.flat[0].axhline(100 * floors["accuracy"].max(), color=GREY, ls=":", label="best floor")
    for axis, values, lacking, _, _ in of_images:
        for row in values[values["generation"].isna()].itertuples():
            axis.axhline(row.value, color=GREY, ls="--", label="real images")
        if values.empty:
            axis.text(0.5, 0.5, lacking, ha="center", va="center", transform=axis.transAxes)
    for axis, title in zip(axes.flat, (f"{probe} (%)", "concept first (%)", "coverage of real images")):
        axis.set_xticks(sorted(mine["generation"].unique()))
        axis.set_xlabel("generation")
        axis.set_title(title)
    named = {}  # what both panels have stands in the legend once
    for axis in axes.flat:
        for handle, label in zip(*axis.get_legend_handles_labels()):
            named.setdefault(label, handle)
    figure.legend(list(named.values()), list(named), loc="outside lower center", ncols=2 if is_narrow() else 4)
    start = mine[mine["generation"] == 0].iloc[0]
    faith = f"; concept of the caption first, at the last generation: {', '.join(shown)} %" if shown else ""
    coverage = f"; coverage: {', '.join(reached)}" if reached else ""
    figure.set_label(
        f"Accuracy on {probe}, faithfulness and coverage over generations; generation 0 "
        f"{percent(start['accuracy'], start['low'], start['high'])} %; {'; '.join(said)}{faith}{coverage}."
    )
    return figure


def _line(axis, way: str, ways: list[str], generation, value, low, high) -> None:
    """One way's values with their intervals, a little beside those of other ways."""
    errors = np.array([value - low, high - value]).clip(min=0)
    shift = 0.05 * (ways.index(way) - (len(ways) - 1) / 2)
    axis.errorbar(generation + shift, value, yerr=errors, marker=SIGNS[way], capsize=3, color=WAY_COLOURS[way], label=way)  # fmt: skip


def generation_grid(table: pd.DataFrame, *, each: int = 2) -> Figure:
    """A row for each caption: ``each`` images by generation 0, and by the last generation of each way, from the same noise.

    Args:
        table: ``caption``, ``way``, ``generation``, ``index`` and ``png`` (bytes).
    """
    captions = list(dict.fromkeys(table["caption"]))
    last = table["generation"].max()
    shown = table[table["generation"].isin([0, last])]
    columns = [(way, place) for way in dict.fromkeys(shown["way"]) for place in range(each)]
    found = {(row.caption, row.way, row.index): row.png for row in shown.itertuples(index=False)}
    images = [[pixels_of(found[caption, *column]) for column in columns] for caption in captions]
    titles = ["" if place else way or "generation 0" for way, place in columns]
    figure = image_grid(np.asarray(images), captions, titles)
    ways = ", ".join(way for way in dict.fromkeys(shown["way"]) if way)
    figure.set_label(
        f"Images of {len(captions)} captions by generation 0 and by generation {last:g} of {ways}: {'; '.join(captions)}."
    )
    return figure
