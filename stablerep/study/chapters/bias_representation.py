"""Bias in representations: whether synthetic images change accuracy more on images of some groups of people than of others."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, ClassVar

import numpy as np
import pandas as pd
from pydantic import Field

from stablerep.study.chapters import Headline
from stablerep.study.experiments.answers import Answer, answer_by_contrasts
from stablerep.study.experiments.arms import FLOOR_ARMS, Arm, arm
from stablerep.study.experiments.floors import against_floors
from stablerep.study.experiments.images import Captions, ImageSet
from stablerep.study.experiments.learning import own
from stablerep.study.experiments.people_images import people_in, with_clusters
from stablerep.study.experiments.study import Study
from stablerep.study.parameters.base import Pretraining, knob
from stablerep.study.parameters.presets import PRETRAINING, chapter_presets
from stablerep.study.store.runs import Run
from stablerep.study.store.step import Step

if TYPE_CHECKING:
    from torch.nn import Module

    from stablerep.corpus import Corpus

QUESTION = "Does learning from synthetic images change accuracy more on images of some groups of people than of others?"
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
SYNTHETIC, REAL = map(arm, PAIRS[0])  # between which real images take the place of synthetic ones
PROBE = "linear, people"
BLOCKS = 50  # of images, within which groups are compared where every image is alone
_PEOPLE = "stablerep.study.experiments.people_images"

PEOPLE = Step(
    "people", 4, lambda p: "a probe on people",
    ("stablerep.probes", "stablerep.probes.floors", "stablerep.training.backbones", "stablerep.camera", f"{__name__}:probe_people",
     f"{_PEOPLE}:people_in", f"{_PEOPLE}:with_clusters"),
    seconds=1.0,
)  # fmt: skip


class Parameters(Pretraining):
    # what no arm of this chapter reads: none is CLIP
    clip_guidance_scale: ClassVar[float]
    clip_learning_rate: ClassVar[float]
    caption_colour: ClassVar[float]

    people: list[str] = knob("columns of perceived attributes; none given takes those that the corpus declares")
    real_shares: list[Annotated[float, Field(gt=0, lt=1)]] = knob(
        "shares of SimCLR's images that are real, beside none and all", cost="linear (training)"
    )


PRESETS = chapter_presets(
    Parameters, PRETRAINING,
    laptop=dict(people=[], real_shares=[]),  # every share is a training more for each seed
    workstation=dict(real_shares=[0.25, 0.5, 0.75]),
    paper=dict(real_shares=[0.25, 0.5, 0.75]),
)  # fmt: skip


@dataclass(frozen=True)
class Asked:
    people: dict[str, list[Run]]  # by arm, floors among them, a probe on people for each seed
    replaced: dict[str, list[Run]]  # the same of SimCLR where some of its images are real
    attributes: tuple[str, ...]  # of people
    label: str  # whose classes the probe tells apart


def ask(p: Parameters, study: Study) -> Asked:
    """Per-item results on people by arm."""
    study.need_people()
    captions, scenes, found = study.captions(p.captions), people_in(study.probed_part(p.probe_designs)), {}
    seeds = range(p.seed, p.seed + p.seeds)
    for which in study.arms(*FLOOR_ARMS, *COMPARED):
        encoders = [(study.pretrained(which, captions, p, seed), seed) for seed in seeds]
        found[which.name] = [probed(study, scenes, which, run, p, seed) for run, seed in encoders]
    replaced = {}
    for share in sorted(p.real_shares):
        which, images = partly_real(share), replacing(captions, share, p, study)
        encoders = [(learned(study, images, which, captions, p, seed), seed) for seed in seeds]
        replaced[which.name] = [probed(study, scenes, which, run, p, seed) for run, seed in encoders]
    return Asked(found, replaced, study.about.people, study.about.labels[-1])


def partly_real(share: float) -> Arm:
    """SimCLR where this share of the images is real."""
    return Arm(f"SimCLR {100 * share:g} % real", SYNTHETIC.method, "mixed")


def replacing(captions: Captions, share: float, p: Parameters, study: Study) -> ImageSet:
    """Scenes of one image of each caption, the synthetic one or, for this share of the captions, the real one. A larger share keeps all real images of
    a smaller one. Where captions repeat, the same share of each caption's images is real."""
    each = p.images_per_caption if study.repeats_captions else 1
    w = own(p, SYNTHETIC, "guidance_scale")
    made = study.synthetic_images(captions, p, w, images_per_caption=each, seed=p.seed)
    if study.repeats_captions:
        drawings = study.real_drawings(captions, at_most=max(1, round(share * each)))
    else:
        drawings = study.real_drawings(captions.first(max(1, round(share * len(captions)))))
    return study.seen(drawings.mixed_with(made, total=each))


def learned(study: Study, images: ImageSet, which: Arm, captions: Captions, p: Parameters, seed: int) -> Run:
    """The pre-training of an arm on images of its own."""
    images, apart = study.as_learned(images, captions, p, which.method)
    return study.pretraining(images, study.recipe(which, p, seed, apart), f"{which.name}, seed {seed}")


def probed(study: Study, people: Corpus, which: Arm, run: Run | None, p: Parameters, seed: int) -> Run:
    """What an encoder, or a floor, knows of people."""
    encoder = study.encoder_recipe(p), seed, which.method
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
    about = with_clusters(people).iloc[where["test"]]
    about = about[["id", "cluster", *people.people]].astype(str).reset_index(drop=True)
    about.join(found).to_parquet(folder / "results.parquet", index=False)
    return {"accuracy": float(found["correct"].mean())}


def compute(p: Parameters, asked: Asked) -> dict[str, pd.DataFrame]:
    """Tables: ``groups`` (accuracy by group), ``contrasts`` (what synthetic images change in a group against others), ``floors`` (each
    trained arm against each floor, on all people); ``disparities`` (how far groups, and the classes of the probe, lie apart in each arm) and ``gains``
    (how far groups lie apart in what an arm gains on another), of :mod:`stablerep.audits.disparity`; ``replaced``: as ``contrasts``, of SimCLR on
    images of which a share is synthetic against SimCLR on real ones. ``gains`` and ``replaced`` have ``synthetic``, that share, where there is one."""
    from stablerep.audits.disparity import arm_disparities, pair_disparities
    from stablerep.audits.groups import FEWEST, group_accuracy, group_contrasts
    from stablerep.audits.people import classes_of

    items, mixed = items_by_arm(asked.people, p.seed), items_by_arm(asked.replaced, p.seed)
    classes = classes_of(items, asked.attributes)
    about = items.drop_duplicates("id").set_index("id")
    many = {name: [one for one in found if (about[name] == one).sum() >= FEWEST] for name, found in classes.items()}
    shares = {partly_real(share).name: 1 - share for share in p.real_shares}
    shares |= {SYNTHETIC.name: 1.0} if shares else {}
    over = [(name, REAL.name) for name in sorted(shares, key=shares.get)]
    every = pd.concat([items, mixed], ignore_index=True)
    within = every.assign(cluster=every["id"].map(blocked(about, asked.attributes)))
    gains = pair_disparities(every, list(dict.fromkeys([*PAIRS, *over])), classes)
    replaced = group_contrasts(within, over, many)
    told = items.assign(**{asked.label: items["truth"]})
    return {
        "groups": group_accuracy(items, classes), "contrasts": group_contrasts(within, PAIRS, many),
        "floors": against_floors(items.assign(probe=PROBE), COMPARED),
        "disparities": arm_disparities(told, classes | {asked.label: sorted(told[asked.label].unique())}),
        "gains": gains.assign(synthetic=shares_of(gains, shares)), "replaced": replaced.assign(synthetic=shares_of(replaced, shares)),
    }  # fmt: skip


def shares_of(pairs: pd.DataFrame, shares: dict[str, float]) -> pd.Series:
    """The share of synthetic images of the first arm of each pair, where the second learned from real ones alone; NaN for others."""
    return pairs["first"].map(shares).where(pairs["second"] == REAL.name).astype(float)


def blocked(about: pd.DataFrame, attributes: tuple[str, ...]) -> pd.Series:
    """Within what groups are compared, by id: the clusters, or blocks of images (:func:`stablerep.audits.groups.in_blocks`) where no cluster shows
    two groups, as where every photograph is alone."""
    from stablerep.audits.groups import in_blocks

    several = about.groupby("cluster")[list(attributes)].nunique().gt(1).any(axis=None)
    return about["cluster"] if several else in_blocks(about, attributes[::-1], BLOCKS)


def items_by_arm(people: dict[str, list[Run]], seed: int) -> pd.DataFrame:
    """The answers to single items of every arm and seed, from ``seed`` on, with ``arm`` and ``seed``."""
    found = [run.table().assign(arm=name, seed=seed + k) for name, runs in people.items() for k, run in enumerate(runs)]
    return pd.concat(found, ignore_index=True) if found else pd.DataFrame()


def verdict(tables: dict[str, pd.DataFrame]) -> list[Answer]:
    """C8 by the contrasts of the groups, for SimCLR; those of the other pairs stand beside. An arm at the floor decides nothing."""
    return [answer_by_contrasts("C8", PROBE, PAIRS, tables["contrasts"], tables["floors"])]
