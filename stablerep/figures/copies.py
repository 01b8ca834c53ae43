"""Copies: how many images each detector calls one, how well it finds known copies, and what it takes for copies."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from stablerep.figures.bounded import bounded
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
)
from stablerep.figures.copies_words import pictured
from stablerep.figures.images import image_grid, pixels_of
from stablerep.figures.people_and_things import apart
from stablerep.figures.tables import percent

if TYPE_CHECKING:
    from matplotlib.figure import Figure

SIGNS, COLOURS = "osD^v", (BLUE, ORANGE, PURPLE, GREEN, BROWN)  # of lines, in the order of what they show
KINDS = {"generated": GREEN, "planted": ORANGE}  # colours by the first word of a set's name; real drawings are grey


def copies(table: pd.DataFrame) -> Figure:
    """The share of each set of images that is called copies, a panel for each detector; sets of synthetic images are filled.

    Args:
        table: of :func:`stablerep.audits.called.shares`.
    """
    table = bounded(table, "concepts", value="share")
    sets, detectors = list(dict.fromkeys(table["set"])), list(dict.fromkeys(table["detector"]))
    columns = min(2, len(detectors))
    figure, axes = canvas(
        columns,
        -(-len(detectors) // columns),
        panels=len(detectors),
        height=0.9 + 0.22 * len(sets),
        sharey=True,
        sharex=True,
    )
    said = []
    for axis, detector in zip(axes.flat, detectors):
        part = table[table["detector"] == detector].set_index("set")
        for place, name in enumerate(sets):
            row, kind = part.loc[name], name.partition(",")[0]
            draw_interval(
                axis, place, row["share"], row["low"], row["high"], KINDS.get(kind, GREY), fill=kind == "generated"
            )
        name_rows(axis, sets)
        axis.set_xlim(-3, 103)
        axis.set_xlabel("called copies (%)")
        axis.set_title(detector)
        shown = [
            f"{name} {percent(row['share'], row['low'], row['high'])} %"
            for name, row in part.iterrows()
            if not name.startswith("planted")
        ]
        said.append(f"{detector}: {', '.join(shown)}")
    figure.set_label(f"Share of images called copies of training drawings. {'; '.join(said)}.")
    return figure


def copy_curves(table: pd.DataFrame, rate: float) -> Figure:
    """ROC curves: how many planted copies each detector finds, against how many real drawings it calls copies; a panel for each kind of these.

    Args:
        table: of :func:`stablerep.audits.areas.curves`. rate: of false calls, marked by a line.
    """
    backgrounds, detectors = list(dict.fromkeys(table["background"])), list(dict.fromkeys(table["detector"]))
    figure, axes = canvas(len(backgrounds), height=3.2, sharey=True)
    said = []
    for axis, background in zip(axes.flat, backgrounds):
        for detector, colour in zip(detectors, COLOURS):
            part = table[(table["background"] == background) & (table["detector"] == detector) & (table["false"] > 0)]
            axis.plot(100 * part["false"], 100 * part["true"], color=colour, label=detector)
            at = part.loc[(part["false"] - rate).abs().idxmin()]
            said.append(f"{detector} {100 * at['true']:.0f} % among {background}")
        axis.axvline(100 * rate, color=GREY, ls=":")
        axis.set_xscale("log")
        axis.set_title(f"among {background}")
        axis.set_xlabel("real drawings called copies (%)")
    name_vertical(axes, "planted copies found (%)")
    figure.legend(*axes.flat[0].get_legend_handles_labels(), loc="outside lower center", ncols=1 if is_narrow() else 4)
    figure.set_label(
        f"Planted copies found where {100 * rate:g} % of real drawings are called copies: {'; '.join(said)}."
    )
    return figure


def copy_pictures(table: pd.DataFrame) -> Figure:
    """A row for each caption: the synthetic image, and the training drawings that are nearest to it, but for people beside things
    (:func:`stablerep.figures.people_and_things.apart`).

    Args:
        table: of :func:`stablerep.audits.called.picture_rows`.
    """
    captions, kinds = list(dict.fromkeys(table["caption"])), list(dict.fromkeys(table["kind"]))
    found = {(row.caption, row.kind): row for row in apart(pictured(table)).itertuples()}
    pixels = {place: pixels_of(row.png, "RGBA") for place, row in found.items()}
    blank = np.zeros_like(next(iter(pixels.values())))  # of no opacity: a page may be dark
    images = [[pixels.get((caption, kind), blank) for kind in kinds] for caption in captions]
    figure = image_grid(np.asarray(images), captions, [kind.replace(", ", ",\n") for kind in kinds])
    near = {caption: found.get((caption, kinds[1])) for caption in captions}
    shown = "; ".join(
        f"{one}: {table.at[row.Index, 'shows'] if row else 'none that is shown'}" for one, row in near.items()
    )
    figure.set_label(
        f"{len(captions)} synthetic images that look most like training drawings, beside the nearest ones. Nearest by the embedding, for {shown}."
    )
    return figure


def planted_duplicates(table: pd.DataFrame) -> Figure:
    """How well duplicates in a training set are found in what the generator draws, and how many images are called copies, by how often a drawing was
    planted; a line for each detector.

    Args:
        table: ``times``, ``detector``, ``area``, ``low``, ``high`` and ``called``.
    """
    detectors, times = list(dict.fromkeys(table["detector"])), sorted(table["times"].unique())
    figure, axes = canvas(2, height=3.0)
    said = []
    for detector, colour, sign in zip(detectors, COLOURS, SIGNS):
        part = table[table["detector"] == detector].sort_values("times")
        shift = 0.06 * (detectors.index(detector) - (len(detectors) - 1) / 2)
        places = np.arange(len(part)) + shift
        errors = np.array([part["area"] - part["low"], part["high"] - part["area"]]).clip(min=0)
        axes.flat[0].errorbar(places, part["area"], yerr=errors, marker=sign, capsize=3, color=colour, label=detector)
        axes.flat[1].plot(places, 100 * part["called"], marker=sign, color=colour)
        last = part.iloc[-1]
        said.append(f"{detector} {last['area']:.2f} and {100 * last['called']:.0f} %")
    axes.flat[0].axhline(0.5, color=GREY, ls=":")
    for axis, title in zip(axes.flat, ("area under the ROC curve", "called copies (%)")):
        axis.set_xticks(range(len(times)), [f"{one:g}" for one in times])
        axis.set_xlabel("times that a drawing was planted")
        axis.set_title(title)
    figure.legend(*axes.flat[0].get_legend_handles_labels(), loc="outside lower center", ncols=1 if is_narrow() else 4)
    figure.set_label(
        f"Planted duplicates; area under the ROC curve and share called copies at {times[-1]:g} times: {'; '.join(said)}."
    )
    return figure


def set_sizes(table: pd.DataFrame) -> Figure:
    """What generators draw that learned from few concepts alone, over the steps of that training: a panel for each measure, a line for each number
    of concepts.

    Args:
        table: ``set_size``, ``steps``, ``measure``, ``value``, ``low`` and ``high``.
    """
    measures, counts = list(dict.fromkeys(table["measure"])), sorted(table["set_size"].unique())
    figure, axes = canvas(len(measures), height=3.0)
    said = []
    for axis, measure in zip(axes.flat, measures):
        scale = 1 if measure == "kernel distance" else 100
        for count, colour, sign in zip(counts, COLOURS, SIGNS):
            part = table[(table["measure"] == measure) & (table["set_size"] == count)].sort_values("steps")
            errors = scale * np.array([part["value"] - part["low"], part["high"] - part["value"]]).clip(min=0)
            axis.errorbar(
                part["steps"],
                scale * part["value"],
                yerr=errors,
                marker=sign,
                capsize=3,
                color=colour,
                label=f"{count} concepts",
            )
            said.append(f"{measure}, {count} concepts {scale * part['value'].iloc[-1]:.2f}")
        axis.set_title(measure if scale == 1 else f"{measure}:\ncalled copies (%)")
        axis.set_xlabel("steps of training")
    figure.legend(*axes.flat[0].get_legend_handles_labels(), loc="outside lower center", ncols=1 if is_narrow() else 4)
    figure.set_label(
        f"Images of generators that learned from few concepts, after {table['steps'].max():g} steps: {'; '.join(said)}."
    )
    return figure
