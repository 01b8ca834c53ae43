"""Transfer: what is asked of which encoder, sets that cannot be asked, and averages by hand."""

from __future__ import annotations

from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest
import torch

from stablerep.errors import InputError
from stablerep.study.chapters import compare, resolve, transfer
from stablerep.study.chapters.transfer import ALL, FEW_SHOT, FIRST, LINEAR, OTHERS, Told
from stablerep.study.experiments.arms import FLOOR_ARMS
from stablerep.study.experiments.study import Study
from stablerep.study.plans.planning import PlanningStudy
from stablerep.transfer import TRANSFER_SETS, LabelledImages
from tests.study.stand_ins import AnsweringStudy, NotingStore


def asked(tmp_path, chapter, name, **given):
    p = resolve(name, {"preset": "smoke", "captions": 0, "generator": "emoji", "views_per_step": 32} | given)
    study = Study(NotingStore(tmp_path / name), p)
    study.corpus = AnsweringStudy().corpus
    return p, chapter, study


def answers(kind: str) -> pd.DataFrame:
    """What a run of each kind would hold."""
    if kind == "few-shot":
        return pd.DataFrame({"episode": [0, 1], "correct": [0.5, 0.7], "set": "digits"})
    return pd.DataFrame(
        {"set": ["digits"], "metric": "top-1", "id": "0", "cluster": "0", "truth": "1", "correct": True, "n_train": 9}
    )


def test_encoders_are_the_comparison_s_and_every_set_is_asked_in_both_ways(tmp_path, monkeypatch):
    monkeypatch.delenv("STABLEREP_DATA", raising=False)
    monkeypatch.setattr(
        "stablerep.study.plans.planning.PlannedRun.table", lambda run, name="results": answers(run.info["step"])
    )
    arms = [*FLOOR_ARMS, "SimCLR real", FIRST]
    p, chapter, study = asked(tmp_path, transfer, "transfer", arms=arms, sets=["digits", "CIFAR-10"], seeds=2)
    found = chapter.ask(p, study)
    assert [(one.arm, one.seed) for one in found] == [(arm, seed) for seed in (0, 1) for arm in arms]
    assert all(set(table.attrs["skipped"]) == {"CIFAR-10"} for one in found for table in (one.items, one.episodes))
    runs = {
        kind: [one for one in study.store.noted if one.step == kind] for kind in ("transfer", "few-shot", "pretraining")
    }
    assert [len(some) for some in runs.values()] == [len(found), len(found), 4]
    assert {one.parameters["set"] for kind in ("transfer", "few-shot") for one in runs[kind]} == {"digits"}
    encoders = [[one.inputs["encoder"] for one in runs[kind]] for kind in ("transfer", "few-shot")]
    assert encoders[0] == encoders[1] and "pixels" in encoders[0] and len(set(encoders[0])) == 2 * (len(arms) - 2) + 2
    p, chapter, theirs = asked(tmp_path, compare, "compare", arms=arms, seeds=2)
    chapter.ask(p, theirs)
    trained = [
        {str((one.parameters, one.inputs)) for one in store.noted if one.step == "pretraining"}
        for store in (study.store, theirs.store)
    ]
    assert trained[0] == trained[1]


def labelled(counts: dict[str, int]) -> LabelledImages:
    """Images of one grey for each class, so that features tell classes apart."""
    labels = np.array([name for name, count in counts.items() for _ in range(count)], object)
    grey = {name: 25 * (k + 1) for k, name in enumerate(counts)}
    images = torch.stack([torch.full((3, 4, 4), grey[name], dtype=torch.uint8) for name in labels])
    ids = np.arange(len(labels)).astype(str)
    return LabelledImages(images, labels, np.full(len(labels), "test", object), ids, ids)


def test_a_set_with_too_few_classes_or_several_labels_is_refused():
    which = TRANSFER_SETS["digits"]
    assert transfer.few_shot_rows(which, labelled({"a": 6, "b": 6}), 2, 5).tolist() == list(range(12))
    refused = "1 classes of digits have more than 5 test images; episodes of 2 classes need 2"
    with pytest.raises(InputError, match=refused):
        transfer.few_shot_rows(which, labelled({"a": 6, "b": 5}), 2, 5)
    several = labelled({"a": 6})
    several = LabelledImages(
        several.images, np.ones((6, 2), bool), several.parts, several.ids, several.clusters, ("x", "y")
    )
    with pytest.raises(InputError, match="images of digits have several labels each"):
        transfer.few_shot_rows(which, several, 2, 5)


def test_episodes_have_test_images_alone_and_one_of_those_that_belong_together():
    data = labelled({"a": 8, "b": 8})
    data.parts[:2], data.clusters[8:10] = "train", "one drawing"
    assert transfer.few_shot_rows(TRANSFER_SETS["digits"], data, 2, 5).tolist() == [*range(2, 9), *range(10, 16)]


@pytest.mark.parametrize(("apart", "expected"), [(True, 1.0), (False, 0.5)])
def test_episodes_are_right_where_features_tell_classes_apart(tmp_path, apart, expected):
    data = labelled({"a": 12, "b": 12, "c": 12})

    class Grey(torch.nn.Module):
        def forward(self, images):
            angle = images.mean((1, 2, 3)) if apart else torch.zeros(len(images))
            return torch.stack([torch.cos(angle), torch.sin(angle)], 1)

    found = transfer.told(Grey(), data, np.arange(36), "digits", {"ways": 2, "shots": 5, "episodes": 10}, tmp_path)
    episodes = pd.read_parquet(tmp_path / "results.parquet")
    assert len(episodes) == 10 and set(episodes["set"]) == {"digits"}
    assert found["mean"] == pytest.approx(expected) == pytest.approx(episodes["correct"].mean())


def one(arm: str, seed: int, share: float, sets=("x", "y")) -> Told:
    """An arm that answers a share of twenty items of each set rightly, and as much of its episodes."""
    items = pd.DataFrame([
        {"set": name, "metric": "top-1", "id": str(k), "cluster": str(k), "truth": "1", "correct": k < 20 * share, "n_train": 9}
        for name in sets for k in range(20)
    ])  # fmt: skip
    episodes = pd.DataFrame([{"set": name, "episode": k, "correct": share / 2} for name in sets for k in range(3)])
    items.attrs = episodes.attrs = {"skipped": {"z": "it is not there."}}
    return Told(arm, seed, items, episodes)


def test_scores_averages_and_leads_by_hand():
    shares = {"Raw pixels": 0.2, OTHERS[0]: 0.5, FIRST: 0.7}
    p = SimpleNamespace()
    tables = transfer.compute(
        p, [one(arm, seed, share + 0.1 * seed) for arm, share in shares.items() for seed in (0, 1)]
    )
    scores = tables["scores"]
    assert len(scores) == 2 * 3 * 2 * 3 and set(scores[scores["value"].isna()]["reason"]) == {"it is not there."}
    overall = tables["overall"].set_index(["measure", "arm"])
    assert overall.loc[(LINEAR, FIRST), "score"] == pytest.approx(0.75)
    assert overall.loc[(FEW_SHOT, FIRST), "score"] == pytest.approx(0.375)
    assert set(overall["sets"]) == {2} and set(overall["seeds"]) == {2}
    leads = tables["leads"].set_index(["measure", "second", "set"])["difference"]
    assert leads.round(9).to_dict() == {
        (measure, OTHERS[0], name): 0.2 / (1 + (measure == FEW_SHOT)) for measure in (LINEAR, FEW_SHOT) for name in ("x", "y", ALL)
    }  # fmt: skip
    said = "Not asked: z by the linear probe: it is not there. z by the few-shot recognition: it is not there."
    assert transfer.sets_left_out(scores) == said and transfer.sets_left_out(scores.dropna(subset=["value"])) == ""
    assert transfer.verdict(tables) == []


def test_arms_that_are_not_compared_are_refused_and_a_plan_downloads_nothing(tmp_path):
    p, chapter, study = asked(tmp_path, transfer, "transfer", arms=["SimCLR real", "CLIP real"])
    with pytest.raises(
        InputError, match="arms is SimCLR real, CLIP real; the chapter compares StableRep synthetic with"
    ):
        chapter.ask(p, study)
    planning = PlanningStudy(NotingStore(tmp_path / "plan"), p)
    assert planning.sets_to_open(["digits", "Pets", "CIFAR-10"]) == ["digits", "CIFAR-10"]
    assert study.sets_to_open(["digits", "Pets"]) == ["digits", "Pets"]


def test_without_any_set_there_is_no_chapter():
    some = one(FIRST, 0, 0.5, sets=("x",))
    empty = Told(some.arm, some.seed, some.items[:0], some.episodes[:0])
    with pytest.raises(InputError, match="no set can be asked by the linear probe: it is not there"):
        transfer.compute(SimpleNamespace(), [empty])
