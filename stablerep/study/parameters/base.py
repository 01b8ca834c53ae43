"""What a reader may change in a chapter: pydantic schemas of parameters that chapters share."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, field_validator, model_validator

from stablerep.corpus.emoji import DESIGNS
from stablerep.generator.sampling import GUIDANCE_SCALES, SAMPLERS, STEPS
from stablerep.study.parameters.paths import NAMING, PATHS, outside_path

Preset = Literal["smoke", "laptop", "reference", "workstation", "paper"]
Design = Literal[DESIGNS]
GuidanceScale = Annotated[float, Field(ge=GUIDANCE_SCALES[0], le=GUIDANCE_SCALES[1])]
NoiseLevel = Annotated[float, Field(ge=0, allow_inf_nan=False)]
CAPTION_COLOUR = "how often views of methods that read captions, which name colours, change colour: 1 as for the others"
Stem = Literal["published", "no-pool", "full"]


def knob(help: str, *, unit: str = "", cost: str = "none", **limits) -> Any:
    """A field with what a reader needs to know: help, unit, and what happens to the running time when it grows."""
    return Field(description=help, json_schema_extra={"unit": unit, "cost": cost}, **limits)


class Parameters(BaseModel):
    """Parameters that every chapter has."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    preset: Preset = knob("where the other values come from unless they are given")
    live: bool = knob("compute what is missing; false draws from the stored results alone")

    @field_validator("*", mode="before")
    @classmethod
    def _no_truth_for_a_number(cls, value, info):
        """Python takes True for 1; a reader who writes it means something else."""
        values = value if isinstance(value, list) else [value]
        if any(isinstance(v, bool) for v in values) and cls.model_fields[info.field_name].annotation is not bool:
            raise ValueError("true and false are neither numbers nor names")
        return value

    @field_validator(*NAMING, "encoder", "encoders", "patch_encoder", check_fields=False)
    @classmethod
    def _inside(cls, value):
        if any(map(outside_path, value if isinstance(value, list) else [value])):
            remedy = f"--allow-path (or {PATHS}) names a folder that may be read"
            raise ValueError(f"it lies outside the project and the current folder; {remedy}")
        return value

    @field_validator("*")
    @classmethod
    def _nothing_twice(cls, value):
        if isinstance(value, list) and len(set(value)) < len(value):
            raise ValueError(f"{next(v for v in value if value.count(v) > 1)} appears twice")
        return value


class Seeded(Parameters):
    """Chapters in which something is random."""

    seed: int = knob("of everything random; repetition k of several has seed + k", ge=0, le=2**31)


class AnyCorpus(Parameters):
    """Chapters that read captioned images of any source."""

    corpus: str = knob("emoji (embedded), a folder or file of captioned images, or hub:owner/name", min_length=1)
    image_size: int = knob("side of the images that encoders see", unit="pixels", cost="quadratic", ge=16, le=512)
    labels: list[str] = knob("columns to probe; none given takes those that the corpus declares")
    cluster: str = knob("column that is resampled and split by; empty takes the one that the corpus declares")
    split: str = knob("column that names training, validation and test; empty splits as the corpus does, or by hash")


class Generated(Seeded):
    """Chapters with synthetic images, and how these are made."""

    generator: str = knob("emoji (embedded), a pipeline folder, or a name on the Hugging Face Hub", min_length=1)
    sampling_steps: int = knob("denoising steps; a larger w needs more", cost="linear", ge=STEPS[0], le=STEPS[1])
    sampler: Literal[SAMPLERS] = knob("DPM-Solver++ or DDIM")
    guidance_interval: list[NoiseLevel] = knob(
        "noise levels above the first and up to the second, where w applies; none given: everywhere", max_length=2
    )

    @field_validator("guidance_interval", check_fields=False)
    @classmethod
    def _two_levels(cls, value):
        if value and not (len(value) == 2 and value[0] < value[1]):
            raise ValueError("it takes two noise levels, the lower one first, or none")
        return value


class Batched(Seeded):
    """Chapters that train on ``views_per_step`` views, ``positives`` of a caption."""

    camera: float = knob("how far scenes differ from drawings: 0 not at all, 1 in full; photographs stay", ge=0, le=1)

    one_per_concept: bool = knob(
        "a batch holds one caption of a concept, so that names of one thing are not told apart"
    )
    probe_part: Literal["validation", "test"] = knob(
        "part of the corpus that probes ask for: validation to choose by, test for a result"
    )

    @model_validator(mode="after")
    def _batch_fits(self):
        views, positives = self.views_per_step, getattr(self, "positives", 0)
        if views % 2 or (positives and views % positives):
            multiple = f" and a multiple of positives, {positives}" if positives else ""
            raise ValueError(f"views_per_step is {views}; it must be even{multiple}")
        if positives and views // positives < 2:
            why = "a step needs at least two captions, or it has no negatives"
            raise ValueError(f"views_per_step is {views} with {positives} positives; {why}")
        return self


class Patched(Parameters):
    """Chapters in which a method hides patches, and needs a Vision Transformer."""

    patch_encoder: str = knob("a Vision Transformer of timm, for MAE, which hides patches", cost="model", min_length=1)
    patch_size: int = knob("of the Vision Transformer; 0 as published", unit="pixels", cost="model", ge=0, le=32)
    depth: int = knob("blocks of the Vision Transformer; 0 as published", unit="blocks", cost="model", ge=0, le=48)
    mae_learning_rate: float = knob("peak for MAE", gt=0, le=1)


class Taught(Parameters):
    """Chapters with methods whose student follows a teacher."""

    byol_learning_rate: float = knob("peak for BYOL", gt=0, le=1)
    moco_v3_learning_rate: float = knob("peak for MoCo-v3", gt=0, le=1)
    dino_learning_rate: float = knob("peak for DINO", gt=0, le=1)
    teacher_momentum: float = knob("of BYOL and MoCo-v3 at the start: the longer the run, the nearer to 1", ge=0, lt=1)
    dino_teacher_momentum: float = knob("of DINO at the start", ge=0, lt=1)


class Pretraining(Batched, Generated, AnyCorpus):
    """How encoders are trained and on what."""

    captions: int = knob("captions to learn from; 0 takes all training captions", cost="linear (synthesis)", ge=0)
    images_per_caption: int = knob(
        "l: images stored per caption", unit="images", cost="linear (synthesis)", ge=1, le=100
    )
    positives: int = knob("m: images of a caption in a batch", unit="images", ge=2, le=100)
    guidance_scale: GuidanceScale = knob("w of the images that StableRep learns from: 1 is no guidance")
    simclr_guidance_scale: GuidanceScale = knob("w of SimCLR's images")
    clip_guidance_scale: GuidanceScale = knob("w of CLIP's images")
    encoder: str = knob("any timm model", cost="model", min_length=1)
    stem: Stem = knob("of the encoder, for small images", cost="model")
    steps: int = knob("optimizer steps of each arm", cost="linear", ge=1)
    views_per_step: int = knob("augmented images in a step, the same for every arm", unit="views", cost="linear", ge=4)
    learning_rate: float = knob("peak for StableRep", gt=0, le=1)
    simclr_learning_rate: float = knob("peak for SimCLR", gt=0, le=1)
    clip_learning_rate: float = knob("peak for CLIP", gt=0, le=1)
    caption_colour: float = knob(CAPTION_COLOUR, ge=0, le=1)
    crop_min: float = knob("smallest share of an image that a crop keeps", gt=0, le=1)
    probe_designs: list[Design] = knob("emoji designs that the probes look at", cost="linear", min_length=2)
    seeds: int = knob("repetitions with other initialization, order and views", cost="linear", ge=1, le=100)
