"""Summaries, differences, verdicts and costs of arms, on inputs whose answer is known."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from stablerep.statistics import (
    bootstrap_mean,
    claim_verdict,
    costs,
    differences,
    interval,
    seed_means,
    summarize,
    views_sentence,
)

PAIRS = (("first is as good", "a", "b"), ("first is better", "a", "b"), ("first is better", "a", "c"))


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


def test_summary_by_hand():
    found = summarize(items({"a": 0.25, "b": 1.0})).set_index("arm")
    assert found.loc["a", "accuracy"] == 0.25
    assert (found["items"] == 80).all() and (found["seeds"] == 1).all() and (found["views"] == 1000).all()
    # 40 clusters, not 80 items: a binomial share of 40 has deviation 0.068
    assert found.loc["a", "high"] - found.loc["a", "low"] == pytest.approx(2 * 1.96 * 0.0685, rel=0.1)
    assert found.loc["b", ["low", "high"]].tolist() == [1, 1]
    assert found[["seed_low", "seed_high"]].isna().all().all()  # one seed has no interval


def test_summary_over_seeds():
    table = items({"a": 0.5}, seeds=3)
    table.loc[(table["seed"] == 2) & (table["cluster"] == "c0"), "correct"] = False
    (row,) = summarize(table).to_dict("records")
    means = [0.5, 0.5, 38 / 80]
    assert row["accuracy"] == pytest.approx(np.mean(means)) and row["seeds"] == 3 and row["items"] == 80
    half = 4.3027 * np.std(means, ddof=1) / 3**0.5  # Student's t with two degrees of freedom
    assert [row["seed_low"], row["seed_high"]] == pytest.approx(
        [np.mean(means) - half, np.mean(means) + half], abs=1e-4
    )
    assert seed_means(table)["accuracy"].tolist() == pytest.approx(means)


def test_summary_resamples_clusters_of_items_averaged_over_seeds():
    rng = np.random.default_rng(0)
    table = items({"a": 0.5}, seeds=3)
    table["correct"] = rng.random(len(table)) < 0.6
    by_item = table.groupby("id")["correct"].mean()
    clusters = table.drop_duplicates("id").set_index("id")["cluster"].loc[by_item.index]
    row = summarize(table).iloc[0]
    assert (row["low"], row["high"]) == interval(bootstrap_mean(by_item, clusters))


def test_summary_keeps_probes_apart():
    table = pd.concat([items({"a": 0.5}), items({"a": 0.75}, probe="knn kind")])
    assert summarize(table).set_index("probe")["accuracy"].to_dict() == {"linear kind": 0.5, "knn kind": 0.75}


def test_differences_by_hand():
    found = differences(items({"a": 0.75, "b": 0.5, "d": 0.1}, seeds=2), PAIRS)
    assert found["claim"].tolist() == ["first is as good", "first is better"]  # c was not run
    row = found.iloc[0]
    assert row["difference"] == pytest.approx(0.25) and row["n"] == 80
    assert 0 < row["low"] < 0.25 < row["high"] < 0.5 and row["p_better"] == pytest.approx(1, abs=0.01)


def test_pairs_are_answered_on_the_same_items():
    """Where both arms are right on the same clusters, there is nothing left to doubt."""
    row = differences(items({"a": 0.5, "b": 0.5}), PAIRS).iloc[0]
    assert row[["difference", "low", "high", "p_better"]].tolist() == [0, 0, 0, 0.5]


def test_arms_that_answered_other_items_are_no_pair():
    table = items({"a": 0.5, "b": 0.5})
    with pytest.raises(
        ValueError, match="a and b answered different items on linear kind: 1 items have an answer of only one of them"
    ):
        differences(table[(table["arm"] == "b") | (table["id"] != "3/1")], PAIRS)


def test_pairs_that_were_not_run_leave_an_empty_table_with_its_columns():
    found = differences(items({"a": 0.5}), PAIRS)
    assert found.empty and {"claim", "probe", "difference", "low", "p_better"} <= set(found)
    assert claim_verdict(found, "first is better", "linear kind").word == "not testable at this scale"


@pytest.mark.parametrize(
    ("shares", "margin", "word"),
    [
        ({"a": 0.9, "b": 0.5, "c": 0.5}, 0.0, "reproduced"),
        ({"a": 0.5, "b": 0.5, "c": 0.5}, 0.0, "partly"),  # equal is not better
        ({"a": 0.5, "b": 0.5, "c": 0.5}, -0.01, "reproduced"),  # but at least as good
        ({"a": 0.7, "b": 0.4, "c": 1.0}, 0.0, "not reproduced"),  # the weakest pair decides
    ],
)
def test_a_claim_is_judged_by_its_own_pairs(shares, margin, word):
    found = differences(pd.concat([items(shares), items(dict.fromkeys(shares, 0.1), probe="knn kind")]), PAIRS)
    assert claim_verdict(found, "first is better", "linear kind", margin=margin).word == word


@pytest.mark.parametrize("call", [summarize, seed_means, costs, lambda table: differences(table, PAIRS)])
def test_a_missing_column_is_named(call):
    with pytest.raises(ValueError, match="items lack .*arm"):
        call(items({"a": 0.5}).drop(columns="arm"))


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
