"""Generations: a generator is trained further on its own images, again and again, with and without fresh real ones."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import ClassVar, Literal

import pandas as pd

from stablerep.statistics.arms import Pair, differences, seed_means, summarize
from stablerep.study.chapters import Headline, probe_of
from stablerep.study.experiments.answers import Answer, answer_by_pairs
from stablerep.study.experiments.arms import FLOOR_ARMS, Arm, arm
from stablerep.study.experiments.evaluated import Evaluated, items_of
from stablerep.study.experiments.floors import RULE, against_floors
from stablerep.study.experiments.images import Captions, ImageSet
from stablerep.study.experiments.study import Study
from stablerep.study.parameters.base import Pretraining, knob
from stablerep.study.parameters.presets import GENERATED, PRETRAINING, chapter_presets
from stablerep.study.store.runs import Run
from stablerep.study.store.step import Step

QUESTION = "What becomes of a generator that learns from its own images?"
CLAIMS = ("C15",)
TESTED = {
    "C15": "by what StableRep learns from the images of the last generation, each generation trained further from the one before"
}
HEADLINE = Headline("arms", ("arm", "probe"), "accuracy", "accuracy")
FIRST = arm("StableRep synthetic")  # on images of the generator as it is, generation 0
WAYS = ("replaced", "mixed", "accumulated", "filtered", "real")
SEEN = 1000  # captions whose images are measured, at most: all pairs of images are compared
SHOWN = 6  # captions whose images are kept to look at

IMAGES = Step(
    "generation-images", 1, lambda p: f"how varied images of {len(p['sets'])} generators are",
    ("stablerep.audits.faithfulness", "stablerep.training.backbones", "stablerep.camera", f"{__name__}:measured"),
    amount=lambda p: p["captions"] * p["images_per_caption"] * len(p["sets"]), rate=2000.0, seconds=3.0,
)  # fmt: skip


class Parameters(Pretraining):
    # what no method of this chapter reads
    simclr_guidance_scale: ClassVar[float]
    clip_guidance_scale: ClassVar[float]
    clip_learning_rate: ClassVar[float]

    images_per_caption: int = knob(
        "l: images of each caption that a generation draws", unit="images", cost="linear (synthesis)", ge=2, le=50
    )
    ways: list[Literal[WAYS]] = knob("what each generation learns from", cost="linear", min_length=1)
    generations: int = knob("how often the generator is trained further", cost="linear", ge=1, le=20)
    training_steps: int = knob("steps by which each generation is trained further", cost="linear", ge=1)
    training_rate: float = knob("peak learning rate of that training", gt=0, le=1)


PRESETS = chapter_presets(
    Parameters, PRETRAINING,
    laptop=dict(captions=64, steps=150, ways=["replaced"], generations=1, training_steps=30, training_rate=3e-4),
    smoke=dict(captions=32, ways=list(WAYS), training_steps=2),
    reference=dict(ways=list(WAYS), generations=3, training_steps=2000),
    workstation=dict(ways=list(WAYS), generations=3, training_steps=2000),
    # Stable Diffusion cannot be trained further here: --generator names one that was made by `stablerep train-generator`
    paper=dict(ways=list(WAYS), generations=3, training_steps=20_000) | GENERATED,
)  # fmt: skip


@dataclass(frozen=True)
class Asked:
    first: list[Evaluated]  # generation 0 and the floors
    trained: dict[tuple[str, int], list[Evaluated]]  # by way and generation
    images: Run  # what is measured of the images of every generation


def ask(p: Parameters, study: Study) -> Asked:
    """StableRep at every seed on the images of every generation of every way, and on those of generation 0; and the floors."""
    study.need_trainable(p.generator)
    captions, seeds = study.captions(p.captions), range(p.seed, p.seed + p.seeds)
    names = [FIRST.name, *FLOOR_ARMS]
    first = [study.evaluated(arm(name), captions, p, seed) for seed in seeds for name in names]
    generators = {way: chain(way, captions, p, study) for way in p.ways}
    trained = {
        (way, t): [study.evaluated(named(way, t), captions, drawn_by(generator, p), seed) for seed in seeds]
        for way, found in generators.items() for t, generator in enumerate(found, 1)
    }  # fmt: skip
    return Asked(first, trained, images_of(p, study, captions, generators))


def named(way: str, generation: int) -> Arm:
    """StableRep on the images of a generation."""
    return replace(FIRST, name=f"StableRep {way}, generation {generation}")


def drawn_by(generator: str, p: Parameters) -> Parameters:
    """The same parameters with another generator."""
    return p.model_copy(update={"generator": generator})


def chain(way: str, captions: Captions, p: Parameters, study: Study) -> list[str]:
    """The generators of generations 1 and on, each trained further from the one before on :func:`lesson`."""
    found, before, drawn = [], p.generator, []
    for t in range(1, p.generations + 1):
        if way != "real":
            count = p.images_per_caption * (2 if way == "filtered" else 1)
            made = study.synthetic_images(
                captions, drawn_by(before, p), p.guidance_scale, images_per_caption=count, seed=p.seed + t
            )
            drawn.append(made)
        before = study.trained_further(
            before, lesson(way, drawn, captions, p, study), steps=p.training_steps, learning_rate=p.training_rate, seed=p.seed + t
        )  # fmt: skip
        found.append(before)
    return found


def lesson(way: str, drawn: list[ImageSet], captions: Captions, p: Parameters, study: Study) -> ImageSet:
    """The drawings that a generation learns from.

    Args:
        drawn: what the generations before it drew, its own parent's last; for ``filtered`` twice as many of each caption.
    """
    length = p.images_per_caption
    if way == "replaced":
        return drawn[-1]
    if way == "mixed":
        return study.real_drawings(captions, at_most=length // 2).mixed_with(drawn[-1], total=length)
    if way == "filtered":
        judge = study.pretrained(arm("StableRep+ synthetic"), captions, p, p.seed)
        return study.closest_to_captions(drawn[-1], judge, length)
    images = study.real_drawings(captions, several=True)
    for made in drawn if way == "accumulated" else ():
        images = images.mixed_with(made)
    return images


def images_of(p: Parameters, study: Study, captions: Captions, generators: dict[str, list[str]]) -> Run:
    """How far apart images of a caption are in each generation, and how a set of them compares with real images, to the eyes of SimCLR on real images."""
    some = captions.first(min(len(captions), SEEN))
    judge = study.pretrained(arm("SimCLR real"), captions, p, p.seed)
    every = {("", 0): p.generator} | {
        (way, t): one for way, found in generators.items() for t, one in enumerate(found, 1)
    }
    drawings = {
        key: study.synthetic_images(
            captions, drawn_by(one, p), p.guidance_scale, images_per_caption=p.images_per_caption, seed=p.seed
        )
        for key, one in every.items()
    }
    return study.store.obtain(
        IMAGES,
        parameters={
            "captions": len(some), "images_per_caption": p.images_per_caption, "sets": [list(key) for key in every], "size": study.size,
        },
        inputs={"encoder": judge.key, "corpus": study.seen_fingerprint}
        | {f"{way or 'generation'} {t}": made.name for (way, t), made in drawings.items()},
        compute=lambda folder: measured(drawings, captions, some, judge, p.seed, study, folder),
    )  # fmt: skip


def measured(
    drawings: dict[tuple[str, int], ImageSet], captions: Captions, some: Captions, judge: Run, seed: int, study: Study, folder: Path
) -> dict:  # fmt: skip
    """Tables of :mod:`stablerep.audits.faithfulness`: ``diversity`` and ``sets``, and ``grid``, drawings to look at; with ``way`` and ``generation``."""
    from stablerep.audits.equal_galleries import TRAINING, with_concepts
    from stablerep.audits.faithfulness import compared, diverse, picture_grid
    from stablerep.probes.extraction import features_of

    backbone = study.backbone(judge, None, seed)
    shown = {caption: caption for caption in some.texts[:SHOWN]}  # each a group of its own, so that each is in the grid

    def queries(images: ImageSet):
        loaded = study.seen(images).only(some, captions).load()
        return features_of(backbone, loaded.images), [loaded.captions[place] for place in loaded.caption_ids.tolist()]

    real, made, grid = queries(study.real_drawings(captions, several=True)), {}, []
    for place, images in enumerate(drawings.values()):
        made[float(place)] = queries(images)
        loaded = images.load()
        grid += picture_grid(loaded.images, loaded.caption_ids, loaded.captions, shown, float(place))
    about = with_concepts(study.corpus).table.drop_duplicates("caption").set_index("caption")[["concept", "group"]]
    words = {"captions": TRAINING, "seed": seed}
    tables = {
        "diversity": diverse(real, made, about).assign(**words, gallery="none"),
        "sets": compared(real, made, about, by_concept=bool(study.about.designs), seed=seed).assign(**words),
        "grid": pd.DataFrame(grid),
    }
    for name, table in tables.items():
        table.to_parquet(folder / f"{name}.parquet", index=False)
    return {"judge": "SimCLR real"}


def of_generations(table: pd.DataFrame, sets: list[tuple[str, int]]) -> pd.DataFrame:
    """A table of an audit whose ``guidance_scale`` is a place among sets of images: ``way`` and ``generation`` instead; of real images NaN."""
    places = table.pop("guidance_scale")
    ways = [sets[int(place)][0] if place == place else "" for place in places]
    return table.assign(
        way=ways, generation=[sets[int(place)][1] if place == place else float("nan") for place in places]
    )


def pairs(last: int) -> list[Pair]:
    """What the claim compares at the last generation, and what stands beside it and decides nothing."""
    replaced, mixed, accumulated, filtered, real = (named(way, last).name for way in WAYS)
    return [
        Pair("C15", FIRST.name, replaced), Pair("C15", accumulated, replaced),
        Pair("all kept", accumulated, FIRST.name), Pair("half real", mixed, replaced),
        Pair("filtered", filtered, replaced), Pair("training alone", real, FIRST.name),
    ]  # fmt: skip


def compute(p: Parameters, asked: Asked) -> dict[str, pd.DataFrame]:
    """Tables: ``arms`` (an interval per arm and probe), ``differences`` (:func:`pairs`), ``floors`` (each trained arm against each floor),
    ``seeds``; ``generations``: as ``arms``, with ``way`` and ``generation``, the generator as it is being generation 0 of every way; and, of the images themselves,
    ``diversity``, ``sets`` (:mod:`stablerep.audits.faithfulness`) and ``grid`` (PNG), with ``way`` and ``generation``."""
    from stablerep.audits.faithfulness import over_seeds, shares

    first = items_of(asked.first)
    trained = {key: items_of(some) for key, some in asked.trained.items()}
    items = pd.concat([first, *trained.values()], ignore_index=True)
    points = [
        summarize(first[first["arm"] == FIRST.name] if t == 0 else trained[way, t]).assign(way=way, generation=t)
        for way in p.ways for t in range(p.generations + 1)
    ]  # fmt: skip
    learned = [name for name in items["arm"].unique() if name not in FLOOR_ARMS]
    measures = {"diversity": shares, "sets": over_seeds, "grid": lambda table: table}
    sets = [("", 0), *((way, t) for way in p.ways for t in range(1, p.generations + 1))]
    return {
        "arms": summarize(items), "differences": differences(items, pairs(p.generations)),
        "floors": against_floors(items, learned), "seeds": seed_means(items), "generations": pd.concat(points, ignore_index=True),
    } | {name: of_generations(of(asked.images.table(name)), sets) for name, of in measures.items()}  # fmt: skip


def verdict(tables: dict[str, pd.DataFrame]) -> list[Answer]:
    """C15 on the primary probe, at the last generation."""
    rule = (
        "reproduced when StableRep on images of the last generation that learned from the images before it alone lies below StableRep on images of the "
        "generator as it is, and below StableRep on images of the last generation that learned from all real images and all drawn so far, each by the "
        f"whole interval; {RULE}"
    )
    probe, pairs, floors = probe_of(tables["arms"]), tables["differences"], tables["floors"]
    lacking = "not both ways were run, replaced and accumulated"
    return [answer_by_pairs("C15", probe, pairs, floors, rule, needed=2, lacking=lacking)]
