"""Floors: which arms do not lie above them, and what that makes of a verdict."""

from __future__ import annotations

import math

import pandas as pd
import pytest

from stablerep.probes.floors import FLOORS
from stablerep.statistics import Pair, Verdict, differences, verdict
from stablerep.study.experiments.arms import FLOOR_ARMS, UNTRAINED
from stablerep.study.experiments.floors import LEARNED, against_floors, at_the_floor, held_to_floors, none_above
from tests.study.stand_ins import items

PROBE = "linear subgroup"


def floors_of(shares: dict[str, float], *, probe: str = PROBE, **levels: float) -> pd.DataFrame:
    """Some arms against floors that answer a tenth of the concepts rightly, or what ``levels`` say."""
    table = items(dict.fromkeys(FLOOR_ARMS, 0.1) | levels | shares, seeds=3, probe=probe)
    return against_floors(table, shares)


def test_every_arm_is_held_against_every_floor_that_was_run():
    found = floors_of({"a": 0.5, "b": 0.3})
    assert list(zip(found["first"], found["second"])) == [(arm, floor) for arm in "ab" for floor in FLOOR_ARMS]
    assert set(found["claim"]) == {LEARNED} and found["difference"].tolist() == pytest.approx([0.4] * 3 + [0.2] * 3)
    table = items({"a": 0.5, "own": 0.2}, seeds=3)
    assert against_floors(table, ["a", "not run"], ["own"])[["first", "second"]].values.tolist() == [["a", "own"]]


@pytest.mark.parametrize("highest", FLOOR_ARMS)
def test_each_floor_must_be_cleared(highest):
    """Also that which is highest; of another probe none counts."""
    high = floors_of({"a": 0.9, "b": 0.85}, **{highest: 0.85})
    easy = floors_of({"a": 0.9, "b": 0.85}, probe="linear group")
    both = pd.concat([high, easy])
    assert at_the_floor(both, PROBE, ["b", "a"]) == ["b", "a"] and at_the_floor(both, "linear group", ["a", "b"]) == []


@pytest.mark.parametrize(("share", "low"), [(0.9, False), (0.35, True), (0.3, True), (0.1, True)])
def test_an_arm_lies_above_a_floor_by_what_would_be_seen(share, low):
    found = floors_of({"a": share}, **dict.fromkeys(FLOOR_ARMS, 0.3))
    assert at_the_floor(found, PROBE, ["a"]) == ["a"] * low
    barely = found.assign(difference=found["visible"], low=0.0)
    assert at_the_floor(barely, PROBE, ["a"]) == ([] if (found["visible"] > 0).all() else ["a"])


def test_what_was_held_against_no_floor_is_not_known_to_lie_above():
    found = floors_of({"a": 0.9})
    assert at_the_floor(found, PROBE, ["a", "b"]) == ["b"] and at_the_floor(found[:0], PROBE, ["a"]) == ["a"]
    assert at_the_floor(found.assign(visible=math.nan), PROBE, ["a"]) == ["a"]  # one concept has no interval


@pytest.mark.parametrize("lost", FLOOR_ARMS)
def test_an_arm_must_lie_above_all_floors(lost):
    found = floors_of({"a": 0.9})
    assert at_the_floor(found[found["second"] != lost], PROBE, ["a"]) == ["a"]


def test_an_arm_at_the_floor_makes_a_verdict_not_testable():
    shares = {"a": 0.9, "b": 0.5, "c": 0.15}
    floors, table = floors_of(shares), items(shares, seeds=3)
    for second, low in (("b", False), ("c", True)):
        pairs = differences(table, [Pair("C", "a", second)])
        found = verdict(pairs)
        held = held_to_floors(found, pairs, floors, PROBE)
        assert found.word == "reproduced"
        if not low:
            assert held is found
            continue
        assert held.word == "not testable at this scale" and math.isnan(held.p)
        assert held.sentence == "not clearly above the floors: c; more steps or seeds are needed"


def test_where_no_pair_was_run_nothing_lies_at_the_floor():
    found = Verdict("not testable at this scale", math.nan, "no pair of arms was run")
    none = differences(items({"a": 0.5}, seeds=3), [])
    assert held_to_floors(found, none, floors_of({"a": 0.9}), PROBE) is found


def test_names_of_arms_that_have_commas_are_kept_apart():
    names = ["a, generation 1", "b, generation 1"]
    found = items(dict.fromkeys([*names, *FLOOR_ARMS], 0.1), seeds=3)
    pairs = pd.DataFrame({"first": names[:1], "second": names[1:]})
    held = held_to_floors(Verdict("undecided", 0.5, ""), pairs, against_floors(found, names), "linear subgroup")
    assert "the floors: a, generation 1; b, generation 1; more" in held.sentence


def test_the_floors_are_named_as_where_they_are_made():
    assert UNTRAINED == ("random", *FLOORS)


def test_a_run_of_which_no_arm_lies_above_the_floors_says_so():
    arms = pd.DataFrame({"arm": ["a", FLOOR_ARMS[0], FLOOR_ARMS[1]], "probe": PROBE, "accuracy": [0.2, 0.05, 0.057]})
    low, high = floors_of({"a": 0.1, "b": 0.12}), floors_of({"a": 0.1, "b": 0.9})
    said = none_above({"floors": low, "arms": arms}, PROBE)
    assert said.startswith(
        f"No arm of this run lies clearly above every floor (the best, {FLOOR_ARMS[1].lower()}, has 5.7 %)"
    )
    assert "every floor, so that" in none_above({"floors": low}, PROBE)  # of which no accuracy is known
    panels = pd.concat([low.assign(panel="one"), high.assign(panel="two")])
    for floors, probe in ((high, PROBE), (low, "another"), (panels, PROBE)):
        assert none_above({"floors": floors, "arms": arms}, probe) == ""
