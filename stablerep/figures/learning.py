"""What encoders learn: comparisons, curves, scaling, and who is whose positive."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from stablerep.figures.canvas import (
    GREEN,
    GREY,
    canvas,
    colour_of,
    draw_interval,
    filled,
    in_percent,
    is_narrow,
    lowest,
    name_rows,
    name_vertical,
    seeds_of,
)
from stablerep.figures.guided import draw_scales, over_doublings
from stablerep.figures.tables import percent

if TYPE_CHECKING:
    from matplotlib.figure import Figure


def comparison(arms: pd.DataFrame, probes: Sequence[str], primary: str, whose: str) -> Figure:
    """Accuracy of every arm, a panel for each probe.

    Marks of arms on synthetic images are filled, all others hollow; the colour is that of the method.

    Args:
        arms: of :func:`stablerep.statistics.summarize`. primary: the probe that verdicts rest on, which is marked.
        whose: of whom the numbers are, such as "the reference".
    """
    columns = min(2, len(probes))
    count = arms["arm"].nunique()
    figure, axes = canvas(columns, -(-len(probes) // columns), panels=len(probes), height=0.8 + 0.21 * count)
    for axis, probe in zip(axes.flat, probes):
        part = arms[arms["probe"] == probe]
        for place, row in enumerate(part.itertuples()):
            draw_interval(axis, place, row.accuracy, row.low, row.high, colour_of(row.arm), fill=filled(row.arm))
        name_rows(axis, part["arm"])
        axis.set_title(f"{probe}{', primary' if probe == primary else ''}")
        axis.set_xlabel("accuracy (%)")
    mine = arms[arms["probe"] == primary]
    best = mine.loc[mine["accuracy"].idxmax()]
    figure.set_label(
        f"Accuracy of {count} arms on {len(probes)} probes, {whose}, {seeds_of(arms)}; on {primary} the best is {best['arm']}, "
        f"{percent(best['accuracy'], best['low'], best['high'])} %."
    )
    return figure


def scaling(
    table: pd.DataFrame, lines: pd.DataFrame, published: pd.DataFrame, probe: str, images: pd.DataFrame | None = None
) -> Figure:
    """Accuracy against number of captions on a log axis, a panel for each of the table's, and the paper's figure 6.

    Power laws are dashed, with their bands; floors, which learn from no captions, are dotted level lines.

    Args:
        table: of :func:`stablerep.statistics.summarize`, with ``panel`` and ``captions``.
        lines: of :func:`stablerep.statistics.power_laws`, with ``panel`` and ``arm``, for this probe.
        images: of :func:`stablerep.statistics.summarize`, with ``images``, how many a caption has; a panel more where it is given.
    """
    mine = table[table["probe"] == probe]
    panels, sizes = mine["panel"].unique(), sorted({*mine["captions"]} - {0})
    count = len(panels) + 1 + (images is not None)
    figure, axes = canvas(2, -(-count // 2), panels=count, height=3.6)
    ours, theirs = list(axes.flat)[: len(panels)], axes.flat[len(panels)]
    for axis, panel in zip(ours, panels):
        part = mine[mine["panel"] == panel]
        for arm, points in part[part["captions"] > 0].groupby("arm", sort=False):
            points, colour = points.sort_values("captions"), colour_of(arm)
            errors = 100 * np.array([points["accuracy"] - points["low"], points["high"] - points["accuracy"]])
            axis.errorbar(
                points["captions"], 100 * points["accuracy"], yerr=errors, marker="o", ls="", capsize=3, label=arm, color=colour,
                markerfacecolor=colour if filled(arm) else "white",
            )  # fmt: skip
            law = lines[(lines["panel"] == panel) & (lines["arm"] == arm)]
            if len(law):
                axis.plot(law["size"], 100 * (1 - law["error"]), ls="--", color=colour)
                axis.fill_between(
                    law["size"], 100 * (1 - law["high"]), 100 * (1 - law["low"]), color=colour, alpha=0.15, lw=0
                )
            else:
                axis.plot(points["captions"], 100 * points["accuracy"], color=colour)
        for place, floor in enumerate(part[part["captions"] == 0].itertuples()):
            axis.axhline(100 * floor.accuracy, ls=(0, (1, 1 + 2 * place)), color=GREY, label=floor.arm)
        axis.set_title(f"{panel}: {probe}")
    for method, part in published.groupby("method", sort=False):
        colour = colour_of(method)
        theirs.plot(
            part["captions"], part["accuracy"], marker="o", label=method, color=colour, markerfacecolor=colour if filled(method) else "white",
        )  # fmt: skip
    theirs.set_title("the paper, figure 6: ImageNet, linear probe")
    told = None
    for axis in (*ours, theirs):
        axis.set_xscale("log")
        axis.set_xlabel("captions")
        axis.set_ylabel("accuracy (%)")
        labels = axis.get_legend_handles_labels()[1]
        if is_narrow() or labels != told:  # beside it stands the same; on a phone it is out of sight
            axis.legend(loc="upper center", bbox_to_anchor=(0.5, -0.2), ncols=2)  # no place inside is always free
        told = labels
    if images is not None:
        axis, part = axes.flat[count - 1], images[images["probe"] == probe].sort_values("images")
        draw_scales(axis, part["arm"].iloc[0], part, "images", part["arm"].iloc[0])
        over_doublings(axis, part["images"])
        axis.set_title(f"all captions, {panels[0]}: {probe}")
        axis.set_xlabel("images of a caption")
        axis.set_ylabel("accuracy (%)")
        axis.legend(loc="upper center", bbox_to_anchor=(0.5, -0.2), ncols=2)
    for axis in ours:
        axis.sharey(ours[0])
        axis.set_xticks(sizes, [f"{size:,}" for size in sizes])
        axis.minorticks_off()
    most = mine[(mine["captions"] == sizes[-1]) & (mine["panel"] == panels[0])]
    said = "; ".join(f"{row.arm} {percent(row.accuracy, row.low, row.high)} %" for row in most.itertuples())
    figure.set_label(
        f"Accuracy on {probe} against the number of captions, {panels[0]}; at {sizes[-1]:,} captions: {said}."
    )
    return figure


PANELS = ("probe", "measure", "attribute")  # keys of a headline that make panels; the others make lines
MOST_LINES = 10


def sweep(table: pd.DataFrame, x: str, keys: Sequence[str], unit: str) -> Figure:
    """Headline numbers against a parameter that was swept: a panel per probe or measure, a line for each of the other keys.

    Args:
        table: ``x``, ``keys``, ``value``, ``low``, ``high``; several rows of the same x and keys are averaged.
        unit: of the value; those that :func:`in_percent` names are drawn in percent, all others as they are.
    """
    panel = next((name for name in keys if name in PANELS), None)
    lines = [name for name in keys if name != panel]
    titles = list(dict.fromkeys(table[panel])) if panel else [""]
    scale, places = 100 if in_percent(unit) else 1, np.unique(table[x])
    count = min(MOST_LINES, len(table.groupby(lines, dropna=False))) if lines else 1
    gap = 0.3 * np.diff(places).min() if len(places) > 1 else 0.0  # within which the lines stand side by side
    columns = min(2, len(titles))
    figure, axes = canvas(columns, -(-len(titles) // columns), panels=len(titles), height=3.0)
    for axis, title in zip(axes.flat, titles):
        part = table[table[panel] == title] if panel else table
        for place, (name, line) in enumerate(part.groupby(lines, sort=False, dropna=False)):
            if place == MOST_LINES:
                break
            shown = line.groupby(x)[["value", "low", "high"]].mean().reset_index()
            errors = scale * np.array([shown["value"] - shown["low"], shown["high"] - shown["value"]])
            label = ", ".join(str(part) for part in name if pd.notna(part))
            colour = colour_of(label)
            axis.errorbar(
                shown[x] + gap * ((place + 0.5) / count - 0.5), scale * shown["value"], yerr=np.nan_to_num(errors), marker="os^vDPX*<>"[place],
                markersize=5, elinewidth=1, lw=1, label=label, color=None if colour == GREY else colour,
                markerfacecolor="white" if colour != GREY and not filled(label) else None,
            )  # fmt: skip
        axis.set_title(title)
        axis.set_xlabel(x)
        axis.set_xticks(places)
    name_vertical(axes, unit if scale == 1 else f"{unit} (%)")
    handles, labels = axes[0][0].get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside lower center", ncols=min(3, len(labels)))
    figure.set_label(f"{unit} against {x}, from {table['value'].min():.3g} to {table['value'].max():.3g}.")
    return figure


def positives(thumbnails: np.ndarray, schemes: dict[str, Sequence[int]], captions: Sequence[str]) -> Figure:
    """What methods take for positives in one small batch: a square of pairs of views per scheme, the views along both sides; and CLIP's pairs of
    views and captions.

    Args:
        thumbnails: uint8 [N, H, W, 3], the views of the batch.
        schemes: for each title the ids of the N views; equal ids are positives.
        captions: of the N views.
    """
    figure, axes = canvas(2, -(-(len(schemes) + 1) // 2), panels=len(schemes) + 1, height=3.7)
    count, texts = len(thumbnails), list(dict.fromkeys(captions))
    for axis, (title, ids) in zip(axes.flat, schemes.items()):
        ids = np.asarray(ids)
        kind = (ids[:, None] == ids[None, :]).astype(int)
        np.fill_diagonal(kind, 2)
        _pairs(axis, kind, title)
        _along(axis, thumbnails, "left")
        _along(axis, thumbnails, "top")
    last = axes.flat[len(schemes)]
    _pairs(
        last,
        np.array([[int(text == caption) for text in texts] for caption in captions]),
        "CLIP: each view with its caption",
    )
    _along(last, thumbnails, "left")
    last.set_aspect("auto")
    last.set_xticks(range(len(texts)), texts)
    last.xaxis.tick_top()
    last.tick_params(length=0)
    said = "; ".join(f"{title}, {np.bincount(ids)[0]} views of the first" for title, ids in schemes.items())
    figure.set_label(
        f"Which of {count} views of {len(texts)} captions are positives of each other: {said}; CLIP, each view with its caption."
    )
    return figure


def _pairs(axis, kind: np.ndarray, title: str) -> None:
    """A square for each pair: 1 for positives, 0 for negatives, 2 for what is no pair."""
    from matplotlib.colors import ListedColormap

    axis.imshow(kind, cmap=ListedColormap(["#77777733", GREEN, "#77777700"]), vmin=0, vmax=2)
    axis.set_xticks([])
    axis.set_yticks([])
    axis.grid(False)
    axis.set_title(title, pad=24)


def _along(axis, thumbnails: np.ndarray, side: str) -> None:
    """Small pictures along the left or the top of a square."""
    from matplotlib.offsetbox import AnnotationBbox, OffsetImage

    for k, image in enumerate(thumbnails):
        place, shift = ((-0.5, k), (-9, 0)) if side == "left" else ((k, -0.5), (0, 9))
        box = OffsetImage(image, zoom=0.42)
        axis.add_artist(
            AnnotationBbox(
                box, place, xybox=shift, boxcoords="offset points", frameon=False, pad=0, annotation_clip=False
            )
        )


def curves(table: pd.DataFrame, *, columns: int = 4) -> Figure:
    """Loss by step, a panel per method: losses of different methods have different units."""
    arms = list(dict.fromkeys(table["arm"]))
    columns = min(columns, len(arms))
    figure, axes = canvas(columns, -(-len(arms) // columns), panels=len(arms), height=1.7)
    for axis, arm in zip(axes.flat, arms):
        part = table[table["arm"] == arm]
        axis.plot(part["step"], part["loss"], color=colour_of(arm))
        axis.set_title(arm)
    for axis in lowest(axes):
        axis.set_xlabel("step")
    name_vertical(axes, "loss")
    last = table.sort_values("step").groupby("arm", sort=False)["loss"]
    said = "; ".join(f"{arm} from {last.first()[arm]:.2f} to {last.last()[arm]:.2f}" for arm in arms)
    figure.set_label(f"Loss by step: {said}.")
    return figure
