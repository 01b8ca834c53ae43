"""Bias of the generator: whom neutral captions show, against balance and against what the generator learned from; and whether a planted skew is amplified."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import numpy as np
import pandas as pd
from pydantic import Field

from stablerep.study.chapters import Headline
from stablerep.study.experiments.answers import Answer
from stablerep.study.experiments.images import ImageSet, Named
from stablerep.study.experiments.occupation_images import TABLES as OCCUPATION_TABLES
from stablerep.study.experiments.occupation_images import occupations
from stablerep.study.experiments.people_images import people_in, with_clusters
from stablerep.study.experiments.planted_bias import (
    SKEWED,
    TABLES,
    drawn_with_skews,
    lacks_planting,
    looked_captions,
    planted,
)
from stablerep.study.experiments.planted_heads import COLUMNS as HEAD_COLUMNS
from stablerep.study.experiments.planted_heads import heads
from stablerep.study.experiments.study import Study
from stablerep.study.parameters.base import AnyCorpus, Generated, GuidanceScale, knob
from stablerep.study.parameters.presets import PRETRAINING, chapter_presets
from stablerep.study.store.runs import Run
from stablerep.study.store.step import Step

if TYPE_CHECKING:
    from stablerep.corpus import Corpus

QUESTION = "Whom does the generator draw when the caption does not say, and is a skew that it learned amplified?"
CLAIMS = ()
CLUSTERS = "captions"
HEADLINE = Headline(
    "shares", ("attribute", "label", "guidance_scale"), "share", "share of images", ("source", "generated, as read")
)

_PEOPLE = "stablerep.study.experiments.people_images"

READING = Step(
    "reading", 4, lambda p: "people in neutral images",
    ("stablerep.audits.people", f"{__name__}:read", f"{_PEOPLE}:people_in", f"{_PEOPLE}:with_clusters", "stablerep.variants"),
    amount=lambda p: p["neutral_captions"] * p["images_per_neutral_caption"] * len(p["guidance_scales"]),
    rate=400.0, seconds=6.0,
)  # fmt: skip

Share = Annotated[float, Field(gt=0, lt=1)]


class Parameters(Generated, AnyCorpus):
    guidance_scales: list[GuidanceScale] = knob("values of w to compare", cost="linear", min_length=1)
    neutral_captions: int = knob("captions of people that name no attribute", cost="linear", ge=4)
    images_per_neutral_caption: int = knob(
        "images of each of them and scale", unit="images", cost="linear", ge=1, le=200
    )
    planted_shares: list[Share] = knob(
        "shares of dark drawings, the others being light, that a generator learns for half of the roles; none given plants no skew",
        cost="linear (training)",
    )
    planted_seeds: int = knob("repetitions of that training and of the noise", cost="linear (training)", ge=1, le=20)
    planted_captions: int = knob("neutral captions of the skewed roles, and of the others, to draw, at most", cost="linear", ge=4)  # fmt: skip
    planted_images_per_caption: int = knob("images of each of them, generator, seed and scale", unit="images", cost="linear", ge=4, le=100)  # fmt: skip
    training_steps: int = knob("steps by which the generator is trained further", cost="linear", ge=1)
    training_rate: float = knob("peak learning rate of that training", gt=0, le=1)
    drawings_per_caption: int = knob("drawings of each caption in that training, at most; 0 takes all", ge=0)
    clip_model: str = knob(
        "for occupations, a CLIP model of transformers (a folder or a name on the Hub) that reads gender; empty: none are drawn"
    )
    occupations: int = knob("occupations to draw for it", cost="linear", ge=2, le=24)

    @property
    def middle_scale(self) -> float:
        """The value of w of the pictures, and of the images that classifiers learn from."""
        return sorted(self.guidance_scales)[len(self.guidance_scales) // 2]


PRESETS = chapter_presets(
    Parameters,
    PRETRAINING,
    laptop=dict(
        guidance_scales=[1.0, 2.0, 4.0], neutral_captions=24, images_per_neutral_caption=12, planted_shares=[], planted_seeds=1,
        planted_captions=8, planted_images_per_caption=4, training_steps=30, training_rate=1e-3, drawings_per_caption=0, clip_model="",
        occupations=24,
    ),
    smoke=dict(
        guidance_scales=[1.0, 4.0], neutral_captions=8, images_per_neutral_caption=2, planted_captions=4, training_steps=2,
        drawings_per_caption=1, occupations=4,
    ),
    reference=dict(  # 41 captions: there are no more
        neutral_captions=41, images_per_neutral_caption=64, planted_shares=[0.5, 0.7, 0.8, 0.9], planted_seeds=3, planted_captions=46,
        planted_images_per_caption=8, training_steps=2000,
    ),
    workstation=dict(
        neutral_captions=41, images_per_neutral_caption=64, planted_shares=[0.5, 0.7, 0.8, 0.9], planted_seeds=3, planted_captions=46,
        planted_images_per_caption=16, training_steps=4000,
    ),
    paper=dict(images_per_neutral_caption=64, clip_model="openai/clip-vit-base-patch32"),  # a CLIP model that reads photographs
)  # fmt: skip

_SAMPLED = {"sampling_steps", "sampler", "guidance_interval", "seed"}  # what images depend on beside their generator
_READ = {"guidance_scales", "neutral_captions", "images_per_neutral_caption"} | _SAMPLED


@dataclass(frozen=True)
class Asked:
    reading: Run  # of the neutral images
    learned: pd.DataFrame  # a row per training image of people: its caption, what belongs together, and its attributes
    generator: str  # its fingerprint
    planted: Run | None  # what is read of generators with a planted skew
    heads: Run | None  # what classifiers learn from their images
    occupations: Run | None  # what CLIP reads of images of occupations


def ask(p: Parameters, study: Study) -> Asked:
    """The reading of neutral images, and of those of generators with a planted skew."""
    from stablerep.audits.people import neutral_captions

    study.need_people()
    drawings = people_in(study.corpus)
    learned = with_clusters(drawings.to_learn_from())
    neutral = Named(neutral_captions(learned, p.neutral_captions))
    generator = study.generator_fingerprint(p.generator)
    reading = study.store.obtain(
        READING,
        parameters=p.model_dump(include=_READ) | {"size": study.size},
        inputs={"generator": generator, "corpus": drawings.fingerprint},
        needs=lambda: [made(p, study, neutral, w) for w in p.guidance_scales],
        compute=lambda folder: read(p, study, drawings, neutral, folder),
    )
    skewed, classified = None, None
    if p.planted_shares and not lacks_planting(p, study):
        looked = looked_captions(p, study)
        drawn = drawn_with_skews(p, study, Named([caption for some in looked.values() for caption in some]))
        skewed = planted(p, study, looked, drawn)
        classified = heads(p, study, looked[SKEWED], drawn)
    columns = ["caption", "cluster", *study.about.people]
    named = occupations(p, study) if p.clip_model else None
    return Asked(reading, learned[columns].astype(str).reset_index(drop=True), generator, skewed, classified, named)


def left_out(p: Parameters, study: Study) -> str:
    """Why no skew was planted although one was asked for."""
    why = lacks_planting(p, study) if p.planted_shares else ""
    return f"No skew was planted: {why}" if why else ""


def made(p: Parameters, study: Study, captions: Named, w: float) -> ImageSet:
    """Drawings of neutral captions at one guidance scale."""
    return study.synthetic_images(captions, p, w, images_per_caption=p.images_per_neutral_caption, seed=p.seed)


def sampled(p: Parameters) -> dict:
    """What images depend on beside their generator, by column of :data:`stablerep.audits.labelled.IMAGE`."""
    where = " to ".join(f"{noise:g}" for noise in p.guidance_interval) or "everywhere"
    return p.model_dump(include=_SAMPLED) | {"guidance_interval": where}


def read(p: Parameters, study: Study, people: Corpus, captions: Named, folder: Path) -> dict:
    """The tables of :func:`stablerep.audits.people.read_people`, on drawings: what is read is what was drawn."""
    from stablerep.audits.people import read_people
    from stablerep.captioned_images import CaptionedImages
    from stablerep.variants import at_size

    held_out = people.where((people.table["split"] == "validation") & ~people.table.get("held_out", np.False_))
    parts = [
        (CaptionedImages.from_corpus(part, study.size).images if len(part) else None, with_clusters(part))
        for part in (people.to_learn_from(), held_out)
    ]  # fmt: skip
    generated = {}
    for w in p.guidance_scales:
        images = made(p, study, captions, w).load()
        generated[w] = at_size(images.images, study.size), images.caption_ids.numpy()
    for name, table in read_people(*parts, generated, captions.texts, people.people, seed=p.seed).items():
        table.to_parquet(folder / f"{name}.parquet", index=False)
    return {"captions": len(captions)}


def compute(p: Parameters, asked: Asked) -> dict[str, pd.DataFrame]:
    """Tables: ``readers``, ``confusion``, ``shares`` and ``fits`` of :func:`stablerep.audits.people.read_people`; ``measures``
    (:func:`stablerep.audits.bias_measures.bias_measures`) and ``amplification`` (:func:`stablerep.audits.amplification.amplification`); those of
    :func:`stablerep.study.experiments.planted_bias.read_planted`, and ``heads`` (:func:`stablerep.study.experiments.planted_heads.ask_heads`), without
    rows where no skew was planted; those of :func:`stablerep.study.experiments.occupation_images.read_occupations`, without rows where no CLIP model
    was named; ``agreement`` and ``by_eye`` of :func:`stablerep.audits.labelled.compare_labels`, empty while nobody has
    labelled images of this generator."""
    from stablerep.audits.amplification import COLUMNS as AMPLIFICATION_COLUMNS
    from stablerep.audits.amplification import amplification
    from stablerep.audits.bias_measures import COLUMNS as MEASURE_COLUMNS
    from stablerep.audits.bias_measures import bias_measures
    from stablerep.audits.labelled import LABELLED, compare_labels
    from stablerep.audits.occupations import SHARE_COLUMNS
    from stablerep.audits.planted_shares import COLUMNS, SLOPE_COLUMNS

    tables = {name: asked.reading.table(name) for name in ("readers", "confusion", "shares", "fits")}
    readings = asked.reading.table("readings").assign(generator=asked.generator, **sampled(p))
    told = tables["confusion"].groupby("attribute", sort=False)["truth"].unique()
    classes = {attribute: list(names) for attribute, names in told.items()}
    tables["measures"] = bias_measures(readings, asked.learned, classes, seed=p.seed)
    tables["amplification"] = amplification(readings, asked.learned, classes, seed=p.seed)
    columns = (COLUMNS, SLOPE_COLUMNS, [*AMPLIFICATION_COLUMNS, "planted"], ["attribute", "read", "accuracy"], ["captions", "caption", "index", "png", "planted"])  # fmt: skip
    for name, some in zip(TABLES, columns):
        tables[name] = asked.planted.table(name) if asked.planted else pd.DataFrame(columns=some)
    for name, some in zip(OCCUPATION_TABLES, (MEASURE_COLUMNS, SHARE_COLUMNS)):
        tables[name] = asked.occupations.table(name) if asked.occupations else pd.DataFrame(columns=some)
    tables["heads"] = asked.heads.table() if asked.heads else pd.DataFrame(columns=HEAD_COLUMNS)
    return tables | compare_labels(LABELLED, readings, told)


def verdict(tables: dict[str, pd.DataFrame]) -> list[Answer]:
    """None: whom a generator draws is described, and no claim of the paper gives a number to compare with."""
    return []
