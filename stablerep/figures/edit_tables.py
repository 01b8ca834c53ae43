"""Tables and sentences for the page on editing a generator: pure functions from a results table to what a reader sees."""

from __future__ import annotations

import pandas as pd

from stablerep.figures.bounded import bounded
from stablerep.figures.solutions import LACKING
from stablerep.figures.tables import percent, pivoted, points

BEFORE = "before the edit"  # the name of the generator that others are compared with


def shares(table: pd.DataFrame) -> pd.DataFrame:
    """Shares of images in percent with their intervals, at 0 and 1 the exact bound for the number of concepts: a row for each measure, a column for each generator."""
    text = [percent(row.share, row.low, row.high) for row in bounded(table, "clusters", value="share").itertuples()]
    return pivoted(table, "measure", "generator", text).rename_axis(columns=None)


def changes(differences: pd.DataFrame) -> pd.DataFrame:
    """What an edit changed, in points: a row for each measure, a column for each edit; after the edit minus before, whichever way the pair was compared.

    Args:
        differences: ``probe`` (the measure), ``first``, ``second``, ``difference``, ``low`` and ``high``; one of both is ``BEFORE``.
    """
    mine = _after_minus_before(differences)
    text = [points(row.difference, row.low, row.high) for row in mine.itertuples()]
    return pivoted(mine, "probe", "generator", text).rename_axis(columns=None)


def _after_minus_before(differences: pd.DataFrame) -> pd.DataFrame:
    """``probe``, ``generator`` (after the edit), ``difference``, ``low`` and ``high``, after minus before."""
    rows = []
    for row in differences.itertuples():
        turned = row.first == BEFORE
        values = (-row.difference, -row.high, -row.low) if turned else (row.difference, row.low, row.high)
        rows.append([row.probe, row.second if turned else row.first, *values])
    return pd.DataFrame(rows, columns=["probe", "generator", "difference", "low", "high"])


def _change(differences: pd.DataFrame, measure: str, after: str):
    """The row of one measure and edit; None where it was not measured."""
    mine = _after_minus_before(differences)
    mine = mine[(mine["probe"] == measure) & (mine["generator"] == after)]
    return next(mine.itertuples(), None)


def beyond(differences: pd.DataFrame, after: str, tone: str, concept: str) -> str:
    """What the edit did to captions that were not edited, as far as the intervals tell it; empty where they tell nothing.

    Args:
        differences: as for :func:`changes`. after: the generator after the edit. tone, concept: measures of the captions that were not edited, read as a
            named tone, and with their concept first.
    """
    said = []
    row = _change(differences, tone, after)
    if row is not None and row.high < 0:
        said.append(
            f"The edit is not confined to the captions that it was given: of those that were not edited, images read as a named tone become fewer too, by "
            f"{-100 * row.difference:.1f} points [{-100 * row.high:.1f}, {-100 * row.low:.1f}]."
        )
    row = _change(differences, concept, after)
    if row is not None and (row.low > 0 or row.high < 0):
        told = f"Their concept comes first {'more' if row.low > 0 else 'less'} often: {points(row.difference, row.low, row.high)} points."
        said.append(told if said else f"Of captions that were not edited: {told[0].lower()}{told[1:]}")
    return " ".join(said)


def reaches(differences: pd.DataFrame, after: str, edited: str, others: str) -> str:
    """Whether the edit reaches captions that it was not given, by the changes of two groups of captions.

    Args:
        differences: as for :func:`changes`. edited, others: measures of the captions that were edited, and of those that were not.
    """
    mine, theirs = (_change(differences, measure, after) for measure in (edited, others))
    if mine is None or theirs is None:
        return LACKING
    texts = [points(row.difference, row.low, row.high) for row in (mine, theirs)]
    said = f"The edited captions change by {texts[0]} points, the others by {texts[1]}. "
    if theirs.high < 0:
        return said + (
            "The second falls too, by its whole interval: the edit reaches concepts that it was not given. So it acts on what the embeddings of a tone share, "
            "whatever the concept. Which of the two falls further is not compared, as they are other captions"
        )
    if theirs.low > 0:
        return said + "The second rises: the edit reaches other concepts, and not as it was meant to"
    return (
        said
        + "The second is not told from zero: whether the edit reaches beyond the captions that it was given cannot be told"
    )


def spoiled(differences: pd.DataFrame, after: str, tone: str, untold: str) -> str:
    """In which groups of captions fewer images are read as a named tone and more cannot be told, each by its whole interval; empty where in none.

    Args:
        differences: as for :func:`changes`. after: the generator after the edit. tone, untold: how measures of both begin, before a comma and the group.
    """
    said = []
    for measure in dict.fromkeys(differences["probe"]):
        group = measure.removeprefix(f"{tone}, ")
        fall, rise = (_change(differences, f"{start}, {group}", after) for start in (tone, untold))
        if fall is not None and rise is not None and fall.high < 0 < rise.low:
            less, more = (points(row.difference, row.low, row.high) for row in (fall, rise))
            said.append(f"{group} ({tone} {less} and {untold} {more} points)")
    return (
        f"Fewer images are read as a named tone and more cannot be told, each by its whole interval, in: {'; '.join(said)}."
        if said
        else ""
    )


def worst(table: pd.DataFrame) -> pd.DataFrame:
    """The concepts that lost most, in percent of their images: a row for each that lost any, named by a caption."""
    table = table[table["change"] < 0]
    shown = {name: [f"{100 * value:.0f}" for value in table[name]] for name in ("before", "after")}
    shown["change, points"] = [f"{100 * value:+.0f}" for value in table["change"]]
    return pd.DataFrame(shown, index=list(table["caption"]))


def lost_sentence(table: pd.DataFrame, images: int) -> str:
    """How many of the concepts that lost most lost anything, and what one image is worth.

    Args:
        table: as for :func:`worst`. images: of each concept, all seeds together.
    """
    lost = int((table["change"] < 0).sum())
    one = f"{'one image' if images == 1 else f'{images} images'} of each concept, so that one image is {100 / images:.3g} points"
    if not lost:
        return f"No concept lost any: there is {one}." if images == 1 else f"No concept lost any, of {one}."
    more = " or more" if lost == len(table) else ""
    return f"{lost}{more} concept{'' if lost == 1 else 's'} lost some. There {'is' if images == 1 else 'are'} {one}. By chance alone some lose and others gain."


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
    columns = {"read": "something is read (%)", "accuracy": "it is read rightly (%)"}
    found = {title: [f"{100 * value:.0f}" for value in table[name]] for name, title in columns.items()}
    return pd.DataFrame(found, index=list(table["attribute"]))


def fell(table: pd.DataFrame, measure: str, before: str, after: str) -> str:
    """A share before and after, such as ``93.8 [88.0, 99.5] % before, 4.2 [0.0, 9.1] % after``.

    Args:
        table: ``generator``, ``measure``, ``share``, ``low``, ``high`` and ``clusters``.
    """
    mine = bounded(table[table["measure"] == measure], "clusters", value="share").set_index("generator")
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
