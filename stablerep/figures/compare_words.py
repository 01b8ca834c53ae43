"""Which encoders of the comparison have the highest accuracy, in a sentence."""

from __future__ import annotations

from collections.abc import Sequence

import pandas as pd

from stablerep.figures.tables import percent


def highest(arms: pd.DataFrame, probe: str, aside: Sequence[str]) -> str:
    """The arms with the highest accuracy on a probe, of those that learned from real images and of those that learned from synthetic ones, the higher first;
    empty without any.

    Args:
        arms: ``probe``, ``arm``, ``accuracy``, ``low`` and ``high``, shares. aside: arms that are not asked about, such as floors and the ceiling.
    """
    mine = arms[(arms["probe"] == probe) & ~arms["arm"].isin(aside)].sort_values("accuracy", ascending=False)
    synthetic = mine["arm"].str.contains("synthetic")
    best = pd.concat([mine[~synthetic].head(1), mine[synthetic].head(1)]).sort_values("accuracy", ascending=False)
    said = [
        f"{row.arm} of those on {'synthetic' if 'synthetic' in row.arm else 'real'} images, {percent(row.accuracy, row.low, row.high)} %"
        for row in best.itertuples()
    ]
    return f"Highest on {probe}: {'; '.join(said)}." if said else ""
