"""Mixture: real and synthetic images together, at a fixed number of images, added to each other, and where real ones are few."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Annotated, ClassVar, Literal

import pandas as pd
from pydantic import Field

from stablerep.errors import InputError
from stablerep.methods import METHODS
from stablerep.statistics.arms import Pair, differences, seed_means, summarize
from stablerep.study.chapters import Headline, probe_of
from stablerep.study.experiments.answers import Answer, answer_by_pairs
from stablerep.study.experiments.arms import FLOOR_ARMS, Arm, arm
from stablerep.study.experiments.evaluated import Evaluated, items_of
from stablerep.study.experiments.floors import RULE, against_floors
from stablerep.study.experiments.images import Captions, ImageSet
from stablerep.study.experiments.learning import own
from stablerep.study.experiments.study import Study
from stablerep.study.parameters.base import Pretraining, knob
from stablerep.study.parameters.presets import PRETRAINING, chapter_presets

QUESTION = "Do real and synthetic images together teach more than either alone?"
CLAIMS = ("C13",)
TESTED = {"C13": "whether StableRep learns more from both together than from either alone"}
HEADLINE = Headline("arms", ("arm", "probe"), "accuracy", "accuracy")
SYNTHETIC = {
    "stablerep": arm("StableRep synthetic"),
    "simclr": arm("SimCLR all synthetic"),
}  # all l images of each caption
REAL, BOTH, FEW, FEW_AND = "real", "real + synthetic", "few real", "few real + synthetic"


class Parameters(Pretraining):
    # what no method of this chapter reads
    clip_guidance_scale: ClassVar[float]
    clip_learning_rate: ClassVar[float]
    caption_colour: ClassVar[float]

    methods: list[Literal[tuple(SYNTHETIC)]] = knob("methods to train", cost="linear", min_length=1)
    real_counts: list[Annotated[int, Field(ge=0, le=100)]] = knob(
        "how many of the l images of a caption are real, at a fixed number of images", cost="linear", min_length=2
    )
    few_share: float = knob(
        "share of the captions that have a real image, where these are few; 0: not asked", ge=0, lt=1
    )


_EVERY = dict(methods=list(SYNTHETIC), few_share=0.1)
PRESETS = chapter_presets(
    Parameters, PRETRAINING,
    laptop=dict(methods=["stablerep"], real_counts=[0, 2], few_share=0.0),
    smoke=_EVERY | dict(real_counts=[0, 1], few_share=0.25),
    reference=_EVERY | dict(real_counts=[0, 1, 2, 3, 4]), workstation=_EVERY | dict(real_counts=[0, 1, 5, 10]),
    paper=_EVERY | dict(real_counts=[0, 1, 5, 10]),
)  # fmt: skip


@dataclass(frozen=True)
class Asked:
    arms: list[Evaluated]  # each kind alone, both together, and the floors
    shares: dict[int, list[Evaluated]]  # by the number of real images among the l of a caption


def ask(p: Parameters, study: Study) -> Asked:
    """Every method at every seed on real, on synthetic and on both kinds of images of the same captions, and the floors."""
    length = p.images_per_caption
    if (most := max(p.real_counts)) > length:
        raise InputError(f"real_counts has {most}; a caption has {length} images in all (images_per_caption).")
    captions, found, shares = study.captions(p.captions), [], {count: [] for count in sorted(p.real_counts)}
    few = captions.first(max(1, round(p.few_share * len(captions)))) if p.few_share else None
    for seed in range(p.seed, p.seed + p.seeds):
        for method in p.methods:
            alone = study.evaluated(SYNTHETIC[method], captions, p, seed)
            found.append(alone)
            for kind, (images, learned) in kinds(method, captions, few, p, study).items():
                found.append(study.evaluated_on(images, named(method, kind), learned, p, seed))
            for count, some in shares.items():
                which = shared(method, count, length)
                if count:
                    images = together(real(captions, count, study), method, captions, p, study, total=length)
                    some.append(study.evaluated_on(images, which, captions, p, seed))
                else:
                    some.append(replace(alone, arm=which.name))
        found += [study.evaluated(arm(name), captions, p, seed) for name in FLOOR_ARMS]
    return Asked(found, shares)


def named(method: str, kind: str) -> Arm:
    """An arm on images of its own, such as *StableRep real + synthetic*."""
    return Arm(f"{METHODS[method].title} {kind}", method, kind)


def shared(method: str, count: int, length: int) -> Arm:
    """A method on ``length`` images of each caption, of which ``count`` are real; such as *SimCLR, 1 of 4 real*."""
    return Arm(f"{METHODS[method].title}, {count} of {length} real", method, BOTH)


def kinds(
    method: str, captions: Captions, few: Captions | None, p: Parameters, study: Study
) -> dict[str, tuple[ImageSet, Captions]]:
    """By kind, the images that a method learns from beside the synthetic ones alone, and whose captions they are.

    A caption has one real image, as captioned images from the web have, or as many as synthetic ones where captions repeat.
    """
    each = p.images_per_caption if study.repeats_captions else 1
    drawings = real(captions, each, study)
    found = {
        REAL: (study.seen(drawings), captions),
        BOTH: (together(drawings, method, captions, p, study), captions),
    }
    if few:
        some = real(few, each, study)
        found[FEW] = (study.seen(some), few)
        found[FEW_AND] = (together(some, method, captions, p, study), captions)
    return found


def real(captions: Captions, each: int, study: Study) -> ImageSet:
    """At most so many real images of each caption, before the camera."""
    return study.real_drawings(captions, at_most=each)


def together(
    drawings: ImageSet, method: str, captions: Captions, p: Parameters, study: Study, *, total: int | None = None
) -> ImageSet:
    """Scenes of some real images and of the synthetic ones that the method has alone; ``total`` as for :func:`stablerep.variants.mixed`."""
    w = own(p, SYNTHETIC[method], "guidance_scale")
    made = study.synthetic_images(captions, p, w, images_per_caption=p.images_per_caption, seed=p.seed)
    return study.seen(drawings.mixed_with(made, total=total))


def pairs(methods: list[str], counts: list[int], length: int) -> list[Pair]:
    """What the claim compares, and what stands beside it and decides nothing."""
    found = []
    for method in methods:
        made = SYNTHETIC[method].name
        alone, both, few, few_and = (named(method, kind).name for kind in (REAL, BOTH, FEW, FEW_AND))
        claim = "C13" if method == "stablerep" else "both"
        found += [
            Pair(claim, both, made), Pair(claim, both, alone),
            Pair("few", few_and, few), Pair("few", few_and, made), Pair("few for all", few_and, alone), Pair("either", made, alone),
        ]  # fmt: skip
        names = [shared(method, count, length).name for count in sorted(counts)]
        found.append(Pair("exchanged", names[-1], names[(len(names) - 1) // 2]))
    return found


def compute(p: Parameters, asked: Asked) -> dict[str, pd.DataFrame]:
    """Tables: ``arms`` (an interval per arm and probe), ``differences`` (:func:`pairs`), ``floors`` (each trained arm against each floor),
    ``seeds``, and ``shares``: as ``arms``, with ``method`` and ``real``, how many of a caption's images, ``total`` in all, are real ones."""
    items, shares = items_of(asked.arms), {count: items_of(some) for count, some in asked.shares.items()}
    trained = [name for name in dict.fromkeys(one.arm for one in asked.arms) if name not in FLOOR_ARMS]
    both, wanted = pd.concat([items, *shares.values()]), pairs(p.methods, p.real_counts, p.images_per_caption)
    titles = {shared(m, k, p.images_per_caption).name: METHODS[m].title for m in p.methods for k in p.real_counts}
    summaries = [summarize(some).assign(real=count, total=p.images_per_caption) for count, some in shares.items()]
    counted = pd.concat(summaries, ignore_index=True)
    return {
        "arms": summarize(items),
        "differences": differences(both, wanted),
        "floors": against_floors(items, trained),
        "seeds": seed_means(both),
        "shares": counted.assign(method=counted["arm"].map(titles)),
    }


def verdict(tables: dict[str, pd.DataFrame]) -> list[Answer]:
    """C13 on the primary probe."""
    rule = (
        "reproduced when StableRep on both kinds of images lies above StableRep on either kind alone, by the whole interval; "
        f"{RULE}"
    )
    probe, pairs, floors = probe_of(tables["arms"]), tables["differences"], tables["floors"]
    return [answer_by_pairs("C13", probe, pairs, floors, rule, needed=2, lacking="StableRep was not run")]
