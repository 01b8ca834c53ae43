"""Which arms lie below the best floor, in sentences: what they learned is less than what raw pixels, gradients or random weights show."""

from __future__ import annotations

import pandas as pd

from stablerep.figures.tables import percent


def below_floors(arms: pd.DataFrame, probe: str) -> str:
    """Which trained arms lie below the best floor on a probe, by their means; that none does, where that is so.

    Args:
        arms: of :func:`stablerep.statistics.summarize`, floors among them, which have seen no views.
    """
    mine = arms[arms["probe"] == probe]
    trained, floors = mine[mine["views"] > 0], mine[mine["views"] == 0]
    if trained.empty or floors.empty:
        return ""
    return f"{_best(floors)} {_below(trained, floors['accuracy'].max())}"


def below_floors_by_length(grown: pd.DataFrame, probe: str) -> str:
    """The same for each length of training.

    Args:
        grown: as above, with ``panel`` and ``steps``, 0 for floors; the first panel is that of the lengths.
    """
    mine = grown[(grown["probe"] == probe) & (grown["panel"] == grown["panel"].iloc[0])]
    trained, floors = mine[mine["steps"] > 0], mine[mine["steps"] == 0]
    if trained.empty or floors.empty:
        return ""
    top = floors["accuracy"].max()
    low = [(steps, part) for steps, part in trained.groupby("steps") if (part["accuracy"] < top).any()]
    if not low:
        return f"{_best(floors)} Every arm lies above it at every length."
    said = ", ".join(f"at {steps:,} steps {_names(part, top)}" for steps, part in low)
    return f"{_best(floors)} Below it lie, {said}. Such an arm has not learned more than needs no training, and a lead over it means little."


def _best(floors: pd.DataFrame) -> str:
    top = floors.loc[floors["accuracy"].idxmax()]
    return f"The best floor, {top['arm'].lower()}, has {percent(top['accuracy'], top['low'], top['high'])} %."


def _below(trained: pd.DataFrame, top: float) -> str:
    if not (trained["accuracy"] < top).any():
        return "Every trained arm has a higher mean."
    return f"Below it: {_names(trained, top)}."


def _names(trained: pd.DataFrame, top: float) -> str:
    low = trained.loc[trained["accuracy"] < top, "arm"].tolist()
    return "every trained arm" if len(low) == len(trained) else ", ".join(low)
