"""What each arm cost, and the sentence that a comparison owes its reader when arms did not see the same number of views."""

from __future__ import annotations

import pandas as pd

TOLERANCE = 0.01  # share of the views by which arms may differ without a word


def cost_of(run) -> dict[str, float]:
    """``views`` seen, ``weights`` of the encoder and ``seconds`` of training of a pre-training run; zeros for None, an untrained encoder.

    Seconds are the median step times the number of steps, so that a pause in the middle of a run does not count.
    """
    if run is None:
        return {"views": 0, "weights": 0, "seconds": 0.0}
    summary, taken = run.info["summary"], run.table("log")["seconds"]
    return {
        "views": summary["views"],
        "weights": summary["weights"],
        "seconds": float(taken.diff().fillna(taken).median() * len(taken)),
    }


def costs(items: pd.DataFrame) -> pd.DataFrame:
    """One row per arm that was trained, from rows with ``arm``, ``seed``, ``views``, ``weights`` and ``seconds``.

    Returns:
        ``arm``; ``views`` and ``weights`` (means over seeds); ``seconds`` of training by the median seed, on whatever machine trained it;
        ``time`` as a multiple of the first arm's.
    """
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
