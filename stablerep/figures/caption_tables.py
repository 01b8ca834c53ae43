"""Tables and sentences for the page on whole captions: pure functions from a results table to what a reader sees."""

from __future__ import annotations

import math

import pandas as pd

from stablerep.figures.bounded import bounded
from stablerep.figures.tables import percent, pivoted, points

WAYS = ("alone", "others held fixed")  # of a slope, in the order of columns


def _named(row) -> str:
    """What an image's source is called."""
    return row.source if math.isnan(row.guidance_scale) else f"{row.source}, w = {row.guidance_scale:g}"


def asked(table: pd.DataFrame) -> pd.DataFrame:
    """How many captions there are of each group, and what they name: a row per group.

    Args:
        table: ``asked`` of :func:`stablerep.audits.whole_caption_tables.image_tables`.
    """
    names = {"group": "captions of", "captions": "captions", "concepts": "concepts", "tone": "a tone is read", "gender": "a gender is read", "left_out": "no reader"}  # fmt: skip
    return table.rename(columns=names)[list(names.values())].set_index("captions of").rename_axis(None)


def outcomes(shares: pd.DataFrame, measures: tuple[str, ...]) -> pd.DataFrame:
    """Shares of images in percent with their intervals: rows of each group of captions and source, a column per measure.

    Args:
        shares: of :func:`stablerep.audits.whole_caption_tables.image_tables`. measures: those to show, in their order; one that has no rows is left out.
    """
    mine = shares[shares["measure"].isin(measures)]
    rows = pd.DataFrame({
        "captions": mine["captions"], "images": [_named(row) for row in mine.itertuples()], "measure": mine["measure"],
        "text": [percent(row.mean, row.low, row.high) for row in mine.itertuples()],
    })  # fmt: skip
    chance = mine.dropna(subset=["chance"]).drop_duplicates(["captions", "measure"])
    by_chance = pd.DataFrame({
        "captions": chance["captions"], "images": "chance", "measure": chance["measure"],
        "text": [f"{100 * value:.1f}" for value in chance["chance"]],
    })  # fmt: skip
    keys, table = ["captions", "images"], pd.concat([rows, by_chance], ignore_index=True)
    wide = table.pivot(index=keys, columns="measure", values="text").fillna("").rename_axis(columns=None)
    groups = {name: place for place, name in enumerate(table["captions"].unique())}
    order = table[keys].drop_duplicates().sort_values("captions", key=lambda one: one.map(groups), kind="stable")
    return wide.loc[pd.MultiIndex.from_frame(order), [one for one in measures if one in wide]]


def gaps(differences: pd.DataFrame, captions: str) -> pd.DataFrame:
    """By how many points more often real images are right than generated ones of the same captions: a row per guidance scale, a column per measure.

    Args:
        differences: of :func:`stablerep.audits.whole_caption_tables.image_tables`. captions: a group; of another one where it has no rows, as of photographs.
    """
    mine = differences[differences["captions"] == captions]
    mine = mine if len(mine) else differences
    text = [points(row.difference, row.low, row.high) for row in mine.itertuples()]
    return pivoted(mine, "second", "measure", text).rename_axis(columns="real minus")


def slopes(table: pd.DataFrame) -> pd.DataFrame:
    """By how many points the share of right images changes with a property, alone and with the others held fixed: a row per group, source, part and property.

    Args:
        table: of :func:`stablerep.audits.dependence.dependence`.
    """
    rows = table.assign(
        text=[points(row.slope, row.low, row.high) if row.slope == row.slope else "" for row in table.itertuples()]
    )
    keys = ["captions", "source", "part", "property"]
    wide = rows.pivot(index=keys, columns="way", values="text").fillna("").rename_axis(columns=None)
    order = pd.MultiIndex.from_frame(rows[keys].drop_duplicates())
    return wide.loc[order, [way for way in WAYS if way in wide]]


def scores(table: pd.DataFrame) -> pd.DataFrame:
    """CLIPScore with its interval: a row per source, a column per group of captions.

    Args:
        table: of :func:`stablerep.audits.whole_caption_tables.score_means`.
    """
    text = [_number(row.mean, row.low, row.high) for row in table.itertuples()]
    return pivoted(
        table.assign(images=[_named(row) for row in table.itertuples()]), "images", "captions", text
    ).rename_axis(columns=None)


def knows(table: pd.DataFrame) -> pd.DataFrame:
    """How often each encoder and floor ranks a right image above a wrong one of the same caption, in percent: a row each, a column per source of images;
    with how many captions and concepts that is of.

    Args:
        table: ``knows`` of :func:`stablerep.audits.whole_caption_tables.knowledge`.
    """
    if table.empty:
        return pd.DataFrame(columns=["images"])
    text = [
        f"{percent(row.mean, row.low, row.high)} ({row.captions} captions, {row.concepts} concepts)"
        for row in bounded(table, "concepts", value="mean").itertuples()
    ]
    return pivoted(table, "arm", "source", text).rename_axis(columns=None)


def knows_more(table: pd.DataFrame) -> pd.DataFrame:
    """Differences between encoders and floors in how often they do, in points: a row per pair, a column per source.

    Args:
        table: ``knows_more`` of :func:`stablerep.audits.whole_caption_tables.knowledge`.
    """
    if table.empty:
        return pd.DataFrame(columns=["images"])
    text = [points(row.difference, row.low, row.high) for row in table.itertuples()]
    named = table.assign(pair=[f"{row.first} − {row.second}" for row in table.itertuples()])
    return pivoted(named, "pair", "probe", text).rename_axis(columns=None)


def _number(value: float, low: float, high: float) -> str:
    """A number that is no share, with its interval where it has one."""
    shown = f"{value:.2f}"
    return shown if math.isnan(low) else f"{shown} [{low:.2f}, {high:.2f}]"


def readers_sentence(readers: pd.DataFrame, part: str = "training concepts, cross-fitted") -> str:
    """How much of drawings with known labels the readers read, and how much of that rightly; empty without readers.

    Args:
        readers: ``attribute``, ``part``, ``read``, ``accuracy``, ``low`` and ``high``. part: of drawings.
    """
    each = [
        f"the reader of {row.attribute} reads {100 * row.read:.0f} %, and of these {percent(row.accuracy, row.low, row.high)} % rightly"
        for row in readers[readers["part"] == part].itertuples()
    ]
    return f"Of real drawings of people, of concepts that it has not seen, {'; '.join(each)}." if each else ""


def truth_sentence(truth: pd.DataFrame) -> str:
    """Markdown: how many of the images about which encoders are asked are right, wrong, or neither.

    Args:
        truth: of :func:`stablerep.audits.whole_caption_tables.knowledge`.
    """
    each = [
        f"of {row.images:,} images (*{row.source}*) {row.right:,} count as right and {row.wrong:,} as wrong"
        for row in truth.itertuples()
    ]
    said = "; ".join(each)
    return (
        f"{said[0].upper()}{said[1:]}. The rest cannot be told."
        if said
        else "There are no images about which encoders could be asked."
    )
