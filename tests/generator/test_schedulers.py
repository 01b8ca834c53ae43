"""The samplers: what a folder configures beside its noise schedule changes nothing, and the embedded generator draws as it always did."""

from __future__ import annotations

import inspect
import json
import shutil
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from stablerep.errors import InputError
from stablerep.generator import EMBEDDED, SAMPLERS, Generator, Sampling, load_generator
from stablerep.generator.schedulers import (
    NOISE_SCHEDULE,
    SETTINGS,
    guided_steps,
    new_scheduler,
    noise_levels,
    noise_schedule,
    schedule_of,
)

CAPTIONS = ["red heart", "grinning face", "pizza", "woman firefighter: dark skin tone"]
NAMES = [(0, caption, i) for i, caption in enumerate(CAPTIONS)]
# w = 2, 12 steps: a row of the four captions for dpm++, one for ddim; drawn with the schedulers of diffusers as the folder configures them
STORED = Path(__file__).with_name("embedded_images.png")
STORED_OF = "5235581da378de09"


@pytest.fixture(scope="module")
def embedded() -> Generator:
    return load_generator("emoji", device="cpu", precision="float32")


@pytest.mark.parametrize("sampler", SAMPLERS)
def test_embedded_images_are_the_stored_ones(embedded, sampler):
    if embedded.fingerprint != STORED_OF:
        pytest.skip("the embedded generator has been trained anew")
    images, _ = embedded.sample(CAPTIONS, NAMES, Sampling(sampler=sampler))
    row = np.asarray(Image.open(STORED))[32 * SAMPLERS.index(sampler) :][:32]
    stored = torch.from_numpy(row.reshape(32, 4, 32, 3).transpose(1, 3, 0, 2).copy())
    gap = (images.int() - stored.int()).abs()
    assert (gap == 0).float().mean() > 0.99 and gap.max() <= 2  # other processors round differently


@pytest.mark.parametrize("sampler", SAMPLERS)
def test_embedded_images_are_those_of_its_own_scheduler(embedded, sampler):
    """Bit for bit what the folder's scheduler draws, and for ddim what diffusers derives from it."""
    from diffusers import DDIMScheduler, DPMSolverMultistepScheduler

    images, _ = embedded.sample(CAPTIONS, NAMES, Sampling(3.0, 5, sampler))
    scheduler = DPMSolverMultistepScheduler.from_pretrained(EMBEDDED, subfolder="scheduler")
    if sampler == "ddim":
        scheduler = DDIMScheduler.from_config(scheduler.config, clip_sample=False)
    embedded.pipeline.scheduler = scheduler
    with torch.inference_mode():
        out = embedded.pipeline(
            prompt_embeds=embedded.embed(CAPTIONS), negative_prompt_embeds=embedded.embed([""]).expand(4, -1, -1),
            latents=embedded.noise(NAMES), guidance_scale=3.0, num_inference_steps=5, output_type="pt",
        )  # fmt: skip
    assert torch.equal(images, out.images.clamp(0, 1).mul(255).round().byte())


@pytest.fixture(scope="module")
def plain(generator) -> dict[str, torch.Tensor]:
    """Two images by each sampler of the folder as it is."""
    return {one: generator.sample(CAPTIONS[:2], NAMES[:2], Sampling(2, 4, one))[0] for one in SAMPLERS}


@pytest.mark.parametrize(
    "odd",
    [
        {"algorithm_type": "sde-dpmsolver++"},
        {"solver_order": 1, "solver_type": "heun", "lower_order_final": False, "final_sigmas_type": "sigma_min"},
        {"use_karras_sigmas": True, "euler_at_final": True},
        {"timestep_spacing": "trailing", "steps_offset": 0},
        {"thresholding": True, "lambda_min_clipped": -5.1},
        {"_class_name": "DDIMScheduler", "clip_sample": True, "set_alpha_to_one": False},
        {"_class_name": "EulerAncestralDiscreteScheduler"},
    ],
)
def test_a_folder_configures_nothing_but_its_noise_schedule(tiny_pipeline, tmp_path, plain, odd):
    folder = Path(shutil.copytree(tiny_pipeline, tmp_path / "odd"))
    file, index = folder / "scheduler" / "scheduler_config.json", folder / "model_index.json"
    file.write_text(json.dumps(json.loads(file.read_text()) | odd))
    if kind := odd.get("_class_name"):
        index.write_text(json.dumps(json.loads(index.read_text()) | {"scheduler": ["diffusers", kind]}))
    opened = load_generator(str(folder), device="cpu")
    for sampler in SAMPLERS * 2:  # each a second time, when the other has been used
        assert torch.equal(opened.sample(CAPTIONS[:2], NAMES[:2], Sampling(2, 4, sampler))[0], plain[sampler]), sampler


def test_the_noise_schedule_is_followed(tiny_pipeline, tmp_path, generator):
    folder = Path(shutil.copytree(tiny_pipeline, tmp_path / "other"))
    file = folder / "scheduler" / "scheduler_config.json"
    file.write_text(json.dumps(json.loads(file.read_text()) | {"prediction_type": "epsilon"}))
    other, _ = load_generator(str(folder), device="cpu").sample(CAPTIONS, NAMES, Sampling(steps=3))
    assert not torch.equal(other, generator.sample(CAPTIONS, NAMES, Sampling(steps=3))[0])


@pytest.mark.parametrize("sampler", SAMPLERS)
def test_every_setting_of_a_scheduler_is_stated(generator, sampler):
    """A default that a later version of the library changes would change the images of a plan."""
    made = new_scheduler(sampler, generator.schedule)
    stated = {*NOISE_SCHEDULE, "rescale_betas_zero_snr", *SETTINGS[sampler]}
    assert set(inspect.signature(type(made).__init__).parameters) - {"self"} == stated


def test_both_samplers_start_and_end_at_the_ends_of_the_schedule(generator):
    for sampler in SAMPLERS:
        made = new_scheduler(sampler, generator.schedule)
        made.set_timesteps(12)
        assert made.timesteps[0] == 999 and made.timesteps[-1] < 999 / 11


def test_schedulers_of_another_kind_are_named():
    from diffusers import DDPMScheduler, EDMEulerScheduler

    with pytest.raises(
        InputError, match="the scheduler EDMEulerScheduler has no beta_schedule, beta_start, beta_end; dpm"
    ):
        noise_schedule(EDMEulerScheduler())
    with pytest.raises(
        InputError, match="beta_schedule is 'sigmoid'; valid ones are linear, scaled_linear, squaredcos"
    ):
        noise_schedule(DDPMScheduler(beta_schedule="sigmoid"))
    assert noise_schedule(DDPMScheduler(trained_betas=[0.1, 0.2]))["trained_betas"] == [0.1, 0.2]


# Noise levels


@pytest.mark.parametrize("sampler", SAMPLERS)
def test_noise_levels_are_those_of_the_betas(generator, sampler):
    """From the definition: alpha_bar is the product of 1 - beta, and Stable Diffusion's betas are squares of a straight line."""
    betas = np.linspace(0.00085**0.5, 0.012**0.5, 1000) ** 2
    signal = np.cumprod(1 - betas)
    made = new_scheduler(sampler, generator.schedule)
    made.set_timesteps(7)
    expected = np.sqrt((1 - signal) / signal)[made.timesteps.numpy()]
    np.testing.assert_allclose(noise_levels(sampler, 7, generator.schedule), expected, rtol=1e-3)
    assert expected[0] == pytest.approx(14.6, abs=0.1)


def test_the_upper_end_is_guided_and_the_lower_is_not(generator):
    levels = noise_levels("ddim", 5, generator.schedule)
    limited = Sampling(2, 5, "ddim", (levels[3], levels[1]))
    assert guided_steps(limited, generator.schedule) == [False, True, True, False, False]
    assert guided_steps(Sampling(2, 5), generator.schedule) == [True] * 5
    assert guided_steps(Sampling(1, 5), generator.schedule) == [False] * 5


def test_the_schedule_is_read_without_opening_the_generator(tiny_pipeline, tmp_path, generator):
    assert schedule_of(str(tiny_pipeline)) == generator.schedule
    hub = schedule_of("stable-diffusion-v1-5/stable-diffusion-v1-5")
    assert noise_levels("ddim", 50, hub) == noise_levels("ddim", 50, schedule_of("emoji"))  # of the same betas
    damaged = Path(shutil.copytree(tiny_pipeline, tmp_path / "damaged"))
    for content in ("{", '{"_class_name": "NoScheduler"}', "{}"):
        (damaged / "scheduler" / "scheduler_config.json").write_text(content)
        with pytest.raises(InputError, match="damaged has no scheduler that can be read: ") as error:
            schedule_of(str(damaged))
        assert "\n" not in str(error.value)
