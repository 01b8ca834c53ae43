"""Encoders beside the best floor, over all transfer sets and on each."""

import numpy as np
import pandas as pd
import pytest

from stablerep.figures.transfer_answers import beside_best_floor, transfer_sentence


@pytest.mark.parametrize(
    ("linear", "few", "said"),
    [
        (0.5, 0.6, "No encoder lies above the best floor over these sets: hog with 62.0 % by linear; hog with 66.0 % by few."),
        (0.7, 0.8, "The best encoder lies above the best floor: hog with 62.0 % by linear; hog with 66.0 % by few."),
        (0.7, 0.6, "by one measure (hog with 62.0 % by linear) and not by the other (hog with 66.0 % by few)."),
    ],
)  # fmt: skip
def test_encoders_are_held_against_the_best_floor(linear, few, said):
    rows = [("linear", "HOG", 0.62), ("linear", "pixels", 0.4), ("linear", "A", linear), ("linear", "B", 0.1)]
    rows += [("few", "HOG", 0.66), ("few", "A", 0.1), ("few", "B", few)]
    overall = pd.DataFrame(rows, columns=["measure", "arm", "score"])
    assert said in beside_best_floor(overall, ["HOG", "pixels"])
    assert beside_best_floor(overall, ["other"]) == beside_best_floor(overall, ["HOG", "pixels", "A", "B"]) == ""


def test_what_transfers_is_told_against_the_best_floor():
    rows = [
        ("pixels", "digits", 0.95),
        ("a", "digits", 0.9),
        ("pixels", "art", 0.2),
        ("a", "art", 0.3),
        ("b", "art", 0.25),
        ("b", "faces", np.nan),
    ]
    scores = pd.DataFrame(rows, columns=["arm", "set", "value"])
    assert transfer_sentence(scores, ["pixels"]) == (
        "On digits, the best floor, pixels, has 95.0 %; no encoder lies above it. On art, the best floor, pixels, has 20.0 %; above it: a 30.0, b 25.0."
    )
