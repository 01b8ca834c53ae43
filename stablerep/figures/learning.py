"""What encoders learn: comparisons, curves, scaling, and who is whose positive."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from stablerep.figures.canvas import ARM_COLOURS, BLUE, GREEN, GREY, METHOD_COLOURS, canvas, draw_interval, in_percent

if TYPE_CHECKING:
    from matplotlib.figure import Figure


def _intervals(axis, table: pd.DataFrame) -> None:
    """Accuracies with intervals, one line per arm."""
    for place, row in enumerate(table.itertuples()):
        colour = (ARM_COLOURS | METHOD_COLOURS).get(row.arm, GREY)
        draw_interval(axis, place, row.accuracy, row.low, row.high, colour)
    axis.set_yticks(range(len(table)), table["arm"])
    axis.set_ylim(len(table) - 0.5, -0.5)  # the first row on top; axes that share it may be drawn in any number


def comparison(live: pd.DataFrame, stored: pd.DataFrame | None, probes: Sequence[str]) -> Figure:
    """Accuracy of every arm: this run above, the stored reference below, one column per probe.

    Tables of :func:`stablerep.statistics.summarize`; their arms may differ.
    """
    rows = [("this run", live)] + ([("stored reference", stored)] if stored is not None else [])
    figure, axes = canvas(
        len(probes), len(rows), width=3.1 * len(probes) + 1.6, height=3.1 * len(rows) + 0.3, sharey="row"
    )
    for line, (title, table) in zip(axes, rows):
        for axis, probe in zip(line, probes):
            part = table[table["probe"] == probe]
            _intervals(axis, part)
            count = int(part["seeds"].iloc[0])
            axis.set_title(f"{probe}\n{title}, {count} seed{'s' if count > 1 else ''}", fontsize=10)
            axis.set_xlabel("accuracy (%)")
    return figure


def scaling(table: pd.DataFrame, lines: pd.DataFrame, published: pd.DataFrame, probe: str) -> Figure:
    """Accuracy against number of captions on a log axis, a panel for each of the table's; the paper's figure 6 in the panel beside them.

    Power laws are dashed, with their bands; floors, which learn from no captions, are dotted level lines.

    Args:
        table: of :func:`stablerep.statistics.summarize`, with ``panel`` and ``captions``.
        lines: of :func:`stablerep.statistics.power_laws`, with ``panel`` and ``arm``, for this probe.
    """
    mine = table[table["probe"] == probe]
    panels, sizes = mine["panel"].unique(), sorted({*mine["captions"]} - {0})
    figure, axes = canvas(len(panels) + 1, width=4.2 * (len(panels) + 1), height=4.4)
    *ours, theirs = axes[0]
    for axis, panel in zip(ours, panels):
        part = mine[mine["panel"] == panel]
        for arm, points in part[part["captions"] > 0].groupby("arm", sort=False):
            points, colour = points.sort_values("captions"), ARM_COLOURS.get(arm, GREY)
            errors = 100 * np.array([points["accuracy"] - points["low"], points["high"] - points["accuracy"]])
            axis.errorbar(
                points["captions"], 100 * points["accuracy"], yerr=errors, marker="o", ls="", capsize=3, label=arm, color=colour,
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
        axis.set_title(f"{panel}, {probe}", fontsize=10)
    for method, part in published.groupby("method", sort=False):
        theirs.plot(part["captions"], part["accuracy"], marker="o", label=method, color=ARM_COLOURS.get(method, GREY))
    theirs.set_title("the paper, figure 6: ImageNet, linear probe", fontsize=10)
    for axis in axes[0]:
        axis.set_xscale("log")
        axis.set_xlabel("captions")
        axis.set_ylabel("accuracy (%)")
        axis.legend(
            fontsize=8, loc="upper center", bbox_to_anchor=(0.5, -0.17), ncols=2
        )  # no place inside is always free
    for axis in ours:
        axis.sharey(ours[0])
        axis.set_xticks(sizes, [str(size) for size in sizes])
        axis.minorticks_off()
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
    figure, axes = canvas(len(titles), width=max(5.5, 3.2 * len(titles) + 1.5), height=4.2)
    for axis, title in zip(axes[0], titles):
        part = table[table[panel] == title] if panel else table
        for place, (name, line) in enumerate(part.groupby(lines, sort=False, dropna=False)):
            if place == MOST_LINES:
                break
            shown = line.groupby(x)[["value", "low", "high"]].mean().reset_index()
            errors = scale * np.array([shown["value"] - shown["low"], shown["high"] - shown["value"]])
            label = ", ".join(str(part) for part in name if pd.notna(part))
            axis.errorbar(
                shown[x] + gap * ((place + 0.5) / count - 0.5), scale * shown["value"], yerr=np.nan_to_num(errors), marker="os^vDPX*<>"[place],
                markersize=5, elinewidth=1, lw=1, label=label, color=(ARM_COLOURS | METHOD_COLOURS).get(label),
            )  # fmt: skip
        axis.set_title(title, fontsize=10)
        axis.set_xlabel(x)
        axis.set_xticks(places)
    axes[0][0].set_ylabel(unit if scale == 1 else f"{unit} (%)")
    handles, labels = axes[0][0].get_legend_handles_labels()
    figure.legend(handles, labels, fontsize=8, loc="outside lower center", ncols=min(4, len(labels)))
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
    figure, axes = canvas(columns, rows, width=4.2 * columns, height=4.4 * rows)
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
                axis.add_artist(
                    AnnotationBbox(
                        box, place, xybox=shift, boxcoords="offset points", frameon=False, annotation_clip=False
                    )
                )
    for axis in list(axes.flat)[len(schemes) :]:
        axis.set_visible(False)
    return figure


def curves(table: pd.DataFrame, *, columns: int = 4) -> Figure:
    """Loss by step, a panel per method: losses of different methods have different units."""
    arms = list(dict.fromkeys(table["arm"]))
    columns = min(columns, len(arms))
    rows = -(-len(arms) // columns)
    figure, axes = canvas(columns, rows, width=2.3 * columns + 0.5, height=1.9 * rows + 0.3)
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
