"""Differences in words, by hand."""

from __future__ import annotations

from math import nan

import pandas as pd
import pytest

from stablerep.figures.paired import paired


def pairs(*rows: tuple) -> pd.DataFrame:
    """Rows of ``first``, ``second``, ``difference``, ``low`` and ``high`` on probe p."""
    table = pd.DataFrame(rows, columns=["first", "second", "difference", "low", "high"])
    return table.assign(probe="p")


@pytest.mark.parametrize(
    ("row", "sentence"),
    [
        ((0.01, 0.003, 0.018), "a lies 1.0 points [0.3, 1.8] above b"),
        ((-0.01, -0.017, -0.004), "a lies 1.0 points [0.4, 1.7] below b"),
        ((-0.004, -0.011, 0.003), "a lies 0.4 points [−0.3, 1.1] below b, which is not told from zero"),
        ((0.006, 0.0002, 0.012), "a lies 0.6 points [0.0, 1.2] above b, only just told from zero"),
    ],
)
def test_a_sentence_says_which_arm_is_better_and_whether_that_is_told(row, sentence):
    assert paired(pairs(("a", "b", *row)), "p", "a", "b").sentence == sentence


def test_a_pair_is_found_either_way_round():
    one = paired(pairs(("b", "a", 0.01, 0.003, 0.018)), "p", "a", "b")
    assert one.sentence == "a lies 1.0 points [0.3, 1.8] below b" and one.better == "b" and one.told


def test_pairs_that_were_not_run_are_none():
    table = pairs(("a", "b", 0.01, 0.0, 0.02), ("a", "c", nan, nan, nan))
    assert (
        paired(table, "q", "a", "b") is None
        and paired(table, "p", "a", "d") is None
        and paired(table, "p", "a", "c") is None
    )
