"""Answers by pairs of arms: rows of the claim on the probe alone, a word where too few were run, the floors, and the least favourable first."""

from __future__ import annotations

import math

import pandas as pd
import pytest

from stablerep.statistics import WORDS, Pair, differences
from stablerep.study.experiments.answers import Answer, answer_by_contrasts, answer_by_pairs, for_want_of_seeds
from stablerep.study.experiments.arms import FLOOR_ARMS
from stablerep.study.experiments.floors import against_floors
from tests.study.stand_ins import items

FLOORS = dict.fromkeys(FLOOR_ARMS, 0.1)
SHARES = {"first": 0.9, "second": 0.5, "third": 0.6, **FLOORS}


def answered(shares: dict = SHARES, *, needed: int = 2, probe: str = "one-shot", **options):
    rows = pd.concat([items(shares, probe=name, seeds=3) for name in ("one-shot", "linear group")], ignore_index=True)
    pairs = [Pair("C1", "first", "second"), Pair("C1", "first", "third"), Pair("C2", "second", "first")]
    found, floors = differences(rows, pairs), against_floors(rows, ("first", "second", "third"))
    return answer_by_pairs(
        "C1", probe, found, floors, "a rule", needed=needed, lacking="one was not run", lines=["more"], **options
    )


def test_pairs_of_the_claim_on_the_probe_decide():
    answer = answered()
    assert (answer.claim, answer.word, answer.rule, answer.lines) == ("C1", "reproduced", "a rule", ["more"])
    assert answer.why.startswith("one-shot: first minus ") and 0 <= answer.p < 0.05
    assert [(one.what, one.difference) for one in answer.effects] == [
        ("first − third", pytest.approx(0.3)), ("first − second", pytest.approx(0.4)),
    ]  # fmt: skip


def test_too_few_pairs_decide_nothing():
    for answer in (answered(needed=3), answered(probe="another")):
        assert answer.word == "not testable at this scale" and answer.why.endswith(": one was not run")
        assert math.isnan(answer.p) and not answer.effects and answer.lines == ["more"]


def test_an_arm_at_the_floors_decides_nothing():
    answer = answered(SHARES | {"second": 0.1})
    assert answer.word == "not testable at this scale" and "not clearly above the floors: second" in answer.why
    assert math.isnan(answer.p) and len(answer.effects) == 2


def test_where_something_was_made_worse_the_worse_arm_may_lie_at_the_floors():
    assert answered(SHARES | {"second": 0.1}, degraded=True).word == "reproduced"
    low = answered(SHARES | {"first": 0.1, "second": 0.0, "third": 0.0}, degraded=True)
    assert low.word == "not testable at this scale" and "not clearly above the floors: first" in low.why


def test_of_what_was_not_run_there_is_no_verdict_yet():
    answer = answered(needed=3)
    assert answer.shown == "no verdict yet" and answer.markdown.startswith("**C1: no verdict yet.** Not run with these")
    assert answered().shown == "reproduced" and answered().reason.startswith("One-shot: first minus ")


@pytest.mark.parametrize(("seeds", "said"), [(1, "One seed was run; a "), (2, "Two seeds were run; a "), (3, "")])
def test_too_few_seeds_are_named_before_what_they_show(seeds, said):
    low = answered(SHARES | {"second": 0.1})
    found = for_want_of_seeds(low, seeds)
    assert (found.shown == "no verdict yet") == bool(said) and found.word == low.word
    assert (
        found.reason
        == (f"{said}verdict needs three. One-shot: " if said else "One-shot: ") + low.why.partition(": ")[2]
    )
    assert for_want_of_seeds(answered(), seeds) == answered()  # a word that seeds gave stands


def test_seeds_are_named_once():
    why = "a against b: 1 seed was run; the claim needs 3"
    found = for_want_of_seeds(
        Answer("C8", WORDS[-1], why, lines=[f"Beside it, {WORDS[-1]}, 2 seeds were run; the claim needs 3"]), 1
    )
    assert found.reason == "One seed was run; a verdict needs three"
    assert found.lines == ["Beside it, no verdict yet"]


def test_further_sentences_end_with_one_full_stop():
    said = Answer("C1", "undecided", "why", lines=["One", "Two."]).markdown
    assert said.endswith("\n\n- One.\n- Two.")


def test_no_contrast_is_named_where_every_corrected_p_is_one():
    row = {
        "attribute": "tone",
        "first": "A",
        "second": "B",
        "low": -0.1,
        "high": 0.1,
        "difference": 0.02,
        "visible": 0.1,
        "seeds": 5,
        "clusters": 9,
    }
    table = pd.DataFrame([row | {"label": "dark", "p": 0.4}, row | {"label": "light", "p": 0.9}])
    none = pd.DataFrame(columns=["probe", "first", "second", "difference", "low", "high", "visible"])
    told, silent = (
        answer_by_contrasts("C8", "p", [("A", "B")], table.assign(adjusted=p), none).why for p in (0.5, 1.0)
    )
    assert "the smallest p has dark (tone)" in told and "smallest p" not in silent
