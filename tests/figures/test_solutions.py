"""Answers to exercises, by hand."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from stablerep.figures import solutions


def test_a_difference_is_that_of_the_pair_and_the_probe():
    pairs = pd.DataFrame(
        [("p", "a", "b", 0.012, -0.003, 0.028), ("q", "a", "b", 0.5, 0.4, 0.6)],
        columns=["probe", "first", "second", "difference", "low", "high"],
    )
    assert solutions.difference(pairs, "p", "a", "b") == "+1.2 [-0.3, +2.8] points"
    assert solutions.difference(pairs, "p", "b", "a") == solutions.LACKING
    assert solutions.compared(pairs, "p", "a", "b").endswith("above b, which is not told from zero")
    assert solutions.compared(pairs, "q", "a", "c") == solutions.LACKING


def test_what_was_tried_stands_in_the_order_of_trial():
    trials = pd.DataFrame({"stage": ["w"] * 3 + ["x"], "arm": list("aaba"), "p": [0.1, 0.25, 0.3, 0.9]})
    assert (
        solutions.tried(trials, "w", "a", "p") == "10.0 and 25.0" and solutions.tried(trials, "w", "b", "p") == "30.0"
    )


def test_the_last_value_loses_to_the_best_or_is_it():
    trials = pd.DataFrame({"stage": "w", "arm": list("aabb"), "p": [0.25, 0.238, 0.1, 0.2]})
    assert solutions.at_the_last(trials, "w", "a", "p") == "loses 1.2 points"
    assert solutions.at_the_last(trials, "w", "b", "p") == "loses nothing (it is best there)"


def test_what_leaks_is_what_random_splits_leak():
    concepts = ["a"] * 6 + ["b"] * 2 + ["c"]
    random, shares = np.random.default_rng(0), []
    for _ in range(4000):
        train = random.random(9) < 0.5
        others = [k for k in range(9) if not train[k]]
        shares += [any(train[j] and concepts[j] == concepts[k] for j in range(9)) for k in others]
    assert solutions.leaked(concepts, 0.5) == pytest.approx(np.mean(shares), abs=0.02)
    assert solutions.leaked(["a", "b"], 0.5) == 0


def test_a_doubling_adds_the_slope_of_the_line():
    rows = [
        ("fixed", arm, "p", n, base + gain * np.log2(n))
        for arm, base, gain in (("A", 0, 0.02), ("B", 0.1, -0.01))
        for n in (100, 200, 400)
    ]
    rows += [("fixed", "floor", "p", 0, 0.1), ("fixed", "A", "q", 100, 0.9)]
    table = pd.DataFrame(rows, columns=["panel", "arm", "probe", "captions", "accuracy"])
    assert solutions.doublings(table, "p") == "points for a doubling: fixed, A +2.0, B -1.0"


def test_the_spread_is_best_less_worst_beside_the_interval_of_the_best():
    table = pd.DataFrame(
        {"arm": ["B", "A", "B"], "probe": "p", "guidance_scale": [1.0, 2.0, 8.0], "accuracy": [0.1, 0.5, 0.25], "low": [0.05, 0.4, 0.2]}
    )  # fmt: skip
    assert solutions.spread(table, "p") == (
        "B 15.0 points (w = 8 less w = 1), more than the interval of the best point reaches down, 5.0"
    )
    table.loc[2, "low"] = 0.05
    assert ", no more than the interval of the best point reaches down, 20.0" in solutions.spread(table, "p")
    assert solutions.spread(table[:2], "p") == solutions.LACKING


def shares(measure: str, means: dict) -> pd.DataFrame:
    rows = [("training", "all", measure, "generated", w, mean) for w, mean in means.items()]
    rows += [("training", "all", measure, "real", np.nan, 1.0), ("training", "food", measure, "generated", 1.0, 9.0)]
    return pd.DataFrame(rows, columns=["captions", "group", "measure", "source", "guidance_scale", "mean"])


def test_the_largest_product_is_found():
    said = solutions.product(shares("top1", {1.0: 0.5, 4.0: 0.8}), shares("distance", {1.0: 0.6, 4.0: 0.2}), "training")
    assert said == "it is largest at w = 1 (0.300 at w = 1, 0.160 at w = 4)"
    assert solutions.product(shares("top1", {}), shares("distance", {1.0: 1.0}), "training") == solutions.LACKING


def counts() -> pd.DataFrame:
    rows = [("l, of a caption", n, a) for n, a in ((1, 0.08), (2, 0.12), (4, 0.11))] + [
        ("m, in a batch", n, a) for n, a in ((1, 0.1), (2, 0.09))
    ]
    return pd.DataFrame([{"panel": p, "number": n, "probe": "one-shot", "accuracy": a} for p, n, a in rows])


def test_the_best_number_of_each_panel_lies_above_the_worst():
    assert solutions.best_and_worst(counts(), "one-shot") == (
        "The best l is 2, 4.0 points above 1, the worst; the best m is 1, 1.0 points above 2, the worst"
    )
    assert solutions.best_and_worst(counts(), "none") == solutions.LACKING


def test_the_steepest_slope_is_that_of_an_arm_and_a_lead_is_told_beside_it():
    table = pd.DataFrame(
        {"arm": ["A", "B", "A − B"], "difference": [0.01, 0.02, 0.03], "low": [0, 0, 0.01], "high": 0.05}
    )
    both = "A doubling brings most for B (+2.0 [+0.0, +5.0] points) and least for A (+1.0 [+0.0, +5.0] points)"
    assert solutions.steepest(table, "A − C") == both
    said = f"{both}. The lead A − B changes by +3.0 [+1.0, +5.0] points for each doubling: it rises"
    assert solutions.steepest(table, "A − B") == said
    assert solutions.steepest(table.assign(low=-0.01), "A − B").endswith("it may as well stay as it is")
    assert solutions.steepest(table.assign(low=-0.02, high=-0.01), "A − B").endswith("it falls")
    assert solutions.steepest(table[:1], "").endswith("most for A (+1.0 [+0.0, +5.0] points)")
    assert solutions.steepest(table[:0], "") == solutions.LACKING


def test_the_best_by_each_measure_leaves_out_floors_and_is_told_to_be_the_same_or_not():
    rows = [
        ("linear", "A", 0.5),
        ("linear", "B", 0.7),
        ("linear", "floor", 0.9),
        ("few-shot", "A", 0.6),
        ("few-shot", "B", 0.4),
    ]
    table = pd.DataFrame(rows, columns=["measure", "arm", "score"]).assign(low=np.nan, high=np.nan)
    said = solutions.best_by_measure(table, ["floor"])
    assert said == "B (70.0 %) by linear and A (60.0 %) by few-shot, not the same encoder"
    assert solutions.best_by_measure(table[:3], ["floor"]) == "B (70.0 %) by linear"


def test_sets_on_which_no_arm_lies_above_the_floors_are_named():
    rows = [
        ("linear", "x", "A", 0.5),
        ("linear", "x", "floor", 0.6),
        ("linear", "y", "A", 0.9),
        ("linear", "y", "floor", 0.6),
    ]
    table = pd.DataFrame(rows, columns=["measure", "set", "arm", "value"])
    assert solutions.none_above(table, ["floor"]) == "No encoder lies above the floors on x (linear)"
    assert solutions.none_above(table[2:], ["floor"]) == "On every set some encoder lies above the floors"


def test_an_accuracy_has_its_interval():
    arms = pd.DataFrame([{"arm": "a", "probe": "one-shot", "accuracy": 0.1234, "low": 0.1, "high": 0.15}])
    assert solutions.accuracy(arms, "one-shot", "a") == "12.3 [10.0, 15.0] %"
    assert solutions.accuracy(arms, "one-shot", "b") == solutions.LACKING


def test_the_largest_difference_may_be_to_either_side():
    rows = [("a", "b", 0.02), ("c", "d", -0.03), ("e", "f", 0.01)]
    pairs = pd.DataFrame(
        [
            {"first": a, "second": b, "difference": d, "low": d - 0.01, "high": d + 0.01, "probe": "one-shot"}
            for a, b, d in rows
        ]
    )
    assert solutions.largest_difference(pairs, "one-shot") == "c minus d: -3.0 [-4.0, -2.0] points"
    assert solutions.largest_difference(pairs, "none") == solutions.LACKING
