"""Intervals for small studies: resampling that respects which items belong together."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd


def bootstrap_mean(
    values: Sequence[float], clusters: Sequence | None = None, *, draws: int = 2000, seed: int = 0
) -> np.ndarray:
    """Bootstrap draws of a mean, resampling whole clusters.

    Images of one concept are not independent; with ``clusters`` = concept the interval reflects the number of concepts.

    Args:
        values: [N]. clusters: [N] names; None makes every item its own cluster.

    Returns:
        float64 [draws].

    Raises:
        ValueError: no values, or another number of clusters than of values.
    """
    values = np.asarray(values, float)
    if not len(values):
        raise ValueError("there are no values; a mean needs at least one.")
    numbers = _cluster_numbers(clusters, len(values))
    total, size = np.bincount(numbers, values), np.bincount(numbers)
    rng = np.random.default_rng(seed)
    picked = rng.multinomial(len(size), np.full(len(size), 1 / len(size)), size=draws)  # draws x clusters
    return (picked @ total) / (picked @ size)


def _cluster_numbers(clusters: Sequence | None, count: int) -> np.ndarray:
    """Numbers from 0 of the clusters of ``count`` values, int [count]."""
    numbers = np.arange(count) if clusters is None else pd.factorize(np.asarray(clusters))[0]
    if len(numbers) != count:
        raise ValueError(f"{count} values have {len(numbers)} clusters; each value needs one.")
    return numbers


def interval(draws: np.ndarray, level: float = 0.95) -> tuple[float, float]:
    """The central ``level`` of bootstrap draws."""
    low, high = np.quantile(draws, [(1 - level) / 2, (1 + level) / 2])
    return float(low), float(high)


def mean_with_interval(
    values: Sequence[float], clusters: Sequence | None = None, *, level: float = 0.95, seed: int = 0
) -> dict:
    """``mean``, ``low``, ``high`` and ``n`` of values in clusters."""
    low, high = interval(bootstrap_mean(values, clusters, seed=seed), level)
    return {"mean": float(np.mean(values)), "low": low, "high": high, "n": len(values)}


def over_seeds(values: Sequence[float], *, level: float = 0.95) -> dict:
    """Mean and Student-t interval over seeds. One seed has no interval: ``low`` and ``high`` are NaN."""
    from scipy.special import stdtrit

    values = np.asarray(values, float)
    if not len(values):
        raise ValueError("there are no values; a mean over seeds needs at least one.")
    half = np.nan
    if len(values) > 1:
        half = stdtrit(len(values) - 1, (1 + level) / 2) * values.std(ddof=1) / np.sqrt(len(values))
    return {
        "mean": float(values.mean()),
        "low": float(values.mean() - half),
        "high": float(values.mean() + half),
        "n": len(values),
    }
