"""Thresholds from real drawings: shares by hand, the rate held on other concepts, and the parts of the embedded corpus."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from stablerep.audits.copies import DETECTORS, EMBEDDING, GAP, PIXELS, RATIO
from stablerep.audits.unseen import UNSEEN, drawings_of, is_counted, thresholds_at, thresholds_of, weights_of
from stablerep.corpus.emoji import HELD_OUT
from stablerep.errors import InputError
from tests.study.stand_ins import plain_corpus


def test_every_concept_weighs_the_same():
    assert weights_of(["a", "b", "b", "b", "b"]).tolist() == [0.5, *[0.125] * 4]


def test_thresholds_by_hand():
    scores, concepts = [4.0, 1.0, 2.0, 3.0], ["a", "b", "c", "d"]
    assert thresholds_at(scores, concepts, [0.0, 0.24, 0.25, 0.5, 0.99]).tolist() == [4.0, 4.0, 3.0, 2.0, 1.0]
    # a concept with many drawings above counts once
    assert thresholds_at([9.0, 9.0, 9.0, 1.0], ["a", "a", "a", "b"], [0.4, 0.5]).tolist() == [9.0, 1.0]
    assert thresholds_at([5.0, 5.0, 5.0], ["a", "b", "c"], [0.5]).tolist() == [5.0]  # ties: none lies above


@given(st.lists(st.tuples(st.integers(0, 9), st.sampled_from("abcd")), min_size=1, max_size=40), st.floats(0, 0.99))
def test_no_more_than_the_rate_lies_above_and_no_lower_threshold_would_do(items, rate):
    scores, concepts = np.array([one for one, _ in items], float), [name for _, name in items]
    (threshold,), weights = thresholds_at(scores, concepts, [rate]), weights_of(concepts)
    assert weights[scores > threshold].sum() <= rate + 1e-6
    lower = scores[scores < threshold]
    assert not len(lower) or weights[scores > lower.max()].sum() > rate - 1e-6


def test_the_rate_holds_on_concepts_that_set_no_threshold():
    rng = np.random.default_rng(0)
    shares = []
    for trial in range(40):
        concepts = [f"{trial}-{k}" for k in range(600)]
        table = pd.DataFrame(
            {"set": UNSEEN, "seed": 0, "concept": concepts} | {name: rng.normal(size=600) for name in DETECTORS}
        )
        limit = thresholds_of(table, 0.05).set_index("detector")["threshold"]
        other = table[is_counted(table["concept"])]
        shares.append((other[EMBEDDING] > limit[EMBEDDING]).mean())
    assert 0.04 < np.mean(shares) < 0.06


def test_each_seed_has_thresholds_of_its_own_and_gap_ratios_fixed_ones():
    concepts = [f"c{k}" for k in range(200)]
    parts = [
        pd.DataFrame(
            {"set": UNSEEN, "seed": seed, "concept": concepts}
            | {name: np.arange(200.0) + 1000 * seed for name in DETECTORS}
        )
        for seed in (0, 1)
    ]
    found = thresholds_of(pd.concat(parts)).set_index(["seed", "detector"])["threshold"]
    assert found[1, PIXELS] == found[0, PIXELS] + 1000 and found[0, RATIO] == found[1, RATIO] == -GAP
    setting = np.flatnonzero(~is_counted(concepts))
    assert found[0, EMBEDDING] in setting and (setting > found[0, EMBEDDING]).mean() <= 0.01


def test_drawings_of_the_embedded_corpus(emoji):
    found = drawings_of(emoji)
    learned, unseen, new = (part.table for part in (found.learned, found.unseen, found.combinations))
    assert not learned["held_out"].any() and HELD_OUT not in set(learned["design"])
    assert set(unseen["design"]) == {HELD_OUT} and set(unseen["caption"]) <= set(learned["caption"])
    assert HELD_OUT not in set(new["design"]) and not set(new["caption"]) & set(learned["caption"])
    assert set(new["concept"]) & set(learned["concept"]) and (new["skin_tone"] > 0).all()
    assert all(not part["caption"].duplicated().any() for part in (unseen, new))
    assert {*learned["split"], *unseen["split"], *new["split"]} == {"train"}
    assert 0.4 < is_counted(sorted(set(unseen["concept"]))).mean() < 0.6


def test_bad_input():
    with pytest.raises(
        InputError, match=f"the corpus plain has no design {HELD_OUT}; copies are told by real drawings"
    ):
        drawings_of(plain_corpus(4, 2))
    for scores, count in (([], 0), ([1.0, np.nan], 2)):
        with pytest.raises(InputError, match=f"finite scores of at least one image; there are {count}"):
            thresholds_at(scores, ["a"] * len(scores), [0.1])
    with pytest.raises(InputError, match="rates go from 0.5 to 1; they are shares, from 0 to below 1"):
        thresholds_at([1.0], ["a"], [0.5, 1.0])
    empty = pd.DataFrame({"set": ["other"], "seed": 0, "concept": "a"} | dict.fromkeys(DETECTORS, 0.0))
    with pytest.raises(InputError, match="no drawing of the unseen design is of a concept that sets thresholds"):
        thresholds_of(empty)
