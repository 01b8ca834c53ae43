"""The methods: what each is trained with, when one counts as learned, and the answer to C6 by hand."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from stablerep.methods import METHODS, methods_with
from stablerep.statistics.arms import Pair, differences
from stablerep.study.chapters import methods, resolve
from stablerep.study.experiments.arms import FLOOR_ARMS
from stablerep.study.experiments.study import Study
from stablerep.study.store.runs import RunStore
from tests.study.stand_ins import NotingStore, items, plain_corpus


def tables_of(table: pd.DataFrame) -> dict[str, pd.DataFrame]:
    """The tables that the chapter computes its answer from."""
    others = [arm for arm in table["arm"].unique() if arm not in FLOOR_ARMS]
    floors = differences(table, [Pair("learned", arm, floor) for arm in others for floor in FLOOR_ARMS])
    return {"arms": table, "differences": differences(table, methods.PAIRS), "floors": floors}


def answers_of(*, seeds: int = 3, **share) -> pd.DataFrame:
    """Per-item results of methods that answer a given share of the items of 20 concepts rightly, on one probe; floors none unless said."""
    shares = dict.fromkeys(FLOOR_ARMS, 0.0) | {arm.replace("_", " "): right for arm, right in share.items()}
    return items(shares, concepts=20, seeds=seeds)


@pytest.mark.parametrize(
    ("share", "word"),
    [
        (dict(StableRep=0.9, Supervised_contrastive=0.6, SimCLR=0.35), "reproduced"),
        (dict(StableRep=0.4, Supervised_contrastive=0.8, SimCLR=0.8), "contradicted"),
        (dict(StableRep=0.4, Supervised_contrastive=0.8, SimCLR=0.35), "partly"),  # one pair for, the other against
        (dict(StableRep=0.9, Supervised_contrastive=0.6, SimCLR=0.6), "partly"),
        (dict(StableRep=0.6, Supervised_contrastive=0.6, SimCLR=0.6), "equivalent"),
        (dict(StableRep=0.65, Supervised_contrastive=0.6, SimCLR=0.55), "undecided"),
        (dict(StableRep=0.9, SimCLR=0.2), "not testable at this scale"),
        (dict(StableRep=0.9, Supervised_contrastive=0.6, SimCLR=0.2, seeds=2), "not testable at this scale"),
    ],
)
def test_the_verdict_on_captions_as_ids(share, word):
    found = tables_of(answers_of(Random_initialization=0.0, **share))
    assert methods.answer(found, "linear subgroup").word == word
    (answer,) = methods.verdict(found)
    assert (answer.claim, answer.word) == ("C6", word)
    assert (answer.p <= 0.05) == (word in ("reproduced", "contradicted", "partly"))


def test_methods_that_know_no_more_than_an_untrained_network_settle_nothing():
    """The same order of methods, but random initialization is as good as the best."""
    table = answers_of(Random_initialization=0.95, StableRep=0.9, Supervised_contrastive=0.6, SimCLR=0.2)
    answer = methods.answer(tables_of(table), "linear subgroup")
    assert answer.word == "not testable at this scale"
    assert "above the floors" in answer.why
    assert {one.what for one in answer.effects} == {
        "StableRep − Supervised contrastive",
        "Supervised contrastive − SimCLR",
    }


def test_the_answer_lists_what_lies_above_the_floors_by_probe():
    share = dict(StableRep=0.9, Supervised_contrastive=0.8, SimCLR=0.7)
    asked = ((0.1, "linear subgroup"), (0.95, "linear group"))
    tables = [answers_of(Random_initialization=low, **share).assign(probe=probe) for low, probe in asked]
    found = tables_of(pd.concat(tables))
    every = "StableRep (linear subgroup), Supervised contrastive (linear subgroup), SimCLR (linear subgroup)"
    assert methods.answer(found, "linear subgroup").lines == [f"Clearly above every floor: on some {every}"]
    floors = found["floors"]
    alone = {
        "linear subgroup": "on every probe StableRep, Supervised contrastive, SimCLR",
        "linear group": "on none StableRep, Supervised contrastive, SimCLR",
    }
    for probe, said in alone.items():
        assert methods.above_floors(floors[floors["probe"] == probe]) == [f"Clearly above every floor: {said}"]
    assert methods.above_floors(floors[:0]) == []


def test_every_method_has_a_name():
    names = [*FLOOR_ARMS, *(METHODS[name].title for name in METHODS)]
    assert len(set(names)) == len(names) and {
        name for pair in methods.PAIRS for name in (pair.first, pair.second)
    } <= set(names)


def test_each_method_is_trained_with_what_it_needs(tmp_path, emoji):
    """Classes for those that are told them, rates and momenta of their own, and the same views for all."""
    momenta = {"teacher_momentum": 0.8, "dino_teacher_momentum": 0.95}
    rates = {"moco-v3": 2e-4, "byol": 3e-4, "dino": 4e-4, "mae": 5e-4, "caption-as-class": 6e-4, "clip": 7e-4}
    given = {f"{name.replace('-', '_')}_learning_rate": rate for name, rate in rates.items()}
    p = resolve("methods", {"preset": "smoke", "seeds": 2, "seed": 3} | momenta | given)
    study = Study(NotingStore(tmp_path), p)
    study.corpus = emoji
    asked = methods.ask(p, study)
    assert [(one.evaluated.arm, one.evaluated.seed) for one in asked] == [
        (name, seed) for seed in (3, 4) for name in (*FLOOR_ARMS, *(METHODS[method].title for method in METHODS))
    ]
    described = [one.evaluated.arm for one in asked if one.diagnostics is not None]
    assert described == [methods.RANDOM, *(METHODS[method].title for method in METHODS)]
    trained = [one.parameters for one in study.store.noted if one.step == "pretraining"]
    assert [one["method"] for one in trained] == 2 * list(METHODS)
    assert {one["steps"] * one["views_per_step"] for one in trained} == {p.steps * p.views_per_step}
    for one in trained:
        teacher, told = one["method"] in methods_with("teacher"), METHODS[one["method"]].traits.ids == "class"
        own = rates | {"simclr": p.simclr_learning_rate, "supervised": p.supervised_learning_rate}
        momentum = {"dino": 0.95}.get(one["method"], 0.8) if teacher else 0.0
        assert (one["learning_rate"], one["teacher_momentum"]) == (own.get(one["method"], p.learning_rate), momentum)
        shape = (p.patch_encoder, p.patch_size, p.depth) if one["method"] == "mae" else (p.encoder, 0, 0)
        assert tuple(one["encoder"][name] for name in ("name", "patch_size", "depth")) == shape
        assert one.get("label") == ("subgroup" if told else None)
    own = resolve("methods", {"preset": "smoke", "methods": ["supervised"], "label": "group"})
    study = Study(NotingStore(tmp_path), own)
    study.corpus = emoji
    methods.ask(own, study)
    assert [one.parameters["label"] for one in study.store.noted if one.step == "pretraining"] == ["group"]


def test_methods_learn_from_scenes_of_which_a_batch_holds_one_name_of_a_thing(tmp_path, emoji):
    asked = {}
    for chosen in (True, False):
        p = resolve("methods", {"preset": "smoke", "methods": ["clip", "simclr"], "one_per_concept": chosen})
        study = Study(NotingStore(tmp_path), p)
        study.corpus = emoji
        methods.ask(p, study)
        asked[chosen] = [one for one in study.store.noted if one.step == "pretraining"]
        camera = study.camera.fingerprint
        noted = [one for one in study.store.noted if one.step in ("evaluation", "diagnostics")]
        assert camera and all(one.inputs["corpus"] == f"{emoji.fingerprint}-{camera}" for one in noted)
        assert (
            all(one.parameters["part"] == "test" for one in noted) and len(noted) == 2 * 3 + 2
        )  # of floors, evaluations alone
    names = {chosen: {one.inputs["images"] for one in some} for chosen, some in asked.items()}
    (apart,), (plain,) = names[True], names[False]  # the same images for every method
    assert apart == f"{plain}-grouped" and camera in plain


def test_where_captions_repeat_methods_that_know_images_alone_take_each_as_a_caption(tmp_path):
    p = resolve("methods", {"preset": "smoke", "captions": 0, "methods": ["simclr", "mae", "stablerep", "clip"]})
    study = Study(NotingStore(tmp_path), p)
    study.corpus = plain_corpus(12, 4)
    methods.ask(p, study)
    trained = [one for one in study.store.noted if one.step == "pretraining"]
    alone = {one.parameters["method"]: one.inputs["images"].endswith("-alone") for one in trained}
    assert alone == {"simclr": True, "mae": True, "stablerep": False, "clip": False}
    assert {one.parameters["steps"] * one.parameters["views_per_step"] for one in trained} == {
        p.steps * p.views_per_step
    }


def test_features_of_held_out_images_are_described_once(tmp_path):
    p = resolve("methods", {"preset": "smoke"})
    study = Study(RunStore(tmp_path), p)
    study.corpus = plain_corpus(8, 2)
    run = methods.diagnosed(None, p, study, 0)
    row = run.table().iloc[0]
    assert row["dimensions"] > 1 and np.isfinite(row["alignment"]) and isinstance(row["alarms"], str)
    assert methods.diagnosed(None, p, study, 0) == run != methods.diagnosed(None, p, study, 1)


@pytest.mark.parametrize(
    ("low", "high", "word"),
    [(-0.05, -0.04, "captions lose to classes: "), (0.01, 0.02, "captions beat classes: "), (-0.01, 0.02, "not told")],
)
def test_the_order_with_a_classifier_stands_beside_the_answer(low, high, word):
    pairs = pd.DataFrame(
        [("classifier", "p", (low + high) / 2, low, high)], columns=["claim", "probe", "difference", "low", "high"]
    )
    said = methods.against_classifier(pairs, "p")
    assert word in said and said.endswith("its arms were changed after that (Protocol, Remarks).")
    assert methods.against_classifier(pairs, "q") == ""


def test_the_failure_that_is_told_is_the_one_that_the_protocol_records():
    from stablerep.study.root import PROJECT

    assert f"failed by {methods.EARLIER} points" in (PROJECT / "book" / "protocol.md").read_text(encoding="utf-8")
