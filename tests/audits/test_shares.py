"""Shares from what a reader read: the correction, when it is refused, and intervals that do not end at 0 or 1."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from stablerep.audits.readers import CANNOT_TELL, Confusion
from stablerep.audits.shares import (
    REFUSED,
    beyond,
    correct_shares,
    count_shares,
    effective_number,
    kept_off_the_boundary,
)

CLASSES = ("a", "b", "c")
NAMES = np.array([*CLASSES, CANNOT_TELL], object)
RATES = np.array([[0.7, 0.1, 0.05, 0.15], [0.1, 0.65, 0.1, 0.15], [0.05, 0.15, 0.7, 0.1]])


@st.composite
def readings(draw):
    """True shares, and the confusion of a reader that is right more often than not, and sometimes cannot tell."""
    n = draw(st.integers(2, 6))
    counts = draw(st.lists(st.integers(0, 20), min_size=n, max_size=n).filter(any))
    errors = np.array(
        draw(st.lists(st.lists(st.integers(0, 9), min_size=n + 1, max_size=n + 1), min_size=n, max_size=n)), float
    )
    errors[:, :n][np.eye(n, dtype=bool)] = 0
    errors = 0.4 * errors / np.maximum(errors.sum(1, keepdims=True), 1)
    errors[:, :n][np.eye(n, dtype=bool)] = 1 - errors.sum(1)
    return np.array(counts) / sum(counts), errors


@given(readings())
def test_correction_recovers_the_truth(case):
    truth, confusion = case
    np.testing.assert_allclose(correct_shares(truth @ confusion, confusion), truth, atol=1e-4)


@given(readings(), st.integers(0, 2**32 - 1))
def test_correction_stays_on_the_simplex(case, seed):
    """Also where no shares explain what was read."""
    _, confusion = case
    read = np.random.default_rng(seed).dirichlet(np.full(confusion.shape[1], 0.3))
    found = correct_shares(read, confusion)
    assert (found >= 0).all() and found.sum() == pytest.approx(1)


def test_correction_by_hand():
    """A reader that takes a fifth of the women for men, no man for a woman, and cannot tell every tenth."""
    confusion = np.array([[0.7, 0.2, 0.1], [0, 0.9, 0.1]])
    np.testing.assert_allclose(correct_shares(np.array([0.35, 0.55, 0.1]), confusion), [0.5, 0.5], atol=1e-6)
    np.testing.assert_allclose(correct_shares(np.array([0.9, 0.0, 0.1]), confusion), [1, 0], atol=1e-4)


def test_independent_images_count_each_and_alike_ones_once_a_caption():
    rng = np.random.default_rng(0)
    alone = rng.multinomial(20, [0.4, 0.3, 0.3], size=400)
    assert effective_number(alone) == pytest.approx(8000, rel=0.15)
    alike = 20 * rng.multinomial(1, [0.4, 0.3, 0.3], size=400)
    assert effective_number(alike) == pytest.approx(400, rel=0.02)
    assert effective_number(np.tile([20, 0, 0], (41, 1))) == 41  # nothing varies


def study(rng, shares, *, rates=RATES, captions=41, images=12, concepts=50, spread=0.0):
    """What was read of images of some captions, and a confusion counted on others; with ``spread``, concepts differ in how they are read."""

    def of_concept():
        return [rng.dirichlet(row / spread) if spread else row for row in rates]

    truth, read = [], []
    for _ in range(concepts):
        for name, row in zip(CLASSES, of_concept()):
            truth += [name] * 15
            read += NAMES[rng.choice(4, 15, p=row)].tolist()
    confusion = Confusion.count(truth, read, np.arange(concepts).repeat(45), CLASSES)
    found = []
    for _ in range(captions):
        rows = of_concept()
        found += [NAMES[rng.choice(4, p=rows[k])] for k in rng.choice(3, images, p=shares)]
    return found, np.arange(captions).repeat(images), confusion


@pytest.mark.parametrize(("shares", "spread"), [((0.5, 0.3, 0.2), 0.1), ((1, 0, 0), 0.0)])
def test_a_reader_that_errs_as_it_does_is_refused_about_as_often_as_the_level_says(shares, spread):
    rng = np.random.default_rng(1)
    refused = [count_shares(*study(rng, shares, spread=spread), seed=k, draws=99).refused for k in range(120)]
    assert 0 < np.mean(refused) <= 0.11  # of 120, at 5 %: more than 13 in one of 500 cases


def test_more_than_the_reader_could_read_is_refused():
    """It reads at most 71.4 % of anything as *none*, and 83.2 % were read so: it errs otherwise on these images than on those it is known by."""
    rates = np.array([[0.714, 0.143, 0.0, 0.143], [0.1, 0.8, 0.0, 0.1], [0.1, 0.0, 0.8, 0.1]])
    rng = np.random.default_rng(0)
    _, captions, confusion = study(rng, (1, 0, 0), rates=rates, spread=0.05)
    read = NAMES[rng.choice(4, len(captions), p=[0.832, 0.088, 0.0, 0.08])]
    found = count_shares(read, captions, confusion, seed=0)
    assert found.refused and found.p < 0.01 and found.read[0] > 0.8
    assert (
        np.isnan(found.corrected).all() and np.isnan(found.corrected_low).all() and np.isnan(found.corrected_high).all()
    )
    # and what it could read is not
    fine = count_shares(NAMES[rng.choice(4, len(captions), p=rates[0])], captions, confusion, seed=0)
    assert not fine.refused and fine.corrected[0] > 0.9


def test_intervals_hold_the_truth():
    rng, shares, held = np.random.default_rng(2), np.array([0.5, 0.3, 0.2]), []
    for k in range(60):
        found = count_shares(*study(rng, shares, spread=0.1), seed=k, draws=99)
        if not found.refused:
            held.append((found.corrected_low <= shares) & (shares <= found.corrected_high))
    assert np.mean(held) == pytest.approx(0.95, abs=0.06)


def test_no_interval_ends_where_it_begins_at_the_boundary():
    rng = np.random.default_rng(0)
    perfect = np.eye(3, 4)
    _, captions, confusion = study(rng, (1, 0, 0), rates=perfect)
    found = count_shares(np.full(len(captions), "a"), captions, confusion, seed=0)
    assert not found.refused and found.read.tolist() == [1, 0, 0, 0]
    bound = 1 - 0.05 ** (1 / 41)  # captions, not images
    assert found.read_low[0] == pytest.approx(1 - bound) and found.read_high[1:].tolist() == pytest.approx([bound] * 3)
    assert found.corrected_low[0] == pytest.approx(1 - bound) and found.corrected_high[1] == pytest.approx(bound)
    # what a reader often overlooks may be there more often
    _, captions, confusion = study(rng, (1, 0, 0), rates=np.array([[1, 0, 0, 0], [0, 0.5, 0, 0.5], [0, 0, 1, 0]]))
    found = count_shares(np.full(len(captions), "a"), captions, confusion, seed=0)
    assert found.corrected_high[2] > 1.8 * bound


def test_the_exact_bound_is_that_of_clopper_and_pearson_and_about_three_of_n():
    from scipy import stats

    for n in (5, 41, 400):
        exact = stats.binomtest(0, n).proportion_ci(0.90, method="exact").high  # 95 % on one side
        assert beyond(n) == pytest.approx(exact)
    assert beyond(400) == pytest.approx(3 / 400, rel=0.01)
    low, high = kept_off_the_boundary(np.array([0, 0.5, 1]), np.array([0, 0.4, 1]), np.array([0, 0.6, 1]), 41)
    np.testing.assert_allclose(low, [0, 0.4, 1 - beyond(41)])
    np.testing.assert_allclose(high, [beyond(41), 0.6, 1])


def test_the_same_seed_gives_the_same_shares():
    given = study(np.random.default_rng(0), (0.5, 0.3, 0.2))
    one, other, third = (count_shares(*given, seed=seed, draws=50) for seed in (1, 1, 2))
    assert np.array_equal(one.corrected_low, other.corrected_low) and not np.array_equal(
        one.corrected_low, third.corrected_low
    )
    assert one.p > REFUSED and (one.captions, one.images) == (41, 492)
