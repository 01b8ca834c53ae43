"""The steps that chapters share: arms, nested captions, images of each kind, and the probes of a frozen encoder."""

from __future__ import annotations

from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest
import torch
from torch import nn

from stablerep.methods import METHODS
from stablerep.probes.suite import evaluate
from stablerep.seeding import seed_for
from stablerep.study.chapters import resolve
from stablerep.study.experiments import study as experiments
from stablerep.study.experiments.arms import ARMS, arm
from stablerep.study.experiments.study import SIZE, Study
from stablerep.study.store.runs import RunStore

PROBES = ["linear group", "linear subgroup", "knn subgroup", "one-shot concept"]


@pytest.fixture
def study(tmp_path, emoji):
    made = Study(RunStore(tmp_path / "runs"))
    made.corpus = emoji  # what it would load itself
    return made


class StubGenerator:
    name, fingerprint, precision, resolution = "stub", "stub", "float32", SIZE

    def __init__(self) -> None:
        self.made = 0

    def truncated(self, captions):
        return ""

    def sample(self, captions, names, sampling):
        self.made += len(names)
        drawn = [np.random.default_rng(seed_for("stub", *name, sampling.guidance_scale)) for name in names]
        images = [rng.integers(0, 256, (3, SIZE, SIZE), np.uint8) for rng in drawn]
        return torch.from_numpy(np.stack(images)), [False] * len(names)


@pytest.fixture
def stub(monkeypatch):
    generator = StubGenerator()
    monkeypatch.setitem(experiments._GENERATORS, "stub", generator)
    return generator


# Arms


def test_arms_are_the_comparison():
    assert len({a.name for a in ARMS}) == len(ARMS)
    assert {a.method for a in ARMS} <= {*METHODS, "random"}
    assert {a.images for a in ARMS} == {"real", "designs", "synthetic"}
    assert arm("StableRep synthetic") in ARMS and arm("StableRep synthetic").stored is None
    # methods with one image per caption on real images get one on synthetic images too
    assert {a.stored for a in ARMS if a.images == "synthetic" and not a.method.startswith("stablerep")} == {1}


@pytest.mark.parametrize("which", [a for a in ARMS if a.method != "random"], ids=lambda a: a.name)
def test_every_arm_sees_the_same_number_of_views(study, which):
    p = resolve("compare", {})
    recipe = study.recipe(which, p, 3)
    assert (recipe.method, recipe.steps, recipe.views_per_step, recipe.seed) == (
        which.method,
        p.steps,
        p.views_per_step,
        3,
    )
    assert (
        recipe.images_per_caption == p.positives
        and recipe.encoder.name == p.encoder
        and recipe.view.crop_min == p.crop_min
    )


# Captions


def test_captions_are_the_training_captions_in_a_fixed_random_order(study, emoji):
    captions = study.captions()
    assert set(captions) == set(emoji.split("train").table["caption"])
    assert len(set(captions)) == len(captions)
    assert captions != sorted(captions)
    assert captions == study.captions(0) == Study(RunStore("unused")).captions()


def test_smaller_sets_are_nested(study):
    captions = study.captions()
    for count in (1, 16, 96, 1024):
        assert study.captions(count) == captions[:count]


def test_more_captions_than_there_are(study):
    with pytest.raises(ValueError, match="captions is 100000; the training part has"):
        study.captions(100_000)


# Images


def test_real_images_are_one_per_caption_or_every_design(study, emoji):
    captions = study.captions(12)
    one, every = study.real_images(captions), study.real_images(captions, designs=True)
    assert sorted(one.captions) == sorted(every.captions) == sorted(captions)
    assert len(one.images) == 12
    assert len(every.images) == emoji.table["caption"].isin(captions).sum() > 12
    assert one.images.shape[1:] == (3, SIZE, SIZE)
    assert one.fingerprint != every.fingerprint


SAMPLING = dict(images_per_caption=3, guidance_scale=2.0, generator="stub", sampling_steps=4, sampler="dpm++", seed=0)


def test_synthetic_set_is_made_once_and_named_by_what_determines_it(study, stub, monkeypatch):
    captions = study.captions(4)
    run = study.synthetic_run(captions, **SAMPLING)
    assert stub.made == 12 and run.info["summary"] == {"captions": 4, "images": 12, "flagged": 0}
    assert study.synthetic_run(captions, **SAMPLING) == run and stub.made == 12
    changes = dict(images_per_caption=2, guidance_scale=3.0, sampling_steps=5, sampler="ddim", seed=1)
    keys = {study.synthetic_run(captions, **SAMPLING | {name: value}).key for name, value in changes.items()}
    keys |= {study.synthetic_run(captions[::-1], **SAMPLING).key, study.synthetic_run(captions[:3], **SAMPLING).key}
    stub.fingerprint = "other"
    monkeypatch.setattr("stablerep.generator.generator_fingerprint", lambda name: "other")
    keys.add(Study(study.store).synthetic_run(captions, **SAMPLING).key)
    assert len(keys | {run.key}) == len(changes) + 4


def test_synthetic_images_come_from_the_run(study, stub):
    captions = study.captions(4)
    images = study.synthetic_images(captions, **SAMPLING)
    assert list(images.captions) == captions and len(images.images) == 12
    assert study.synthetic_images(captions, **SAMPLING) is images  # kept in memory
    fresh = Study(study.store).synthetic_images(captions, **SAMPLING)
    assert torch.equal(fresh.images, images.images) and fresh.fingerprint == images.fingerprint
    assert stub.made == 12


def test_each_arm_gets_its_images(study, stub):
    captions = study.captions(4)
    p = resolve("compare", {"generator": "stub", "images_per_caption": 3})
    sizes = {a.name: len(study.arm_images(a, captions, p, 0).images) for a in ARMS}
    assert sizes["SimCLR real"] == sizes["CLIP real"] == sizes["SimCLR synthetic"] == sizes["CLIP synthetic"] == 4
    assert sizes["StableRep synthetic"] == sizes["StableRep+ synthetic"] == 12
    assert sizes["StableRep real designs"] > 4
    assert stub.made == 12  # one set for all synthetic arms
    first, all_images = (study.arm_images(arm(n), captions, p, 0) for n in ("SimCLR synthetic", "StableRep synthetic"))
    assert torch.equal(first.images, all_images.images[::3])


def test_each_seed_has_its_own_images(study, stub):
    captions = study.captions(4)
    p = resolve("compare", {"generator": "stub"})
    a, b = (study.arm_images(arm("StableRep synthetic"), captions, p, seed) for seed in (0, 1))
    assert not torch.equal(a.images, b.images)


# Evaluation


@pytest.fixture(scope="module")
def some(emoji):
    """Plain emoji of a few subgroups in three designs, and some people, whose tones are to be left out."""
    table = emoji.table
    chosen = table["subgroup"].isin(
        ["food-fruit", "food-vegetable", "animal-bird", "heart", "plant-flower", "person-gesture"]
    )
    return emoji.where(chosen & table["design"].isin(["twemoji", "noto", "emojione"]))


def small_eye() -> nn.Module:
    """A frozen encoder without weights: the colours of a four by four grid."""
    return nn.Sequential(nn.AdaptiveAvgPool2d(4), nn.Flatten())


@pytest.fixture(scope="module")
def items(some) -> pd.DataFrame:
    return evaluate(small_eye(), some)


def test_evaluation_has_four_probes_and_a_row_per_item(items, some):
    assert items.columns.tolist() == ["probe", "id", "concept", "design", "truth", "prediction", "correct"]
    assert list(dict.fromkeys(items["probe"])) == PROBES
    assert not items.duplicated(["probe", "id"]).any() and not items.isna().any().any()
    table = some.table[(some.table["split"] == "test") & (some.table["skin_tone"] == 0)]
    for probe, label in (("linear group", "group"), ("linear subgroup", "subgroup"), ("knn subgroup", "subgroup")):
        part = items[items["probe"] == probe]
        assert part["id"].tolist() == table["id"].tolist()  # held-out concepts without skin tone, all of them
        assert part["truth"].tolist() == table[label].tolist()
        assert (
            part["concept"].tolist() == table["concept"].tolist()
            and part["design"].tolist() == table["design"].tolist()
        )
        assert (part["correct"] == (part["truth"] == part["prediction"])).all()


def test_probes_are_better_than_guessing(items):
    """Colours tell hearts from vegetables: the evaluation passes information on."""
    for probe in PROBES[:3]:
        part = items[items["probe"] == probe]
        assert part["correct"].mean() > 1.5 / part["truth"].nunique()
    shot = items[items["probe"] == "one-shot concept"]
    assert shot["correct"].mean() > 2 / shot["concept"].nunique()


def test_one_shot_asks_each_concept_once_per_pair_of_designs(items, some):
    shot = items[items["probe"] == "one-shot concept"]
    pairs = shot["id"].str.split("/", n=2, expand=True)
    assert (pairs[0] != pairs[1]).all() and (pairs[1] == shot["design"]).all() and (pairs[2] == shot["concept"]).all()
    table = some.table[(some.table["split"] == "test") & (some.table["skin_tone"] == 0)]
    drawn = table.groupby("concept")["design"].nunique()
    assert len(shot) == (drawn * (drawn - 1)).sum()


def test_evaluation_is_deterministic(items, some):
    pd.testing.assert_frame_equal(evaluate(small_eye(), some), items)


def test_first_captions_take_their_images_from_the_whole_set(monkeypatch, study, stub, some, tmp_path):
    """A point of the scaling curve makes no images of its own."""
    captions, learnt = study.captions(6), []
    p = resolve("compare", {"preset": "smoke", "generator": "stub"})
    pd.DataFrame({"seconds": [1.0, 2.0]}).to_parquet(tmp_path / "log.parquet")

    def pretrained(which, images, p, seed):
        learnt.append(images)
        summary = {"views": 128, "weights": 7}
        return SimpleNamespace(
            key=f"run {len(learnt)}",
            folder=None,
            info={"summary": summary},
            table=lambda name: pd.read_parquet(tmp_path / f"{name}.parquet"),
        )

    monkeypatch.setattr(study, "pretrained", pretrained)
    monkeypatch.setattr("stablerep.training.load_backbone", lambda folder: small_eye())
    monkeypatch.setattr(
        experiments, "evaluate", lambda backbone, corpus: pd.DataFrame({"probe": ["x"], "correct": [True]})
    )
    study.evaluated(arm("StableRep synthetic"), captions, p, 0)
    found = study.evaluated(arm("StableRep synthetic"), captions, p, 0, first=2)
    assert found[["arm", "seed", "views", "weights", "seconds"]].values.tolist() == [
        ["StableRep synthetic", 0, 128, 7, 2.0]
    ]
    whole, part = learnt
    assert sorted(part.captions) == sorted(captions[:2])
    for number, caption in enumerate(part.captions):
        same = whole.images[whole.caption_ids == list(whole.captions).index(caption)]
        assert torch.equal(part.images[part.caption_ids == number], same)
    assert stub.made == 6 * p.images_per_caption


def test_evaluation_of_a_study_is_a_run(monkeypatch, study, some):
    """Random initialization is a row like any other, and is computed once."""
    study.corpus = some
    p = resolve("compare", {"preset": "smoke"})
    asked = []

    def fake(backbone, corpus):
        asked.append(backbone)
        return pd.DataFrame({"probe": ["linear group"], "id": ["a"], "concept": ["a"], "correct": [True]})

    monkeypatch.setattr(experiments, "evaluate", fake)
    monkeypatch.setattr(
        "stablerep.training.random_backbone", lambda encoder, seed: SimpleNamespace(seed=seed, name=encoder.name)
    )
    found = study.evaluated(arm("Random initialization"), [], p, 5)
    assert found[["arm", "seed", "views"]].values.tolist() == [["Random initialization", 5, 0]]
    study.evaluated(arm("Random initialization"), [], p, 5)
    study.evaluated(arm("Random initialization"), [], p, 6)
    assert [(b.seed, b.name) for b in asked] == [(5, p.encoder), (6, p.encoder)]


def test_untrained_networks_of_other_shapes_have_other_names(tmp_path):
    from stablerep.encoders import EncoderRecipe

    shapes = [dict(), dict(patch_size=8), dict(depth=8), dict(patch_size=8, depth=8)]
    study = Study(RunStore(tmp_path))
    assert len({study.encoder_key(None, EncoderRecipe(name="test_vit", **shape), 0) for shape in shapes}) == len(shapes)
