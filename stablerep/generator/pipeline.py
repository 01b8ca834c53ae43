"""A pipeline of diffusers as a generator: named noise, captions embedded once, images that are finite or refused."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from stablerep.errors import FailedError, InputError
from stablerep.generator.embeddings import CaptionEmbeddings
from stablerep.generator.sampling import Sampling
from stablerep.generator.schedulers import guided_steps, new_scheduler, noise_schedule
from stablerep.seeding import generator_for
from stablerep.tokenizer import Truncation, truncated

if TYPE_CHECKING:
    import torch


@dataclass
class Generator:
    """A ``StableDiffusionPipeline`` with reproducible noise and captions embedded once.

    Attributes:
        pipeline: of diffusers; its scheduler's noise schedule is kept, all else about it is replaced (:mod:`.schedulers`).
        name: as it was asked for.
        fingerprint: hash of its weights and configuration.
        precision: of the computation: ``float32``, ``bfloat16`` or ``float16``.
        schedule: the noise schedule that the denoiser was trained with.
        embeddings: of the latest captions.
    """

    pipeline: Any
    name: str
    fingerprint: str
    precision: str = "float32"
    schedule: dict[str, Any] = field(init=False, repr=False)
    embeddings: CaptionEmbeddings = field(init=False, repr=False)

    def __post_init__(self) -> None:
        self.schedule = noise_schedule(self.pipeline.scheduler)
        self.embeddings = CaptionEmbeddings(self.pipeline)

    @property
    def latent_shape(self) -> tuple[int, int, int]:
        """Channels, height and width of the latents."""
        size = self.pipeline.unet.config.sample_size
        return (self.pipeline.unet.config.in_channels, size, size)

    @property
    def resolution(self) -> int:
        """Side of the images in pixels."""
        return self.pipeline.unet.config.sample_size * self.pipeline.vae_scale_factor

    def noise(self, names: Sequence[tuple]) -> torch.Tensor:
        """Starting noise float [N, C, h, w]. Each name, (base seed, caption, index), alone determines its image's noise."""
        import torch

        return torch.stack([torch.randn(self.latent_shape, generator=generator_for("noise", *name)) for name in names])

    def embed(self, captions: Sequence[str]) -> torch.Tensor:
        """Text embeddings [N, tokens, width]; each caption is encoded once and kept while it is among the latest."""
        return self.embeddings.of(captions)

    def truncated(self, captions: Sequence[str]) -> Truncation:
        """Which captions are longer than what the text encoder reads."""
        return truncated(self.pipeline.tokenizer, captions)

    def sample(
        self, captions: Sequence[str], names: Sequence[tuple], sampling: Sampling = Sampling()
    ) -> tuple[torch.Tensor, list[bool]]:
        """Generate one image for each caption, in one batch.

        Args:
            captions: what to draw, [N]. The negative prompt is empty.
            names: of the noise, [N] tuples (base seed, caption, index).
            sampling: guidance, steps and sampler.

        Returns:
            uint8 [N, 3, H, W], and which of them the pipeline's safety checker flagged (those pixels are not an image; leave
            them out).

        Raises:
            InputError: no captions, captions without names, or more steps than the noise schedule has.
            FailedError: an image has values that are not finite; names the caption and what to do.
        """
        import torch

        if not captions or len(captions) != len(names):
            raise InputError(
                f"{len(captions)} captions have {len(names)} noise names; each needs one, and at least one is needed."
            )
        if sampling.steps > self.schedule["num_train_timesteps"]:
            raise InputError(
                f"steps is {sampling.steps}; the noise schedule of this generator has {self.schedule['num_train_timesteps']}."
            )
        self.pipeline.scheduler = new_scheduler(sampling.sampler, self.schedule)
        device, half = self.pipeline.device, self.precision != "float32"
        with (
            torch.inference_mode(),
            torch.autocast(device.type, getattr(torch, self.precision), enabled=half),
            _finite_images(self.pipeline.vae.decoder) as finite,
        ):
            given = self.embed(captions).to(device)
            empty = self.embed([""]).expand(len(captions), -1, -1).to(device)
            out = self.pipeline(
                **_guidance(sampling, self.schedule, given, empty),
                latents=self.noise(names).to(device, self.pipeline.unet.dtype),
                num_inference_steps=sampling.steps,
                output_type="pt",
            )
        self._refuse_overflow(captions, torch.cat(finite).tolist(), sampling)
        images = out.images.float().clamp(0, 1).mul(255).round().byte().cpu()
        return images, list(out.nsfw_content_detected or [False] * len(images))

    def _refuse_overflow(self, captions: Sequence[str], finite: Sequence[bool], sampling: Sampling) -> None:
        if all(finite):
            return
        remedy = {
            "float16": "draw with --precision float32 or bfloat16",
            "bfloat16": "draw with --precision float32",
            "float32": f"the weights are damaged, or w = {sampling.guidance_scale:g} is too large for them",
        }[self.precision]
        raise FailedError(
            f"the image of {captions[finite.index(False)]!r} has values that are not finite in {self.precision}; {remedy}."
        )


def _guidance(sampling: Sampling, schedule: dict[str, Any], given: torch.Tensor, empty: torch.Tensor) -> dict[str, Any]:
    """The options of a call of the pipeline that guide it: everywhere, or at those steps whose noise level is in the interval.

    The pipeline asks for its scale at every step, and its documentation changes it in a callback as here. Every call sets scale and
    embeddings anew, so nothing is left behind, by a call that fails either.

    Args:
        given, empty: embeddings [N, tokens, width] of the captions, and of the empty one as often.
    """
    w, options = sampling.guidance_scale, {"prompt_embeds": given, "negative_prompt_embeds": empty}
    if sampling.guidance_interval is None:
        return options | {"guidance_scale": w}
    import torch

    guided, both = guided_steps(sampling, schedule), torch.cat([empty, given])

    def before_the_next(pipeline, step: int, time, tensors: dict) -> dict[str, torch.Tensor]:
        following = guided[min(step + 1, len(guided) - 1)]
        pipeline._guidance_scale = w if following else 1.0
        return {"prompt_embeds": both if following else given}

    return options | {"guidance_scale": w if guided[0] else 1.0, "callback_on_step_end": before_the_next}


@contextmanager
def _finite_images(decoder) -> Iterator[list[torch.Tensor]]:
    """Yield a list that receives, for each batch that is decoded, which images (bool [N]) are finite before and after decoding.

    Looked at here because later steps hide it: an infinity is clamped to white, and a small decoder bends it to a large number first.
    """
    import torch

    finite: list[torch.Tensor] = []

    def look(module, inputs, output) -> None:
        finite.append((torch.isfinite(inputs[0]).flatten(1).all(1) & torch.isfinite(output).flatten(1).all(1)).cpu())

    handle = decoder.register_forward_hook(look)
    try:
        yield finite
    finally:
        handle.remove()
