"""Means over crossed seeds and clusters: slow and other ways to the same error, closed forms, and how often intervals hold the truth."""

from __future__ import annotations

import math
import warnings

import numpy as np
import pandas as pd
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from scipy import stats

from stablerep.errors import InputError
from stablerep.statistics import CrossedMean, crossed_mean
from stablerep.statistics.crossed import planned

shapes = st.tuples(st.integers(1, 5), st.integers(1, 6))
two_way = st.tuples(st.integers(2, 6), st.integers(2, 6))
numbers = st.integers(-40, 40).map(lambda k: k / 8)  # exact in binary


def tables(shape=shapes):
    return arrays(float, shape, elements=numbers)


def simulated(rng, *, seeds=5, clusters=40, of_seeds=0.1, of_clusters=0.1, of_cells=0.1, truth=0.0) -> np.ndarray:
    """A table whose mean has the errors ``of_seeds``, ``of_clusters`` and ``of_cells``, independent of each other."""
    return (
        truth
        + rng.normal(0, of_seeds * seeds**0.5, (seeds, 1))
        + rng.normal(0, of_clusters * clusters**0.5, (1, clusters))
        + rng.normal(0, of_cells * (seeds * clusters) ** 0.5, (seeds, clusters))
    )


# Other ways to the same error


def slow_mean_squares(values: np.ndarray) -> tuple[float, float, float]:
    """Mean squares of rows, of columns and of the rest, cell by cell, as textbooks of the analysis of variance define them."""
    count_rows, count_columns = len(values), len(values[0])
    grand = sum(sum(row) for row in values) / (count_rows * count_columns)
    row_means = [sum(row) / count_columns for row in values]
    column_means = [sum(row[c] for row in values) / count_rows for c in range(count_columns)]
    of_rows = of_columns = of_rest = 0.0
    for r in range(count_rows):
        for c in range(count_columns):
            of_rows += (row_means[r] - grand) ** 2
            of_columns += (column_means[c] - grand) ** 2
            of_rest += (values[r][c] - row_means[r] - column_means[c] + grand) ** 2
    free_rows, free_columns = count_rows - 1, count_columns - 1
    return of_rows / free_rows, of_columns / free_columns, of_rest / (free_rows * free_columns)


def slow_error(values: np.ndarray) -> float:
    """From the components of variance, none of which is below zero."""
    rows, columns, rest = slow_mean_squares(values)
    seeds, clusters = values.shape
    if rows >= rest and columns >= rest:
        of_seeds, of_clusters = (rows - rest) / clusters, (columns - rest) / seeds
        return math.sqrt(of_seeds / seeds + of_clusters / clusters + rest / (seeds * clusters))
    return math.sqrt(max(rows, columns) / (seeds * clusters))


@given(tables(two_way))
def test_the_error_is_that_of_a_loop_over_cells(values):
    found = crossed_mean(values)
    assert found.mean == pytest.approx(sum(map(sum, values.tolist())) / values.size, abs=1e-12)
    assert found.error == pytest.approx(slow_error(values), abs=1e-9)
    assert (found.seeds, found.clusters) == values.shape


@pytest.mark.parametrize("shape", [(2, 3), (3, 40), (5, 12), (12, 5), (4, 4)])
@pytest.mark.parametrize("seed", range(3))
def test_the_degrees_of_freedom_lie_between_those_of_the_components(shape, seed):
    values = np.random.default_rng(seed).normal(size=shape)
    found = crossed_mean(values)
    most = sum(shape) - 2 + (shape[0] - 1) * (shape[1] - 1)
    assert min(shape) - 1 - 1e-9 <= found.freedom <= most + 1e-9


@pytest.mark.parametrize("seed", range(4))
def test_mean_squares_are_those_of_statsmodels(seed):
    """A linear model with a column of dummies for every seed and cluster, fitted by statsmodels."""
    from statsmodels.formula.api import ols
    from statsmodels.stats.anova import anova_lm

    values = simulated(np.random.default_rng(seed), seeds=4, clusters=7, of_seeds=0.3)
    squares = anova_lm(ols("x ~ C(seed) + C(cluster)", long(values)).fit())["mean_sq"]
    assert tuple(squares) == pytest.approx(slow_mean_squares(values))
    rows, columns, rest = squares
    total = max(rows + columns - rest, rows, columns)
    assert crossed_mean(values).error ** 2 == pytest.approx(total / values.size)


def long(values: np.ndarray) -> pd.DataFrame:
    """A row per cell."""
    seed, cluster = np.indices(values.shape)
    return pd.DataFrame({"x": values.ravel(), "seed": seed.ravel(), "cluster": cluster.ravel(), "all": 0})


def test_the_error_is_that_of_a_mixed_model_with_crossed_random_effects():
    """Restricted maximum likelihood agrees with the analysis of variance where every component is above zero."""
    from statsmodels.formula.api import mixedlm

    values = simulated(np.random.default_rng(1), seeds=6, clusters=12, of_seeds=0.3, of_clusters=0.3)
    rows, columns, rest = slow_mean_squares(values)
    assert rows > rest and columns > rest
    random = {"seed": "0 + C(seed)", "cluster": "0 + C(cluster)"}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        fitted = mixedlm("x ~ 1", long(values), groups="all", vc_formula=random).fit(reml=True)
    found = crossed_mean(values)
    assert found.mean == pytest.approx(fitted.params["Intercept"])
    assert found.error**2 == pytest.approx(fitted.bse["Intercept"] ** 2, rel=0.01)


# Closed forms


@pytest.mark.parametrize("level", [0.8, 0.95])
def test_one_seed_is_a_t_interval_over_clusters(level):
    values = np.random.default_rng(2).normal(0.3, 1, 25)
    found = crossed_mean(values[None])
    expected = stats.ttest_1samp(values, 0).confidence_interval(level)
    assert found.interval(level) == pytest.approx((expected.low, expected.high))
    assert found.above(0.1) == pytest.approx(stats.ttest_1samp(values, 0.1, alternative="greater").pvalue)
    assert (found.freedom, found.seeds, found.clusters) == (24, 1, 25)


def test_seeds_that_agree_are_a_t_interval_over_clusters():
    values = np.random.default_rng(3).normal(size=25)
    found, expected = crossed_mean(np.tile(values, (4, 1))), stats.ttest_1samp(values, 0).confidence_interval()
    assert found.interval() == pytest.approx((expected.low, expected.high)) and found.freedom == pytest.approx(24)


def test_clusters_that_agree_are_a_t_interval_over_seeds():
    seeds = np.array([0.61, 0.58, 0.66, 0.63])
    found, expected = crossed_mean(np.tile(seeds[:, None], 9)), stats.ttest_1samp(seeds, 0).confidence_interval()
    assert found.interval() == pytest.approx((expected.low, expected.high)) and found.freedom == pytest.approx(3)


def test_an_additive_table_adds_the_errors_of_seeds_and_clusters():
    """Orthogonal rows and columns without a rest: the variances of both means add up."""
    seeds, clusters = np.array([0.0, 0.3, 0.9]), np.array([0.0, 0.5, 0.1, 0.2, 0.6])
    found = crossed_mean(seeds[:, None] + clusters)
    assert found.error**2 == pytest.approx(seeds.var(ddof=1) / 3 + clusters.var(ddof=1) / 5)


@pytest.mark.parametrize("value", [0.0, 0.25, -1.0, 0.1])
@pytest.mark.parametrize("shape", [(3, 7), (1, 7), (2, 2)])
def test_a_constant_table_has_no_error(value, shape):
    found = crossed_mean(np.full(shape, value))
    assert (found.mean, found.error) == pytest.approx((value, 0), abs=1e-12)
    assert found.interval() == pytest.approx((value, value), abs=1e-12) and found.visible() == pytest.approx(0)
    assert (found.above(value - 0.01), found.above(value + 0.01)) == pytest.approx((0, 1))


def test_without_error_the_mean_itself_is_not_above_itself():
    assert crossed_mean(np.zeros((3, 8))).above(0) == 1


@pytest.mark.parametrize("seeds", [1, 3])
def test_one_cluster_has_a_mean_and_no_interval(seeds):
    found = crossed_mean(np.linspace(0, 1, seeds)[:, None])
    assert found.mean == pytest.approx(np.linspace(0, 1, seeds).mean())
    assert np.isnan([found.error, found.freedom, *found.interval(), found.above(0), found.visible()]).all()


def test_a_wider_level_has_a_wider_interval_around_the_same_mean():
    found = CrossedMean(0.2, 0.1, 4.0, 5, 40)
    (low, high), (lower, higher) = found.interval(0.8), found.interval(0.95)
    assert lower < low < found.mean < high < higher and (lower + higher) / 2 == pytest.approx(0.2)
    assert (higher - lower) / 2 == pytest.approx(0.1 * 2.7764, rel=1e-4)  # Student's t with four degrees of freedom


def test_p_and_interval_say_the_same():
    found = crossed_mean(simulated(np.random.default_rng(4)))
    low, high = found.interval(0.9)
    assert found.above(low) == pytest.approx(0.05) and found.above(high) == pytest.approx(0.95)
    assert found.above(found.mean) == pytest.approx(0.5)


def test_what_is_visible_by_hand():
    found = CrossedMean(0.0, 0.01, 10.0, 5, 40)
    assert found.visible() == pytest.approx(0.01 * (2.2281 + 0.8791), rel=1e-4)
    assert found.visible(power=0.5) == pytest.approx(0.01 * 2.2281, rel=1e-4)
    assert found.visible(level=0.8) < found.visible() < found.visible(power=0.95)


# Properties


@given(tables(), st.randoms())
def test_seeds_and_clusters_may_come_in_any_order(values, chance):
    rows, columns = (chance.sample(range(n), n) for n in values.shape)
    same(crossed_mean(values[np.ix_(rows, columns)]), crossed_mean(values))


@given(tables(), numbers)
def test_a_shift_moves_the_mean_alone(values, shift):
    found, moved = crossed_mean(values), crossed_mean(values + shift)
    same(moved, found, mean=found.mean + shift)


@given(tables(), st.sampled_from([-3.0, -1.0, 0.5, 8.0]))
def test_a_factor_scales_mean_and_error(values, factor):
    found, scaled = crossed_mean(values), crossed_mean(factor * values)
    same(scaled, found, mean=factor * found.mean, error=abs(factor) * found.error)


@given(tables(), numbers)
def test_the_negative_has_the_interval_turned_around(values, bound):
    found, turned = crossed_mean(values), crossed_mean(-values)
    low, high = found.interval()
    assert turned.interval() == pytest.approx((-high, -low), abs=1e-9, nan_ok=True)
    assert turned.visible() == pytest.approx(found.visible(), abs=1e-9, nan_ok=True)
    if found.error > 1e-9:
        assert turned.above(-bound) == pytest.approx(1 - found.above(bound))


@given(tables(two_way))
def test_seeds_and_clusters_may_change_places(values):
    """The model does not know which of the two are seeds."""
    found, turned = crossed_mean(values), crossed_mean(values.T)
    assume(found.error > 1e-9)
    assert (turned.error, turned.freedom) == pytest.approx((found.error, found.freedom))


def same(found: CrossedMean, expected: CrossedMean, **changed: float) -> None:
    """Equal to within rounding; the degrees of freedom of no error at all mean nothing."""
    for name in ("mean", "error", "freedom", "seeds", "clusters"):
        if name != "freedom" or not expected.error < 1e-9:
            target = changed.get(name, getattr(expected, name))
            assert getattr(found, name) == pytest.approx(target, rel=1e-6, abs=1e-9, nan_ok=True), name


# How often it is right

RATIOS = {
    "seeds make the error": (0.3, 0.1), "both alike": (0.1, 0.1), "clusters make the error": (0.1, 0.3),
    "clusters do not differ": (0.3, 0.0),
}  # fmt: skip


@pytest.mark.parametrize("of_seeds, of_clusters", RATIOS.values(), ids=RATIOS)
@pytest.mark.parametrize("seeds", [3, 5])
def test_intervals_hold_the_truth(seeds, of_seeds, of_clusters):
    """In no fewer than 92 % of studies: one in a hundred such simulations would fall below this bound by chance."""
    rng, studies, hits = np.random.default_rng(0), 600, 0
    for _ in range(studies):
        values = simulated(rng, seeds=seeds, of_seeds=of_seeds, of_clusters=of_clusters, truth=0.2)
        low, high = crossed_mean(values).interval()
        hits += low <= 0.2 <= high
    assert stats.binom.ppf(0.01, studies, 0.92) <= hits <= 0.99 * studies


@pytest.mark.parametrize("of_seeds", [0.2, 0.3])
def test_intervals_over_clusters_alone_are_too_narrow(of_seeds):
    rng = np.random.default_rng(1)
    found = [crossed_mean(simulated(rng, of_seeds=of_seeds).mean(0)[None]).interval() for _ in range(300)]
    assert np.mean([low <= 0 <= high for low, high in found]) < 0.85


def test_few_clusters_count_as_few():
    """Ten seeds say little about clusters of which there are three."""
    rng, hits = np.random.default_rng(2), 0
    for _ in range(600):
        low, high = crossed_mean(simulated(rng, seeds=10, clusters=3, of_clusters=0.3)).interval()
        hits += low <= 0 <= high
    assert hits >= stats.binom.ppf(0.01, 600, 0.92)


@pytest.mark.parametrize("of_seeds, of_clusters", RATIOS.values(), ids=RATIOS)
def test_p_is_below_a_twentieth_in_a_twentieth_of_studies_at_the_bound(of_seeds, of_clusters):
    rng = np.random.default_rng(3)
    found = [crossed_mean(simulated(rng, of_seeds=of_seeds, of_clusters=of_clusters)).above(0) for _ in range(600)]
    assert 0.01 <= np.mean(np.array(found) <= 0.05) <= 0.08
    assert 0.4 <= np.mean(np.array(found) <= 0.5) <= 0.6


def test_p_is_smaller_the_farther_the_truth_lies_above():
    rng = np.random.default_rng(4)
    found = [crossed_mean(simulated(rng, truth=1.0)) for _ in range(100)]
    assert np.mean([mean.above(0) for mean in found]) < 0.01 < 0.9 < np.mean([mean.above(2) for mean in found])


@pytest.mark.parametrize("seeds, of_seeds", [(1, 0.0), (10, 0.1), (10, 0.3)])
def test_a_visible_difference_is_seen_in_four_of_five_studies(seeds, of_seeds):
    rng = np.random.default_rng(5)
    found = [crossed_mean(simulated(rng, seeds=seeds, of_seeds=of_seeds)) for _ in range(500)]
    effect = np.median([mean.visible() for mean in found])
    seen = [mean.interval()[0] + effect > 0 for mean in found]
    assert 0.72 <= np.mean(seen) <= 0.88


# Bad input


@pytest.mark.parametrize(
    ("values", "shape"),
    [
        ([1.0, 2.0], r"\(2,\)"),
        (3.0, r"\(\)"),
        (np.empty((0, 3)), r"\(0, 3\)"),
        (np.empty((3, 0)), r"\(3, 0\)"),
        (np.ones((2, 2, 2)), r"\(2, 2, 2\)"),
        ([[1.0, np.nan]], r"\(1, 2\)"),
        ([[1.0], [np.inf]], r"\(2, 1\)"),
    ],
)
def test_values_must_be_finite_seeds_by_clusters(values, shape):
    with pytest.raises(InputError, match=f"values have shape {shape}"):
        crossed_mean(values)


def test_a_mean_cannot_be_changed_and_integers_will_do():
    found = crossed_mean([[1, 0], [1, 1]])
    assert found.mean == 0.75
    with pytest.raises(AttributeError):
        found.mean = 1.0


def test_a_plan_of_the_pilots_own_size_is_what_the_pilot_found():
    values = np.random.default_rng(5).normal(size=(4, 60)) + np.arange(4)[:, None] + np.arange(60)
    found, plan = crossed_mean(values), planned(values, 4, 60)
    assert (plan.error, plan.freedom) == (pytest.approx(found.error), pytest.approx(found.freedom))
    assert planned(values, 8, 60).visible() < plan.visible() > planned(values, 4, 600).visible()


def test_a_plan_foretells_the_error_of_larger_studies():
    """Deviations of 0.2 for seeds, 1 for clusters and 0.5 for the rest: on average over pilots of three seeds, the error to come."""
    rng = np.random.default_rng(6)

    def study(seeds, clusters):
        a, b = rng.normal(0, 0.2, (seeds, 1)), rng.normal(0, 1, clusters)
        return a + b + rng.normal(0, 0.5, (seeds, clusters))

    variance = np.mean([planned(study(3, 114), 5, 570).error ** 2 for _ in range(400)])
    assert variance == pytest.approx(0.2**2 / 5 + 1 / 570 + 0.5**2 / (5 * 570), rel=0.15)


@pytest.mark.parametrize(("shape", "seeds", "clusters"), [((1, 9), 5, 9), ((3, 1), 5, 9), ((3, 9), 1, 9), ((9,), 5, 9)])
def test_nothing_is_planned_from_one_seed_or_cluster(shape, seeds, clusters):
    with pytest.raises(InputError, match="two of each are needed"):
        planned(np.zeros(shape), seeds, clusters)
