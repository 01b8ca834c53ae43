"""Whole captions: which part of them images show, what that depends on, the extremes by a judge, and who ranks right images first."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from stablerep.figures.bounded import bounded
from stablerep.figures.canvas import (
    GREEN,
    GREY,
    canvas,
    colour_of,
    draw_interval,
    filled,
    in_lines,
    is_narrow,
    name_rows,
    name_vertical,
    wrapped,
)
from stablerep.figures.caption_words import extreme_rows
from stablerep.figures.images import image_grid, pixels_of
from stablerep.figures.people_and_things import apart
from stablerep.figures.tables import percent

if TYPE_CHECKING:
    from matplotlib.figure import Figure

MEASURES = ("concept", "tone", "gender", "whole caption", "whole caption, where told")  # in the order of rows


def parts_of_captions(table: pd.DataFrame, w: float) -> Figure:
    """A panel for each group of captions: the share of images that are right in each part, and in all, real ones (hollow) above generated ones.

    Args:
        table: ``shares`` of :func:`stablerep.audits.whole_caption_tables.image_tables`. w: the guidance scale of the generated images.
    """
    mine = table[table["measure"].isin(MEASURES) & (table["guidance_scale"].isna() | (table["guidance_scale"] == w))]
    groups = list(dict.fromkeys(mine["captions"]))
    names = [name for name in MEASURES if name in set(mine["measure"])]
    figure, axes = canvas(len(groups), height=1.1 + 0.42 * len(names), sharex=True)
    said = []
    for axis, group in zip(axes.flat, groups):
        part = mine[mine["captions"] == group]
        for row in part.itertuples():
            real = row.source == "real"
            place = names.index(row.measure) + (-0.15 if real else 0.15)
            draw_interval(axis, place, row.mean, row.low, row.high, GREY if real else GREEN, fill=not real)
        name_rows(axis, [wrapped(name) for name in names] if axis is axes.flat[0] or is_narrow() else [""] * len(names))
        axis.set_xlabel("right (%)")
        axis.set_title(group)
        whole = part[part["measure"] == "whole caption"]
        said += [f"{group}, {row.source}: {percent(row.mean, row.low, row.high)} %" for row in whole.itertuples()]
    for axis in axes.flat:  # when all is drawn: a limit ends the scaling of axes that are shared
        axis.set_xlim(left=0)
    handles = [
        axes.flat[0].plot([], [], "o", color=colour, markerfacecolor=colour if fill else "white")[0] for colour, fill in ((GREY, False), (GREEN, True))
    ]  # fmt: skip
    figure.legend(
        handles,
        ["real images", f"generated images, w = {w:g}"],
        loc="outside lower center",
        ncols=1 if is_narrow() else 2,
    )
    figure.set_label(f"Images of which the whole caption is right, w = {w:g}: {'; '.join(said)}.")
    return figure


def properties(table: pd.DataFrame, captions: str, part: str, w: float) -> Figure:
    """A panel for each property of captions: the share of right images in bins of it, real and generated.

    Args:
        table: ``properties`` of :func:`stablerep.audits.whole_caption_tables.image_tables`. captions: the group. part: of the caption. w: of the
            generated images.
    """
    mine = table[
        (table["captions"] == captions)
        & (table["part"] == part)
        & (table["guidance_scale"].isna() | (table["guidance_scale"] == w))
    ]
    names = list(dict.fromkeys(mine["property"]))
    figure, axes = canvas(max(len(names), 1), height=3.0, sharey=True)
    said = []
    for axis, name in zip(axes.flat, names):
        of_name = mine[mine["property"] == name]
        bins = list(dict.fromkeys(of_name.sort_values("middle")["bin"]))
        for source, colour, shift in (("real", GREY, -0.07), ("generated", GREEN, 0.07)):
            some = of_name[of_name["source"] == source].sort_values("middle")
            errors = 100 * np.array([some["mean"] - some["low"], some["high"] - some["mean"]])
            axis.errorbar(
                [bins.index(one) + shift for one in some["bin"]], 100 * some["mean"], yerr=errors, marker="o", capsize=3, color=colour, label=f"{source} images",
                markerfacecolor="white" if source == "real" else colour,
            )  # fmt: skip
            if len(some):
                ends = [f"{100 * one['mean']:.1f} % at {one['bin']}" for _, one in some.iloc[[0, -1]].iterrows()]
                said.append(f"{name}, {source}: {' and '.join(ends)}")
        axis.set_xticks(range(len(bins)), bins)
        axis.set_xlim(-0.5, len(bins) - 0.5)
        axis.set_xlabel(wrapped(name))
    for axis in axes.flat:
        axis.set_ylim(bottom=0)
    name_vertical(axes, wrapped(f"{part} right (%)"))
    figure.legend(*axes.flat[0].get_legend_handles_labels(), loc="outside lower center", ncols=1 if is_narrow() else 2)
    figure.set_label(f"Share of images whose {part} is right, {captions}, w = {w:g}; {'; '.join(said)}.")
    return figure


def extremes(table: pd.DataFrame, captions: str, each: int = 4) -> Figure:
    """A row for each of the images that a judge is surest of, and of those furthest from their concept: the image, the gallery's drawing of its caption, and that of
    what was found, but for people beside things (:func:`stablerep.figures.people_and_things.apart`).

    Args:
        table: ``captions``, ``kind`` (surest or furthest), ``caption``, ``found``, ``lead``, ``png``, ``png_named`` and ``png_found`` (bytes). captions: the
            group; another one where it has no rows. each: images of a kind.
    """
    mine = extreme_rows(table, captions, each)
    fit = set(apart(mine.assign(shows=mine["found"])).index)
    images = [[pixels_of(png, "RGBA") for png in (row.png, row.png_named, row.png_found)] for row in mine.itertuples()]
    for place, row in zip(mine.index, images):
        if place not in fit:
            row[-1] = np.zeros_like(row[-1])  # of no opacity: a page may be dark
    names = [f"{row.caption}\n({row.kind}: {row.lead:+.2f})" for row in mine.itertuples()]
    figure = image_grid(np.asarray(images), [in_lines(name, 30) for name in names], ["generated", "named", "found"])
    found = [f"found {row.found}" if row.Index in fit else "its find is not shown" for row in mine.itertuples()]
    said = [f"{row.caption}, {what} ({row.lead:+.2f})" for row, what in zip(mine.itertuples(), found)]
    figure.set_label(
        f"Images of which the judge is surest, and those furthest from their concept, with the lead of the caption's concept: {'; '.join(said)}."
    )
    return figure


def ranks(table: pd.DataFrame) -> Figure:
    """A panel for each source of images: how often each encoder, or floor, ranks a right image above a wrong one of the same caption; dotted: chance.

    Args:
        table: ``knows`` of :func:`stablerep.audits.whole_caption_tables.knowledge`.
    """
    sources, arms = list(dict.fromkeys(table["source"])), list(dict.fromkeys(table["arm"]))
    figure, axes = canvas(max(len(sources), 1), height=1.2 + 0.32 * max(len(arms), 1), sharex=True)
    for axis, source in zip(axes.flat, sources):
        for row in bounded(table[table["source"] == source], "concepts", value="mean").itertuples():
            colour = colour_of(row.arm)
            draw_interval(axis, arms.index(row.arm), row.mean, row.low, row.high, colour, fill=filled(row.arm))
        axis.axvline(50, color=GREY, ls=":")
        name_rows(axis, arms if axis is axes.flat[0] or is_narrow() else [""] * len(arms))
        axis.set_xlabel(wrapped("right above wrong (%)"))
        axis.set_title(wrapped(f"images {source if source == 'learned from' else 'that are new'}"))
    if table.empty:
        axes.flat[0].text(
            0.5,
            0.5,
            "no caption with right and wrong images",
            ha="center",
            va="center",
            transform=axes.flat[0].transAxes,
        )
    said = [f"{row.arm}, {row.source}: {percent(row.mean, row.low, row.high)} %" for row in table.itertuples()]
    figure.set_label(
        f"How often a right image of a caption is ranked above a wrong one (by chance 50 %): {'; '.join(said) or 'none'}."
    )
    return figure
