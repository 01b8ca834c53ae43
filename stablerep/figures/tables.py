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
    """Accuracy in percent on one probe: a row per arm, a column per number of captions.

    Args:
        scaling: as ``arms``, with ``captions``.
    """
    mine = scaling[scaling["probe"] == probe]
    return _wide(mine, "arm", "captions", [percent(row.accuracy, row.low, row.high) for row in mine.itertuples()])


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


def gains(pairs: pd.DataFrame, claim: str) -> pd.DataFrame:
    """By how many points the first arm of each pair of one claim is better: a row per first arm, a column per probe."""
    mine = pairs[pairs["claim"] == claim]
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
    tables: dict[str, pd.DataFrame], names: Sequence[str], claim: str, probes: Sequence[str]
) -> str:
    """Markdown: a line for each of some methods that was run, on what it gained on a few probes and what its features look like.

    Args:
        tables: ``diagnostics`` and ``differences``. names: of methods.
        claim: the claim of the pairs of each method against random initialization.
    """
    features = tables["diagnostics"].set_index("arm")
    pairs = tables["differences"]
    found = pairs[pairs["claim"] == claim].set_index(["probe", "first"])
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
            f"- **{name}**, points above random initialization: {', '.join(gained)}. Cosine within a caption "
            f"{row['within']:.2f}, between captions {row['between']:.2f}; effective rank {row['effective_rank']:.0f} of {row['dimensions']}; "
            f"alarms: {row['alarms']}."
        )
    return "\n".join(lines) or "Not run with these parameters."


def best_scale(faithfulness: pd.DataFrame) -> float:
    """The guidance scale at which the concept of the caption comes first most often."""
    top = faithfulness[(faithfulness["group"] == "all") & (faithfulness["measure"] == "top1")]
    made = top[top["source"] == "generated"].sort_values("mean")
    if made.empty:
        raise ValueError("the table has no generated images over all captions; a best guidance scale needs some.")
    return float(made["guidance_scale"].iloc[-1])


def best_scale_sentence(faithfulness: pd.DataFrame) -> str:
    """Markdown: the best guidance scale, and how often captions are recognized there, beside each kind of real images.

    Args:
        faithfulness: of :func:`stablerep.audits.faithfulness.judge_images`.
    """
    top = faithfulness[(faithfulness["group"] == "all") & (faithfulness["measure"] == "top1")].set_index("source")
    scale, what = best_scale(faithfulness), "class" if "real, held-out images" in top.index else "concept"
    made = top.loc[["generated"]]
    best = made[made["guidance_scale"] == scale].iloc[0]
    beside = {
        "real, known designs": "of real ones in known designs",
        "real, held-out design": "in the held-out design",
        "real, held-out images": "of real ones that were held out",
    }
    parts = []
    for source, words in beside.items():
        if source in top.index:
            real = top.loc[source]
            ratio = best["mean"] / real["mean"] if real["mean"] else math.nan
            named = f"a ratio of **{ratio:.2f}**" if not parts else f"**{ratio:.2f}**"
            parts.append(f"{_share(real)} {words} ({named})")
    return (
        f"The best guidance scale is **w = {scale:g}**: the caption's {what} comes first for {_share(best)} of generated images, "
        f"against {' and '.join(parts)}."
    )


def _share(row: pd.Series) -> str:
    return f"{100 * row['mean']:.1f} % [{100 * row['low']:.1f}, {100 * row['high']:.1f}]"


def faithfulness_by_group(faithfulness: pd.DataFrame, scale: float | None = None) -> pd.DataFrame:
    """How often the concept of the caption comes first, in percent, by group: generated images at one guidance scale beside real ones.

    Args:
        scale: the best one (:func:`best_scale`) by default.

    Returns:
        A row per group: ``concepts`` of the generated images, and a column per source.
    """
    scale = best_scale(faithfulness) if scale is None else scale
    rows = faithfulness[
        (faithfulness["measure"] == "top1") & (faithfulness["group"] != "all")
        & (faithfulness["guidance_scale"].isna() | (faithfulness["guidance_scale"] == scale))
    ]  # fmt: skip
    cells = rows.assign(
        share=[percent(*row, digits=0) for row in rows[["mean", "low", "high"]].itertuples(index=False)]
    )
    wide = cells.pivot(index="group", columns="source", values="share").fillna("")
    wide.insert(0, "concepts", cells[cells["source"] == "generated"].set_index("group")["concepts"])
    return wide


def set_measures(sets: pd.DataFrame) -> pd.DataFrame:
    """Distance, fidelity and diversity: a row for the other set of real images and one for each guidance scale, a column per measure.

    Args:
        sets: of :func:`stablerep.audits.faithfulness.judge_images`.
    """
    names = [source if math.isnan(w) else f"w = {w:g}" for source, w in zip(sets["source"], sets["guidance_scale"])]
    wide = sets.assign(w=names).pivot(index="w", columns="metric", values="value")
    return wide.loc[list(dict.fromkeys(names)), list(SET_METRICS)].rename_axis(index=None, columns=None).round(3)


def sets_sentence(sets: pd.DataFrame, best: float, *, size: int = 32) -> str:
    """Markdown: at which guidance scale generated images are nearest to real ones, and what the numbers of the table depend on.

    Args:
        sets: of :func:`stablerep.audits.faithfulness.judge_images`.
        best: the guidance scale at which captions are recognized most often.
        size: side of the images in pixels.
    """
    if sets.empty:
        return "There are too few images of a kind to compare sets of them."
    n, k, k_coverage = (
        int(sets[sets["metric"] == metric][column].iloc[0])
        for metric, column in (("kid", "n"), ("precision", "k"), ("density", "k"))
    )
    each = (
        "as many of a class as there are" if (sets["source"] == "real, other images").any() else "one of each concept"
    )
    kid = sets[(sets["metric"] == "kid") & (sets["source"] == "generated")].set_index("guidance_scale")["value"]
    return (
        f"KID is smallest at w = {kid.idxmin():g}; captions are recognized most often at w = {best:g}. Each set has n = {n} images, {each}. "
        f"Neighbours: k = {k} for precision and recall, {k_coverage} for density and coverage. Features: the judge's, of images at "
        f"{size} x {size} pixels without resizing. Values for other n, k, extractor or resizing are not comparable, published ones included."
    )


def reconstruction(table: pd.DataFrame) -> pd.DataFrame:
    """What the autoencoder keeps: PSNR with its interval, a row per part."""
    return table.set_index("split").rename(columns={"mean": "PSNR (dB)", "n": "images"}).round(2)


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
