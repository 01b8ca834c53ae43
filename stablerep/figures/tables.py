"""Tables and sentences for pages: pure functions from a results table to what a reader sees.

Shares become percent and differences points, an interval stands in brackets behind its value, and the rows and columns keep the order of the table
that they come from.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import pandas as pd

PROBE = "linear subgroup"
SET_METRICS = ("kid", "precision", "density", "recall", "coverage")


def percent(value: float, low: float, high: float, digits: int = 1) -> str:
    """A share in percent with its interval: ``12.3 [10.1, 14.5]``; what is NaN is left out."""
    if math.isnan(value):
        return ""
    shown = f"{100 * value:.{digits}f}"
    return shown if math.isnan(low) else f"{shown} [{100 * low:.{digits}f}, {100 * high:.{digits}f}]"


def points(difference: float, low: float, high: float) -> str:
    """A difference of shares in points with its interval: ``+1.2 [-0.3, +2.8]``; an interval that is NaN is left out."""
    shown = f"{100 * difference:+.1f}"
    return shown if math.isnan(low) else f"{shown} [{100 * low:+.1f}, {100 * high:+.1f}]"


def _wide(table: pd.DataFrame, index: str, columns: str, text: Sequence[str]) -> pd.DataFrame:
    """A text for each pair of two columns, in the order in which these first come; "" where there is none. Rows have no title."""
    wide = table.assign(text=list(text)).pivot(index=index, columns=columns, values="text")
    wide = wide.loc[table[index].unique(), table[columns].unique()]
    return wide.fillna("").rename_axis(index=None)


def accuracies(arms: pd.DataFrame) -> pd.DataFrame:
    """Accuracy in percent with its interval: a row per arm, a column per probe.

    Args:
        arms: of :func:`stablerep.statistics.summarize`.
    """
    text = [percent(row.accuracy, row.low, row.high) for row in arms.itertuples()]
    return _wide(arms, "arm", "probe", text)


def scaled_accuracies(scaling: pd.DataFrame, probe: str) -> pd.DataFrame:
    """Accuracy in percent on one probe: a row per panel and arm, a column per number of captions, titled with that of their concepts.

    Args:
        scaling: as ``arms``, with ``panel``, ``captions`` and ``concepts``.
    """
    mine = scaling[scaling["probe"] == probe]
    mine = mine.assign(
        arm=mine["arm"] + ", " + mine["panel"],
        captions=[
            f"{row.captions:,} captions, {row.concepts:,} concepts" if row.captions else "no captions"
            for row in mine.itertuples()
        ],
    )
    text = [percent(row.accuracy, row.low, row.high) for row in mine.itertuples()]
    return _wide(mine, "arm", "captions", text).rename_axis(columns=None)


def differences(pairs: pd.DataFrame, probe: str = PROBE) -> pd.DataFrame:
    """The pairs that claims name, in points, on one probe, with the smallest difference that would have been seen: a row per pair.

    Args:
        pairs: of :func:`stablerep.statistics.differences`.
    """
    mine = pairs[pairs["probe"] == probe]
    shown = mine.assign(points=[points(row.difference, row.low, row.high) for row in mine.itertuples()])
    shown = shown.assign(visible=[f"{100 * row.visible:.1f}" for row in mine.itertuples()])
    shown = shown.rename(columns={"visible": "smallest visible"}).set_index("claim")
    return shown[["first", "second", "points", "smallest visible", "seeds"]]


def gains(floors: pd.DataFrame, floor: str) -> pd.DataFrame:
    """By how many points each arm lies above one floor: a row per arm, a column per probe."""
    mine = floors[floors["second"] == floor]
    wide = _wide(mine, "first", "probe", [points(row.difference, row.low, row.high) for row in mine.itertuples()])
    return wide.rename_axis(columns=None)


def transfer(scores: pd.DataFrame) -> pd.DataFrame:
    """Scores in percent, averaged over seeds: a row per arm, a column per set; NaN for a set that was not there.

    Args:
        scores: of :func:`stablerep.transfer.transfer_scores`, with ``arm`` and ``seed``.
    """
    wide = scores.groupby(["arm", "set"], sort=False)["value"].mean().mul(100).unstack().round(1)
    return wide.rename_axis(index=None, columns="%")


def costs(table: pd.DataFrame) -> pd.DataFrame:
    """Views, weights and time, as a multiple of the first arm's, of each arm that was trained.

    Args:
        table: of :func:`stablerep.statistics.costs`.
    """
    shown = table.assign(views=table["views"].map("{:,.0f}".format), weights=table["weights"].map("{:,.0f}".format))
    return shown.set_index("arm").rename_axis(None)[["views", "weights", "time"]].round(2)


def diagnostics(table: pd.DataFrame) -> pd.DataFrame:
    """What features look like, a row per arm.

    Args:
        table: of :func:`stablerep.audits.features.describe`, with ``arm``.
    """
    return table.set_index("arm").rename_axis(None).round(2)


def diagnosis_sentences(
    tables: dict[str, pd.DataFrame], names: Sequence[str], floor: str, probes: Sequence[str]
) -> str:
    """Markdown: a line for each of some methods that was run, on what it gained on a few probes and what its features look like.

    Args:
        tables: ``diagnostics`` and ``floors``. names: of methods. floor: an untrained encoder.
    """
    features = tables["diagnostics"].set_index("arm")
    floors = tables["floors"]
    found = floors[floors["second"] == floor].set_index(["probe", "first"])
    lines = []
    for name in names:
        if name not in features.index:
            continue
        row = features.loc[name]
        gained = [
            f"{probe} {points(pair['difference'], pair['low'], pair['high'])}"
            for probe in probes
            if (probe, name) in found.index
            for pair in [found.loc[(probe, name)]]
        ]
        lines.append(
            f"- **{name}**, points above {floor[0].lower() + floor[1:]}: {', '.join(gained)}. Cosine within a caption "
            f"{row['within']:.2f}, between captions {row['between']:.2f}; effective rank {row['effective_rank']:.0f} of {row['dimensions']}; "
            f"alarms: {row['alarms']}."
        )
    return "\n".join(lines) or "Not run with these parameters."


MEASURES = {
    "top1": "concept first", "top10": "concept among ten", "subgroup": "subgroup of the first", "tone": "skin tone", "gender": "gender",
}  # fmt: skip


def faithfulness(shares: pd.DataFrame) -> pd.DataFrame:
    """What is right about images, in percent: rows of each group of captions and its gallery, columns of measures.

    Args:
        shares: of :func:`stablerep.audits.faithfulness.shares`.
    """
    mine = shares[shares["group"] == "all"]
    rows = [
        {"captions": row.captions, "gallery": row.gallery, "images": _source(row), "measure": row.measure, "text": percent(row.mean, row.low, row.high)}
        for row in mine.itertuples()
    ]  # fmt: skip
    by_chance = mine.drop_duplicates(["captions", "gallery", "measure"])
    rows += [
        {"captions": row.captions, "gallery": row.gallery, "images": "chance", "measure": row.measure, "text": f"{100 * row.chance:.1f}"}
        for row in by_chance.itertuples()
    ]  # fmt: skip
    table, keys = pd.DataFrame(rows), ["captions", "gallery", "images"]
    wide = table.pivot(index=keys, columns="measure", values="text").fillna("").rename_axis(columns=None)
    order = pd.MultiIndex.from_frame(
        table[keys].drop_duplicates().sort_values("captions", key=_first_seen, kind="stable")
    )
    return wide.loc[order, list(dict.fromkeys(table["measure"]))].rename(columns=MEASURES)


def _first_seen(names: pd.Series) -> pd.Series:
    return names.map({name: place for place, name in enumerate(names.unique())})


def _source(row) -> str:
    return row.source if math.isnan(row.guidance_scale) else f"{row.source}, w = {row.guidance_scale:g}"


def faithfulness_gaps(differences: pd.DataFrame) -> pd.DataFrame:
    """By how many points more often the concept of the caption comes first for real than for generated images: a column per group of captions.

    Args:
        differences: of :func:`stablerep.audits.faithfulness.gaps`.
    """
    text = [points(row.difference, row.low, row.high) for row in differences.itertuples()]
    return _wide(differences, "second", "captions", text).rename_axis(columns="real minus")


def faithfulness_by_group(shares: pd.DataFrame, scale: float, captions: str) -> pd.DataFrame:
    """How often the concept of the caption comes first, in percent, by group of emoji: generated images at one guidance scale beside real ones.

    Args:
        shares: of :func:`stablerep.audits.faithfulness.shares`. captions: the group of captions.
    """
    rows = shares[
        (shares["measure"] == "top1") & (shares["group"] != "all") & (shares["captions"] == captions)
        & (shares["guidance_scale"].isna() | (shares["guidance_scale"] == scale))
    ]  # fmt: skip
    cells = rows.assign(text=[percent(*row, digits=0) for row in rows[["mean", "low", "high"]].itertuples(index=False)])
    wide = _wide(cells, "group", "source", cells["text"]).rename_axis(columns=None)
    wide.insert(0, "concepts", cells.drop_duplicates("group").set_index("group")["concepts"])
    return wide


def set_measures(sets: pd.DataFrame) -> pd.DataFrame:
    """Distance, fidelity and diversity with their intervals: a row for the other set of real images and each guidance scale, a column per measure.

    Args:
        sets: of :func:`stablerep.audits.faithfulness.over_seeds`.
    """
    text = [f"{row.value:.3f} [{row.low:.3f}, {row.high:.3f}]" for row in sets.itertuples()]
    wide = _wide(sets.assign(set=[_source(row) for row in sets.itertuples()]), "set", "metric", text)
    return wide[list(SET_METRICS)].rename_axis(columns=None)


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
        f"density and coverage. Features: the judges', of images at {size} x {size} pixels without resizing. Values for other n, k, units, "
        "extractor or resizing are not comparable, published ones included."
    )


def reconstruction(table: pd.DataFrame) -> pd.DataFrame:
    """What the autoencoder keeps: PSNR with its interval, a row per group of captions."""
    return table.set_index("captions").rename(columns={"mean": "PSNR (dB)"}).rename_axis(None).round(2)


def designs(table: pd.DataFrame) -> pd.DataFrame:
    """Images, captions and concepts of each design."""
    return table.set_index("design").rename_axis(None)


def splits(table: pd.DataFrame) -> pd.DataFrame:
    """Concepts, captions and images of each part, over all groups."""
    return table.groupby("split", sort=False)[["concepts", "captions", "images"]].sum()


def published(table: pd.DataFrame, *, methods: str, metric: str, rows: int = 12) -> pd.DataFrame:
    """The paper's numbers for some methods and one metric, titled by the method.

    Args:
        table: of :func:`stablerep.published.read_published`.
        methods: regular expression of names. metric: of its beginning or any part.
    """
    mine = table[table["method"].str.contains(methods) & table["metric"].str.contains(metric, regex=False)]
    return mine[["method", "data", "setting", "value", "source"]].drop_duplicates().head(rows).set_index("method")
