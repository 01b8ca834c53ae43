"""Verdicts: each word by its rule, and what it rests on."""

from __future__ import annotations

import dataclasses
import importlib

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from stablerep.statistics import WORDS, Verdict, paired_difference, verdict


def table(*bounds: tuple[float, float]) -> pd.DataFrame:
    """A pair of arms for each interval."""
    rows = [
        {
            "first": f"A{k}",
            "second": f"B{k}",
            "difference": (low + high) / 2,
            "low": low,
            "high": high,
            "p_better": 0.5 + k / 100,
            "n": 80,
        }
        for k, (low, high) in enumerate(bounds)
    ]
    return pd.DataFrame(rows)


@pytest.mark.parametrize(
    ("bounds", "margin", "word"),
    [
        ([(0.01, 0.03)], 0.0, "reproduced"),
        ([(0.01, 0.03), (0.002, 0.1)], 0.0, "reproduced"),
        ([(0.0, 0.03)], 0.0, "partly"),  # zero is not above zero
        ([(-0.005, 0.03)], 0.0, "partly"),
        ([(-0.005, 0.03)], -0.01, "reproduced"),  # at least as good, within a point
        ([(0.01, 0.03)], 0.02, "partly"),
        ([(0.01, 0.03), (-0.02, 0.01)], 0.0, "partly"),
        ([(0.01, 0.03), (-0.02, -0.01)], 0.0, "not reproduced"),
        ([(-0.02, -0.01)], -0.015, "partly"),
        ([(-0.03, -0.02)], -0.01, "not reproduced"),
        ([(-0.03, 0.0)], 0.0, "partly"),
        ([(np.nan, np.nan)], 0.0, "not testable at this scale"),
        ([(0.01, 0.03), (np.nan, np.nan)], 0.0, "not testable at this scale"),
        ([(np.nan, np.nan), (-0.03, -0.02)], 0.0, "not reproduced"),  # one pair is enough to fail
        ([], 0.0, "not testable at this scale"),
    ],
)
def test_each_word_by_its_rule(bounds, margin, word):
    assert verdict(table(*bounds), margin=margin).word == word and word in WORDS


def test_a_verdict_rests_on_the_weakest_pair():
    good = verdict(table((0.05, 0.06), (0.01, 0.09), (0.02, 0.03)))
    assert (good.word, good.low, good.high, good.p_better) == ("reproduced", 0.01, 0.09, 0.51)
    undecided = verdict(table((0.05, 0.06), (0.01, 0.09), (-0.02, 0.03)))
    assert (undecided.word, undecided.low, undecided.high, undecided.p_better) == ("partly", -0.02, 0.03, 0.52)
    # the widest interval reaches lowest, but another pair fails
    bad = verdict(table((-0.2, 0.2), (-0.05, -0.04), (-0.06, -0.01)))
    assert (bad.word, bad.low, bad.high, bad.p_better) == ("not reproduced", -0.05, -0.04, 0.51)


def test_the_sentence_names_every_pair():
    found = verdict(table((0.05, 0.07), (-0.021, 0.0)))
    assert found.sentence == (
        "A0 minus B0: +6.0 points [+5.0, +7.0], P(better) 0.50; A1 minus B1: -1.1 points [-2.1, +0.0], P(better) 0.51"
    )


@pytest.mark.parametrize("empty", [pd.DataFrame(), table((0.1, 0.2))[:0]])
def test_nothing_run_is_not_testable(empty):
    found = verdict(empty)
    assert found.word == "not testable at this scale" and found.sentence == "no pair of arms was run."
    assert np.isnan([found.low, found.high, found.p_better]).all()


def test_a_missing_interval_has_nothing_to_rest_on():
    found = verdict(table((0.1, 0.2), (np.nan, np.nan)))
    assert (
        np.isnan(found.low)
        and np.isnan(found.high)
        and found.sentence.startswith("A0 minus B0")
        and "A1 minus B1" in found.sentence
    )


bounds = st.tuples(st.floats(-1, 1), st.floats(-1, 1)).map(lambda pair: tuple(sorted(pair)))


@given(st.lists(bounds, min_size=1, max_size=5), st.floats(-0.1, 0.1), st.randoms())
def test_words_follow_the_intervals(pairs, margin, chance):
    found = verdict(table(*pairs), margin=margin)
    assert (found.word == "reproduced") == (min(low for low, _ in pairs) > margin)
    assert (found.word == "not reproduced") == (min(high for _, high in pairs) < margin)
    assert (found.low, found.high) in pairs
    shuffled = chance.sample(pairs, len(pairs))
    assert verdict(table(*shuffled), margin=margin).word == found.word
    # a harder claim is never easier to reproduce
    rank = {word: k for k, word in enumerate(WORDS)}
    assert rank[verdict(table(*pairs), margin=margin + 0.05).word] >= rank[found.word]
    assert rank[verdict(table(*pairs, (-0.02, 0.02)), margin=margin).word] >= rank[found.word]


def test_it_reads_what_paired_difference_gives():
    rng = np.random.default_rng(0)
    gap = rng.normal(0.1, 0.2, 200)
    row = {"first": "A", "second": "B", **paired_difference(gap, np.zeros(200))}
    found = verdict(pd.DataFrame([row]))
    assert found.word == "reproduced" and (found.low, found.high, found.p_better) == (
        row["low"],
        row["high"],
        row["p_better"],
    )


def test_a_true_difference_of_nothing_is_seldom_called_reproduced():
    rng = np.random.default_rng(1)
    rows = [paired_difference(rng.normal(size=60), np.zeros(60), seed=k) for k in range(200)]
    words = [verdict(pd.DataFrame([{"first": "A", "second": "B", **row}])).word for row in rows]
    assert words.count("reproduced") <= 12 and words.count("not reproduced") <= 12  # 2.5 % of 200 are 5


def test_a_verdict_cannot_be_changed():
    found = verdict(table((0.1, 0.2)))
    assert isinstance(found, Verdict)
    with pytest.raises(dataclasses.FrozenInstanceError):
        found.word = "partly"


def test_function_and_module_share_a_name():
    """``stablerep.statistics.verdict`` is the function, also after the module of that name is imported."""
    module = importlib.import_module("stablerep.statistics.verdict")
    from stablerep import statistics

    assert statistics.verdict is verdict is module.verdict


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (
            lambda: verdict(table((0.1, 0.2)).drop(columns=["low", "p_better"])),
            r"lack the columns \['low', 'p_better'\]",
        ),
        (lambda: verdict(table((0.2, 0.1))), r"A0 minus B0 has the interval \[0.2, 0.1\]"),
        (lambda: verdict(table((0.1, 0.2)), margin=np.nan), "margin is nan"),
        (lambda: verdict(pd.DataFrame(), margin=np.inf), "margin is inf"),
    ],
)
def test_bad_input_is_refused(call, message):
    with pytest.raises(ValueError, match=message):
        call()
