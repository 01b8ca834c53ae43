"""Disparity: how far the accuracies of groups lie apart, less what they would lie apart by chance.

The mean, the best and the worst class are easily read, and easily read wrongly: the best of many classes is partly the luckiest, and
the worst the unluckiest, so that their distance grows with the number of groups and with the error of each, whatever is true. Two numbers stand
beside it here. One is the distance that shuffled groups have. The other is the variance between groups without its bias (Lum, Zhang and Bower,
2022, *De-biasing "bias" measurement*, arXiv 2205.05770): with estimates :math:`\\hat\\mu_g` of K groups and their covariance :math:`\\Sigma`,

.. math:: E\\Big[\\frac{1}{K - 1} \\sum_g (\\hat\\mu_g - \\bar\\mu)^2\\Big]
    = V + \\frac{1}{K - 1} \\Big(\\operatorname{tr} \\Sigma - \\frac{1}{K} \\sum_{gh} \\Sigma_{gh}\\Big),

and the second term is subtracted. For groups that share no items :math:`\\Sigma` is diagonal, and the term is the mean sampling variance, as in
the paper. Here concepts show several groups and every seed answers about all of them, so that the errors of groups are alike, and their
covariance counts.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from stablerep.audits.groups import FEWEST, answers_by_item, gains_by_item
from stablerep.errors import InputError
from stablerep.statistics import crossed_mean, interval

DRAWS = 1000  # of the bootstrap, and of shuffled groups
MOST = 1e6  # numbers that are shuffled at a time
_SPREAD = [
    "groups", "suppressed", "mean", "low", "high", "best", "most", "worst", "least", "range", "chance", "chance_high", "p",
    "naive", "variance", "variance_low", "variance_high", "items", "clusters", "seeds",
]  # fmt: skip
ARM_COLUMNS, PAIR_COLUMNS = ["attribute", "arm", *_SPREAD], ["attribute", "first", "second", *_SPREAD]


@dataclass(frozen=True)
class Between:
    """The variance between groups.

    Attributes:
        naive: of the groups' estimates, K - 1 below. value: less its bias; below zero where they lie closer together than their errors foretell.
        low, high: 95 % interval of ``value``.
    """

    naive: float
    value: float
    low: float
    high: float


def between_groups(values: np.ndarray, *, draws: int = DRAWS, seed: int = 0) -> Between:
    """The variance between the means of groups without its bias (Lum, Zhang and Bower 2022), where clusters may show several groups.

    The covariance of the means is that of clusters and that of seeds less that of what is left, as in
    :func:`stablerep.statistics.crossed_mean`. The interval is a bootstrap of clusters and seeds. A draw has the bias twice, once from the
    study and once from the draw: draws are moved so that their mean is ``value``, which is what the paper's double correction does on average.

    Args:
        values: [K, C, S], the mean of each group in each cluster at each seed; NaN where a cluster does not show the group.

    Raises:
        InputError: fewer than two groups, a group in fewer than two clusters, or a cluster that shows a group in some seeds alone.
    """
    values = np.asarray(values, float)
    if values.ndim != 3 or len(values) < 2:
        raise InputError(f"values have shape {values.shape}; [K, C, S] with two groups at least is needed.")
    shown = np.isfinite(values)
    if (shown != shown[:, :, :1]).any() or (shown[:, :, 0].sum(1) < 2).any():
        raise InputError("every group needs two clusters at least, and a cluster shows the same groups in every seed.")
    shown = shown[:, :, 0]
    filled = np.where(shown[:, :, None], values, 0.0)
    counts = shown.sum(1)
    by_seed = filled.sum(1) / counts[:, None]  # [K, S]
    means = by_seed.mean(1)
    naive = float(means.var(ddof=1))
    value = naive - _bias(filled, shown, counts, by_seed)
    moved = _bootstrapped(filled, shown, draws, seed)
    low, high = interval(moved - moved.mean() + value)
    return Between(naive, value, low, high)


def _bias(filled: np.ndarray, shown: np.ndarray, counts: np.ndarray, by_seed: np.ndarray) -> float:
    """What errors add to the variance between groups, on average."""
    seeds, means = filled.shape[2], by_seed.mean(1)
    scale = (shown / np.sqrt(counts * (counts - 1.0))[:, None])[:, :, None]  # a cluster's part in the mean of a group
    of_cluster = filled.mean(2, keepdims=True)
    clusters = _excess(((of_cluster - means[:, None, None]) * scale)[:, :, 0])
    if seeds == 1:
        return clusters
    often = math.sqrt(seeds * (seeds - 1.0))
    of_seeds = _excess((by_seed - means[:, None]) / often)
    rest = (filled - of_cluster - by_seed[:, None, :] + means[:, None, None]) * scale
    left = _excess(rest.reshape(len(rest), -1) / often)
    return max(clusters + of_seeds - left, clusters, of_seeds)


def _excess(parts: np.ndarray) -> float:
    """(tr Sigma - sum Sigma / K) / (K - 1) of Sigma = parts @ parts.T, for parts [K, N]."""
    return float(((parts - parts.mean(0)) ** 2).sum() / (len(parts) - 1))


def _bootstrapped(filled: np.ndarray, shown: np.ndarray, draws: int, seed: int) -> np.ndarray:
    """The variance between groups in draws of clusters and seeds, [at most draws]: without those that lost a group."""
    groups, clusters, seeds = filled.shape
    rng = np.random.default_rng(seed)
    weights = rng.multinomial(clusters, np.full(clusters, 1 / clusters), size=draws).astype(float)
    of_seeds = rng.multinomial(seeds, np.full(seeds, 1 / seeds), size=draws) / seeds
    sums = (weights @ filled.transpose(1, 0, 2).reshape(clusters, -1)).reshape(draws, groups, seeds)
    sizes = weights @ shown.T
    whole = (sizes > 0).all(1)
    return ((sums * of_seeds[:, None, :]).sum(2)[whole] / sizes[whole]).var(axis=1, ddof=1)


def ranges_by_chance(values: np.ndarray, *, draws: int = DRAWS, seed: int = 0) -> np.ndarray:
    """Highest less lowest mean of a group when groups say nothing: they are shuffled within each cluster that shows several, or, where every
    cluster shows one alone, over all clusters. [draws]

    Args:
        values: [K, C], the mean of each group in each cluster; NaN where a cluster does not show the group.
    """
    rng, shown = np.random.default_rng(seed), np.isfinite(values)
    counts = shown.sum(1)
    if not (shown.sum(0) > 1).any():
        there = shown.any(0)
        group, known = shown[:, there].argmax(0), values[:, there][shown[:, there].argmax(0), np.arange(there.sum())]
        means = [np.bincount(group, rng.permutation(known), len(values)) / counts for _ in range(draws)]
        return np.ptp(np.array(means), axis=1)
    # those that a cluster shows come first, in random order, and go to the places of those that it shows
    filled, places = np.where(shown, values, 0.0)[None], np.argsort(~shown, axis=0, kind="stable")[None]
    found, size = [], max(1, int(MOST / values.size))  # draws at a time
    for count in [size] * (draws // size) + [draws % size] * (draws % size > 0):
        order = np.argsort(np.where(shown, rng.random((count, *values.shape)), 2.0), axis=1)
        shuffled = np.zeros((count, *values.shape))
        np.put_along_axis(shuffled, places, np.take_along_axis(filled, order, axis=1), axis=1)
        found.append(np.ptp(shuffled.sum(2) / counts, axis=1))
    return np.concatenate(found)


def arm_disparities(items: pd.DataFrame, classes: Mapping[str, Sequence[str]]) -> pd.DataFrame:
    """How far groups lie apart in each arm: the mean, the best and the worst, and what of their distance is more than chance.

    Groups of fewer than ``FEWEST`` = 30 items, or of one cluster, are suppressed, and counted.

    Args:
        items: ``arm``, ``seed``, ``id``, ``cluster``, ``correct`` and a column for each attribute. classes: the groups of each attribute; the
            classes of a probe are one too.

    Returns:
        ``attribute``, ``arm``; ``groups`` that count, and ``suppressed``; ``mean`` over clusters with ``low`` and ``high``, 95 % over clusters and
        seeds; ``best`` and ``worst`` group with their accuracies ``most`` and ``least``, and ``range`` between; ``chance`` and ``chance_high``,
        mean and 95 % quantile of the range of shuffled groups, and ``p``, how often it is as large; ``naive``, the variance between
        groups, ``variance``, without its bias, and its interval (:func:`between_groups`); ``items``, ``clusters``, ``seeds``. An attribute of
        which fewer than two groups count has no row.
    """
    rows = []
    for arm, mine in items.groupby("arm", sort=False):
        answers, about = answers_by_item(mine)
        rows += [{"attribute": name, "arm": arm} | found for name, found in _spreads(answers, about, classes)]
    return pd.DataFrame(rows, columns=ARM_COLUMNS)


def pair_disparities(
    items: pd.DataFrame, pairs: Sequence[tuple[str, str]], classes: Mapping[str, Sequence[str]]
) -> pd.DataFrame:
    """How far apart groups lie in what one arm gains on another: as :func:`arm_disparities`, with ``first`` and ``second`` in place of ``arm``,
    and differences of accuracies in place of accuracies. Pairs of which one arm was not run are left out.

    Raises:
        InputError: two arms of a pair that answered different items or were run at different seeds.
    """
    rows = []
    for first, second, gains, about in gains_by_item(items, pairs):
        found = _spreads(gains, about, classes)
        rows += [{"attribute": name, "first": first, "second": second} | each for name, each in found]
    return pd.DataFrame(rows, columns=PAIR_COLUMNS)


def _spreads(
    answers: pd.DataFrame, about: pd.DataFrame, classes: Mapping[str, Sequence[str]]
) -> list[tuple[str, dict]]:
    """By attribute what :func:`arm_disparities` returns of it, of answers [items, seeds] and what the items are about."""
    clusters = pd.Index(sorted(about["cluster"].unique()))
    overall = crossed_mean(answers.groupby(about["cluster"]).mean().to_numpy().T)
    low, high = overall.interval()
    found = []
    for attribute, names in classes.items():
        means, kept = [], []
        there = [name for name in names if (about[attribute] == name).any()]
        for name in there:
            inside = about[attribute] == name
            mine = answers[inside].groupby(about["cluster"][inside]).mean()
            if inside.sum() >= FEWEST and len(mine) > 1:
                means.append(mine.reindex(clusters).to_numpy())
                kept.append(name)
        if len(kept) < 2:
            continue
        values = np.stack(means)  # [K, C, S]
        of_group = np.nanmean(values.mean(2), axis=1)
        spread, between = float(np.ptp(of_group)), between_groups(values)
        chance = ranges_by_chance(values.mean(2))
        found.append((attribute, {
            "groups": len(kept), "suppressed": len(there) - len(kept), "mean": overall.mean, "low": low, "high": high,
            "best": kept[int(of_group.argmax())], "most": float(of_group.max()),
            "worst": kept[int(of_group.argmin())], "least": float(of_group.min()), "range": spread,
            "chance": float(chance.mean()), "chance_high": float(np.quantile(chance, 0.95)),
            "p": float((1 + (chance >= spread - 1e-12).sum()) / (1 + len(chance))),
            "naive": between.naive, "variance": between.value, "variance_low": between.low, "variance_high": between.high,
            "items": len(answers), "clusters": len(clusters), "seeds": answers.shape[1],
        }))  # fmt: skip
    return found
