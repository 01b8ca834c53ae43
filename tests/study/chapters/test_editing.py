"""Editing: which generators and images are asked for, the tables, and the answer to C12 by hand."""

from __future__ import annotations

from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest

from stablerep.audits.readers import CANNOT_TELL
from stablerep.audits.tone_words import NAMED_TONES
from stablerep.errors import InputError
from stablerep.statistics import summarize
from stablerep.study.chapters import editing, resolve
from stablerep.study.chapters.editing import BEFORE, DAMAGE, EDITED_ARM, FIRST_ARM, TARGET, at
from stablerep.study.experiments.arms import FLOOR_ARMS
from stablerep.study.experiments.edit_captions import EDITED, OTHERS, PLAIN
from stablerep.study.experiments.edited import BALANCED, RELABELLED
from stablerep.study.experiments.judged_images import judge_of
from stablerep.study.experiments.study import Study
from stablerep.study.parameters.errors import ParameterError
from tests.study.stand_ins import NotingStore, items, plain_corpus


@pytest.fixture
def study(tmp_path, emoji) -> Study:
    made = Study(NotingStore(tmp_path / "plan"))
    made.corpus = emoji
    return made


def noted(study, step: str) -> list:
    """Runs of a step that were asked for, each once, in the order of asking."""
    return list({(str(one.parameters), str(one.inputs)): one for one in study.store.noted if one.step == step}.values())


def test_every_dose_is_an_edit_of_the_same_generator_and_draws_from_the_same_noise(study):
    p = resolve(
        "editing", {"preset": "smoke", "seeds": 2, "debias": False, "train_encoders": False, "doses": [0.25, 0.5]}
    )
    editing.ask(p, study)
    edits = noted(study, "edited")
    assert len(edits) == 3 and {one.inputs["start"] for one in edits} == {study.generator_fingerprint("emoji")}
    assert len({one.inputs["captions"] for one in edits}) == 3
    drawn = noted(study, "synthesis")
    assert len(drawn) == 2 * 4 and len({one.inputs["captions"] for one in drawn}) == 1
    assert sorted(one.parameters["seed"] for one in drawn) == [0] * 4 + [1] * 4
    assert {one.parameters["guidance_scale"] for one in drawn} == {2.0}
    (looked,) = noted(study, "edit-images")
    assert looked.parameters["places"] == [BEFORE, "dose 0.25", "dose 0.5", "dose 1"]
    assert looked.parameters["seeds"] == [0, 1] and looked.parameters["attribute"] == "tone"
    assert {looked.inputs[f"judge, seed {seed}"] for seed in (0, 1)} == {
        judge_of(p, study, seed).key for seed in (0, 1)
    }


def test_a_skew_is_planted_edited_and_trained_away_by_as_many_steps(study):
    p = resolve(
        "editing",
        {
            "preset": "smoke",
            "debias": True,
            "train_encoders": False,
            "balance_doses": [0.25, 0.75],
            "training_steps": 7,
        },
    )
    editing.ask(p, study)
    planted, balanced, relabelled = noted(study, "generator")
    assert planted.inputs["start"] == study.generator_fingerprint("emoji")
    assert balanced.inputs["start"] == relabelled.inputs["start"] != planted.inputs["start"]
    assert {one.parameters["steps"] for one in (planted, balanced, relabelled)} == {7}
    kinds = [one.inputs["images"].rsplit("-", 4)[0] for one in (planted, balanced, relabelled)]
    assert kinds == ["skewed-roles-gender-0.9", "skewed-roles-gender-0.5", "relabelled-roles-gender-0.9"]
    edits = [one for one in noted(study, "edited") if one.inputs["start"] == balanced.inputs["start"]]
    assert len(edits) == 2
    (looked,) = (one for one in noted(study, "edit-images") if one.parameters["attribute"] == "gender")
    places = ["before the skew", "skewed", "dose 0.25", "dose 0.75", BALANCED, RELABELLED]
    assert looked.parameters["places"] == places


def test_stablerep_learns_from_images_before_and_after_the_edit_as_in_the_comparison(study):
    p = resolve("editing", {"preset": "smoke", "debias": False})
    asked = editing.ask(p, study)
    assert [one.arm for one in asked.encoders] == [FIRST_ARM.name, *FLOOR_ARMS, EDITED_ARM.name]
    theirs = resolve("compare", {"preset": "smoke", "captions": p.captions})
    assert (
        study.evaluated(FIRST_ARM, study.captions(p.captions), theirs, 0).evaluation.key
        == asked.encoders[0].evaluation.key
    )
    learned = [one for one in noted(study, "pretraining") if not one.inputs["images"].startswith("judge")]
    assert len(learned) == 2 and learned[0].parameters == learned[1].parameters


def test_the_laptop_erases_alone(study):
    p = resolve("editing", {})
    editing.ask(p, study)
    assert not noted(study, "generator") and len(noted(study, "edit-images")) == 1
    assert len(noted(study, "pretraining")) == 1  # the judge, which the generator's chapter has trained
    theirs = resolve("generator", {})
    assert judge_of(p, study, 0).key == judge_of(theirs, study, 0).key


def test_a_corpus_that_knows_nobody_is_refused_before_anything_is_asked(tmp_path):
    study = Study(NotingStore(tmp_path))
    study.corpus = plain_corpus()
    with pytest.raises(InputError, match="declares no attributes of people"):
        editing.ask(resolve("editing", {"preset": "smoke", "debias": True}), study)
    study.corpus = plain_corpus(people=("gender",))
    with pytest.raises(InputError, match="whose captions name the skin tones of drawings"):
        editing.ask(resolve("editing", {"preset": "smoke", "debias": False}), study)


def test_a_generator_that_cannot_be_trained_further_is_refused_where_a_skew_is_to_be_planted(study):
    with pytest.raises(InputError, match="to be trained further it must be emoji or"):
        editing.ask(resolve("editing", {"preset": "smoke", "debias": True, "generator": "owner/name"}), study)
    assert study.store.noted == []


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"dose": 0.0}, "dose is 0.0: input should be greater than 0"),
        ({"doses": [0.5, 0.5]}, "0.5 appears twice"),
        ({"balance_doses": []}, "should have at least 1 item"),
        ({"skew": 1.5}, "skew is 1.5"),
        ({"preservation": -1}, "preservation is -1"),
        ({"looked_captions": 1}, "looked_captions is 1"),
    ],
)
def test_bad_parameters(given, message):
    with pytest.raises(ParameterError, match=message):
        resolve("editing", given)


# Tables and the answer


def run_of(
    shares: dict[str, float],
    faithful: dict[str, float],
    *,
    seeds: int = 3,
    concepts: int = 40,
    each: int = 4,
    attribute: str = "tone",
):
    """A run of :func:`stablerep.study.experiments.edited_images.measured`: by place, the share of concepts all of whose images are read as a named tone,
    and of those that come first."""
    readings, found = [], []
    for place, share in shares.items():
        for seed in range(seeds):
            for c in range(concepts):
                read = NAMED_TONES[c % 5] if c < share * concepts else ("none", CANNOT_TELL)[c % 2]
                rows = {"place": place, "seed": seed, "concept": f"c{c}", "read": read}
                for group in (EDITED, OTHERS, PLAIN):
                    readings += [rows | {"caption": f"{group} {c}", "image": k, "group": group} for k in range(each)]
                value = float(c < faithful[place] * concepts)
                found += [rows | {"group": group, "value": value} for group in (EDITED, PLAIN)]
    tables = {
        "readings": pd.DataFrame(readings), "concepts": pd.DataFrame(found), "grid": pd.DataFrame({"png": [b""]}),
        "changes": pd.DataFrame([{"place": place, "seed": 0, "group": PLAIN, "caption": "x", "change": 1.0, "apart": 9.0} for place in shares]),
        "reader": pd.DataFrame([{"attribute": attribute, "read": 0.95, "accuracy": 0.9}]),
    }  # fmt: skip
    return SimpleNamespace(table=lambda name: tables[name].copy())


def tables_of(before=0.9, after=0.1, faithful=0.8, still=0.8, *, accuracy=0.9, **how):
    p = resolve("editing", {"preset": "smoke", "debias": True, "doses": []})
    run = run_of({BEFORE: before, at(1): after}, {BEFORE: faithful, at(1): still}, **how)
    tables = editing.compute(p, editing.Asked(run, None, []))
    return tables | {"reader": tables["reader"].assign(accuracy=accuracy)}


@pytest.mark.parametrize(
    ("given", "word"),
    [
        (dict(), "reproduced"),
        (dict(still=0.9), "reproduced"),  # recognized more often: no loss
        (dict(before=0.7, after=0.9, still=0.9), "contradicted"),  # more is read as a named tone
        (dict(still=0.4), "partly"),  # the tone is gone, and much else
        (dict(before=0.7, after=0.9, still=0.4), "contradicted"),
        (dict(before=0.7, after=0.7, still=0.4), "contradicted"),
        (dict(before=0.3, after=0.0), "not testable at this scale"),  # there was little to erase
        (dict(accuracy=0.4), "not testable at this scale"),
        (dict(seeds=2), "not testable at this scale"),
    ],
)
def test_the_answer_follows_what_is_read_and_what_is_lost(given, word):
    (answer,) = editing.verdict(tables_of(**given))
    assert (answer.claim, answer.word) == ("C12", word) and "read as a named tone" in answer.rule


def test_what_the_edit_does_to_captions_that_were_not_edited_stands_beside_the_word():
    tables = tables_of(before=0.9, after=0.1)
    (answer,) = editing.verdict(tables)
    others = tables["differences"].query("probe == @editing.NAMED_TONE_OTHERS")
    assert len(others) == 1 and ("become fewer too, by" in answer.but) == bool(others["low"].iloc[0] > 0)


def test_half_a_point_of_loss_is_within_the_bound_and_two_points_are_not():
    """With 400 concepts one is a quarter of a point."""
    some = dict(concepts=400, each=1)
    assert [editing.verdict(tables_of(still=0.8 - loss, **some))[0].word for loss in (0.0025, 0.05)] == [
        "reproduced",
        "partly",
    ]


def test_why_a_claim_is_not_testable_is_said():
    (answer,) = editing.verdict(tables_of(before=0.3, after=0.0))
    assert answer.why.endswith("are 30 %") and not answer.effects
    (answer,) = editing.verdict(tables_of(accuracy=0.4))
    assert answer.why == "of the drawings that its probe has not seen, the reader reads the tone rightly in 40 %"
    tables = tables_of()
    (answer,) = editing.verdict(tables | {"differences": tables["differences"].query("probe != @DAMAGE")})
    assert answer.word == "not testable at this scale" and answer.why == "not both differences were measured"


def test_tables_by_hand():
    tables = tables_of(before=0.9, after=0.1, faithful=0.8, still=0.75)
    shares = tables["shares"].set_index(["generator", "measure"])["share"]
    assert shares[BEFORE, TARGET] == pytest.approx(0.9) and shares[at(1), TARGET] == pytest.approx(0.1)
    assert shares[at(1), f"tone not told, {EDITED}"] == pytest.approx(18 / 40)
    assert shares[at(1), DAMAGE] == pytest.approx(0.75)
    assert (at(1), f"named tone, {OTHERS}") in shares and (at(1), f"named tone, {PLAIN}") not in shares
    mine = tables["differences"].query("claim == 'C12'").set_index("probe")
    assert mine["difference"].to_dict() == pytest.approx({TARGET: 0.8, DAMAGE: -0.05})
    assert (mine.loc[TARGET, "first"], mine.loc[DAMAGE, "first"]) == (BEFORE, at(1))
    worst = tables["worst"]
    assert len(worst) == 10 and worst["change"][:2].tolist() == [-1, -1] and worst["caption"][0].startswith(PLAIN)
    assert all(len(tables[name]) == 0 for name in ("gaps", "balance_shares", "balance_grid", "arms", "arm_differences"))


def test_only_the_dose_of_the_verdict_answers():
    p = resolve("editing", {"preset": "smoke", "debias": True, "doses": [0.5]})
    shares, faithful = {BEFORE: 0.9, at(0.5): 0.9, at(1): 0.1}, dict.fromkeys((BEFORE, at(0.5), at(1)), 0.8)
    tables = editing.compute(p, editing.Asked(run_of(shares, faithful), None, []))
    claimed = tables["differences"].query("claim == 'C12'")
    assert len(claimed) == 2 and set(claimed["first"]) | set(claimed["second"]) == {BEFORE, at(1)}
    assert editing.verdict(tables)[0].word == "reproduced"


def test_what_was_skewed_and_what_was_learned_stand_beside():
    p = resolve("editing", {"preset": "smoke", "debias": True, "doses": []})
    erased = run_of({BEFORE: 0.9, at(1): 0.1}, {BEFORE: 0.8, at(1): 0.8})
    skewed = run_of({"skewed": 0.5}, {"skewed": 0.5}, attribute="gender")
    found = items({FIRST_ARM.name: 0.5, EDITED_ARM.name: 0.4} | dict.fromkeys(FLOOR_ARMS, 0.1), seeds=3)
    learned = [SimpleNamespace(items=lambda: found)]
    tables = editing.compute(p, editing.Asked(erased, skewed, learned))
    assert set(tables["gaps"]["group"]) == {EDITED, OTHERS, PLAIN} and tables["gaps"]["gap"].isna().all()
    assert tables["balance_shares"]["measure"].str.startswith("concept first").all()
    pd.testing.assert_frame_equal(tables["arms"], summarize(found))
    assert tables["arm_differences"]["difference"].tolist() == pytest.approx([-0.1])
    assert editing.verdict(tables)[0].word == "reproduced" and np.isfinite(editing.verdict(tables)[0].p)
