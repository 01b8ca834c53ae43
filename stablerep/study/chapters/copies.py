"""Copies: whether synthetic images contain drawings that their generator learned from, by detectors that are tried on known copies first."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, ClassVar

import pandas as pd
from pydantic import Field

from stablerep.audits.areas import ALL, areas, curves
from stablerep.audits.called import called, comparable, hidden, shares, without_copies
from stablerep.audits.copies import EMBEDDING, GAP, PIXELS, RATIO_OTHERS
from stablerep.audits.planting import SHIFT, told_apart
from stablerep.audits.unseen import COMBINATIONS, RATE, UNSEEN, thresholds_of
from stablerep.figures.copies_words import limits
from stablerep.statistics import MARGIN, WORDS
from stablerep.statistics import verdict as verdict_on
from stablerep.statistics.arms import Pair, differences, summarize
from stablerep.study.chapters import Headline, probe_of
from stablerep.study.experiments.answers import Answer, effects_of
from stablerep.study.experiments.arms import arm
from stablerep.study.experiments.copied_images import (
    AUDITED,
    NEW,
    PLANTED,
    TEST_DRAWINGS,
    generated_at,
    over_seeds,
    planted_by,
)  # fmt: skip
from stablerep.study.experiments.copying_generators import CopyingGenerators
from stablerep.study.experiments.evaluated import Evaluated, items_of
from stablerep.study.experiments.retrieved import learned_from
from stablerep.study.experiments.study import Study
from stablerep.study.parameters.base import GuidanceScale, Pretraining, knob
from stablerep.study.parameters.presets import GENERATED, PRETRAINING, chapter_presets
from stablerep.study.store.runs import Run

QUESTION = "Do synthetic images contain copies of what their generator learned from, and can that be told?"
CLAIMS = ("C11",)
TESTED = {
    "C11": "whether a copy-detection embedding calls synthetic images copies more often than real drawings in a design that the generator never saw, by more than a "
    "point; being in a known design is enough for some of that"
}
HEADLINE = Headline("shares", ("set", "detector"), "share", "share of images called copies")
REAL = arm("SimCLR real")
BESIDE = "both in known designs"  # a comparison in which synthetic images have no advantage
MOVED = planted_by(SHIFT)  # planted copies that were moved by a pixel
ENOUGH = 0.9  # area under the ROC curve that the embedding has to reach on planted copies


class Parameters(Pretraining):
    # what no method of this chapter reads
    simclr_guidance_scale: ClassVar[float]
    clip_guidance_scale: ClassVar[float]
    clip_learning_rate: ClassVar[float]
    caption_colour: ClassVar[float]

    guidance_scales: list[GuidanceScale] = knob("values of w to compare, beside guidance_scale", cost="linear")
    embedding_steps: int = knob("training steps of the copy-detection embedding", cost="linear", ge=1)
    planted: int = knob(
        "captions of which a training drawing is planted as a copy, with every change", cost="linear", ge=8
    )
    multiplicities: list[Annotated[int, Field(ge=1)]] = knob(
        "how often drawings of the unseen design are planted in a training set; none given: no such training",
        cost="linear",
    )
    duplicated: int = knob("captions for each of these numbers, and as many that are not planted", ge=4)
    images_per_duplicate: int = knob("images of each of these captions", unit="images", cost="linear", ge=1, le=50)
    training_steps: int = knob("steps of the training with planted drawings", cost="linear", ge=1)
    training_rate: float = knob("peak learning rate of generators that are trained further", gt=0, le=1)
    set_sizes: list[Annotated[int, Field(ge=4)]] = knob(
        "numbers of concepts on whose drawings alone a generator is trained further; none given: no such training",
        cost="linear",
    )
    set_steps: list[Annotated[int, Field(ge=1)]] = knob(
        "lengths of that training", unit="steps", cost="linear", min_length=1
    )
    extraction_captions: int = knob("captions of which many images are drawn; 0: none", cost="linear", ge=0)
    extraction_images: int = knob("images of each of them", unit="images", cost="linear", ge=2, le=1000)

    @property
    def scales(self) -> list[float]:
        """All values of w that are drawn."""
        return sorted({*self.guidance_scales, self.guidance_scale})


_EVERY = dict(
    guidance_scales=[1.0, 4.0, 8.0], embedding_steps=1600, planted=512, multiplicities=[1, 10, 50], duplicated=100, images_per_duplicate=4, training_steps=300,
    set_sizes=[8, 32, 128], set_steps=[75, 200, 600], extraction_captions=64, extraction_images=64,
)  # fmt: skip
PRESETS = chapter_presets(
    Parameters, PRETRAINING,
    # beside the comparison's runs an embedding, and what it sees: no generator is trained
    laptop=dict(
        guidance_scales=[], embedding_steps=300, planted=240, multiplicities=[], duplicated=24, images_per_duplicate=4, training_steps=60, training_rate=3e-4,
        set_sizes=[], set_steps=[60], extraction_captions=0, extraction_images=32,
    ),
    smoke=dict(
        guidance_scales=[1.0], embedding_steps=4, planted=16, duplicated=4, images_per_duplicate=2, training_steps=2, set_steps=[2], extraction_images=4,
    ),
    reference=_EVERY, workstation=_EVERY, paper=_EVERY | GENERATED,
)  # fmt: skip


@dataclass(frozen=True)
class Asked:
    scored: dict[int, Run]  # by seed of the embedding
    evaluated: list[Evaluated]  # arms that are held to test images without copies
    duplicates: dict[int, Run]  # by seed; empty where none are asked for
    sizes: dict[int, Run]  # of the first seed, or empty
    extraction: dict[int, Run]
    upstream: pd.DataFrame  # what the generator says it learned from, and what it is held against


def ask(p: Parameters, study: Study) -> Asked:
    """The scores of all images at every seed of the embedding, two arms of the comparison, and, where asked for, generators with reason to copy.

    Raises:
        InputError: a corpus without an unseen design, or a generator that is to be trained further and cannot be.
    """
    audit = CopyingGenerators(p, study)
    drawings, seeds = audit.drawings, range(p.seed, p.seed + p.seeds)
    if p.multiplicities or p.set_sizes:
        study.need_trainable(p.generator)
    scored = {seed: audit.scored(seed) for seed in seeds}
    captions = study.captions(p.captions)
    upstream = {
        "learned_from": learned_from(study.generator_place(p.generator)), "held_against": drawings.learned.fingerprint, "rate": RATE,
        "drawings": len(drawings.learned), "unseen": len(drawings.unseen),
    }  # fmt: skip
    return Asked(
        scored=scored,
        evaluated=[study.evaluated(which, captions, p, seed) for seed in seeds for which in (AUDITED, REAL)],
        duplicates={seed: audit.duplicates(seed) for seed in seeds} if p.multiplicities else {},
        sizes={p.seed: audit.sizes(p.seed)} if p.set_sizes else {},
        extraction={p.seed: audit.extraction(p.seed, scored[p.seed])} if p.extraction_captions else {},
        upstream=pd.DataFrame([upstream]),
    )


def pairs(p: Parameters, sets: set[str]) -> list[Pair]:
    """What the claim compares, other guidance scales, and unseen combinations, of those that were drawn."""
    found = [
        # the claim's bound is plus a point, which is "as good to within the margin" where the margin is minus a point
        Pair("C11" if w == p.guidance_scale else f"w = {w:g}", generated_at(w), UNSEEN, at_least=w == p.guidance_scale)
        for w in p.scales
    ]
    return [*found, *([Pair(BESIDE, NEW, COMBINATIONS)] if NEW in sets else [])]


def compute(p: Parameters, asked: Asked) -> dict[str, pd.DataFrame]:
    """Tables: ``shares`` (of each set that each detector calls copies), ``differences`` (:func:`pairs`, the detector being the probe), ``areas`` and ``curves``
    (planted copies among real drawings), ``hidden`` (by design), ``contamination``, ``upstream``, ``pictures``; and, empty where not asked for,
    ``duplicates``, ``sizes`` and ``extraction``."""
    scores = over_seeds(asked.scored, "scores")
    thresholds, sets = thresholds_of(scores), set(scores["set"])
    items = called(scores, thresholds)
    mine = comparable(items, [generated_at(w) for w in p.scales])
    backgrounds = [name for name in (UNSEEN, COMBINATIONS) if name in sets]
    return {
        "shares": shares(mine), "differences": differences(mine, pairs(p, sets), margin=-MARGIN),
        "areas": areas(scores, PLANTED, backgrounds), "curves": curves(scores, PLANTED, backgrounds), "hidden": hidden(items, PLANTED[0]),
        "contamination": contamination(items_of(asked.evaluated), items[items["arm"] == TEST_DRAWINGS]),
        "upstream": asked.upstream, "pictures": asked.scored[p.seed].table("pictures"),
        "duplicates": told_apart(over_seeds(asked.duplicates, "results")) if asked.duplicates else pd.DataFrame(), "sizes": sizes(asked.sizes, thresholds),
        "extraction": pd.concat([run.table() for run in asked.extraction.values()] or [pd.DataFrame()], ignore_index=True),
    }  # fmt: skip


def contamination(items: pd.DataFrame, calls: pd.DataFrame) -> pd.DataFrame:
    """The lead of synthetic over real images in one-shot recognition, with all test drawings and without those that look like training drawings.

    Returns:
        Rows of :func:`stablerep.statistics.differences` with ``left_out``, *nothing* or a detector; ``drawings``, the share of test drawings that is left out;
        and ``synthetic`` and ``real``, the accuracies.
    """
    mine = items[items["probe"] == probe_of(items)]
    parts, rows = without_copies(mine, calls, (PIXELS, EMBEDDING)), []
    for (name, kept), share in zip(parts[0].items(), parts[1].values()):
        if len(kept):
            accuracy = summarize(kept).set_index("arm")["accuracy"]
            found = differences(kept, [Pair("synthetic − real", AUDITED.name, REAL.name)])
            rows.append(
                found.assign(left_out=name, drawings=share, synthetic=accuracy[AUDITED.name], real=accuracy[REAL.name])
            )
    return pd.concat(rows, ignore_index=True)


def sizes(runs: dict[int, Run], thresholds: pd.DataFrame) -> pd.DataFrame:
    """What generators draw that learned from few concepts alone: ``set_size``, ``steps``, ``measure`` (*kernel distance*, or a detector, for the share of
    images that it calls copies of what was learned), ``value``, ``low`` and ``high``, over the few concepts, and ``images``."""
    rows = []
    for seed, run in runs.items():
        limits = thresholds[thresholds["seed"] == seed].set_index("detector")["threshold"]
        rows += [one | {"measure": "kernel distance"} for one in run.table("kid").to_dict("records")]
        for (size, steps), part in run.table("scores").groupby(["set_size", "steps"]):
            for name in (EMBEDDING, RATIO_OTHERS):
                items = part.assign(
                    arm="generated",
                    probe=name,
                    seed=seed,
                    cluster=part["concept"],
                    correct=part[name] > limits[name],
                    views=0,
                )
                (found,) = summarize(items).to_dict("records")
                rows.append({
                    "set_size": size, "steps": steps, "images": len(part), "measure": name, "value": found["accuracy"], "low": found["low"],
                    "high": found["high"],
                })  # fmt: skip
    return pd.DataFrame(rows)


def verdict(tables: dict[str, pd.DataFrame]) -> list[Answer]:
    """C11 by the embedding, at the guidance scale of the parameters, where the embedding is known to find copies and the training set is known."""
    rule = (
        "reproduced when the embedding calls synthetic images copies more often than real drawings in the unseen design by more than a point, with the whole "
        f"interval; nothing is settled where the interval of its area under the ROC curve, on planted copies, begins below {ENOUGH:g}, or where the generator's record does "
        "not say that it learned from the drawings that images are held against"
    )
    upstream, found = tables["upstream"].iloc[0], tables["areas"]
    area = found[(found["detector"] == EMBEDDING) & (found["background"] == UNSEEN) & (found["copies"] == ALL)].iloc[0]
    fixed = f"{area['area']:.3f} [{area['low']:.3f}, {area['high']:.3f}]"
    lines = [
        f"Area under the ROC curve of the embedding on planted copies: {fixed}; the gap ratio calls an image a copy below {GAP:.2f}."
    ]
    near = found[(found["detector"] == EMBEDDING) & (found["background"] == COMBINATIONS) & (found["copies"] == ALL)]
    lines += [
        f"Among real drawings of unseen combinations, which look like copies and are none, the area is {one.area:.3f} [{one.low:.3f}, {one.high:.3f}]."
        for one in near.itertuples()
    ]
    lines += [
        "No word here says that there are no copies, or that what is called one is one; *contradicted* says only that calls are not more frequent by a point."
    ]
    pairs = tables["differences"]
    mine = pairs[(pairs["claim"] == "C11") & (pairs["probe"] == EMBEDDING)]
    lines += [
        f"Beside it, {one.claim}: {one.first} − {one.second} {100 * one.difference:+z.1f} points [{100 * one.low:+z.1f}, {100 * one.high:+z.1f}]."
        for one in pairs[(pairs["claim"] != "C11") & (pairs["probe"] == EMBEDDING)].itertuples()
    ]
    if upstream["learned_from"] != upstream["held_against"]:
        why = "no record says that the generator learned from the drawings that images are held against"
        return [Answer("C11", WORDS[-1], why, rule, lines)]
    if not area["low"] >= ENOUGH:
        why = f"the embedding does not find planted copies well enough: {fixed}"
        return [Answer("C11", WORDS[-1], why, rule, lines)]
    said, but = verdict_on(mine), limits(tables, EMBEDDING, BESIDE, TEST_DRAWINGS, MOVED)
    return [Answer("C11", said.word, f"{EMBEDDING}: {said.sentence}", rule, lines, said.p, effects_of(mine), but=but)]
