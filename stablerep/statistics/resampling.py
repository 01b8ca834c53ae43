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


def crossed_bootstrap(
    values: np.ndarray, clusters: Sequence | None = None, *, draws: int = 2000, seed: int = 0
) -> np.ndarray:
    """Bootstrap draws of a mean over seeds and items, both resampled: whole rows and whole clusters of columns.

    Every seed answers the same items, so the two are crossed, not nested: a draw picks seeds and, on its own, clusters, and a value
    counts as often as its seed times as often as its cluster (the pigeonhole bootstrap: Owen 2007). Its variance holds that of seeds and
    that of clusters; what belongs to a seed and a cluster together counts up to three times, which is on the safe side. One seed is not
    resampled: the draws are those of :func:`bootstrap_mean`.

    A few seeds are too few for resampling to know how seeds vary: S seeds spread their draws by (S - 1) / S of the variance, and never
    beyond the lowest and the highest seed. In 1000 simulated studies of 40 concepts in which seeds and concepts made equal errors, 95 %
    intervals over three seeds held the truth in 89 %, over ten in 93 %, and those over concepts alone in 80 to 83 %; where the error of
    seeds was three times that of concepts, they did in 78 % over three seeds and in 91 % over ten.

    Args:
        values: [S, N], a row per seed, a column per item. clusters: [N] names; None makes every item its own cluster.

    Returns:
        float64 [draws].

    Raises:
        ValueError: values of another shape, without entries or not finite, or another number of clusters than of columns.
    """
    values = np.asarray(values, float)
    if values.ndim != 2 or not values.size or not np.isfinite(values).all():
        raise ValueError(
            f"values have shape {values.shape}, or are not all finite; finite [S, N] with S and N at least 1 is needed."
        )
    numbers = _cluster_numbers(clusters, values.shape[1])
    size = np.bincount(numbers)
    total = np.stack([np.bincount(numbers, row) for row in values])  # seeds x clusters
    rng = np.random.default_rng(seed)
    picked = rng.multinomial(
        len(size), np.full(len(size), 1 / len(size)), size=draws
    )  # first, as in bootstrap_mean; draws x clusters
    rows = rng.multinomial(len(total), np.full(len(total), 1 / len(total)), size=draws)  # draws x seeds
    return ((rows @ total) * picked).sum(1) / (len(total) * (picked @ size))


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


def _above_zero(draws: np.ndarray) -> float:
    """Share of draws above zero; ties count half."""
    return float((draws > 0).mean() + 0.5 * (draws == 0).mean())


def mean_with_interval(
    values: Sequence[float], clusters: Sequence | None = None, *, level: float = 0.95, seed: int = 0
) -> dict:
    """``mean``, ``low``, ``high`` and ``n`` of values in clusters."""
    low, high = interval(bootstrap_mean(values, clusters, seed=seed), level)
    return {"mean": float(np.mean(values)), "low": low, "high": high, "n": len(values)}


def paired_difference(
    first: Sequence[float],
    second: Sequence[float],
    clusters: Sequence | None = None,
    *,
    level: float = 0.95,
    seed: int = 0,
) -> dict:
    """Mean of ``first - second`` on the same items, its interval, and the bootstrap share of draws above zero, P(A > B)."""
    if len(first) != len(second):
        raise ValueError(f"{len(first)} and {len(second)} values; pairs need the same items in the same order.")
    gap = np.asarray(first, float) - np.asarray(second, float)
    draws = bootstrap_mean(gap, clusters, seed=seed)
    low, high = interval(draws, level)
    return {"difference": float(gap.mean()), "low": low, "high": high, "p_better": _above_zero(draws), "n": len(gap)}


def paired_difference_over_seeds(
    first: pd.DataFrame, second: pd.DataFrame, *, level: float = 0.95, draws: int = 2000, seed: int = 0
) -> dict:
    """How much better one arm is than another, as far as other clusters (concepts, say) and other seeds would say the same.

    Items are paired by ``id`` and seeds by ``seed``: arms of one seed share what the seed decides, such as the synthetic images. Seeds and
    clusters are resampled by :func:`crossed_bootstrap`, whose docstring says what few seeds can show. With one seed this is
    :func:`paired_difference` over clusters, blind to how seeds vary.

    Args:
        first: one arm on one probe, a row per seed and item: ``seed``, ``id``, ``cluster``, ``correct`` (other columns are ignored), as
            in the item tables of :mod:`stablerep.statistics.arms`. second: the other arm, the same seeds and items in any order.

    Returns:
        ``difference`` (mean of first - second), ``low``, ``high``, ``p_better`` (share of draws above zero, ties half: P(A > B)),
        ``seeds`` and ``n`` (items).

    Raises:
        ValueError: a missing column, no rows, an item twice in a seed (two probes or arms in one table), missing from a seed or of two
            clusters, a ``correct`` that is not finite, or arms with other seeds, items or clusters.
    """
    (one, cluster), (other, other_cluster) = _by_seed(first, "first"), _by_seed(second, "second")
    for what, a, b in (("seeds", one.index, other.index), ("ids", one.columns, other.columns)):
        alone = a.symmetric_difference(b)
        if len(alone):
            raise ValueError(
                f"{what} {alone[:3].tolist()} are in one arm only ({len(alone)} in all); pairs need the same {what} in both."
            )
    if not cluster.equals(other_cluster):
        raise ValueError(
            f"id {cluster.index[cluster != other_cluster][0]!r} has another cluster in each arm; pairs need the same."
        )
    gap = (one - other).to_numpy()  # seeds x items
    drawn = crossed_bootstrap(gap, cluster, draws=draws, seed=seed)
    low, high = interval(drawn, level)
    return {
        "difference": float(gap.mean()), "low": low, "high": high, "p_better": _above_zero(drawn), "seeds": len(gap), "n": gap.shape[1],
    }  # fmt: skip


def _by_seed(items: pd.DataFrame, name: str) -> tuple[pd.DataFrame, pd.Series]:
    """``correct`` as a table of sorted seeds x ids, and the cluster of each id in the same order."""
    missing = [column for column in ("seed", "id", "cluster", "correct") if column not in items]
    if missing or items.empty:
        raise ValueError(
            f"{name} has {len(items)} rows and lacks {missing}; rows with seed, id, cluster and correct are needed."
        )
    twice = items.duplicated(["seed", "id"])
    if twice.any():
        raise ValueError(
            f"{name} has id {items.loc[twice, 'id'].iloc[0]!r} twice in a seed; give the rows of one arm and one probe."
        )
    table = items.pivot(index="seed", columns="id", values="correct").astype(float)
    if not np.isfinite(table.to_numpy()).all():
        found = table.columns[~np.isfinite(table).all(axis=0)][0]
        raise ValueError(f"{name} has no finite correct of id {found!r} in some seed; every seed needs every item.")
    clusters = items.groupby("id")["cluster"]
    several = clusters.nunique(dropna=False) > 1
    if several.any():
        raise ValueError(f"{name} has id {several.index[several][0]!r} under two clusters; an item belongs to one.")
    return table, clusters.first()


def over_seeds(values: Sequence[float], *, level: float = 0.95) -> dict:
    """Mean and Student-t interval over seeds. One seed has no interval: ``low`` and ``high`` are NaN."""
    from scipy import stats

    values = np.asarray(values, float)
    if not len(values):
        raise ValueError("there are no values; a mean over seeds needs at least one.")
    half = np.nan
    if len(values) > 1:
        half = stats.t.ppf((1 + level) / 2, len(values) - 1) * values.std(ddof=1) / np.sqrt(len(values))
    return {
        "mean": float(values.mean()),
        "low": float(values.mean() - half),
        "high": float(values.mean() + half),
        "n": len(values),
    }
