"""Text-to-image generators: the embedded miniature, Stable Diffusion by name, or any pipeline folder of the same layout.

>>> generator = load_generator("emoji")
>>> images, flagged = generator.sample(["red heart"], [(0, "red heart", 0)], guidance_scale=2)

The guidance scale w is the paper's: eps = w * eps(caption) + (1 - w) * eps(empty), so that w = 1 is no guidance. The
``guidance_scale`` of diffusers computes eps(empty) + g * (eps(caption) - eps(empty)), which is the same number: g = w.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from stablerep.errors import InputError
from stablerep.seeding import generator_for
from stablerep.torchvision_shim import ensure_torchvision_imports

if TYPE_CHECKING:
    import torch

EMBEDDED = Path(__file__).parent / "emoji_diffusion"
SAMPLERS = ("dpm++", "ddim")
PRECISIONS = ("float32", "bfloat16", "float16")
KEPT_EMBEDDINGS = 1024  # captions whose embeddings are kept; a set of millions must not fill the memory with them


@dataclass
class Generator:
    """A ``StableDiffusionPipeline`` with reproducible noise and captions embedded once."""

    pipeline: Any
    name: str
    fingerprint: str
    precision: str = "float32"
    _embeddings: dict[str, torch.Tensor] = field(default_factory=dict, repr=False)

    @cached_property
    def latent_shape(self) -> tuple[int, int, int]:
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
        import torch

        new = [c for c in dict.fromkeys(captions) if c not in self._embeddings]
        with torch.inference_mode():
            for start in range(0, len(new), 64):
                some = new[start : start + 64]
                encoded, _ = self.pipeline.encode_prompt(some, self.pipeline.device, 1, False)
                self._embeddings.update(zip(some, encoded))
        embeddings = torch.stack([self._embeddings[c] for c in captions])
        for old in list(self._embeddings)[:-KEPT_EMBEDDINGS]:
            del self._embeddings[old]
        return embeddings

    def sample(
        self,
        captions: Sequence[str],
        names: Sequence[tuple],
        *,
        guidance_scale: float = 2.0,
        steps: int = 12,
        sampler: str = "dpm++",
    ) -> tuple[torch.Tensor, list[bool]]:
        """Generate one image for each caption, in one batch.

        Args:
            captions: what to draw, [N]. The negative prompt is empty.
            names: of the noise, [N] tuples (base seed, caption, index).
            guidance_scale: w >= 1.
            steps: denoising steps (12 with DPM-Solver++ here; the paper: DDIM with 50).
            sampler: ``dpm++`` or ``ddim``; both are deterministic given the noise.

        Returns:
            uint8 [N, 3, H, W], and which of them the pipeline's safety checker flagged (those pixels are not an image; leave
            them out).

        Raises:
            ValueError: a guidance scale below 1, an unknown sampler, no steps, or an empty caption list.
        """
        import torch

        check_sampling(guidance_scale, steps, sampler)
        if not captions or len(captions) != len(names):
            raise InputError(
                f"{len(captions)} captions have {len(names)} noise names; each needs one, and at least one is needed."
            )
        self._use(sampler)
        device = self.pipeline.device
        with torch.inference_mode(), torch.autocast(device.type, getattr(torch, self.precision), enabled=self._casts):
            out = self.pipeline(
                prompt_embeds=self.embed(captions).to(device),
                negative_prompt_embeds=self.embed([""]).expand(len(captions), -1, -1).to(device),
                latents=self.noise(names).to(device, self.pipeline.unet.dtype),
                guidance_scale=guidance_scale,
                num_inference_steps=steps,
                output_type="pt",
            )
        images = out.images.float().clamp(0, 1).mul(255).round().byte().cpu()
        return images, list(out.nsfw_content_detected or [False] * len(images))

    @property
    def _casts(self) -> bool:
        return self.precision != "float32"

    def _use(self, sampler: str) -> None:
        from diffusers import DDIMScheduler, DPMSolverMultistepScheduler

        kind = {"dpm++": DPMSolverMultistepScheduler, "ddim": DDIMScheduler}[sampler]
        if not isinstance(self.pipeline.scheduler, kind):
            options = (
                {"algorithm_type": "dpmsolver++", "solver_order": 2} if sampler == "dpm++" else {"clip_sample": False}
            )
            self.pipeline.scheduler = kind.from_config(self.pipeline.scheduler.config, **options)


def check_sampling(guidance_scale: float, steps: int, sampler: str) -> None:
    """Raise ``ValueError`` for sampling options that no pipeline can follow."""
    if not 1 <= guidance_scale <= 30:
        raise InputError(f"guidance_scale is {guidance_scale}; it is at least 1 (no guidance) and at most 30.")
    if not 2 <= steps <= 1000:
        raise InputError(f"steps is {steps}; a sampler takes 2 to 1000 steps.")
    if sampler not in SAMPLERS:
        raise InputError(f"sampler is {sampler!r}; valid samplers are {', '.join(SAMPLERS)}.")


def load_generator(name: str = "emoji", *, device: str | None = None, precision: str | None = None) -> Generator:
    """Open a generator.

    Args:
        name: ``emoji`` (embedded), a folder with ``model_index.json``, or a name on the Hugging Face Hub such as
            ``stable-diffusion-v1-5/stable-diffusion-v1-5``.
        device: as torch names it; the GPU when there is one, else the CPU.
        precision: ``float32`` (default on a CPU), ``bfloat16`` or ``float16`` (default on a GPU). On a CPU bfloat16 is faster, but its
            rounding makes images depend on the batch they were made in.

    Raises:
        ValueError: no such folder or precision, or the Hub cannot be reached; says what would be valid.
    """
    ensure_torchvision_imports()
    import torch
    from diffusers import StableDiffusionPipeline
    from diffusers.utils import logging
    from transformers.utils import logging as transformers_logging

    logging.set_verbosity_error()  # an AutoencoderTiny in the place of an AutoencoderKL is meant
    logging.disable_progress_bar()
    transformers_logging.disable_progress_bar()
    device = device or ("cuda" if torch.cuda.is_available() else "cpu")
    precision = precision or default_precision(device)
    if precision not in PRECISIONS:
        raise InputError(f"precision is {precision!r}; valid ones are {', '.join(PRECISIONS)}.")
    path = EMBEDDED if name == "emoji" else Path(name)
    if name != "emoji" and not path.is_dir() and (name.count("/") != 1 or name.startswith((".", "/", "~"))):
        raise InputError(
            f"generator is {name!r}; give 'emoji', a folder with model_index.json, or owner/name on the Hub."
        )
    local = path.is_dir()
    if local and not (path / "model_index.json").exists():
        raise InputError(
            f"generator folder {name} has no model_index.json; a StableDiffusionPipeline saved by diffusers has one."
        )
    if name == "emoji" and not (path / "model_index.json").exists():
        raise InputError(
            "the embedded generator is not here; `stablerep train-generator FOLDER` trains one: give FOLDER/pipeline."
        )
    try:
        # weights are held in float32 on a CPU, where half precision is storage only
        dtype = torch.float32 if device == "cpu" else getattr(torch, precision)
        pipeline = StableDiffusionPipeline.from_pretrained(
            path if local else name, dtype=dtype, use_safetensors=True, local_files_only=local
        )
    except OSError as error:
        raise InputError(f"generator {name} could not be loaded: {str(error).splitlines()[0]}") from error
    return Generator(_frozen(pipeline, device), name, generator_fingerprint(name), precision)


def _frozen(pipeline, device: str):
    """The pipeline on its device, quiet, without gradients."""
    import torch

    pipeline.set_progress_bar_config(disable=True)
    pipeline.to(device)
    for part in (pipeline.unet, pipeline.vae):
        part.to(memory_format=torch.channels_last).requires_grad_(False).eval()
    return pipeline


def default_precision(device: str | None = None) -> str:
    """``float16`` on a GPU, ``float32`` on a CPU; of the device that :func:`load_generator` would take when none is named."""
    import torch

    return "float16" if (device or ("cuda" if torch.cuda.is_available() else "cpu")).startswith("cuda") else "float32"


def generator_fingerprint(name: str) -> str:
    """Hash of every weight and configuration file of a generator in a folder, so that two folders of the same content are the same
    generator; a name on the Hub stands for itself. Nothing is loaded."""
    folder = EMBEDDED if name == "emoji" else Path(name)
    if not folder.is_dir():
        return name
    digest = hashlib.sha256()
    for file in sorted(folder.rglob("*")):
        if file.suffix in (".safetensors", ".json", ".txt") and file.is_file():
            digest.update(f"{file.relative_to(folder)}\0".encode())
            digest.update(file.read_bytes())
    return digest.hexdigest()[:16]
