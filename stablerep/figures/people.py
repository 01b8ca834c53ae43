"""Captions and people: splits, shares by gender and skin tone, the reader's confusion, accuracy by group."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from stablerep.figures.canvas import ARM_COLOURS, BLUE, GREEN, GREY, ORANGE, RED, SKY, canvas

if TYPE_CHECKING:
    from matplotlib.figure import Figure


def shares(table: pd.DataFrame, attribute: str) -> Figure:
    """Shares of gender or tone: labels of the corpus, balance, and generated images (as read, and corrected) over w."""
    part = table[table["attribute"] == attribute]
    classes = list(part["label"].unique())
    rows = -(-len(classes) // 3)  # three panels side by side can be read on a phone
    figure, axes = canvas(min(3, len(classes)), rows, width=6.5, height=2.7 * rows + 0.7, sharey=True, sharex=True)
    for axis, label in zip(axes.flat, classes):
        mine = part[part["label"] == label]
        labelled = mine[mine["source"] == "training images of the concepts"]["share"].iloc[0]
        balance = mine[mine["source"] == "balance"]["share"].iloc[0]
        axis.axhline(100 * labelled, color=BLUE, ls="--", label="training images")
        axis.axhline(100 * balance, color=GREY, ls=":", label="balance")
        for source, colour, shift in (("generated, as read", SKY, -0.08), ("generated, corrected", RED, 0.08)):
            some = mine[mine["source"] == source].sort_values("guidance_scale")
            x = np.arange(len(some)) + shift
            errors = 100 * np.array(
                [(some["share"] - some["low"]).clip(lower=0), (some["high"] - some["share"]).clip(lower=0)]
            )
            axis.errorbar(x, 100 * some["share"], yerr=errors, marker="o", capsize=3, color=colour, label=source)
        axis.set_xticks(range(len(some)), [f"{w:g}" for w in some["guidance_scale"]])
        axis.set_title(label, fontsize=10)
    for axis in axes[-1]:
        axis.set_xlabel("w")
    for axis in axes[:, 0]:
        axis.set_ylabel("share of images (%)")
    for axis in list(axes.flat)[len(classes) :]:
        axis.set_visible(False)
    handles, labels = axes[0][0].get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside lower center", ncols=4, fontsize=8)
    return figure


def confusion(table: pd.DataFrame, attribute: str) -> Figure:
    """How the reader misreads real people of held-out concepts: rows are the label, columns what was read."""
    import seaborn as sns

    part = table[table["attribute"] == attribute]
    classes = list(part["truth"].unique())
    matrix = part.pivot(index="truth", columns="prediction", values="share").loc[classes, classes]
    figure, axes = canvas(width=1.2 + 0.8 * len(classes), height=0.9 + 0.6 * len(classes))
    sns.heatmap(100 * matrix, annot=True, fmt=".0f", cmap="Blues", vmin=0, vmax=100, cbar=False, ax=axes[0][0])
    axes[0][0].set_xlabel("read as (%)")
    axes[0][0].set_ylabel("label")
    axes[0][0].tick_params(axis="y", rotation=0)
    axes[0][0].set_xticklabels([name.replace("-", "-\n") for name in classes])
    return figure


def groups(table: pd.DataFrame, attribute: str) -> Figure:
    """Accuracy by gender or tone, a colour per encoder."""
    part = table[table["attribute"] == attribute]
    classes = list(part["label"].unique())
    figure, axes = canvas(width=8, height=3.6)
    arms = list(dict.fromkeys(part["arm"]))
    for k, name in enumerate(arms):
        mine = part[part["arm"] == name].set_index("label").reindex(classes).dropna(subset=["accuracy"])
        x = np.array([classes.index(label) for label in mine.index]) + (k - (len(arms) - 1) / 2) * 0.16
        errors = 100 * np.array([mine["accuracy"] - mine["low"], mine["high"] - mine["accuracy"]])
        axes[0][0].errorbar(
            x,
            100 * mine["accuracy"],
            yerr=errors.clip(0),
            fmt="o",
            capsize=3,
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
