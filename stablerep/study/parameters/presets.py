"""Presets: where a parameter's value comes from when the reader gives none.

Defaults are the laptop's. A preset overrides some of them and says why.
"""

from __future__ import annotations

from typing import Any

from stablerep.corpus.emoji import DESIGNS
from stablerep.methods import METHODS

PRESETS = ("smoke", "laptop", "reference", "workstation", "paper")

SAMPLING = dict(
    generator="emoji",  # the embedded miniature
    sampling_steps=12,  # up to w = 8 within 5 grey levels of 50 steps of DPM-Solver++; DDIM needs about four times as many
    sampler="dpm++",
)
TRAINING = (
    SAMPLING
    | dict(
        sampling_steps=8,  # enough up to w = 4 (within 3 grey levels of 50 steps); at w = 2 as faithful as 12
        captions=1280,  # half of them: in the stored reference, accuracy over captions is flat from there within its intervals
        images_per_caption=4,  # l; the paper stores 10
        positives=4,  # m; the paper: 6 of 10
        guidance_scale=2.0,  # the paper's best w for StableRep
        encoder="resnet10t",
        stem="published",
        steps=100,
        views_per_step=256,
        learning_rate=2e-3,
        crop_min=0.2,  # the paper's 0.08 leaves 9 of 32 pixels a side: too few to tell an emoji by
        seeds=1,
        probe_designs=list(DESIGNS),
    )
)
LAPTOP: dict[str, dict[str, Any]] = {
    "corpus": dict(
        designs=list(DESIGNS), flags=False, size=64
    ),
    "generator": SAMPLING | dict(
        captions=128, images_per_caption=4, guidance_scales=[1.0, 2.0, 3.0, 4.0, 6.0, 8.0], held_out_design="twemoji",
        encoder="resnet10t", stem="published", steps=250, views_per_step=256,
    ),
    "methods": dict(
        methods=list(METHODS), captions=0, label="subgroup", encoder="vit_tiny_patch16_224", patch_size=8, depth=4, positives=4,
        steps=40, views_per_step=128, learning_rate=1e-3, teacher_learning_rate=3e-4, teacher_momentum=0.99, crop_min=0.2, seeds=1,
        probe_designs=list(DESIGNS),
    ),
    "compare": TRAINING,
    # the last count is that of the comparison: with its steps, those encoders are its own
    "scaling": TRAINING | dict(caption_counts=[160, 320, 640, 1280]),
    "bias": TRAINING | dict(guidance_scales=[1.0, 2.0, 4.0], neutral_captions=48, images_per_neutral_caption=6),
}  # fmt: skip

# A few steps on a few captions: proves that everything runs; its numbers mean nothing.
_TINY = dict(
    captions=96, images_per_caption=2, positives=2, steps=4, views_per_step=32, sampling_steps=2,
    probe_designs=["twemoji", "emojione"],
)  # fmt: skip
SMOKE: dict[str, dict[str, Any]] = {
    "corpus": dict(designs=["twemoji", "emojione"], size=32),
    "generator": dict(
        captions=16,
        images_per_caption=2,
        guidance_scales=[1.0, 4.0],
        steps=4,
        views_per_step=32,
        sampling_steps=2,
    ),
    "methods": dict(
        captions=96,
        encoder="test_vit",
        depth=2,
        positives=2,
        steps=3,
        views_per_step=32,
        probe_designs=["twemoji", "emojione"],
    ),
    "compare": _TINY,
    "scaling": _TINY | dict(caption_counts=[32, 96]),
    "bias": _TINY | dict(guidance_scales=[1.0, 4.0], neutral_captions=8, images_per_neutral_caption=2),
}
# All training captions, for which 12 steps of sampling are worth their time.
_EVERYTHING = dict(captions=0, sampling_steps=12)
_ALL_COUNTS = dict(caption_counts=[320, 640, 1280, 2570])
# The stored reference: three seeds and longer training, hours on two cores.
_LONGER = _EVERYTHING | dict(seeds=3, steps=400)
REFERENCE: dict[str, dict[str, Any]] = {
    "generator": dict(captions=512, images_per_caption=4, steps=800),
    "methods": dict(seeds=3, steps=800),  # as many views as the comparison's
    "compare": _LONGER,
    "scaling": _LONGER | _ALL_COUNTS,
    "bias": _LONGER | dict(neutral_captions=96, images_per_neutral_caption=16),
}
# One GPU: the same emoji at more steps and a larger encoder.
_GPU = _EVERYTHING | dict(
    images_per_caption=10, positives=6, encoder="resnet18", steps=5000, views_per_step=1536, seeds=3
)
WORKSTATION: dict[str, dict[str, Any]] = {
    "generator": dict(captions=1024, images_per_caption=8, steps=3000, views_per_step=1024, encoder="resnet18"),
    "methods": dict(seeds=3, steps=5000, views_per_step=1536, positives=6, depth=0, patch_size=4),
    "compare": _GPU,
    "scaling": _GPU | _ALL_COUNTS,
    "bias": _GPU | dict(neutral_captions=128, images_per_neutral_caption=32),
}
# The paper's recipe: Stable Diffusion 1.5 with DDIM, ViT-B/16, batches of 8256 views. Needs a cluster and was not run by us.
_PAPER = dict(
    captions=0, generator="stable-diffusion-v1-5/stable-diffusion-v1-5", sampler="ddim", sampling_steps=50, images_per_caption=10,
    positives=6, encoder="vit_base_patch16_224", stem="published", steps=110_000, views_per_step=8256, learning_rate=3.2e-3,
    crop_min=0.08,
)  # fmt: skip
PAPER: dict[str, dict[str, Any]] = {
    "generator": {name: _PAPER[name] for name in ("generator", "sampler", "sampling_steps", "encoder", "stem")},
    "methods": dict(
        captions=0,
        encoder="vit_base_patch16_224",
        patch_size=0,
        depth=0,
        positives=6,
        steps=110_000,
        views_per_step=8256,
        learning_rate=3.2e-3,
        teacher_learning_rate=2.4e-3,
        teacher_momentum=0.996,
        crop_min=0.08,
    ),
    "compare": _PAPER,
    "scaling": _PAPER | dict(caption_counts=[1_000_000, 3_000_000, 10_000_000, 20_000_000, 50_000_000]),
    "bias": _PAPER,
}
_OVERRIDES = {"laptop": {}, "smoke": SMOKE, "reference": REFERENCE, "workstation": WORKSTATION, "paper": PAPER}


def preset_values(preset: str, notebook: str) -> dict[str, Any]:
    """The values of one preset for one notebook. Raises ``ParameterError`` for an unknown preset."""
    from stablerep.study.parameters.base import ParameterError

    if not isinstance(preset, str) or preset not in _OVERRIDES:
        raise ParameterError(f"preset is {preset!r}; valid presets are {', '.join(PRESETS)}.")
    return LAPTOP[notebook] | _OVERRIDES[preset].get(notebook, {})
