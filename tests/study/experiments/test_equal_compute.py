"""The 1 % rule on views, and the costs of arms."""

from __future__ import annotations

from types import SimpleNamespace

import pandas as pd
import pytest

from stablerep.study.experiments.equal_compute import cost_of, costs, views_sentence


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
    items = pd.DataFrame({
        "arm": ["random", "a", "a", "a", "b", "b"], "seed": [0, 0, 0, 1, 0, 1], "views": [0, 10, 10, 10, 10, 10],
        "weights": [0, 5, 5, 5, 7, 7], "seconds": [0.0, 2.0, 2.0, 4.0, 9.0, 9.0],
    })  # fmt: skip
    table = costs(items).set_index("arm")
    assert list(table.index) == ["a", "b"] and table.loc["a", "seconds"] == 3 and table.loc["b", "time"] == 3
    assert table["weights"].tolist() == [5, 7] and costs(items[:1]).empty


def test_a_pause_in_a_run_is_no_cost(tmp_path):
    assert cost_of(None) == {"views": 0, "weights": 0, "seconds": 0}
    pd.DataFrame({"seconds": [2.0, 3.0, 4.0, 1004.0, 1005.0]}).to_parquet(tmp_path / "log.parquet")
    run = SimpleNamespace(
        info={"summary": {"views": 8, "weights": 3, "seconds": 1005.0}},
        table=lambda name: pd.read_parquet(tmp_path / f"{name}.parquet"),
    )
    assert cost_of(run) == {"views": 8, "weights": 3, "seconds": 5.0}
