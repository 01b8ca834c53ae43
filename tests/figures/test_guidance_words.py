"""Sentences on the best guidance scale, by hand."""

from __future__ import annotations

import pandas as pd

from stablerep.figures.guidance_words import best_scales, tops


def test_the_best_scale_of_each_arm_is_that_of_its_highest_point_on_the_probe():
    rows = [
        ("A", "p", 1.0, 0.1),
        ("A", "p", 2.0, 0.3),
        ("B", "p", 1.0, 0.2),
        ("B", "p", 2.0, 0.1),
        ("A", "q", 1.0, 0.9),
    ]
    table = pd.DataFrame(rows, columns=["arm", "probe", "guidance_scale", "accuracy"])
    assert best_scales(table, "p") == {"A": 2.0, "B": 1.0}


def test_tops_have_their_scale_and_what_is_lost_beside_it():
    rows = [("A", 2.04, 1.0, 3.96, 0.012, -0.001, 0.025), ("B", 8.0, 4.0, 8.0, -0.0001, -0.002, 0.002)]
    table = pd.DataFrame(rows, columns=["arm", "best", "low", "high", "bend", "bend_low", "bend_high"])
    assert tops(table, ["B", "A"]) == (
        "B is best at w = 8.0 [4.0, 8.0] and loses 0.0 points [−0.2, 0.2] a factor of two from there; "
        "A is best at w = 2.0 [1.0, 4.0] and loses 1.2 points [−0.1, 2.5] a factor of two from there"
    )
