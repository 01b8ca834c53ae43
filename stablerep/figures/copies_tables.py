"""Tables and sentences for the page on copies: pure functions from a results table to what a reader sees."""

from __future__ import annotations

import pandas as pd

from stablerep.figures.bounded import bounded
from stablerep.figures.tables import percent, pivoted, points


def shares(table: pd.DataFrame) -> pd.DataFrame:
    """The share of each set that is called copies, in percent, at 0 and 100 % with the exact bound for the number of concepts: a row per set with its images and concepts, a column per detector.

    Args:
        table: of :func:`stablerep.audits.called.shares`.
    """
    text = [percent(row.share, row.low, row.high) for row in bounded(table, "concepts", value="share").itertuples()]
    wide = pivoted(table, "set", "detector", text).rename_axis(columns=None)
    about = table.drop_duplicates("set").set_index("set")
    for place, name in enumerate(("images", "concepts")):
        wide.insert(place, name, [f"{about.loc[one, name]:,}" for one in wide.index])
    return wide


def areas(table: pd.DataFrame) -> pd.DataFrame:
    """Areas under the ROC curve: a row per kind of planted copies and of real drawings, a column per detector.

    Args:
        table: of :func:`stablerep.audits.areas.areas`.
    """
    text = [_area(row) for row in table.itertuples()]
    kinds = table.assign(
        kind=[f"{row.copies.removeprefix('planted, ')}, among {row.background}" for row in table.itertuples()]
    )
    return pivoted(kinds, "kind", "detector", text).rename_axis(columns=None)


def _area(row) -> str:
    return f"{row.area:.3f} [{row.low:.3f}, {row.high:.3f}]"


def hidden(table: pd.DataFrame) -> pd.DataFrame:
    """The share of planted copies that each gap ratio finds, in percent: a row per design, and people in a tone.

    Args:
        table: of :func:`stablerep.audits.called.hidden`.
    """
    text = [percent(row.share, row.low, row.high) for row in bounded(table, "concepts", value="share").itertuples()]
    return pivoted(table, "kind", "detector", text).rename_axis(columns=None)


def contamination(table: pd.DataFrame) -> pd.DataFrame:
    """Accuracy on test drawings, all of them and without those that are called copies, in percent and points: a row per detector.

    Args:
        table: of the chapter: ``left_out``, ``drawings``, ``synthetic``, ``real``, ``first``, ``second``, ``difference``, ``low`` and ``high``.
    """
    one = table.iloc[0]
    return pd.DataFrame({
        "test drawings left out (%)": [f"{100 * share:.1f}" for share in table["drawings"]],
        f"{one['first']} (%)": [f"{100 * value:.1f}" for value in table["synthetic"]],
        f"{one['second']} (%)": [f"{100 * value:.1f}" for value in table["real"]],
        "difference (points)": [points(row.difference, row.low, row.high) for row in table.itertuples()],
    }, index=[name if name == "nothing" else f"called copies by {name}" for name in table["left_out"]])  # fmt: skip


def duplicates(table: pd.DataFrame) -> pd.DataFrame:
    """Planted duplicates: a row per number of times, with how often a drawing was shown on average, and of each detector the area under the ROC curve and
    the share of images that it calls copies.

    Args:
        table: of the chapter: ``times``, ``detector``, ``seen``, ``called``, ``area``, ``low`` and ``high``.
    """
    text = [f"{_area(row)}; {100 * row.called:.1f} %" for row in table.itertuples()]
    wide = pivoted(table, "times", "detector", text).rename_axis(columns=None)
    seen = table.drop_duplicates("times").set_index("times")["seen"]
    wide.insert(0, "shown", [f"{seen[times]:.1f}" for times in wide.index])
    return wide.rename(index=lambda times: f"planted {times:g} times")
