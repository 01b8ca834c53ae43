"""Bias in representations: whether encoders that learned from synthetic images serve groups of people differently."""

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
from stablerep.study.experiments.people_images import people_in
from stablerep.study.experiments.study import Study
from stablerep.study.parameters.base import Pretraining
from stablerep.study.parameters.presets import PRETRAINING, chapter_presets
from stablerep.study.store.runs import Run
from stablerep.study.store.step import Step

if TYPE_CHECKING:
    from torch.nn import Module

    from stablerep.corpus import Corpus

QUESTION = "Do encoders that learned from synthetic images serve groups of people differently than those of real ones?"
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


PRESETS = chapter_presets(Parameters, PRETRAINING)


@dataclass(frozen=True)
class Asked:
    people: dict[str, list[Run]]  # by arm, floors among them, a probe on people for each seed
    attributes: tuple[str, ...]  # of people


def ask(p: Parameters, study: Study) -> Asked:
    """Per-item results on people by arm."""
    study.need_people()
    captions, scenes, found = study.captions(p.captions), people_in(study.probed_part(p.probe_designs)), {}
    for arm in study.arms(*FLOOR_ARMS, *COMPARED):
        encoders = [(study.pretrained(arm, captions, p, seed), seed) for seed in range(p.seed, p.seed + p.seeds)]
        found[arm.name] = [probed(study, scenes, arm, run, p, seed) for run, seed in encoders]
    return Asked(found, study.about.people)


def probed(study: Study, people: Corpus, arm: Arm, run: Run | None, p: Parameters, seed: int) -> Run:
    """What an encoder, or a floor, knows of people."""
    encoder = study.encoder_recipe(p), seed, arm.method
    return study.store.obtain(
        PEOPLE,
        parameters={"size": study.size, "label": study.about.labels[-1], "part": p.probe_part},
        inputs={"encoder": study.encoder_key(run, *encoder), "corpus": people.fingerprint},
        compute=lambda folder: probe_people(study, people, study.backbone(run, *encoder), p.probe_part, folder),
    )


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
    """Tables: ``groups`` (accuracy by group), ``contrasts`` (what synthetic images change in a group against others), and ``floors`` (each
    trained arm against each floor, on all people)."""
    from stablerep.audits.groups import group_accuracy, group_contrasts
    from stablerep.audits.people import classes_of

    items = items_by_arm(asked.people, p.seed)
    classes = classes_of(items, asked.attributes)
    return {
        "groups": group_accuracy(items, classes), "contrasts": group_contrasts(items, PAIRS, classes),
        "floors": against_floors(items.assign(probe=PROBE), COMPARED),
    }  # fmt: skip


def items_by_arm(people: dict[str, list[Run]], seed: int) -> pd.DataFrame:
    """The answers to single items of every arm and seed, from ``seed`` on, with ``arm`` and ``seed``."""
    return pd.concat([
        run.table().assign(arm=name, seed=seed + k) for name, runs in people.items() for k, run in enumerate(runs)
    ], ignore_index=True)  # fmt: skip


def verdict(tables: dict[str, pd.DataFrame]) -> list[Answer]:
    """C8 by the contrasts of the groups, for SimCLR; those of the other pairs stand beside. An arm at the floor decides nothing."""
    return [answer_by_contrasts("C8", PROBE, PAIRS, tables["contrasts"], tables["floors"])]
