"""The comparison: which arms it asks for, and its answers by hand."""

from __future__ import annotations

import pandas as pd
import pytest

from stablerep.statistics.arms import differences
from stablerep.study.chapters import bias, compare, resolve, scaling
from stablerep.study.experiments.arms import ARMS
from tests.study.stand_ins import AnsweringStudy, items

RIVALS = ("SimCLR real", "SimCLR synthetic", "CLIP real", "CLIP synthetic")


@pytest.mark.parametrize(
    ("claim", "shares", "word"),
    [
        ("C1", {"SimCLR synthetic": 0.9, "SimCLR real": 0.5}, "reproduced"),
        ("C1", {"SimCLR synthetic": 0.5, "SimCLR real": 0.5}, "reproduced"),  # at least as good
        ("C1", {"SimCLR synthetic": 0.525, "SimCLR real": 0.5}, "reproduced"),
        ("C1", {"SimCLR synthetic": 0.475, "SimCLR real": 0.5}, "partly"),  # one concept of forty: undecided
        ("C1", {"SimCLR synthetic": 0.1, "SimCLR real": 0.5}, "not reproduced"),
        ("C2", {"StableRep synthetic": 0.9} | dict.fromkeys(RIVALS, 0.5), "reproduced"),
        ("C2", {"StableRep synthetic": 0.5} | dict.fromkeys(RIVALS, 0.5), "partly"),  # equal is not better
        ("C2", {"StableRep synthetic": 0.9} | dict.fromkeys(RIVALS, 0.5) | {"CLIP real": 0.9}, "partly"),
        ("C2", {"StableRep synthetic": 0.7} | dict.fromkeys(RIVALS, 0.4) | {"CLIP synthetic": 1.0}, "not reproduced"),
        ("C2", {"SimCLR real": 0.5}, "not testable at this scale"),
    ],
)
def test_verdict_follows_its_rule(claim, shares, word):
    found = differences(items(shares), compare.PAIRS)
    answer = compare.answer(found, claim, "linear subgroup")
    assert (answer.claim, answer.word) == (claim, word)


def test_the_only_pair_is_that_of_which_both_arms_were_run():
    table = items({"SimCLR synthetic": 0.75, "SimCLR real": 0.5, "CLIP real": 0.1}, seeds=2)
    (row,) = differences(table, compare.PAIRS).to_dict("records")
    assert (row["claim"], row["first"], row["second"]) == ("C1", "SimCLR synthetic", "SimCLR real")
    assert row["difference"] == pytest.approx(0.25) and row["n"] == 80


def test_verdict_says_what_it_rests_on():
    found = differences(items({"SimCLR synthetic": 0.75, "SimCLR real": 0.5}), compare.PAIRS)
    why = compare.answer(found, "C1", "linear subgroup").why
    assert why.startswith("linear subgroup: SimCLR synthetic minus SimCLR real: +25.0 points [+") and why.endswith(
        "P(better) 1.00"
    )
    other = compare.answer(found, "C1", "knn subgroup")
    assert other.word == "not testable at this scale" and other.why == "knn subgroup: no pair of arms for C1 was run"


def test_the_chapter_answers_both_claims_on_the_linear_probe_for_the_last_label():
    shares = {"StableRep synthetic": 0.9} | dict.fromkeys(RIVALS, 0.5)
    probes = ("linear group", "linear subgroup", "knn subgroup")
    table = pd.concat(
        [items(shares if probe == "linear subgroup" else dict.fromkeys(shares, 0.1), probe=probe) for probe in probes]
    )
    tables = {"differences": differences(table, compare.PAIRS)}
    assert compare.probe_of(tables["differences"]) == "linear subgroup"
    answers = compare.verdict(tables)
    assert [(one.claim, one.word) for one in answers] == [("C1", "reproduced"), ("C2", "reproduced")]
    assert all(one.why.startswith("linear subgroup: ") for one in answers)


def test_pairs_name_arms_that_exist():
    names = {arm.name for arm in ARMS}
    assert {name for _, *pair in compare.PAIRS for name in pair} <= names
    assert set(bias.COMPARED) | set(scaling.SCALED) <= names and bias.READER in ARMS


def test_comparison_runs_every_arm_and_seed():
    study = AnsweringStudy()
    p = resolve("compare", {"preset": "smoke", "captions": 16, "seeds": 2, "seed": 5})
    tables = compare.compute(p, compare.ask(p, study))
    assert sorted((one.arm, one.seed) for one in study.asked) == sorted((a.name, s) for a in ARMS for s in (5, 6))
    assert all(one.learnt == study.captions(16).texts for one in study.asked) and len(study.asked[0].learnt) == 16
    assert {one.views for one in study.asked} == {0, p.steps * p.views_per_step}
    assert set(tables) == {"arms", "differences", "seeds"}
    assert len(tables["arms"]) == len(ARMS) and len(tables["seeds"]) == 2 * len(ARMS)
    assert len(tables["differences"]) == len(compare.PAIRS)


def test_a_corpus_without_designs_has_no_control_by_designs():
    study, p = AnsweringStudy(designs=()), resolve("compare", {"preset": "smoke", "captions": 16})
    tables = compare.compute(p, compare.ask(p, study))
    assert set(tables["arms"]["arm"]) == {arm.name for arm in ARMS} - {"StableRep real designs"}
    assert len(tables["differences"]) == len(compare.PAIRS) - 1 and "control" not in set(tables["differences"]["claim"])
