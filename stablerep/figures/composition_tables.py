"""Tables and sentences for the page on composition: pure functions from a results table to what a reader sees."""

from __future__ import annotations

import pandas as pd

from stablerep.figures.bounded import bounded, points_or_alike
from stablerep.figures.tables import percent, pivoted


def foils(table: pd.DataFrame, images_of: str | None = None) -> pd.DataFrame:
    """The kinds of foils with an example: a row per kind, and part of the images where several are shown.

    Args:
        table: of :func:`stablerep.audits.foils.described`, with ``images_of``. images_of: the part that is shown; None: all.
    """
    mine = table if images_of is None else table[table["images_of"] == images_of]
    names = {"clusters": "concepts", "left_out": "left out", "caption": "a caption", "foil": "its foil"}
    columns = ["images", "concepts", "left out", "a caption", "its foil"]
    keys = ["kind"] if images_of else ["images_of", "kind"]
    shown = mine.rename(columns=names).set_index(keys)[columns]
    return shown.rename_axis(index={"images_of": "images of", "kind": "kind of foil"})


def preferences(table: pd.DataFrame, images_of: str) -> pd.DataFrame:
    """How often each arm prefers the caption, in percent, and what its text alone gives: a row per kind of foil and arm.

    Args:
        table: of :func:`stablerep.audits.composition.accuracies`, with ``kind`` and ``images_of``.
    """
    mine = table[table["images_of"] == images_of]
    return _beside_text(mine).assign(kind=mine["kind"].to_numpy()).set_index(["kind", "arm"]).rename_axis(index={"kind": "kind of foil"})  # fmt: skip


def _bounded(table: pd.DataFrame) -> pd.DataFrame:
    """With the exact bounds of shares of 0 and 1, for the number of concepts."""
    shown = bounded(table, "clusters", value="accuracy")
    return bounded(shown, "clusters", value="text_alone", low="text_low", high="text_high")


def _beside_text(table: pd.DataFrame) -> pd.DataFrame:
    table = _bounded(table)
    return pd.DataFrame({
        "arm": table["arm"].to_numpy(),
        "prefers the caption (%)": [percent(row.accuracy, row.low, row.high) for row in table.itertuples()],
        "text alone (%)": [percent(row.text_alone, row.text_low, row.text_high) for row in table.itertuples()],
        "ties (%)": [f"{100 * row.ties:.1f}" for row in table.itertuples()],
    })  # fmt: skip


def differences(table: pd.DataFrame, images_of: str) -> pd.DataFrame:
    """What the pairs of arms differ by, in points: a row per kind of foil, a column per pair.

    Args:
        table: of :func:`stablerep.statistics.differences`, with ``kind`` and ``images_of``.
    """
    mine = table[table["images_of"] == images_of]
    mine = mine.assign(pair=[f"{row.first} − {row.second}" for row in mine.itertuples()])
    text = [points_or_alike(row, visible=True) for row in mine.itertuples()]
    return pivoted(mine, "kind", "pair", text).rename_axis(index="kind of foil", columns=None)


def elsewhere(table: pd.DataFrame, images_of: str) -> pd.DataFrame:
    """How often each arm prefers the caption on the images of all parts but one, in percent, and the same of the text alone: a row per part and kind of
    foil, a column per arm.

    Args:
        table: as of :func:`preferences`. images_of: the part that is left out.
    """
    mine = _bounded(table[table["images_of"] != images_of])
    mine = mine.assign(row=list(zip(mine["images_of"], mine["kind"])))
    text = [f"{percent(row.accuracy, row.low, row.high)}, {100 * row.text_alone:.1f}" for row in mine.itertuples()]
    wide = pivoted(mine, "row", "arm", text).rename_axis(columns=None)
    return (
        wide.set_axis(pd.MultiIndex.from_tuples(wide.index, names=["images of", "kind of foil"])) if len(wide) else wide
    )


def of_files(table: pd.DataFrame) -> pd.DataFrame:
    """How often each arm prefers the caption in files that a reader has, in percent: a row per set and arm.

    Args:
        table: of :func:`stablerep.audits.composition.accuracies` and :func:`stablerep.audits.composition.over_groups`.
    """
    shown = _beside_text(table).assign(
        set=table["probe"].to_numpy(), chance=[f"{100 * one:.1f}" for one in table["chance"]],
        groups=["" if one != one else f"{100 * one:.1f}" for one in table["over_groups"]],
    )  # fmt: skip
    names = {"chance": "chance (%)", "groups": "mean over relations or attributes (%)"}
    return shown.rename(columns=names).set_index(["set", "arm"])


def files_sentence(tables: dict[str, pd.DataFrame]) -> str:
    """Markdown: which files were read, and of how many questions the image was not there; how to name some where none were.

    Args:
        tables: of the chapter; ``files`` is there where some were named.
    """
    if "files" not in tables:
        return "No files were named, so that there is no table here."
    said = []
    for row in tables["files"].itertuples():
        lost = f", and {row.missing:,} more whose image is not there were not asked" if row.missing else ""
        said.append(f"{row.probe} (`{row.file}`): {row.questions:,} questions about {row.pictures:,} images{lost}")
    return f"{'; '.join(said)}."


def published_sentence(table: pd.DataFrame) -> str:
    """What the published numbers have of ARO, each with the grade of its evidence.

    Args:
        table: of :func:`stablerep.published.read_published`, of all grades.
    """
    mine = table[table[["exhibit", "metric", "data"]].apply(lambda one: one.str.contains(r"\bARO\b")).any(axis=1)]
    if mine.empty:
        return "The numbers of table 7 on ARO are not in the sources that we could read, so none stand beside ours."
    said = "; ".join(
        f"{row.method}, {row.data}, {row.metric}: {row.value} ({row.evidence})" for row in mine.itertuples()
    )
    return f"Published, with the grade of the evidence: {said}."
