"""The runs that chapters share: arms, nested captions, images of each kind, and the probes of a frozen encoder."""

from __future__ import annotations

from dataclasses import replace
from types import SimpleNamespace

import pandas as pd
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from stablerep.captioned_images import CaptionBatches
from stablerep.errors import InputError
from stablerep.methods import METHODS
from stablerep.study.chapters import resolve
from stablerep.study.experiments import image_sets
from stablerep.study.experiments import study as experiments
from stablerep.study.experiments.arms import ARMS, FLOOR_ARMS, UNTRAINED, arm
from stablerep.study.experiments.evaluated import cost_of, items_of
from stablerep.study.experiments.images import Named
from stablerep.study.experiments.learning import own
from stablerep.study.experiments.study import Study
from stablerep.study.store.runs import RunStore
from tests.study.stand_ins import SIZE, NotingStore, plain_corpus


@pytest.fixture
def study(tmp_path, emoji):
    made = Study(RunStore(tmp_path / "runs"))
    made.corpus = emoji  # what it would load itself
    return made


# Arms


def test_arms_are_the_comparison():
    assert len({a.name for a in ARMS}) == len(ARMS)
    assert {a.method for a in ARMS} <= {*METHODS, *UNTRAINED} and not {*METHODS} & {*UNTRAINED}
    assert {a.images for a in ARMS} == {"real", "reconstructed", "designs", "synthetic"}
    assert FLOOR_ARMS == ("Raw pixels", "Oriented gradients", "Random initialization")
    assert [a.trained for a in ARMS] == [a.method in METHODS for a in ARMS]
    assert arm("StableRep synthetic") in ARMS and arm("StableRep synthetic").stored is None
    # methods with one image per caption on real images get one on synthetic images too, but where an arm says that it has all
    others = {a.name: a.stored for a in ARMS if a.images == "synthetic" and not a.method.startswith("stablerep")}
    assert others == {
        "SimCLR synthetic": 1, "SimCLR synthetic redrawn": 1, "CLIP synthetic": 1, "SimCLR all synthetic": None, "CLIP all synthetic": None,
    }  # fmt: skip


def test_a_corpus_without_designs_says_which_arms_it_leaves_out(study, photographs):
    assert study.arms() == list(ARMS) and study.left_out() == ""
    missing = [a.name for a in ARMS if a not in photographs.arms()]
    assert missing == [f"{name} real designs" for name in ("SimCLR", "CLIP", "StableRep", "Supervised")]
    assert photographs.left_out() == (
        "This corpus names no designs of its captions, so SimCLR real designs, CLIP real designs, StableRep real designs, "
        "Supervised real designs are left out."
    )
    names = ("CLIP real", "StableRep real designs")
    assert [a.name for a in study.arms(*names)] == list(names) and [a.name for a in photographs.arms(*names)] == [
        "CLIP real"
    ]
    photographs.corpus = plain_corpus(12, designs=("ink", "chalk"), labels=())
    assert [a.name for a in ARMS if a not in photographs.arms()] == ["Supervised real designs"]
    assert photographs.left_out() == "This corpus names no classes, so Supervised real designs is left out."


def test_people_are_needed_where_a_chapter_says_so(study, photographs):
    study.need_people()
    photographs.source = "~/birds"
    with pytest.raises(
        InputError, match="corpus is '~/birds', which declares no attributes of people; this chapter needs some"
    ):
        photographs.need_people()
    photographs.corpus = plain_corpus(people=("gender",))
    photographs.need_people()


def test_a_corpus_without_labels_is_refused_before_its_probes_are_planned(photographs):
    from stablerep.encoders import EncoderRecipe

    photographs.source, photographs.corpus = "~/birds", plain_corpus(labels=())
    with pytest.raises(InputError, match="corpus is '~/birds', which declares no labels"):
        photographs.probed(None, EncoderRecipe("test_resnet", image_size=32), 0, resolve("compare", {}))


TRAINED = [a for a in ARMS if a.trained]


@pytest.mark.parametrize("which", TRAINED, ids=lambda a: a.name)
def test_every_arm_sees_the_same_number_of_views(study, which):
    p = resolve("compare", {})
    recipe = study.recipe(which, p, 3, 1280)
    assert (recipe.method, recipe.steps, recipe.views_per_step, recipe.seed) == (
        which.method,
        p.steps,
        p.views_per_step,
        3,
    )
    assert (
        recipe.images_per_caption == (p.positives if METHODS[recipe.method].traits.several else 1)
        and recipe.encoder.name == p.encoder
        and recipe.view.crop_min == p.crop_min
    )
    assert recipe.encoder.image_size == recipe.view.size == study.size
    assert recipe.head_statistics == ("per-view" if METHODS[which.method].traits.projects else "joint")


OWN = {
    "guidance_scale": 2.5, "simclr_guidance_scale": 5.0, "clip_guidance_scale": 3.0, "learning_rate": 1e-3,
    "simclr_learning_rate": 2e-3, "clip_learning_rate": 3e-3, "supervised_learning_rate": 4e-3,
}  # fmt: skip


def test_each_method_has_its_own_guidance_scale_and_learning_rate(study, tmp_path):
    """SimCLR, CLIP and supervised learning those that bear their names, all others StableRep's."""
    study.store = NotingStore(tmp_path / "plan")
    p, captions = resolve("compare", OWN | {"generator": "emoji"}), study.captions(64)
    for which in TRAINED:
        study.pretrained(which, captions, p, 0)
        asked = study.store.noted[-1]
        prefix = f"{which.method}_" if which.method in ("simclr", "clip", "supervised") else ""
        assert asked.step == "pretraining" and asked.parameters["learning_rate"] == OWN[f"{prefix}learning_rate"]
        if which.images == "synthetic":
            made = study.store.noted[-2]
            assert made.step == "synthesis" and made.parameters["guidance_scale"] == OWN[f"{prefix}guidance_scale"]
            assert asked.inputs["images"].startswith(study.synthetic_images(
                captions, p, OWN[f"{prefix}guidance_scale"], images_per_caption=which.stored or p.images_per_caption, seed=0
            ).name)  # fmt: skip
    assert own(p, arm("StableRep+ synthetic"), "guidance_scale") == 2.5


@pytest.mark.parametrize("which", TRAINED, ids=lambda a: a.name)
def test_colours_change_less_for_methods_that_read_captions_alone(study, which):
    def view(strength: float):
        return study.recipe(which, resolve("compare", {"caption_colour": strength}), 0, 1280).view

    full, half, none = view(1.0), view(0.5), view(0.0)
    assert full.jitter > 0 and full.grey > 0
    if METHODS[which.method].traits.reads_captions:
        assert (half.jitter, half.grey) == (full.jitter / 2, full.grey / 2) and none.jitter == none.grey == 0
        assert replace(half, jitter=full.jitter, grey=full.grey) == full  # nothing else follows it
    else:
        assert full == half == none


fitting = st.tuples(
    st.sampled_from(["clip", "stablerep", "stablerep+", "simclr"]), st.integers(1, 12), st.integers(0, 8), st.integers(2, 10),
    st.integers(8, 4096), st.integers(1, 500),
)  # fmt: skip


@given(fitting)
def test_a_batch_holds_no_caption_twice_and_keeps_the_views(case):
    method, odd, doublings, positives, captions, steps = case
    views = 2 * odd * positives * 2**doublings
    p = resolve("scaling", {}).model_copy(update={"views_per_step": views, "positives": positives, "steps": steps})
    stub = Study(RunStore("unused"))
    stub.corpus = plain_corpus(1, designs=("ink", "chalk"))
    which = next(a for a in ARMS if a.method == method)
    fitted = stub.recipe(which, p, 0, captions)
    per_caption = positives if method.startswith("stablerep") else 2 if method == "simclr" else 1
    assert fitted.views_per_step * fitted.steps == views * steps
    assert (
        fitted.views_per_step % (2 * (positives if METHODS[method].traits.several else 1)) == 0
    )  # whole captions, pairs of views
    assert fitted.captions_per_step == fitted.views_per_step // per_caption
    fits = fitted.captions_per_step <= captions
    assert fits or fitted.views_per_step % (4 * per_caption)  # halved as often as it can be
    if views // per_caption <= captions:
        assert (fitted.views_per_step, fitted.steps) == (views, steps)  # a batch that fits is left alone


def test_batches_of_few_captions_can_be_drawn(study):
    """A hundred captions do not fill 256 views of CLIP: such a batch would be refused by the batches themselves."""
    p, captions = resolve("compare", {"views_per_step": 256}), study.captions(100)
    images = study.real_images(captions).load()
    recipe = study.recipe(arm("CLIP real"), p, 0, len(captions))
    assert (recipe.views_per_step, recipe.steps) == (p.views_per_step // 4, 4 * p.steps)
    drawn = CaptionBatches(images, captions=recipe.captions_per_step, images_per_caption=1, seed=0)
    ids = images.caption_ids[drawn[0]]
    assert len(ids) == 64 == len(ids.unique())
    with pytest.raises(ValueError, match="takes 256 captions, the set has 100"):
        CaptionBatches(images, captions=p.views_per_step, images_per_caption=1, seed=0)


def test_methods_of_images_alone_take_every_image_for_itself_where_captions_repeat(photographs, study):
    """So that they see all of them, and a batch need not shrink to the number of captions."""
    p = resolve("compare", {"positives": 4, "views_per_step": 64})
    assert photographs.repeats_captions and not study.repeats_captions
    assert photographs.recipe(arm("SimCLR real"), p, 0, 12).views_per_step == 64
    assert photographs.recipe(arm("CLIP real"), p, 0, 12).views_per_step == 8
    photographs.store = NotingStore(photographs.store.root)
    captions, names = photographs.captions(), {}
    for which in ("SimCLR real", "CLIP real"):
        names[which] = photographs.arm_images(arm(which), captions, p, 0).name
        photographs.pretrained(arm(which), captions, p, 0)
    asked = [one.inputs["images"] for one in photographs.store.noted]
    assert asked == [f"{names['SimCLR real']}-alone", names["CLIP real"]]


def test_names_of_one_thing_never_share_a_batch_where_a_concept_has_one(study, photographs, tmp_path):
    """The key says so, and a batch shrinks to the number of concepts."""
    captions, asked = study.captions(100), {}
    concepts = len({study.clusters[one] for one in captions.texts})
    assert concepts < 64
    for one, some in ((study, captions), (photographs, photographs.captions())):
        one.store = NotingStore(tmp_path / "plan")
        for chosen in (True, False):
            p = resolve("compare", {"views_per_step": 64, "one_per_concept": chosen})
            one.pretrained(arm("CLIP real"), some, p, 0)
            asked[one, chosen] = one.store.noted[-1]
    plain, apart = asked[study, False], asked[study, True]
    assert apart.inputs["images"] == f"{plain.inputs['images']}-grouped"
    assert (plain.parameters["views_per_step"], apart.parameters["views_per_step"]) == (64, 32)
    assert apart.parameters["steps"] == 2 * plain.parameters["steps"]
    assert asked[photographs, False] == asked[photographs, True]  # whose captions name no things in designs
    few = study.pretrained(
        arm("CLIP real"), captions, resolve("compare", {"views_per_step": 64, "one_per_concept": True}), 0, first=30
    )
    name = study.store.noted[-1].inputs["images"]
    assert name.endswith("-of30-grouped") and few.key != apart
    groups = study.real_images(captions).grouped(lambda: study.clusters).load().groups
    assert len(groups) == 100 and len(groups.unique()) == concepts


# Captions


def test_captions_are_the_training_captions_in_a_fixed_random_order(study, emoji):
    captions = study.captions().texts
    assert set(captions) == set(emoji.to_learn_from().table["caption"])
    assert set(captions) < set(emoji.split("train").table["caption"])  # of which some are held out
    assert len(set(captions)) == len(captions) == len(study.captions())
    assert captions != sorted(captions)
    assert captions == study.captions(0).texts == Study(RunStore("unused")).captions().texts


def test_captions_come_concept_by_concept(study):
    """So that fewer captions are those of fewer concepts, and the next concept does not follow from its name."""
    concepts = [study.clusters[caption] for caption in study.captions().texts]
    firsts = list(dict.fromkeys(concepts))
    assert concepts == [one for one in firsts for _ in range(concepts.count(one))]
    assert firsts != sorted(firsts) and len(firsts) < len(concepts)


def test_photographs_come_in_an_order_of_their_captions_alone(photographs):
    captions = photographs.captions().texts
    assert sorted(captions) == sorted(set(photographs.corpus.split("train").table["caption"])) != captions


def test_smaller_sets_are_nested(study):
    captions = study.captions().texts
    for count in (1, 16, 96, 1024):
        assert study.captions(count).texts == captions[:count]


def test_more_captions_than_there_are(study, photographs):
    with pytest.raises(InputError, match="captions is 100000; the training part has"):
        study.captions(100_000)
    photographs.source = "~/birds"
    assert photographs.captions(100).texts == photographs.captions().texts  # presets are written for the emoji
    assert photographs.captions(100).name == photographs.captions().name


# Images


def test_real_images_are_one_per_caption_or_every_design(study, emoji):
    captions = study.captions(12)
    first, second = study.real_images(captions), study.real_images(captions, several=True)
    one, every = first.load(), second.load()
    assert sorted(one.captions) == sorted(every.captions) == sorted(captions.texts)
    assert len(one.images) == 12
    learned = emoji.to_learn_from().table
    assert len(every.images) == learned["caption"].isin(captions.texts).sum() > 12
    assert "twemoji" not in set(learned["design"])  # the held-out design, in which these captions are drawn too
    assert one.images.shape[1:] == (3, SIZE, SIZE)
    assert one.fingerprint != every.fingerprint and first.name != second.name


def test_images_of_captions_are_those_to_learn_from(study, emoji):
    captions = study.captions(12)
    learned = emoji.to_learn_from().table
    found = study.images_of(captions)
    assert found.index.tolist() == captions.texts
    assert found.tolist() == [(learned["caption"] == one).sum() for one in captions.texts]
    assert study.most_images() == learned.groupby("caption").size().max() > found.min()


def test_a_batch_is_filled_by_as_many_captions_as_it_takes_when_it_is_halved(tmp_path):
    """Two, where the number of views can be halved so often; and concepts where a batch holds one caption of each."""
    study = Study(RunStore(tmp_path))
    study.corpus = plain_corpus(12)
    which, captions = arm("StableRep synthetic"), study.captions()

    def filled(count: int, **given) -> bool:
        p = resolve("compare", {"positives": 4} | given)
        return study.fills_a_batch(which, captions.first(count), p)

    assert [filled(count) for count in (1, 2, 12)] == [False, True, True]
    assert [filled(count, views_per_step=24) for count in (5, 6)] == [
        False,
        True,
    ]  # 12 views would be of three captions
    study.corpus = replace(plain_corpus(12, designs=("ink", "chalk")), cluster="kind")  # three kinds
    vars(study).pop("clusters", None)
    assert [filled(12, views_per_step=views, one_per_concept=True) for views in (16, 24)] == [True, False]


def test_names_of_real_images_are_known_before_a_pixel_is_read(tmp_path):
    read = []
    study = Study(RunStore(tmp_path))
    study.corpus = plain_corpus(12, 4, read=lambda: read.append(1))
    captions = study.captions(6)
    sets = [
        study.real_images(captions),
        study.real_images(captions, at_most=2),
        study.real_images(captions, several=True),
    ]
    sets += [study.real_images(study.captions(5)), study.corpus_images(study.corpus.split("test"), "judge")]
    study.size = 16
    sets.append(study.real_images(captions))
    assert len({one.name for one in sets}) == len(sets) and read == []
    assert [len(one.load().images) for one in sets] == [6, 12, 24, 5, 48, 6] and len(read) == len(sets)


HOW = SimpleNamespace(generator="stub", sampling_steps=4, sampler="dpm++", guidance_interval=[])


def synthetic(study, captions, w=2.0, *, images_per_caption=3, seed=0, **how):
    p = SimpleNamespace(**vars(HOW) | how)
    return study.synthetic_images(captions, p, w, images_per_caption=images_per_caption, seed=seed)


def test_synthetic_set_is_made_once_and_named_by_what_determines_it(study, stub):
    captions = study.captions(4)

    def name(captions=captions, study=study, **other):
        return synthetic(study, captions, **other).name

    run = study.store.find(name())
    assert stub.made == 12 and {"captions": 4, "images": 12, "flagged": 0}.items() <= run.info["summary"].items()
    assert name() == run.key and stub.made == 12
    keys = {name(images_per_caption=2), name(seed=1)}
    keys |= {name(w=3.0), name(sampling_steps=5), name(sampler="ddim")}
    keys |= {name(some) for some in (Named(captions.texts[::-1]), study.captions(3))}
    stub.fingerprint = "other"
    keys.add(name(study=Study(study.store)))
    assert len(keys | {run.key}) == 2 + 3 + 2 + 1 + 1


def test_an_interval_of_guidance_is_part_of_what_determines_a_set(tmp_path, study):
    """With the number of steps that it guides, which the generator's noise schedule says; without one there is no trace of it."""
    study.store = NotingStore(tmp_path / "plan")
    captions = study.captions(4)
    found = [
        synthetic(study, captions, w, generator="emoji", guidance_interval=interval).name
        for w, interval in ((2, []), (2, [0.3, 5.0]), (2, [1.0, 5.0]), (1, [0.3, 5.0]), (1, []))
    ]
    assert len(set(found)) == 4 and found[3] == found[4]
    plain, wide, narrow, *_ = (one.parameters for one in study.store.noted)
    assert not {"guidance_interval", "guided_steps"} & set(plain)
    assert wide["guidance_interval"] == [0.3, 5.0]
    assert 0 < narrow["guided_steps"] < wide["guided_steps"] < plain["steps"]


def test_synthetic_images_come_from_the_run(study, stub):
    captions = study.captions(4)
    made = synthetic(study, captions)
    images = made.load()
    assert list(images.captions) == captions.texts and len(images.images) == 12
    assert study.store.find(made.name).info["step"] == "synthesis"
    assert synthetic(study, captions).load() is images  # kept in memory
    image_sets._SETS.clear()
    fresh = synthetic(Study(study.store), captions).load()
    assert fresh is not images and torch.equal(fresh.images, images.images) and fresh.fingerprint == images.fingerprint
    assert stub.made == 12


def test_each_arm_gets_its_images(study, stub):
    captions = study.captions(4)
    p = resolve("compare", {"generator": "stub", "images_per_caption": 3})
    sizes = {a.name: len(study.arm_images(a, captions, p, 0).load().images) for a in ARMS}
    assert sizes["SimCLR real"] == sizes["CLIP real"] == sizes["SimCLR synthetic"] == sizes["CLIP synthetic"] == 4
    assert sizes["SimCLR reconstructed"] == 4 and len(stub.reconstructed) == 1
    assert sizes["StableRep synthetic"] == sizes["StableRep+ synthetic"] == sizes["SimCLR all synthetic"] == 12
    assert sizes["CLIP all synthetic"] == sizes["StableRep synthetic redrawn"] == 12
    designs = {n for name, n in sizes.items() if name.endswith("real designs")}
    assert len(designs) == 1 and designs.pop() > 4  # the same for every method
    assert p.guidance_scale == p.clip_guidance_scale != p.simclr_guidance_scale
    assert stub.made == 2 * (
        12 + 4
    )  # at each guidance scale, a set with all images and one with one image of a caption
    first, all_images, other, other_all = (
        study.arm_images(arm(n), captions, p, 0).load()
        for n in ("CLIP synthetic", "StableRep synthetic", "SimCLR synthetic", "SimCLR all synthetic")
    )
    assert torch.equal(first.images, all_images.images[::3]) and not torch.equal(first.images, other.images)
    assert torch.equal(other.images, other_all.images[::3])  # the same images, whatever set they are made in


def test_reconstructed_images_go_through_the_autoencoder_and_then_the_camera(tmp_path, emoji, study, stub):
    p = resolve("compare", {"generator": "stub", "camera": 1.0})
    seeing = Study(RunStore(tmp_path / "runs"), p)
    seeing.corpus = emoji
    captions = seeing.captions(4)
    images = seeing.arm_images(arm("SimCLR reconstructed"), captions, p, 0)
    drawings = study.real_images(captions).load()  # without a camera
    (given,) = stub.reconstructed
    assert torch.equal(given, drawings.images)
    run = seeing.store.find(images.name.removesuffix(f"-{seeing.camera.fingerprint}"))
    assert run.info["step"] == "reconstructed" and images.name != run.key
    negatives = replace(drawings, images=255 - drawings.images)
    loaded, scenes = images.load(), negatives.through(seeing.camera)
    assert list(loaded.captions) == list(drawings.captions) and torch.equal(loaded.caption_ids, drawings.caption_ids)
    assert torch.equal(loaded.images, scenes.images) and not torch.equal(loaded.images, negatives.images)
    assert seeing.arm_images(arm("SimCLR reconstructed"), captions, p, 1).name == images.name  # nothing of it is random
    # the arm that they are held against sees its drawings in the same scenes: the pair differs by the autoencoder alone
    assert torch.equal(
        seeing.arm_images(arm("SimCLR real"), captions, p, 0).load().images, drawings.through(seeing.camera).images
    )
    assert len(stub.reconstructed) == 1 and stub.made == 0


def test_what_is_chosen_by_sees_nothing_that_is_held_out(study, emoji):
    designs = emoji.table["design"].unique().tolist()
    for part in ("validation", "test"):
        asked, all_of_it = study.asked_part(designs, part).table, study.probed_part(designs).split(part).table
        assert set(asked["split"]) == {part} and all_of_it["held_out"].any()
        kept = all_of_it if part == "test" else all_of_it[~all_of_it["held_out"]]
        assert asked["id"].tolist() == kept["id"].tolist()


def test_every_arm_and_every_probe_sees_scenes(tmp_path, emoji, study, stub):
    """Their names say by which camera; the same images without one have other names and other pixels."""
    p = resolve("compare", {"generator": "stub", "images_per_caption": 2, "camera": 0.5})
    seeing = Study(study.store, p)
    seeing.corpus = emoji
    captions = study.captions(3)
    for which in TRAINED:
        plain, scenes = (one.arm_images(which, captions, p, 0) for one in (study, seeing))
        assert seeing.camera.fingerprint in scenes.name and seeing.camera.fingerprint not in plain.name
        drawings, seen = plain.load(), scenes.load()
        assert drawings.images.shape == seen.images.shape and drawings.fingerprint != seen.fingerprint
        assert (drawings.images != seen.images).flatten(1).any(1).all()
    assert stub.made == 2 * (6 + 3)  # the camera makes no images of its own
    designs = ["noto", "twemoji"]
    assert seeing.probed_part(designs).fingerprint != study.probed_part(designs).fingerprint
    assert seeing.seen_fingerprint != study.seen_fingerprint == emoji.fingerprint


def test_photographs_stay_what_they_are(tmp_path):
    study = Study(RunStore(tmp_path), resolve("compare", {"camera": 1.0}))
    study.corpus = plain_corpus(12, 4)
    assert study.camera.still and study.scenes is study.corpus and study.seen_fingerprint == study.corpus.fingerprint


def test_where_captions_repeat_real_arms_have_as_many_images_of_each_as_synthetic_ones(photographs, stub):
    p = resolve("compare", {"generator": "stub", "images_per_caption": 3})
    captions = photographs.captions(4)
    sizes = {a.name: len(photographs.arm_images(a, captions, p, 0).load().images) for a in photographs.arms()}
    assert set(sizes.values()) == {12}


def test_all_seeds_learn_from_the_images_of_the_study_but_where_they_are_redrawn(study, stub):
    captions = study.captions(4)
    p = resolve("compare", {"generator": "stub", "seed": 5, "simclr_guidance_scale": 2})
    fixed = [study.arm_images(arm("SimCLR synthetic"), captions, p, seed).load().images for seed in (5, 6)]
    redrawn = [study.arm_images(arm("SimCLR synthetic redrawn"), captions, p, seed).load().images for seed in (5, 6)]
    assert torch.equal(*fixed) and torch.equal(fixed[0], redrawn[0]) and not torch.equal(*redrawn)
    other = study.arm_images(arm("SimCLR synthetic"), captions, p.model_copy(update={"seed": 6}), 6).load().images
    assert torch.equal(other, redrawn[1])


def test_first_captions_take_their_images_from_the_whole_set(monkeypatch, study, stub):
    """A point of the scaling curve makes no images of its own, and the last point is the comparison's own run."""
    captions, learnt = study.captions(6), []
    p = resolve("compare", {"preset": "smoke", "generator": "stub"})

    def pretraining(images, recipe, progress, *, label):
        learnt.append(images)
        return SimpleNamespace(key=images.name)

    monkeypatch.setattr(study, "pretraining", pretraining)
    runs = [study.pretrained(arm("StableRep synthetic"), captions, p, 0, first=first) for first in (0, 2, 6)]
    assert runs[0].key == runs[2].key != runs[1].key
    whole, part = (images.load() for images in learnt[:2])
    assert sorted(part.captions) == sorted(captions.texts[:2])
    for number, caption in enumerate(part.captions):
        same = whole.images[whole.caption_ids == list(whole.captions).index(caption)]
        assert torch.equal(part.images[part.caption_ids == number], same)
    assert stub.made == 6 * p.images_per_caption


# Evaluation


def test_an_evaluation_has_items_with_what_they_cost(tmp_path):
    pd.DataFrame({"seconds": [1.0, 2.0]}).to_parquet(tmp_path / "log.parquet")
    pd.DataFrame({"probe": ["x"], "correct": [True]}).to_parquet(tmp_path / "results.parquet")

    def run(**summary):
        return SimpleNamespace(
            info={"summary": summary}, table=lambda name="results": pd.read_parquet(tmp_path / f"{name}.parquet")
        )

    one = experiments.Evaluated("StableRep synthetic", 3, run(views=128, weights=7), run(), 6)
    untrained = experiments.Evaluated("Random initialization", 3, None, run())
    columns = ["arm", "seed", "captions", "views", "weights", "seconds", "probe"]
    assert items_of([one, untrained])[columns].values.tolist() == [
        ["StableRep synthetic", 3, 6, 128, 7, 2.0, "x"], ["Random initialization", 3, 0, 0, 0, 0.0, "x"],
    ]  # fmt: skip


def test_a_pause_in_a_run_is_no_cost(tmp_path):
    assert cost_of(None) == {"views": 0, "weights": 0, "seconds": 0}
    pd.DataFrame({"seconds": [2.0, 3.0, 4.0, 1004.0, 1005.0]}).to_parquet(tmp_path / "log.parquet")
    run = SimpleNamespace(
        info={"summary": {"views": 8, "weights": 3, "seconds": 1005.0}},
        table=lambda name: pd.read_parquet(tmp_path / f"{name}.parquet"),
    )
    assert cost_of(run) == {"views": 8, "weights": 3, "seconds": 5.0}


def test_evaluation_of_a_study_is_a_run(monkeypatch, study):
    """Random initialization is a row like any other, and is computed once."""
    p = resolve("compare", {"preset": "smoke"})
    asked = []

    def fake(backbone, corpus, size, *, part):
        asked.append((backbone, set(corpus.table["design"]), size, part))
        return pd.DataFrame({"probe": ["linear group"], "id": ["a"], "cluster": ["a"], "correct": [True]})

    monkeypatch.setattr("stablerep.probes.suite.evaluate", fake)
    monkeypatch.setattr(
        "stablerep.training.random_backbone", lambda encoder, seed: SimpleNamespace(seed=seed, name=encoder.name)
    )
    captions = study.captions(4)
    found = study.evaluated(arm("Random initialization"), captions, p, 5)
    assert found.items()[["arm", "seed", "views"]].values.tolist() == [["Random initialization", 5, 0]]
    assert study.evaluated(arm("Random initialization"), captions, p, 5).evaluation == found.evaluation
    study.evaluated(arm("Random initialization"), captions, p, 6)
    assert [(b.seed, b.name, size) for b, _, size, _ in asked] == [(5, p.encoder, SIZE), (6, p.encoder, SIZE)]
    assert all(designs == set(p.probe_designs) and part == "test" for _, designs, _, part in asked)
    assert found.evaluation.info["summary"] == {"linear group": 1.0}
    validation = p.model_copy(update={"probe_part": "validation"})
    other = study.evaluated(arm("Random initialization"), captions, validation, 5)
    assert other.evaluation.key != found.evaluation.key and asked[-1][-1] == "validation"


def test_a_floor_is_evaluated_once_whatever_the_seed(monkeypatch, study):
    p, captions, asked = resolve("compare", {"preset": "smoke"}), study.captions(4), []

    def fake(backbone, corpus, size, *, part):
        asked.append(type(backbone).__name__)
        return pd.DataFrame({"probe": ["linear group"], "id": ["a"], "cluster": ["a"], "correct": [True]})

    monkeypatch.setattr("stablerep.probes.suite.evaluate", fake)
    found = {
        name: [study.evaluated(arm(name), captions, p, seed) for seed in (0, 1, 2)]
        for name in ("Raw pixels", "Oriented gradients")
    }
    assert asked == ["RawPixels", "OrientedGradients"]
    keys = {name: {one.evaluation.key for one in seeds} for name, seeds in found.items()}
    assert all(len(some) == 1 for some in keys.values()) and keys["Raw pixels"] != keys["Oriented gradients"]
    assert [one.items()["seed"].item() for one in found["Raw pixels"]] == [0, 1, 2]  # but a row of every seed
    other = study.evaluated(arm("Raw pixels"), captions, p.model_copy(update={"encoder": "resnet18"}), 0)
    assert other.evaluation.key in keys["Raw pixels"]


def test_designs_name_an_evaluation_only_where_there_are_any(tmp_path, study, photographs):
    p = resolve("compare", {"preset": "smoke"})
    keys = {}
    for one in (study, photographs):
        one.store = NotingStore(tmp_path / "plan")
        keys[one] = [
            one.probed(None, one.encoder_recipe(p), 0, p.model_copy(update={"probe_designs": designs})).key
            for designs in (["noto", "twemoji"], ["noto", "emojione"])
        ]
    assert keys[study][0] != keys[study][1] and keys[photographs][0] == keys[photographs][1]
    other = p.model_copy(update={"probe_designs": ["twemoji", "noto"]})
    assert study.probed(None, study.encoder_recipe(p), 0, other).key == keys[study][0]  # their order means nothing


def test_untrained_networks_of_other_shapes_have_other_names(tmp_path):
    from stablerep.encoders import EncoderRecipe

    shapes = [dict(), dict(patch_size=8), dict(depth=8), dict(patch_size=8, depth=8)]
    study = Study(RunStore(tmp_path))
    assert len({study.encoder_key(None, EncoderRecipe(name="test_vit", **shape), 0) for shape in shapes}) == len(shapes)


def test_a_run_that_is_no_pre_training_is_told(study, tmp_path):
    with pytest.raises(InputError, match=r"there is no complete pre-training 'pretraining-0'; `stablerep runs list`"):
        study.pretrained_run("pretraining-0")


def test_a_corpus_without_a_test_part_is_asked_about_its_validation_part(photographs):
    whole = photographs.corpus
    photographs.corpus = whole.where(whole.table["split"] != "test")
    asked = photographs.asked_part([], "test").table
    assert len(asked) and set(asked["split"]) == {"validation"}
    assert asked["id"].tolist() == photographs.asked_part([], "validation").table["id"].tolist()
