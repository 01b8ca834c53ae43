"""Which encoders of the comparison have the highest accuracy, by hand."""

import pandas as pd

from stablerep.figures.compare_words import highest


def test_the_highest_of_each_kind_of_images_are_named_the_higher_first():
    rows = [("p", "pixels", 0.9), ("p", "A real", 0.3), ("p", "B real", 0.2), ("p", "B synthetic", 0.4), ("q", "A synthetic", 0.8)]  # fmt: skip
    arms = pd.DataFrame(rows, columns=["probe", "arm", "accuracy"])
    arms = arms.assign(low=arms["accuracy"] - 0.01, high=arms["accuracy"] + 0.01)
    real = "A real of those on real images, 30.0 [29.0, 31.0] %"
    synthetic = "B synthetic of those on synthetic images, 40.0 [39.0, 41.0] %"
    assert highest(arms, "p", ["pixels"]) == f"Highest on p: {synthetic}; {real}."
    assert highest(arms[:3], "p", ["pixels"]) == f"Highest on p: {real}."
    assert highest(arms, "r", []) == ""
