"""Bias: whom neutral captions show, against the labels of the corpus, and how encoders do by groups of people."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import pandas as pd

from stablerep.study.chapters import Answer, Headline
from stablerep.study.experiments.arms import Arm
from stablerep.study.experiments.images import ImageSet, Named
from stablerep.study.experiments.study import Study
from stablerep.study.parameters.base import GuidanceScale, Pretraining, knob
from stablerep.study.parameters.presets import PRETRAINING, overriding
from stablerep.study.store.runs import Run
from stablerep.study.store.step import Step

if TYPE_CHECKING:
    from stablerep.corpus import Corpus

QUESTION = "Whom does the generator draw when the caption does not say, and what does the encoder inherit?"
CLAIMS = ("C8",)
HEADLINE = Headline("shares", ("attribute", "source", "guidance_scale", "label"), "share", "share of images")

READER = Arm("StableRep real designs", "stablerep", "designs")  # of other corpora: all images of a caption
COMPARED = ("SimCLR real", "SimCLR synthetic", "StableRep synthetic", "StableRep real designs")

READING = Step(
    "reading", 3, lambda p: "people in neutral images",
    ("stablerep.audits.people", "stablerep.training.backbones", "stablerep.camera", f"{__name__}:read", f"{__name__}:people_of"),
    amount=lambda p: p["neutral_captions"] * p["images_per_neutral_caption"] * len(p["guidance_scales"]),
    rate=500.0, seconds=15.0,
)  # fmt: skip
PEOPLE = Step(
    "people", 3, lambda p: "a probe on people",
    ("stablerep.probes", "stablerep.training.backbones", "stablerep.camera", f"{__name__}:probe_people", f"{__name__}:people_of"),
    seconds=8.0,
)  # fmt: skip


class Parameters(Pretraining):
    guidance_scales: list[GuidanceScale] = knob("values of w to compare", cost="linear", min_length=1)
    neutral_captions: int = knob("captions of people that name no attribute", cost="linear", ge=4)
    images_per_neutral_caption: int = knob(
        "images of each of them and scale", unit="images", cost="linear", ge=1, le=200
    )


PRESETS = overriding(
    PRETRAINING,
    laptop=dict(guidance_scales=[1.0, 2.0, 4.0], neutral_captions=48, images_per_neutral_caption=6),
    smoke=dict(guidance_scales=[1.0, 4.0], neutral_captions=8, images_per_neutral_caption=2),
    reference=dict(neutral_captions=96, images_per_neutral_caption=16),
    workstation=dict(neutral_captions=128, images_per_neutral_caption=32),
)

_READ = {  # the parameters that a reading depends on
    "guidance_scales", "neutral_captions", "images_per_neutral_caption", "sampling_steps", "sampler", "seed",
    "probe_designs",
}  # fmt: skip


@dataclass(frozen=True)
class Asked:
    reading: Run  # of the neutral images
    people: dict[str, list[Run]]  # by arm, a probe on people for each seed
    attributes: tuple[str, ...]  # of people


def ask(p: Parameters, study: Study) -> Asked:
    """The reading of neutral images, and per-item results on people by arm."""
    study.need_people()
    captions = study.captions(p.captions)
    reader = study.pretrained(READER, captions, p, p.seed)
    people = people_of(study, p)
    reading = study.store.obtain(
        READING,
        parameters=p.model_dump(include=_READ) | {"size": study.size},
        inputs={
            "reader": reader.key,
            "generator": study.generator_fingerprint(p.generator),
            "corpus": people.fingerprint,
        },
        needs=lambda: [made(p, study, people, w) for w in p.guidance_scales],
        compute=lambda folder: read(p, study, people, reader, folder),
    )
    found = {}
    for arm in study.arms(*COMPARED):
        encoders = [study.pretrained(arm, captions, p, seed) for seed in range(p.seed, p.seed + p.seeds)]
        found[arm.name] = [probed(study, people, run) for run in encoders]
    return Asked(reading, found, study.about.people)


def probed(study: Study, people: Corpus, run: Run) -> Run:
    """What an encoder knows of people."""
    return study.store.obtain(
        PEOPLE,
        parameters={"size": study.size, "label": study.about.labels[-1]},
        inputs={"encoder": run.key, "corpus": people.fingerprint},
        compute=lambda folder: probe_people(study, people, run, folder),
    )


def people_of(study: Study, p: Parameters) -> Corpus:
    """The images of people whose attributes are known."""
    corpus = study.probed_part(p.probe_designs)
    table = corpus.table
    shown = (table[list(corpus.people)].notna() & (table[list(corpus.people)].astype(str) != "")).all(axis=1)
    if "subgroup" in table:  # of the emoji, whose families and symbols are left out, and pairs in two tones
        shown &= table["subgroup"].str.startswith("person") & (table["tone"] != "mixed")
    return corpus.where(shown.to_numpy())


def made(p: Parameters, study: Study, people: Corpus, w: float) -> ImageSet:
    """Images of neutral captions at one guidance scale."""
    from stablerep.audits.people import neutral_captions

    captions = Named(neutral_captions(people.table, p.neutral_captions))
    return study.synthetic_images(captions, p, w, images_per_caption=p.images_per_neutral_caption, seed=p.seed)


def read(p: Parameters, study: Study, people: Corpus, reader: Run, folder: Path) -> dict:
    """Tables ``shares`` and ``confusion`` of :func:`stablerep.audits.people.read_people`."""
    from stablerep.audits.people import classes_of, neutral_captions, read_people
    from stablerep.probes.extraction import features_of

    backbone = study.backbone(reader, None, 0)
    table = people.table.assign(cluster=people.table[people.cluster])
    parts = {part: people.split(part) for part in ("train", "validation", "test")}
    generated = {}
    for w in p.guidance_scales:
        images = study.seen(made(p, study, people, w)).load()
        generated[w] = features_of(backbone, images.images), images.caption_ids.numpy()
    captions = neutral_captions(people.table, p.neutral_captions)
    trained = table[table["split"] == "train"]
    if of_captions := set(trained[trained["caption"].isin(captions)]["cluster"]):
        trained = trained[trained["cluster"].isin(of_captions)]
    shares, confusion = read_people(
        {part: features_of(backbone, some.images(study.size)) for part, some in parts.items()},
        {part: some.table.assign(cluster=some.table[some.cluster]) for part, some in parts.items()},
        generated, classes_of(people.table, people.people), trained, seed=p.seed,
    )  # fmt: skip
    shares.to_parquet(folder / "shares.parquet", index=False)
    confusion.to_parquet(folder / "confusion.parquet", index=False)
    return {"captions": len(captions)}


def probe_people(study: Study, people: Corpus, run: Run, folder: Path) -> dict:
    """Per-item results of a linear probe for the last label on held-out people, with their attributes."""
    from stablerep.probes import linear_probe
    from stablerep.probes.extraction import features_of

    backbone, label = study.backbone(run, None, 0), people.labels[-1]
    parts = {part: people.split(part) for part in ("train", "validation", "test")}
    found = linear_probe(
        {part: features_of(backbone, some.images(study.size)) for part, some in parts.items()},
        {part: some.table[label].astype(str).tolist() for part, some in parts.items()},
    )
    about = parts["test"].table
    about = about.assign(cluster=about[people.cluster])[["id", "cluster", *people.people]].astype(str)
    about.join(found).to_parquet(folder / "results.parquet", index=False)
    return {"accuracy": float(found["correct"].mean())}


def compute(p: Parameters, asked: Asked) -> dict[str, pd.DataFrame]:
    """Tables: ``shares`` (read and corrected, by w, with labels and balance), ``confusion`` of the reader on held-out
    real people, and ``groups`` (accuracy of real- and synthetic-trained encoders by attribute)."""
    from stablerep.audits.people import classes_of, group_accuracy

    groups = []
    for name, runs in asked.people.items():
        items = pd.concat([run.table() for run in runs], ignore_index=True)
        groups.append(group_accuracy(items, classes_of(items, asked.attributes), seed=p.seed).assign(arm=name))
    tables = {name: asked.reading.table(name) for name in ("shares", "confusion")}
    return tables | {"groups": pd.concat(groups, ignore_index=True)}


def verdict(tables: dict[str, pd.DataFrame]) -> list[Answer]:
    """C8: do the generated images show others than the training images, and do encoders serve groups unequally?"""
    from stablerep.audits.people import group_gaps, shifted_labels

    far, apart = shifted_labels(tables["shares"]), group_gaps(tables["groups"]).query("apart")["arm"].unique()
    word = "reproduced" if len(apart) and far else "partly" if len(apart) or far else "not reproduced"
    why = (
        f"Shares of generated images that differ from the training images at every w: {', '.join(far) or 'none'}. "
        f"Encoders whose groups lie apart: {', '.join(apart) or 'none'}"
    )
    rule = "reproduced when both questions show a difference outside the intervals, partly when one does"
    return [Answer("C8", word, why, rule)]
