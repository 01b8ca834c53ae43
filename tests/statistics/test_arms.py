"""Summaries, differences and costs of arms, on inputs whose answer is known."""

from __future__ import annotations

import dataclasses

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from stablerep.statistics import (
    Pair,
    costs,
    crossed_mean,
    differences,
    family,
    seed_means,
    summarize,
    verdict,
    views_sentence,
)
from stablerep.statistics.arms import DIFFERENCE_COLUMNS, cluster_means

PAIRS = (
    Pair("first is as good", "a", "b", at_least=True),
    Pair("first is better", "a", "b"),
    Pair("first is better", "a", "c"),
)


def items(shares: dict[str, float], *, seeds: int = 1, probe: str = "linear kind") -> pd.DataFrame:
    """Forty clusters with two items each; an arm gets the first ``share`` of the clusters right."""
    rows = [
        {
            "arm": name, "seed": seed, "views": 1000, "probe": probe, "id": f"{c}/{k}", "cluster": f"c{c}",
            "correct": c < share * 40,
        }
        for name, share in shares.items() for seed in range(seeds) for c in range(40) for k in range(2)
    ]  # fmt: skip
    return pd.DataFrame(rows)


def answers(chance: int, *, arms: str = "ab", seeds: int = 3, clusters: int = 12) -> pd.DataFrame:
    """Arms by chance, the first better than the others; a cluster has one to four items."""
    rng = np.random.default_rng(chance)
    sizes = rng.integers(1, 5, clusters)
    rows = [
        (arm, 10 * seed, 1000, "linear kind", f"{c}/{k}", f"c{c}", rng.random() < (0.8 if arm == "a" else 0.5))
        for arm in arms for seed in range(seeds) for c in range(clusters) for k in range(sizes[c])
    ]  # fmt: skip
    return pd.DataFrame(rows, columns=["arm", "seed", "views", "probe", "id", "cluster", "correct"])


def by_hand(table: pd.DataFrame, arm: str) -> np.ndarray:
    """Seeds x clusters, cell by cell."""
    mine = table[table["arm"] == arm]
    seeds, clusters = sorted(set(mine["seed"])), sorted(set(mine["cluster"]))
    cells = [
        [mine[(mine["seed"] == seed) & (mine["cluster"] == cluster)]["correct"].mean() for cluster in clusters]
        for seed in seeds
    ]
    return np.array(cells)


# Accuracies


def test_summary_by_hand():
    found = summarize(items({"a": 0.25, "b": 1.0})).set_index("arm")
    assert found.loc["a", "accuracy"] == 0.25
    assert (found["items"] == 80).all() and (found["seeds"] == 1).all() and (found["views"] == 1000).all()
    assert (found["clusters"] == 40).all() and not found.isna().any(axis=None)
    # one seed: a t interval of 40 clusters, not of 80 items
    low, high = stats.ttest_1samp(np.arange(40) < 10, 0).confidence_interval()
    assert found.loc["a", ["low", "high"]].tolist() == pytest.approx([low, high])
    assert found.loc["b", ["low", "high"]].tolist() == [1, 1]


def test_summary_over_seeds():
    table = items({"a": 0.5}, seeds=3)
    table.loc[(table["seed"] == 2) & (table["cluster"] == "c0"), "correct"] = False
    (row,) = summarize(table).to_dict("records")
    means = [0.5, 0.5, 38 / 80]
    assert row["accuracy"] == pytest.approx(np.mean(means))
    assert (row["seeds"], row["items"], row["clusters"]) == (3, 80, 40)
    assert (row["low"], row["high"]) == pytest.approx(crossed_mean(by_hand(table, "a")).interval())
    assert seed_means(table)["accuracy"].tolist() == pytest.approx(means)


def test_seeds_that_differ_widen_the_interval():
    table = items({"a": 0.5}, seeds=3)
    unlike = table.assign(correct=table["cluster"].str[1:].astype(int) < table["seed"].map({0: 8, 1: 20, 2: 32}))
    rows = [summarize(each).iloc[0] for each in (table, unlike)]
    assert rows[0]["accuracy"] == rows[1]["accuracy"] == 0.5
    assert rows[1]["high"] - rows[1]["low"] > 2 * (rows[0]["high"] - rows[0]["low"])


@pytest.mark.parametrize("seeds", [1, 3])
def test_every_cluster_weighs_the_same(seeds):
    """One cluster of nine right answers, and one of a single wrong answer."""
    table = pd.DataFrame([
        {"arm": "a", "seed": s, "views": 5, "probe": "p", "cluster": "big" if k < 9 else "small", "correct": k < 9}
        for s in range(seeds) for k in range(10)
    ])  # fmt: skip
    (row,) = summarize(table).to_dict("records")
    assert (row["accuracy"], row["items"], row["clusters"]) == (0.5, 10, 2)
    assert seed_means(table)["accuracy"].tolist() == [0.5] * seeds
    assert cluster_means(table).groupby("cluster")["correct"].first().to_dict() == {"big": 1, "small": 0}


def test_means_of_clusters_count_their_items():
    table = answers(0)
    found = cluster_means(table)
    assert found.columns.tolist() == ["arm", "probe", "seed", "cluster", "correct", "items"]
    assert found["items"].sum() == len(table) and len(found) == 2 * 3 * 12
    for arm in "ab":
        cells = found[found["arm"] == arm].pivot(index="seed", columns="cluster", values="correct")
        np.testing.assert_allclose(cells.sort_index(axis=1), by_hand(table, arm))


def test_means_of_seeds_name_their_arm_probe_and_views():
    table = pd.concat([answers(1), answers(1).assign(probe="knn kind", views=7)])
    found = seed_means(table)
    assert set(found) == {"arm", "probe", "seed", "accuracy", "views"} and len(found) == 2 * 2 * 3
    assert found.groupby("probe")["views"].unique().map(list).to_dict() == {"linear kind": [1000], "knn kind": [7]}
    mine = found[(found["arm"] == "b") & (found["probe"] == "knn kind")].sort_values("seed")
    assert mine["accuracy"].tolist() == pytest.approx(by_hand(answers(1), "b").mean(1))


def test_summary_keeps_probes_apart():
    table = pd.concat([items({"a": 0.5}), items({"a": 0.75}, probe="knn kind")])
    assert summarize(table).set_index("probe")["accuracy"].to_dict() == {"linear kind": 0.5, "knn kind": 0.75}


def test_one_cluster_has_an_accuracy_and_no_interval():
    (row,) = summarize(items({"a": 1.0}, seeds=3)[lambda t: t["cluster"] == "c3"]).to_dict("records")
    assert (row["accuracy"], row["clusters"]) == (1, 1) and np.isnan([row["low"], row["high"]]).all()


# Differences


def test_differences_by_hand():
    found = differences(items({"a": 0.75, "b": 0.5, "d": 0.1}, seeds=2), PAIRS)
    assert found["claim"].tolist() == ["first is as good", "first is better"]  # c was not run
    assert found.columns.tolist() == DIFFERENCE_COLUMNS
    gaps = np.repeat([0.0, 1.0, 0.0], [20, 10, 10])  # of the forty clusters; both seeds say the same
    test, error = stats.ttest_1samp(gaps, 0), stats.sem(gaps)
    for row in found.itertuples():
        assert (row.first, row.second, row.probe, row.seeds, row.clusters) == ("a", "b", "linear kind", 2, 40)
        assert row.difference == pytest.approx(0.25)
        assert (row.low, row.high) == pytest.approx(tuple(test.confidence_interval()))
        assert row.visible == pytest.approx((stats.t.ppf(0.975, 39) + stats.t.ppf(0.8, 39)) * error)
    for row, bound in zip(found.itertuples(), [-0.01, 0.0]):
        assert row.p_for == pytest.approx(stats.ttest_1samp(gaps, bound, alternative="greater").pvalue)
        assert row.p_against == pytest.approx(stats.ttest_1samp(gaps, bound, alternative="less").pvalue)


@pytest.mark.parametrize("chance", range(4))
def test_differences_are_means_of_paired_clusters_and_seeds(chance):
    table = answers(chance)
    row = differences(table, PAIRS[1:]).iloc[0]
    found = crossed_mean(by_hand(table, "a") - by_hand(table, "b"))
    assert row[["difference", "low", "high"]].tolist() == pytest.approx([found.mean, *found.interval()])
    assert (row["p_for"], row["visible"]) == pytest.approx((found.above(0), found.visible()))
    accuracy = summarize(table).set_index("arm")["accuracy"]
    assert row["difference"] == pytest.approx(accuracy["a"] - accuracy["b"])


def test_the_margin_is_that_of_claims_of_as_good():
    table = answers(5)
    narrow, wide = (differences(table, PAIRS, margin=margin).set_index("claim") for margin in (0.01, 0.2))
    pd.testing.assert_series_equal(narrow.loc["first is better"], wide.loc["first is better"])
    found = crossed_mean(by_hand(table, "a") - by_hand(table, "b"))
    for margin, each in ((0.01, narrow), (0.2, wide)):
        assert each.loc["first is as good", "p_for"] == pytest.approx(found.above(-margin))
    assert wide.loc["first is as good", "p_for"] < narrow.loc["first is as good", "p_for"]


@settings(max_examples=12)
@given(st.integers(0, 2**32 - 1), st.integers(1, 3), st.integers(2, 6))
def test_swapping_arms_turns_the_difference_around(chance, seeds, clusters):
    table = answers(chance, seeds=seeds, clusters=clusters)
    one, other = differences(table, [Pair("c", "a", "b"), Pair("c", "b", "a")]).to_dict("records")
    assert (other["difference"], other["low"], other["high"]) == pytest.approx(
        (-one["difference"], -one["high"], -one["low"])
    )
    assert (other["p_for"], other["p_against"]) == pytest.approx((one["p_against"], one["p_for"]))
    assert other["visible"] == pytest.approx(one["visible"])


@pytest.mark.parametrize("chance", range(3))
def test_rows_are_paired_by_name_not_by_order(chance):
    table = pd.concat([answers(chance), answers(chance + 1).assign(probe="knn kind")])
    shuffled = table.sample(frac=1, random_state=chance)
    for function in (lambda t: differences(t, PAIRS[:2]), summarize):
        expected, found = (function(t).sort_values(["probe"], kind="stable") for t in (table, shuffled))
        keys = [name for name in ("probe", "arm", "claim") if name in expected]
        expected, found = (t.sort_values(keys).reset_index(drop=True) for t in (expected, found))
        pd.testing.assert_frame_equal(found, expected)


def test_what_arms_share_cancels():
    """A cluster that is hard for both arms, and a seed that is bad for both, say nothing about their difference."""
    rng = np.random.default_rng(6)
    shared = rng.normal(0, 5, (4, 1)) + rng.normal(0, 5, (1, 20))
    rows = [
        {"arm": arm, "seed": s, "views": 1, "probe": "p", "cluster": f"c{c}", "correct": shared[s, c] + better}
        for arm, better in (("a", 0.1), ("b", 0.0)) for s in range(4) for c in range(20)
    ]  # fmt: skip
    row = differences(pd.DataFrame(rows), PAIRS[1:]).iloc[0]
    assert row[["difference", "low", "high", "p_for"]].tolist() == pytest.approx([0.1, 0.1, 0.1, 0])


def test_equal_arms_are_neither_better_nor_worse():
    """Where both arms are right on the same clusters, there is nothing left to doubt."""
    found = differences(items({"a": 0.5, "b": 0.5}, seeds=3), PAIRS)
    better = found[found["claim"] == "first is better"]
    assert better[["difference", "low", "high", "visible"]].to_numpy().tolist() == [[0, 0, 0, 0]]
    assert better[["p_for", "p_against"]].to_numpy().tolist() == [[1, 1]]
    assert verdict(better).word == "equivalent"
    as_good = found[found["claim"] == "first is as good"]
    assert as_good[["p_for", "p_against"]].to_numpy().tolist() == [[0, 1]] and verdict(as_good).word == "reproduced"


def test_probes_and_pairs_come_in_order():
    table = pd.concat([items({"a": 0.5, "b": 0.2, "c": 0.1}), items({"a": 0.5, "c": 0.1}, probe="knn kind")])
    found = differences(table, PAIRS)
    assert found[["probe", "claim", "second"]].to_numpy().tolist() == [
        ["linear kind", "first is as good", "b"], ["linear kind", "first is better", "b"], ["linear kind", "first is better", "c"],
        ["knn kind", "first is better", "c"],
    ]  # fmt: skip
    assert found["difference"].tolist() == pytest.approx([0.3, 0.3, 0.4, 0.4])


def test_pairs_that_were_not_run_leave_an_empty_table_with_its_columns():
    found = differences(items({"a": 0.5}), PAIRS)
    assert found.empty and found.columns.tolist() == DIFFERENCE_COLUMNS
    assert verdict(found).word == "not testable at this scale"
    assert differences(items({"a": 0.5}), []).columns.tolist() == DIFFERENCE_COLUMNS


def test_one_seed_has_differences_and_no_verdict():
    found = differences(items({"a": 0.9, "b": 0.1}), PAIRS)
    assert not found.isna().any(axis=None) and (found["low"] > 0.5).all()
    assert verdict(found).word == "not testable at this scale"


@pytest.mark.parametrize(
    ("shares", "claim", "word"),
    [
        ({"a": 0.9, "b": 0.5, "c": 0.5}, "first is better", "reproduced"),
        ({"a": 0.5, "b": 0.5, "c": 0.5}, "first is better", "equivalent"),  # equal is not better
        ({"a": 0.5, "b": 0.5, "c": 0.5}, "first is as good", "reproduced"),  # but at least as good
        ({"a": 0.7, "b": 0.4, "c": 1.0}, "first is better", "partly"),
        ({"a": 0.2, "b": 0.6, "c": 0.2}, "first is better", "contradicted"),
        ({"a": 0.2, "b": 0.6, "c": 0.2}, "first is as good", "contradicted"),
        ({"a": 0.5, "b": 0.45, "c": 0.45}, "first is better", "undecided"),
    ],
)
def test_a_claim_is_judged_by_its_own_pairs(shares, claim, word):
    found = differences(items(shares, seeds=3), PAIRS)
    judged = {name: verdict(part) for name, part in found.groupby("claim")}
    assert judged[claim].word == word and family(judged)[claim].word == word


def test_a_pair_cannot_be_changed():
    assert Pair("c", "a", "b") == Pair(claim="c", first="a", second="b", at_least=False)
    with pytest.raises(dataclasses.FrozenInstanceError):
        PAIRS[0].at_least = False


# What does not fit together


def test_arms_that_answered_other_clusters_are_no_pair():
    table = items({"a": 0.5, "b": 0.5}, seeds=2)
    fewer = table[(table["arm"] == "b") | (table["cluster"] != "c3")]
    with pytest.raises(ValueError, match="a and b answered different items or seeds on linear kind"):
        differences(fewer, PAIRS)
    renamed = table.assign(cluster=table["cluster"].where(table["arm"] == "a", table["cluster"] + "x"))
    with pytest.raises(ValueError, match="a and b answered different items or seeds on linear kind"):
        differences(renamed, PAIRS)


def test_arms_of_other_seeds_are_no_pair():
    table = items({"a": 0.5, "b": 0.5}, seeds=3)
    for other in (
        table[(table["arm"] == "b") | (table["seed"] != 2)],
        table.assign(seed=table["seed"] + (table["arm"] == "b")),
    ):
        with pytest.raises(ValueError, match="a and b answered different items or seeds on linear kind"):
            differences(other, PAIRS)


@pytest.mark.parametrize("call", [summarize, lambda table: differences(table, PAIRS)])
def test_seeds_that_answered_other_clusters_are_refused(call):
    table = items({"a": 0.5, "b": 0.5}, seeds=3)
    with pytest.raises(ValueError, match="b on linear kind has no answer about 'c7' in some seed"):
        call(table[(table["arm"] != "b") | (table["seed"] != 1) | (table["cluster"] != "c7")])


def test_arms_that_no_pair_compares_may_have_answered_anything():
    table = items({"a": 0.75, "b": 0.5, "d": 0.5}, seeds=2)
    found = differences(table[(table["arm"] != "d") | (table["cluster"] != "c3")], PAIRS)
    assert len(found) == 2


NEEDED = {
    summarize: ["arm", "probe", "seed", "cluster", "correct", "views"],
    seed_means: ["arm", "probe", "seed", "cluster", "correct", "views"],
    cluster_means: ["arm", "probe", "seed", "cluster", "correct"],
    costs: ["arm", "seed", "views", "weights", "seconds"],
    differences: ["arm", "probe", "seed", "cluster", "correct"],
}


@pytest.mark.parametrize(("function", "column"), [(f, column) for f, columns in NEEDED.items() for column in columns])
def test_a_missing_column_is_named(function, column):
    table = items({"a": 0.5, "b": 0.5}).assign(weights=1, seconds=1.0)
    call = (lambda t: differences(t, PAIRS)) if function is differences else function
    call(table[NEEDED[function]])  # these are all that it needs
    with pytest.raises(ValueError, match=f"items lack .*{column}"):
        call(table.drop(columns=column))


# Views and costs


def arms(*views):
    return pd.DataFrame({"arm": [f"arm {i}" for i in range(len(views))], "views": views})


@pytest.mark.parametrize(
    ("views", "equal"), [((1000, 1000), True), ((1000, 990), True), ((1000, 989), False), ((1000, 500, 1000), False)]
)
def test_a_comparison_says_when_arms_differ_by_more_than_one_percent(views, equal):
    sentence = views_sentence(arms(*views))
    assert sentence.startswith("Every trained arm saw 1,000 views") == equal
    assert ("did not see the same" in sentence and "arm 1 " in sentence) == (not equal)


def test_arms_that_were_not_trained_count_for_nothing():
    assert views_sentence(arms(0, 500, 500)) == "Every trained arm saw 500 views."
    assert views_sentence(arms(0)) == "No arm was trained."


def test_costs_are_per_arm_over_seeds():
    table = pd.DataFrame({
        "arm": ["random", "a", "a", "a", "b", "b"], "seed": [0, 0, 0, 1, 0, 1], "views": [0, 10, 10, 10, 10, 10],
        "weights": [0, 5, 5, 5, 7, 7], "seconds": [0.0, 2.0, 2.0, 4.0, 9.0, 9.0],
    })  # fmt: skip
    found = costs(table).set_index("arm")
    assert list(found.index) == ["a", "b"] and found.loc["a", "seconds"] == 3 and found.loc["b", "time"] == 3
    assert found["weights"].tolist() == [5, 7] and costs(table[:1]).empty
