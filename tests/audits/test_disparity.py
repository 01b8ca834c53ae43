"""Disparity: closed forms, no disparity within the interval in 95 % of studies, a planted one recovered, small groups suppressed."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from stablerep.audits.disparity import (
    ARM_COLUMNS,
    arm_disparities,
    between_groups,
    pair_disparities,
    ranges_by_chance,
)
from stablerep.audits.groups import FEWEST
from stablerep.errors import InputError

DARK = (0.0, 0.0, 0.0, -0.15)  # a planted loss of the last of four groups


def crossed(rng, effects=(0.0,) * 4, *, clusters=36, seeds=3, shared=0.25, own=0.15, noise=0.1) -> np.ndarray:
    """[K, C, S]: every cluster shows every group; clusters differ, a group has an error of its own in each, and seeds differ."""
    groups = len(effects)
    return (
        0.5 + np.array(effects)[:, None, None] + shared * rng.normal(size=(1, clusters, 1)) + own * rng.normal(size=(groups, clusters, 1))
        + 0.05 * rng.normal(size=(1, 1, seeds)) + noise * rng.normal(size=(groups, clusters, seeds))
    )  # fmt: skip


def apart(rng, effects=(0.0,) * 4, *, sizes=(40, 60, 90, 200), share=0.7) -> np.ndarray:
    """[K, C, 1]: every item is a cluster of its own and shows one group."""
    values = np.full((len(effects), sum(sizes), 1), np.nan)
    for k, start in enumerate(np.cumsum([0, *sizes[:-1]])):
        values[k, start : start + sizes[k], 0] = rng.random(sizes[k]) < share + effects[k]
    return values


def test_for_groups_apart_the_mean_sampling_variance_is_subtracted():
    """Lum, Zhang and Bower's estimator, with the unbiased variance of each group."""
    values = apart(np.random.default_rng(0))
    means = np.nanmean(values[:, :, 0], axis=1)
    sampling = [np.nanvar(row, ddof=1) / np.isfinite(row).sum() for row in values[:, :, 0]]
    found = between_groups(values, draws=50)
    assert found.naive == pytest.approx(means.var(ddof=1))
    assert found.value == pytest.approx(means.var(ddof=1) - np.mean(sampling))


def test_what_groups_of_a_cluster_share_is_no_disparity():
    """Clusters and seeds that move all groups alike add nothing to the variance between groups, and nothing is subtracted for them."""
    rng = np.random.default_rng(0)
    values = crossed(rng, DARK, own=0.0, noise=0.0)
    found = between_groups(values, draws=50)
    assert found.value == pytest.approx(np.var(DARK, ddof=1)) == pytest.approx(found.naive)
    assert found.low == pytest.approx(found.high)


@pytest.mark.parametrize(
    "drawn",
    [
        crossed, lambda rng: crossed(rng, (0.0, 0.0)), lambda rng: crossed(rng, seeds=1), apart, lambda rng: apart(rng, (0.0, 0.0), sizes=(50, 200)),
        lambda rng: crossed(rng, (0.0,) * 6, clusters=15),
    ],
)  # fmt: skip
def test_no_disparity_is_zero_within_the_interval(drawn):
    """In 95 % of studies; the estimate is zero on average, where the naive one is not."""
    found = [between_groups(drawn(np.random.default_rng(k)), draws=200) for k in range(100)]
    covered = sum(one.low <= 0 <= one.high for one in found)
    values = np.array([one.value for one in found])
    assert covered >= 93
    assert abs(values.mean()) < 3.5 * values.std() / 10
    assert np.mean([one.naive for one in found]) > 2 * abs(values.mean())


@pytest.mark.parametrize(("drawn", "missed"), [(crossed, 12), (apart, 12)])
def test_a_planted_disparity_is_recovered(drawn, missed):
    truth = np.var(DARK, ddof=1)
    found = [between_groups(drawn(np.random.default_rng(k), DARK), draws=200) for k in range(100)]
    assert sum(not one.low <= truth <= one.high for one in found) <= missed
    values = np.array([one.value for one in found])
    assert abs(values.mean() - truth) < 3.5 * values.std() / 10
    assert np.mean([one.naive for one in found]) > values.mean()


def test_the_range_by_chance_is_that_of_studies_without_disparity():
    """A p-value of at most 5 % in about one of twenty, within clusters and over them."""
    for drawn in (crossed, apart):
        small = 0
        for k in range(60):
            values = drawn(np.random.default_rng(k)).mean(2)
            spread = np.ptp(np.nanmean(values, axis=1))
            small += (ranges_by_chance(values, draws=200) >= spread).mean() <= 0.05
        assert small <= 8
    strong = crossed(np.random.default_rng(0), DARK).mean(2)
    assert np.ptp(strong.mean(1)) > ranges_by_chance(strong, draws=200).max()


def test_shuffling_keeps_what_a_cluster_shows():
    """Where a cluster shows one group nothing moves, and a group that lacks a cluster goes on lacking it."""
    values = np.array([[0.0, 1.0, np.nan, 0.5], [1.0, 0.0, 1.0, np.nan]])
    found = ranges_by_chance(values, draws=400)
    # of the first two clusters each may be turned: means 0.5 or 1/6, 5/6 of three
    firsts = [(0.5 + a + b) / 3 for a in (0, 1) for b in (0, 1)]
    seconds = [(1.0 + (1 - a) + (1 - b)) / 3 for a in (0, 1) for b in (0, 1)]
    assert {round(one, 6) for one in found} == {round(abs(x - y), 6) for x, y in zip(firsts, seconds)}


def test_what_cannot_be_compared_is_told():
    with pytest.raises(InputError, match="two groups at least is needed"):
        between_groups(np.zeros((1, 5, 2)))
    values = np.zeros((2, 3, 1))
    values[0, 1:] = np.nan
    with pytest.raises(InputError, match="every group needs two clusters"):
        between_groups(values)


CLASSES = {"tone": ("light", "dark", "none"), "kind": ("role", "activity")}


def items(arm: str, right: dict[str, float], *, concepts=20, seeds=2, rare: int = 0) -> pd.DataFrame:
    """Four images of each tone and concept, so many of a hundred answered rightly; ``rare`` images of tone *none*."""
    rng, rows = np.random.default_rng(len(arm)), []
    for seed in range(seeds):
        for c in range(concepts):
            about = {"arm": arm, "seed": seed, "cluster": f"c{c:02d}", "kind": ("role", "activity")[c % 2]}
            for tone, share in right.items():
                rows += [
                    about | {"id": f"{c}/{tone}/{k}", "tone": tone, "correct": rng.random() < share} for k in range(4)
                ]
        rows += [{"arm": arm, "seed": seed, "cluster": f"c{k:02d}", "kind": "role", "id": f"{k}/none", "tone": "none", "correct": True} for k in range(rare)]  # fmt: skip
    return pd.DataFrame(rows)


def test_a_row_by_hand():
    found = arm_disparities(items("a", {"light": 1.0, "dark": 0.0}), CLASSES).set_index("attribute")
    assert list(arm_disparities(items("a", {"light": 1.0, "dark": 0.0}), CLASSES)) == ARM_COLUMNS
    row = found.loc["tone"]
    assert (row["best"], row["most"], row["worst"], row["least"]) == ("light", 1.0, "dark", 0.0)
    assert (row["mean"], row["range"], row["groups"], row["suppressed"]) == (0.5, 1.0, 2, 0)
    assert row["p"] < 0.01 and row["chance_high"] < 0.6 and row["variance"] == pytest.approx(0.5)
    assert found.loc["kind", "range"] == 0 and found.loc["kind", "p"] == 1 and found.loc["kind", "variance"] <= 0


def test_groups_of_few_items_are_suppressed():
    few = items("a", {"light": 0.6, "dark": 0.5}, rare=FEWEST - 10)
    row = arm_disparities(few, CLASSES).set_index("attribute").loc["tone"]
    assert (row["groups"], row["suppressed"]) == (2, 1) and "none" not in (row["best"], row["worst"])
    alone = arm_disparities(items("a", {"light": 0.6}, rare=5), {"tone": CLASSES["tone"]})
    assert alone.empty and list(alone) == ARM_COLUMNS


def test_pairs_compare_the_same_items():
    both = pd.concat([items("new", {"light": 1.0, "dark": 0.5}), items("old", {"light": 0.0, "dark": 0.5})])
    (row,) = pair_disparities(both, [("new", "old"), ("new", "absent")], {"tone": CLASSES["tone"]}).itertuples()
    assert (row.first, row.second, row.best, row.most) == ("new", "old", "light", 1.0)
    assert abs(row.least) < 0.2 and row.p < 0.01 and row.variance_low > 0
    with pytest.raises(InputError, match="new and old answered different items or seeds"):
        pair_disparities(both[~((both["arm"] == "old") & (both["seed"] == 1))], [("new", "old")], CLASSES)
