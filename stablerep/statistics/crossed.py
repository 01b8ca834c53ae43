"""A mean over seeds and clusters of items that are crossed: every seed answers about the same clusters.

A number from a few seeds and a few hundred concepts is uncertain in two ways: other seeds would have trained another encoder, and other
concepts would have asked other questions. Both belong in its interval. The model is the crossed one with random effects of seeds and
of clusters,

.. math:: x_{sc} = \\mu + a_s + b_c + e_{sc},

whose variance components follow from the mean squares of the two-way analysis of variance. The degrees of freedom are the smaller of two
numbers: Satterthwaite's (1946), and those of seeds and of clusters weighed by their mean squares. Satterthwaite's alone are too many
where seeds and clusters both have components (95 % intervals over three seeds missed the truth in up to 7.7 % of simulated studies), the
others where clusters have none (7.6 %). The smaller of the two missed it in at most 5.9 % over three seeds and 4.9 % over five, but in 9 %
over two, which is why verdicts ask for three.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

import numpy as np

from stablerep.errors import InputError


@dataclass(frozen=True)
class CrossedMean:
    """A mean with its error.

    Attributes:
        mean: of all entries. error: its standard error, NaN where it is not known.
        freedom: degrees of freedom of the error, NaN where it is not known.
        seeds, clusters: how many of each. With one seed the error is that of clusters alone, blind to how seeds vary.
    """

    mean: float
    error: float
    freedom: float
    seeds: int
    clusters: int

    def interval(self, level: float = 0.95) -> tuple[float, float]:
        """The central ``level`` by Student's t."""
        from scipy.special import stdtrit

        half = stdtrit(self.freedom, (1 + level) / 2) * self.error if self.error else self.error
        return float(self.mean - half), float(self.mean + half)

    def above(self, bound: float) -> float:
        """One-sided p-value of the hypothesis that the true mean is not above ``bound``."""
        from scipy.special import stdtr

        if not self.error > 0:
            return math.nan if math.isnan(self.error) else float(self.mean <= bound)
        return float(stdtr(self.freedom, (bound - self.mean) / self.error))

    def below(self, bound: float) -> float:
        """One-sided p-value of the hypothesis that the true mean is not below ``bound``."""
        return replace(self, mean=-self.mean).above(-bound)

    def visible(self, *, power: float = 0.8, level: float = 0.95) -> float:
        """The smallest true difference that an interval of this width would tell from zero with this power."""
        from scipy.special import stdtrit

        quantiles = stdtrit(self.freedom, (1 + level) / 2) + stdtrit(self.freedom, power)
        return float(quantiles * self.error)


def crossed_mean(values: np.ndarray) -> CrossedMean:
    """The mean of a table and its error, by the analysis of variance of its rows and columns.

    Where the components of seeds and clusters add up to less than one of them alone, which happens by chance, the larger of the two
    counts.

    Args:
        values: [S, C], a row per seed, a column per cluster, all finite. Every cluster weighs the same.

    Raises:
        InputError: values of another shape, without entries, or not finite.
    """
    values = np.asarray(values, float)
    if values.ndim != 2 or not values.size or not np.isfinite(values).all():
        raise InputError(
            f"values have shape {values.shape}, or are not all finite; finite [S, C] with S and C at least 1 is needed."
        )
    seeds, clusters = values.shape
    mean = float(values.mean())
    if clusters == 1:
        return CrossedMean(mean, math.nan, math.nan, seeds, clusters)
    if seeds == 1:
        return CrossedMean(mean, float(values.std(ddof=1) / math.sqrt(clusters)), clusters - 1.0, seeds, clusters)
    return _of_squares(mean, *_mean_squares(values), seeds, clusters)


def planned(values: np.ndarray, seeds: int, clusters: int) -> CrossedMean:
    """What :func:`crossed_mean` is expected to find of another study of this size, from the variance components of a pilot.

    Args:
        values: [S, C] of the pilot, S and C at least 2.

    Raises:
        InputError: a pilot of one seed or cluster, from which no components follow, or a study that has less than two of each.
    """
    values = np.asarray(values, float)
    if values.ndim != 2 or min(values.shape) < 2 or min(seeds, clusters) < 2:
        raise InputError(
            f"a pilot of shape {values.shape} is to plan {seeds} seeds and {clusters} clusters; two of each are needed."
        )
    of_rows, of_columns, rest = _mean_squares(values)
    of_seeds = max(0.0, of_rows - rest) / values.shape[1]
    of_clusters = max(0.0, of_columns - rest) / values.shape[0]
    squares = clusters * of_seeds + rest, seeds * of_clusters + rest, rest
    return _of_squares(float(values.mean()), *squares, seeds, clusters)


def _mean_squares(values: np.ndarray) -> tuple[float, float, float]:
    """Of seeds, of clusters, and of what is left."""
    seeds, clusters = values.shape
    mean = values.mean()
    rows, columns = values.mean(1) - mean, values.mean(0) - mean
    rest = values - mean - rows[:, None] - columns
    return (
        clusters * (rows**2).sum() / (seeds - 1), seeds * (columns**2).sum() / (clusters - 1),
        (rest**2).sum() / ((seeds - 1) * (clusters - 1)),
    )  # fmt: skip


def _of_squares(mean: float, rows: float, columns: float, rest: float, seeds: int, clusters: int) -> CrossedMean:
    total = max(rows + columns - rest, rows, columns)
    if not total:
        return CrossedMean(mean, 0.0, math.inf, seeds, clusters)
    of_rows, of_columns = seeds - 1, clusters - 1
    weighed = (rows + columns) / (rows / of_rows + columns / of_columns)
    satterthwaite = total**2 / (rows**2 / of_rows + columns**2 / of_columns + rest**2 / (of_rows * of_columns))
    freedom = max(min(of_rows, of_columns), min(weighed, satterthwaite))
    return CrossedMean(mean, math.sqrt(total / (seeds * clusters)), float(freedom), seeds, clusters)
