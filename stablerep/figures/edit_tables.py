"""Tables and sentences for the page on editing a generator: pure functions from a results table to what a reader sees."""

from __future__ import annotations

import pandas as pd

from stablerep.figures.solutions import LACKING
from stablerep.figures.tables import percent, pivoted, points

BEFORE = "before the edit"  # the name of the generator that others are compared with


def shares(table: pd.DataFrame) -> pd.DataFrame:
    """Shares of images in percent with their intervals: a row for each measure, a column for each generator."""
    text = [percent(row.share, row.low, row.high) for row in table.itertuples()]
    return pivoted(table, "measure", "generator", text).rename_axis(columns=None)


def changes(differences: pd.DataFrame) -> pd.DataFrame:
    """What an edit changed, in points: a row for each measure, a column for each edit; after the edit minus before, whichever way the pair was compared.

    Args:
        differences: ``probe`` (the measure), ``first``, ``second``, ``difference``, ``low`` and ``high``; one of both is ``BEFORE``.
    """
    after, text = [], []
    for row in differences.itertuples():
        turned = row.first == BEFORE
        after.append(row.second if turned else row.first)
        values = (-row.difference, -row.high, -row.low) if turned else (row.difference, row.low, row.high)
        text.append(points(*values))
    return pivoted(differences.assign(generator=after), "probe", "generator", text).rename_axis(columns=None)


def worst(table: pd.DataFrame) -> pd.DataFrame:
    """The concepts that lost most, in percent of their images: a row for each, named by a caption."""
    shown = {name: [f"{100 * value:.0f}" for value in table[name]] for name in ("before", "after")}
    shown["change, points"] = [f"{100 * value:+.0f}" for value in table["change"]]
    return pd.DataFrame(shown, index=list(table["caption"]))


def pixels(table: pd.DataFrame) -> pd.DataFrame:
    """How far images moved, in grey levels of 255: a row for each group of captions, a column for each edit; last, how far two images of a caption lie
    apart that were drawn from other noise."""
    edits = table[table["change"] > 0]
    wide = pivoted(edits, "group", "generator", [f"{value:.1f}" for value in edits["change"]]).rename_axis(columns=None)
    apart = table.drop_duplicates("group").set_index("group")["apart"]
    other = ["" if pd.isna(value) else f"{value:.1f}" for value in apart.reindex(wide.index)]
    return wide.assign(**{"other noise, before": other})


def gaps(table: pd.DataFrame) -> pd.DataFrame:
    """Share read as men minus share read as women in points, among images in which one of both is read: a row for each generator, a column for each group of captions."""
    text = [
        "" if pd.isna(row.gap) else f"{points(row.gap, row.low, row.high)} ({100 * row.read:.0f} % read)"
        for row in table.itertuples()
    ]
    return pivoted(table, "place", "group", text).rename_axis(columns=None)


def readers(table: pd.DataFrame) -> pd.DataFrame:
    """How well each attribute is read of drawings that the reader's probe has not seen, in percent of all of them."""
    columns = {"read": "something is read", "accuracy": "it is read rightly"}
    found = {title: [f"{100 * value:.0f}" for value in table[name]] for name, title in columns.items()}
    return pd.DataFrame(found, index=list(table["attribute"]))


def fell(table: pd.DataFrame, measure: str, before: str, after: str) -> str:
    """A share before and after, such as ``93.8 [88.0, 99.5] % before, 4.2 [0.0, 9.1] % after``.

    Args:
        table: ``generator``, ``measure``, ``share``, ``low`` and ``high``.
    """
    mine = table[table["measure"] == measure].set_index("generator")
    if not {before, after} <= set(mine.index):
        return LACKING
    told = (percent(*mine.loc[name, ["share", "low", "high"]]) for name in (before, after))
    return " % before, ".join(told) + " % after"


def reached(table: pd.DataFrame, reader: pd.DataFrame) -> str:
    """Which generator with a planted skew came nearest to as many men as women, and the gap of the one with the skew, for the captions that were edited.

    Args:
        table: of :func:`stablerep.audits.edit_effects.gaps_of`. reader: how well gender is read.
    """
    mine = table[(table["group"] == "skewed, edited") & table["gap"].notna()].set_index("place")
    if "skewed" not in mine.index:
        return LACKING
    others = mine.drop(index=["skewed", "before the skew"], errors="ignore")
    start = mine.loc["skewed"]
    said = f"with the skew {points(start['gap'], start['low'], start['high'])} points"
    if len(others):
        best = others.loc[others["gap"].abs().idxmin()]
        said += f"; nearest to zero: {best.name}, {points(best['gap'], best['low'], best['high'])} points"
        said += f", of {len(others)} tries, so that chance may have picked it" if len(others) > 1 else ""
    right = reader.set_index("attribute")["accuracy"].get("gender")
    return f"{said} (gender is read rightly in {100 * right:.0f} % of the drawings)" if right is not None else said
