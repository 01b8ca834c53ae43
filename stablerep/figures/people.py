"""Captions and people: splits, shares by gender and skin tone, the reader's confusion, accuracy by group and what changes it."""

from __future__ import annotations

from collections.abc import Sequence
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
    draw_interval,
    draw_margin,
    filled,
    is_narrow,
    lowest,
    name_rows,
    name_vertical,
)
from stablerep.figures.tables import percent, points

if TYPE_CHECKING:
    from matplotlib.figure import Figure


REFERENCES = {  # sources in the table of shares that are no generated images: colour and line
    "training images of the caption": (GREEN, "-."),
    "training images of the concepts": (BLUE, "--"),
    "balance": (GREY, ":"),
}

WHITE_ON = 0.7  # share from which a cell is so dark that white is read better on it than black


def shares(table: pd.DataFrame, attribute: str) -> Figure:
    """Shares of the classes of an attribute: references as lines, and generated images (as read, and corrected) over w.

    A class has a panel, and so has what could not be told. A corrected share that was refused has no mark.
    """
    part = table[table["attribute"] == attribute]
    classes = list(part["label"].unique())
    columns = min(4, len(classes))
    rows = -(-len(classes) // columns)
    figure, axes = canvas(columns, rows, panels=len(classes), height=2.2, sharey=True, sharex=True)
    scales = sorted(part["guidance_scale"].dropna().unique())
    handles = {}
    for axis, label in zip(axes.flat, classes):
        mine = part[part["label"] == label].set_index("source")
        for source, (colour, line) in REFERENCES.items():
            if source in mine.index:
                handles[source] = axis.axhline(100 * mine.loc[source, "share"], color=colour, ls=line)
        for source, colour, shift in (("generated, as read", BROWN, -0.08), ("generated, corrected", PURPLE, 0.08)):
            some = mine.loc[mine.index == source].dropna(subset=["share"]).sort_values("guidance_scale")
            x = np.searchsorted(scales, some["guidance_scale"]) + shift
            errors = 100 * np.array([some["share"] - some["low"], some["high"] - some["share"]]).clip(0)
            drawn = axis.errorbar(
                x, 100 * some["share"], yerr=errors, marker="o", capsize=3, color=colour, ls="", label=source
            )
            handles.setdefault(source, drawn)
        axis.set_xticks(range(len(scales)), [f"{w:g}" for w in scales])
        axis.set_xlim(-0.5, len(scales) - 0.5)
        axis.set_title(label)
    for axis in lowest(axes):
        axis.set_xlabel("w")
        axis.tick_params(labelbottom=True)
    name_vertical(axes, "share of images (%)")
    figure.legend(list(handles.values()), list(handles), loc="outside lower center", ncols=1 if is_narrow() else 2)
    read = part[(part["source"] == "generated, as read") & (part["guidance_scale"] == scales[-1])]
    said = "; ".join(f"{row.label} {percent(row.share, row.low, row.high)} %" for row in read.itertuples())
    figure.set_label(
        f"Shares of {attribute} in generated images over w, with references; as read at w = {scales[-1]:g}: {said}."
    )
    return figure


def confusion(table: pd.DataFrame, attribute: str) -> Figure:
    """How the reader reads real images whose label is known: rows are the label, columns what was read, *cannot tell* the last."""
    part = table[table["attribute"] == attribute]
    classes, read = list(part["truth"].unique()), list(part["prediction"].unique())
    matrix = part.pivot(index="truth", columns="prediction", values="share").loc[classes, read]
    figure, axes = canvas(height=0.9 + 0.4 * len(classes))
    axis = axes[0][0]
    axis.pcolormesh(100 * matrix.to_numpy(), cmap="Blues", vmin=0, vmax=100, linewidth=0)
    axis.set_ylim(len(classes), 0)
    axis.grid(visible=False)
    for spine in axis.spines.values():
        spine.set_visible(False)
    for (row, column), share in np.ndenumerate(matrix.to_numpy()):
        # near black and white, which the page would change to its own, whatever the cell's colour
        ink = "#f7f7f7" if share > WHITE_ON else "#0a0a0a"
        axis.text(column + 0.5, row + 0.5, f"{100 * share:.0f}", ha="center", va="center", fontsize=9, color=ink)
    axis.set_xlabel("read as (%)")
    axis.set_ylabel("label")
    places = np.arange(len(read)) + 0.5
    if is_narrow():
        axis.set_xticks(places, read, rotation=90)
    else:
        axis.set_xticks(places, [name.replace("-", "-\n").replace(" ", "\n") for name in read])
    axis.set_yticks(np.arange(len(classes)) + 0.5, classes)
    right = "; ".join(f"{name} {100 * matrix.loc[name, name]:.0f} %" for name in classes)
    figure.set_label(f"How the reader reads {attribute} of real drawings; read as labelled: {right}.")
    return figure


def contrasts(table: pd.DataFrame) -> Figure:
    """By how many points more the first arm gains in a group than in the others: a row per group, a panel per pair of arms."""
    pairs = list(table[["first", "second"]].drop_duplicates().itertuples(index=False))
    names = list(dict.fromkeys(f"{row.label} ({row.attribute})" for row in table.itertuples()))
    figure, axes = canvas(max(len(pairs), 1), height=1.2 + 0.25 * max(len(names), 1), sharex=True)
    for axis, pair in zip(axes[0], pairs):
        mine = table[(table["first"] == pair.first) & (table["second"] == pair.second)]
        draw_margin(axis)
        for row in mine.itertuples():
            place = names.index(f"{row.label} ({row.attribute})")
            draw_interval(axis, place, row.difference, row.low, row.high, colour_of(row.first), fill=filled(row.first))
        name_rows(axis, names if axis is axes[0][0] or is_narrow() else [""] * len(names))
        axis.set_title(f"{pair.first}\n− {pair.second}")
        axis.set_xlabel("points")
    said = "none"
    if pairs:
        mine = table[(table["first"] == pairs[0].first) & (table["second"] == pairs[0].second)]
        said = "; ".join(f"{row.label} {points(row.difference, row.low, row.high)}" for row in mine.itertuples())
    figure.set_label(
        f"What synthetic images change in a group against the others, in points, for the first pair: {said}."
    )
    return figure


def groups(table: pd.DataFrame, attribute: str) -> Figure:
    """Accuracy by gender or tone, a colour per encoder; floors are grey and differ in their marks."""
    part = table[table["attribute"] == attribute]
    classes = list(part["label"].unique())
    arms, marks = list(dict.fromkeys(part["arm"])), "sv^Dx"
    figure, axes = canvas(height=1.5 + 0.55 * len(classes) + 0.12 * len(arms) * len(classes))
    axis, floors = axes[0][0], [name for name in arms if colour_of(name) == GREY]
    for k, name in enumerate(arms):
        mine = part[part["arm"] == name].set_index("label").reindex(classes).dropna(subset=["accuracy"])
        y = np.array([classes.index(label) for label in mine.index]) + (k - (len(arms) - 1) / 2) * 0.8 / len(arms)
        errors = 100 * np.array([mine["accuracy"] - mine["low"], mine["high"] - mine["accuracy"]])
        colour = colour_of(name)
        axis.errorbar(
            100 * mine["accuracy"], y, xerr=errors.clip(0), fmt=marks[floors.index(name) % len(marks)] if name in floors else "o", capsize=2,
            markersize=5, color=colour, markerfacecolor=colour if filled(name) or name in floors else "white", label=name,
        )  # fmt: skip
    name_rows(axis, classes)
    axis.set_xlabel("accuracy of the probe (%)")
    figure.legend(*axis.get_legend_handles_labels(), loc="outside lower center", ncols=1 if is_narrow() else 2)
    trained = part[~part["arm"].isin(floors)].dropna(subset=["accuracy"])
    said = "; ".join(f"{row.arm}, {row.label} {100 * row.accuracy:.1f} %" for row in trained.itertuples())
    figure.set_label(f"Accuracy of a probe by {attribute}: {said}.")
    return figure


def people(table: pd.DataFrame, tones: Sequence[str]) -> Figure:
    """Captions of people by skin tone and gender, as the labels state them."""
    figure, axes = canvas(height=3.2)
    genders = {"woman": ORANGE, "man": BLUE, "person": GREEN}
    for k, (gender, colour) in enumerate(genders.items()):
        part = (
            table[table["gender"] == gender].set_index("skin_tone")["captions"].reindex(range(len(tones)), fill_value=0)
        )
        axes[0][0].bar(np.arange(len(tones)) + (k - 1) * 0.27, part, 0.25, color=colour, label=gender)
    name_columns(axes[0][0], tones)
    axes[0][0].set_xlabel("skin tone in the label")
    axes[0][0].set_ylabel("captions")
    figure.legend(title="gender in the label", loc="outside lower center", ncols=len(genders))
    said = "; ".join(f"{gender} {table.loc[table['gender'] == gender, 'captions'].sum():,}" for gender in genders)
    figure.set_label(f"Captions of people by skin tone and gender, over all tones: {said}.")
    return figure


def splits(table: pd.DataFrame) -> Figure:
    """Concepts by group in each part of the split."""
    figure, axes = canvas(height=3.4)
    groups_ = sorted(table["group"].unique())
    for k, (split, colour) in enumerate((("train", BLUE), ("validation", ORANGE), ("test", GREEN))):
        part = table[table["split"] == split].set_index("group")["concepts"].reindex(groups_, fill_value=0)
        axes[0][0].bar(np.arange(len(groups_)) + (k - 1) * 0.27, part, 0.25, color=colour, label=split)
    name_columns(axes[0][0], groups_)
    axes[0][0].set_ylabel("concepts")
    figure.legend(loc="outside lower center", ncols=3)
    said = "; ".join(
        f"{split} {table.loc[table['split'] == split, 'concepts'].sum():,}" for split in ("train", "validation", "test")
    )
    figure.set_label(f"Concepts by group in each part; over all groups: {said}.")
    return figure


def name_columns(axis, names: Sequence[str]) -> None:
    """A column of the axis for each name, upright where there is no room."""
    titles = [name.replace("-", "-\n") for name in names]
    axis.set_xticks(range(len(names)), titles, rotation=90 if is_narrow() else 0)
