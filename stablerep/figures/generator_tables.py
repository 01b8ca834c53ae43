"""Tables and sentences for the page on the generator: pure functions from a results table to what a reader sees."""

from __future__ import annotations

import math

import pandas as pd

from stablerep.figures.tables import percent, pivoted, points

FEWEST_CONCEPTS = 5  # in a group, for an interval over concepts to mean anything
SET_METRICS = ("kid", "precision", "density", "recall", "coverage")
TITLES = ("KID", *SET_METRICS[1:])  # of their columns
MEASURES = {
    "top1": "concept first", "top10": "concept among ten", "subgroup": "subgroup of the first", "tone": "skin tone", "gender": "gender",
}  # fmt: skip


def faithfulness(shares: pd.DataFrame) -> pd.DataFrame:
    """What is right about images, in percent: rows of each group of captions, columns of measures.

    Args:
        shares: of :func:`stablerep.audits.faithfulness.shares`.
    """
    mine = shares[shares["group"] == "all"]
    mine = mine.assign(captions=mine["captions"] + " (gallery: " + mine["gallery"] + ")")
    rows = [
        {"captions": row.captions, "images": _source(row), "measure": row.measure, "text": percent(row.mean, row.low, row.high)}
        for row in mine.itertuples()
    ]  # fmt: skip
    by_chance = mine.drop_duplicates(["captions", "measure"])
    rows += [
        {"captions": row.captions, "images": "chance", "measure": row.measure, "text": f"{100 * row.chance:.1f}"}
        for row in by_chance.itertuples()
    ]  # fmt: skip
    table, keys = pd.DataFrame(rows), ["captions", "images"]
    wide = table.pivot(index=keys, columns="measure", values="text").fillna("").rename_axis(columns=None)
    order = pd.MultiIndex.from_frame(
        table[keys].drop_duplicates().sort_values("captions", key=_first_seen, kind="stable")
    )
    return wide.loc[order, list(dict.fromkeys(table["measure"]))].rename(columns=MEASURES)


def _first_seen(names: pd.Series) -> pd.Series:
    return names.map({name: place for place, name in enumerate(names.unique())})


def _source(row) -> str:
    return row.source if math.isnan(row.guidance_scale) else f"{row.source}, w = {row.guidance_scale:g}"


def diversity_sentence(table: pd.DataFrame) -> str:
    """Markdown: the distance between two images of one training caption at each guidance scale, beside that of real designs.

    Args:
        table: of :func:`stablerep.audits.faithfulness.shares`, measure ``distance``.
    """
    mine = table[(table["group"] == "all") & (table["captions"] == "training captions")]
    drawn = mine[mine["source"] == "generated"].sort_values("guidance_scale")
    each = ", ".join(f"{row.mean:.2f} at w = {row.guidance_scale:g}" for row in drawn.itertuples())
    real = mine.loc[mine["source"] == "real", "mean"]
    beside = f"; two real designs of it lie {real.iloc[0]:.2f} apart" if len(real) else ""
    return f"Two generated images of a training caption lie {each} apart{beside}."


def faithfulness_gaps(differences: pd.DataFrame) -> pd.DataFrame:
    """By how many points more often the concept of the caption comes first for real than for generated images: a column per group of captions.

    Args:
        differences: of :func:`stablerep.audits.faithfulness.gaps`.
    """
    text = [points(row.difference, row.low, row.high) for row in differences.itertuples()]
    return pivoted(differences, "second", "captions", text).rename_axis(columns="real minus")


def faithfulness_by_group(shares: pd.DataFrame, scale: float, captions: str) -> pd.DataFrame:
    """How often the concept of the caption comes first, in percent, by group of emoji: generated images at one guidance scale beside real ones.
    Groups of fewer than :data:`FEWEST_CONCEPTS` have no row.

    Args:
        shares: of :func:`stablerep.audits.faithfulness.shares`. captions: the group of captions.
    """
    rows = shares[
        (shares["measure"] == "top1") & (shares["group"] != "all") & (shares["captions"] == captions)
        & (shares["concepts"] >= FEWEST_CONCEPTS) & (shares["guidance_scale"].isna() | (shares["guidance_scale"] == scale))
    ]  # fmt: skip
    cells = rows.assign(text=[percent(*row, digits=0) for row in rows[["mean", "low", "high"]].itertuples(index=False)])
    wide = pivoted(cells, "group", "source", cells["text"]).rename_axis(columns=None)
    wide.insert(0, "concepts", cells.drop_duplicates("group").set_index("group")["concepts"])
    return wide


def set_measures(sets: pd.DataFrame) -> pd.DataFrame:
    """Distance, fidelity and diversity with their intervals: a row for the other set of real images and each guidance scale, a column per measure.

    Args:
        sets: of :func:`stablerep.audits.faithfulness.over_seeds`.
    """
    return _measures(sets, [_source(row) for row in sets.itertuples()])


def generation_measures(sets: pd.DataFrame, diversity: pd.DataFrame, shares: pd.DataFrame) -> pd.DataFrame:
    """The same for the images of each generation, with how often they show what their caption names, and their distance within captions: a row for real
    images, and for each generation of each way.

    Args:
        sets: of :func:`stablerep.audits.faithfulness.over_seeds`, with ``way`` and ``generation``. diversity, shares (of faithful
            images): of :func:`stablerep.audits.faithfulness.shares`, the same; real images have no generation.
    """

    def names(table: pd.DataFrame) -> list[str]:
        parts = [(row.way, f"generation {row.generation:g}") for row in table.itertuples()]
        return [
            ", ".join(filter(None, part)) if row.source == "generated" else row.source
            for row, part in zip(table.itertuples(), parts)
        ]

    mine = diversity[diversity["group"] == "all"]
    text = [f"{row.mean:.2f} [{row.low:.2f}, {row.high:.2f}]" for row in mine.itertuples()]
    found = pd.DataFrame({"distance within captions": text}, index=names(mine))
    first = shares[(shares["group"] == "all") & (shares["measure"] == "top1")]
    text = [percent(row.mean, row.low, row.high) for row in first.itertuples()]
    measures = pd.DataFrame({MEASURES["top1"]: text}, index=names(first)).join(found, how="outer")
    measures = measures.join(_measures(sets, names(sets)), how="outer")
    rows = dict.fromkeys([*found.index, *measures.index])
    return measures.reindex(list(rows)).astype(object).fillna("")


def of_images(measures: pd.DataFrame) -> pd.DataFrame:
    """Of :func:`generation_measures` what is measured of single captions: one table of all is wider than a page."""
    return _without_empty(measures.drop(columns=list(TITLES)))


def of_sets(measures: pd.DataFrame) -> pd.DataFrame:
    """Of :func:`generation_measures` what is measured of sets of images."""
    return _without_empty(measures[list(TITLES)])


def _without_empty(table: pd.DataFrame) -> pd.DataFrame:
    return table[(table != "").any(axis=1)]


def _measures(sets: pd.DataFrame, names: list[str]) -> pd.DataFrame:
    """A row per name of a set, a column per measure; no row where sets are too small to compare."""
    if sets.empty:
        return pd.DataFrame(columns=list(TITLES))
    digits = {"kid": 3}  # a small distance; the others are shares, or of their size
    text = [
        f"{row.value:.{d}f} [{row.low:.{d}f}, {row.high:.{d}f}]"
        for row in sets.itertuples()
        for d in [digits.get(row.metric, 2)]
    ]
    wide = pivoted(sets.assign(set=names), "set", "metric", text)
    return wide[list(SET_METRICS)].set_axis(TITLES, axis=1)


def sets_sentence(sets: pd.DataFrame, *, size: int = 32) -> str:
    """Markdown: what the numbers of :func:`set_measures` depend on.

    Args:
        sets: of :func:`stablerep.audits.faithfulness.over_seeds`. size: side of the images in pixels.
    """
    if sets.empty:
        return "There are too few images of a kind to compare sets of them."
    n, units, k, k_coverage = (
        int(sets[sets["metric"] == metric][column].iloc[0])
        for metric, column in (("kid", "n_real"), ("kid", "units"), ("precision", "k"), ("density", "k"))
    )
    what = "images, each its own unit" if units == n else f"images; the first real set has {units} concepts"
    return (
        f"Sets are of {sets['captions'].iloc[0]}; each has n = {n:,} {what}. Neighbours: k = {k} for precision and recall, {k_coverage} for "
        f"density and coverage. Features: the judges', of images at {size} × {size} pixels without resizing. Values for other n, k, units, "
        "extractor or resizing are not comparable, published ones included."
    )


def reconstruction(table: pd.DataFrame) -> pd.DataFrame:
    """What the autoencoder keeps: PSNR with its interval, a row per group of captions."""
    text = [f"{row.mean:.1f} [{row.low:.1f}, {row.high:.1f}]" for row in table.itertuples()]
    return pd.DataFrame({"PSNR (dB)": text, "images": list(table["images"])}, index=list(table["captions"]))
