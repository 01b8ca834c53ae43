"""What the tables of the page on methods come to, in sentences."""

from __future__ import annotations

import pandas as pd

from stablerep.figures.tables import points


def above_random(floors: pd.DataFrame, floor: str, probe: str) -> str:
    """Which methods are not told from random weights on a probe, and which lie below them; empty where none was compared.

    Args:
        floors: ``first``, ``second``, ``probe``, ``difference``, ``low`` and ``high``. floor: the arm of random weights, among ``second``.
    """
    mine = floors[(floors["second"] == floor) & (floors["probe"] == probe)]
    if mine.empty:
        return ""
    if mine["low"].isna().any():
        return f"On {probe} these differences have no interval, so that nothing is told."
    below, unclear = mine[mine["high"] < 0], mine[(mine["low"] <= 0) & (mine["high"] >= 0)]
    said = [
        f"{', '.join(f'{one.first} ({points(one.difference, one.low, one.high)})' for one in rows.itertuples())}, {word}"
        for rows, word in ((unclear, "not told from them"), (below, "below them"))
        if len(rows)
    ]
    if len(below) + len(unclear) == len(mine):
        return f"On {probe} no method lies above random weights: {'; '.join(said)}."
    if not said:
        return f"On {probe} every method lies above random weights."
    return f"On {probe} all methods lie above random weights, except {'; '.join(said)}."


def widest_gap(diagnostics: pd.DataFrame, arms: pd.DataFrame, probe: str) -> str:
    """Which method has the largest gap between cosines within and between captions, whether it is the best on a probe, and whether it should be.

    Args:
        diagnostics: ``arm``, ``within`` and ``between``. arms: ``arm``, ``probe`` and ``accuracy``.
    """
    rows = diagnostics.set_index("arm")
    gaps = rows["within"] - rows["between"]
    accuracy = arms[arms["probe"] == probe].set_index("arm")["accuracy"].reindex(gaps.index)
    widest, best = gaps.idxmax(), accuracy.idxmax()
    same = widest == best

    def shown(arm: str) -> str:
        return f"{gaps[arm]:.3f} ({rows.loc[arm, 'within']:.3f} less {rows.loc[arm, 'between']:.3f})"

    other = (
        "is the best there, too"
        if same
        else f"is not the best: that is {best} with {100 * accuracy[best]:.1f} % and a gap of {shown(best)}"
    )
    return (
        f"{widest} has the largest gap, {shown(widest)}. With {100 * accuracy[widest]:.1f} % on {probe} it {other}. Over all methods the two orders have a rank "
        f"correlation of {gaps.corr(accuracy, method='spearman'):.2f}. It need not be the best: the gap says how far apart captions are on average; to be recognized, an image must be nearer "
        "to its own concept than to the most similar other one."
    )


def trained_loss(curves: pd.DataFrame, arm: str) -> str:
    """The last loss that a method reached, in a sentence; empty where it was not trained.

    Args:
        curves: ``arm``, ``step`` and ``loss``.
    """
    mine = curves[curves["arm"] == arm]
    return f"A trained {arm} has {mine.loc[mine['step'].idxmax(), 'loss']:.2f} at its last step." if len(mine) else ""
