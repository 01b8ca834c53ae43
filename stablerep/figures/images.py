"""Generated images: samples, faithfulness and diversity over the guidance scale."""

from __future__ import annotations

import io
import textwrap
from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from stablerep.figures.canvas import BLUE, GREEN, GREY, canvas

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from stablerep.corpus import Corpus

CAPTION_WIDTH = 28  # characters of a line beside a row of images


def faithfulness(table: pd.DataFrame) -> Figure:
    """How often the caption's concept comes first against w, a panel for each group of captions: generated images, real ones as a band, chance.

    ``table`` is that of :func:`stablerep.audits.faithfulness.shares`, over all concepts and of one measure.
    """
    return _over_scales(table, "share of images (%)", 100, real="real images", chance=True)


def diversity(table: pd.DataFrame) -> Figure:
    """Mean cosine distance between images of one caption against w, a panel for each group of captions; real images as a band, where a caption
    has several of them."""
    return _over_scales(table, "cosine distance within a caption", 1, real="between real images", chance=False)


def _over_scales(table: pd.DataFrame, unit: str, scale: float, *, real: str, chance: bool) -> Figure:
    groups = list(dict.fromkeys(table["captions"]))
    figure, axes = canvas(len(groups), width=3.1 * len(groups) + 0.9, height=3.4, sharey=True)
    for axis, name in zip(axes[0], groups):
        part = table[table["captions"] == name]
        made = part[part["source"] == "generated"].sort_values("guidance_scale")
        for row in part[part["source"] != "generated"].itertuples():
            axis.axhspan(scale * row.low, scale * row.high, color=GREY, alpha=0.25, lw=0)
            axis.axhline(scale * row.mean, color=GREY, label=real)
        errors = scale * np.array([made["mean"] - made["low"], made["high"] - made["mean"]])
        axis.errorbar(
            made["guidance_scale"], scale * made["mean"], yerr=errors, marker="o", capsize=3, color=GREEN, label="generated images"
        )  # fmt: skip
        if chance:
            axis.axhline(scale * made["chance"].mean(), color="black", ls=":", lw=1, label="chance")
        axis.set_title(name, fontsize=10)
        axis.set_xlabel("guidance scale w")
        axis.set_ylim(bottom=0)
    axes[0][0].set_ylabel(unit)
    axes[0][0].legend(fontsize=8)
    return figure


def set_measures(table: pd.DataFrame) -> Figure:
    """Distance, fidelity and diversity of generated sets against w; dashed, another set of real images.

    ``table`` has a row per ``source``, ``guidance_scale`` and ``metric`` with ``value``, ``low``, ``high``. Without rows, as where sets are
    too small to compare, the panels stay empty.
    """
    panels = {
        "kernel distance (KID)": ("kid",),
        "fidelity": ("precision", "density"),
        "diversity": ("recall", "coverage"),
    }
    figure, axes = canvas(3, width=9.5, height=3.4)
    for axis, (title, metrics) in zip(axes[0], panels.items()):
        for metric, colour, marker in zip(metrics if len(table) else (), (GREEN, BLUE), "os"):
            part = table[table["metric"] == metric]
            made = part[part["source"] == "generated"].sort_values("guidance_scale")
            real = part[part["source"] != "generated"].iloc[0]
            errors = np.array([made["value"] - made["low"], made["high"] - made["value"]])
            axis.errorbar(
                made["guidance_scale"], made["value"], yerr=errors, marker=marker, capsize=3, color=colour, label=metric
            )
            axis.axhline(real["value"], color=colour, ls="--", label=f"{metric}, {real['source']}")
        axis.set_title(title, fontsize=10)
        axis.set_xlabel("guidance scale w")
        if table.empty:
            axis.text(0.5, 0.5, "too few images", ha="center", va="center", transform=axis.transAxes)
            continue
        axis.legend(fontsize=7)
        if metrics != ("kid",):
            axis.set_ylim(0, 1.08 * table.loc[table["metric"].isin(metrics), ["value", "high"]].max().max())
    return figure


def designs_of(corpus: Corpus, captions: Sequence[str], designs: Sequence[str], size: int) -> Figure:
    """Some captions, a row each, in every design; white where a design has not drawn one. ``size`` is the side of a drawing in pixels."""
    pixels = corpus.images(size).permute(0, 2, 3, 1).numpy()
    place = {(row.caption, row.design): i for i, row in enumerate(corpus.table.itertuples())}
    blank = np.full_like(pixels[0], 255)
    rows = [[pixels[place[one, design]] if (one, design) in place else blank for design in designs] for one in captions]
    return image_grid(np.asarray(rows), captions, [design.replace("-", "-\n", 1) for design in designs], zoom=0.9)


def scenes_of(corpus: Corpus, strengths: Sequence[float], size: int) -> Figure:
    """The images of a corpus in a column each, through the camera at some strengths: 0 shows the drawings themselves."""
    from stablerep.camera import Camera

    drawings, ids = corpus.images(size), corpus.table["id"].tolist()
    rows = [Camera.of_strength(strength).scenes(drawings, ids).permute(0, 2, 3, 1).numpy() for strength in strengths]
    names = ["drawings" if not strength else f"scenes, strength {strength:g}" for strength in strengths]
    return image_grid(np.asarray(rows), names, [""] * len(ids), zoom=0.9)


def image_grid(
    images: np.ndarray, row_labels: Sequence[str], column_labels: Sequence[str], *, zoom: float = 0.62
) -> Figure:
    """Images uint8 [rows, columns, H, W, 3] with a label for each row and column."""
    rows, columns = images.shape[:2]
    figure, axes = canvas(columns, rows, width=zoom * columns + 2.2, height=zoom * rows + 0.5)
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
    """Generated samples: a row per caption, with the name of its group, ``per_scale`` columns for each guidance scale.

    ``table`` has ``captions`` (the group), ``caption``, ``guidance_scale``, ``index`` and ``png`` (bytes).
    """
    from PIL import Image

    captions, scales = list(dict.fromkeys(table["caption"])), sorted(table["guidance_scale"].unique())
    found = {(r.caption, r.guidance_scale, r.index): r.png for r in table.itertuples(index=False)}
    images = [
        [np.asarray(Image.open(io.BytesIO(found[c, w, i])).convert("RGB")) for w in scales for i in range(per_scale)]
        for c in captions
    ]
    labels = [f"w = {w:g}" if i == 0 else "" for w in scales for i in range(per_scale)]
    group = table.drop_duplicates("caption").set_index("caption")["captions"]
    names = [f"{group[c]}:\n{textwrap.fill(c, CAPTION_WIDTH)}" for c in captions]
    return image_grid(np.asarray(images), names, labels)
