"""Arms of a comparison from the answers to single items: accuracies, paired differences, costs, and the verdict on a claim.

An item table has a row per arm, seed, probe and test item: ``arm``, ``seed``, ``probe``, ``id``, ``cluster`` (what belongs together, such as the
drawings of one concept), ``correct``, and ``views``, how many views its encoder saw.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache

import pandas as pd

from stablerep.statistics.crossed import crossed_mean
from stablerep.statistics.verdict import MARGIN

DIFFERENCE_COLUMNS = [
    "claim", "probe", "first", "second", "difference", "low", "high", "visible", "p_for", "p_against", "seeds", "clusters",
]  # fmt: skip
TOLERANCE = 0.01  # share of the views by which arms may differ without a word


@dataclass(frozen=True)
class Pair:
    """Two arms that a claim compares: the first is better, or, with ``at_least``, as good to within the margin."""

    claim: str
    first: str
    second: str
    at_least: bool = False


def cluster_means(items: pd.DataFrame) -> pd.DataFrame:
    """Accuracy of each arm, probe, seed and cluster: ``arm``, ``probe``, ``seed``, ``cluster``, ``correct``, ``items``."""
    _need(items, "arm", "probe", "seed", "cluster", "correct")
    by = items.groupby(["arm", "probe", "seed", "cluster"], sort=False)["correct"]
    return by.agg(correct="mean", items="size").reset_index()


def seed_means(items: pd.DataFrame) -> pd.DataFrame:
    """Accuracy of each arm, probe and seed, clusters weighing the same: ``arm``, ``probe``, ``seed``, ``accuracy``, ``views``."""
    _need(items, "views")
    known = cluster_means(items)
    views = items.groupby(["arm", "probe", "seed"], sort=False)["views"].first()
    means = known.groupby(["arm", "probe", "seed"], sort=False)["correct"].mean()
    return pd.DataFrame({"accuracy": means, "views": views}).reset_index()


def summarize(items: pd.DataFrame) -> pd.DataFrame:
    """Accuracy by arm and probe, every cluster weighing the same.

    Returns:
        ``arm``, ``probe``, ``accuracy``; ``low`` and ``high``: 95 % interval over clusters and seeds
        (:func:`stablerep.statistics.crossed.crossed_mean`; over clusters alone for one seed); ``items``, ``clusters``, ``seeds``, ``views``.

    Raises:
        ValueError: a missing column, or seeds that answered different clusters.
    """
    _need(items, "views")
    rows, known = [], cluster_means(items)
    views = items.groupby(["arm", "probe"], sort=False)["views"].first()
    for (arm, probe), part in known.groupby(["arm", "probe"], sort=False):
        found = crossed_mean(_table(part, f"{arm} on {probe}").to_numpy())
        # of a share: with few clusters an interval by Student's t may end beyond
        low, high = (min(max(end, 0.0), 1.0) for end in found.interval())
        rows.append({
            "arm": arm, "probe": probe, "accuracy": found.mean, "low": low, "high": high,
            "items": int(part["items"].sum() / found.seeds), "clusters": found.clusters, "seeds": found.seeds,
            "views": int(views[arm, probe]),
        })  # fmt: skip
    return pd.DataFrame(rows)


def differences(items: pd.DataFrame, pairs: Sequence[Pair], *, margin: float = MARGIN) -> pd.DataFrame:
    """Paired differences on the same clusters and seeds.

    Args:
        pairs: those of which an arm was not run are left out. margin: of "as good": see :func:`stablerep.statistics.verdict`.

    Returns:
        ``claim``, ``probe``, ``first``, ``second``; ``difference`` (of shares: 0.01 is a point), ``low`` and ``high``, 95 % over clusters
        and seeds; ``visible``, the smallest difference that would be seen with 80 % power; ``p_for`` and ``p_against``, one-sided
        p-values of lying above and below the claim's bound; ``seeds`` and ``clusters``. The columns are there when no pair was run, too.

    Raises:
        ValueError: a missing column, or two arms of a pair that answered different clusters or were run at different seeds.
    """
    rows, known = [], cluster_means(items)
    for probe, part in known.groupby("probe", sort=False):
        arms = dict(list(part.groupby("arm")))

        @cache  # an arm stands in many pairs
        def tables(name: str) -> tuple[pd.DataFrame, pd.DataFrame]:
            return _table(arms[name], f"{name} on {probe}"), _table(arms[name], "", "items")

        for pair in pairs:
            if pair.first in arms and pair.second in arms:
                (first, asked), (second, asked_too) = tables(pair.first), tables(pair.second)
                same = first.index.equals(second.index) and first.columns.equals(second.columns)
                if not same or not asked.equals(asked_too):
                    raise ValueError(
                        f"{pair.first} and {pair.second} answered different items or seeds on {probe}; a pair needs the same."
                    )
                found, bound = crossed_mean((first - second).to_numpy()), -margin if pair.at_least else 0.0
                low, high = found.interval()
                rows.append({
                    "claim": pair.claim, "probe": probe, "first": pair.first, "second": pair.second, "difference": found.mean,
                    "low": low, "high": high, "visible": found.visible(), "p_for": found.above(bound),
                    "p_against": found.below(bound), "seeds": found.seeds, "clusters": found.clusters,
                })  # fmt: skip
    return pd.DataFrame(rows, columns=DIFFERENCE_COLUMNS)


def _table(means: pd.DataFrame, name: str, values: str = "correct") -> pd.DataFrame:
    """Means, or numbers of items, of one arm and probe, seeds by clusters, both sorted."""
    table = means.pivot(index="seed", columns="cluster", values=values).sort_index(axis=1)
    if table.isna().any(axis=None):
        lost = table.columns[table.isna().any()][0]
        raise ValueError(f"{name} has no answer about {lost!r} in some seed; every seed answers the same clusters.")
    return table


def costs(items: pd.DataFrame) -> pd.DataFrame:
    """What each trained arm cost, from rows with ``arm``, ``seed``, ``views``, ``weights`` and ``seconds``.

    Returns:
        ``arm``; ``views`` and ``weights`` (means over seeds); ``seconds`` of training by the median seed, on whatever machine trained it;
        ``time`` as a multiple of the first arm's. Arms without views were not trained and are left out.
    """
    _need(items, "arm", "seed", "views", "weights", "seconds")
    each = items.drop_duplicates(["arm", "seed"])
    table = each[each["views"] > 0].groupby("arm", sort=False).agg(
        views=("views", "mean"), weights=("weights", "mean"), seconds=("seconds", "median")
    ).reset_index()  # fmt: skip
    return table.assign(time=table["seconds"] / table["seconds"].iloc[0] if len(table) else [])


def views_sentence(arms: pd.DataFrame, *, tolerance: float = TOLERANCE) -> str:
    """Markdown: how many views every arm saw, or, where two differ by more than ``tolerance`` of the larger, which saw how many.

    Args:
        arms: rows with ``arm`` and ``views``; arms without views were not trained and are left out.
    """
    views = arms[arms["views"] > 0].groupby("arm", sort=False)["views"].mean()
    if views.empty:
        return "No arm was trained."
    if views.max() - views.min() <= tolerance * views.max():
        return f"Every trained arm saw {views.max():,.0f} views."
    each = ", ".join(f"{name} {count:,.0f}" for name, count in views.items())
    return f"**The arms did not see the same number of views** ({each}): part of a difference may be due to that."


def _need(items: pd.DataFrame, *columns: str) -> None:
    missing = [name for name in columns if name not in items]
    if missing:
        raise ValueError(f"items lack {', '.join(missing)}; {', '.join(columns)} are needed.")
