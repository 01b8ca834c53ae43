"""Captions and people: splits, shares by gender and skin tone, the reader's confusion, accuracy by group and what changes it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from stablerep.figures.canvas import ARM_COLOURS, BLUE, GREEN, GREY, ORANGE, RED, SKY, canvas

if TYPE_CHECKING:
    from matplotlib.figure import Figure


REFERENCES = {  # sources in the table of shares that are no generated images: colour and line
    "training images of the caption": (GREEN, "-."),
    "training images of the concepts": (BLUE, "--"),
    "balance": (GREY, ":"),
}


def shares(table: pd.DataFrame, attribute: str) -> Figure:
    """Shares of the classes of an attribute: references as lines, and generated images (as read, and corrected) over w.

    A class has a panel, and so has what could not be told. A corrected share that was refused has no mark.
    """
    part = table[table["attribute"] == attribute]
    classes = list(part["label"].unique())
    columns = min(4, len(classes))
    rows = -(-len(classes) // columns)
    figure, axes = canvas(columns, rows, width=7.5, height=2.5 * rows + 0.9, sharey=True, sharex=True)
    scales = sorted(part["guidance_scale"].dropna().unique())
    handles = {}
    for axis, label in zip(axes.flat, classes):
        mine = part[part["label"] == label].set_index("source")
        for source, (colour, line) in REFERENCES.items():
            if source in mine.index:
                handles[source] = axis.axhline(100 * mine.loc[source, "share"], color=colour, ls=line)
        for source, colour, shift in (("generated, as read", SKY, -0.08), ("generated, corrected", RED, 0.08)):
            some = mine.loc[mine.index == source].dropna(subset=["share"]).sort_values("guidance_scale")
            x = np.searchsorted(scales, some["guidance_scale"]) + shift
            errors = 100 * np.array([some["share"] - some["low"], some["high"] - some["share"]]).clip(0)
            drawn = axis.errorbar(
                x, 100 * some["share"], yerr=errors, marker="o", capsize=3, color=colour, ls="", label=source
            )
            handles.setdefault(source, drawn)
        axis.set_xticks(range(len(scales)), [f"{w:g}" for w in scales])
        axis.set_xlim(-0.5, len(scales) - 0.5)
        axis.set_title(label, fontsize=10)
    for axis in list(axes.flat)[len(classes) :]:
        axis.remove()
    for axis in list(axes.flat)[: len(classes)][-columns:]:  # the last of each column
        axis.set_xlabel("w")
        axis.tick_params(labelbottom=True)
    for axis in axes[:, 0]:
        axis.set_ylabel("share of images (%)")
    figure.legend(list(handles.values()), list(handles), loc="outside lower center", ncols=2, fontsize=8)
    return figure


def confusion(table: pd.DataFrame, attribute: str) -> Figure:
    """How the reader reads real images whose label is known: rows are the label, columns what was read, *cannot tell* the last."""
    import seaborn as sns

    part = table[table["attribute"] == attribute]
    classes, read = list(part["truth"].unique()), list(part["prediction"].unique())
    matrix = part.pivot(index="truth", columns="prediction", values="share").loc[classes, read]
    figure, axes = canvas(width=1.2 + 0.8 * len(read), height=0.9 + 0.6 * len(classes))
    sns.heatmap(100 * matrix, annot=True, fmt=".0f", cmap="Blues", vmin=0, vmax=100, cbar=False, ax=axes[0][0])
    axes[0][0].set_xlabel("read as (%)")
    axes[0][0].set_ylabel("label")
    axes[0][0].tick_params(axis="y", rotation=0)
    axes[0][0].set_xticklabels([name.replace("-", "-\n").replace(" ", "\n") for name in read])
    return figure


def contrasts(table: pd.DataFrame) -> Figure:
    """By how many points more the first arm gains in a group than in the others: a row per group, a panel per pair of arms."""
    pairs = list(table[["first", "second"]].drop_duplicates().itertuples(index=False))
    names = list(dict.fromkeys(f"{row.label} ({row.attribute})" for row in table.itertuples()))[::-1]
    figure, axes = canvas(max(len(pairs), 1), width=8, height=1.2 + 0.32 * max(len(names), 1), sharey=True, sharex=True)
    for axis, pair in zip(axes[0], pairs):
        mine = table[(table["first"] == pair.first) & (table["second"] == pair.second)]
        y = [names.index(f"{row.label} ({row.attribute})") for row in mine.itertuples()]
        errors = 100 * np.array([mine["difference"] - mine["low"], mine["high"] - mine["difference"]])
        axis.errorbar(100 * mine["difference"], y, xerr=errors, fmt="o", capsize=3, color=BLUE)
        axis.axvline(0, color=GREY, lw=1)
        axis.axvspan(-1, 1, color=GREY, alpha=0.15)
        axis.set_title(f"{pair.first}\nagainst {pair.second}", fontsize=9)
        axis.set_xlabel("points")
    axes[0][0].set_yticks(range(len(names)), names)
    return figure


def groups(table: pd.DataFrame, attribute: str) -> Figure:
    """Accuracy by gender or tone, a colour per encoder; floors are grey and differ in their marks."""
    part = table[table["attribute"] == attribute]
    classes = list(part["label"].unique())
    figure, axes = canvas(width=8, height=3.6)
    arms, marks = list(dict.fromkeys(part["arm"])), iter("sv^Dx")
    for k, name in enumerate(arms):
        mine = part[part["arm"] == name].set_index("label").reindex(classes).dropna(subset=["accuracy"])
        x = np.array([classes.index(label) for label in mine.index]) + (k - (len(arms) - 1) / 2) * min(
            0.16, 0.8 / len(arms)
        )
        errors = 100 * np.array([mine["accuracy"] - mine["low"], mine["high"] - mine["accuracy"]])
        axes[0][0].errorbar(
            x,
            100 * mine["accuracy"],
            yerr=errors.clip(0),
            fmt=next(marks) if ARM_COLOURS.get(name, GREY) == GREY else "o",
            capsize=2,
            markersize=5,
            color=ARM_COLOURS.get(name, GREY),
            label=name,
        )
    axes[0][0].set_xticks(range(len(classes)), classes)
    axes[0][0].set_ylabel("accuracy of the probe (%)")
    axes[0][0].legend(fontsize=8, loc="upper center", bbox_to_anchor=(0.5, -0.12), ncols=2)
    return figure


def people(table: pd.DataFrame, tones: Sequence[str]) -> Figure:
    """Captions of people by skin tone and gender, as the labels state them."""
    figure, axes = canvas(width=7, height=3.4)
    genders = {"woman": ORANGE, "man": BLUE, "person": GREEN}
    for k, (gender, colour) in enumerate(genders.items()):
        part = (
            table[table["gender"] == gender].set_index("skin_tone")["captions"].reindex(range(len(tones)), fill_value=0)
        )
        axes[0][0].bar(np.arange(len(tones)) + (k - 1) * 0.27, part, 0.25, color=colour, label=gender)
    axes[0][0].set_xticks(range(len(tones)), tones)
    axes[0][0].set_xlabel("skin tone in the label")
    axes[0][0].set_ylabel("captions")
    axes[0][0].legend(fontsize=8, title="gender in the label", title_fontsize=8)
    return figure


def splits(table: pd.DataFrame) -> Figure:
    """Concepts by group in each part of the split."""
    figure, axes = canvas(width=7.5, height=3.4)
    groups_ = sorted(table["group"].unique())
    for k, (split, colour) in enumerate((("train", BLUE), ("validation", ORANGE), ("test", GREEN))):
        part = table[table["split"] == split].set_index("group")["concepts"].reindex(groups_, fill_value=0)
        axes[0][0].bar(np.arange(len(groups_)) + (k - 1) * 0.27, part, 0.25, color=colour, label=split)
    axes[0][0].set_xticks(range(len(groups_)), [g.replace("-", "-\n") for g in groups_], fontsize=8)
    axes[0][0].set_ylabel("concepts")
    axes[0][0].legend(fontsize=8)
    return figure
