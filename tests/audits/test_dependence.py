"""What faithfulness depends on: shares in bins by hand, and slopes of images whose chances of being right are known."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from stablerep.audits.dependence import FREQUENCY, SCALE, WORDS, bins_of, caption_values, dependence, shares_by
from stablerep.audits.whole_captions import CONCEPT, RIGHT, WHOLE, WRONG
from stablerep.statistics.slopes import ALONE, FIXED

SCALES = (1.0, 2.0, 8.0)


def simulated(
    chance, captions: int = 400, seeds: int = 2, images: int = 4, scales=SCALES
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Images of captions of one to six words of concepts with 2 to 64 training images: long captions are of frequent concepts.

    Args:
        chance: of being right, by words, base-two logarithm of the frequency, and that of w.
    """
    rng = np.random.default_rng(0)
    frequency = 2 ** rng.integers(1, 7, captions)
    words = np.clip(np.log2(frequency).astype(int) + rng.integers(-2, 3, captions), 1, 6)
    asked = pd.DataFrame(
        {
            "concept": [f"k{k // 2}" for k in range(captions)],
            "words": words,
            "frequency": np.repeat(frequency[::2], 2)[:captions],
        }
    )
    asked.index = [f"c{k}" for k in range(captions)]
    rows = [
        {"captions": "g", "source": source, "guidance_scale": w, "seed": seed, "caption": caption, "right": rng.random() < chance(
            about.words, np.log2(about.frequency), np.log2(w) if w == w else 0.0)}
        for source, w in (("real", np.nan), *(("generated", w) for w in scales))
        for seed in range(seeds) for caption, about in zip(asked.index, asked.itertuples()) for _ in range(images)
    ]  # fmt: skip
    found = pd.DataFrame(rows)
    outcome = np.where(found.pop("right"), RIGHT, WRONG)
    return found.assign(**{CONCEPT: outcome, WHOLE: outcome}), asked


def test_slopes_that_were_planted_are_found():
    found, asked = simulated(lambda words, log, w: 0.3 + 0.05 * log + 0.03 * w)
    _, table = dependence(found, asked, [CONCEPT])
    made = table[table["source"] == "generated"].set_index(["property", "way"])
    assert made.loc[(FREQUENCY, FIXED), "slope"] == pytest.approx(0.05, abs=0.01)
    assert made.loc[(SCALE, FIXED), "slope"] == pytest.approx(0.03, abs=0.01)
    assert made.loc[(SCALE, ALONE), "slope"] == pytest.approx(
        made.loc[(SCALE, FIXED), "slope"]
    )  # every caption has every w
    assert made.loc[(WORDS, FIXED), "low"] < 0 < made.loc[(WORDS, FIXED), "high"]
    assert made.loc[(WORDS, ALONE), "low"] > 0.01  # long captions are of frequent concepts
    real = table[table["source"] == "real"]
    assert set(real["property"]) == {FREQUENCY, WORDS} and (real["seeds"] == 2).all()


def test_a_frequency_of_zero_has_no_slope():
    found, asked = simulated(lambda words, log, w: 0.5, captions=40)
    _, table = dependence(found, asked.assign(frequency=0), [CONCEPT])
    assert set(table["property"]) == {WORDS, SCALE}


def test_one_scale_and_one_length_have_none_either():
    found, asked = simulated(lambda words, log, w: 0.5, captions=40, scales=(2.0,))
    shares, table = dependence(found, asked.assign(words=3), [CONCEPT])
    assert set(table["property"]) == {FREQUENCY} and set(table["way"]) == {ALONE}
    assert shares[shares["property"] == WORDS]["bin"].unique().tolist() == ["3"]


def test_shares_in_bins_by_hand():
    values = pd.DataFrame([[1.0, 0.0, 0.5, 1.0], [0.0, 0.0, 0.5, 1.0]])
    found = shares_by(values, np.array([1, 1, 2, 7]), np.array(["a", "b", "b", "b"], object))
    assert found["bin"].tolist() == ["1", "2", "7"] and found["number"].tolist() == [2, 1, 1]
    assert found["mean"].tolist() == [0.25, 0.5, 1.0] and found["concepts"].tolist() == [2, 1, 1]
    assert found["low"].isna().tolist() == [False, True, True]  # one concept has no interval


def test_captions_of_a_concept_in_a_bin_count_the_same():
    values = pd.DataFrame([[1.0, 1.0, 1.0, 0.0]])
    found = shares_by(values, np.full(4, 3), np.array(["a", "a", "a", "b"], object))
    assert found["bin"].tolist() == ["3"] and found["mean"].item() == 0.5


@pytest.mark.parametrize(
    ("numbers", "places"),
    [
        (range(8), [0, 0, 1, 1, 2, 2, 3, 3]), ([5] * 4, [0] * 4), ([1, 9], [0, 1]), ([1, 1, 1, 1, 1, 9], [0, 0, 0, 0, 0, 1]), ([2], [0]),
    ],
)  # fmt: skip
def test_bins_have_no_gap(numbers, places):
    assert bins_of(np.array(list(numbers))).tolist() == places


def test_a_caption_that_is_not_asked_has_no_value():
    found, asked = simulated(lambda words, log, w: 0.5, captions=6)
    found.loc[found["caption"] == "c0", WHOLE] = ""
    values = caption_values(found[found["source"] == "real"], WHOLE)
    assert sorted(values.columns.get_level_values(0)) == ["c1", "c2", "c3", "c4", "c5"] and values.index.tolist() == [
        0,
        1,
    ]
    shares, table = dependence(found.assign(**{WHOLE: ""}), asked, [CONCEPT, WHOLE])
    assert set(shares["part"]) == set(table["part"]) == {CONCEPT}
