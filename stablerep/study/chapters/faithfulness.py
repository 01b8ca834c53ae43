"""Faithfulness: whether images show the whole caption, what that depends on, and whether encoders that learned from them know."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from typing import ClassVar

import numpy as np
import pandas as pd

from stablerep.statistics import WORDS
from stablerep.statistics import verdict as verdict_on
from stablerep.statistics.arms import Pair
from stablerep.study.chapters import Headline, generator
from stablerep.study.experiments.answers import Answer, effects_of
from stablerep.study.experiments.arms import arm
from stablerep.study.experiments.caption_closeness import ENCODERS, PIXELS, READS, REAL_CLIP, UNTRAINED, close, scored
from stablerep.study.experiments.images import Captions, ImageSet, Named
from stablerep.study.experiments.judged_images import judge_of
from stablerep.study.experiments.people_images import people_in
from stablerep.study.experiments.study import Study
from stablerep.study.experiments.whole_captions import FRESH, JUDGED, LEARNED, READING, Looked, judge, read
from stablerep.study.parameters.base import GuidanceScale, Pretraining, knob
from stablerep.study.parameters.presets import PRETRAINING, chapter_presets
from stablerep.study.store.runs import Run

QUESTION = (
    "Do generated images show all that the caption says, and do encoders that learn from them know which ones do?"
)
CLAIMS = ("C10",)
TESTED = {
    "C10": "whether generated images of unseen combinations are counted as right less often than real ones, in the concept and the skin tone and gender that captions name"
}
HEADLINE = Headline(
    "shares", ("captions", "source", "guidance_scale"), "mean", "share of images", ("measure", "whole caption")
)
HALF = 0.5  # share of real images that are right, below which a small difference may be the instrument's
NEW = 1000  # added to the seed of images that no encoder has learned from
PAIRS = (
    Pair("untrained", READS, UNTRAINED), Pair("pixels", READS, PIXELS), Pair("several images", READS, "CLIP synthetic"),
    Pair("synthetic images", "CLIP synthetic", REAL_CLIP),
)  # fmt: skip


class Parameters(Pretraining):
    # what no encoder of this chapter reads, and what asks by probes
    simclr_guidance_scale: ClassVar[float]
    simclr_learning_rate: ClassVar[float]
    probe_part: ClassVar[str]
    probe_designs: ClassVar[list[str]]

    guidance_scales: list[GuidanceScale] = knob("values of w to compare", cost="linear", min_length=1)
    judged_captions: int = knob("captions of each group whose images are judged, at most", cost="linear", ge=8)
    judged_images: int = knob("images of each of them and scale", unit="images", cost="linear", ge=2, le=64)
    judged_sampling_steps: int = knob("denoising steps of these images", cost="linear", ge=2, le=1000)
    judge_steps: int = knob("training steps of a judge", cost="linear", ge=1)
    judge_views: int = knob("views in a step of a judge", cost="linear", ge=16)
    fresh_captions: int = knob(
        "training captions of which new images are drawn, to ask encoders about", cost="linear", ge=8
    )
    clip_model: str = knob(
        "for CLIPScore, a CLIP model of transformers (a folder or a name on the Hub); empty: our own CLIP on real images"
    )


PRESETS = chapter_presets(
    Parameters, PRETRAINING,
    # the judge and the judged images are those of the generator's chapter
    laptop=dict(
        guidance_scales=[1.0, 2.0, 8.0], judged_captions=32, judged_images=4, judged_sampling_steps=12, judge_steps=500, judge_views=128,
        fresh_captions=32, clip_model="",
    ),
    smoke=dict(guidance_scales=[1.0, 2.0], judged_captions=16, judged_images=2, judged_sampling_steps=2, judge_steps=4, judge_views=32, fresh_captions=8),
    reference=dict(guidance_scales=[1.0, 2.0, 4.0, 8.0], judged_captions=512, judge_steps=1600, fresh_captions=512),
    workstation=dict(judged_captions=640, judged_images=8, judge_steps=3000, judge_views=1024, fresh_captions=512),
    paper=dict(judged_sampling_steps=50, clip_model="openai/clip-vit-base-patch32"),
)  # fmt: skip


@dataclass(frozen=True)
class Asked:
    reading: Run
    judged: list[Run]  # for each seed
    closeness: dict[str, list[Run]]  # by arm, for each seed
    scores: list[Run]  # for each seed, or one by a CLIP model that is given


def of_generator(p: Parameters) -> generator.Parameters:
    """The parameters under which the generator's chapter has the same judges and images."""
    shared = set(generator.Parameters.model_fields) & set(Parameters.model_fields)
    own = dict(
        guidance_scales=p.guidance_scales, captions=p.judged_captions, images_per_caption=p.judged_images, sampling_steps=p.judged_sampling_steps, steps=p.judge_steps,
        views_per_step=p.judge_views,
    )  # fmt: skip
    return generator.Parameters(**p.model_dump(include=shared) | own)


def ask(p: Parameters, study: Study) -> Asked:
    """What readers read of the images, what a judge of each seed finds in them, and how close the encoders of each seed find them to their captions."""
    q, captions = of_generator(p), study.captions(p.captions)
    drawn, seeds = generator.drawn_captions(q, study), range(p.seed, p.seed + p.seeds)
    others = other_images(p, study, captions)
    groups = cache(lambda: generator.asked_about(q, study))
    looked = Looked(
        drawn,
        groups,
        {w: generator.made(q, study, drawn, w) for w in q.scales},
        p.guidance_scale,
        others,
        p.judged_images,
    )
    how, what, store = looked.parameters(study), looked.inputs(study), study.store
    people = people_in(study.corpus) if study.about.designs and study.about.people else None
    reading = store.obtain(
        READING, parameters=how, inputs=what, compute=lambda folder: read(study, looked, people, folder)
    )
    judged, scores, closeness = [], [], {}
    for seed in seeds:
        run = judge_of(q, study, seed)
        judged.append(store.obtain(
            JUDGED, parameters=how | {"seed": seed, "shown": p.guidance_scale}, inputs=what | {"judge": run.key},
            compute=lambda folder, run=run, seed=seed: judge(study, looked, run, seed, folder),
        ))  # fmt: skip
        runs = {name: study.pretrained(arm(name), captions, p, seed) for name in ENCODERS}
        for name, one in close(study, captions, others, runs, seed, p.images_per_caption).items():
            closeness.setdefault(name, []).append(one)
        if seed == p.seed or not p.clip_model:
            scores.append(scored(study, looked, runs[REAL_CLIP], p.clip_model))
    return Asked(reading, judged, closeness, scores)


def other_images(p: Parameters, study: Study, captions: Captions) -> dict[str, ImageSet]:
    """Images of training captions about which encoders are asked: those that StableRep+ learns from, and new ones of a few of the captions."""
    from stablerep.audits.equal_galleries import in_turn, training_group

    few: Captions | Named = captions.first(min(p.fresh_captions, len(captions)))
    if study.about.designs:  # of as many concepts as there are
        group = training_group(study.corpus, captions.texts)
        if group is None:
            return {}
        few = Named(in_turn(group.real.table)[: p.fresh_captions])
    return {
        LEARNED: study.arm_drawings(arm(READS), captions, p, p.seed),
        FRESH: study.synthetic_images(few, p, p.guidance_scale, images_per_caption=p.images_per_caption, seed=p.seed + NEW),
    }  # fmt: skip


def compute(p: Parameters, asked: Asked) -> dict[str, pd.DataFrame]:
    """Tables: ``shares``, ``differences``, ``properties``, ``slopes`` and ``asked`` (:func:`stablerep.audits.whole_caption_tables.image_tables`); ``readers``, how
    accurate they are; ``scores``, CLIPScore; ``knows``, ``knows_more`` and ``truth`` (:func:`stablerep.audits.whole_caption_tables.knowledge`); and
    ``grid``, images of the first judge (:func:`stablerep.study.experiments.whole_captions.pictures`, with ``captions``)."""
    from stablerep.audits.equal_galleries import UNSEEN
    from stablerep.audits.whole_caption_tables import image_tables, joined, knowledge, of_sources, score_means

    about = asked.reading.table("captions").set_index("caption")
    classes = asked.reading.info["summary"]["classes"]
    judged = pd.concat([run.table() for run in asked.judged], ignore_index=True)
    images = joined(judged, asked.reading.table("readings"))
    closeness = pd.concat([
        run.table().assign(arm=name, seed=p.seed + k) for name, runs in asked.closeness.items() for k, run in enumerate(runs)
    ], ignore_index=True)  # fmt: skip
    scores = pd.concat([run.table().assign(seed=p.seed + k) for k, run in enumerate(asked.scores)], ignore_index=True)
    return {
        **image_tables(of_sources(images), about, classes, CLAIMS[0], p.guidance_scale, UNSEEN, seed=p.seed),
        "readers": asked.reading.table("readers"), "scores": score_means(scores, about["concept"]),
        **knowledge(closeness, of_sources(images, (LEARNED, FRESH)), about, PAIRS), "grid": asked.judged[0].table("grid"),
    }  # fmt: skip


def verdict(tables: dict[str, pd.DataFrame]) -> list[Answer]:
    """C10 for whole captions of unseen combinations, at the guidance scale of the parameters.

    The judge and the readers err on both. Errors that are as frequent on both make a difference smaller, so that *equivalent* is not said where real images are
    right in less than half; and nothing is said where the share of real images does not stand out from chance.
    """
    from stablerep.audits.whole_captions import WHOLE
    from stablerep.figures.caption_tables import readers_sentence
    from stablerep.figures.tables import percent

    rule = (
        "reproduced when real images of unseen combinations show the whole caption more often than generated ones of the same captions, by the whole interval; not testable where "
        "real images are not right more often than chance by the smallest detectable difference; equivalent, by an interval within a point, only where half of them are right"
    )
    pair = tables["differences"].query("claim == 'C10'")
    if pair.empty:
        return [
            Answer(
                "C10",
                WORDS[-1],
                "the corpus has no unseen combinations of which real and generated images could be compared",
                rule,
            )
        ]
    one, found = pair.iloc[0], verdict_on(pair)
    group = one["captions"]
    shares = tables["shares"]
    of_pair = (shares["captions"] == group) & (shares["source"] == "real") & (shares["measure"] == WHOLE)
    mine = shares[of_pair].iloc[0]
    said = f"{percent(mine['mean'], mine['low'], mine['high'])} % of real images are right"
    lines = [
        f"{said[0].upper()}{said[1:]}; by chance {100 * mine['chance']:.1f} %.",
        readers_sentence(tables["readers"]),
        "No word here says that every image shows its caption.",
    ]
    word, why, p = found.word, f"whole captions, {group}: {found.sentence}", found.p
    if word != WORDS[-1] and not mine["mean"] - mine["chance"] >= one["visible"]:
        word, p = WORDS[-1], np.nan
        why = f"the judge and the readers are too weak an instrument: {said}, where {100 * one['visible']:.1f} points would be detected ({found.sentence})"
    elif word == "equivalent" and mine["mean"] < HALF:
        word, why = (
            "undecided",
            f"{why}; too few real images are right for a small difference to say that there is none",
        )
    return [Answer("C10", word, why, rule, [line for line in lines if line], p, effects_of(pair))]
