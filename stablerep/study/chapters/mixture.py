"""Mixture: real and synthetic images together, at a fixed number of images, added to each other, and where real ones are few."""

from __future__ import annotations

from collections.abc import Callable
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
TESTED = {
    "C13": "whether StableRep learns more from four images of each caption, two real and two synthetic, than from four of either kind"
}
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
    laptop=dict(methods=["stablerep"], real_counts=[0, 2, 4], few_share=0.0),  # what C13 names, and *added*
    smoke=dict(real_counts=[0, 1, 2], few_share=0.25),
    reference=_EVERY | dict(real_counts=[0, 1, 2, 3, 4]),
    # an emoji has five designs to learn from, so that of ten images not half could be real
    workstation=_EVERY | dict(images_per_caption=4, positives=4, real_counts=[0, 1, 2, 3, 4]),
    paper=_EVERY | dict(real_counts=[0, 1]),  # photographs with captions from the web have one of each
)  # fmt: skip


@dataclass(frozen=True)
class Asked:
    arms: list[Evaluated]
    real_images: Callable[[], pd.Series]  # gives how many each caption has to learn from


def ask(p: Parameters, study: Study) -> Asked:
    """Every method at every seed on real and on synthetic images and on their mixtures, and the floors."""
    length, most = p.images_per_caption, max(p.real_counts)
    if most > length:
        raise InputError(
            f"real_counts has {most}; it takes 0 to {length}, as many images of a caption as there are (images_per_caption)."
        )
    if most > (there := study.most_images()):
        raise InputError(
            f"real_counts has {most}; it takes 0 to {there}, as many images of a caption as corpus {study.source!r} has to learn from."
        )
    captions, found = study.captions(p.captions), []
    few = few_real(captions, p, study)
    for seed in range(p.seed, p.seed + p.seeds):
        for method in p.methods:
            found.append(study.evaluated(SYNTHETIC[method], captions, p, seed))
            for kind, (images, learned) in kinds(method, captions, few, p, study).items():
                found.append(study.evaluated_on(images, named(method, kind), learned, p, seed))
            for count in sorted(set(p.real_counts) - {0}):  # none is the arm on synthetic images
                images = together(real(captions, count, study), method, captions, p, study, total=length)
                found.append(study.evaluated_on(images, exchanged(method, count, length), captions, p, seed))
        found += [study.evaluated(arm(name), captions, p, seed) for name in FLOOR_ARMS]
    return Asked(found, lambda: study.images_of(captions))


def few_real(captions: Captions, p: Parameters, study: Study) -> tuple[Captions, int] | None:
    """The captions that have real images where these are few, and how many each has; None where that is not asked, or cannot be.

    Where captions repeat, all have real images, but fewer than synthetic ones.
    """
    if not p.few_share:
        return None
    if study.repeats_captions:
        each = max(1, round(p.few_share * p.images_per_caption))
        return (captions, each) if each < p.images_per_caption else None
    few = captions.first(max(1, round(p.few_share * len(captions))))
    return (few, 1) if all(study.fills_a_batch(SYNTHETIC[method], few, p) for method in p.methods) else None


def left_out(p: Parameters, study: Study) -> str:
    """A sentence where few real images are asked for and this corpus cannot show them."""
    captions = study.captions(p.captions)
    if not p.few_share or few_real(captions, p, study):
        return ""
    why = (
        f"in whole images, {p.few_share:g} of the {p.images_per_caption} of a caption are all of them"
        if study.repeats_captions
        else f"{p.few_share:g} of {len(captions):,} captions do not fill a batch"
    )
    return f"The arms on few real images are left out: {why}."


def images_named(real: int, synthetic: int) -> str:
    """So many images of a caption, such as *2 real + 2 synthetic*."""
    counts = {"real": real, "synthetic": synthetic}
    return " + ".join(f"{count} {kind}" for kind, count in counts.items() if count)


def named(method: str, kind: str) -> Arm:
    """An arm on images of its own, such as *StableRep few real + synthetic*."""
    return Arm(f"{METHODS[method].title} {kind}", method, kind)


def exchanged(method: str, count: int, length: int) -> Arm:
    """A method on ``length`` images of each caption, of which ``count`` are real where the caption has so many; without any the arm on
    synthetic images."""
    return named(method, images_named(count, length - count)) if count else SYNTHETIC[method]


def kinds(
    method: str, captions: Captions, few: tuple[Captions, int] | None, p: Parameters, study: Study
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
        some = real(*few, study)
        found[FEW] = (study.seen(some), few[0])
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


def pairs(methods: list[str], length: int) -> list[Pair]:
    """What the claim compares, and secondary pairs."""
    found = []
    for method in methods:
        made, whole = SYNTHETIC[method].name, exchanged(method, length, length).name
        alone, both, few, few_and = (named(method, kind).name for kind in (REAL, BOTH, FEW, FEW_AND))
        claim = "C13" if method == "stablerep" else "exchanged"
        if length % 2 == 0:
            half = exchanged(method, length // 2, length).name
            found += [Pair(claim, half, made), Pair(claim, half, whole)]
        if length > 2:
            found.append(Pair("one real", exchanged(method, 1, length).name, made))
        found += [
            Pair("either", made, whole), Pair("added", both, made), Pair("added", both, alone),
            Pair("few", few_and, few), Pair("few", few_and, made), Pair("few for all", few_and, alone),
        ]  # fmt: skip
    return found


def compute(p: Parameters, asked: Asked) -> dict[str, pd.DataFrame]:
    """Tables: ``arms`` (an interval per arm and probe), ``differences`` (:func:`pairs`), ``floors`` (each trained arm against each floor),
    ``seeds``, and ``shares``: as ``arms``, with ``method``, ``images`` (in words), ``real``, how many of a caption's ``total`` images are
    to be real ones, and ``share``, which share of all images is."""
    items, length, there = items_of(asked.arms), p.images_per_caption, asked.real_images()
    arms, trained = (
        summarize(items),
        [name for name in dict.fromkeys(one.arm for one in asked.arms) if name not in FLOOR_ARMS],
    )
    shares = [
        arms[arms["arm"] == exchanged(method, count, length).name].assign(
            method=METHODS[method].title, images=images_named(count, length - count), real=count, total=length,
            share=there.clip(upper=count).mean() / length,
        )
        for method in p.methods for count in sorted(p.real_counts)
    ]  # fmt: skip
    return {
        "arms": arms,
        "differences": differences(items, pairs(p.methods, length)),
        "floors": against_floors(items, trained),
        "seeds": seed_means(items),
        "shares": pd.concat(shares, ignore_index=True),
    }


def verdict(tables: dict[str, pd.DataFrame]) -> list[Answer]:
    """C13 on the primary probe."""
    return [replace(answer(tables, probe_of(tables["arms"])), but=really_real(tables["shares"]))]


def really_real(shares: pd.DataFrame) -> str:
    """A sentence on which share of the images of each mixture is real, where captions have fewer real images than asked for; else empty.

    Args:
        shares: ``images``, ``real``, ``total`` and ``share``, of :func:`compute`.
    """
    halves = shares[shares["real"].isin([*shares["total"], *(shares["total"] / 2)])].drop_duplicates("images")
    short = halves[halves["share"] < halves["real"] / halves["total"] - 0.005].sort_values("real", ascending=False)
    said = " and ".join(f"of *{row.images}* {100 * row.share:.0f} %" for row in short.itertuples())
    return f"Of the images {said} are real: captions with fewer are filled up with synthetic ones." if said else ""


def answer(tables: dict[str, pd.DataFrame], probe: str) -> Answer:
    """C13 on one probe, by ``differences`` and ``floors``."""
    rule = (
        "reproduced when StableRep on as many real as synthetic images of each caption lies above StableRep on synthetic images alone and above "
        f"StableRep on real ones alone, the number of images being the same, by the whole interval; {RULE}"
    )
    lacking = "StableRep was not run with none, half and all of a caption's images real"
    return answer_by_pairs("C13", probe, tables["differences"], tables["floors"], rule, needed=2, lacking=lacking)
