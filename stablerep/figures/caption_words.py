"""What the page on whole captions says in words: pure functions from its tables to sentences of Markdown."""

from __future__ import annotations

import math

import pandas as pd

from stablerep.figures.caption_tables import WAYS
from stablerep.figures.people_and_things import left_out
from stablerep.figures.solutions import LACKING
from stablerep.figures.tables import points

PARTS = ("concept", "tone", "gender")  # of a caption
SEP = ", "  # between the source of images and their w


def steepest(table: pd.DataFrame, captions: str, part: str) -> str:
    """What faithfulness of generated images depends on: the steepest slope with the others held fixed among those whose intervals leave out zero, or that
    none does.

    Args:
        table: of :func:`stablerep.audits.dependence.dependence`. captions: the group. part: of the caption.
    """
    mine = table[(table["captions"] == captions) & (table["source"] == "generated") & (table["part"] == part)]
    fixed = mine[mine["way"] == WAYS[1]].dropna(subset=["slope", "low"])
    if fixed.empty:
        return LACKING
    told = fixed[(fixed["low"] > 0) | (fixed["high"] < 0)]
    each = "; ".join(f"{row.property} {points(row.slope, row.low, row.high)}" for row in fixed.itertuples())
    if told.empty:
        count = "the slope is" if len(fixed) == 1 else f"none of the {len(fixed)} slopes is"
        return f"{count} {'not ' if len(fixed) == 1 else ''}told from zero, with the others held fixed (points: {each})"
    one = told.loc[told["slope"].abs().idxmax(), "property"]
    return f"by whole intervals it depends on {', '.join(told['property'])}, steepest on {one} (points, with the others held fixed: {each})"


def costliest(differences: pd.DataFrame, shares: pd.DataFrame, captions: str, second: str) -> str:
    """In which part of the caption generated images fall furthest behind real ones, and whether it is the part that is seen worst in real images.

    Args:
        differences, shares: of :func:`stablerep.audits.whole_caption_tables.image_tables`. captions: the group. second: the generated images, as an arm.
    """
    mine = differences[(differences["captions"] == captions) & (differences["second"] == second)]
    mine = mine[mine["measure"].isin(PARTS)].sort_values("difference", ascending=False, kind="stable")
    if mine.empty:
        return LACKING
    each = "; ".join(f"{row.measure} {points(row.difference, row.low, row.high)}" for row in mine.itertuples())
    told = mine[mine["low"] > 0]
    said = f"real minus generated, in points: {each}. "
    if told.empty:
        return f"{said}In no part are real images ahead by the whole interval, so that none can be named"
    worst = told["measure"].iloc[0]
    real = shares[(shares["captions"] == captions) & (shares["source"] == "real") & shares["measure"].isin(PARTS)]
    right = real.set_index("measure")["mean"].dropna().sort_values()
    place = list(right.index).index(worst)
    weak = "Yes, it is" if place == 0 else "No: it is the one that is seen best" if place == len(right) - 1 else "No: it is neither the one that is seen worst nor best"  # fmt: skip
    known = ", ".join(f"{name} {100 * value:.1f} %" for name, value in right.items())
    only = "" if len(told) > 1 else ", the only one where the interval leaves out zero"
    return f"{said}Generated images fall furthest behind in the {worst}{only}. Is the instrument weakest there? {weak}; of real images are right: {known}"


def reversed_sentence(differences: pd.DataFrame, shares: pd.DataFrame, second: str, untold: str) -> str:
    """Where generated images are right more often than real ones by the whole interval, and how much of both cannot be told; empty where nowhere.

    Args:
        differences, shares: of :func:`stablerep.audits.whole_caption_tables.image_tables`. second: the generated images, as an arm. untold: what follows the
            name of a part in the name of the measure of what cannot be told.
    """
    mine = differences[
        (differences["second"] == second) & differences["measure"].isin(PARTS) & (differences["high"] < 0)
    ]
    said = []
    for row in mine.itertuples():
        of = shares[(shares["captions"] == row.captions) & (shares["measure"] == row.measure + untold)]
        arms = [
            one.source if math.isnan(one.guidance_scale) else f"{one.source}, w = {one.guidance_scale:g}"
            for one in of.itertuples()
        ]
        named = dict(zip(arms, of["mean"]))
        lost = (
            f"; not told are {100 * named['real']:.0f} % of the real and {100 * named[second]:.0f} % of the generated ones"
            if {"real", second} <= set(named)
            else ""
        )
        said.append(f"the {row.measure} of {row.captions} ({points(row.difference, row.low, row.high)} points{lost})")
    if not said:
        return ""
    return (
        f"Real images are behind in: {', '.join(said)}. That does not make the generated ones more faithful than designers: an image that shows what the "
        "reader looks for most plainly counts as right most often."
    )


def over_scales(differences: pd.DataFrame, captions: str, parts: tuple[str, str]) -> str:
    """How far generated images are behind real ones in two parts of the caption at each w, and in which of the two that varies more with w.

    Args:
        differences: of :func:`stablerep.audits.whole_caption_tables.image_tables`, guidance scales from the lowest.
    """
    mine = differences[differences["captions"] == captions]
    of = {part: mine[mine["measure"] == part].set_index("second")["difference"] for part in parts}
    if any(len(one) < 2 for one in of.values()):
        return LACKING
    said = [
        f"{part} {', '.join(f'{100 * value:+z.1f} ({arm.partition(SEP)[2]})' for arm, value in one.items())}"
        for part, one in of.items()
    ]
    varied = {part: one.max() - one.min() for part, one in of.items()}
    most, least = max(varied, key=varied.get), min(varied, key=varied.get)
    best = of[most].idxmin().partition(SEP)[2]
    return (
        f"real minus generated, in points: {'; '.join(said)}. So by these means w matters more for the {most}, by up to {100 * varied[most]:.1f} points, than for the {least}, by up to "
        f"{100 * varied[least]:.1f}; generated images come nearest in the {most} at {best}"
    )


def score_sentence(scores: pd.DataFrame, differences: pd.DataFrame, w: float, second: str) -> str:
    """In which groups CLIPScore does not see that the concept is wrong: generated images score no lower than real ones, whose concept is right more often.

    Args:
        scores: of :func:`stablerep.audits.whole_caption_tables.score_means`. differences: of the same module's ``image_tables``. w: of the generated images.
        second: these images, as an arm.
    """
    blind, seen = [], []
    for group, part in scores.groupby("captions", sort=False):
        real = part[part["source"] == "real"]
        made = part[(part["source"] != "real") & (part["guidance_scale"] == w)]
        behind = differences[(differences["captions"] == group) & (differences["second"] == second) & (differences["measure"] == PARTS[0])]  # fmt: skip
        if real.empty or made.empty or behind.empty or not behind["low"].iloc[0] > 0:
            continue
        one, other, gap = next(real.itertuples()), next(made.itertuples()), next(behind.itertuples())
        text = (
            f"of {group}, generated images score {other.mean:.2f} [{other.low:.2f}, {other.high:.2f}] and real ones {one.mean:.2f} [{one.low:.2f}, {one.high:.2f}], while real images "
            f"have the right concept more often by {points(gap.difference, gap.low, gap.high)} points"
        )
        (blind if other.mean >= one.mean else seen).append(text)
    if blind:
        return f"**CLIPScore does not show that the concept is wrong**: {'; '.join(blind)}. A CLIPScore that is no lower does not show that an image has what its caption names."
    return f"{seen[0][0].upper()}{'; '.join(seen)[1:]}: CLIPScore points the same way." if seen else ""


def extreme_rows(table: pd.DataFrame, captions: str, each: int = 4) -> pd.DataFrame:
    """The images that are shown as extreme: of each ``kind`` the first.

    Args:
        table: of :func:`stablerep.study.experiments.whole_captions.pictures`, with ``captions``. captions: the group; all where it has no rows. each: images of a kind.
    """
    mine = table[table["captions"] == captions]
    return (mine if len(mine) else table).groupby("kind", sort=False).head(each)


def unshown_sentence(table: pd.DataFrame, captions: str) -> str:
    """How many finds beside the extreme images are left out, and why (:func:`stablerep.figures.people_and_things.left_out`); empty where none is.

    Args:
        table: as for :func:`extreme_rows`.
    """
    return left_out(extreme_rows(table, captions).rename(columns={"found": "shows"}))


def knows_sentence(table: pd.DataFrame, arm: str, source: str) -> str:
    """Whether an encoder ranks right images above wrong ones more often than floors do; empty where nobody could be asked.

    Args:
        table: ``knows_more`` of :func:`stablerep.audits.whole_caption_tables.knowledge`. arm: the encoder, first of its pairs. source: of the images.
    """
    mine = table[(table["first"] == arm) & (table["probe"] == source)] if len(table) else table
    if mine.empty:
        return ""
    each = "; ".join(f"{row.second} {points(row.difference, row.low, row.high)}" for row in mine.itertuples())
    above, below = (mine["low"] > 0).all(), (mine["high"] < 0).any()
    word = (
        "It does"
        if above
        else "It does not: something that learned nothing from these images does better"
        if below
        else "That cannot be told"
    )
    more = "" if above or below else ", as an interval holds zero"
    return f"Does {arm} know which of the images that it learned from are right? {word}{more} (share of pairs ranked rightly, in points, minus that of: {each})."
