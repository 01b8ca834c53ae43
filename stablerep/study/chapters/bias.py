"""Bias: whom neutral captions show, against the labels of the corpus, and how encoders do by groups of people."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar

import numpy as np
import pandas as pd

from stablerep.study.chapters import Headline
from stablerep.study.experiments.answers import Answer, answer_by_contrasts
from stablerep.study.experiments.arms import FLOOR_ARMS, Arm
from stablerep.study.experiments.floors import against_floors
from stablerep.study.experiments.images import ImageSet, Named
from stablerep.study.experiments.people_images import at_size, people_in, with_clusters
from stablerep.study.experiments.study import Study
from stablerep.study.parameters.base import GuidanceScale, Pretraining, knob
from stablerep.study.parameters.presets import PRETRAINING, chapter_presets
from stablerep.study.store.runs import Run
from stablerep.study.store.step import Step

if TYPE_CHECKING:
    from torch.nn import Module

    from stablerep.corpus import Corpus

QUESTION = "Whom does the generator draw when the caption does not say, and what does the encoder inherit?"
CLAIMS = ("C8",)
HEADLINE = Headline(
    "contrasts", ("first", "second", "attribute", "label"), "difference", "accuracy, group against others"
)

PAIRS = (  # synthetic and real; the first is that of the claim
    ("SimCLR synthetic", "SimCLR real"),
    ("StableRep synthetic", "StableRep real designs"),
    ("StableRep synthetic", "SimCLR real"),
)
COMPARED = tuple(dict.fromkeys(name for pair in PAIRS for name in pair))
PROBE = "linear, people"
_PEOPLE = "stablerep.study.experiments.people_images"

READING = Step(
    "reading", 4, lambda p: "people in neutral images",
    ("stablerep.audits.people", f"{__name__}:read", f"{_PEOPLE}:people_in", f"{_PEOPLE}:with_clusters", f"{_PEOPLE}:at_size"),
    amount=lambda p: p["neutral_captions"] * p["images_per_neutral_caption"] * len(p["guidance_scales"]),
    rate=400.0, seconds=30.0,
)  # fmt: skip
PEOPLE = Step(
    "people", 4, lambda p: "a probe on people",
    ("stablerep.probes", "stablerep.probes.floors", "stablerep.training.backbones", "stablerep.camera", f"{__name__}:probe_people",
     f"{_PEOPLE}:people_in"),
    seconds=8.0,
)  # fmt: skip


class Parameters(Pretraining):
    # what no arm of this chapter reads: none is CLIP
    clip_guidance_scale: ClassVar[float]
    clip_learning_rate: ClassVar[float]
    caption_colour: ClassVar[float]

    guidance_scales: list[GuidanceScale] = knob("values of w to compare", cost="linear", min_length=1)
    neutral_captions: int = knob("captions of people that name no attribute", cost="linear", ge=4)
    images_per_neutral_caption: int = knob(
        "images of each of them and scale", unit="images", cost="linear", ge=1, le=200
    )


PRESETS = chapter_presets(
    Parameters,
    PRETRAINING,
    laptop=dict(guidance_scales=[1.0, 2.0, 4.0], neutral_captions=24, images_per_neutral_caption=12),
    smoke=dict(guidance_scales=[1.0, 4.0], neutral_captions=8, images_per_neutral_caption=2),
    reference=dict(neutral_captions=41, images_per_neutral_caption=32),  # there are no more
    workstation=dict(neutral_captions=41, images_per_neutral_caption=64),
)

_SAMPLED = {"sampling_steps", "sampler", "guidance_interval", "seed"}  # what images depend on beside their generator
_READ = {"guidance_scales", "neutral_captions", "images_per_neutral_caption"} | _SAMPLED


@dataclass(frozen=True)
class Asked:
    reading: Run  # of the neutral images
    people: dict[str, list[Run]]  # by arm, floors among them, a probe on people for each seed
    attributes: tuple[str, ...]  # of people
    generator: str  # its fingerprint


def ask(p: Parameters, study: Study) -> Asked:
    """The reading of neutral images, and per-item results on people by arm."""
    from stablerep.audits.people import neutral_captions

    study.need_people()
    drawings = people_in(study.corpus)
    neutral = Named(neutral_captions(drawings.to_learn_from().table, p.neutral_captions))
    generator = study.generator_fingerprint(p.generator)
    reading = study.store.obtain(
        READING,
        parameters=p.model_dump(include=_READ) | {"size": study.size},
        inputs={"generator": generator, "corpus": drawings.fingerprint},
        needs=lambda: [made(p, study, neutral, w) for w in p.guidance_scales],
        compute=lambda folder: read(p, study, drawings, neutral, folder),
    )
    captions, scenes, found = study.captions(p.captions), people_in(study.probed_part(p.probe_designs)), {}
    for arm in study.arms(*FLOOR_ARMS, *COMPARED):
        encoders = [(study.pretrained(arm, captions, p, seed), seed) for seed in range(p.seed, p.seed + p.seeds)]
        found[arm.name] = [probed(study, scenes, arm, run, p, seed) for run, seed in encoders]
    return Asked(reading, found, study.about.people, generator)


def probed(study: Study, people: Corpus, arm: Arm, run: Run | None, p: Parameters, seed: int) -> Run:
    """What an encoder, or a floor, knows of people."""
    encoder = study.encoder_recipe(p), seed, arm.method
    return study.store.obtain(
        PEOPLE,
        parameters={"size": study.size, "label": study.about.labels[-1], "part": p.probe_part},
        inputs={"encoder": study.encoder_key(run, *encoder), "corpus": people.fingerprint},
        compute=lambda folder: probe_people(study, people, study.backbone(run, *encoder), p.probe_part, folder),
    )


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


def probe_people(study: Study, people: Corpus, backbone: Module, part: str, folder: Path) -> dict:
    """Per-item results of a linear probe for the last label on the people of a part, with their attributes.

    The probe is fitted on what may be learned from, and its penalty chosen on what may be chosen on, as in
    :func:`stablerep.probes.suite.evaluate`: what is held out is only ever asked for, in the part test.
    """
    from stablerep.probes import linear_probe, three_parts
    from stablerep.probes.extraction import features_of

    label, table = people.labels[-1], people.table
    held_out = table["held_out"].to_numpy() if "held_out" in table else np.zeros(len(table), bool)
    named = table["split"].to_numpy(object)
    kept = (named == "test") | ~held_out if part == "test" else (named != "test") & ~held_out
    kept &= table[label].notna().to_numpy()
    people, table, named = people.where(kept), table[kept], named[kept]
    named = three_parts(named, table[label].astype(str).to_numpy(object), table["id"].to_numpy(object))
    features = features_of(backbone, people.images(study.size))
    where = {part: np.flatnonzero(named == part) for part in ("train", "validation", "test")}
    found = linear_probe(
        {part: features[rows] for part, rows in where.items()},
        {part: table[label].iloc[rows].astype(str).tolist() for part, rows in where.items()},
    )
    about = table.iloc[where["test"]].assign(cluster=lambda rows: rows[people.cluster])
    about = about[["id", "cluster", *people.people]].astype(str).reset_index(drop=True)
    about.join(found).to_parquet(folder / "results.parquet", index=False)
    return {"accuracy": float(found["correct"].mean())}


def compute(p: Parameters, asked: Asked) -> dict[str, pd.DataFrame]:
    """Tables: ``readers``, ``confusion``, ``shares`` and ``fits`` of :func:`stablerep.audits.people.read_people`; ``groups`` (accuracy by group) and
    ``contrasts`` (what synthetic images change in a group against others); ``floors`` (each trained arm against each floor, on all people); ``agreement`` and ``by_eye`` of
    :func:`stablerep.audits.labelled.compare_labels`, empty while nobody has labelled images of this generator."""
    from stablerep.audits.groups import group_accuracy, group_contrasts
    from stablerep.audits.labelled import LABELLED, compare_labels
    from stablerep.audits.people import classes_of

    tables = {name: asked.reading.table(name) for name in ("readers", "confusion", "shares", "fits")}
    items = pd.concat([
        run.table().assign(arm=name, seed=p.seed + k) for name, runs in asked.people.items() for k, run in enumerate(runs)
    ], ignore_index=True)  # fmt: skip
    classes = classes_of(items, asked.attributes)
    tables |= {"groups": group_accuracy(items, classes), "contrasts": group_contrasts(items, PAIRS, classes)}
    tables["floors"] = against_floors(items.assign(probe=PROBE), COMPARED)
    readings = asked.reading.table("readings").assign(generator=asked.generator, **sampled(p))
    told = tables["confusion"].groupby("attribute", sort=False)["truth"].unique()
    return tables | compare_labels(LABELLED, readings, told)


def verdict(tables: dict[str, pd.DataFrame]) -> list[Answer]:
    """C8 by the contrasts of the groups, for SimCLR; those of the other pairs stand beside. An arm at the floor decides nothing."""
    return [answer_by_contrasts("C8", PROBE, PAIRS, tables["contrasts"], tables["floors"])]
