"""Quality: real images through the generator's autoencoder and at lower resolutions, and synthetic ones in fewer sampling steps."""

from __future__ import annotations

from dataclasses import dataclass, replace
from math import nan
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, ClassVar, Literal

import pandas as pd
from pydantic import Field

from stablerep.errors import InputError
from stablerep.generator.sampling import STEPS
from stablerep.methods import METHODS
from stablerep.statistics.arms import Pair, differences, seed_means, summarize
from stablerep.study.chapters import Headline, probe_of
from stablerep.study.experiments.answers import Answer, answer_by_pairs
from stablerep.study.experiments.arms import FLOOR_ARMS, Arm, arm
from stablerep.study.experiments.evaluated import Evaluated, items_of
from stablerep.study.experiments.floors import DEGRADED_RULE, against_floors
from stablerep.study.experiments.images import Captions, ImageSet
from stablerep.study.experiments.study import Study
from stablerep.study.parameters.base import Pretraining, knob
from stablerep.study.parameters.presets import PRETRAINING, chapter_presets
from stablerep.study.store.runs import Run
from stablerep.study.store.step import Step

if TYPE_CHECKING:
    from stablerep.camera import Camera

QUESTION = "How much of what separates real from synthetic images is quality, and how much is what they show?"
CLAIMS = ("C16",)
TESTED = {"C16": "what the autoencoder, a lower resolution and fewer sampling steps cost StableRep"}
HEADLINE = Headline("arms", ("arm", "probe"), "accuracy", "accuracy")

CLAIMED = "stablerep"  # the method that C16 rests on
SYNTHETIC = {CLAIMED: arm("StableRep synthetic"), "simclr": arm("SimCLR synthetic")}
REAL, RECONSTRUCTED = "real", "reconstructed"  # qualities, beside numbers of pixels and of steps
GAP, QUALITY, CONTENT = "real − synthetic", "quality: real − reconstructed", "content: reconstructed − synthetic"

PICTURES = Step(
    "pictures", 1, lambda p: "a few captions in every quality",
    ("stablerep.audits.faithfulness", "stablerep.variants", "stablerep.camera", f"{__name__}:draw_pictures"), seconds=0.5,
)  # fmt: skip
# where they are to be had, and the first captions in place of others
PICTURED = ("dog face", "rose", "woman health worker")


class Parameters(Pretraining):
    # what no method of this chapter reads
    clip_guidance_scale: ClassVar[float]
    clip_learning_rate: ClassVar[float]
    caption_colour: ClassVar[float]

    methods: list[Literal[tuple(SYNTHETIC)]] = knob(
        "methods that learn from images of each quality", cost="linear", min_length=1
    )
    resolutions: list[Annotated[int, Field(ge=1)]] = knob(
        "sides below image_size by way of which real images go", unit="pixels", cost="linear"
    )
    fewer_steps: list[Annotated[int, Field(ge=STEPS[0], le=STEPS[1])]] = knob(
        "numbers of denoising steps below sampling_steps, for StableRep's images", cost="linear"
    )


_EVERY = dict(methods=list(SYNTHETIC), resolutions=[16, 8], fewer_steps=[6, 3])
PRESETS = chapter_presets(
    Parameters, PRETRAINING,
    laptop=dict(methods=[CLAIMED], resolutions=[16], fewer_steps=[2]),  # three trainings that the comparison has not
    smoke=dict(sampling_steps=3),  # no sampler takes fewer than two
    reference=_EVERY, workstation=_EVERY, paper=_EVERY | dict(resolutions=[112, 56], fewer_steps=[25, 12]),
)  # fmt: skip


@dataclass(frozen=True)
class Variant:
    """Images of one quality, and the arm that learns from them.

    Attributes:
        drawings: the images before the camera.
        better: the arm on the same images of the best quality; empty for that arm itself.
        claim: of the pair of both: C16 where the claim rests on it, else what lowers the quality.
    """

    arm: Arm
    drawings: ImageSet
    better: str = ""
    claim: str = ""


@dataclass(frozen=True)
class Asked:
    evaluated: list[Evaluated]
    variants: dict[str, dict[str, Variant]]  # by method and quality
    pictures: Run


def ask(p: Parameters, study: Study) -> Asked:
    """An encoder for each method, quality and seed, the floors, and pictures in every quality of the first method."""
    for name, most in (("resolutions", "image_size"), ("fewer_steps", "sampling_steps")):
        if wrong := [one for one in getattr(p, name) if one >= getattr(p, most)]:
            raise InputError(f"{name} has {wrong[0]}; it takes numbers below {most}, {getattr(p, most)}.")
    captions, seeds = study.captions(p.captions), range(p.seed, p.seed + p.seeds)
    variants = {method: variants_of(method, captions, p, study) for method in p.methods}
    found = [
        study.evaluated_on(study.seen(one.drawings), one.arm, captions, p, seed)
        for seed in seeds for some in variants.values() for one in some.values()
    ]  # fmt: skip
    floors = [study.evaluated(arm(name), captions, p, seed) for seed in seeds for name in FLOOR_ARMS]
    shown = pictures(p.methods[0], variants[p.methods[0]], captions, p, study)
    return Asked([*found, *floors], variants, shown)


def variants_of(method: str, captions: Captions, p: Parameters, study: Study) -> dict[str, Variant]:
    """A method's arms by quality: real images as they are, reconstructed, and by way of fewer pixels; synthetic ones in so many steps."""

    def lower(which: Arm, drawings: ImageSet, what: str, better: Arm, *, decides: bool = True) -> Variant:
        return Variant(which, drawings, better.name, CLAIMS[0] if decides and method == CLAIMED else what)

    found, made = {}, SYNTHETIC[method]
    if real := real_arm(method, study):
        drawings = study.arm_drawings(real, captions, p, p.seed)
        again = replace(real, name=real.name.replace(REAL, RECONSTRUCTED), images=RECONSTRUCTED)
        if real.images == "designs":  # all of them, in the order of the real ones
            decoded = study.reconstructed_images(captions, p, at_most=len(study.about.designs))
        else:
            decoded = study.arm_drawings(again, captions, p, p.seed)
        found |= {REAL: Variant(real, drawings), RECONSTRUCTED: lower(again, decoded, "autoencoder", real)}
        for side in sorted(p.resolutions, reverse=True):
            which, half = replace(real, name=f"{real.name}, {side} pixels"), 2 * side == p.image_size
            found[f"{side} pixels"] = lower(which, drawings.coarser(side), "resolution", real, decides=half)
    found[steps_of(p)] = Variant(made, study.arm_drawings(made, captions, p, p.seed))
    for steps in sorted(p.fewer_steps, reverse=True) if method == CLAIMED else ():
        fewer = p.model_copy(update={"sampling_steps": steps})
        which = replace(made, name=f"{made.name}, {steps} steps")
        drawn = study.arm_drawings(which, captions, fewer, p.seed)
        found[steps_of(fewer)] = lower(which, drawn, "sampling steps", made, decides=steps == min(p.fewer_steps))
    return found


def steps_of(p: Parameters) -> str:
    """The quality of synthetic images."""
    return f"{p.sampling_steps} steps"


def real_arm(method: str, study: Study) -> Arm | None:
    """The arm on real images; None where the corpus lacks them: StableRep needs several of a caption, designs or photographs."""
    if method != "stablerep":
        return arm("SimCLR real")
    if not study.lacking(designs := arm("StableRep real designs")):
        return designs
    return Arm("StableRep real", "stablerep", "real") if study.repeats_captions else None


def left_out(p: Parameters, study: Study) -> str:
    """A sentence where the corpus has too few images of a caption for StableRep."""
    if all(real_arm(method, study) for method in p.methods):
        return ""
    return "This corpus has one image of each caption; StableRep needs several, so its arms on real images are left out, without which C16 cannot be tested."


def pictures(method: str, variants: dict[str, Variant], captions: Captions, p: Parameters, study: Study) -> Run:
    """The same few captions in every quality of a method, as drawings and as the scenes that encoders see."""
    return study.store.obtain(
        PICTURES,
        parameters={"size": study.size, "wanted": list(PICTURED)},
        inputs={quality: study.seen(one.drawings).name for quality, one in variants.items()},
        needs=lambda: variants_of(method, captions, p, study),
        compute=lambda folder: draw_pictures(variants, captions.texts, study.camera, study.size, folder),
    )


def draw_pictures(variants: dict[str, Variant], texts: list[str], camera: Camera, size: int, folder: Path) -> dict:
    from stablerep.audits.faithfulness import picture_grid
    from stablerep.variants import resized

    known = [one for one in PICTURED if one in texts]
    shown, rows = list(dict.fromkeys([*known, *texts]))[: len(PICTURED)], []
    for quality, one in variants.items():
        drawings = one.drawings.load().only(shown)
        kinds = {"image": drawings} if camera.still else {"drawing": drawings, "scene": drawings.through(camera)}
        for kind, some in kinds.items():
            images = resized(some.images[:], size)  # a generator has a size of its own
            grid = picture_grid(images, some.caption_ids, some.captions, dict.fromkeys(shown, kind), nan)
            rows += [
                {"caption": row["caption"], "kind": kind, "quality": quality, "png": row["png"]}
                for row in grid
                if row["index"] == 0
            ]
    pd.DataFrame(rows).to_parquet(folder / "results.parquet", index=False)
    return {}


def pairs(variants: dict[str, dict[str, Variant]], p: Parameters) -> list[Pair]:
    """What the claim compares, and secondary pairs."""
    lower = [
        Pair(one.claim, one.better, one.arm.name) for some in variants.values() for one in some.values() if one.better
    ]
    content = [replace(pair, claim="content") for some in variants.values() for pair in gap_pairs(some, p)[-1:]]
    return sorted([*content, *lower], key=lambda pair: pair.claim != CLAIMS[0])


def gap_pairs(variants: dict[str, Variant], p: Parameters) -> list[Pair]:
    """Of one method: real against synthetic images, and what that is the sum of, by way of the reconstructed ones; none without real images."""
    if REAL not in variants:
        return []
    real, again, made = (variants[quality].arm.name for quality in (REAL, RECONSTRUCTED, steps_of(p)))
    return [Pair(GAP, real, made), Pair(QUALITY, real, again), Pair(CONTENT, again, made)]


def compute(p: Parameters, asked: Asked) -> dict[str, pd.DataFrame]:
    """Tables: ``arms`` (an interval per arm and probe), ``differences`` (:func:`pairs`), ``gaps`` (:func:`gap_pairs`, with ``method``),
    ``floors`` (each trained arm against each floor), ``seeds``, and ``pictures``: ``caption``, ``kind`` (drawing, scene, or for photographs
    image), ``quality`` and ``png``."""
    items = items_of(asked.evaluated)
    trained = [one.arm.name for some in asked.variants.values() for one in some.values()]
    parts = {name: gap_pairs(some, p) for name, some in asked.variants.items()}
    gaps = differences(items, [pair for some in parts.values() for pair in some])
    titles = {pair.first: METHODS[name].title for name, some in parts.items() for pair in some}
    return {
        "arms": summarize(items),
        "differences": differences(items, pairs(asked.variants, p)),
        "gaps": gaps.assign(method=gaps["first"].map(titles)),
        "floors": against_floors(items, trained),
        "seeds": seed_means(items),
        "pictures": asked.pictures.table(),
    }


def verdict(tables: dict[str, pd.DataFrame]) -> list[Answer]:
    """C16 for StableRep on the primary probe."""
    rule = (
        "reproduced when each of three differences for StableRep lies above zero by its whole interval: real minus reconstructed, real minus half "
        "resolution, synthetic minus synthetic with the fewest steps; equivalent when all lie within a point of zero; "
        f"{DEGRADED_RULE}"
    )
    probe, pairs, floors = probe_of(tables["arms"]), tables["differences"], tables["floors"]
    lacking = "of the autoencoder, half the resolution and fewer sampling steps, not all were tried with StableRep"
    found = answer_by_pairs(CLAIMS[0], probe, pairs, floors, rule, needed=3, lacking=lacking, degraded=True)
    return [replace(found, but=gap_in_words(tables["gaps"], probe))]


def gap_in_words(gaps: pd.DataFrame, probe: str) -> str:
    """How far real and synthetic images lie apart for StableRep, and by which part; empty where it had no real images."""
    from stablerep.figures.paired import paired

    mine = gaps[(gaps["probe"] == probe) & (gaps["method"] == METHODS[CLAIMED].title)]
    found = [paired(mine, probe, row.first, row.second) for row in mine.itertuples()]
    return " ".join(f"{title}: {one.sentence}." for title, one in zip(("The gap", "Quality", "Content"), found) if one)
