"""Tables for the page on the bias of the generator: pure functions from a results table to what a reader sees."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import pandas as pd

from stablerep.audits.bias_measures import APART, DEVIATION, SKEW, TOGETHER, VARIATION
from stablerep.figures.bias import set_name
from stablerep.figures.tables import percent, pivoted, points


def not_computed(tables: Mapping[str, pd.DataFrame], name: str, what: str) -> str:
    """A sentence where a table is not among the stored ones, or has no rows because nothing was asked; empty where there is something to show.

    Args:
        what: the subject of the sentence and its verb, such as *The planted skew has*.
    """
    if len(tables.get(name, ())):
        return ""
    return f"{what} not been computed for the numbers on this page: `planted_shares` names the shares to plant."


def number(value: float, low: float, high: float) -> str:
    """A number with its interval, two digits each; what is NaN is left out."""
    if np.isnan(value):
        return ""
    ends = ["−∞" if end == -np.inf else f"{end:z.2f}" for end in (low, high)]
    return f"{value:z.2f} [{ends[0]}, {ends[1]}]"


def measures(table: pd.DataFrame) -> pd.DataFrame:
    """Measures of all captions together, a row per attribute, w and reference.

    Args:
        table: of :func:`stablerep.audits.bias_measures.bias_measures`.
    """
    mine = table[table["over"] == TOGETHER]
    rows = []
    for (attribute, w, reference), part in mine.groupby(["attribute", "guidance_scale", "reference"], sort=False):
        some = part.set_index("measure")
        distance, skew = some.loc[VARIATION], some.loc[SKEW]
        deviation = some.loc[DEVIATION] if DEVIATION in some.index else None
        rows.append({
            "attribute": attribute, "w": f"{w:g}", "reference": reference,
            "total variation (%)": percent(distance["value"], distance["low"], distance["high"]), "at least (%)": f"{100 * distance['least']:.1f}",
            "deviation from balance (points)": "" if deviation is None else percent(deviation["value"], deviation["low"], deviation["high"]),
            "largest skew": number(skew["value"], skew["low"], skew["high"]), "not told (%)": f"{100 * distance['unread']:.1f}",
        })  # fmt: skip
    return pd.DataFrame(rows).set_index("attribute")


def of_captions(table: pd.DataFrame) -> pd.DataFrame:
    """The mean over captions of the distance to each one's own reference, beside what chance would give, in percent: a row per attribute, w and reference.

    Args:
        table: of :func:`stablerep.audits.bias_measures.bias_measures`.
    """
    mine = table[(table["over"] == APART) & (table["measure"] == VARIATION)]
    shown = pd.DataFrame({
        "attribute": mine["attribute"], "w": [f"{w:g}" for w in mine["guidance_scale"]], "reference": mine["reference"],
        "total variation (%)": [percent(row.value, row.low, row.high) for row in mine.itertuples()],
        "by chance (%)": [f"{100 * value:.1f}" for value in mine["chance"]],
    })  # fmt: skip
    return shown.set_index("attribute")


def amplification(table: pd.DataFrame) -> pd.DataFrame:
    """BiasAmp from role to attribute, in points: a row per attribute and w (and generator, where several stand beside each other), a column for raw and one
    for matched texts, with how many pairs go together in training.

    Args:
        table: of :func:`stablerep.audits.amplification.amplification`, with or without ``planted``.
    """
    named = [
        f"{row.attribute}, w = {row.guidance_scale:g}" + (f", {set_name(row.planted)}" if "planted" in table else "")
        for row in table.itertuples()
    ]
    text = [
        "nothing to amplify" if np.isnan(row.value) else f"{points(row.value, row.low, row.high)} ({row.associated} of {row.pairs})"
        for row in table.itertuples()
    ]  # fmt: skip
    return pivoted(table.assign(name=named), "name", "texts", text).rename_axis(index="attribute", columns=None)


def planted(table: pd.DataFrame) -> pd.DataFrame:
    """Figures in the dark tone among generated images, in percent, as read and corrected: a row per w and generator, with what was learned.

    Args:
        table: ``planted`` of :func:`stablerep.audits.planted_shares.planted_shares`.
    """
    learned = table[table["group"] == "skewed roles"].drop_duplicates(["planted", "guidance_scale"])
    learned = {(row.guidance_scale, set_name(row.planted)): f"{100 * row.learned:.1f}" for row in learned.itertuples()}
    named = [(row.guidance_scale, set_name(row.planted)) for row in table.itertuples()]
    text = ["refused" if np.isnan(row.share) else percent(row.share, row.low, row.high) for row in table.itertuples()]
    columns = [f"{row.group}, {row.source.removeprefix('generated, ')}" for row in table.itertuples()]
    shown = table.assign(name=[f"w = {w:g}, {name}" for w, name in named], column=columns)
    wide = pivoted(shown, "name", "column", text).rename_axis(columns=None)
    wide.insert(0, "learned", [learned[key] for key in dict.fromkeys(named)])
    return wide


def slopes(table: pd.DataFrame) -> pd.DataFrame:
    """Slopes of generated over learned shares, 1 being the 45° line: a row per group and w, a column as read and one corrected.

    Args:
        table: ``slopes`` of :func:`stablerep.audits.planted_shares.planted_shares`.
    """
    named = [f"{row.group}, w = {row.guidance_scale:g}" for row in table.itertuples()]
    text = [number(row.slope, row.low, row.high) for row in table.itertuples()]
    return pivoted(table.assign(name=named), "name", "source", text).rename_axis(columns=None)


def heads(table: pd.DataFrame) -> pd.DataFrame:
    """Accuracy of classifiers of roles on real drawings in the planted tone and in the other, in percent, and their gap in points.

    Args:
        table: of :func:`stablerep.study.experiments.planted_heads.ask_heads`.
    """
    shown = pd.DataFrame({
        "classifier": [f"{row.seen_by}, {set_name(row.planted)}" for row in table.itertuples()],
        "dark (%)": [f"{100 * value:.1f}" for value in table["frequent"]], "light (%)": [f"{100 * value:.1f}" for value in table["rare"]],
        "dark less light (points)": [points(row.gap, row.low, row.high) for row in table.itertuples()], "roles": table["roles"], "seeds": table["seeds"],
    })  # fmt: skip
    return shown.set_index("classifier").rename_axis(None)


def occupations(table: pd.DataFrame) -> pd.DataFrame:
    """Shares of each class among the images of each occupation, in percent, *cannot tell* the last: a row per occupation and w.

    Args:
        table: of :func:`stablerep.audits.occupations.shares_by_caption`.
    """
    named = [f"{row.caption}, w = {row.guidance_scale:g}" for row in table.itertuples()]
    text = [f"{100 * value:.0f}" for value in table["share"]]
    return pivoted(table.assign(name=named), "name", "label", text).rename_axis(columns=None)
