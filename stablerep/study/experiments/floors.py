"""Floors of a comparison: an arm that learned no more than raw pixels, gradients or random weights show decides nothing."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from math import nan

import pandas as pd

from stablerep.statistics import WORDS, Pair, Verdict, differences
from stablerep.study.experiments.arms import FLOOR_ARMS
from stablerep.study.markdown import some_of

LEARNED = "learned"  # the claim that an arm lies above a floor
RULE = "no verdict rests on an arm that is not above every floor by the smallest detectable difference"
DEGRADED_RULE = "nothing is settled where the arm that should be better is not above every floor by the smallest detectable difference"


def against_floors(items: pd.DataFrame, arms: Iterable[str], floors: Sequence[str] = FLOOR_ARMS) -> pd.DataFrame:
    """Each arm against each floor, of those among the items: as :func:`stablerep.statistics.differences`, claim ``learned``."""
    return differences(items, [Pair(LEARNED, name, floor) for name in arms for floor in floors])


def at_the_floor(floors: pd.DataFrame, probe: str, arms: Iterable[str]) -> list[str]:
    """Those of some arms that do not lie above every floor by the smallest difference that the study would see.

    An arm that was not held against all floors is one of them.

    Args:
        floors: of :func:`against_floors`.
    """
    mine = floors[floors["probe"] == probe]
    above = (mine["difference"] > 0) & (mine["difference"] >= mine["visible"])
    cleared = above.groupby(mine["first"]).all() & (mine.groupby("first")["second"].nunique() == len(FLOOR_ARMS))
    return [name for name in arms if not cleared.get(name, False)]


def none_above(tables: Mapping[str, pd.DataFrame], probe: str) -> str:
    """A sentence where no arm that was held against floors lies above all of them (:func:`at_the_floor`); empty where one does.

    Args:
        tables: ``floors`` of :func:`against_floors`, where an arm may be held against those of several panels, and others, of which one with ``arm``,
            ``probe`` and ``accuracy`` has the floors' own accuracy.
    """
    floors = tables["floors"]
    mine = floors[floors["probe"] == probe]
    places = [mine[name] for name in ("panel", "steps", "encoder") if name in mine]
    parts = [part for _, part in mine.groupby(places, dropna=False)] if places else [mine]
    learned = any(len(at_the_floor(part, probe, part["first"].unique())) < part["first"].nunique() for part in parts)
    if mine.empty or learned:
        return ""
    known = [one for one in tables.values() if {"arm", "probe", "accuracy"} <= {*one.columns}]
    levels = [one[(one["probe"] == probe) & one["arm"].isin(FLOOR_ARMS)] for one in known]
    best = max(((row.accuracy, row.arm) for one in levels for row in one.itertuples()), default=None)
    which = f" (the best, {best[1].lower()}, has {100 * best[0]:.1f} %)" if best else ""
    return (
        f"No arm of this run lies clearly above every floor{which}, so that its differences say nothing about learning."
    )


def short_of_floors(floors: pd.DataFrame, probe: str, arms: Iterable[str]) -> str:
    """By how much arms of :func:`at_the_floor` fall short of the floor that is hardest for each."""
    said = []
    for name in arms:
        mine = floors[(floors["probe"] == probe) & (floors["first"] == name)]
        if mine.empty:
            said.append(f"{name} was held against no floor")
            continue
        worst = mine.loc[(mine["difference"] - mine["visible"]).idxmin()]
        said.append(
            f"{name} minus {worst['second'].lower()} is {100 * worst['difference']:+z.1f} points "
            f"[{100 * worst['low']:+z.1f}, {100 * worst['high']:+z.1f}] and would have to be {100 * worst['visible']:+.1f}"
        )
    return "; ".join(said)


def held_to_floors(found: Verdict, pairs: pd.DataFrame, floors: pd.DataFrame, probe: str) -> Verdict:
    """The verdict on some pairs of arms; *not testable at this scale* where an arm of theirs lies at the floor.

    Args:
        pairs: with ``first`` and, where those must lie above the floors too, ``second``. floors: of :func:`against_floors`.
    """
    low = at_the_floor(
        floors,
        probe,
        dict.fromkeys(name for column in ("first", "second") if column in pairs for name in pairs[column]),
    )
    if not low:
        return found
    why = f"not clearly above the floors: {some_of(low, between='; ')}; more steps or seeds are needed"
    return replace(found, word=WORDS[-1], p=nan, sentence=why)
