"""Colours and paper of all figures."""

from __future__ import annotations

from stablerep.methods import METHODS

BLUE, ORANGE, GREEN, PINK, SKY, RED, YELLOW, GREY = (
    "#0072B2", "#E69F00", "#009E73", "#CC79A7", "#56B4E9", "#D55E00", "#F0E442", "#7F7F7F",
)  # fmt: skip
ARM_COLOURS = {
    "Random initialization": GREY, "SimCLR real": SKY, "SimCLR synthetic": BLUE, "CLIP real": YELLOW, "CLIP synthetic": ORANGE,
    "StableRep synthetic": GREEN, "StableRep+ synthetic": RED, "StableRep real designs": PINK,
}  # fmt: skip

METHOD_COLOURS = {entry.title: entry.colour for entry in METHODS.values()}


def in_percent(unit: str) -> bool:
    """Whether numbers of this unit are parts of one, which are shown in percent: accuracies and shares of anything."""
    return unit.startswith(("accuracy", "share"))


def canvas(columns: int = 1, rows: int = 1, *, width: float = 7.5, height: float = 4.0, **options):
    """A figure and its axes [rows, columns], in the style of the book."""
    import matplotlib.pyplot as plt
    import seaborn as sns

    sns.set_theme(context="notebook", style="whitegrid", font_scale=0.9)
    return plt.subplots(rows, columns, figsize=(width, height), layout="constrained", squeeze=False, **options)


def draw_interval(axis, place: int, mean: float, low: float, high: float, colour: str, *, filled: bool = True) -> None:
    """A share and its interval in percent, on a line of its own."""
    axis.errorbar(
        100 * mean, place, xerr=[[100 * (mean - low)], [100 * (high - mean)]], fmt="o", capsize=3, color=colour, markersize=7,
        markerfacecolor=colour if filled else "white",
    )  # fmt: skip
