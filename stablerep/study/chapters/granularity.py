"""Granularity: the same images, with groups, classes, concepts, captions or single images as what belongs together."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import ClassVar

import pandas as pd

from stablerep.errors import InputError, nearest
from stablerep.figures.paired import Paired, paired
from stablerep.statistics.arms import Pair, differences, seed_means, summarize
from stablerep.study.chapters import Headline, probe_of
from stablerep.study.experiments.answers import Answer, answer_by_pairs
from stablerep.study.experiments.arms import FLOOR_ARMS, Arm, arm
from stablerep.study.experiments.evaluated import Evaluated, items_of
from stablerep.study.experiments.floors import RULE, against_floors
from stablerep.study.experiments.images import Captions
from stablerep.study.experiments.study import Study
from stablerep.study.parameters.base import Pretraining, knob
from stablerep.study.parameters.presets import PRETRAINING, chapter_presets

QUESTION = (
    "Which images should count as alike: those of a class, of a concept, of a caption, or only views of one image?"
)
CLAIMS = ("C6",)
TESTED = {"C6": "on synthetic images, with classes by the same contrastive loss instead of a classifier"}
HEADLINE = Headline("arms", ("arm", "probe"), "accuracy", "accuracy")
LEARNER = arm("StableRep synthetic")  # whose images all arms have, and whose batches all but single images
IMAGE, CAPTION = "image", "caption"


class Parameters(Pretraining):
    # what no method of this chapter reads
    simclr_guidance_scale: ClassVar[float]
    clip_guidance_scale: ClassVar[float]
    clip_learning_rate: ClassVar[float]
    caption_colour: ClassVar[float]

    identities: list[str] = knob(
        "what images must share to be positives: image, caption, or a column of the corpus", cost="linear", min_length=2
    )


_EVERY = dict(identities=[IMAGE, CAPTION, "concept", "subgroup", "group"])
PRESETS = chapter_presets(
    Parameters, PRETRAINING, laptop=dict(identities=[IMAGE, CAPTION, "subgroup"]), smoke=_EVERY, reference=_EVERY, workstation=_EVERY
)  # fmt: skip


@dataclass(frozen=True)
class Asked:
    evaluated: list[Evaluated]
    classes: str  # the column that the claim calls classes


def ask(p: Parameters, study: Study) -> Asked:
    """An encoder for each identity and seed on the same synthetic images, and the floors."""
    captions, seeds = study.captions(p.captions), range(p.seed, p.seed + p.seeds)
    for name in p.identities:
        check_identity(name, captions, study)
    found = [learned(name, captions, p, study, seed) for seed in seeds for name in p.identities]
    floors = [study.evaluated(arm(name), captions, p, seed) for seed in seeds for name in FLOOR_ARMS]
    return Asked([*found, *floors], study.about.labels[-1] if study.about.labels else "")


def check_identity(name: str, captions: Captions, study: Study) -> None:
    """Refuse what is no column of the corpus, or one in which a caption has no value or several."""
    if name in (IMAGE, CAPTION):
        return
    table = study.corpus.table
    if name not in table:
        known = [IMAGE, CAPTION, *table.columns]
        raise InputError(
            f"identities has {name!r}, which is no column of the corpus; {nearest(name, known) or ', '.join(known)}."
        )
    values = (
        table[table["caption"].isin(captions.texts)]
        .groupby("caption")[name]
        .agg(lambda one: one.nunique(dropna=False) if one.notna().all() else 0)
    )
    if len(wrong := values[values != 1]):
        has = "has none" if wrong.iloc[0] == 0 else f"has {wrong.iloc[0]}"
        raise InputError(f"identities has {name!r}, of which each caption needs one value; {wrong.index[0]!r} {has}.")


def named(identity: str) -> str:
    """The name of an arm."""
    return f"{single().name if identity == IMAGE else LEARNER.name}: {identity}"


def single(w: float | None = None) -> Arm:
    """SimCLR on all images of the same guidance scale."""
    return Arm("SimCLR synthetic", "simclr", "synthetic", guidance_scale=w)


def learned(identity: str, captions: Captions, p: Parameters, study: Study, seed: int) -> Evaluated:
    """StableRep with the identity in place of the caption as what makes images positives, in the same batches; for single images SimCLR."""
    which = single(p.guidance_scale) if identity == IMAGE else LEARNER
    images = study.arm_images(which, captions, p, seed)
    label = None if identity in (IMAGE, CAPTION) else identity
    return study.evaluated_on(images, replace(which, name=named(identity)), captions, p, seed, label=label)


def pairs(classes: str) -> list[Pair]:
    """What the claim compares, and what stands beside it and decides nothing."""
    return [
        Pair("C6", named(CAPTION), named(classes)), Pair("C6", named(classes), named(IMAGE)),
        Pair("tones apart", named(CAPTION), named("concept")), Pair("coarser", named(classes), named("group")),
    ]  # fmt: skip


def compute(p: Parameters, asked: Asked) -> dict[str, pd.DataFrame]:
    """Tables: ``arms`` (an interval per arm and probe), ``differences`` (:func:`pairs`), ``floors`` (each trained arm against each floor),
    and ``seeds``."""
    items = items_of(asked.evaluated)
    return {
        "arms": summarize(items),
        "differences": differences(items, pairs(asked.classes)),
        "floors": against_floors(items, map(named, p.identities)),
        "seeds": seed_means(items),
    }


def verdict(tables: dict[str, pd.DataFrame]) -> list[Answer]:
    """C6 on the primary probe."""
    lacking = "captions, classes and single images were not all run"
    rule = f"reproduced when the whole interval of every pair lies above zero, captions minus classes and classes minus single images; contradicted when that of some pair lies below it; {RULE}"
    pairs, floors = tables["differences"], tables["floors"]
    return [answer_by_pairs("C6", probe_of(tables["arms"]), pairs, floors, rule, needed=2, lacking=lacking)]


def larger_step(differences: pd.DataFrame, probe: str, probes: Sequence[str]) -> str:
    """Which step gains more, from single images to classes or from classes to captions: on the primary probe, and on the linear one of some probes."""
    linear = [one for one in probes if one.startswith("linear") and one != probe]
    said = [_step(differences, one) for one in [probe, *linear[-1:]]]
    if None in said:
        return "Not both steps were run."
    answers = [
        f"on {one}, to captions {fine.size}, to classes {coarse.size}"
        for one, (fine, coarse) in zip([probe, *linear[-1:]], said)
    ]
    larger = ["captions" if fine.difference > coarse.difference else "classes" for fine, coarse in said]
    names = " and ".join(dict.fromkeys(larger))
    same = (
        f"the step to {names} gains more by both probes"
        if len(set(larger)) == 1
        else f"the step to {larger[0]} gains more on the first, that to {larger[-1]} on the second"
    )
    return f"{'; '.join(answers).replace('on ', 'On ', 1)}. By these numbers {same}. The difference of two steps has no interval here, so that which is larger is not told."


def _step(differences: pd.DataFrame, probe: str) -> tuple[Paired, Paired] | None:
    """The step from classes to captions and that from single images to classes; None where one was not run."""
    claimed = differences[(differences["claim"] == "C6") & (differences["first"] == named(CAPTION))]
    if claimed.empty:
        return None
    classes = claimed["second"].iloc[0]
    fine, coarse = (
        paired(differences, probe, named(CAPTION), classes),
        paired(differences, probe, classes, named(IMAGE)),
    )
    return (fine, coarse) if fine and coarse else None
