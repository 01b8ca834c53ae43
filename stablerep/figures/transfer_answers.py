"""How encoders stand beside the best floor on transfer sets, in sentences."""

from __future__ import annotations

from collections.abc import Sequence

import pandas as pd


def beside_best_floor(overall: pd.DataFrame, floors: Sequence[str]) -> str:
    """Whether the best encoder lies above the best floor, by each measure, by the means over all sets.

    Args:
        overall: ``measure``, ``arm`` and ``score``, shares. floors: names of the arms that learned nothing.
    """
    below, above = [], []
    for measure, part in overall.groupby("measure", sort=False):
        scores = part.set_index("arm")["score"]
        known = scores[scores.index.isin(floors)]
        if known.empty or len(known) == len(scores):
            continue
        best, top = scores.drop(known.index).max(), known.max()
        said = f"{known.idxmax().lower()} with {100 * top:.1f} % by {measure}"
        (below if best <= top else above).append(said)
    if not below and not above:
        return ""
    if not above:
        return f"No encoder lies above the best floor over these sets: {'; '.join(below)}."
    if not below:
        return f"The best encoder lies above the best floor: {'; '.join(above)}."
    return f"The best encoder lies above the best floor by one measure ({above[0]}) and not by the other ({below[0]})."


def transfer_sentence(scores: pd.DataFrame, floors: Sequence[str]) -> str:
    """Markdown: which arms exceed the best floor on each set, by means over seeds.

    Args:
        scores: of :func:`stablerep.transfer.transfer_scores`, with ``arm``. floors: which of the arms are floors.
    """
    said = []
    for name, part in scores.dropna(subset=["value"]).groupby("set", sort=False):
        means = part.groupby("arm", sort=False)["value"].mean()
        lowest = means[means.index.isin(floors)]
        if lowest.empty:
            continue
        above = means[~means.index.isin(floors) & (means > lowest.max())].sort_values(ascending=False)
        named = ", ".join(f"{arm} {100 * value:.1f}" for arm, value in above.items())
        said.append(
            f"On {name}, the best floor, {lowest.idxmax().lower()}, has {100 * lowest.max():.1f} %; "
            + (f"above it: {named}." if named else "no encoder lies above it.")
        )
    return " ".join(said)
