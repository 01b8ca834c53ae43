"""Sampling a generator: the paper's w, noise by name, images that are flagged and images that are not finite."""

from __future__ import annotations

import functools
import math
import shutil
from types import SimpleNamespace

import pytest
import torch
from safetensors.torch import load_file, save_file

from stablerep.errors import FailedError, InputError
from stablerep.generator import SAMPLERS, Generator, Sampling, load_generator
from stablerep.generator.schedulers import new_scheduler, noise_levels

CAPTIONS = ["red heart", "dog face", "pizza"]
NAMES = [(0, caption, 0) for caption in CAPTIONS]


# Guidance


def record_steps(monkeypatch) -> list:
    """What the sampler is given at each step of the next call: (predicted, time, latents)."""
    from diffusers import DPMSolverMultistepScheduler

    taken, step = [], DPMSolverMultistepScheduler.step

    @functools.wraps(step)  # the pipeline looks at the signature
    def recorded(self, predicted, time, latents, *arguments, **options):
        taken.append((predicted.clone(), time, latents.clone()))
        return step(self, predicted, time, latents, *arguments, **options)

    monkeypatch.setattr(DPMSolverMultistepScheduler, "step", recorded)
    return taken


def predict(generator: Generator, latents, time, captions):
    with torch.inference_mode():
        return generator.pipeline.unet(latents, time, encoder_hidden_states=generator.embed(captions)).sample


@pytest.mark.parametrize("w", [1.5, 2.0, 8.0])
def test_guidance_scale_is_the_papers(monkeypatch, generator, w):
    """At every step the sampler gets w * eps(caption) + (1 - w) * eps(empty): diffusers' scale is the paper's w."""
    taken = record_steps(monkeypatch)
    generator.sample(CAPTIONS, NAMES, Sampling(guidance_scale=w, steps=2))
    assert len(taken) == 2
    for predicted, time, latents in taken:
        given = predict(generator, latents, time, CAPTIONS)
        empty = predict(generator, latents, time, [""] * 3)
        assert (given - empty).abs().max() > 1e-3  # else any w would pass
        torch.testing.assert_close(predicted, w * given + (1 - w) * empty, rtol=1e-4, atol=1e-4)


def test_scale_one_is_the_conditional_prediction(monkeypatch, generator):
    taken, widths = record_steps(monkeypatch), []
    hook = generator.pipeline.unet.register_forward_pre_hook(lambda module, inputs: widths.append(len(inputs[0])))
    generator.sample(CAPTIONS, NAMES, Sampling(guidance_scale=1, steps=2))
    hook.remove()
    assert widths == [3, 3]  # the empty caption is not even computed
    for predicted, time, latents in taken:
        torch.testing.assert_close(predicted, predict(generator, latents, time, CAPTIONS), rtol=1e-4, atol=1e-4)


# Guidance in an interval of noise levels


def batches_of(generator: Generator, sampling: Sampling) -> tuple[torch.Tensor, list[int]]:
    """The images of a call, and how many latents the U-Net was given at each step."""
    widths = []
    hook = generator.pipeline.unet.register_forward_pre_hook(lambda module, inputs: widths.append(len(inputs[0])))
    try:
        images, _ = generator.sample(CAPTIONS, NAMES, sampling)
    finally:
        hook.remove()
    return images, widths


@torch.inference_mode()
def slowly(generator: Generator, sampling: Sampling) -> torch.Tensor:
    """The images by a loop over the steps, from the definition of the interval alone."""
    pipeline, (low, high), w = generator.pipeline, sampling.guidance_interval, sampling.guidance_scale
    scheduler = new_scheduler(sampling.sampler, generator.schedule)
    scheduler.set_timesteps(sampling.steps)
    latents = generator.noise(NAMES)
    for time in scheduler.timesteps:
        signal = scheduler.alphas_cumprod[time].item()
        predicted = predict(generator, latents, time, CAPTIONS)
        if low < math.sqrt((1 - signal) / signal) <= high:
            predicted = w * predicted + (1 - w) * predict(generator, latents, time, [""] * 3)
        latents = scheduler.step(predicted, time, latents).prev_sample
    decoded = pipeline.vae.decode(latents / pipeline.vae.config.scaling_factor).sample
    return (decoded / 2 + 0.5).clamp(0, 1).mul(255).round().byte()


@pytest.mark.parametrize("sampler", SAMPLERS)
@pytest.mark.parametrize(("bounds", "passes"), [((3, 0), "222111"), ((4, 1), "122211"), ((None, 3), "111222")])
def test_guidance_in_an_interval_is_the_loop_written_out(generator, sampler, bounds, passes):
    """The lower end is outside, the upper one inside, and there is one pass where there is no guidance."""
    levels = noise_levels(sampler, 6, generator.schedule)
    low, high = (0.0 if place is None else levels[place] for place in bounds)
    sampling = Sampling(6.0, 6, sampler, (low, high))
    images, widths = batches_of(generator, sampling)
    assert widths == [3 * int(count) for count in passes]
    gap = (images.int() - slowly(generator, sampling).int()).abs()
    assert gap.max() <= 2 and gap.float().mean() < 0.02
    everywhere, nowhere = (generator.sample(CAPTIONS, NAMES, Sampling(w, 6, sampler))[0] for w in (6.0, 1.0))
    for other in (everywhere, nowhere):  # else any interval would pass
        assert (images.int() - other.int()).abs().float().mean() > 0.1


@pytest.mark.parametrize("sampler", SAMPLERS)
def test_an_interval_of_all_levels_or_none(generator, sampler):
    levels = noise_levels(sampler, 4, generator.schedule)
    assert levels == sorted(levels, reverse=True) and levels[-1] > 0
    whole, widths = batches_of(generator, Sampling(3.0, 4, sampler, (0, levels[0])))
    assert widths == [6] * 4
    assert torch.equal(whole, generator.sample(CAPTIONS, NAMES, Sampling(3.0, 4, sampler))[0])
    none, widths = batches_of(generator, Sampling(3.0, 4, sampler, (levels[0], 2 * levels[0])))
    assert widths == [3] * 4
    assert torch.equal(none, generator.sample(CAPTIONS, NAMES, Sampling(1.0, 4, sampler))[0])


def test_nothing_is_left_behind_by_a_call_that_fails(monkeypatch, generator):
    levels = noise_levels("dpm++", 4, generator.schedule)
    plain, limited = Sampling(3.0, 4), Sampling(3.0, 4, guidance_interval=(levels[2], levels[1]))
    before = [generator.sample(CAPTIONS, NAMES, sampling)[0] for sampling in (plain, limited)]
    calls = []

    def fail(module, inputs):
        calls.append(len(inputs[0]))
        if len(calls) == 3:
            raise RuntimeError("no memory")

    hook = generator.pipeline.unet.register_forward_pre_hook(fail)
    with pytest.raises(RuntimeError, match="no memory"):
        generator.sample(CAPTIONS, NAMES, limited)
    hook.remove()
    assert calls == [3, 6, 3]  # it failed when guidance had just been taken away
    for sampling, images in zip((plain, limited), before):
        assert torch.equal(generator.sample(CAPTIONS, NAMES, sampling)[0], images)


# Noise


def test_noise_depends_on_seed_caption_and_index_alone(monkeypatch, generator):
    alone = torch.cat([generator.noise([name]) for name in NAMES])
    assert torch.equal(generator.noise(NAMES), alone)
    assert torch.equal(generator.noise(NAMES[::-1]), alone.flip(0))
    others = [(0, "red heart", 0), (1, "red heart", 0), (0, "red hear", 0), (0, "red heart", 1), (0, "red heart", 10)]
    drawn = generator.noise(others).flatten(1)
    assert len({tuple(row.tolist()) for row in drawn}) == len(others)
    # an untouched global generator, and no influence from it
    torch.manual_seed(5)
    state = torch.get_rng_state()
    assert torch.equal(generator.noise(NAMES), alone)
    assert torch.equal(torch.get_rng_state(), state)


def test_sampling_starts_at_the_named_noise(monkeypatch, generator):
    taken = record_steps(monkeypatch)
    generator.sample(["owl"] * 3, NAMES, Sampling(steps=2, guidance_scale=3))
    torch.testing.assert_close(taken[0][2], generator.noise(NAMES))


def test_noise_is_standard_normal(generator):
    noise = generator.noise([(0, "red heart", i) for i in range(40)])
    assert noise.mean().abs() < 0.03  # 25,600 numbers: five standard errors
    assert (noise.std() - 1).abs() < 0.03


# Sampling


def test_same_call_same_bytes(generator):
    images, flagged = generator.sample(CAPTIONS, NAMES, Sampling(steps=3))
    again, _ = generator.sample(CAPTIONS, NAMES, Sampling(steps=3))
    assert images.dtype == torch.uint8 and images.shape == (3, 3, 32, 32)
    assert flagged == [False] * 3
    assert torch.equal(images, again)


def test_caption_noise_scale_and_steps_each_change_the_images(generator):
    images, _ = generator.sample(CAPTIONS, NAMES, Sampling(steps=3))
    changed = {
        "caption": generator.sample(["owl"] * 3, NAMES, Sampling(steps=3)),
        "index": generator.sample(CAPTIONS, [(0, c, 1) for c in CAPTIONS], Sampling(steps=3)),
        "seed": generator.sample(CAPTIONS, [(1, c, 0) for c in CAPTIONS], Sampling(steps=3)),
        "w": generator.sample(CAPTIONS, NAMES, Sampling(steps=3, guidance_scale=8)),
        "steps": generator.sample(CAPTIONS, NAMES, Sampling(steps=4)),
    }
    for what, (other, _) in changed.items():
        assert (images != other).float().mean() > 0.02, what


def test_both_samplers_run_and_do_not_disturb_each_other(generator):
    first, _ = generator.sample(CAPTIONS, NAMES, Sampling(steps=3))
    ddim, _ = generator.sample(CAPTIONS, NAMES, Sampling(steps=3, sampler="ddim"))
    assert type(generator.pipeline.scheduler).__name__ == "DDIMScheduler"
    assert not torch.equal(first, ddim)
    assert torch.equal(generator.sample(CAPTIONS, NAMES, Sampling(steps=3))[0], first)
    assert torch.equal(generator.sample(CAPTIONS, NAMES, Sampling(steps=3, sampler="ddim"))[0], ddim)


def test_samplers_agree_when_steps_are_many(generator):
    """Both solve the same differential equation, so with more steps their images come closer."""

    def gap(steps: int) -> float:
        options = dict(steps=steps, guidance_scale=1)
        one, other = (
            generator.sample(CAPTIONS[:2], NAMES[:2], Sampling(sampler=s, **options))[0].float()
            for s in ("dpm++", "ddim")
        )
        return (one - other).abs().mean().item()

    assert gap(20) < gap(4)


# Embeddings


@pytest.fixture
def counted(monkeypatch, generator):
    """A generator that has embedded nothing yet, and the captions that its text encoder is asked for."""
    asked, encode = [], generator.pipeline.encode_prompt

    @functools.wraps(encode)
    def counting(prompt, *arguments, **options):
        if prompt is not None:  # the pipeline itself calls this again with the embeddings
            asked.extend(prompt)
        return encode(prompt, *arguments, **options)

    monkeypatch.setattr(generator.pipeline, "encode_prompt", counting)
    return Generator(generator.pipeline, "counted", "none"), asked


def test_each_caption_is_embedded_once(counted):
    opened, asked = counted
    captions = ["red heart", "red heart", "owl"]
    opened.sample(captions, [(0, c, i) for i, c in enumerate(captions)], Sampling(steps=2))
    opened.sample(captions[::-1], [(1, c, i) for i, c in enumerate(captions)], Sampling(steps=2, guidance_scale=4))
    assert sorted(asked) == ["", "owl", "red heart"]


def test_embeddings_do_not_depend_on_company(counted, generator):
    opened, _ = counted
    torch.testing.assert_close(
        opened.embed(["owl"])[0], generator.embed(["red heart", "owl", "pizza"])[1], rtol=0, atol=1e-5
    )


def test_kept_embeddings_are_bounded(counted):
    opened, asked = counted
    opened.embeddings.capacity = 2
    three = opened.embed(CAPTIONS)  # more than are kept, in one call
    assert three.shape[0] == 3 and list(opened.embeddings.kept) == CAPTIONS[1:]
    assert torch.equal(opened.embed(CAPTIONS[1:]), three[1:])
    assert asked == CAPTIONS
    torch.testing.assert_close(opened.embed(CAPTIONS[:1])[0], three[0], rtol=0, atol=1e-5)


# Errors


@pytest.mark.parametrize(("captions", "names"), [([], []), (CAPTIONS, NAMES[:2])])
def test_captions_and_names_must_pair(generator, captions, names):
    with pytest.raises(ValueError, match=f"{len(captions)} captions have {len(names)} noise names"):
        generator.sample(captions, names)


def test_bfloat16_on_a_processor_keeps_weights_and_casts(tiny_pipeline, generator):
    half = load_generator(str(tiny_pipeline), device="cpu", precision="bfloat16")
    assert {p.dtype for p in half.pipeline.unet.parameters()} == {torch.float32}
    images, _ = half.sample(CAPTIONS[:1], NAMES[:1], Sampling(steps=2, guidance_scale=1))
    exact, _ = generator.sample(CAPTIONS[:1], NAMES[:1], Sampling(steps=2, guidance_scale=1))
    assert not torch.equal(images, exact)
    assert (images.int() - exact.int()).abs().float().mean() < 16  # rounded, but the same image


# Safety checker


class Censor:
    """Does what Stable Diffusion's checker does: blackens the images it flags and says which."""

    flags = (False, True, False)

    def __call__(self, images, clip_input):
        images = images.clone()
        for i, flagged in enumerate(self.flags):
            if flagged:
                images[i] = 0
        return images, list(self.flags)


class Extractor:
    def __call__(self, images, return_tensors):
        return self

    def to(self, device):
        return SimpleNamespace(pixel_values=torch.zeros(1))


def test_flagged_images_are_reported(monkeypatch, tiny_pipeline, generator):
    watched = load_generator(str(tiny_pipeline), device="cpu")
    monkeypatch.setitem(watched.pipeline.__dict__, "safety_checker", Censor())
    monkeypatch.setitem(watched.pipeline.__dict__, "feature_extractor", Extractor())
    images, flagged = watched.sample(CAPTIONS, NAMES, Sampling(steps=2))
    plain, _ = generator.sample(CAPTIONS, NAMES, Sampling(steps=2))
    assert flagged == [False, True, False]
    assert len(images) == 3
    for i in (0, 2):  # the others are untouched
        assert (images[i].int() - plain[i].int()).abs().max() <= 1


# Values that are not finite


@pytest.fixture
def overflowing(tiny_pipeline, tmp_path):
    """A copy whose decoder computes the same in float32 and leaves the range of half precision on the way, as the one of SDXL does."""
    folder = tmp_path / "overflowing"
    shutil.copytree(tiny_pipeline, folder)
    file = folder / "vae" / "diffusion_pytorch_model.safetensors"
    weights = {name: value.float() for name, value in load_file(file).items()}
    for name, factor in (("decoder.layers.3.conv.0", 1e6), ("decoder.layers.3.conv.2", 1e-6)):
        for kind in ("weight", "bias") if factor > 1 else ("weight",):
            weights[f"{name}.{kind}"] *= factor
    save_file(weights, file, metadata={"format": "pt"})
    return folder


def test_overflow_is_refused_by_caption_precision_and_remedy(overflowing, generator):
    half = load_generator(str(overflowing), device="cpu", precision="float16")
    with pytest.raises(
        FailedError,
        match=r"^the image of 'red heart' has values .* in float16; draw with --precision float32 or bfloat16\.$",
    ):
        half.sample(CAPTIONS, NAMES, Sampling(steps=2))
    whole = load_generator(str(overflowing), device="cpu", precision="float32")
    images, _ = whole.sample(CAPTIONS, NAMES, Sampling(steps=2))
    plain, _ = generator.sample(CAPTIONS, NAMES, Sampling(steps=2))
    assert (images.int() - plain.int()).abs().max() <= 1


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_the_image_that_is_not_finite_is_the_one_that_is_named(monkeypatch, tiny_pipeline, value):
    """Also an infinity that the decoder would bend to a finite value, or the pipeline clamp to white."""
    opened, noise = load_generator(str(tiny_pipeline), device="cpu"), Generator.noise

    def spoiled(self, names):
        return torch.stack([torch.full_like(n, value) if i == 1 else n for i, n in enumerate(noise(self, names))])

    monkeypatch.setattr(Generator, "noise", spoiled)
    with pytest.raises(
        FailedError, match="the image of 'dog face' .* float32; the weights are damaged, or w = 3 is too"
    ):
        opened.sample(CAPTIONS, NAMES, Sampling(3, steps=2))
    assert not opened.pipeline.vae.decoder._forward_hooks  # nothing is left behind


def test_more_steps_than_the_schedule_has(monkeypatch, generator):
    monkeypatch.setitem(generator.schedule, "num_train_timesteps", 5)
    with pytest.raises(InputError, match="steps is 6; the noise schedule of this generator has 5"):
        generator.sample(CAPTIONS, NAMES, Sampling(steps=6))
