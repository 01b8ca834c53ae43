"""What the tables of the page on methods come to, by hand."""

from __future__ import annotations

from math import nan

import pandas as pd
import pytest

from stablerep.figures import method_words


def floors(**intervals) -> pd.DataFrame:
    rows = [(arm, "random", "p", (low + high) / 2, low, high) for arm, (low, high) in intervals.items()]
    return pd.DataFrame(rows, columns=["first", "second", "probe", "difference", "low", "high"])


@pytest.mark.parametrize(
    ("intervals", "said"),
    [
        (dict(A=(0.01, 0.03), B=(0.02, 0.04)), "On p every method lies above random weights."),
        (
            dict(A=(0.01, 0.03), B=(-0.01, 0.01), C=(-0.03, -0.01)),
            "On p all methods lie above random weights, except B (+0.0 [-1.0, +1.0]), not told from them; C (-2.0 [-3.0, -1.0]), below them.",
        ),
        (
            dict(B=(-0.01, 0.01)),
            "On p no method lies above random weights: B (+0.0 [-1.0, +1.0]), not told from them.",
        ),
        (dict(A=(nan, nan)), "On p these differences have no interval, so that nothing is told."),
    ],
)
def test_what_is_not_told_from_random_weights_is_named(intervals, said):
    assert method_words.above_random(floors(**intervals), "random", "p") == said


def test_without_that_floor_nothing_is_said():
    assert method_words.above_random(floors(A=(0, 1)), "pixels", "p") == ""


def test_the_widest_gap_need_not_be_the_best():
    features = pd.DataFrame({"arm": ["A", "B", "C"], "within": [0.9, 0.8, 0.7], "between": [0.1, 0.3, 0.5]})
    arms = pd.DataFrame({"arm": ["C", "B", "A", "floor"], "probe": "p", "accuracy": [0.3, 0.2, 0.1, 0.9]})
    said = method_words.widest_gap(features, arms, "p")
    assert said.startswith(
        "A has the largest gap, 0.800 (0.900 less 0.100). With 10.0 % on p it is not the best: that is C with 30.0 %"
    )
    assert "a rank correlation of -1.00." in said
    same = method_words.widest_gap(features, arms.assign(accuracy=[0.1, 0.2, 0.3, 0.9]), "p")
    assert "With 30.0 % on p it is the best there, too." in same


def test_the_last_loss_is_that_of_the_last_step():
    curves = pd.DataFrame({"arm": ["A", "A", "B"], "step": [200, 100, 300], "loss": [2.64, 3.0, 9.0]})
    assert method_words.trained_loss(curves, "A") == "A trained A has 2.64 at its last step."
    assert method_words.trained_loss(curves, "C") == ""
