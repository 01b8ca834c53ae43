"""Many numbers, one statement: an average over data sets, a family of claims."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import pandas as pd

from stablerep.statistics.resampling import over_seeds


def interquartile_mean(values: np.ndarray) -> float | np.ndarray:
    """Mean of the middle half of the values (Agarwal et al. 2021, section 4.3): a few data sets cannot carry it, unlike a mean.

    The lowest and the highest ``floor(N / 4)`` are left out, as in the authors' rliable; up to three values have their plain mean.

    Args:
        values: finite [..., N], N at least 1, in any order.

    Returns:
        [...]; a float for [N].

    Raises:
        ValueError: no values, or some that are not finite.
    """
    values = np.asarray(values, float)
    if not values.ndim or not values.size or not np.isfinite(values).all():
        raise ValueError(
            f"values have shape {values.shape}, or are not all finite; finite [..., N] with N at least 1 is needed."
        )
    cut = values.shape[-1] // 4
    middle = np.sort(values, axis=-1)[..., cut : values.shape[-1] - cut].mean(-1)
    return middle if middle.ndim else float(middle)


def iqm_with_interval(table: pd.DataFrame, *, level: float = 0.95) -> dict:
    """Interquartile mean over data sets (Agarwal et al. 2021, section 4.3), averaged over seeds, with an interval by Student's t over seeds.

    A seed is one encoder that is asked about every data set, so its values belong together and are summarized first; Agarwal et al. resample
    seeds within each data set, which is right where each was trained for itself, and too narrow here. The interval says what
    other seeds would give on these data sets, and nothing about other data sets. Values of data sets must be comparable, such as shares of
    right answers or differences to a baseline.

    Args:
        table: a row per data set and seed: ``data_set``, ``seed``, ``value``; the same seeds in every data set.

    Returns:
        ``iqm``, ``low``, ``high`` (NaN for one seed, which has no interval), ``data_sets`` and ``seeds``.

    Raises:
        ValueError: a missing column, no rows, a seed twice in a data set, or one that is not in all of them, or values that are not finite.
    """
    missing = [column for column in ("data_set", "seed", "value") if column not in table]
    if missing or table.empty:
        raise ValueError(
            f"the table has {len(table)} rows and lacks {missing}; rows with data_set, seed and value are needed."
        )
    twice = table.duplicated(["data_set", "seed"])
    if twice.any():
        name, which = table.loc[twice, ["data_set", "seed"]].iloc[0]
        raise ValueError(f"data set {name!r} has seed {which} twice; give one row per data set and seed.")
    values = table.pivot(index="seed", columns="data_set", values="value")
    counts = table.groupby("seed")["data_set"].nunique()
    if (counts < values.shape[1]).any():
        raise ValueError(
            f"seed {counts.idxmin()} has {counts.min()} of {values.shape[1]} data sets; each seed needs all of them."
        )
    found = over_seeds(interquartile_mean(values.to_numpy(float)), level=level)
    return {
        "iqm": found["mean"], "low": found["low"], "high": found["high"], "data_sets": values.shape[1], "seeds": len(values),
    }  # fmt: skip


def holm(p_values: Mapping[str, float] | pd.Series, *, alpha: float = 0.05) -> pd.DataFrame:
    r"""Holm's step-down adjustment for a family of claims (Holm 1979, section 3), whatever their dependence.

    .. math:: \tilde p_{(i)} = \max_{j \le i} \min(1, (m - j + 1) \, p_{(j)})

    with p_(1) <= ... <= p_(m). Rejecting where the adjusted p is at most ``alpha`` makes a false rejection anywhere in the family at most
    that likely. A one-sided p of "A is better" from bootstrap draws is 1 - p_better, but no less than 1 / draws. For a claim that needs
    all of its pairs it is the largest of theirs.

    Args:
        p_values: claim -> p. alpha: not called ``level``, which is 0.95 where intervals are meant.

    Returns:
        A row per claim in the given order, the claims as index: ``p``, ``adjusted``, ``rejected``.

    Raises:
        ValueError: no claims, a claim twice, a p outside of 0 to 1, or an alpha that is not between them.
    """
    from statsmodels.stats.multitest import multipletests

    p = pd.Series(p_values, dtype=float, name="p")
    if p.empty:
        raise ValueError("there are no p-values; a family needs at least one claim.")
    if not p.index.is_unique:
        raise ValueError(f"claim {p.index[p.index.duplicated()][0]!r} has several p-values; each claim needs one.")
    if not p.between(0, 1).all():
        name = p.index[~p.between(0, 1)][0]
        raise ValueError(f"p of {name!r} is {p[name]}; a p-value lies from 0 to 1.")
    if not 0 < alpha < 1:
        raise ValueError(f"alpha is {alpha}; it must lie between 0 and 1.")
    adjusted = multipletests(p.to_numpy(), alpha=alpha, method="holm")[1]
    return pd.DataFrame({"p": p, "adjusted": adjusted, "rejected": adjusted <= alpha}, index=p.index)
