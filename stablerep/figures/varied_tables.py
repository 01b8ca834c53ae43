"""Tables of what a chapter varied: numbers of captions, guidance scales, images of a caption, real ones among them."""

from __future__ import annotations

import math

import pandas as pd

from stablerep.figures.tables import accuracy_texts, pivoted, points


def scaled_accuracies(scaling: pd.DataFrame, probe: str) -> pd.DataFrame:
    """Accuracy in percent on one probe: a row per arm and panel, one per floor, a column per number of captions, titled with that of their concepts.

    Args:
        scaling: as ``arms``, with ``panel``, ``captions`` and ``concepts``.
    """
    mine = scaling[scaling["probe"] == probe]
    mine = mine[(mine["captions"] > 0) | ~mine.duplicated(["arm", "captions"])]  # floors are the same in all panels
    mine = mine.sort_values("captions", key=lambda counts: counts == 0, kind="stable")  # and have the last rows
    mine = mine.assign(
        arm=[f"{row.arm}, {row.panel}" if row.captions else row.arm for row in mine.itertuples()],
        captions=[
            f"{row.captions:,} captions, {row.concepts:,} concepts" if row.captions else "no captions"
            for row in mine.itertuples()
        ],
    )
    wide = pivoted(mine, "arm", "captions", accuracy_texts(mine)).rename_axis(columns=None)
    return wide[sorted(wide, key=lambda title: title != "no captions")]  # a phone shows the first columns


def against_all_captions(pairs: pd.DataFrame, probe: str) -> pd.DataFrame:
    """By how many points an arm at each number of captions lies above another at all of them: a row per number, a column per panel.

    Args:
        pairs: of :func:`stablerep.statistics.differences`, with ``panel``.
    """
    mine = pairs[pairs["probe"] == probe]
    text = [points(row.difference, row.low, row.high) for row in mine.itertuples()]
    return pivoted(mine, "first", "panel", text).rename_axis(index=None, columns=None)


def exchange_rates(worth: pd.DataFrame) -> pd.DataFrame:
    """How many real captions one synthetic caption is worth: a row per pair of arms and probe, a column per panel.

    Args:
        worth: ``panel``, ``probe``, ``first``, ``second``, ``times``, ``low`` and ``high``; NaN where the lines do not rise.
    """
    text = [
        "no clear rise" if row.times != row.times else f"{row.times:.2g} [{_bound(row.low)}, {_bound(row.high)}]"
        for row in worth.itertuples()
    ]
    pairs = worth.assign(pair=[f"{row.first} for {row.second}, {row.probe}" for row in worth.itertuples()])
    return pivoted(pairs, "pair", "panel", text).rename_axis(columns=None)


def _bound(times: float) -> str:
    return "∞" if math.isinf(times) else f"{times:.2g}"


def rises_by_group(rises: pd.DataFrame) -> pd.DataFrame:
    """By how many points accuracy rises with each doubling of the captions: a row per group of things, a column per arm.

    Args:
        rises: ``arm``, ``group``, ``difference``, ``low``, ``high`` and ``clusters``.
    """
    mine = rises.assign(group=[f"{row.group} ({row.clusters:,})" for row in rises.itertuples()])
    text = [points(row.difference, row.low, row.high) for row in mine.itertuples()]
    return pivoted(mine, "group", "arm", text).rename_axis(columns=None)


def guided_accuracies(table: pd.DataFrame, probe: str) -> pd.DataFrame:
    """Accuracy in percent on one probe: a row per arm, a column per guidance scale.

    Args:
        table: of :func:`stablerep.statistics.summarize`, with ``guidance_scale``.
    """
    mine = table[table["probe"] == probe].sort_values("guidance_scale", kind="stable")
    mine = mine.assign(w=[f"w = {w:g}" for w in mine["guidance_scale"]])
    return pivoted(mine, "arm", "w", accuracy_texts(mine)).rename_axis(columns=None)


def chances(table: pd.DataFrame) -> str:
    """A sentence on what guessing has on each probe.

    Args:
        table: ``probe`` and ``chance``.
    """
    same = table.assign(share=[f"{100 * chance:.1f} %" for chance in table["chance"]]).groupby("share", sort=False)[
        "probe"
    ]
    said = [f"in {share} of cases on {' and '.join(f'*{probe}*' for probe in probes)}" for share, probes in same]
    return f"Guessing is right {', '.join(said)}."


def counted_accuracies(table: pd.DataFrame, probe: str) -> pd.DataFrame:
    """Accuracy in percent on one probe: a row per panel, by its name up to what it holds fixed, and a column per number that was varied.

    Args:
        table: of :func:`stablerep.statistics.summarize`, with ``panel`` and ``number``.
    """
    mine = table[table["probe"] == probe].assign(number=table["number"].map("{:g}".format))
    mine = mine.assign(
        panel=mine["panel"].str.partition(", at ")[0]
    )  # a longer one leaves a phone no room for the numbers
    return pivoted(mine, "panel", "number", accuracy_texts(mine)).rename_axis(columns=None)


def grown_accuracies(table: pd.DataFrame, panel: str, probe: str) -> pd.DataFrame:
    """Accuracy in percent on one probe: a row per arm, a column per length of training or per encoder.

    Args:
        table: of :func:`stablerep.statistics.summarize`, with ``panel``, ``steps`` (0 for floors), ``encoder`` and ``weights``.
    """
    mine = table[(table["probe"] == probe) & (table["panel"] == panel)].sort_values(["weights", "steps"], kind="stable")
    if mine["encoder"].nunique() == 1:
        mine = mine.assign(at=[f"{count:,} steps" if count else "untrained" for count in mine["steps"]])
    else:
        mine = mine.assign(at=[f"{row.encoder}, {row.weights / 1e6:.1f} M" for row in mine.itertuples()])
    return pivoted(mine, "arm", "at", accuracy_texts(mine)).rename_axis(columns=None)


def views_by_length(table: pd.DataFrame) -> str:
    """A sentence on how many views every arm has seen at the shortest and at the longest training.

    Args:
        table: as for :func:`grown_accuracies`, with ``views``.
    """
    trained = table[(table["steps"] > 0) & (table["panel"] == table["panel"].iloc[0])]
    said = [
        f"{count:,} steps, {' to '.join(f'{views:,}' for views in sorted(part['views'].unique()))} views"
        for count, part in trained.groupby("steps") if count in (trained["steps"].min(), trained["steps"].max())
    ]  # fmt: skip
    return f"Every arm sees as much as the others of its point: {'; '.join(said)}."


def leads(differences: pd.DataFrame, probe: str) -> pd.DataFrame:
    """By how many points one arm lies above others: a row per length of training or encoder, a column per other arm.

    Args:
        differences: of :func:`stablerep.statistics.differences`, with ``panel``, ``steps`` and ``encoder``.
    """
    mine = differences[differences["probe"] == probe]
    mine = mine.assign(
        at=[f"{row.encoder}, {row.steps:,} steps" for row in mine.itertuples()],
        other=[f"above {name.partition(',')[0]}" for name in mine["second"]],
    )
    mine = mine.drop_duplicates(["at", "other"])  # a point that is in both panels
    text = [points(row.difference, row.low, row.high) for row in mine.itertuples()]
    return pivoted(mine, "at", "other", text).rename_axis(index=None, columns=None)


def mixed_accuracies(shares: pd.DataFrame, probe: str) -> pd.DataFrame:
    """Accuracy in percent on one probe: a row per mixture, with the share of its images that is real, a column per method.

    Args:
        shares: of :func:`stablerep.statistics.summarize`, with ``method``, ``images``, ``real`` and ``share``.
    """
    mine = shares[shares["probe"] == probe].sort_values("real", kind="stable")
    wide = pivoted(mine, "images", "method", accuracy_texts(mine)).rename_axis(columns=None)
    real = mine.drop_duplicates("images").set_index("images")["share"]
    wide.insert(0, "real images, %", [f"{100 * share:.0f}" for share in real.loc[wide.index]])
    return wide


def generation_accuracies(table: pd.DataFrame, probe: str) -> pd.DataFrame:
    """Accuracy in percent on one probe: a row per way, a column per generation.

    Args:
        table: of :func:`stablerep.statistics.summarize`, with ``way`` and ``generation``.
    """
    mine = table[table["probe"] == probe].sort_values("generation", kind="stable")
    mine = mine.assign(at=[f"generation {number}" for number in mine["generation"]])
    return pivoted(mine, "way", "at", accuracy_texts(mine)).rename_axis(columns=None)


def slopes(table: pd.DataFrame, by: str = "panel") -> pd.DataFrame:
    """By how many points accuracy rises with each doubling, with the smallest rise that would have been seen: a row per panel.

    Args:
        table: ``panel``, or what else ``by`` names, ``difference``, ``low``, ``high`` and ``visible``.
    """
    text = [points(row.difference, row.low, row.high) for row in table.itertuples()]
    visible = [f"{100 * row.visible:.1f}" for row in table.itertuples()]
    return pd.DataFrame({"points for a doubling": text, "smallest detectable": visible}, index=table[by].rename(None))


def peaks(table: pd.DataFrame) -> pd.DataFrame:
    """The best guidance scale of each arm, and what accuracy loses a factor of two from it, in points.

    Args:
        table: ``arm``, ``best``, ``low``, ``high``, ``bend``, ``bend_low`` and ``bend_high``.
    """
    best = [f"{row.best:.1f} [{row.low:.1f}, {row.high:.1f}]" for row in table.itertuples()]
    lost = [points(row.bend, row.bend_low, row.bend_high) for row in table.itertuples()]
    return pd.DataFrame({"best w": best, "points lost a factor of two from it": lost}, index=table["arm"].rename(None))


def photographs(table: pd.DataFrame) -> pd.DataFrame:
    """What each data set of photographs offers to learn from and to test on.

    Args:
        table: ``data``, ``captions``, ``images_per_caption``, ``synthetic``, ``real``, ``short`` (captions with fewer photographs than synthetic
            images), ``part`` and ``tested``.
    """
    short = [f" ({row.short:,} captions with fewer)" if row.short else "" for row in table.itertuples()]
    return pd.DataFrame({
        "captions": [f"{count:,}" for count in table["captions"]], "images of each": [f"{count:,}" for count in table["images_per_caption"]],
        "synthetic images": [f"{count:,}" for count in table["synthetic"]],
        "photographs": [f"{count:,}{few}" for count, few in zip(table["real"], short)],
        "tested on": [f"{count:,} ({part})" for count, part in zip(table["tested"], table["part"])],
    }, index=table["data"].rename(None))  # fmt: skip
