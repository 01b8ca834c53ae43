"""Generations: a generator is trained further on its own images, again and again, with and without real ones among them."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import ClassVar, Literal

import pandas as pd

from stablerep.errors import InputError
from stablerep.statistics.arms import Pair, differences, seed_means, summarize
from stablerep.study.chapters import Headline, probe_of
from stablerep.study.experiments.answers import Answer, answer_by_pairs
from stablerep.study.experiments.arms import FLOOR_ARMS, Arm, arm
from stablerep.study.experiments.evaluated import Evaluated, items_of
from stablerep.study.experiments.floors import DEGRADED_RULE, against_floors
from stablerep.study.experiments.generation_images import measured, over_chains
from stablerep.study.experiments.images import Captions, ImageSet
from stablerep.study.experiments.judged_images import judge_of
from stablerep.study.experiments.study import Study
from stablerep.study.parameters.base import GuidanceScale, Pretraining, knob
from stablerep.study.parameters.presets import GENERATED, PRETRAINING, chapter_presets
from stablerep.study.store.runs import Run

QUESTION = "What becomes of a generator that learns from its own images?"
CLAIMS = ("C15",)
TESTED = {
    "C15": "the second sentence, for generators that are trained further from generation to generation, by what StableRep learns from the images of the last one"
}
HEADLINE = Headline("arms", ("arm", "probe"), "accuracy", "accuracy")
FIRST = arm("StableRep synthetic")  # on images of generation 0
WAYS = ("replaced", "mixed", "accumulated", "filtered", "only real")
APART = 100  # from the seeds of one generation to those of the next: as many as repetitions may be, so that no two draw from the same noise


class Parameters(Pretraining):
    # what no method of this chapter reads
    simclr_guidance_scale: ClassVar[float]
    simclr_learning_rate: ClassVar[float]
    clip_guidance_scale: ClassVar[float]
    clip_learning_rate: ClassVar[float]

    images_per_caption: int = knob(
        "l: images of each caption that a generation draws", unit="images", cost="linear (synthesis)", ge=2, le=50
    )
    ways: list[Literal[WAYS]] = knob("what each generation learns from", cost="linear", min_length=1)
    generations: int = knob("how often the generator is trained further", cost="linear", ge=1, le=20)
    training_steps: int = knob("steps by which each generation is trained further", cost="linear", ge=1)
    training_rate: float = knob("peak learning rate of that training", gt=0, le=1)
    lesson_guidance_scale: GuidanceScale = knob("w of the synthetic images that a generator learns from")


PRESETS = chapter_presets(
    Parameters, PRETRAINING,
    laptop=dict(
        captions=64, steps=150, ways=["replaced"], generations=1, training_steps=30, training_rate=3e-4,
        lesson_guidance_scale=1.0,  # what the generator learned; w > 1 sharpens it, and generation by generation that would add up
    ),
    smoke=dict(captions=32, training_steps=2),
    reference=dict(ways=list(WAYS), generations=3, training_steps=1000),
    workstation=dict(ways=list(WAYS), generations=3, training_steps=2000),
    # Stable Diffusion cannot be trained further here: --generator names one that was made by `stablerep train-generator`
    paper=dict(ways=list(WAYS), generations=3, training_steps=20_000) | GENERATED,
)  # fmt: skip


@dataclass(frozen=True)
class Asked:
    first: list[Evaluated]  # generation 0 and the floors
    trained: dict[tuple[str, int], list[Evaluated]]  # by way and generation
    images: list[Run]  # what is measured of the images of every generation, for each seed


def ask(p: Parameters, study: Study) -> Asked:
    """At every seed StableRep on the images of generation 0, and of every generation of a chain for each way; and the floors.

    Raises:
        InputError: a generator that cannot be trained further, or the preset paper without one.
    """
    if p.preset == "paper" and p.generator == "emoji" and p.corpus != "emoji":
        raise InputError(
            "the preset paper needs generator, for generations: a pipeline/ that `stablerep train-generator` made from the same corpus; the embedded one draws emoji."
        )
    study.need_trainable(p.generator)
    captions, seeds = study.captions(p.captions), range(p.seed, p.seed + p.seeds)
    names = [FIRST.name, *FLOOR_ARMS]
    first = [study.evaluated(arm(name), captions, p, seed) for seed in seeds for name in names]
    chains = {seed: {way: chain(way, captions, p, study, seed) for way in p.ways} for seed in seeds}
    trained = {
        (way, t): [
            study.evaluated(named(way, t), captions, drawn_by(chains[seed][way][t - 1], p), seed) for seed in seeds
        ]
        for way in p.ways for t in range(1, p.generations + 1)
    }  # fmt: skip
    return Asked(first, trained, [images_of(p, study, captions, found, seed) for seed, found in chains.items()])


def named(way: str, generation: int) -> Arm:
    """StableRep on the images of a generation; each seed has a generator, and images, of its own."""
    return replace(FIRST, name=f"StableRep, {way}, generation {generation}", redrawn=True)


def drawn_by(generator: str, p: Parameters) -> Parameters:
    """The same parameters with another generator."""
    return p.model_copy(update={"generator": generator})


def chain(way: str, captions: Captions, p: Parameters, study: Study, seed: int) -> list[str]:
    """The generators of generations 1 and on, each trained further from the one before on :func:`lesson`, at the seed of a repetition."""
    found, before, drawn = [], p.generator, []
    for t in range(1, p.generations + 1):
        own = seed + APART * t
        if way != "only real":
            count = p.images_per_caption * (2 if way == "filtered" else 1)
            drawn.append(
                study.synthetic_images(
                    captions, drawn_by(before, p), p.lesson_guidance_scale, images_per_caption=count, seed=own
                )
            )
        before = study.trained_further(
            before, lesson(way, drawn, captions, p, study, seed), steps=p.training_steps, learning_rate=p.training_rate, seed=own
        )  # fmt: skip
        found.append(before)
    return found


def lesson(way: str, drawn: list[ImageSet], captions: Captions, p: Parameters, study: Study, seed: int) -> ImageSet:
    """The drawings that a generation learns from.

    Args:
        drawn: what the generations before it drew, its own parent's last; for ``filtered`` twice as many of each caption.
        seed: of the repetition, and of the encoder that filters.
    """
    length = p.images_per_caption
    if way == "replaced":
        return drawn[-1]
    if way == "mixed":
        return study.real_drawings(captions, at_most=length // 2).mixed_with(drawn[-1], total=length)
    if way == "filtered":
        judge = study.pretrained(arm("StableRep+ synthetic"), captions, p, seed)
        return study.closest_to_captions(drawn[-1], judge, length)
    images = study.real_drawings(captions, several=True)
    for made in drawn if way == "accumulated" else ():
        images = images.mixed_with(made)
    return images


def images_of(p: Parameters, study: Study, captions: Captions, generators: dict[str, list[str]], seed: int) -> Run:
    """What is measured of the images that StableRep learns from at a seed, as the judge of that seed sees them."""
    drawings = {("", 0): study.arm_drawings(FIRST, captions, p, seed)} | {
        (way, t): study.arm_drawings(named(way, t), captions, drawn_by(one, p), seed)
        for way, found in generators.items() for t, one in enumerate(found, 1)
    }  # fmt: skip
    return measured(study, drawings, captions, judge_of(p, study, seed), seed, p.images_per_caption)


def pairs(last: int) -> list[Pair]:
    """What the claim compares at the last generation, and secondary pairs.

    The arms of the claim have as many steps, from the same start. Generation 0 has fewer, and *accumulated* more images, in more designs.
    """
    replaced, mixed, accumulated, filtered, real = (named(way, last).name for way in WAYS)
    return [
        Pair("C15", real, replaced), Pair("C15", mixed, replaced),
        Pair("generation 0", FIRST.name, replaced), Pair("accumulated", accumulated, replaced), Pair("filtered", filtered, replaced),
        Pair("all kept", accumulated, FIRST.name), Pair("training alone", real, FIRST.name),
    ]  # fmt: skip


def compute(p: Parameters, asked: Asked) -> dict[str, pd.DataFrame]:
    """Tables: ``arms`` (an interval per arm and probe), ``differences`` (:func:`pairs`), ``floors`` (each trained arm against each floor),
    ``seeds``; ``generations``: as ``arms``, with ``way`` and ``generation``, generation 0 being the same for every way; and, of the images themselves,
    ``faithfulness``, ``diversity``, ``sets`` (:mod:`stablerep.audits.faithfulness`) and ``grid`` (PNG, of the first seed), with ``way`` and ``generation``."""
    first = items_of(asked.first)
    trained = {key: items_of(some) for key, some in asked.trained.items()}
    items = pd.concat([first, *trained.values()], ignore_index=True)
    points = [
        summarize(first[first["arm"] == FIRST.name] if t == 0 else trained[way, t]).assign(way=way, generation=t)
        for way in p.ways for t in range(p.generations + 1)
    ]  # fmt: skip
    learned = [name for name in items["arm"].unique() if name not in FLOOR_ARMS]
    sets = [("", 0), *((way, t) for way in p.ways for t in range(1, p.generations + 1))]
    return {
        "arms": summarize(items), "differences": differences(items, pairs(p.generations)),
        "floors": against_floors(items, learned), "seeds": seed_means(items), "generations": pd.concat(points, ignore_index=True),
    } | over_chains(asked.images, sets)  # fmt: skip


def verdict(tables: dict[str, pd.DataFrame]) -> list[Answer]:
    """C15 on the primary probe, at the last generation."""
    rule = (
        "reproduced when StableRep on images of the last generation of *only real*, and that on images of the last generation of *mixed*, both lie above "
        f"StableRep on images of the last generation of *replaced*, each by the whole interval; {DEGRADED_RULE}"
    )
    probe, pairs, floors = probe_of(tables["arms"]), tables["differences"], tables["floors"]
    lacking = "not all of the ways *replaced*, *mixed* and *only real* were run"
    return [answer_by_pairs("C15", probe, pairs, floors, rule, needed=2, lacking=lacking, degraded=True)]


def fewer_views(p: dict) -> str:
    """A sentence where StableRep sees fewer images than in the comparison at the same preset, so that its accuracy is another; else empty.

    Args:
        p: the parameters behind the tables, ``preset``, ``steps`` and ``views_per_step`` among them.
    """
    from stablerep.study.chapters import resolve

    there = resolve("compare", {"preset": p["preset"]})
    theirs, mine = (
        steps * views for steps, views in ((there.steps, there.views_per_step), (p["steps"], p["views_per_step"]))
    )
    if mine == theirs:
        return ""
    return (
        f"An arm of the comparison sees {theirs:,} views at the preset `{p['preset']}`; an arm here sees {mine:,}. So *StableRep synthetic* has another "
        "accuracy here than there. Compare arms within this page alone."
    )
