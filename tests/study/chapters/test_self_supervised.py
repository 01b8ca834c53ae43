"""Self-supervised methods: the arms of each, what they share with the comparison, and the answer to C1 by hand."""

from __future__ import annotations

import pandas as pd
import pytest

from stablerep.methods import METHODS
from stablerep.statistics.arms import differences, seed_means, summarize
from stablerep.study.chapters import compare, resolve, self_supervised
from stablerep.study.experiments.arms import FLOOR_ARMS
from stablerep.study.experiments.floors import against_floors
from stablerep.study.experiments.study import Study
from tests.study.stand_ins import AnsweringStudy, NotingStore, items


def asked(tmp_path, chapter, name, **given):
    p = resolve(name, {"preset": "smoke", "captions": 0, "generator": "emoji"} | given)
    study = Study(NotingStore(tmp_path / name), p)
    study.corpus = AnsweringStudy().corpus
    return p, chapter.ask(p, study), study.store.noted


def test_every_method_learns_from_one_image_of_each_caption_of_either_kind(tmp_path):
    p, found, noted = asked(tmp_path, self_supervised, "self_supervised", seeds=2)
    titles = [METHODS[one].title for one in self_supervised.ASKED]
    names = [f"{title} {kind}" for title in titles for kind in ("real", "synthetic")]
    assert [(one.arm, one.seed) for one in found] == [(name, seed) for seed in (0, 1) for name in (*names, *FLOOR_ARMS)]
    made = [one.parameters for one in noted if one.step == "synthesis"]
    assert {(one["images_per_caption"], one["guidance_scale"]) for one in made} == {(1, p.simclr_guidance_scale)}
    rates = {one.parameters["method"]: one.parameters["learning_rate"] for one in noted if one.step == "pretraining"}
    assert rates == {
        "simclr": p.simclr_learning_rate, "mae": p.mae_learning_rate, "byol": p.byol_learning_rate, "moco-v3": p.moco_v3_learning_rate,
        "dino": p.dino_learning_rate,
    }  # fmt: skip


def test_simclr_is_that_of_the_comparison(tmp_path):
    _, mine, _ = asked(tmp_path, self_supervised, "self_supervised", methods=["simclr"])
    _, theirs, _ = asked(tmp_path, compare, "compare", arms=["SimCLR real", "SimCLR synthetic"])
    assert {one.evaluation.key for one in theirs.evaluated} <= {one.evaluation.key for one in mine}


def tables_of(seeds: int = 5, **shares: tuple[float, float]) -> dict[str, pd.DataFrame]:
    """Of methods with known shares of right answers on real and on synthetic images; floors at a tenth."""
    arms = {
        f"{METHODS[name].title} {kind}": share
        for name, both in shares.items()
        for kind, share in zip(("real", "synthetic"), both)
    }
    found = items(arms | dict.fromkeys(FLOOR_ARMS, 0.1), seeds=seeds, probe="one-shot concept", concepts=200)
    return {
        "arms": summarize(found), "differences": differences(found, self_supervised.pairs(list(shares))),
        "floors": against_floors(found, arms), "seeds": seed_means(found),
    }  # fmt: skip


EVERY = dict(simclr=(0.4, 0.4), mae=(0.4, 0.5), byol=(0.4, 0.6), dino=(0.1, 0.1))


@pytest.mark.parametrize(
    ("moco", "word"),
    [((0.4, 0.6), "reproduced"), ((0.6, 0.3), "partly"), ((0.6, 0.1), "partly"), ((0.1, 0.1), "reproduced"), ((0.1, 0.6), "reproduced")],
)  # fmt: skip
def test_the_answer_is_of_the_methods_that_learned_something_from_real_images(moco, word):
    """One that learned nothing from synthetic images alone counts against the claim."""
    (answer,) = self_supervised.verdict(tables_of(**EVERY | {"moco-v3": moco}))
    assert (answer.claim, answer.word) == ("C1", word)
    left = ["DINO", *(["MoCo-v3"] if moco[0] == 0.1 else [])]
    assert set(answer.lines[0].partition(": ")[2].rstrip(".").split(", ")) == set(left)
    assert len(answer.effects) == len(self_supervised.ASKED) - len(left)


def test_all_against_is_contradicted_and_too_few_are_not_testable():
    worse = dict.fromkeys(self_supervised.ASKED, (0.6, 0.3))
    assert self_supervised.verdict(tables_of(**worse))[0].word == "contradicted"
    low = dict.fromkeys(self_supervised.ASKED, (0.1, 0.1)) | {"simclr": (0.4, 0.6)}
    assert self_supervised.verdict(tables_of(**low))[0].word == "not testable at this scale"
    (answer,) = self_supervised.verdict(tables_of(simclr=(0.4, 0.6), byol=(0.4, 0.6)))
    assert answer.word == "not testable at this scale" and answer.why.endswith("names: MAE, MoCo-v3, DINO")


def test_the_largest_difference_counts_where_its_method_learned():
    found = self_supervised.whether_counted(tables_of(simclr=(0.4, 0.9), dino=(0.1, 0.2)), "one-shot concept")
    assert found == "It counts: SimCLR real lies above every floor."
    found = self_supervised.whether_counted(tables_of(dino=(0.1, 0.2)), "one-shot concept")
    assert found.startswith("It does not count: DINO real does not lie clearly above every floor")
    assert found.endswith("No other method was run.")
    assert self_supervised.whether_counted(tables_of(dino=(0.1, 0.2)), "none") == ""
