"""What the page on composition says in words: pure functions from its tables to sentences of Markdown."""

from __future__ import annotations

from collections.abc import Sequence

import pandas as pd

from stablerep.figures.bounded import bounded
from stablerep.figures.explained import enumerated
from stablerep.figures.solutions import LACKING
from stablerep.figures.tables import percent


def told_by_text(table: pd.DataFrame, images_of: str, kinds: Sequence[str]) -> str:
    """For each arm the kind of foil that its text alone tells best, and what the image adds there; then the kinds that the text tells by its whole interval.

    Args:
        table: of :func:`stablerep.audits.composition.accuracies`, with ``kind`` and ``images_of``. kinds: those that are looked at.
    """
    mine, said = table[(table["images_of"] == images_of) & table["kind"].isin(kinds)], []
    for arm, part in mine.groupby("arm", sort=False):
        row = part.loc[part["text_alone"].idxmax()]
        added = 100 * (row["accuracy"] - row["text_alone"])
        said.append(
            f"{arm} *{row['kind']}*, {100 * row['text_alone']:.1f} % by the text alone, to which the image adds {added:+z.1f} points"
        )
    if not said:
        return LACKING
    told = mine[mine["text_low"] > mine["chance"]]
    each = "; ".join(f"*{row.kind}* ({row.arm}, {_alone(row)} %)" for row in told.itertuples())
    out = f"Leave out what a text alone tells, by its whole interval above chance: {each}" if each else "No text alone prefers the caption by its whole interval, so that none has to be left out for that"  # fmt: skip
    return f"{'; '.join(said)}. {out}"


def _alone(row) -> str:
    return percent(row.text_alone, row.text_low, row.text_high)


def untrained_sentence(table: pd.DataFrame, images_of: str, arm: str) -> str:
    """Where an arm that learned nothing lies off chance by its whole interval, which says how far intervals can be trusted; empty where it was not asked.

    Args:
        table: as for :func:`told_by_text`. arm: the untrained one.
    """
    mine = bounded(table[(table["images_of"] == images_of) & (table["arm"] == arm)], "clusters", value="accuracy")
    if mine.empty:
        return ""
    off = mine[(mine["low"] > mine["chance"]) | (mine["high"] < mine["chance"])]
    if off.empty:
        return f"{arm} lies off chance on no kind by its whole interval."
    each = "; ".join(f"*{row.kind}* {percent(row.accuracy, row.low, row.high)} %" for row in off.itertuples())
    most = 100 * (off["accuracy"] - off["chance"]).abs().max()
    return (
        f"{arm} has learned nothing and still lies off chance by its whole interval: {each}. Many images ask for the same few words, and the intervals, over concepts, do not know that. "
        f"So a distance from chance of {most:.0f} points there is no evidence of learning by itself."
    )


def no_help_sentence(table: pd.DataFrame, images_of: str, untrained: str) -> str:
    """Where, on other images, the text alone prefers the caption more often than the text with the image does; empty where nowhere.

    Args:
        table: as for :func:`told_by_text`. images_of: the part that is left out. untrained: the arm that is left out.
    """
    mine = bounded(table[(table["images_of"] != images_of) & (table["arm"] != untrained)], "clusters", value="accuracy")
    mine = bounded(mine, "clusters", value="text_alone", low="text_low", high="text_high")
    worse = mine[mine["text_alone"] > mine["accuracy"]]
    if worse.empty:
        return ""
    row = worse.loc[(worse["text_alone"] - worse["accuracy"]).idxmax()]
    return (
        f"In {len(worse)} of the {len(mine)} cells of trained arms the caption is preferred more often by the text alone than with the image. The furthest: {row['arm']}, {row['kind']} of {row['images_of']}, "
        f"{percent(row['accuracy'], row['low'], row['high'])} % with the image and {percent(row['text_alone'], row['text_low'], row['text_high'])} % without, over {row['clusters']} concepts. There "
        "the image is not shown to help."
    )


def told_and_gained(accuracy: pd.DataFrame, pairs: pd.DataFrame, arm: str) -> str:
    """Which kinds of foils an arm tells from captions, and on which another arm lies above or below it, each by its whole interval.

    Args:
        accuracy: ``arm``, ``kind``, ``low`` and ``chance``. pairs: ``kind``, ``first``, ``difference``, ``low`` and ``high`` of one other arm minus this one.
    """
    mine = accuracy[(accuracy["arm"] == arm) & accuracy["low"].notna()]
    told = list(mine[mine["low"] > mine["chance"]]["kind"])
    said = [f"{arm} prefers the caption more often than chance on {enumerated(told) or 'no kind'}."]
    known = pairs.dropna(subset=["low", "high"])
    if len(known):
        above, below = (
            [f"{one.kind} ({_points(one.difference)})" for one in part.itertuples()]
            for part in (known[known["low"] > 0], known[known["high"] < 0])
        )
        sides = [f"{side} it on {enumerated(some)}" for side, some in (("above", above), ("below", below)) if some]
        where = " and ".join(sides) or "neither above nor below it on any kind"
        said.append(f"{known['first'].iloc[0]} lies {where}, each interval by itself.")
    return " ".join(said)


def _points(share: float) -> str:
    return f"{100 * share:+.1f}".replace("-", "−")
