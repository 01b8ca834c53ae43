"""How the best encoder over all transfer sets stands beside the best floor, in a sentence."""

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
