"""Averages over data sets and families of claims, against slow or other ways to the same number."""

from __future__ import annotations

import gc
from itertools import combinations

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from stablerep.statistics import holm, interquartile_mean, iqm_with_interval

finite = st.floats(-1e6, 1e6)


@pytest.fixture(autouse=True, scope="module")
def garbage_of_others_left_alone():
    """statsmodels collects garbage in every call: half a second, over all that the tests before have loaded."""
    gc.freeze()
    yield
    gc.unfreeze()


# The interquartile mean


@given(st.lists(finite, min_size=1, max_size=60))
def test_the_interquartile_mean_is_scipys_trimmed_mean(values):
    assert interquartile_mean(values) == pytest.approx(stats.trim_mean(values, 0.25), rel=1e-9, abs=1e-6)


def test_the_interquartile_mean_by_hand():
    assert interquartile_mean([8, 1, 4, 2]) == 3  # 1 and 8 are left out
    assert interquartile_mean([9, 0, 1, 2, 3, 4, 5, 100]) == 3.5  # 2, 3, 4, 5
    assert interquartile_mean([1, 2, 9]) == 4  # nothing to leave out
    assert interquartile_mean([[1, 2, 3, 50], [0, 7, 7, 7]]).tolist() == [2.5, 7]


@given(st.lists(finite, min_size=4, max_size=40), st.floats(0.1, 100), finite, st.randoms())
def test_the_interquartile_mean_follows_scale_and_shift_but_not_order(values, scale, shift, chance):
    moved = [scale * v + shift for v in values]
    chance.shuffle(moved)
    assert interquartile_mean(moved) == pytest.approx(scale * interquartile_mean(values) + shift, rel=1e-6, abs=1e-3)
    assert min(values) - 1e-6 <= interquartile_mean(values) <= max(values) + 1e-6


def test_one_data_set_gone_wrong_does_not_carry_it():
    values = np.random.default_rng(0).normal(0.6, 0.05, 40)
    wild = np.where(np.arange(40) < 4, -1e6, values)
    assert abs(interquartile_mean(wild) - interquartile_mean(values)) < 0.02 and wild.mean() < -1e4


def scores(values: np.ndarray) -> pd.DataFrame:
    """A table from data sets x seeds."""
    rows = [(f"d{d}", s, v) for d, row in enumerate(values) for s, v in enumerate(row)]
    return pd.DataFrame(rows, columns=["data_set", "seed", "value"])


@pytest.mark.parametrize("shared", [0.0, 1.0])
def test_intervals_of_the_interquartile_mean_hold_the_truth(shared):
    """Data sets are fixed and far apart; seeds vary, alone on each data set or on all of them at once, as an encoder does. The truth is the
    interquartile mean of the data sets' own means."""
    rng, hits, means = np.random.default_rng(1), 0, np.linspace(0.3, 0.9, 8)
    for _ in range(1000):
        noise = shared * rng.normal(0, 0.01, (1, 5)) + (1 - shared) * rng.normal(0, 0.01, (8, 5))
        found = iqm_with_interval(scores(means[:, None] + noise))
        hits += found["low"] <= interquartile_mean(means) <= found["high"]
    assert 0.93 <= hits / 1000 <= 0.97


def test_seeds_that_agree_leave_nothing_to_vary():
    """However far apart data sets are; an interval over all rows would be wide."""
    found = iqm_with_interval(scores(np.repeat([[0.1], [0.5], [0.6], [0.9]], 3, axis=1)))
    assert found == pytest.approx({"iqm": 0.55, "low": 0.55, "high": 0.55, "data_sets": 4, "seeds": 3})


def test_each_seed_is_summarized_first():
    values = np.array([[0.1, 0.2, 0.4], [0.5, 0.9, 0.6], [0.7, 0.7, 0.1], [0.3, 0.4, 0.2]])
    each = [interquartile_mean(column) for column in values.T]
    found, low_high = (
        iqm_with_interval(scores(values), level=0.8),
        stats.t.interval(0.8, 2, np.mean(each), stats.sem(each)),
    )
    assert (found["iqm"], found["low"], found["high"]) == pytest.approx((np.mean(each), *low_high))


def test_rows_may_come_in_any_order():
    table = scores(np.random.default_rng(2).random((5, 4)))
    assert iqm_with_interval(table.sample(frac=1, random_state=3).assign(other="column")) == pytest.approx(
        iqm_with_interval(table)
    )


def test_one_seed_has_no_interval():
    found = iqm_with_interval(scores(np.array([[0.1], [0.5], [0.6], [0.9]])))
    assert (
        found["iqm"] == pytest.approx(0.55)
        and np.isnan(found["low"])
        and np.isnan(found["high"])
        and found["seeds"] == 1
    )


# Holm's adjustment


def test_holm_by_hand():
    found = holm({"C1": 0.04, "C2": 0.01, "C3": 0.03, "C4": 0.005})
    assert found.index.tolist() == ["C1", "C2", "C3", "C4"] and found["p"].tolist() == [0.04, 0.01, 0.03, 0.005]
    # sorted: 4 * 0.005, 3 * 0.01, 2 * 0.03, and 1 * 0.04 raised to what precedes it
    assert found["adjusted"].tolist() == pytest.approx([0.06, 0.03, 0.06, 0.02])
    assert found["rejected"].tolist() == [False, True, False, True]
    assert holm({"C1": 0.04, "C2": 0.01, "C3": 0.03, "C4": 0.005}, alpha=0.1)["rejected"].all()


def closed_test(p: dict[str, float]) -> dict[str, float]:
    """Closed testing (Marcus, Peritz, Gabriel 1976): a claim's p is the largest Bonferroni p of all families that contain it."""
    families = [family for size in range(1, len(p) + 1) for family in combinations(p, size)]
    worst = {family: min(1.0, len(family) * min(p[name] for name in family)) for family in families}
    return {name: max(value for family, value in worst.items() if name in family) for name in p}


# steps of 1/200, so that ties and ones are common
shares = st.integers(0, 200).map(lambda k: k / 200)
p_values = st.lists(shares, min_size=1, max_size=7).map(lambda ps: {f"C{i}": p for i, p in enumerate(ps)})


@given(p_values)
def test_holm_is_closed_testing_with_bonferroni(p):
    assert holm(p)["adjusted"].to_dict() == pytest.approx(closed_test(p))


def step_down(p: pd.Series) -> pd.Series:
    """Holm's formula as the docstring states it."""
    climbing = p.sort_values()
    return np.minimum(climbing * np.arange(len(p), 0, -1), 1).cummax().reindex(p.index)


@pytest.mark.parametrize("seed", range(5))
def test_holm_is_the_formula_of_its_docstring_to_the_last_bit(seed):
    rng = np.random.default_rng(seed)
    for _ in range(100):
        p = pd.Series(rng.random(rng.integers(1, 17)) ** 3).add_prefix("C")
        assert holm(p)["adjusted"].tolist() == step_down(p).tolist()


@given(p_values)
def test_holm_keeps_order_and_never_helps(p):
    found = holm(p)
    assert (found["adjusted"] >= found["p"]).all() and found["adjusted"].between(0, 1).all()
    by_p = found.sort_values(["p", "adjusted"])
    assert by_p["adjusted"].is_monotonic_increasing
    assert (found["rejected"] == (found["adjusted"] <= 0.05)).all()
    assert (found["adjusted"] <= np.minimum(1, len(p) * found["p"]) + 1e-12).all()  # no worse than Bonferroni


def test_holm_rejects_a_true_claim_no_oftener_than_it_says():
    """Three claims without and two with an effect; plain p-values falsely reject in one study of seven."""
    rng = np.random.default_rng(3)
    z = rng.normal(size=(1000, 5)) + [0, 0, 0, 4, 4]
    p = stats.norm.sf(z)
    tables = [holm(pd.Series(row)) for row in p]
    false = np.mean([table["rejected"].iloc[:3].any() for table in tables])
    assert 0.02 <= false <= 0.07 and (p[:, :3] < 0.05).any(1).mean() > 0.11
    assert np.mean([table["rejected"].iloc[3:].mean() for table in tables]) > 0.9


def test_holm_takes_a_series_and_one_claim():
    pd.testing.assert_frame_equal(holm(pd.Series({"a": 0.2, "b": 0.01})), holm({"a": 0.2, "b": 0.01}))
    assert holm({"only": 0.05}).loc["only"].tolist() == [0.05, 0.05, True]


TABLE = scores(np.ones((2, 2)))


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: interquartile_mean([]), r"shape \(0,\)"),
        (lambda: interquartile_mean([1.0, np.nan]), "not all finite"),
        (lambda: interquartile_mean(3.0), r"shape \(\)"),
        (lambda: iqm_with_interval(TABLE.drop(columns="value")), r"lacks \['value'\]"),
        (lambda: iqm_with_interval(TABLE[:0]), "0 rows"),
        (lambda: iqm_with_interval(pd.concat([TABLE, TABLE])), "'d0' has seed 0 twice"),
        (lambda: iqm_with_interval(TABLE[:3]), "seed 1 has 1 of 2 data sets"),
        (lambda: iqm_with_interval(TABLE.assign(value=np.nan)), "not all finite"),
        (lambda: holm({}), "no p-values"),
        (lambda: holm({"C1": 1.5}), "p of 'C1' is 1.5"),
        (lambda: holm({"C1": 0.5, "C2": np.nan}), "p of 'C2' is nan"),
        (lambda: holm(pd.Series([0.1, 0.2], index=["C1", "C1"])), "'C1' has several"),
        (lambda: holm({"C1": 0.5}, alpha=0), "alpha is 0"),
    ],
)
def test_bad_input_is_refused(call, message):
    with pytest.raises(ValueError, match=message):
        call()
