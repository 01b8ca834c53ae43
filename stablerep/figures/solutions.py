"""What exercises ask of a chapter's tables, answered with their numbers: pure functions from tables to sentences of Markdown."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd

from stablerep.figures.explained import enumerated
from stablerep.figures.paired import paired
from stablerep.figures.tables import percent, points

LACKING = "not run with these parameters"


def difference(pairs: pd.DataFrame, probe: str, first: str, second: str) -> str:
    """A paired difference on a probe, such as ``+1.2 [-0.3, +2.8] points``.

    Args:
        pairs: of :func:`stablerep.statistics.differences`.
    """
    mine = pairs[(pairs["probe"] == probe) & (pairs["first"] == first) & (pairs["second"] == second)]
    if mine.empty:
        return LACKING
    row = mine.iloc[0]
    return f"{points(row['difference'], row['low'], row['high'])} points"


def compared(pairs: pd.DataFrame, probe: str, first: str, second: str) -> str:
    """Which of two arms is better on a probe, by how much, and whether that is told from zero.

    Args:
        pairs: of :func:`stablerep.statistics.differences`.
    """
    found = paired(pairs, probe, first, second)
    return found.sentence if found else LACKING


def largest_difference(pairs: pd.DataFrame, probe: str) -> str:
    """The pair whose arms lie furthest apart on a probe, to either side.

    Args:
        pairs: of :func:`stablerep.statistics.differences`.
    """
    mine = pairs[pairs["probe"] == probe]
    if mine.empty:
        return LACKING
    row = mine.loc[mine["difference"].abs().idxmax()]
    return f"{row['first']} minus {row['second']}: {points(row['difference'], row['low'], row['high'])} points"


def tried(trials: pd.DataFrame, stage: str, arm: str, probe: str) -> str:
    """What an arm reached on validation concepts with each value that was tried, in percent: ``16.1, 16.6 and 17.3``.

    Args:
        trials: ``stage``, ``arm`` and a column per probe, a row per choice, as ``results/choices/trials.parquet`` has them.
    """
    mine = trials[(trials["stage"] == stage) & (trials["arm"] == arm)]
    values = [f"{100 * value:.1f}" for value in mine[probe]]
    return enumerated(values)


def at_the_last(trials: pd.DataFrame, stage: str, arm: str, probe: str) -> str:
    """How far the last value that was tried lies below the best one, such as ``loses 1.2 points``.

    Args:
        trials: as for :func:`tried`.
    """
    values = 100 * trials.loc[(trials["stage"] == stage) & (trials["arm"] == arm), probe]
    lost = round(values.max(), 1) - round(values.iloc[-1], 1)  # as they are printed
    return f"loses {lost:.1f} points" if lost > 0 else "loses nothing (it is best there)"


def leaked(concepts: Sequence[str], train: float) -> float:
    """The share of the other images that would have one of their concept among those to train on, if a share ``train`` of all images were drawn at random.

    Args:
        concepts: of each image.
    """
    images = pd.Series(concepts).value_counts()
    return float((images * (1 - (1 - train) ** (images - 1))).sum() / images.sum())


def doublings(scaling: pd.DataFrame, probe: str) -> str:
    """What a doubling of the captions adds for each arm, by a straight line over the logarithm of their number, each panel by itself.

    Args:
        scaling: the table of the chapter: ``panel``, ``arm``, ``probe``, ``captions`` and ``accuracy``.
    """
    mine = scaling[(scaling["probe"] == probe) & (scaling["captions"] > 0)]
    said = []
    for panel, part in mine.groupby("panel", sort=False):
        slopes = [
            f"{arm} {100 * np.polyfit(np.log2(rows['captions'].astype(float)), rows['accuracy'], 1)[0]:+.1f}"
            for arm, rows in part.groupby("arm", sort=False)
        ]
        said.append(f"{panel}, {', '.join(slopes)}")
    return f"points for a doubling: {'; '.join(said)}"


def accuracy(arms: pd.DataFrame, probe: str, arm: str) -> str:
    """An arm's accuracy on a probe with its interval, such as ``12.3 [11.0, 13.6] %``."""
    mine = arms[(arms["probe"] == probe) & (arms["arm"] == arm)]
    if mine.empty:
        return LACKING
    row = mine.iloc[0]
    return f"{percent(row['accuracy'], row['low'], row['high'])} %"


def best_and_worst(counts: pd.DataFrame, probe: str) -> str:
    """Which number of each panel is best, and by how many points it lies above the worst one.

    Args:
        counts: ``panel``, ``number``, ``probe`` and ``accuracy``.
    """
    said = []
    for panel, part in counts[counts["probe"] == probe].groupby("panel", sort=False):
        values = part.set_index("number")["accuracy"]
        gap = 100 * (values.max() - values.min())
        said.append(
            f"the best {panel.partition(',')[0]} is {values.idxmax()}, {gap:.1f} points above {values.idxmin()}, the worst"
        )
    return "; ".join(said).capitalize() if said else LACKING


def spread(table: pd.DataFrame, probe: str) -> str:
    """By how many points the best guidance scale of each arm lies above its worst one, and whether the interval of the best point reaches as far down.

    Args:
        table: ``arm``, ``probe``, ``guidance_scale``, ``accuracy`` and ``low``, a row per scale.
    """
    said = []
    for name, part in table[table["probe"] == probe].groupby("arm", sort=False):
        if len(part) < 2:
            continue
        best, worst = part.loc[part["accuracy"].idxmax()], part.loc[part["accuracy"].idxmin()]
        gap, reach = (best["accuracy"] - one for one in (worst["accuracy"], best["low"]))
        answer = "more" if gap > reach else "no more"
        said.append(
            f"{name} {100 * gap:.1f} points (w = {best['guidance_scale']:g} less w = {worst['guidance_scale']:g}), {answer} than the interval of the best point reaches down, {100 * reach:.1f}"
        )
    return "; ".join(said) or LACKING


def product(faithfulness: pd.DataFrame, diversity: pd.DataFrame, captions: str) -> str:
    """The guidance scale at which faithfulness times diversity is largest for generated images of some captions, and the products.

    Args:
        faithfulness, diversity: of :func:`stablerep.audits.faithfulness.shares`.
    """
    found = {}
    for name, table, measure in (("faithful", faithfulness, "top1"), ("diverse", diversity, "distance")):
        mine = table[(table["captions"] == captions) & (table["group"] == "all") & (table["measure"] == measure)]
        found[name] = mine[mine["source"] == "generated"].set_index("guidance_scale")["mean"]
    both = (found["faithful"] * found["diverse"]).dropna()
    if both.empty:
        return LACKING
    each = ", ".join(f"{value:.3f} at w = {w:g}" for w, value in both.items())
    return f"it is largest at w = {both.idxmax():g} ({each})"


def steepest(slopes: pd.DataFrame, lead: str) -> str:
    """Which arm rises most with each doubling, and which least; and by how much a lead does.

    Args:
        slopes: ``arm``, ``difference``, ``low`` and ``high``. lead: its name among the arms.
    """
    if slopes.empty:
        return LACKING
    text = {row.arm: f"{points(row.difference, row.low, row.high)} points" for row in slopes.itertuples()}
    arms = slopes[~slopes["arm"].str.contains(" − ")].sort_values("difference", kind="stable")["arm"].tolist()
    said = f"A doubling brings most for {arms[-1]} ({text[arms[-1]]})"
    said += f" and least for {arms[0]} ({text[arms[0]]})" if len(arms) > 1 else ""
    if lead not in text:
        return said
    low, high = slopes.set_index("arm").loc[lead, ["low", "high"]]
    word = "rises" if low > 0 else "falls" if high < 0 else "may as well stay as it is"
    return f"{said}. The lead {lead} changes by {text[lead]} for each doubling: it {word}"


def best_by_measure(overall: pd.DataFrame, floors: Sequence[str]) -> str:
    """The arm with the highest score by each measure, floors left out, and whether it is the same one.

    Args:
        overall: ``measure``, ``arm``, ``score``, ``low`` and ``high``.
    """
    mine = overall[~overall["arm"].isin(floors)]
    best = mine.loc[mine.groupby("measure", sort=False)["score"].idxmax()]
    said = [f"{row.arm} ({percent(row.score, row.low, row.high)} %) by {row.measure}" for row in best.itertuples()]
    same = "" if len(said) < 2 else ", the same encoder" if best["arm"].nunique() == 1 else ", not the same encoder"
    return f"{' and '.join(said)}{same}"


def none_above(scores: pd.DataFrame, floors: Sequence[str]) -> str:
    """On which sets no arm lies above all floors, by means over seeds.

    Args:
        scores: ``measure``, ``set``, ``arm`` and ``value``.
    """
    means = scores.dropna(subset=["value"]).groupby(["measure", "set", "arm"], sort=False)["value"].mean().reset_index()
    found = []
    for (measure, name), part in means.groupby(["measure", "set"], sort=False):
        floor = part["arm"].isin(floors)
        if floor.any() and not (part.loc[~floor, "value"] > part.loc[floor, "value"].max()).any():
            found.append(f"{name} ({measure})")
    return (
        f"No encoder lies above the floors on {', '.join(found)}"
        if found
        else "On every set some encoder lies above the floors"
    )
