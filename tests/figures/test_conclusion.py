"""The conclusion of the comparison says no more than its two pairs and the arms beside them."""

from __future__ import annotations

from math import nan

import pandas as pd
import pytest

from stablerep.figures.conclusion import conclusion

PROBE, CLIP = "one-shot concept", "CLIP real designs"
UP, DOWN, OPEN = (0.05, 0.04, 0.06), (-0.05, -0.06, -0.04), (-0.004, -0.011, 0.004)


def said(many: tuple, made: tuple, *, clip: float | None = None) -> str:
    pairs = pd.DataFrame(
        [("many positives", PROBE, *many), ("control", PROBE, *made), ("control", "linear group", *UP)],
        columns=["claim", "probe", "difference", "low", "high"],
    )
    arms = [("StableRep real designs", 0.14), ("StableRep synthetic", 0.135)] + ([(CLIP, clip)] if clip else [])
    table = pd.DataFrame(arms, columns=["arm", "accuracy"]).assign(probe=PROBE)
    return conclusion(table.assign(low=table["accuracy"] - 0.01, high=table["accuracy"] + 0.01), pairs, PROBE, CLIP)


@pytest.mark.parametrize(
    ("many", "made", "head", "gain"),
    [
        (UP, OPEN, "learns more than with two views of one image, and whether these images are real or synthetic makes no difference that", "adds 0.4 points at most"),
        (UP, DOWN, "learns more than with two views of one image, and synthetic images serve less well than real ones", "adds nothing"),
        (UP, UP, "learns more than with two views of one image, and synthetic images serve better than real ones", ""),
        (OPEN, OPEN, "Nothing here shows that images of one caption are better positives", ""),
        (DOWN, UP, "Nothing here shows that images of one caption are better positives", ""),
    ],
)  # fmt: skip
def test_the_first_sentence_follows_from_the_signs_of_the_intervals(many, made, head, gain):
    text = said(many, made)
    assert head in text.partition(".**")[0]
    assert (f"So the gain comes from having many images of a caption: that they are synthetic {gain}" in text) == bool(
        gain
    )
    assert ("So the gain" in text) == bool(gain)


def test_the_numbers_are_those_of_the_pairs():
    text = said((0.0536, 0.0453, 0.062), OPEN)
    assert "+5.4 [+4.5, +6.2] percentage points" in text and "real ones: -0.4 [-1.1, +0.4]." in text


@pytest.mark.parametrize(
    ("clip", "told"),
    [(0.172, "lies above StableRep where it has the same real images: 17.2 [16.2, 18.2] % against 14.0 [13.0, 15.0] %."), (0.15, "is not told apart from StableRep")],
)  # fmt: skip
def test_clip_on_the_same_images_stands_beside(clip, told):
    assert told in said(UP, OPEN, clip=clip)


def test_without_clip_or_a_pair_or_an_interval_nothing_is_said_of_it():
    assert "CLIP" not in said(UP, OPEN)
    assert said((0.05, nan, nan), OPEN) == said(UP, (0.01, nan, nan)) == ""
    empty = pd.DataFrame(columns=["claim", "probe", "difference", "low", "high"])
    assert conclusion(pd.DataFrame(columns=["arm", "probe", "accuracy", "low", "high"]), empty, PROBE, CLIP) == ""
