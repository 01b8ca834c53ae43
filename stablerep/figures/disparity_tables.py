"""Tables and sentences on how far groups of people lie apart: pure functions from a results table to what a reader sees."""

from __future__ import annotations

import math
from collections.abc import Sequence

import pandas as pd

from stablerep.figures.tables import p_value, percent, points

ALPHA = 0.05  # p of a distance between groups, at which it counts as more than chance
NOT_STORED = "The stored reference has no such numbers: it was computed without them. Those of a run that is computed for this page stand under *Your run*."


def best_and_worst(table: pd.DataFrame) -> pd.DataFrame:
    """The paper's form: mean, best and worst group in percent, a row per attribute and arm, with the distance between and that of shuffled groups.

    Args:
        table: of :func:`stablerep.audits.disparity.arm_disparities`.
    """
    rows = [
        {
            "by": row.attribute, "arm": row.arm, "groups": row.groups, "mean (%)": percent(row.mean, row.low, row.high),
            "best (%)": f"{100 * row.most:.1f} {row.best}", "worst (%)": f"{100 * row.least:.1f} {row.worst}",
            "best − worst": f"{100 * row.range:.1f}", "by chance": f"{100 * row.chance:.1f} (95 %: {100 * row.chance_high:.1f})", "p": p_value(row.p),
        }
        for row in table.itertuples()
    ]  # fmt: skip
    return pd.DataFrame(rows).set_index("by").rename_axis(None) if rows else pd.DataFrame()


def spreads(table: pd.DataFrame) -> pd.DataFrame:
    """The standard deviation between groups in points, as estimated and without its bias: a row per attribute and arm, or pair of arms.

    Args:
        table: of :func:`stablerep.audits.disparity.arm_disparities` or :func:`stablerep.audits.disparity.pair_disparities`.
    """
    rows = []
    for row in table.itertuples():
        who = {"arm": row.arm} if "arm" in table else {"first": row.first, "second": row.second}
        rows.append({
            "by": row.attribute, **who, "groups": row.groups, "suppressed": row.suppressed, "as estimated": f"{100 * math.sqrt(row.naive):.1f}",
            "without bias": f"{_deviation(row.variance)} [{_deviation(row.variance_low)}, {_deviation(row.variance_high)}]", "p": p_value(row.p),
        })  # fmt: skip
    return pd.DataFrame(rows).set_index("by").rename_axis(None) if rows else pd.DataFrame()


def _deviation(variance: float) -> str:
    """In points; 0 where the variance is estimated below zero."""
    return f"{100 * math.sqrt(max(variance, 0.0)):.1f}"


def beyond_chance_sentence(table: pd.DataFrame, floors: Sequence[str]) -> str:
    """In which arms that were trained the best group lies further from the worst than shuffled groups do in 95 of 100 cases.

    Args:
        table: of :func:`stablerep.audits.disparity.arm_disparities`. floors: arms that are left out.
    """
    mine = table[~table["arm"].isin(floors)]
    if mine.empty:
        return "No arm was trained."
    far = mine[mine["p"] <= ALPHA]
    each = "; ".join(
        f"{row.arm}, {row.attribute}: {100 * row.range:.1f} points (p = {row.p:.3f})" for row in far.itertuples()
    )
    tried = f"{len(mine)} distances of best and worst"
    if not each:
        return f"None of {tried} is larger than chance makes it (p above {ALPHA:g}), so that no group is shown to be best or worst."
    return f"Of {tried}, {len(far)} are larger than chance makes one in twenty: {each}. The p-values are not corrected for how many there are."


def replaced(table: pd.DataFrame) -> pd.DataFrame:
    """What images change in a group against the others, in points: a row per group, a column per share of synthetic images.

    Args:
        table: of :func:`stablerep.audits.groups.group_contrasts`, with ``synthetic``.
    """
    text = [points(row.difference, row.low, row.high) for row in table.itertuples()]
    names = [f"{row.label} ({row.attribute})" for row in table.itertuples()]
    wide = table.assign(text=text, name=names).pivot(index="name", columns="synthetic", values="text")
    wide = wide.loc[list(dict.fromkeys(names))].rename(columns=lambda share: f"{100 * share:g} % synthetic")
    return wide.fillna("").rename_axis(index=None, columns=None)


def amplified_sentence(gains: pd.DataFrame) -> str:
    """Markdown: how far apart groups lie in what synthetic images change, at each share of them, and whether more of them means more.

    Args:
        gains: of :func:`stablerep.audits.disparity.pair_disparities`, with ``synthetic``.
    """
    said = []
    for attribute, part in gains.dropna(subset=["synthetic"]).groupby("attribute", sort=False):
        part = part.sort_values("synthetic")
        each = ", ".join(
            f"{_deviation(row.variance)} [{_deviation(row.variance_low)}, {_deviation(row.variance_high)}] at {100 * row.synthetic:g} % synthetic images"
            for row in part.itertuples()
        )
        above = [f"{100 * row.synthetic:g} %" for row in part.itertuples() if row.variance_low > 0]
        shown = (
            f"above zero by the whole interval at {', '.join(above)}"
            if above
            else "nowhere above zero by the whole interval"
        )
        said.append(f"- **{attribute}**: {each}; {shown}.")
    return "Standard deviation between groups of what the images change, without its bias, in points:\n\n" + "\n".join(
        said
    )


def published_sentence(table: pd.DataFrame) -> str:
    """What the published numbers have of table 7 on FairFace, each with the grade of its evidence.

    Args:
        table: of :func:`stablerep.published.read_published`, of all grades.
    """
    mine = table[(table["exhibit"] == "Table7") & (table["setting"] == "FairFace")]
    if mine.empty:
        return (
            "The numbers of table 7 on FairFace are not in the sources that we could read, so none stand beside ours."
        )
    said = "; ".join(
        f"{row.method} on {row.data}: {row.metric} {row.value} ({row.evidence})" for row in mine.itertuples()
    )
    return f"Of table 7, FairFace, these numbers are published, each with the grade of its evidence: {said}. None of it could be checked against the paper itself."
