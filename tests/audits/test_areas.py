"""Areas under ROC curves: against all pairs one by one, known values, intervals that hold the truth, and curves."""

from __future__ import annotations

import itertools

import numpy as np
import pandas as pd
import pytest

from stablerep.audits.areas import ALL, area_row, areas, curves, influence
from stablerep.audits.copies import DETECTORS, EMBEDDING, PIXELS
from stablerep.audits.unseen import UNSEEN, weights_of
from stablerep.errors import InputError


def slow(copies, of_copies, others, of_others) -> float:
    """All pairs, each concept weighing the same on its side."""
    first, second = weights_of(of_copies), weights_of(of_others)
    return sum(
        first[i] * second[j] * ((copies[i] > others[j]) + 0.5 * (copies[i] == others[j]))
        for i, j in itertools.product(range(len(copies)), range(len(others)))
    )


@pytest.mark.parametrize("seed", range(5))
def test_the_mean_of_the_influence_is_the_area(seed):
    rng = np.random.default_rng(seed)
    copies, others = rng.integers(0, 6, 25).astype(float), rng.integers(0, 5, 40).astype(float)  # with ties
    of_copies, of_others = rng.choice(list("abcde"), 25).tolist(), rng.choice(list("cdefghi"), 40).tolist()
    found = influence(copies, of_copies, others, of_others)
    assert set(found.index) == {*of_copies, *of_others}
    assert found.mean() == pytest.approx(slow(copies, of_copies, others, of_others))


def test_areas_that_are_known():
    concepts = list("abcd")
    for copies, others, area in (
        ([2, 3, 4, 5], [1, 1, 1, 1], 1.0),
        ([1, 1, 1, 1], [2, 3, 4, 5], 0.0),
        ([1] * 4, [1] * 4, 0.5),
    ):
        assert influence(copies, concepts, others, concepts).mean() == area
    row = area_row([influence([2, 3, 4, 5], concepts, [1] * 4, concepts)])
    assert row == {"area": 1.0, "low": 1.0, "high": 1.0, "concepts": 4, "seeds": 1}


def test_turning_scores_round_turns_the_area_round():
    rng = np.random.default_rng(0)
    copies, others, concepts = rng.normal(1, 1, 30), rng.normal(0, 1, 30), [f"c{k}" for k in range(30)]
    up, down = influence(copies, concepts, others, concepts), influence(-copies, concepts, -others, concepts)
    np.testing.assert_allclose(up + down, 1)


@pytest.mark.parametrize("shared", [True, False])
def test_without_copies_the_interval_holds_one_half(shared):
    """Copies and other images drawn alike, from the same concepts, whose images are alike, or from other ones."""
    rng, missed = np.random.default_rng(1), 0
    for _ in range(200):
        own = rng.normal(size=60)
        other = own if shared else rng.normal(size=60)
        copies, others = np.repeat(own, 3) + rng.normal(size=180), np.repeat(other, 2) + rng.normal(size=120)
        names = np.repeat(np.arange(60), 3), np.repeat(np.arange(60) + (0 if shared else 60), 2)
        row = area_row([influence(copies, names[0].tolist(), others, names[1].tolist())])
        missed += not row["low"] <= 0.5 <= row["high"]
    assert missed <= 20  # of 200: 5 % expected


def test_what_is_like_a_copy_by_its_concept_alone_makes_the_interval_wider():
    """Three images of a concept that are one and the same say no more than one."""
    rng = np.random.default_rng(2)
    copies, others, concepts = rng.normal(1, 1, 40), rng.normal(0, 1, 40), list(range(40))
    once = area_row([influence(copies, concepts, others, concepts)])
    thrice = area_row([influence(np.repeat(copies, 3), np.repeat(concepts, 3).tolist(), others, concepts)])
    assert thrice == pytest.approx(once)


def table(seeds: int = 2, shift: float = 3.0) -> pd.DataFrame:
    rng, parts = np.random.default_rng(3), []
    for seed, (name, count, mean) in itertools.product(
        range(seeds), (("planted, a", 30, shift), ("planted, b", 30, shift), (UNSEEN, 50, 0.0))
    ):
        scores = {one: rng.normal(mean if one == EMBEDDING else 0.0, 1, count) for one in DETECTORS}
        parts.append(pd.DataFrame({"set": name, "seed": seed, "concept": [f"c{k}" for k in range(count)]} | scores))
    return pd.concat(parts, ignore_index=True)


def test_the_detector_that_knows_is_told_from_those_that_guess():
    found = areas(table(), ["planted, a", "planted, b"], [UNSEEN]).set_index(["copies", "detector"])
    assert set(found.index.get_level_values(0)) == {ALL, "planted, a", "planted, b"}
    assert found.loc[(ALL, EMBEDDING), "low"] > 0.9 and found.loc[(ALL, EMBEDDING), "seeds"] == 2
    low, high = found.loc[(ALL, PIXELS), ["low", "high"]]
    assert low < 0.5 < high and found.loc[(ALL, PIXELS), "concepts"] == 50


def test_curves_rise_to_all_and_begin_where_nothing_else_is_called():
    found = curves(table(), ["planted, a", "planted, b"], [UNSEEN])
    for _, part in found.groupby("detector"):
        assert (
            part["true"].is_monotonic_increasing
            and part["false"].is_monotonic_increasing
            and part["true"].between(0, 1).all()
        )
    known = found[found["detector"] == EMBEDDING].set_index("false")["true"]
    guessed = found[found["detector"] == PIXELS]
    assert known[0.0] > 0.5 and abs(guessed["true"] - guessed["false"]).max() < 0.25


def test_bad_input():
    for copies, others in (([], [1.0]), ([1.0], [])):
        with pytest.raises(InputError, match=f"there are {len(copies)} copies and {len(others)} other images"):
            influence(copies, ["a"] * len(copies), others, ["a"] * len(others))
