"""Intervals: how often they hold the truth in simulated studies, and their closed forms."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import stats

from stablerep.statistics import bootstrap_mean, interval, mean_with_interval, over_seeds


def coverage(*, clustered: bool, repetitions=200, concepts=40, images=6, truth=0.3):
    """Share of studies whose interval holds the truth; items of a concept share a large random part."""
    rng = np.random.default_rng(0)
    names = np.repeat(np.arange(concepts), images)
    hits = 0
    for k in range(repetitions):
        values = truth + rng.normal(0, 1, concepts)[names] + rng.normal(0, 0.5, len(names))
        low, high = interval(bootstrap_mean(values, names if clustered else None, draws=400, seed=k))
        hits += low <= truth <= high
    return hits / repetitions


def test_intervals_over_concepts_hold_the_truth_nineteen_times_in_twenty():
    assert 0.90 <= coverage(clustered=True) <= 0.99  # three standard deviations at 200 studies are 4.6 points


def test_intervals_that_ignore_concepts_are_too_narrow():
    assert coverage(clustered=False) < 0.75


def test_draws_spread_as_the_standard_error_of_independent_items():
    values = np.random.default_rng(1).normal(5, 2, 400)
    draws = bootstrap_mean(values, draws=4000)
    assert draws.shape == (4000,) and draws.mean() == pytest.approx(values.mean(), abs=0.02)
    assert draws.std() == pytest.approx(values.std() / 20, rel=0.05)


def test_a_cluster_of_copies_counts_as_one_item():
    values = np.random.default_rng(2).normal(size=30)
    alone = mean_with_interval(values)
    copied = mean_with_interval(np.repeat(values, 7), np.repeat(np.arange(30), 7))
    assert copied == pytest.approx({**alone, "n": 210})


def test_clusters_of_unequal_size_are_weighed_by_their_items():
    draws = bootstrap_mean([1, 1, 1, 0], ["big", "big", "big", "small"], draws=5000)
    assert {round(d, 6) for d in draws} == {0.0, 0.75, 1.0}
    shares = [(draws == 0).mean(), (draws == 0.75).mean(), (draws == 1).mean()]
    assert shares == pytest.approx([0.25, 0.5, 0.25], abs=0.03)


def test_names_and_order_of_clusters_do_not_matter_beyond_chance():
    values, names = np.random.default_rng(3).normal(size=60), np.repeat(list("abcdefghijkl"), 5)
    one, other = mean_with_interval(values, names), mean_with_interval(values[::-1], names[::-1])
    assert one["mean"] == pytest.approx(other["mean"])
    assert one["low"] == pytest.approx(other["low"], abs=0.05) and one["high"] == pytest.approx(other["high"], abs=0.05)


def test_equal_seeds_give_equal_draws():
    values = [0.0, 1.0, 1.0, 0.0, 1.0]
    assert np.array_equal(bootstrap_mean(values, seed=4), bootstrap_mean(values, seed=4))
    assert not np.array_equal(bootstrap_mean(values, seed=4), bootstrap_mean(values, seed=5))


def test_values_that_are_all_equal_have_an_interval_without_width():
    assert mean_with_interval([1, 1, 1], ["a", "b", "b"]) == {"mean": 1.0, "low": 1.0, "high": 1.0, "n": 3}


def test_an_interval_is_the_centre_of_the_draws():
    draws = np.arange(1001) / 10
    assert interval(draws) == pytest.approx((2.5, 97.5))
    assert interval(draws, 0.5) == pytest.approx((25, 75))


@pytest.mark.parametrize("level", [0.8, 0.95])
def test_the_interval_over_seeds_is_students(level):
    values = [0.61, 0.58, 0.66, 0.63]
    low, high = stats.t.interval(level, 3, loc=np.mean(values), scale=stats.sem(values))
    expected = {"mean": np.mean(values), "low": low, "high": high, "n": 4}
    assert over_seeds(values, level=level) == pytest.approx(expected)


def test_one_seed_has_a_mean_and_no_interval():
    found = over_seeds([0.4])
    assert found["mean"] == 0.4 and found["n"] == 1 and np.isnan(found["low"]) and np.isnan(found["high"])


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: bootstrap_mean([]), "there are no values"),
        (lambda: mean_with_interval([1.0, 2.0], ["a"]), "2 values have 1 clusters"),
        (lambda: over_seeds([]), "there are no values"),
        (lambda: interval(np.arange(5), 1.5), r"\[0, 1\]"),
    ],
)
def test_bad_input_is_refused(call, message):
    with pytest.raises(ValueError, match=message):
        call()
