"""Slopes against another implementation, on values whose slopes are known, and their intervals on simulated studies."""

from __future__ import annotations

import numpy as np
import pytest

from stablerep.errors import InputError
from stablerep.statistics.slopes import ALONE, FIXED, slopes


def table(values, properties, clusters, **how):
    found = slopes(values, properties, clusters, **how)
    return found.set_index(["property", "way"])


def study(seed: int, clusters: int = 40, seeds: int = 3, slope: float = 0.05, apart: float = 0.2):
    """Two captions of each cluster; a value rises with x, varies by cluster and seed, and not with z, which goes with x."""
    rng = np.random.default_rng(seed)
    of = np.repeat(np.arange(clusters), 2)
    x = rng.normal(size=clusters)[of] + 0.3 * rng.normal(size=len(of))
    z = 0.8 * x + 0.6 * rng.normal(size=len(of))
    values = slope * x + apart * rng.normal(size=clusters)[of] + 0.05 * rng.normal(size=(seeds, 1))
    return values + 0.1 * rng.normal(size=(seeds, len(of))), {"x": x, "z": z}, of


def test_slopes_are_those_of_weighted_least_squares():
    import statsmodels.api as sm

    rng = np.random.default_rng(0)
    clusters = np.repeat(np.arange(20), rng.integers(1, 6, 20))
    properties = {"x": rng.normal(5, 2, len(clusters)), "z": rng.normal(size=len(clusters))}
    values = rng.normal(size=(4, len(clusters)))
    found = table(values, properties, clusters, draws=10)
    weights = 1 / np.bincount(clusters)[clusters]
    both = sm.WLS(values.mean(0), sm.add_constant(np.stack(list(properties.values()), 1)), weights=weights).fit()
    np.testing.assert_allclose(found.xs(FIXED, level="way")["slope"], both.params[1:])
    for name, one in properties.items():
        alone = sm.WLS(values.mean(0), sm.add_constant(one), weights=weights).fit()
        assert found.loc[(name, ALONE), "slope"] == pytest.approx(alone.params[1])
    assert (found["clusters"] == 20).all() and (found["seeds"] == 4).all()


def test_what_is_on_a_plane_has_its_slopes_without_error():
    rng = np.random.default_rng(1)
    x, z, of = rng.normal(size=60), rng.integers(0, 4, 60).astype(float), np.arange(60) // 3
    found = table((0.4 + 0.1 * x - 0.02 * z)[None], {"x": x, "z": z}, of)
    fixed = found.xs(FIXED, level="way")
    for column in ("slope", "low", "high"):
        np.testing.assert_allclose(fixed[column], [0.1, -0.02])


def test_what_goes_with_a_cause_has_a_slope_alone_and_none_with_the_cause_held_fixed():
    found = table(*study(0, clusters=400, apart=0.05))
    assert found.loc[("z", ALONE), "low"] > 0
    assert found.loc[("z", FIXED), "low"] < 0 < found.loc[("z", FIXED), "high"]
    assert found.loc[("x", FIXED), "slope"] == pytest.approx(0.05, abs=0.01)


def test_a_row_that_is_there_twice_changes_nothing():
    """Each cluster weighs the same, whatever the number of its rows."""
    values, properties, of = study(2)
    first = of == 0
    twice = np.concatenate([np.arange(len(of)), np.flatnonzero(first)])
    once = table(values, properties, of, draws=200)
    again = table(values[:, twice], {name: one[twice] for name, one in properties.items()}, of[twice], draws=200)
    np.testing.assert_allclose(once["slope"], again["slope"])
    np.testing.assert_allclose(once["low"], again["low"])


def test_intervals_cover_the_slope_in_most_studies():
    found = [table(*study(seed), draws=200, seed=seed).loc[("x", FIXED)] for seed in range(150)]
    assert 0.88 <= np.mean([one["low"] <= 0.05 <= one["high"] for one in found]) <= 0.99


def test_one_seed_is_resampled_over_clusters_alone():
    values, properties, of = study(3, seeds=1)
    found = table(values, properties, of, draws=200)
    assert (found["low"] < found["high"]).all() and (found["seeds"] == 1).all()


def test_a_property_of_one_value_is_left_out_and_two_that_are_one_cannot_be_told_apart():
    values, properties, of = study(4)
    found = table(values, properties | {"same": np.ones(len(of)), "x again": 2 * properties["x"]}, of, draws=50)
    assert "same" not in found.index.get_level_values("property")
    assert found.xs(FIXED, level="way")[["slope", "low", "high"]].isna().all(axis=None)
    assert found.loc[("x again", ALONE), "slope"] == pytest.approx(found.loc[("x", ALONE), "slope"] / 2)
    assert slopes(values, {"same": np.ones(len(of))}, of).empty
    alone = slopes(values, {"x": properties["x"]}, of, draws=50)
    assert alone["way"].tolist() == [ALONE]


def test_two_clusters_give_a_slope_and_no_interval():
    """Of half of the draws only one cluster is left, through which no line is determined."""
    found = slopes(np.array([[0.0, 1.0]]), {"x": [0.0, 2.0]}, ["a", "b"], draws=400)
    assert found["slope"].tolist() == [0.5] and found["clusters"].tolist() == [2]
    three = slopes(np.array([[0.0, 1.0, 2.0]]), {"x": [0.0, 2.0, 4.0]}, list("abc"), draws=400)
    assert three["low"].item() == pytest.approx(0.5)


@pytest.mark.parametrize(
    ("values", "x", "said"),
    [
        (np.zeros((2, 3)), [1, 2], r"values have shape \(2, 3\) for 2 rows"),
        (np.full((1, 2), np.nan), [1, 2], "or are not all finite; finite"),
        (np.zeros(2), [1, 2], r"values have shape \(2,\) for 2 rows"),
        (
            np.zeros((1, 2)),
            [1, np.inf],
            r"the property 'x' has shape \(2,\), or is not all finite; a finite number for each of 2 rows",
        ),
    ],
)
def test_bad_input(values, x, said):
    with pytest.raises(InputError, match=said):
        slopes(values, {"x": x}, ["a", "b"])
