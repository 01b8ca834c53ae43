"""Presets: where a parameter's value comes from when the reader gives none, and values that chapters share.

The laptop's values are the defaults. Every other preset overrides some of them and says why. A chapter's own values
stand in its file.
"""

from __future__ import annotations

from typing import Any, get_args

from pydantic import ValidationError

from stablerep.corpus.emoji import DESIGNS
from stablerep.errors import nearest
from stablerep.study.parameters.base import Parameters, Preset, Seeded
from stablerep.study.parameters.errors import ParameterError

PRESETS = get_args(Preset)
Presets = dict[str, dict[str, Any]]

CORPUS = dict(corpus="emoji", image_size=32, labels=[], cluster="", split="")
GENERATED = dict(
    generator="emoji",  # the embedded miniature
    sampling_steps=12,  # up to w = 8 within 5 grey levels of 50 steps of DPM-Solver++; DDIM needs four times as many
    sampler="dpm++",
    guidance_interval=[],  # everywhere, as in the paper
)
# Stable Diffusion 1.5 with DDIM, as the paper has it.
STABLE_DIFFUSION = dict(generator="stable-diffusion-v1-5/stable-diffusion-v1-5", sampler="ddim", sampling_steps=50)
FEW_DESIGNS = ["noto", "twemoji"]  # the latter is held out: of the others, noto draws the most people


def overriding(shared: Presets, **own: dict[str, Any]) -> Presets:
    """The values of a chapter: the shared ones of each preset, and over them its own."""
    return {preset: shared.get(preset, {}) | own.get(preset, {}) for preset in PRESETS}


def chapter_presets(schema: type[Parameters], shared: Presets, **own: dict[str, Any]) -> Presets:
    """The values of a chapter: the shared ones that its schema has, as it may lack some that other chapters share, and over them its own."""
    known = schema.model_fields
    fitting = {preset: {key: one for key, one in values.items() if key in known} for preset, values in shared.items()}
    return overriding(fitting, **own)


# Of every chapter that compares what encoders have learned.
LEARNING: Presets = {
    "laptop": CORPUS | dict(
        camera=1.0,  # on plain drawings raw pixels beat every encoder
        probe_part="test",
        one_per_concept=False,  # it costs CLIP accuracy, and changes little for the others
        encoder="test_resnet", stem="published", steps=500, views_per_step=128,  # the most accuracy per minute
        # each the best of four on validation concepts
        learning_rate=2e-3, simclr_learning_rate=2e-3, clip_learning_rate=4e-3, supervised_learning_rate=4e-3,
        caption_as_class_learning_rate=8e-3, mae_learning_rate=1e-3, byol_learning_rate=1e-3, moco_v3_learning_rate=2e-3,
        dino_learning_rate=1e-3, teacher_momentum=0.9, dino_teacher_momentum=0.99,
        caption_colour=0.25,  # where captions are read colours change less, as in the paper: best for CLIP, the same for StableRep+
        positives=4,  # m; the paper: 6 of 10
        crop_min=0.35,  # the paper's 0.08 leaves 9 of 32 pixels a side, in which there often is nothing
        probe_designs=list(DESIGNS), seeds=1,
    ),
    # A few steps on a few captions: proves that everything runs; its numbers mean nothing.
    "smoke": dict(captions=96, positives=2, views_per_step=32, steps=4, probe_designs=FEW_DESIGNS),
    "reference": dict(seeds=5, steps=2400),
    # One GPU: more steps, larger batches and a larger encoder.
    "workstation": dict(positives=6, steps=5000, views_per_step=1536, seeds=3, encoder="resnet18"),
    # The paper's recipe: ViT-B/16, batches of 8256 views. It needs a cluster and captions by the million.
    "paper": dict(
        image_size=224, positives=6, encoder="vit_base_patch16_224", steps=110_000, views_per_step=8256,
        learning_rate=3.2e-3, simclr_learning_rate=3.2e-3, clip_learning_rate=3.2e-3, supervised_learning_rate=3.2e-3,
        caption_as_class_learning_rate=3.2e-3, mae_learning_rate=3.2e-3, byol_learning_rate=2.4e-3, moco_v3_learning_rate=2.4e-3,
        dino_learning_rate=2.4e-3, teacher_momentum=0.996, dino_teacher_momentum=0.996,
        crop_min=0.08,
    ),
}  # fmt: skip

PRETRAINING = overriding(
    LEARNING,
    laptop=GENERATED | dict(
        sampling_steps=6,  # within 4 grey levels of 50 steps at w = 2, and within 6 at w = 4
        captions=640,  # with which every arm lies above the floors on validation concepts
        images_per_caption=4,  # l; the paper stores 10
        # each the best of four on validation concepts; for SimCLR 8, the paper's, is as good, and needs more steps of sampling
        guidance_scale=2.0, clip_guidance_scale=2.0, simclr_guidance_scale=4.0,
    ),
    smoke=dict(images_per_caption=2, sampling_steps=2),
    # Longer training on all captions, for which 12 steps of sampling are worth their time: hours on two cores.
    reference=dict(captions=0, sampling_steps=12),
    workstation=dict(captions=0, sampling_steps=12, images_per_caption=10),
    paper=STABLE_DIFFUSION | dict(captions=0, images_per_caption=10, simclr_guidance_scale=8.0),
)  # fmt: skip


def preset_values(schema: type[Parameters], presets: Presets, preset: str = "laptop") -> dict[str, Any]:
    """Every parameter of a schema at one preset. Raises ``ParameterError`` for an unknown preset."""
    if not isinstance(preset, str) or preset not in PRESETS:
        raise ParameterError(f"preset is {preset!r}; valid presets are {', '.join(PRESETS)}.")
    fixed = {"preset": preset, "live": True} | ({"seed": 0} if issubclass(schema, Seeded) else {})
    return fixed | presets["laptop"] | presets.get(preset, {})


def merge(chapter: str, schema: type[Parameters], presets: Presets, given: dict[str, Any]) -> Parameters:
    """The full parameters of a chapter: what is given, and the preset's values for the rest. None counts as not given.

    Raises:
        ParameterError: unknown parameter (with the nearest name), wrong type, or value out of range; all at once.
    """
    given = {name: value for name, value in given.items() if value is not None}
    known = schema.model_fields
    instead = f"it has {', '.join(known)}."
    unknown = [name for name in given if name not in known]
    problems = [f"{chapter} has no parameter {name!r}; {nearest(name, known) or instead}" for name in unknown]
    values = preset_values(schema, presets, given.get("preset", "laptop"))
    if "corpus" in known and values["preset"] == "paper" and "corpus" not in given:
        problems.append(
            f"the preset paper needs corpus, for {chapter} too: a folder of shards or parquet files with captions by "
            "the million, such as --corpus ~/cc12m; the embedded emoji have 1,694 captions to learn from."
        )
    try:
        resolved = schema.model_validate(values | {name: value for name, value in given.items() if name in known})
    except ValidationError as error:
        for e in error.errors():
            place, value = ".".join(map(str, e["loc"])), e["input"]
            message = e["msg"].removeprefix("Value error, ")
            problems.append(f"{place} is {value!r}: {message[0].lower()}{message[1:]}." if place else f"{message}.")
    if problems:
        raise ParameterError("\n".join(problems))
    return resolved
