"""Drawing: pure functions from a results table to a matplotlib figure.

Colours are the colour-blind-safe set of Wong (2011); figures have a white ground, so that they read the same on a dark page.
"""

from __future__ import annotations

import io
from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

if TYPE_CHECKING:
    from matplotlib.figure import Figure

BLUE, ORANGE, GREEN, PINK, SKY, RED, YELLOW, GREY = (
    "#0072B2", "#E69F00", "#009E73", "#CC79A7", "#56B4E9", "#D55E00", "#F0E442", "#7F7F7F",
)  # fmt: skip
ARM_COLOURS = {
    "Random initialization": GREY, "SimCLR real": SKY, "SimCLR synthetic": BLUE, "CLIP real": YELLOW, "CLIP synthetic": ORANGE,
    "StableRep synthetic": GREEN, "StableRep+ synthetic": RED, "StableRep real designs": PINK,
}  # fmt: skip


def _canvas(columns: int = 1, rows: int = 1, *, width: float = 7.5, height: float = 4.0, **options):
    import matplotlib.pyplot as plt
    import seaborn as sns

    sns.set_theme(context="notebook", style="whitegrid", font_scale=0.9)
    return plt.subplots(rows, columns, figsize=(width, height), layout="constrained", squeeze=False, **options)


def _bars(axis, table: pd.DataFrame, value: str = "accuracy") -> None:
    """Points with intervals, one line per arm; ``table`` has ``arm``, ``value``, ``low``, ``high``."""
    for place, row in enumerate(table.itertuples()):
        mean = getattr(row, value)
        axis.errorbar(
            100 * mean, place, xerr=[[100 * (mean - row.low)], [100 * (row.high - mean)]], fmt="o", capsize=3,
            color=ARM_COLOURS.get(row.arm, GREY), markersize=7,
        )  # fmt: skip
    axis.set_yticks(range(len(table)), table["arm"])
    axis.set_ylim(len(table) - 0.5, -0.5)  # the first row on top; axes that share it may be drawn in any number


def comparison(live: pd.DataFrame, stored: pd.DataFrame | None, probes: Sequence[str]) -> Figure:
    """Accuracy of every arm: this run above, the stored reference below, one column per probe.

    Tables as made by ``chapters.compare.summarize``.
    """
    rows = [("this run", live)] + ([("stored reference", stored)] if stored is not None else [])
    figure, axes = _canvas(len(probes), len(rows), width=3.1 * len(probes) + 1.6, height=3.1 * len(rows) + 0.3, sharey=True)
    for line, (title, table) in zip(axes, rows):
        for axis, probe in zip(line, probes):
            part = table[table["probe"] == probe]
            _bars(axis, part)
            count = int(part["seeds"].iloc[0])
            axis.set_title(f"{probe}\n{title}, {count} seed{'s' if count > 1 else ''}", fontsize=10)
            axis.set_xlabel("accuracy (%)")
    return figure


def positives(thumbnails: np.ndarray, schemes: dict[str, Sequence[int]], *, columns: int = 2) -> Figure:
    """What each method takes for positives in one small batch: a square of pairs per scheme, the images along both sides.

    Args:
        thumbnails: uint8 [N, H, W, 3], the views of the batch.
        schemes: for each title the ids of the N views; equal ids are positives. A title may map to its own pair of
            (thumbnails, ids) where its views differ.
    """
    from matplotlib.colors import ListedColormap
    from matplotlib.offsetbox import AnnotationBbox, OffsetImage

    rows = -(-len(schemes) // columns)
    figure, axes = _canvas(columns, rows, width=4.2 * columns, height=4.4 * rows)
    for axis, (title, scheme) in zip(axes.flat, schemes.items()):
        images, ids = scheme if isinstance(scheme, tuple) else (thumbnails, scheme)
        ids = np.asarray(ids)
        kind = (ids[:, None] == ids[None, :]).astype(int)
        np.fill_diagonal(kind, 2)
        axis.imshow(kind, cmap=ListedColormap(["#E8E8E8", GREEN, "#FFFFFF"]), vmin=0, vmax=2)
        axis.set_xticks(np.arange(-0.5, len(ids)), [])
        axis.set_yticks(np.arange(-0.5, len(ids)), [])
        axis.set_title(title, fontsize=10, pad=24)
        for k, image in enumerate(images):
            for place, shift in (((-0.5, k), (-11, 0)), ((k, -0.5), (0, 11))):
                box = OffsetImage(image, zoom=0.55)
                axis.add_artist(AnnotationBbox(box, place, xybox=shift, boxcoords="offset points", frameon=False, annotation_clip=False))
    for axis in list(axes.flat)[len(schemes) :]:
        axis.set_visible(False)
    return figure


def curves(table: pd.DataFrame, *, columns: int = 4) -> Figure:
    """Loss by step, a panel per method: losses of different methods have different units."""
    arms = list(dict.fromkeys(table["arm"]))
    columns = min(columns, len(arms))
    rows = -(-len(arms) // columns)
    figure, axes = _canvas(columns, rows, width=2.3 * columns + 0.5, height=1.9 * rows + 0.3)
    for axis, arm in zip(axes.flat, arms):
        part = table[table["arm"] == arm]
        axis.plot(part["step"], part["loss"], color=BLUE)
        axis.set_title(arm, fontsize=10)
    for axis in list(axes.flat)[len(arms) :]:
        axis.set_visible(False)
    for axis in axes[-1]:
        axis.set_xlabel("step")
    for axis in axes[:, 0]:
        axis.set_ylabel("loss")
    return figure


def scaling(table: pd.DataFrame, published: pd.DataFrame, probe: str) -> Figure:
    """Accuracy against number of captions on a log axis; the paper's figure 6 in the panel beside it."""
    figure, axes = _canvas(2, width=9, height=4)
    ours, theirs = axes[0]
    for method, part in table[table["probe"] == probe].groupby("arm", sort=False):
        part = part.sort_values("captions")
        errors = 100 * np.array([part["accuracy"] - part["low"], part["high"] - part["accuracy"]])
        ours.errorbar(
            part["captions"], 100 * part["accuracy"], yerr=errors, marker="o", capsize=3, label=method, color=ARM_COLOURS[method]
        )
    for method, part in published.groupby("method", sort=False):
        theirs.plot(part["captions"], part["accuracy"], marker="o", label=method, color=ARM_COLOURS[method])
    sizes = sorted(table["captions"].unique())
    ours.set_title(f"emoji, {probe}", fontsize=10)
    theirs.set_title("the paper, figure 6: ImageNet, linear probe", fontsize=10)
    for axis in (ours, theirs):
        axis.set_xscale("log")
        axis.set_xlabel("captions")
        axis.set_ylabel("accuracy (%)")
        axis.legend(fontsize=8, loc="upper center", bbox_to_anchor=(0.5, -0.17))  # below: no place inside is always free
    ours.set_xticks(sizes, [str(s) for s in sizes])
    ours.minorticks_off()
    return figure


def faithfulness(table: pd.DataFrame) -> Figure:
    """Retrieval of the caption's concept against w, with a band for each kind of real images; ``table`` covers all captions."""
    measures = {"top1": "concept first", "top10": "concept among ten", "subgroup": "subgroup of the first"}
    figure, axes = _canvas(3, width=9.5, height=3.4, sharey=True)
    for axis, (name, title) in zip(axes[0], measures.items()):
        part = table[table["measure"] == name]
        made = part[part["source"] == "generated"].sort_values("guidance_scale")
        for real, colour, style in zip(part[part["source"] != "generated"].itertuples(), (GREY, BLUE), ("-", "--"), strict=True):
            axis.axhspan(100 * real.low, 100 * real.high, color=colour, alpha=0.2, lw=0)
            axis.axhline(100 * real.mean, color=colour, ls=style, label=real.source)
        errors = 100 * np.array([made["mean"] - made["low"], made["high"] - made["mean"]])
        axis.errorbar(made["guidance_scale"], 100 * made["mean"], yerr=errors, marker="o", capsize=3, color=GREEN, label="generated")
        axis.set_title(title, fontsize=10)
        axis.set_xlabel("guidance scale w")
        axis.set_ylim(0, 103)
    axes[0][0].set_ylabel("share of images (%)")
    axes[0][0].legend(fontsize=8, loc="lower right")
    return figure


def diversity(table: pd.DataFrame) -> Figure:
    """Mean cosine distance between images of one caption against w; real designs as a band."""
    figure, axes = _canvas(width=5.5, height=3.6)
    axis = axes[0][0]
    real = table[table["source"] == "real designs"].iloc[0]
    made = table[table["source"] == "generated"].sort_values("guidance_scale")
    axis.axhspan(real["low"], real["high"], color=GREY, alpha=0.25, lw=0)
    axis.axhline(real["mean"], color=GREY, label="between real designs")
    errors = np.array([made["mean"] - made["low"], made["high"] - made["mean"]])
    axis.errorbar(made["guidance_scale"], made["mean"], yerr=errors, marker="o", capsize=3, color=GREEN, label="between generated images")
    axis.set_xlabel("guidance scale w")
    axis.set_ylabel("cosine distance within a caption")
    axis.set_ylim(bottom=0)
    axis.legend(fontsize=8)
    return figure


def image_grid(images: np.ndarray, row_labels: Sequence[str], column_labels: Sequence[str], *, zoom: float = 0.62) -> Figure:
    """Images uint8 [rows, columns, H, W, 3] with a label for each row and column."""
    rows, columns = images.shape[:2]
    figure, axes = _canvas(columns, rows, width=zoom * columns + 2.2, height=zoom * rows + 0.5)
    for i in range(rows):
        for j in range(columns):
            axis = axes[i][j]
            axis.imshow(images[i, j], interpolation="nearest")
            axis.set_xticks([])
            axis.set_yticks([])
            axis.grid(False)
            for side in axis.spines.values():
                side.set_visible(False)
        axes[i][0].set_ylabel(row_labels[i], rotation=0, ha="right", va="center", fontsize=9)
    for j, label in enumerate(column_labels):
        axes[0][j].set_title(label, fontsize=9)
    return figure


def sample_grid(table: pd.DataFrame, *, per_scale: int = 2) -> Figure:
    """Generated samples: a row per caption, ``per_scale`` columns for each guidance scale.

    ``table`` has ``caption``, ``guidance_scale``, ``index`` and ``png`` (bytes).
    """
    from PIL import Image

    captions, scales = list(dict.fromkeys(table["caption"])), sorted(table["guidance_scale"].unique())
    found = {(r.caption, r.guidance_scale, r.index): r.png for r in table.itertuples(index=False)}
    images = [
        [np.asarray(Image.open(io.BytesIO(found[c, w, i])).convert("RGB")) for w in scales for i in range(per_scale)] for c in captions
    ]
    labels = [f"w = {w:g}" if i == 0 else "" for w in scales for i in range(per_scale)]
    return image_grid(np.asarray(images), captions, labels)


def shares(table: pd.DataFrame, attribute: str, classes: Sequence[str]) -> Figure:
    """Shares of gender or tone: labels of the corpus, balance, and generated images (as read, and corrected) over w."""
    part = table[table["attribute"] == attribute]
    rows = -(-len(classes) // 3)  # three panels side by side can be read on a phone
    figure, axes = _canvas(min(3, len(classes)), rows, width=6.5, height=2.7 * rows + 0.7, sharey=True, sharex=True)
    for axis, label in zip(axes.flat, classes):
        mine = part[part["label"] == label]
        labelled = mine[mine["source"] == "training images of the concepts"]["share"].iloc[0]
        balance = mine[mine["source"] == "balance"]["share"].iloc[0]
        axis.axhline(100 * labelled, color=BLUE, ls="--", label="training images")
        axis.axhline(100 * balance, color=GREY, ls=":", label="balance")
        for source, colour, shift in (("generated, as read", SKY, -0.08), ("generated, corrected", RED, 0.08)):
            some = mine[mine["source"] == source].sort_values("guidance_scale")
            x = np.arange(len(some)) + shift
            errors = 100 * np.array([(some["share"] - some["low"]).clip(lower=0), (some["high"] - some["share"]).clip(lower=0)])
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


def confusion(table: pd.DataFrame, attribute: str, classes: Sequence[str]) -> Figure:
    """How the reader misreads real people of held-out concepts: rows are the label, columns what was read."""
    import seaborn as sns

    part = table[table["attribute"] == attribute]
    matrix = part.pivot(index="truth", columns="prediction", values="share").loc[list(classes), list(classes)]
    figure, axes = _canvas(width=1.2 + 0.8 * len(classes), height=0.9 + 0.6 * len(classes))
    sns.heatmap(100 * matrix, annot=True, fmt=".0f", cmap="Blues", vmin=0, vmax=100, cbar=False, ax=axes[0][0])
    axes[0][0].set_xlabel("read as (%)")
    axes[0][0].set_ylabel("label")
    axes[0][0].tick_params(axis="y", rotation=0)
    axes[0][0].set_xticklabels([name.replace("-", "-\n") for name in classes])
    return figure


def groups(table: pd.DataFrame, attribute: str, classes: Sequence[str]) -> Figure:
    """Accuracy by gender or tone, a colour per encoder."""
    part = table[table["attribute"] == attribute]
    figure, axes = _canvas(width=8, height=3.6)
    arms = list(dict.fromkeys(part["arm"]))
    for k, name in enumerate(arms):
        mine = part[part["arm"] == name].set_index("label").reindex(list(classes)).dropna(subset=["accuracy"])
        x = np.array([list(classes).index(label) for label in mine.index]) + (k - (len(arms) - 1) / 2) * 0.16
        errors = 100 * np.array([mine["accuracy"] - mine["low"], mine["high"] - mine["accuracy"]])
        axes[0][0].errorbar(x, 100 * mine["accuracy"], yerr=errors.clip(0), fmt="o", capsize=3, color=ARM_COLOURS[name], label=name)
    axes[0][0].set_xticks(range(len(classes)), classes)
    axes[0][0].set_ylabel("accuracy of the probe (%)")
    axes[0][0].legend(fontsize=8, loc="upper center", bbox_to_anchor=(0.5, -0.12), ncols=2)
    return figure


def people(table: pd.DataFrame, tones: Sequence[str]) -> Figure:
    """Captions of people by skin tone and gender, as the labels state them."""
    figure, axes = _canvas(width=7, height=3.4)
    genders = {"woman": ORANGE, "man": BLUE, "person": GREEN}
    for k, (gender, colour) in enumerate(genders.items()):
        part = table[table["gender"] == gender].set_index("skin_tone")["captions"].reindex(range(len(tones)), fill_value=0)
        axes[0][0].bar(np.arange(len(tones)) + (k - 1) * 0.27, part, 0.25, color=colour, label=gender)
    axes[0][0].set_xticks(range(len(tones)), tones)
    axes[0][0].set_xlabel("skin tone in the label")
    axes[0][0].set_ylabel("captions")
    axes[0][0].legend(fontsize=8, title="gender in the label", title_fontsize=8)
    return figure


def splits(table: pd.DataFrame) -> Figure:
    """Concepts by group in each part of the split."""
    figure, axes = _canvas(width=7.5, height=3.4)
    groups_ = sorted(table["group"].unique())
    for k, (split, colour) in enumerate((("train", BLUE), ("validation", ORANGE), ("test", GREEN))):
        part = table[table["split"] == split].set_index("group")["concepts"].reindex(groups_, fill_value=0)
        axes[0][0].bar(np.arange(len(groups_)) + (k - 1) * 0.27, part, 0.25, color=colour, label=split)
    axes[0][0].set_xticks(range(len(groups_)), [g.replace("-", "-\n") for g in groups_], fontsize=8)
    axes[0][0].set_ylabel("concepts")
    axes[0][0].legend(fontsize=8)
    return figure
