"""Generated images: samples, faithfulness and diversity over the guidance scale."""

from __future__ import annotations

import io
import math
from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from stablerep.figures.canvas import BLUE, GREEN, GREY, SMALL, align_lines, canvas, in_lines, is_narrow, name_vertical
from stablerep.figures.tables import percent

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from stablerep.corpus import Corpus

CAPTION_WIDTH = 24  # characters of a line beside a row of images; more do not fit beside eight of them


def faithfulness(table: pd.DataFrame) -> Figure:
    """How often the caption's concept comes first against w, a panel for each group of captions: generated images, real ones as a band, chance.

    ``table`` is that of :func:`stablerep.audits.faithfulness.shares`, over all concepts and of one measure.
    """
    return _over_scales(table, "share of images (%)", 100, real="real images", chance=True)


def diversity(table: pd.DataFrame) -> Figure:
    """Mean cosine distance between images of one caption against w, a panel for each group of captions; real images as a band, where a caption
    has several of them."""
    return _over_scales(table, "cosine distance", 1, real="between real images", chance=False)


def _over_scales(table: pd.DataFrame, unit: str, scale: float, *, real: str, chance: bool) -> Figure:
    groups = list(dict.fromkeys(table["captions"]))
    figure, axes = canvas(len(groups), height=2.8, sharey=True)
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
        axis.set_title(name)
        axis.set_xlabel("guidance scale w")
    for axis in axes[0]:
        axis.set_ylim(bottom=0)
    name_vertical(axes, unit)
    handles, labels = axes[0][0].get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside lower center", ncols=1 if is_narrow() else 3)
    mine = table[table["captions"] == groups[0]]
    said = "; ".join(
        f"{row.source}{'' if pd.isna(row.guidance_scale) else f' at w = {row.guidance_scale:g}'} "
        + (
            f"{percent(row.mean, row.low, row.high)} %"
            if scale == 100
            else f"{row.mean:.3f} [{row.low:.3f}, {row.high:.3f}]"
        )
        for row in mine.itertuples()
    )
    figure.set_label(f"{unit[0].upper()}{unit[1:].removesuffix(' (%)')} against guidance scale; {groups[0]}: {said}.")
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
    figure, axes = canvas(3, height=2.8)
    for axis, (title, metrics) in zip(axes[0], panels.items()):
        for metric, colour, marker in zip(metrics if len(table) else (), (GREEN, BLUE), "os"):
            part = table[table["metric"] == metric]
            made = part[part["source"] == "generated"].sort_values("guidance_scale")
            real = part[part["source"] != "generated"].iloc[0]
            errors = np.array([made["value"] - made["low"], made["high"] - made["value"]])
            axis.errorbar(
                made["guidance_scale"], made["value"], yerr=errors, marker=marker, capsize=3, color=colour, label=metric
            )
            axis.axhline(real["value"], color=colour, ls="--")  # the caption says what is dashed
        axis.set_title(title)
        axis.set_xlabel("guidance scale w")
        if table.empty:
            axis.text(0.5, 0.5, "too few images", ha="center", va="center", transform=axis.transAxes)
            continue
        if metrics != ("kid",):  # of which the title has the name
            axis.legend(loc="lower left")  # below shares near one
            axis.set_ylim(0, 1.08 * table.loc[table["metric"].isin(metrics), ["value", "high"]].max().max())
    kid = table[table["metric"] == "kid"]
    said = "; ".join(
        f"{row.source}{'' if pd.isna(row.guidance_scale) else f', w = {row.guidance_scale:g}'} {row.value:.3f} [{row.low:.3f}, {row.high:.3f}]"
        for row in kid.itertuples()
    )
    figure.set_label(f"Generated sets against a real one; kernel distance: {said or 'too few images'}.")
    return figure


def designs_of(corpus: Corpus, captions: Sequence[str], designs: Sequence[str], size: int) -> Figure:
    """Some captions, a row each, in every design; clear where a design has not drawn one. ``size`` is the side of a drawing in pixels."""
    pixels = corpus.images(size).permute(0, 2, 3, 1).numpy()
    place = {(row.caption, row.design): i for i, row in enumerate(corpus.table.itertuples())}
    opaque = np.concatenate([pixels, np.full_like(pixels[..., :1], 255)], axis=-1)
    blank = np.zeros_like(opaque[0])
    rows = [[opaque[place[one, design]] if (one, design) in place else blank for design in designs] for one in captions]
    figure = image_grid(np.asarray(rows), captions, [design.replace("-", "\n") for design in designs])
    figure.set_label(
        f"{len(captions)} captions in {len(designs)} designs: {', '.join(captions)}; {len(place)} drawings."
    )
    return figure


def scenes_of(corpus: Corpus, strengths: Sequence[float], size: int) -> Figure:
    """The images of a corpus in a column each, through the camera at some strengths: 0 shows the drawings themselves."""
    from stablerep.camera import Camera

    drawings, ids = corpus.images(size), corpus.table["id"].tolist()
    rows = [Camera.of_strength(strength).scenes(drawings, ids).permute(0, 2, 3, 1).numpy() for strength in strengths]
    names = ["drawings" if not strength else f"scenes, strength {strength:g}" for strength in strengths]
    figure = image_grid(np.asarray(rows), names, [""] * len(ids))
    figure.set_label(f"{len(ids)} images through the camera, a row for each strength: {', '.join(names)}.")
    return figure


def image_grid(
    images: np.ndarray, row_labels: Sequence[str], column_labels: Sequence[str], *, groups: Sequence[int] = ()
) -> Figure:
    """Images uint8 [rows, columns, H, W, 3], or 4 with how opaque they are, with a label for each row and column; on a phone a row's label stands above it.

    Args:
        groups: how many columns each group of them has; groups stand apart, and have the labels in the place of columns.
    """
    rows, columns, side = *images.shape[:2], images.shape[2]
    gap = max(1, side // 12)
    groups = groups or [1] * columns
    group_of = np.repeat(np.arange(len(groups)), groups)
    lefts = np.arange(columns) * (side + gap) + group_of * (3 * gap if len(groups) < columns else 0)
    width = (3.7 if is_narrow() else 5.6) / (lefts[-1] / (side + gap) + 1)  # of an image in inches
    texts = [in_lines(" ".join(label.split()), 52) for label in row_labels]  # as they stand above rows
    lines = 1 + max(text.count("\n") for text in texts)
    above = gap + is_narrow() * math.ceil((0.1 + 0.17 * lines) / width * side)  # free pixels above a row
    mosaic = np.zeros((rows * (side + above), lefts[-1] + side + gap, 4), np.uint8)
    for i in range(rows):
        for j in range(columns):
            y, x = i * (side + above) + above, lefts[j]
            mosaic[y : y + side, x : x + side, 3] = 255
            mosaic[y : y + side, x : x + side, : images.shape[-1]] = images[i, j]
    figure, axes = canvas(height=0.5 + min(width, 1.0) * mosaic.shape[0] / (side + gap), stacks=False)
    axis = axes[0][0]
    axis.imshow(mosaic, interpolation="nearest")
    axis.grid(False)
    for spine in axis.spines.values():
        spine.set_visible(False)
    axis.xaxis.tick_top()
    axis.tick_params(length=0)
    titles = [in_lines(label, 10) if is_narrow() else label for label in column_labels]
    axis.set_xticks([lefts[group_of == group].mean() + side / 2 for group in range(len(groups))], titles)
    starts = [i * (side + above) + above for i in range(rows)]
    if is_narrow():
        axis.set_yticks([])
        for start, text in zip(starts, texts):
            axis.text(0, start - gap, text, fontsize=SMALL, va="bottom").set_in_layout(False)
    else:
        names = [label if "\n" in label else in_lines(label, 18) for label in row_labels]
        axis.set_yticks([start + side / 2 for start in starts], names)
        align_lines(axis)
        figure.draw_without_rendering()  # one layout leaves images too wide, and the labels beyond the edge; the next one, of whoever draws, is right
    return figure


def sample_grid(table: pd.DataFrame, *, per_scale: int = 2) -> Figure:
    """Generated samples: a row per caption, with the name of its group, ``per_scale`` columns for each guidance scale.

    ``table`` has ``captions`` (the group), ``caption``, ``guidance_scale``, ``index`` and ``png`` (bytes).
    """
    captions, scales = list(dict.fromkeys(table["caption"])), sorted(table["guidance_scale"].unique())
    found = {(r.caption, r.guidance_scale, r.index): r.png for r in table.itertuples(index=False)}
    images = [[pixels_of(found[c, w, i]) for w in scales for i in range(per_scale)] for c in captions]
    labels = [f"w = {w:g}" if i == 0 else "" for w in scales for i in range(per_scale)]
    group = table.drop_duplicates("caption").set_index("caption")["captions"]
    names = [f"{group[c]}:\n{in_lines(c, CAPTION_WIDTH)}" for c in captions]
    figure = image_grid(np.asarray(images), names, labels)
    scales_said = ", ".join(f"{w:g}" for w in scales)
    figure.set_label(
        f"Generated images, {per_scale} at each of w = {scales_said}, of {len(captions)} captions: {'; '.join(captions)}."
    )
    return figure


def qualities(table: pd.DataFrame) -> Figure:
    """The same captions in several qualities, a column for each, a row for each caption and kind of image.

    Args:
        table: ``caption``, ``kind``, such as drawing or scene, ``quality`` and ``png`` (bytes).
    """
    rows = list(table[["caption", "kind"]].drop_duplicates().itertuples(index=False, name=None))
    columns = list(dict.fromkeys(table["quality"]))
    found = {(row.caption, row.kind, row.quality): pixels_of(row.png) for row in table.itertuples(index=False)}
    images = [[found[*row, quality] for quality in columns] for row in rows]
    titles = [title.replace("reconstructed", "recon-\nstructed") for title in columns]  # wider than a column
    figure = image_grid(np.asarray(images), [f"{caption}:\n{kind}" for caption, kind in rows], titles)
    captions, kinds = (list(dict.fromkeys(table[name])) for name in ("caption", "kind"))
    figure.set_label(
        f"{len(captions)} captions ({'; '.join(captions)}), each as {' and as '.join(kinds)}, in {len(columns)} qualities: {', '.join(columns)}."
    )
    return figure


def pixels_of(png: bytes, mode: str = "RGB") -> np.ndarray:
    """uint8 [H, W, 3] of a picture in a table; 4 with how opaque it is, in the mode RGBA."""
    from PIL import Image

    return np.asarray(Image.open(io.BytesIO(png)).convert(mode))
