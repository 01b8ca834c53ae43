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
from stablerep.study.notebooks.chapter import Chapter
from tests.study.stand_ins import NotingStore, items, plain_corpus

KINDS = ("synthetic", "real", "real + synthetic", "few real", "few real + synthetic")
EXCHANGED = ("2 real + 2 synthetic", "4 real")


def asked(tmp_path, corpus=None, **given):
    study = Study(NotingStore(tmp_path / "plan"))
    study.corpus = corpus or plain_corpus(32, designs=("ink", "chalk", "oil", "clay"))
    some = {"preset": "smoke", "captions": 0, "images_per_caption": 4, "positives": 4, "views_per_step": 32}
    p = resolve("mixture", some | {"methods": ["stablerep"], "real_counts": [0, 2, 4]} | given)
    return p, mixture.ask(p, study), study


def test_every_kind_and_share_is_trained_once_at_every_seed(tmp_path):
    p, found, study = asked(tmp_path, seeds=2)
    names = [f"StableRep {kind}" for kind in (*KINDS, *EXCHANGED)]
    assert [(one.arm, one.seed) for one in found.arms] == [
        (name, seed) for seed in (0, 1) for name in (*names, *FLOOR_ARMS)
    ]
    trained = [one for one in study.store.noted if one.step == "pretraining" and one.parameters["seed"] == 0]
    assert len({one.inputs["images"] for one in trained}) == len(trained) == len(names)
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
    few = captions.first(8), 1
    sets = {kind: images.load() for kind, (images, _) in mixture.kinds("stablerep", captions, few, p, study).items()}
    sizes = {kind: (len(one.captions), len(one.images)) for kind, one in sets.items()}
    assert sizes == {
        "real": (32, 32),
        "real + synthetic": (32, 160),
        "few real": (8, 8),
        "few real + synthetic": (32, 136),
    }
    study.corpus = plain_corpus(32, designs=("ink", "chalk", "oil"))
    mixtures = {
        count: mixture.together(mixture.real(captions, count, study), "stablerep", captions, p, study, total=4).load()
        for count in (1, 2, 4)
    }
    assert all(len(one.images) == 128 for one in mixtures.values())
    kinds_of = {count: (one.images[:, 0, 0, 0] < 200).sum().item() for count, one in mixtures.items()}
    assert kinds_of == {1: 32, 2: 64, 4: 96}  # three designs at most
    assert set(made) == {(p.guidance_scale, 4, 0)}
    made.clear()
    mixture.kinds("simclr", captions, None, p, study)
    assert set(made) == {(p.simclr_guidance_scale, 4, 0)}


def _greyer(data):
    return replace(data, images=data.images * 0 + 255)


def test_where_captions_repeat_few_real_images_are_few_of_each_caption(tmp_path):
    """As many real images as synthetic ones stand for *real*, and of ten captions a share would not fill a batch."""
    p, found, study = asked(tmp_path, plain_corpus(10, 6), few_share=0.1)
    assert {f"StableRep {kind}" for kind in KINDS} <= {one.arm for one in found.arms}
    captions = study.captions(0)
    sets = mixture.kinds("stablerep", captions, mixture.few_real(captions, p, study), p, study)
    sizes = {kind: len(sets[kind][0].load().images) for kind in ("real", "few real")}
    assert sizes == {"real": 40, "few real": 10} and all(learned == captions for _, learned in sets.values())
    assert mixture.left_out(p, study) == ""
    p = resolve("mixture", p.model_dump() | {"few_share": 0.9})
    assert mixture.few_real(captions, p, study) is None
    assert (
        mixture.left_out(p, study)
        == "The arms on few real images are left out: in whole images, 0.9 of the 4 of a caption are all of them."
    )


def test_few_captions_that_fill_no_batch_are_left_out_with_a_sentence(tmp_path):
    p, found, study = asked(tmp_path, plain_corpus(12), few_share=0.1, real_counts=[0, 1])
    names = {f"StableRep {kind}" for kind in (*KINDS[:3], "1 real + 3 synthetic")}
    assert {one.arm for one in found.arms} == {*names, *FLOOR_ARMS}
    said = "The arms on few real images are left out: 0.1 of 12 captions do not fill a batch."
    assert mixture.left_out(p, study) == said
    page = Chapter("mixture", p)
    page.study.corpus = study.corpus
    assert said in page.notes()
    p, found, study = asked(tmp_path, plain_corpus(12), few_share=0.2, real_counts=[0, 1])  # two captions
    assert "StableRep few real" in {one.arm for one in found.arms} and mixture.left_out(p, study) == ""


@pytest.mark.parametrize(
    ("given", "message"),
    [
        (
            {"real_counts": [0, 5]},
            r"real_counts has 5; it takes 0 to 4, as many images of a caption as there are \(images_per_caption\)",
        ),
        (
            {"images_per_caption": 8, "real_counts": [0, 8]},
            "real_counts has 8; it takes 0 to 4, as many images of a caption as corpus 'emoji' has",
        ),
        ({"real_counts": [0, 0]}, "0 appears twice"),
        ({"real_counts": [1]}, "real_counts is .1.: list should have at least 2 items"),
        ({"few_share": 1.0}, "few_share is 1.0: input should be less than 1"),
        ({"methods": ["clip"]}, "methods.0 is 'clip'"),
    ],
)
def test_bad_parameters(tmp_path, given, message):
    with pytest.raises(InputError, match=message):
        asked(tmp_path, **given)


def test_few_real_images_need_not_be_asked_for(tmp_path):
    p, found, study = asked(tmp_path, few_share=0.0)
    assert {one.arm for one in found.arms} == {f"StableRep {kind}" for kind in (*KINDS[:3], *EXCHANGED)} | {*FLOOR_ARMS}
    assert mixture.left_out(p, study) == ""


@pytest.mark.parametrize("preset", ["smoke", "laptop", "reference", "workstation"])
def test_presets_have_what_the_claim_compares(preset):
    p = resolve("mixture", {"preset": preset})
    assert {0, p.images_per_caption / 2, p.images_per_caption} <= {*p.real_counts} and "stablerep" in p.methods


def tables_of(seeds: int = 3, floor: float = 0.1, share: float = 1.0, **shares: float) -> dict[str, pd.DataFrame]:
    """Tables of StableRep's arms whose shares of right answers are known."""
    names = {"half": "StableRep 2 real + 2 synthetic", "real": "StableRep 4 real", "synthetic": "StableRep synthetic", "added": "StableRep real + synthetic",
             "one": "StableRep real"}  # fmt: skip
    found = items({names[key]: share for key, share in shares.items()} | dict.fromkeys(FLOOR_ARMS, floor), seeds=seeds)
    return {
        "arms": summarize(found), "differences": differences(found, mixture.pairs(["stablerep"], 4)),
        "floors": against_floors(found, [names[key] for key in shares]), "seeds": seed_means(found),
        "shares": pd.DataFrame({"images": ["2 real + 2 synthetic", "4 real"], "real": [2, 4], "total": 4, "share": [0.5, share]}),
    }  # fmt: skip


@pytest.mark.parametrize(
    ("shares", "word"),
    [
        ((0.8, 0.5, 0.4), "reproduced"), ((0.3, 0.5, 0.8), "contradicted"), ((0.5, 0.3, 0.8), "partly"), ((0.5, 0.5, 0.5), "equivalent"),
        ((0.8, 0.1, 0.4), "not testable at this scale"),
    ],
)  # fmt: skip
def test_the_answer_follows_half_of_each_kind_against_either_kind(shares, word):
    """Whatever five images do against one."""
    found = dict(zip(("half", "real", "synthetic"), shares))
    for added, one in ((0.9, 0.2), (0.2, 0.9)):
        (answer,) = mixture.verdict(tables_of(**found, added=added, one=one))
        assert (answer.claim, answer.word) == ("C13", word)


def test_what_was_not_run_is_not_testable():
    for tables in (
        tables_of(half=0.8, real=0.3, added=0.8, one=0.3),
        tables_of(added=0.8, one=0.3, synthetic=0.3),
        tables_of(seeds=2, half=0.8, real=0.3, synthetic=0.3),
    ):
        (answer,) = mixture.verdict(tables)
        assert answer.word == "not testable at this scale"


def test_pairs_go_by_numbers_of_images_and_not_by_places():
    found = {length: mixture.pairs(["stablerep"], length) for length in (1, 2, 3, 6)}
    claimed = {
        length: [(one.first, one.second) for one in some if one.claim == "C13"] for length, some in found.items()
    }
    half = "StableRep 3 real + 3 synthetic"
    assert claimed[6] == [(half, "StableRep synthetic"), (half, "StableRep 6 real")]
    assert claimed[1] == claimed[3] == [] and claimed[2][1] == ("StableRep 1 real + 1 synthetic", "StableRep 2 real")
    one = {length: [pair.first for pair in some if pair.claim == "one real"] for length, some in found.items()}
    assert one == {1: [], 2: [], 3: ["StableRep 1 real + 2 synthetic"], 6: ["StableRep 1 real + 5 synthetic"]}
    (exchanged, _) = (pair for pair in mixture.pairs(["simclr"], 4) if pair.claim == "exchanged")
    assert (exchanged.first, exchanged.second) == ("SimCLR 2 real + 2 synthetic", "SimCLR all synthetic")


def test_tables_have_a_row_for_each_share(tmp_path):
    rights = {"StableRep synthetic": 0.3, "StableRep 2 real + 2 synthetic": 0.5, "StableRep 4 real": 0.7}
    p, found, _ = asked(tmp_path, corpus=_of_two_and_four(), real_counts=[0, 2, 4])

    class Told:
        def __init__(self, name, seed):
            self.arm, self.seed = name, seed

        def items(self):
            return items({self.arm: rights.get(self.arm, 0.1)}).assign(seed=self.seed)

    tables = mixture.compute(p, replace(found, arms=[Told(one.arm, one.seed) for one in found.arms]))
    shares, pairs = tables["shares"], tables["differences"]
    assert shares[["method", "images", "real", "total"]].to_numpy().tolist() == [
        ["StableRep", "4 synthetic", 0, 4], ["StableRep", "2 real + 2 synthetic", 2, 4], ["StableRep", "4 real", 4, 4],
    ]  # fmt: skip
    assert shares["share"].tolist() == pytest.approx([0, 0.5, 0.75])  # half of the captions have two real images alone
    assert shares["accuracy"].tolist() == pytest.approx([0.3, 0.5, 0.7])
    claimed = pairs[pairs["claim"] == "C13"].set_index("second")["difference"]
    assert claimed.to_dict() == pytest.approx({"StableRep synthetic": 0.2, "StableRep 4 real": -0.2})
    named = {*pairs["first"], *pairs["second"]}
    assert named <= {*tables["seeds"]["arm"]}  # the figure draws the seeds of each pair
    assert named == {*tables["floors"]["first"]} == {*tables["arms"]["arm"]} - {*FLOOR_ARMS}


def _of_two_and_four():
    """Captions of which every other one has two designs, and the others four."""
    corpus = plain_corpus(32, designs=("ink", "chalk", "oil", "clay"))
    number = corpus.table["caption"].str.split().str[-1].astype(int)
    return corpus.where((number % 2 == 0) | corpus.table["design"].isin(["ink", "chalk"]))


def test_a_mixture_that_is_less_real_than_asked_for_says_so():
    found = dict(half=0.8, real=0.5, synthetic=0.4)
    (answer,) = mixture.verdict(tables_of(**found, share=0.8))
    assert (
        answer.but == "Of the images of *4 real* 80 % are real: captions with fewer are filled up with synthetic ones."
    )
    assert mixture.verdict(tables_of(**found))[0].but == ""
