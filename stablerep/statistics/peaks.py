"""Accuracy over a parameter that was tried on a grid, such as the guidance scale: a parabola over its logarithm and its top, or a line.

With x the logarithm to base two, accuracy(x) = a + b x + c x^2 is fitted by least squares to the means over clusters and seeds. c is a linear
function of the accuracies, so that its error follows from the analysis of variance (:mod:`stablerep.statistics.crossed`); it is negative where the
curve is an inverted U. The maximum -b / 2c is not linear: its interval is a bootstrap of clusters and seeds.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from stablerep.errors import InputError
from stablerep.statistics.arms import cluster_means
from stablerep.statistics.crossed import CrossedMean, crossed_mean
from stablerep.statistics.resampling import interval

DRAWS = 2000


@dataclass(frozen=True)
class Peak:
    """Where a curve over a grid of positive values is highest.

    Attributes:
        best: the value at the top of the parabola, at most at the ends of the grid. low, high: its 95 % interval.
        bend: -c, by how much accuracy falls within a factor of two from the top; positive for an inverted U.
        draws: float64 [draws], bootstrapped values of ``best``, the same clusters and seeds for every curve of one shape and ``seed``.
    """

    best: float
    low: float
    high: float
    bend: CrossedMean
    draws: np.ndarray


def over_grid(parts: Mapping[float, pd.DataFrame]) -> np.ndarray:
    """Accuracies of one arm, float64 [S, C, W] by seed, cluster and value of a grid.

    Args:
        parts: items (:mod:`stablerep.statistics.arms`) of one probe by the value of the grid; the same seeds and clusters in each.
    """
    tables = [
        cluster_means(part.assign(arm="")).pivot(index="seed", columns="cluster", values="correct").sort_index(axis=1)
        for part in parts.values()
    ]
    return np.stack([table.to_numpy() for table in tables], axis=2)


def fit_peak(values: np.ndarray, grid: Sequence[float], *, seed: int = 0) -> Peak:
    """The peak of one arm.

    Args:
        values: [S, C, W], by seed, cluster and value of the grid, all finite. grid: [W], different and positive, at least three.

    Raises:
        InputError: another shape, values that are not finite, or a grid through which no parabola is determined.
    """
    values, x = logarithms(values, grid, 3)
    fit = np.linalg.pinv(np.stack([np.ones_like(x), x, x**2], axis=1))  # 3 x W
    seeds, clusters, _ = values.shape
    rng = np.random.default_rng(seed)
    by_seed = rng.multinomial(seeds, np.full(seeds, 1 / seeds), DRAWS) / seeds
    by_cluster = rng.multinomial(clusters, np.full(clusters, 1 / clusters), DRAWS) / clusters
    means = np.einsum("ds,dc,scw->dw", by_seed, by_cluster, values, optimize=True)
    draws = _tops(means @ fit.T, x)
    low, high = interval(draws)
    best = _tops(values.mean((0, 1))[None] @ fit.T, x)[0]
    return Peak(float(best), low, high, crossed_mean(-(values @ fit[2])), draws)


def rise(values: np.ndarray, grid: Sequence[float]) -> CrossedMean:
    """By how much accuracy rises with each doubling, by a line over the logarithm.

    Args:
        values: [S, C, W], as for :func:`fit_peak`. grid: [W], at least two different positive values.

    Raises:
        InputError: as :func:`fit_peak`.
    """
    values, x = logarithms(values, grid, 2)
    x = x - x.mean()
    return crossed_mean(values @ (x / (x**2).sum()))


def lower(first: Peak, second: Peak) -> dict[str, float]:
    """By how many doublings the peak of the first lies below that of the second.

    Args:
        first, second: of the same seeds and clusters, drawn with the same seed.

    Returns:
        ``difference`` with ``low`` and ``high``; ``p_for`` and ``p_against``: the share of draws in which the first is not below, and not above,
        the second.
    """
    apart = np.log2(second.draws / first.draws)
    low, high = interval(apart)
    count = len(apart) + 1
    return {
        "difference": float(np.log2(second.best / first.best)), "low": low, "high": high,
        "p_for": float(((apart <= 0).sum() + 1) / count), "p_against": float(((apart >= 0).sum() + 1) / count),
    }  # fmt: skip


def logarithms(values: np.ndarray, grid: Sequence[float], least: int) -> tuple[np.ndarray, np.ndarray]:
    """Values [S, C, W] and the base-two logarithms of a grid of ``least`` different values or more.

    Raises:
        InputError: as :func:`fit_peak`.
    """
    values = np.asarray(values, float)
    with np.errstate(divide="ignore", invalid="ignore"):
        x = np.log2(np.asarray(grid, float))
    if values.ndim != 3 or not values.size or values.shape[2] != len(x) or not np.isfinite(values).all():
        raise InputError(
            f"values have shape {values.shape} for {len(x)} values of a grid, or are not all finite; finite [S, C, W] is needed."
        )
    if len(np.unique(x)) < least or not np.isfinite(x).all():
        raise InputError(f"the grid is {list(grid)}; at least {least} different positive values are needed.")
    return values, x


def _tops(coefficients: np.ndarray, x: np.ndarray) -> np.ndarray:
    """The grid's value at the highest point of each parabola [N, 3] within the grid of logarithms."""
    a, b, c = coefficients.T
    with np.errstate(divide="ignore", invalid="ignore"):
        inner = np.clip(np.where(c < 0, -b / (2 * c), x.min()), x.min(), x.max())
    candidates = np.stack([np.full_like(a, x.min()), np.full_like(a, x.max()), inner])  # 3 x N
    heights = a + b * candidates + c * candidates**2
    return 2 ** candidates[heights.argmax(0), np.arange(len(a))]
