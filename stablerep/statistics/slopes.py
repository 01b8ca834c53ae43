"""How much a share changes with each of several properties of what was asked: least squares, each property alone and with the others held fixed.

Rows that belong together, such as the captions of one concept, are one cluster. Each cluster weighs the same, whatever the number of its rows: a row
weighs one over that number. With X the properties and a column of ones, W the weights and y the values, the slopes are those of

.. math:: (X^\\top W X)^{-1} X^\\top W y

(weighted least squares: Draper and Smith, Applied Regression Analysis, third edition 1998, chapter 9). Intervals are a bootstrap in which whole clusters, and
seeds, are drawn with replacement, as in :mod:`stablerep.statistics.peaks`: values within a cluster are not independent, and a share has no
constant variance, so that the usual errors of a regression would not hold.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd

from stablerep.errors import InputError
from stablerep.statistics.resampling import interval

DRAWS = 1000
ALONE, FIXED = "alone", "others held fixed"  # ways to look at a property
COLUMNS = ["property", "way", "slope", "low", "high", "clusters", "seeds"]
LARGEST_CONDITION = 1e10  # of a draw's system of equations, above which its properties cannot be told apart


def slopes(
    values: np.ndarray, properties: Mapping[str, Sequence[float]], clusters: Sequence, *, draws: int = DRAWS, seed: int = 0
) -> pd.DataFrame:  # fmt: skip
    """By how much a value changes with one more of each property.

    A property that has one value alone in all rows says nothing and is left out. Where properties cannot be told apart, the slopes with the others
    held fixed are NaN. An interval is NaN where more than half of the draws cannot tell.

    Args:
        values: float [S, N], by seed and row, all finite, such as shares of images. properties: by name, [N] finite numbers.
        clusters: [N], what belongs together.

    Returns:
        A row per property and way (``alone``, ``others held fixed``): ``property``, ``way``, ``slope``, ``low`` and ``high`` (95 %), ``clusters``,
        ``seeds``. With one property the second way is left out.

    Raises:
        InputError: another shape, or numbers that are not finite.
    """
    values = np.asarray(values, float)
    columns = {name: np.asarray(one, float) for name, one in properties.items()}
    count = len(clusters)
    if values.ndim != 2 or not values.size or values.shape[1] != count or not np.isfinite(values).all():
        raise InputError(
            f"values have shape {values.shape} for {count} rows, or are not all finite; finite [S, N] with S and N at least 1 is needed."
        )
    for name, one in columns.items():
        if one.shape != (count,) or not np.isfinite(one).all():
            raise InputError(
                f"the property {name!r} has shape {one.shape}, or is not all finite; a finite number for each of {count} rows is needed."
            )
    columns = {name: one - one.mean() for name, one in columns.items() if np.ptp(one) > 0}
    numbers, names = pd.factorize(np.asarray(clusters, object))
    weights = 1 / np.bincount(numbers)[numbers]
    rng = np.random.default_rng(seed)
    times = rng.multinomial(len(names), np.full(len(names), 1 / len(names)), draws).astype(float)  # draws x clusters
    of_seeds = rng.multinomial(len(values), np.full(len(values), 1 / len(values)), draws) / len(values)
    ways = [(ALONE, [name]) for name in columns] + ([(FIXED, list(columns))] if len(columns) > 1 else [])
    rows = []
    for way, chosen in ways:
        design = np.stack([np.ones(count), *(columns[name] for name in chosen)], axis=1)
        squares, products = _sums(design, weights, values, numbers, len(names))
        best = _solved(squares.sum(0)[None], products.mean(0).sum(0)[None])[0, 1:]
        drawn = _solved(
            np.einsum("dc,cij->dij", times, squares),
            np.einsum("ds,dc,sci->di", of_seeds, times, products, optimize=True),
        )[:, 1:]
        for place, name in enumerate(chosen):
            told = drawn[np.isfinite(drawn[:, place]), place]
            low, high = interval(told) if len(told) * 2 >= draws and np.isfinite(best[place]) else (np.nan, np.nan)
            rows.append([name, way, float(best[place]), low, high, len(names), len(values)])
    return pd.DataFrame(rows, columns=COLUMNS)


def _sums(
    design: np.ndarray, weights: np.ndarray, values: np.ndarray, numbers: np.ndarray, count: int
) -> tuple[np.ndarray, np.ndarray]:
    """Of each cluster X'WX [C, k, k], and of each seed and cluster X'Wy [S, C, k]."""
    squares = np.zeros((count, design.shape[1], design.shape[1]))
    np.add.at(squares, numbers, weights[:, None, None] * design[:, :, None] * design[:, None, :])
    products = np.zeros((count, len(values), design.shape[1]))
    np.add.at(products, numbers, (weights[:, None] * design)[:, None, :] * values.T[:, :, None])
    return squares, products.transpose(1, 0, 2)


def _solved(squares: np.ndarray, products: np.ndarray) -> np.ndarray:
    """Coefficients [D, k] of systems [D, k, k] and [D, k]; NaN where a system does not determine them."""
    scale = np.sqrt(np.maximum(np.diagonal(squares, axis1=1, axis2=2), 1e-300))  # so that units do not count
    scaled = squares / (scale[:, :, None] * scale[:, None, :])
    good = np.linalg.cond(scaled) < LARGEST_CONDITION
    found = np.full(products.shape, np.nan)
    found[good] = np.linalg.solve(scaled[good], (products / scale)[good][:, :, None])[:, :, 0] / scale[good]
    return found
