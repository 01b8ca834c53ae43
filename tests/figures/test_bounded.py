"""Intervals without a width: the exact bound of shares at 0 and 1, and differences that are alike everywhere."""

from __future__ import annotations

from math import nan

import pandas as pd
import pytest

from stablerep.figures.bounded import bounded, points_or_alike


def test_shares_at_the_ends_have_the_exact_bound_and_others_keep_theirs():
    table = pd.DataFrame({"share": [0.0, 1.0, 0.5, 1.0, 0.5], "low": [0.0, 1.0, 0.4, nan, 0.5], "high": [0.0, 1.0, 0.6, nan, 0.5], "concepts": [7, 14, 9, 1, 9]})  # fmt: skip
    shown = bounded(table, "concepts", value="share")
    assert shown["low"].tolist()[:3] == pytest.approx([0.0, 0.05 ** (1 / 14), 0.4])
    assert shown["high"].tolist()[:3] == pytest.approx([1 - 0.05 ** (1 / 7), 1.0, 0.6])
    assert shown[["low", "high"]].iloc[3:].isna().all(axis=None)
    assert bounded(table[:0], "concepts", value="share").empty


def test_a_difference_that_is_alike_everywhere_has_no_interval():
    rows = pd.DataFrame({"difference": [0.02, 0.0, 0.1], "low": [0.01, 0.0, nan], "high": [0.03, 0.0, nan], "visible": [0.04, 0.0, nan], "clusters": [9, 7, 1]})  # fmt: skip
    varied, alike, alone = rows.itertuples()
    assert points_or_alike(varied) == "+2.0 [+1.0, +3.0]" and points_or_alike(varied, visible=True) == "+2.0 [+1.0, +3.0], 4.0"  # fmt: skip
    assert points_or_alike(alike, visible=True) == "+0.0 (alike on all 7)"
    assert points_or_alike(alone, visible=True) == "+10.0"
