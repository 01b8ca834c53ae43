"""The best value on a grid: closed forms, coverage, bad input."""

from __future__ import annotations

import numpy as np
import pytest

from stablerep.errors import InputError
from stablerep.statistics.crossed import crossed_mean
from stablerep.statistics.peaks import fit_peak, lower, rise

GRID = [1, 2, 4, 8]
X = np.log2(GRID)


def curves(
    top: float, bend: float = 0.02, seeds: int = 3, clusters: int = 40, noise: float = 0.0, seed: int = 0
) -> np.ndarray:
    """Accuracies [S, C, W] of a parabola with its top at a value of the grid, with effects of seeds and clusters."""
    rng = np.random.default_rng(seed)
    level = 0.5 + noise * (rng.normal(size=(seeds, 1, 1)) / 3 + rng.normal(size=(1, clusters, 1)))
    return level - bend * (X - np.log2(top)) ** 2 + noise * rng.normal(size=(seeds, clusters, len(X)))


@pytest.mark.parametrize("top", [1.0, 2.0, 3.0, 8.0])
def test_the_top_of_a_parabola_is_found(top):
    found = fit_peak(curves(top), GRID)
    assert found.best == pytest.approx(top) and found.low == pytest.approx(top) and found.high == pytest.approx(top)
    assert found.bend.mean == pytest.approx(0.02) and found.bend.error == pytest.approx(0, abs=1e-9)


def test_a_top_beyond_the_grid_is_at_its_end_and_a_u_has_it_at_the_better_end():
    assert fit_peak(curves(64.0), GRID).best == 8 and fit_peak(curves(0.1), GRID).best == 1
    assert fit_peak(curves(2.0, bend=-0.02), GRID).best == 8  # of a valley at two, eight lies higher than one
    assert fit_peak(curves(4.0, bend=-0.02), GRID).best == 1


def test_the_bend_is_a_crossed_mean_of_second_differences():
    """On three values a factor of two apart, c is half of the second difference."""
    values = np.random.default_rng(1).normal(size=(3, 20, 3))
    expected = crossed_mean(-(values[..., 0] - 2 * values[..., 1] + values[..., 2]) / 2)
    found = fit_peak(values, [1, 2, 4]).bend
    assert found.mean == pytest.approx(expected.mean) and found.error == pytest.approx(expected.error)


def test_the_interval_holds_the_top_about_as_often_as_it_says():
    held = 0
    for k in range(60):
        found = fit_peak(curves(3.0, bend=0.03, seeds=5, clusters=200, noise=0.1, seed=k), GRID)
        held += found.low <= 3 <= found.high
    assert held >= 51  # 95 % of 60 is 57


def test_one_peak_lies_below_another():
    first, second = fit_peak(curves(2.0, noise=0.01), GRID), fit_peak(curves(4.0, noise=0.01), GRID)
    found = lower(first, second)
    assert (
        found["difference"] == pytest.approx(1, abs=0.3)
        and found["low"] > 0
        and found["p_for"] < 0.01
        and found["p_against"] > 0.9
    )
    back = lower(second, first)
    assert back["difference"] == pytest.approx(-found["difference"]) and back["p_for"] == found["p_against"]
    same = lower(first, first)
    assert same["difference"] == 0 and same["p_for"] == same["p_against"] == 1


@pytest.mark.parametrize(
    ("values", "grid", "said"),
    [
        (np.zeros((2, 3)), GRID, "finite .S, C, W. is needed"),
        (np.zeros((2, 3, 4)), [1, 2, 4], "finite .S, C, W. is needed"),
        (np.full((1, 1, 4), np.nan), GRID, "not all finite"),
        (np.zeros((1, 2, 3)), [1, 2, 2], "at least 3 different positive values"),
        (np.zeros((1, 2, 3)), [0, 1, 2], "at least 3 different positive values"),
    ],
)
def test_what_no_parabola_fits_is_refused(values, grid, said):
    with pytest.raises(InputError, match=said):
        fit_peak(values, grid)


def test_a_rise_is_the_slope_of_the_line():
    values = 0.3 + 0.02 * X + np.zeros((3, 10, 1)) + 0.05 * np.random.default_rng(0).normal(size=(3, 10, 1))
    assert rise(values, GRID).mean == pytest.approx(0.02) and rise(values, GRID).error == pytest.approx(0, abs=1e-9)
    noisy = np.random.default_rng(1).normal(size=(3, 20, 2))
    expected = crossed_mean((noisy[..., 1] - noisy[..., 0]) / 2)  # over two doublings
    assert rise(noisy, [2, 8]).error == pytest.approx(expected.error) and rise(noisy, [2, 8]).mean == pytest.approx(
        expected.mean
    )
    with pytest.raises(InputError, match="at least 2 different positive values"):
        rise(noisy, [2, 2])
