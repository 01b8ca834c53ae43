"""What a reader may change in each chapter: one pydantic schema per notebook, filled by a preset, checked before anything runs."""

from __future__ import annotations

import difflib
import os
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator, model_validator

from stablerep.corpus.emoji import DESIGNS
from stablerep.errors import InputError
from stablerep.methods import METHODS
from stablerep.study.root import PROJECT

Preset = Literal["smoke", "laptop", "reference", "workstation", "paper"]
Design = Literal[DESIGNS]
GuidanceScale = Annotated[float, Field(ge=1, le=30)]


def knob(help: str, *, unit: str = "", cost: str = "none", **limits) -> Any:
    """A field with what a reader needs to know: help, unit, and what happens to the running time when it grows."""
    return Field(description=help, json_schema_extra={"unit": unit, "cost": cost}, **limits)


class Parameters(BaseModel):
    """Parameters that every notebook has."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    preset: Preset = knob("where the other values come from unless they are given")
    live: bool = knob("compute what is missing; false draws from the stored results alone")

    @field_validator("*", mode="before")
    @classmethod
    def _no_truth_for_a_number(cls, value, info):
        """Python takes True for 1; a reader who writes it means something else."""
        values = value if isinstance(value, list) else [value]
        if any(isinstance(v, bool) for v in values) and cls.model_fields[info.field_name].annotation is not bool:
            raise ValueError("true and false are no numbers or names")
        return value

    @field_validator("generator", "encoder", check_fields=False)
    @classmethod
    def _inside(cls, value):
        if outside_path(value):
            raise ValueError(
                f"it lies outside the project and the current folder; --allow-path (or {PATHS}) names a folder that may be read"
            )
        return value

    @field_validator("*")
    @classmethod
    def _nothing_twice(cls, value):
        if isinstance(value, list) and len(set(value)) < len(value):
            raise ValueError(f"{next(v for v in value if value.count(v) > 1)} stands there twice")
        return value


class Seeded(Parameters):
    """Chapters in which something is random."""

    seed: int = knob("of everything random; seed k of several is seed + k", ge=0, le=2**31)


class Sampling(Seeded):
    """How synthetic images are made."""

    generator: str = knob("emoji (embedded), a pipeline folder, or a name on the Hugging Face Hub", min_length=1)
    sampling_steps: int = knob("denoising steps; a larger w needs more", cost="linear", ge=2, le=1000)
    sampler: Literal["dpm++", "ddim"] = knob("DPM-Solver++ or DDIM")


class Batched(Seeded):
    """Chapters that train on ``views_per_step`` views, ``positives`` of a caption."""

    @model_validator(mode="after")
    def _batch_fits(self):
        if self.views_per_step % self.positives or self.views_per_step % 2:
            raise ValueError(
                f"views_per_step is {self.views_per_step}; it must be even and a multiple of positives, {self.positives}"
            )
        return self


class Pretraining(Batched, Sampling):
    """How encoders are trained and on what."""

    captions: int = knob("captions to learn from; 0 takes all training captions", cost="linear (synthesis)", ge=0)
    images_per_caption: int = knob(
        "l: images stored per caption", unit="images", cost="linear (synthesis)", ge=1, le=100
    )
    positives: int = knob("m: images of a caption in a batch", unit="images", ge=2, le=100)
    guidance_scale: GuidanceScale = knob("w: 1 is no guidance")
    encoder: str = knob("any timm model", cost="model", min_length=1)
    stem: Literal["published", "no-pool", "full"] = knob("of the encoder, for small images", cost="model")
    steps: int = knob("optimizer steps of each arm", cost="linear", ge=1)
    views_per_step: int = knob("augmented images in a step, the same for every arm", unit="views", cost="linear", ge=4)
    learning_rate: float = knob("peak", gt=0, le=1)
    crop_min: float = knob("smallest share of an image that a crop keeps", gt=0, le=1)
    probe_designs: list[Design] = knob("designs that the probes look at", cost="linear", min_length=2)
    seeds: int = knob("repetitions with other initialization, order and views", cost="linear", ge=1, le=100)


class CorpusParameters(Parameters):
    designs: list[Design] = knob("emoji designs to show", min_length=1)
    flags: bool = knob("count flags too")
    size: int = knob("side of the drawn images", unit="pixels", ge=16, le=256)


class GeneratorParameters(Sampling):
    captions: int = knob("training captions to judge the generator on", cost="linear", ge=8)
    images_per_caption: int = knob("images of each caption and scale", unit="images", cost="linear", ge=2, le=64)
    guidance_scales: list[GuidanceScale] = knob("values of w to compare", cost="linear", min_length=1)
    held_out_design: Design = knob("design whose real images are the yardstick; the judging encoder never sees it")
    encoder: str = knob("of the judge: any timm model", cost="model", min_length=1)
    stem: Literal["published", "no-pool", "full"] = knob("of the judge, for small images", cost="model")
    steps: int = knob("training steps of the judge", cost="linear", ge=1)
    views_per_step: int = knob("views in a step of the judge", cost="linear", ge=16)


class CompareParameters(Pretraining):
    pass


class MethodsParameters(Batched):
    methods: list[Literal[tuple(METHODS)]] = knob(
        "methods to train, in the order of the chapter", cost="linear", min_length=1
    )
    captions: int = knob("captions whose real images all methods learn from; 0 takes all training captions", ge=0)
    label: Literal["group", "subgroup", "concept"] = knob("what the methods with classes are told")
    encoder: str = knob("a Vision Transformer of timm, which masked autoencoding needs", cost="model", min_length=1)
    patch_size: int = knob("of the encoder; 0 as published", unit="pixels", cost="model", ge=0, le=32)
    depth: int = knob("blocks of the encoder; 0 as published", unit="blocks", cost="model", ge=0, le=48)
    positives: int = knob("m: images of a caption in a batch, for StableRep", unit="images", ge=2, le=100)
    steps: int = knob("optimizer steps of each method", cost="linear", ge=1)
    views_per_step: int = knob(
        "augmented images in a step, the same for every method", unit="views", cost="linear", ge=4
    )
    learning_rate: float = knob("peak", gt=0, le=1)
    teacher_learning_rate: float = knob("peak for the methods with a teacher, BYOL, MoCo-v3 and DINO", gt=0, le=1)
    teacher_momentum: float = knob(
        "of BYOL, MoCo-v3 and DINO at the start: the longer the run, the nearer to 1", ge=0, lt=1
    )
    crop_min: float = knob("smallest share of an image that a crop keeps", gt=0, le=1)
    probe_designs: list[Design] = knob("designs that the probes look at", cost="linear", min_length=2)
    seeds: int = knob("repetitions with other initialization, order and views", cost="linear", ge=1, le=100)


class ScalingParameters(Pretraining):
    caption_counts: list[Annotated[int, Field(ge=8)]] = knob("numbers of captions", cost="linear", min_length=2)


class BiasParameters(Pretraining):
    guidance_scales: list[GuidanceScale] = knob("values of w to compare", cost="linear", min_length=1)
    neutral_captions: int = knob("captions of people that name no gender and no tone", cost="linear", ge=4)
    images_per_neutral_caption: int = knob(
        "images of each of them and scale", unit="images", cost="linear", ge=1, le=200
    )


SCHEMAS: dict[str, type[Parameters]] = {
    "corpus": CorpusParameters,
    "generator": GeneratorParameters,
    "methods": MethodsParameters,
    "compare": CompareParameters,
    "scaling": ScalingParameters,
    "bias": BiasParameters,
}


class ParameterError(InputError):
    """One sentence per wrong parameter."""


PATHS = "STABLEREP_PATHS"  # folders outside the project that parameters may name, separated as in PATH


def allow_paths(folders: list[Path]) -> None:
    """Let parameters of this process, and of the notebooks it executes, name what lies in these folders too."""
    if folders:
        earlier = os.environ.get(PATHS)
        os.environ[PATHS] = os.pathsep.join(
            [*([earlier] if earlier else []), *(str(folder.expanduser().resolve()) for folder in folders)]
        )


def outside_path(value: str) -> Path | None:
    """The path that a parameter names, if it lies neither in the project, the current folder nor an allowed one, links followed; else None.

    A path is absolute, begins with ``~``, has a part ``.`` or ``..``, follows ``local-dir:``, or exists; other text, such as owner/name, is none.
    """
    source, colon, rest = value.partition(":")
    local = bool(colon) and source.strip().lower() == "local-dir"  # timm reads it in any case
    text = os.path.expanduser(rest if local else value)
    names_one = local or text.startswith(("/", "~")) or {".", ".."} & set(text.split("/")) or os.path.exists(text)
    if value == "emoji" or not names_one:
        return None
    allowed = [folder for folder in os.environ.get(PATHS, "").split(os.pathsep) if folder]
    inside = (os.getcwd(), PROJECT, *allowed)
    path = Path(os.path.realpath(text))
    return None if any(path.is_relative_to(os.path.realpath(folder)) for folder in inside) else path


def preset_differences(name: str, parameters: Parameters) -> dict[str, tuple[Any, Any]]:
    """The parameters of a chapter that are not its preset's: by name, their value and the preset's."""
    usual = resolve(name, {"preset": parameters.preset}).model_dump()
    return {key: (value, usual[key]) for key, value in parameters.model_dump().items() if value != usual[key]}


def anchor_paths(given: dict[str, Any]) -> dict[str, Any]:
    """Parameters that mean in the project's folder, where notebooks are executed, what they mean in the current folder.

    A generator's folder that is relative becomes absolute, and this process and its notebooks may read the current folder.
    """
    folder = given.get("generator")
    if (
        not isinstance(folder, str)
        or folder == "emoji"
        or not os.path.isdir(folder)
        or os.path.samefile(os.getcwd(), PROJECT)
    ):
        return given
    allow_paths([Path.cwd()])
    return given | {"generator": os.path.abspath(folder)}


def resolve(notebook: str, given: dict[str, Any]) -> Parameters:
    """The full parameters of a notebook: what is given, and the preset's values for the rest. None counts as not given.

    Raises:
        ParameterError: unknown notebook or parameter (with the nearest name), wrong type, or value out of range; all at once.
    """
    from stablerep.study.parameters.presets import preset_values

    if notebook not in SCHEMAS:
        raise ParameterError(f"notebook is {notebook!r}; the book has {', '.join(SCHEMAS)}.")
    schema = SCHEMAS[notebook]
    given = {name: value for name, value in given.items() if value is not None}
    problems = []
    for name in given:
        if name not in schema.model_fields:
            near = difflib.get_close_matches(str(name), schema.model_fields, n=1)  # YAML knows names that are numbers
            hint = f"did you mean {near[0]}?" if near else f"it has {', '.join(schema.model_fields)}."
            problems.append(f"{notebook} has no parameter {name!r}; {hint}")
    values = {"live": True, "preset": given.get("preset", "laptop")} | (
        {"seed": 0} if issubclass(schema, Seeded) else {}
    )
    try:
        values |= preset_values(values["preset"], notebook)
    except ParameterError as error:
        raise ParameterError(str(error)) from None
    try:
        known = {name: value for name, value in given.items() if name in schema.model_fields}
        resolved = schema.model_validate(values | known, strict=False)
    except ValidationError as error:
        for e in error.errors():
            place, value = ".".join(map(str, e["loc"])), e["input"]
            message = e["msg"].removeprefix("Value error, ")
            problems.append(f"{place} is {value!r}: {message[0].lower()}{message[1:]}." if place else f"{message}.")
    if problems:
        raise ParameterError("\n".join(problems))
    return resolved
