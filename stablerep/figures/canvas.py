"""Colours and paper of all figures: as wide as the page's column, or stacked in one column for a phone."""

from __future__ import annotations

import textwrap
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar

import numpy as np
import pandas as pd

from stablerep.methods import METHODS
from stablerep.statistics.verdict import MARGIN

# Near Okabe and Ito's, and each with a contrast of 3 or more on white paper and on the dark page.
BLUE, ORANGE, GREEN, PURPLE, BROWN, GREY = (
    "#0072B2", "#C04A00", "#009E73", "#A4389E", "#8A6A5C", "#777777",
)  # fmt: skip
METHOD_COLOURS = {entry.title: entry.colour for entry in METHODS.values()}
_TITLES = sorted(METHOD_COLOURS, key=len, reverse=True)  # StableRep+ before StableRep
PAGE, PHONE = 7.4, 3.9  # width of a figure in inches, of 96 pixels each
SMALL = 8.5  # points of the smallest text, 11 pixels
_INK = "0.15"
STYLE = {
    "font.size": 12, "font.sans-serif": ["Arial", "DejaVu Sans", "Liberation Sans", "Bitstream Vera Sans", "sans-serif"],
    "axes.labelsize": 9, "axes.titlesize": 9.5, "xtick.labelsize": SMALL, "ytick.labelsize": SMALL,
    "legend.fontsize": SMALL, "legend.title_fontsize": SMALL,
    "text.color": _INK, "axes.labelcolor": _INK, "xtick.color": _INK, "ytick.color": _INK,
    "axes.grid": True, "axes.axisbelow": True, "grid.color": "#7777774D", "grid.linewidth": 1.0,
    "axes.edgecolor": GREY, "axes.linewidth": 1.25, "xtick.bottom": False, "ytick.left": False,
    "lines.solid_capstyle": "round", "patch.edgecolor": "white", "patch.force_edgecolor": True,
}  # fmt: skip
_narrow: ContextVar[bool] = ContextVar("narrow", default=False)


def colour_of(arm: str) -> str:
    """The colour of an arm's method, with which its name begins; floors are grey."""
    return next((METHOD_COLOURS[title] for title in _TITLES if arm.startswith(title)), GREY)


def filled(arm: str) -> bool:
    """Whether marks of an arm are filled: those of synthetic images are, all others are hollow."""
    return "synthetic" in arm or ", generation " in arm


def in_percent(unit: str) -> bool:
    """Whether numbers of this unit are parts of one, which are shown in percent: accuracies and shares of anything."""
    return unit.startswith(("accuracy", "share"))


@contextmanager
def for_phones() -> Iterator[None]:
    """Figures drawn meanwhile have their panels one below the other, as wide as a phone."""
    token = _narrow.set(True)
    try:
        yield
    finally:
        _narrow.reset(token)


def in_lines(text: str, width: int) -> str:
    """A label in lines of so many characters at most; the lines that it has stay apart, and a word with a hyphen, such as medium-dark, stays whole
    where a line has room for it."""
    long = any(len(word) > width for word in text.split())
    return "\n".join(textwrap.fill(line, width, break_on_hyphens=long) for line in text.splitlines())


def wrapped(text: str) -> str:
    """A title or label in lines that a phone has room for."""
    return in_lines(text, 30) if is_narrow() else text


def is_narrow() -> bool:
    """Whether a figure is being drawn for a phone."""
    return _narrow.get()


def canvas(columns: int = 1, rows: int = 1, *, panels: int = 0, height: float = 3.2, stacks: bool = True, **options):
    """A figure and its axes [rows, columns], in the style of the book. A phone has them in one column, row by row, unless they belong side by
    side (``stacks`` is false).

    Args:
        panels: how many of the places are used, row by row; the others are None. 0: all. height: of a row of panels, in inches.
        options: of :func:`matplotlib.pyplot.subplots`; on a phone, those by which panels share an axis.
    """
    places = rows * columns
    panels = panels or places
    import matplotlib.pyplot as plt

    plt.rcParams.update(STYLE)
    if is_narrow() and stacks:
        shared = {name: options[name] for name in ("sharex", "sharey") if name in options}
        size = (PHONE, height * panels)
        figure, axes = plt.subplots(panels, 1, figsize=size, layout="constrained", squeeze=False, **shared)
        used = list(axes.flat)
        for axis in used:  # numbers at each panel, which may be all that a screen shows
            axis.tick_params(labelbottom=True)
    else:
        size = (PHONE if is_narrow() else PAGE, height * rows)
        figure, axes = plt.subplots(rows, columns, figsize=size, layout="constrained", squeeze=False, **options)
        used, unused = list(axes.flat)[:panels], list(axes.flat)[panels:]
        for axis in unused:
            axis.remove()
    found = np.full(places, None, dtype=object)
    found[:panels] = used
    return figure, found.reshape(rows, columns)


def name_vertical(axes: np.ndarray, label: str) -> None:
    """Name the vertical axis of the first panel in each row; on a phone, where panels are stacked, of each."""
    for axis in axes.flat if is_narrow() else axes[:, 0]:
        if axis is not None:
            axis.set_ylabel(label)


def lowest(axes: np.ndarray) -> list:
    """The panels below which there is none: the last of each column; on a phone, where panels are stacked and apart, each."""
    used = [axis for axis in axes.flat if axis is not None]
    return used if is_narrow() else used[-axes.shape[1] :]


def draw_interval(axis, place: float, mean: float, low: float, high: float, colour: str, *, fill: bool = True) -> None:
    """A share and its interval in percent, on a line of its own."""
    axis.errorbar(
        100 * mean, place, xerr=[[100 * (mean - low)], [100 * (high - mean)]], fmt="o", capsize=3, color=colour, markersize=6,
        markerfacecolor=colour if fill else "white",
    )  # fmt: skip


def draw_margin(axis) -> None:
    """Zero, and the margin within which two arms count as equals, in points."""
    axis.axvspan(-100 * MARGIN, 100 * MARGIN, color=GREY, alpha=0.2, lw=0)
    axis.axvline(0, color=GREY, lw=1)


def name_rows(axis, names) -> None:
    """A row of the axis for each name, the first on top."""
    axis.set_yticks(range(len(names)), names, fontsize=SMALL)
    align_lines(axis)
    axis.set_ylim(len(names) - 0.5, -0.5)
    axis.grid(axis="y", visible=False)


def align_lines(axis) -> None:
    """Where some names of rows have several lines, all begin at the left: a page draws them in its own font, in which lines that end below each other
    here would not."""
    labels = axis.get_yticklabels()
    if any("\n" in one.get_text() for one in labels):
        renderer = axis.figure.canvas.get_renderer()
        widest = max(one.get_window_extent(renderer).width for one in labels)
        axis.tick_params(axis="y", pad=72 / axis.figure.dpi * widest + 4)
        for one in labels:
            one.set(horizontalalignment="left", multialignment="left")


def seeds_of(table: pd.DataFrame) -> str:
    """How many seeds stand behind a table, in words."""
    count = int(table["seeds"].max()) if len(table) else 0
    return f"{count} seed{'' if count == 1 else 's'}"
