"""Mixture: which images each arm learns from, and the answer to C13 by hand."""

from __future__ import annotations

from dataclasses import replace

import pandas as pd
import pytest

from stablerep.errors import InputError
from stablerep.statistics.arms import differences, seed_means, summarize
from stablerep.study.chapters import mixture, resolve
from stablerep.study.experiments.arms import FLOOR_ARMS, arm
from stablerep.study.experiments.floors import against_floors
from stablerep.study.experiments.study import Study
from tests.study.stand_ins import NotingStore, items, plain_corpus

KINDS = ("synthetic", "real", "real + synthetic", "few real", "few real + synthetic")


def asked(tmp_path, **given):
    study = Study(NotingStore(tmp_path / "plan"))
    study.corpus = plain_corpus(32, designs=("ink", "chalk", "oil"))
    some = {"preset": "smoke", "captions": 0, "images_per_caption": 4, "positives": 4, "views_per_step": 32}
    p = resolve("mixture", some | {"methods": ["stablerep"], "real_counts": [0, 1, 4]} | given)
    return p, mixture.ask(p, study), study


def test_every_kind_and_share_is_trained_at_every_seed(tmp_path):
    p, found, study = asked(tmp_path, seeds=2)
    names = [f"StableRep {kind}" for kind in KINDS]
    assert [(one.arm, one.seed) for one in found.arms] == [
        (name, seed) for seed in (0, 1) for name in (*names, *FLOOR_ARMS)
    ]
    assert {count: [one.arm for one in some] for count, some in found.shares.items()} == {
        count: [f"StableRep, {count} of 4 real"] * 2 for count in (0, 1, 4)
    }
    trained = [one for one in study.store.noted if one.step == "pretraining" and one.parameters["seed"] == 0]
    assert len({one.inputs["images"] for one in trained}) == len(trained) == 7  # five kinds, two shares
    same = [
        {k: v for k, v in one.parameters.items() if k not in ("images_by", "views_per_step", "steps")}
        for one in trained
    ]
    assert all(one == same[0] for one in same)
    assert len({one.parameters["views_per_step"] * one.parameters["steps"] for one in trained}) == 1


def test_runs_that_the_comparison_has_are_its_runs(tmp_path):
    p, found, study = asked(tmp_path, methods=["simclr"])
    captions = study.captions(p.captions)
    theirs = {
        name: study.evaluated(arm(name), captions, p, 0).evaluation.key
        for name in ("SimCLR real", "SimCLR all synthetic")
    }
    assert theirs == {one.arm: one.evaluation.key for one in found.arms if one.arm in theirs}


def test_images_are_those_that_a_mixture_names(tmp_path, monkeypatch):
    """Real images first, as many as are asked for and there; the rest are synthetic, of the guidance scale of the method."""
    p, _, study = asked(tmp_path, camera=0.0)
    captions = study.captions(p.captions)
    made = []

    def synthetic(captions, p, w, *, images_per_caption, seed):
        made.append((w, images_per_caption, seed))
        several = study.real_drawings(captions, several=True)
        other = several.mixed_with(several, total=images_per_caption)  # real ones stand in, one grey above
        return mixture.ImageSet("made", lambda: _greyer(other.load()))

    monkeypatch.setattr(study, "synthetic_images", synthetic)
    few = captions.first(8)
    sets = {kind: images.load() for kind, (images, _) in mixture.kinds("stablerep", captions, few, p, study).items()}
    sizes = {kind: (len(one.captions), len(one.images)) for kind, one in sets.items()}
    assert sizes == {
        "real": (32, 32),
        "real + synthetic": (32, 160),
        "few real": (8, 8),
        "few real + synthetic": (32, 136),
    }
    exchanged = {
        count: mixture.together(mixture.real(captions, count, study), "stablerep", captions, p, study, total=4).load()
        for count in (1, 2, 4)
    }
    assert all(len(one.images) == 128 for one in exchanged.values())
    kinds_of = {count: (one.images[:, 0, 0, 0] < 200).sum().item() for count, one in exchanged.items()}
    assert kinds_of == {1: 32, 2: 64, 4: 96}  # three designs at most
    assert set(made) == {(p.guidance_scale, 4, 0)}
    made.clear()
    mixture.kinds("simclr", captions, None, p, study)
    assert set(made) == {(p.simclr_guidance_scale, 4, 0)}


def _greyer(data):
    return replace(data, images=data.images * 0 + 255)


def test_captions_that_repeat_have_as_many_real_images_as_synthetic_ones(tmp_path):
    study = Study(NotingStore(tmp_path / "plan"))
    study.corpus = plain_corpus(16, 6)
    p = resolve("mixture", {"preset": "smoke", "captions": 0, "images_per_caption": 3})
    images, _ = mixture.kinds("stablerep", study.captions(0), None, p, study)["real"]
    assert len(images.load().images) == 16 * 3


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"real_counts": [0, 5]}, "real_counts has 5; a caption has 4 images in all"),
        ({"real_counts": [0, 0]}, "0 appears twice"),
        ({"real_counts": [1]}, "real_counts is .1.: list should have at least 2 items"),
        ({"few_share": 1.0}, "few_share is 1.0: input should be less than 1"),
        ({"methods": ["clip"]}, "methods.0 is 'clip'"),
    ],
)
def test_bad_parameters(tmp_path, given, message):
    with pytest.raises(InputError, match=message):
        asked(tmp_path, **given)


def test_few_real_images_can_be_left_out(tmp_path):
    _, found, _ = asked(tmp_path, few_share=0.0)
    assert {one.arm for one in found.arms} == {*(f"StableRep {kind}" for kind in KINDS[:3]), *FLOOR_ARMS}


def tables_of(seeds: int = 3, floor: float = 0.1, **shares: float) -> dict[str, pd.DataFrame]:
    """Tables of StableRep's arms whose shares of right answers are known."""
    names = {"both": "StableRep real + synthetic", "real": "StableRep real", "synthetic": "StableRep synthetic"}
    found = items({names[key]: share for key, share in shares.items()} | dict.fromkeys(FLOOR_ARMS, floor), seeds=seeds)
    return {
        "arms": summarize(found), "differences": differences(found, mixture.pairs(["stablerep"], [0, 1], 4)),
        "floors": against_floors(found, [names[key] for key in shares]), "seeds": seed_means(found),
    }  # fmt: skip


@pytest.mark.parametrize(
    ("shares", "word"),
    [
        ((0.8, 0.5, 0.4), "reproduced"), ((0.3, 0.5, 0.8), "contradicted"), ((0.5, 0.3, 0.8), "partly"), ((0.5, 0.5, 0.5), "equivalent"),
        ((0.8, 0.1, 0.4), "not testable at this scale"),
    ],
)  # fmt: skip
def test_the_answer_follows_both_against_either(shares, word):
    (answer,) = mixture.verdict(tables_of(**dict(zip(("both", "real", "synthetic"), shares))))
    assert (answer.claim, answer.word) == ("C13", word)


def test_what_was_not_run_is_not_testable():
    for tables in (tables_of(both=0.8, real=0.3), tables_of(seeds=2, both=0.8, real=0.3, synthetic=0.3)):
        (answer,) = mixture.verdict(tables)
        assert answer.word == "not testable at this scale"


def test_tables_have_a_row_for_each_share(tmp_path):
    p, found, _ = asked(tmp_path)

    class Told:
        def __init__(self, name, seed, share):
            self.arm, self.seed, self.share = name, seed, share

        def items(self):
            return items({self.arm: self.share}).assign(seed=self.seed)

    told = mixture.Asked(
        [Told(one.arm, one.seed, 0.5) for one in found.arms],
        {count: [Told(one.arm, one.seed, 0.3 + count / 10) for one in some] for count, some in found.shares.items()},
    )
    tables = mixture.compute(p, told)
    shares, pairs = tables["shares"], tables["differences"]
    assert shares[["method", "real", "total"]].to_numpy().tolist() == [["StableRep", n, 4] for n in (0, 1, 4)]
    assert shares["accuracy"].tolist() == pytest.approx([0.3, 0.4, 0.7])
    exchanged = pairs[pairs["claim"] == "exchanged"].set_index(["first", "second"])["difference"]
    assert exchanged.to_dict() == pytest.approx({("StableRep, 4 of 4 real", "StableRep, 1 of 4 real"): 0.3})
    assert {*pairs["first"], *pairs["second"]} <= set(tables["seeds"]["arm"])  # the figure draws the seeds of each pair
