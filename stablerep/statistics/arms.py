"""Arms of a comparison from the answers to single items: accuracies, paired differences, costs, and the verdict on a claim.

An item table has a row per arm, seed, probe and test item: ``arm``, ``seed``, ``probe``, ``id``, ``cluster`` (what is resampled together),
``correct``, and ``views``, how many views its encoder saw.
"""

from __future__ import annotations

from collections.abc import Sequence

import pandas as pd

from stablerep.statistics.resampling import mean_with_interval, over_seeds, paired_difference
from stablerep.statistics.verdict import Verdict, verdict

TOLERANCE = 0.01  # share of the views by which arms may differ without a word


def seed_means(items: pd.DataFrame) -> pd.DataFrame:
    """Accuracy of each arm, probe and seed: ``arm``, ``probe``, ``seed``, ``accuracy``, ``views``."""
    _need(items, "arm", "probe", "seed", "correct", "views")
    return (
        items.groupby(["arm", "probe", "seed"], sort=False)
        .agg(accuracy=("correct", "mean"), views=("views", "first"))
        .reset_index()
    )


def summarize(items: pd.DataFrame) -> pd.DataFrame:
    """Accuracy by arm and probe.

    Returns:
        ``arm``, ``probe``, ``accuracy``; ``low`` and ``high``: 95 % bootstrap over clusters of the accuracy averaged over seeds; ``items``;
        ``seeds``; ``seed_low`` and ``seed_high``: Student-t interval over seeds (NaN for one seed); ``views``.

    Raises:
        ValueError: a missing column.
    """
    _need(items, "arm", "probe", "seed", "id", "cluster", "correct", "views")
    rows = []
    for (arm, probe), part in items.groupby(["arm", "probe"], sort=False):
        by_item = part.groupby("id").agg(correct=("correct", "mean"), cluster=("cluster", "first"))
        seeds = over_seeds(part.groupby("seed")["correct"].mean())
        row = mean_with_interval(by_item["correct"], by_item["cluster"])
        rows.append({
            "arm": arm, "probe": probe, "accuracy": row["mean"], "low": row["low"], "high": row["high"], "items": row["n"],
            "seeds": seeds["n"], "seed_low": seeds["low"], "seed_high": seeds["high"], "views": int(part["views"].iloc[0]),
        })  # fmt: skip
    return pd.DataFrame(rows)


def differences(items: pd.DataFrame, pairs: Sequence[tuple[str, str, str]]) -> pd.DataFrame:
    """Paired differences on the same test items, averaged over seeds first, then resampled by cluster.

    Args:
        pairs: (claim, first arm, second arm); those of which an arm was not run are left out.

    Returns:
        ``claim``, ``probe``, ``first``, ``second``, ``difference`` (of shares: 0.01 is a point), ``low``, ``high``, ``p_better``, ``n``.
        The columns are there when no pair was run, too.

    Raises:
        ValueError: a missing column, or two arms of a pair that answered different items.
    """
    _need(items, "arm", "probe", "id", "cluster", "correct")
    rows = []
    for probe, part in items.groupby("probe", sort=False):
        mean = part.groupby(["id", "arm"])["correct"].mean().unstack()
        cluster = part.drop_duplicates("id").set_index("id")["cluster"].loc[mean.index]
        for claim, first, second in pairs:
            if first in mean and second in mean:
                asked = mean[[first, second]].notna()
                alone = int((asked[first] != asked[second]).sum())
                if alone:
                    raise ValueError(
                        f"{first} and {second} answered different items on {probe}: {alone} items have an answer of only one of them."
                    )
                both = asked[first]
                found = paired_difference(mean[first][both], mean[second][both], cluster[both])
                rows.append({"claim": claim, "probe": probe, "first": first, "second": second, **found})
    columns = ["claim", "probe", "first", "second", "difference", "low", "high", "p_better", "n"]
    return pd.DataFrame(rows, columns=columns)


def claim_verdict(differences: pd.DataFrame, claim: str, probe: str, *, margin: float = 0.0) -> Verdict:
    """The verdict on a claim by the pairs that a table of :func:`differences` holds for it on one probe.

    The rule is that of :func:`stablerep.statistics.verdict`; a margin of -0.01 stands for "at least as good".
    """
    mine = differences[(differences["claim"] == claim) & (differences["probe"] == probe)]
    return verdict(mine, margin=margin)


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
