"""How many of one are worth one of another: closed forms, reciprocity, coverage, lines that do not rise, bad input."""

from __future__ import annotations

import math

import numpy as np
import pytest

from stablerep.errors import InputError
from stablerep.statistics.exchange import exchange_rate

GRID = [100, 200, 400, 800]
X = np.log2(GRID)


def line(
    level: float, slope: float, *, noise: float = 0.0, seed: int = 0, seeds: int = 5, clusters: int = 60
) -> np.ndarray:
    """Accuracies [S, C, W] along a line over the logarithm, with effects of seeds, clusters and both."""
    rng = np.random.default_rng(seed)
    effects = noise * (
        rng.normal(size=(seeds, 1, 1)) / 4 + rng.normal(size=(1, clusters, 1)) + rng.normal(size=(seeds, clusters, 4))
    )
    return level + slope * (X - X.mean()) + effects


@pytest.mark.parametrize(("ahead", "times"), [(0.0, 1.0), (0.02, 2.0), (0.06, 8.0), (-0.02, 0.5), (0.01, math.sqrt(2))])
def test_a_lead_of_a_slope_is_worth_a_doubling(ahead, times):
    rate = exchange_rate(line(0.3 + ahead, 0.02), line(0.3, 0.02), GRID)
    assert rate.times == pytest.approx(times)
    assert rate.low == pytest.approx(times, rel=0.01) and rate.high == pytest.approx(
        times, rel=0.01
    )  # the step of what is tried
    assert rate.apart.mean == pytest.approx(0, abs=1e-12)


def test_the_other_way_round_it_is_the_reciprocal():
    first, second = line(0.32, 0.02, noise=0.02, seed=1), line(0.3, 0.02, noise=0.02, seed=2)
    one, other = exchange_rate(first, second, GRID), exchange_rate(second, first, GRID)
    assert one.times == pytest.approx(1 / other.times)
    assert one.low == pytest.approx(1 / other.high) and one.high == pytest.approx(1 / other.low)
    assert one.low < one.times < one.high


def test_slopes_that_differ_are_said():
    rate = exchange_rate(line(0.3, 0.03), line(0.3, 0.01), GRID)
    assert rate.apart.mean == pytest.approx(0.02) and rate.times == pytest.approx(1.0)


def test_the_interval_holds_the_rate_about_as_often_as_it_says():
    missed = 0
    for seed in range(200):
        first = line(0.32, 0.02, noise=0.03, seed=2 * seed)
        rate = exchange_rate(first, line(0.3, 0.02, noise=0.03, seed=2 * seed + 1), GRID)
        missed += not (math.isnan(rate.times) or rate.low <= 2.0 <= rate.high)
    assert missed / 200 < 0.09


def test_lines_that_do_not_clearly_rise_exchange_nothing():
    for slope in (0.0, -0.02):
        rate = exchange_rate(line(0.4, slope, noise=0.02), line(0.3, slope, noise=0.02, seed=1), GRID)
        assert math.isnan(rate.times) and math.isnan(rate.low) and math.isnan(rate.high)


def test_a_lead_beyond_a_factor_of_a_thousand_has_no_upper_end():
    rate = exchange_rate(line(0.5, 0.02), line(0.29, 0.02), GRID)  # ten and a half doublings
    assert rate.times == pytest.approx(2**10.5) and rate.high == math.inf


@pytest.mark.parametrize(
    ("values", "grid", "said"),
    [
        (np.zeros((2, 3, 3)), GRID, "finite"), (np.full((2, 3, 4), np.nan), GRID, "finite"),
        (np.zeros((2, 3, 4)), [5, 5, 5, 5], "at least 2 different positive values"),
    ],
)  # fmt: skip
def test_what_no_line_fits_is_refused(values, grid, said):
    with pytest.raises(InputError, match=said):
        exchange_rate(values, values, grid)
