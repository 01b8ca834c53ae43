"""The comparison: which arms it asks for, and its answers by hand."""

from __future__ import annotations

import math
from types import SimpleNamespace

import pandas as pd
import pytest

from stablerep.statistics.arms import differences
from stablerep.study.chapters import bias_representation, compare, resolve, scaling
from stablerep.study.experiments.arms import ARMS, FLOOR_ARMS
from stablerep.study.experiments.floors import RULE
from tests.study.stand_ins import AnsweringStudy, items

RIVALS = ("SimCLR real", "SimCLR synthetic", "CLIP real", "CLIP synthetic")


def tables_of(shares: dict[str, float], *, floor: float = 0.0, seeds: int = 3, probe: str = "linear subgroup") -> dict:
    """The chapter's tables of some arms, and of floors that answer a share of the concepts rightly."""
    return tables_from(items(dict.fromkeys(FLOOR_ARMS, floor) | shares, seeds=seeds, probe=probe))


def tables_from(table: pd.DataFrame) -> dict[str, pd.DataFrame]:
    return compare.compute(None, compare.Asked([SimpleNamespace(items=lambda: table)], None))


@pytest.mark.parametrize(
    ("claim", "shares", "word"),
    [
        ("C1", {"SimCLR synthetic": 0.9, "SimCLR real": 0.5}, "reproduced"),
        ("C1", {"SimCLR synthetic": 0.5, "SimCLR real": 0.5}, "reproduced"),  # at least as good
        ("C1", {"SimCLR synthetic": 0.525, "SimCLR real": 0.5}, "undecided"),  # one concept of forty
        ("C1", {"SimCLR synthetic": 0.475, "SimCLR real": 0.5}, "undecided"),
        ("C1", {"SimCLR synthetic": 0.2, "SimCLR real": 0.5}, "contradicted"),
        ("C2", {"StableRep synthetic": 0.9} | dict.fromkeys(RIVALS, 0.5), "reproduced"),
        ("C2", {"StableRep synthetic": 0.5} | dict.fromkeys(RIVALS, 0.5), "equivalent"),  # equal is not better
        ("C2", {"StableRep synthetic": 0.9} | dict.fromkeys(RIVALS, 0.5) | {"CLIP real": 0.9}, "partly"),
        ("C2", {"StableRep synthetic": 0.7} | dict.fromkeys(RIVALS, 0.4) | {"CLIP synthetic": 1.0}, "partly"),
        ("C2", {"StableRep synthetic": 0.5} | dict.fromkeys(RIVALS, 0.5) | {"CLIP synthetic": 1.0}, "contradicted"),
        ("C2", {"SimCLR real": 0.5}, "not testable at this scale"),
        ("C16", {"SimCLR real": 0.9, "SimCLR reconstructed": 0.5}, "reproduced"),
        ("C16", {"SimCLR real": 0.5, "SimCLR reconstructed": 0.5}, "equivalent"),
        ("C16", {"SimCLR real": 0.5, "SimCLR reconstructed": 0.9}, "contradicted"),
    ],
)
def test_verdict_follows_its_rule(claim, shares, word):
    answer = compare.answer(tables_of(shares), claim, "linear subgroup")
    assert (answer.claim, answer.word) == (claim, word)
    assert (answer.p <= 0.05) == (word in ("reproduced", "contradicted", "partly"))


@pytest.mark.parametrize("lost", RIVALS)
def test_a_claim_needs_all_of_its_arms(lost):
    shares = {"StableRep synthetic": 0.9} | {rival: 0.5 for rival in RIVALS if rival != lost}
    answer = compare.answer(tables_of(shares), "C2", "linear subgroup")
    assert answer.word == "not testable at this scale" and "not all arms" in answer.why


def test_pairs_whose_arms_were_not_run_are_named():
    every = {one.name: 0.5 for one in ARMS if one.trained}
    assert compare.absent(tables_of(every)) == ""
    fewer = {name: share for name, share in every.items() if name != "CLIP all synthetic"}
    assert compare.absent(tables_of(fewer)).startswith(
        "These numbers lack *CLIP all synthetic − CLIP synthetic* (more images): "
    )


def test_without_any_pair_every_claim_is_not_testable():
    answers = compare.verdict(tables_of({"SimCLR real": 0.5}))
    assert [one.word for one in answers] == ["not testable at this scale"] * len(compare.CLAIMS)


def test_fewer_than_three_seeds_say_nothing():
    shares = {"SimCLR synthetic": 0.9, "SimCLR real": 0.5}
    words = [compare.answer(tables_of(shares, seeds=n), "C1", "linear subgroup").word for n in (1, 2, 3)]
    assert words == ["not testable at this scale"] * 2 + ["reproduced"]


# Floors


def test_an_arm_at_the_floor_makes_its_claims_not_testable_and_no_others():
    shares = {"StableRep synthetic": 0.9, "SimCLR reconstructed": 0.4} | dict.fromkeys(RIVALS, 0.8)
    assert {one.word for one in compare.verdict(tables_of(shares))} == {"reproduced"}
    for low in (0.35, 0.3, 0.1):  # above the floor by less than would be seen, at it, below it
        answers = {one.claim: one for one in compare.verdict(tables_of(shares | {"CLIP real": low}, floor=0.3))}
        assert answers["C2"].word == "not testable at this scale" and answers["C1"].word == "reproduced"
        assert math.isnan(answers["C2"].p)
        assert "not clearly above the floors: CLIP real" in answers["C2"].why
        assert "StableRep synthetic − CLIP real" in [
            one.what for one in answers["C2"].effects
        ]  # the numbers are told all the same
        assert RULE in answers["C2"].rule
        assert "above minus one point" in answers["C1"].rule and "above zero" in answers["C2"].rule


def test_the_floors_are_held_against_every_trained_arm():
    shares = {arm.name: 0.5 for arm in ARMS if arm.trained}
    floors = tables_of(shares, floor=0.1)["floors"]
    assert set(zip(floors["first"], floors["second"])) == {(name, floor) for name in shares for floor in FLOOR_ARMS}
    assert set(floors["claim"]) == {"learned"} and (floors["difference"] - 0.4).abs().max() < 1e-9


# What it rests on


def test_the_only_pair_is_that_of_which_both_arms_were_run():
    table = items({"SimCLR synthetic": 0.75, "SimCLR real": 0.5, "CLIP real": 0.1}, seeds=2)
    (row,) = differences(table, compare.PAIRS).to_dict("records")
    assert (row["claim"], row["first"], row["second"]) == ("C1", "SimCLR synthetic", "SimCLR real")
    assert row["difference"] == pytest.approx(0.25) and (row["clusters"], row["seeds"]) == (40, 2)


def test_verdict_says_what_it_rests_on():
    tables = tables_of({"SimCLR synthetic": 0.75, "SimCLR real": 0.5})
    why = compare.answer(tables, "C1", "linear subgroup").why
    assert why.startswith("linear subgroup: SimCLR synthetic minus SimCLR real: +25.0 points [+") and why.endswith("]")
    other = compare.answer(tables, "C1", "knn subgroup")
    assert (
        other.word == "not testable at this scale"
        and other.why == "knn subgroup: not all arms that the claim names were run"
    )


@pytest.mark.parametrize(
    ("probes", "primary"),
    [
        (("linear group", "linear subgroup", "knn subgroup"), "linear subgroup"),  # of a corpus without designs
        (("linear group", "linear subgroup", "knn subgroup", "one-shot concept", "few-shot concept"), "one-shot concept"),
    ],
)  # fmt: skip
def test_the_chapter_answers_its_claims_on_the_primary_probe(probes, primary):
    shares = {"StableRep synthetic": 0.95, "SimCLR reconstructed": 0.3} | dict.fromkeys(RIVALS, 0.6)
    every = shares | dict.fromkeys(FLOOR_ARMS, 0.0)
    low = dict.fromkeys(every, 0.1)
    tables = tables_from(
        pd.concat([items(every if probe == primary else low, seeds=3, probe=probe) for probe in probes])
    )
    assert compare.probe_of(tables["differences"]) == primary
    answers = compare.verdict(tables)
    assert [(one.claim, one.word) for one in answers] == [(claim, "reproduced") for claim in compare.CLAIMS]
    assert all(one.why.startswith(f"{primary}: ") for one in answers)


def test_pairs_name_arms_that_exist():
    names = {arm.name for arm in ARMS}
    assert {name for pair in compare.PAIRS for name in (pair.first, pair.second)} <= names
    assert [pair.claim for pair in compare.PAIRS if pair.at_least] == ["C1"]  # which alone says "at least as good"
    assert set(bias_representation.COMPARED) | set(scaling.SCALED) <= names


@pytest.fixture
def strips(monkeypatch):
    """No encoder is trained that could find anything; whether the strip was asked for."""
    asked, table = [], pd.DataFrame({"caption": ["a"]})
    monkeypatch.setattr(compare, "strip", lambda p, *of: asked.append(p) or SimpleNamespace(table=lambda: table))
    return asked


def test_comparison_runs_every_arm_and_seed(strips):
    study = AnsweringStudy()
    p = resolve("compare", {"preset": "smoke", "captions": 16, "seeds": 2, "seed": 5})
    tables = compare.compute(p, compare.ask(p, study))
    assert sorted((one.arm, one.seed) for one in study.asked) == sorted((a.name, s) for a in ARMS for s in (5, 6))
    assert all(one.learnt == study.captions(16).texts for one in study.asked) and len(study.asked[0].learnt) == 16
    assert {one.views for one in study.asked} == {0, p.steps * p.views_per_step}
    assert set(tables) == {"arms", "differences", "floors", "seeds", "strip"} and len(strips) == 1
    assert len(tables["arms"]) == len(ARMS) and len(tables["seeds"]) == 2 * len(ARMS)
    assert len(tables["differences"]) == len(compare.PAIRS)


def test_where_its_encoder_is_not_trained_nothing_is_found(strips):
    p = resolve("compare", {"preset": "smoke", "captions": 16, "arms": ["Raw pixels", "SimCLR real"]})
    assert "strip" not in compare.compute(p, compare.ask(p, AnsweringStudy())) and not strips


def test_a_corpus_without_designs_has_no_control_by_designs(strips):
    study, p = AnsweringStudy(designs=()), resolve("compare", {"preset": "smoke", "captions": 16})
    tables = compare.compute(p, compare.ask(p, study))
    assert set(tables["arms"]["arm"]) == {arm.name for arm in ARMS if arm.images != "designs"}
    assert len(tables["differences"]) == len(compare.PAIRS) - 3
    assert not {"control", "many positives", "real designs"} & set(tables["differences"]["claim"])


def test_the_first_page_has_the_conclusion_and_where_the_arms_lie():
    names = [
        "Raw pixels",
        "Oriented gradients",
        "StableRep synthetic",
        "SimCLR real",
        "CLIP real",
        "StableRep real designs",
    ]
    arms = pd.DataFrame({"arm": names, "probe": "one-shot concept", "accuracy": [0.05, 0.09, 0.24, 0.17, 0.22, 0.25]})
    arms = arms.assign(low=arms["accuracy"] - 0.01, high=arms["accuracy"] + 0.01)
    pairs = pd.DataFrame(
        [("control", "one-shot concept", -0.01, -0.02, 0.0)], columns=["claim", "probe", "difference", "low", "high"]
    )
    [numbers] = compare.in_short(
        {"arms": arms, "differences": pairs}
    )  # without *many positives* nothing can be concluded
    assert "StableRep on synthetic images has 24.0 [23.0, 25.0] %" in numbers
    assert "has 17.0 [16.0, 18.0] % and CLIP 22.0 [21.0, 23.0] %" in numbers
    assert numbers.endswith("oriented gradients, has 9.0 [8.0, 10.0] %. Brackets hold 95 % intervals.")
    pairs = pd.concat([pairs, pairs.assign(claim="many positives", difference=0.05, low=0.04, high=0.06)])
    concluded, numbers = compare.in_short({"arms": arms, "differences": pairs})
    assert concluded.startswith("**With images of one caption as positives") and numbers.startswith(
        "These are differences"
    )
    assert compare.in_short({"arms": arms[arms["arm"] != "CLIP real"], "differences": pairs}) == []


def test_clip_and_stablerep_on_the_same_real_images_stand_beside_c2():
    rows = [("CLIP real designs", "p", 0.17, 0.15, 0.19), ("StableRep real designs", "p", 0.14, 0.12, 0.16)]
    arms = pd.DataFrame(rows, columns=["arm", "probe", "accuracy", "low", "high"])
    said = compare.on_the_same_images({"arms": arms}, "p")
    assert said.endswith("CLIP has 17.0 [15.0, 19.0] % and StableRep 14.0 [12.0, 16.0] %.")
    assert compare.on_the_same_images({"arms": arms[:1]}, "p") == compare.on_the_same_images({"arms": arms}, "q") == ""
