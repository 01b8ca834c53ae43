"""Quality: which images each arm has, that all else is the same, the pictures, and the answer to C16 by hand."""

from __future__ import annotations

import io
from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest
import torch
from PIL import Image

from stablerep.errors import InputError
from stablerep.study.chapters import quality, resolve
from stablerep.study.experiments.arms import FLOOR_ARMS, arm
from stablerep.study.experiments.floors import DEGRADED_RULE
from stablerep.study.experiments.study import Study
from stablerep.study.notebooks.chapter import Chapter
from stablerep.study.store.runs import RunStore
from stablerep.variants import coarser
from tests.study.stand_ins import SIZE, AnsweringStudy, NotingStore, items, plain_corpus

PROBE = "one-shot concept"
REAL, DECODED, MADE = "StableRep real designs", "StableRep reconstructed designs", "StableRep synthetic"
STABLEREP = [REAL, DECODED, f"{REAL}, 16 pixels", f"{REAL}, 8 pixels", MADE, f"{MADE}, 6 steps", f"{MADE}, 3 steps"]
SIMCLR = ["SimCLR real", "SimCLR reconstructed", "SimCLR real, 16 pixels", "SimCLR real, 8 pixels", "SimCLR synthetic"]


def parameters(**given):
    """The reference's qualities at the smallest scale."""
    some = {
        "preset": "smoke",
        "captions": 0,
        "methods": ["stablerep", "simclr"],
        "resolutions": [8, 16],
        "sampling_steps": 12,
        "fewer_steps": [3, 6],
    }
    return resolve("quality", some | given)


def asked(tmp_path, corpus=None, **given):
    study = Study(NotingStore(tmp_path / "plan"), p := parameters(**given))
    study.corpus = corpus or AnsweringStudy().corpus
    return p, quality.ask(p, study), study


def test_only_the_images_differ(tmp_path):
    p, found, study = asked(tmp_path, seeds=2)
    assert [(one.arm, one.seed) for one in found.evaluated] == [
        *((name, seed) for seed in (0, 1) for name in (*STABLEREP, *SIMCLR)), *((name, seed) for seed in (0, 1) for name in FLOOR_ARMS)
    ]  # fmt: skip
    trained = [one for one in study.store.noted if one.step == "pretraining" and one.parameters["seed"] == 0]
    assert [one.parameters["method"] for one in trained] == ["stablerep"] * len(STABLEREP) + ["simclr"] * len(SIMCLR)
    assert len({one.inputs["images"] for one in trained}) == len(trained)
    coarse = {name for name, one in zip([*STABLEREP, *SIMCLR], trained) if one.parameters.pop("images_by", None)}
    assert coarse == {
        name for name in (*STABLEREP, *SIMCLR) if name.endswith("pixels")
    }  # runs depend on what made them
    for method in p.methods:
        same = [one.parameters for one in trained if one.parameters["method"] == method]
        assert all(one == same[0] for one in same)


def test_sets_differ_in_the_quality_alone(tmp_path):
    p, _, study = asked(tmp_path, methods=["stablerep"], images_per_caption=4)
    made = [one.parameters for one in study.store.noted if one.step == "synthesis"]
    assert [one.pop("steps") for one in made[:3]] == [12, 6, 3] and made[0] == made[1] == made[2]
    assert made[0]["guidance_scale"] == p.guidance_scale and made[0]["images_per_caption"] == 4
    (decoded,) = {one.parameters["images_per_caption"] for one in study.store.noted if one.step == "reconstructed"}
    assert decoded == len(study.about.designs)


def test_arms_that_the_comparison_has_are_its_runs(tmp_path):
    p, found, study = asked(tmp_path)
    shared = (REAL, MADE, "SimCLR real", "SimCLR reconstructed", "SimCLR synthetic")
    mine = {one.arm: one.evaluation.key for one in found.evaluated}
    theirs = {name: study.evaluated(arm(name), study.captions(0), p, 0).evaluation.key for name in shared}
    assert theirs == {name: mine[name] for name in shared}


def test_the_same_drawings_stand_at_the_same_places_in_every_quality(tmp_path, emoji, stub):
    """Image by image: what is reconstructed or coarse is what the real arm has, in the same scene."""
    p = parameters(generator="stub", captions=6)
    study = Study(RunStore(tmp_path / "runs"), p)
    study.corpus = emoji
    for method in p.methods:
        variants = quality.variants_of(method, study.captions(6), p, study)
        drawings = variants["real"].drawings.load()
        assert (len(drawings.images) > 6) == (method == "stablerep")
        changed = {
            "reconstructed": replace(drawings, images=255 - drawings.images),
            "16 pixels": coarser(drawings, 16),
            "8 pixels": coarser(drawings, 8),
        }
        for title, expected in changed.items():
            scenes = study.seen(variants[title].drawings).load()
            assert scenes.captions == drawings.captions and torch.equal(scenes.caption_ids, drawings.caption_ids)
            assert torch.equal(scenes.images, expected.through(study.camera).images)
            assert not torch.equal(scenes.images, expected.images)


def test_where_captions_repeat_stablerep_has_as_many_photographs_as_synthetic_images(tmp_path, stub):
    p, found, study = asked(
        tmp_path, plain_corpus(12, 4), generator="stub", images_per_caption=3, resolutions=[16], fewer_steps=[3]
    )
    arms = [one.arm for one in found.evaluated if one.seed == 0][:9]
    real = ["StableRep real", "StableRep reconstructed", "StableRep real, 16 pixels"]
    assert arms == [*real, MADE, f"{MADE}, 3 steps", *(name for name in SIMCLR if "8" not in name)]
    made = {one.parameters["images_per_caption"] for one in study.store.noted if one.step in ("synthesis", "reconstructed")}  # fmt: skip
    assert made == {3}
    sets = quality.variants_of("stablerep", study.captions(), p, study)
    assert len(sets["real"].drawings.load().images) == len(sets["16 pixels"].drawings.load().images) == 36


@pytest.mark.parametrize("preset", ["laptop", "smoke"])
def test_a_corpus_of_single_images_leaves_out_stablerep_on_real_ones_with_a_sentence(tmp_path, preset):
    """Its synthetic images are compared with those of fewer steps all the same."""
    study = Study(NotingStore(tmp_path / "plan"), p := resolve("quality", {"preset": preset, "captions": 0}))
    study.corpus = plain_corpus(64)
    found = quality.ask(p, study)
    steps = [MADE, f"{MADE}, 2 steps"]
    single = [name for name in SIMCLR if "8" not in name] if "simclr" in p.methods else []
    assert [one.arm for one in found.evaluated] == [*steps, *single, *FLOOR_ARMS]
    assert quality.left_out(p, study) == (
        "This corpus has one image of each caption; StableRep needs several, so its arms on real images are left out, without which C16 cannot "
        "be tested."
    )
    page = Chapter("quality", p)
    page.study.corpus = study.corpus
    assert quality.left_out(p, study) in page.notes()
    (answer,) = quality.verdict(computed(p, found, {f"{MADE}, 2 steps": 0.3}))
    assert answer.word == "not testable at this scale" and "not all were tried" in answer.why
    gaps = computed(p, found, {})["gaps"]
    assert {*gaps["method"]} == ({"SimCLR"} if single else set())
    p, _, study = asked(tmp_path, plain_corpus(12), methods=["simclr"])
    assert quality.left_out(p, study) == ""


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"resolutions": [16, 32]}, "resolutions has 32; it takes numbers below image_size, 32."),
        ({"resolutions": [40]}, "resolutions has 40; it takes numbers below image_size, 32."),
        ({"fewer_steps": [12]}, "fewer_steps has 12; it takes numbers below sampling_steps, 12."),
        ({"sampling_steps": 2, "fewer_steps": [3]}, "fewer_steps has 3; it takes numbers below sampling_steps, 2."),
    ],
)
def test_what_is_no_lower_quality_is_refused(given, message):
    with pytest.raises(InputError) as error:
        quality.ask(parameters(**given), AnsweringStudy())
    assert str(error.value) == message


def test_steps_that_no_sampler_takes_are_refused():
    with pytest.raises(InputError, match="fewer_steps"):
        parameters(fewer_steps=[1])


# Pictures


def pixels(png: bytes) -> np.ndarray:
    return np.asarray(Image.open(io.BytesIO(png)))


def drawn(tmp_path, emoji, camera: float) -> pd.DataFrame:
    p = parameters(generator="stub", captions=6, camera=camera, resolutions=[16], fewer_steps=[3])
    study = Study(RunStore(tmp_path / "runs"), p)
    study.corpus = emoji
    captions = study.captions(6)
    return quality.pictures(
        "stablerep", quality.variants_of("stablerep", captions, p, study), captions, p, study
    ).table()


def test_pictures_show_a_caption_in_every_quality_as_drawing_and_as_scene(tmp_path, emoji, stub):
    table = drawn(tmp_path, emoji, 1.0)
    assert list(dict.fromkeys(table["quality"])) == ["real", "reconstructed", "16 pixels", "12 steps", "3 steps"]
    assert not table.duplicated(["caption", "kind", "quality"]).any() and len(table) == 3 * 2 * 5
    one = table[table["caption"] == table["caption"].iloc[0]].set_index(["kind", "quality"])["png"].map(pixels)
    assert all(image.shape == (SIZE, SIZE, 3) for image in one)
    assert np.array_equal(one["drawing", "reconstructed"], 255 - one["drawing", "real"])
    assert not np.array_equal(one["drawing", "real"], one["scene", "real"])
    assert np.abs(one["drawing", "16 pixels"].astype(int) - one["drawing", "real"]).max() > 20


def test_without_a_camera_there_are_no_scenes(tmp_path, emoji, stub):
    assert set(drawn(tmp_path, emoji, 0.0)["kind"]) == {"image"}


# The answer


def tables_of(tmp_path, shares: dict[str, float], *, seeds: int = 3, floor: float = 0.0, **given) -> dict:
    """The chapter's tables where every arm that is asked for answers a share of the concepts rightly, half unless it is named."""
    p, found, _ = asked(tmp_path, **given)
    return computed(p, found, shares, seeds=seeds, floor=floor)


def computed(p, found, shares: dict[str, float], *, seeds: int = 3, floor: float = 0.0) -> dict:
    """The tables of what was asked for, as :func:`tables_of`."""
    every = {one.arm: 0.5 for one in found.evaluated} | dict.fromkeys(FLOOR_ARMS, floor) | shares
    answers = SimpleNamespace(items=lambda: items(every, seeds=seeds, probe=PROBE))
    table = SimpleNamespace(table=lambda: pd.DataFrame({"caption": ["a"]}))
    return quality.compute(p, replace(found, evaluated=[answers], pictures=table))


WORSE = (DECODED, f"{REAL}, 16 pixels", f"{MADE}, 3 steps")


@pytest.mark.parametrize(
    ("shares", "word"),
    [
        (dict.fromkeys(WORSE, 0.3), "reproduced"),
        (dict.fromkeys(WORSE, 0.9), "contradicted"),
        ({}, "equivalent"),
        ({WORSE[0]: 0.3, WORSE[1]: 0.3}, "partly"),
        ({WORSE[0]: 0.3, WORSE[1]: 0.3, WORSE[2]: 0.9}, "partly"),
        (dict.fromkeys(WORSE, 0.475), "undecided"),  # one concept of forty
        # the claim is of StableRep, half the resolution and the fewest steps: others say nothing
        (dict.fromkeys([f"{REAL}, 8 pixels", f"{MADE}, 6 steps", *SIMCLR[1:]], 0.3), "equivalent"),
    ],
)
def test_the_answer_follows_what_lower_quality_costs(tmp_path, shares, word):
    (answer,) = quality.verdict(tables_of(tmp_path, shares))
    assert (answer.claim, answer.word) == ("C16", word) and answer.why.startswith(f"{PROBE}: ")
    assert {one.what for one in answer.effects} == {
        f"{REAL} − {WORSE[0]}",
        f"{REAL} − {WORSE[1]}",
        f"{MADE} − {WORSE[2]}",
    }


@pytest.mark.parametrize(
    "given", [{"resolutions": [8]}, {"resolutions": []}, {"fewer_steps": []}, {"methods": ["simclr"]}]
)
def test_what_was_not_tried_is_not_testable(tmp_path, given):
    (answer,) = quality.verdict(tables_of(tmp_path, dict.fromkeys(WORSE, 0.3), **given))
    assert answer.word == "not testable at this scale" and "not all were tried" in answer.why


def test_two_seeds_and_better_images_at_the_floor_are_not_testable(tmp_path):
    for how in ({"seeds": 2}, {"floor": 0.5}):
        (answer,) = quality.verdict(tables_of(tmp_path, dict.fromkeys(WORSE, 0.3), **how))
        assert answer.word == "not testable at this scale"


def test_worse_images_may_lie_at_the_floor(tmp_path):
    """That they teach nothing more is what the claim says."""
    (answer,) = quality.verdict(tables_of(tmp_path, dict.fromkeys(WORSE, 0.3), floor=0.3))
    assert answer.word == "reproduced" and DEGRADED_RULE in answer.rule


def test_other_values_and_simclr_are_secondary(tmp_path):
    found = tables_of(tmp_path, {})["differences"]
    secondary = found[found["claim"] != "C16"]
    assert secondary[["claim", "first", "second"]].values.tolist() == [
        ["content", DECODED, MADE], ["content", SIMCLR[1], SIMCLR[4]],
        ["resolution", REAL, f"{REAL}, 8 pixels"], ["sampling steps", MADE, f"{MADE}, 6 steps"],
        ["autoencoder", SIMCLR[0], SIMCLR[1]], ["resolution", SIMCLR[0], SIMCLR[2]], ["resolution", SIMCLR[0], SIMCLR[3]],
    ]  # fmt: skip
    assert set(found["claim"].iloc[:3]) == {"C16"}


def test_quality_and_content_add_up_to_the_gap(tmp_path):
    shares = {
        REAL: 0.9,
        DECODED: 0.8,
        MADE: 0.5,
        "SimCLR real": 0.3,
        "SimCLR reconstructed": 0.3,
        "SimCLR synthetic": 0.4,
    }
    gaps = tables_of(tmp_path, shares)["gaps"]
    assert gaps["method"].tolist() == ["StableRep"] * 3 + ["SimCLR"] * 3
    assert gaps["difference"].tolist() == pytest.approx([0.4, 0.1, 0.3, -0.1, 0, -0.1])
    assert gaps["claim"].tolist() == [quality.GAP, quality.QUALITY, quality.CONTENT] * 2


def test_the_head_says_how_large_the_gap_is(tmp_path):
    (answer,) = quality.verdict(tables_of(tmp_path, {REAL: 0.9, DECODED: 0.8, MADE: 0.5}))
    assert [part.split(" lies ")[0] for part in answer.but.split(". ")][:1] == [f"The gap: {REAL}"]
    assert f"Quality: {REAL} lies 10.0 points" in answer.but and f"Content: {DECODED} lies 30.0 points" in answer.but
    assert quality.verdict(tables_of(tmp_path, {}, methods=["simclr"]))[0].but == ""
