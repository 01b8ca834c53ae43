"""Generators that are runs: their names, their training and its resumption, and the images that an encoder picks."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest
import torch

from stablerep.captioned_images import CaptionedImages
from stablerep.errors import InputError
from stablerep.generator import Sampling, denoiser_training, load_generator
from stablerep.generator.schedulers import schedule_of
from stablerep.study.chapters import resolve
from stablerep.study.experiments import generators
from stablerep.study.experiments.arms import arm
from stablerep.study.experiments.images import ImageSet
from stablerep.study.experiments.sources import RUN
from stablerep.study.experiments.study import Study
from stablerep.study.plans.planning import PlanningStudy
from stablerep.study.store.runs import Run, RunStore
from tests.study.stand_ins import NotingStore, plain_corpus

KEY = "generator-0123456789abcdef"
HOW = dict(steps=2, learning_rate=1e-3, seed=3)


@pytest.fixture
def study(tmp_path):
    made = Study(RunStore(tmp_path / "runs"))
    made.corpus = plain_corpus(6, designs=("ink", "chalk"))
    return made


def test_a_run_stands_for_a_generator_before_it_is_made(study, tmp_path):
    name = f"{RUN}{KEY}"
    assert study.generator_fingerprint(name) == KEY
    assert study.generator_place(name) == str(tmp_path / "runs" / KEY / "pipeline")
    assert study.generator_place("emoji") == "emoji"
    assert study.precision(name) == study.precision("emoji") == "float32"
    assert study.noise_schedule(name) == schedule_of("emoji") == study.noise_schedule("emoji")
    assert PlanningStudy(NotingStore(tmp_path / "plan")).generator_fingerprint(name) == KEY


def test_images_of_a_run_are_named_by_its_key(tmp_path):
    planned = Study(NotingStore(tmp_path / "plan"))
    planned.corpus = plain_corpus(6)
    p = resolve("compare", {"preset": "smoke", "captions": 0, "guidance_interval": [0.5, 3.0]})
    p = p.model_copy(update={"generator": f"{RUN}{KEY}"})
    planned.synthetic_images(planned.captions(), p, 2.0, images_per_caption=2, seed=0)
    (noted,) = planned.store.noted
    assert noted.inputs["generator"] == KEY and noted.parameters["guided_steps"] >= 1


@pytest.mark.slow
def test_a_generator_is_trained_further_and_goes_on_after_a_cut(study, tiny_pipeline, monkeypatch):
    images = study.real_drawings(study.captions(), several=True)
    keep = denoiser_training.save_checkpoint

    def cut(path, state):
        keep(path, state)
        raise KeyboardInterrupt

    monkeypatch.setattr(denoiser_training, "save_checkpoint", cut)
    with pytest.raises(KeyboardInterrupt):
        study.trained_further(str(tiny_pipeline), images, **HOW)
    monkeypatch.setattr(denoiser_training, "save_checkpoint", keep)
    (left,) = (study.store.root / ".partial").iterdir()
    assert (left / "denoiser" / "checkpoint.pt").exists() and not (left / "pipeline").exists()
    name = study.trained_further(str(tiny_pipeline), images, **HOW)
    run = study.store.find(name.removeprefix(RUN))
    assert left.name == run.key and run.info["summary"] == {"images": 12, "captions": 6}
    assert {file.split("/")[0] for file in run.info["files"]} == {"pipeline"}
    about = json.loads((run.folder / "pipeline" / "training" / "training.json").read_text())
    assert (about["images"], about["captions"]) == (12, 6)
    assert round(about["denoiser_recipe"]["epochs"] * 12 / 64) == 2 and about["denoiser_recipe"]["seed"] == 3
    start, made = load_generator(str(tiny_pipeline), device="cpu"), study.generator(name)
    weights = made.pipeline.unet.state_dict()
    assert any(not torch.equal(weights[one].cpu(), value) for one, value in start.pipeline.unet.state_dict().items())
    drawn, _ = made.sample(["train caption 0"], [(0, "train caption 0", 0)], Sampling(steps=2))
    assert drawn.shape == (1, 3, 32, 32)


def test_start_images_and_recipe_name_the_run(tmp_path, tiny_pipeline):
    study = Study(NotingStore(tmp_path / "plan"))
    images, start = ImageSet("drawings", lambda: None), str(tiny_pipeline)
    name = study.trained_further(start, images, **HOW)
    assert name == study.trained_further(start, images, **HOW)
    others = {
        study.trained_further(start, ImageSet("others", lambda: None), **HOW),
        study.trained_further(start, replace(images, code=("stablerep.variants",)), **HOW),
        study.trained_further(name, images, **HOW),
        *(study.trained_further(start, images, **HOW | {key: 5 * value}) for key, value in HOW.items()),
    }
    assert len(others | {name}) == 7
    assert [one.inputs["start"] for one in study.store.noted].count(name.removeprefix(RUN)) == 1


def test_a_generator_that_cannot_be_trained_further_is_refused(study, tiny_pipeline, tmp_path):
    study.need_trainable("emoji")
    study.need_trainable(str(tiny_pipeline))
    other = {"_class_name": "StableDiffusionPipeline", "vae": ["diffusers", "AutoencoderKL"]}
    (tmp_path / "model_index.json").write_text(json.dumps(other))
    for name in (str(tmp_path), "owner/name"):
        with pytest.raises(InputError, match="to be trained further it must be emoji or a pipeline/"):
            study.need_trainable(name)


def test_an_encoder_picks_the_images_closest_to_their_captions(study, monkeypatch):
    """The scores are those of scenes; what is kept are drawings, and the encoder and the camera name them."""
    data = CaptionedImages(
        torch.arange(6, dtype=torch.uint8).view(6, 1, 1, 1).expand(6, 3, 32, 32).clone(), torch.tensor([0, 0, 0, 1, 1, 1]), ["a", "b"], "drawn"
    )  # fmt: skip
    asked = []

    def fits(seen, encoder, camera):
        asked.append((encoder, camera))
        return torch.tensor([0.1, 0.9, 0.5, 0.3, 0.2, 0.1])

    monkeypatch.setattr(generators, "closeness", fits)
    run = Run("pretraining-0123456789abcdef", study.store.root, {})
    picked = study.closest_to_captions(ImageSet("drawn", lambda: data), run, 2)
    kept = picked.load()
    assert kept.images[:, 0, 0, 0].tolist() == [1, 2, 3, 4] and kept.caption_ids.tolist() == [0, 0, 1, 1]
    assert asked == [(study.store.root, study.camera)]
    assert run.key in picked.name and picked.name.startswith("drawn-best2") and len(picked.code) == 5


@pytest.mark.slow
def test_closeness_is_a_cosine_of_image_and_caption(tmp_path, emoji):
    study = Study(RunStore(tmp_path / "runs"))
    study.corpus = emoji
    p = resolve("compare", {"preset": "smoke", "captions": 32})
    captions = study.captions(32)
    run = study.pretrained(arm("CLIP real"), captions, p, 0)
    data = study.real_drawings(captions, several=True).load()
    found = generators.closeness(data, run.folder, study.camera)
    assert found.shape == (len(data.images),) and found.abs().max() <= 1.0001 and found.std() > 0
    other = replace(data, captions=[*data.captions[1:], data.captions[0]])
    assert not torch.allclose(generators.closeness(other, run.folder, study.camera), found)
