"""The methods: each trained on the same real images, probed, and asked whether its features have collapsed."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import pandas as pd

from stablerep.methods import METHODS
from stablerep.statistics.arms import Pair, costs, differences, seed_means, summarize
from stablerep.study.chapters import Headline, probe_of
from stablerep.study.experiments.answers import Answer, answer_by_pairs
from stablerep.study.experiments.arms import FLOOR_ARMS, Arm, arm
from stablerep.study.experiments.evaluated import Evaluated, items_of
from stablerep.study.experiments.floors import RULE, against_floors, at_the_floor
from stablerep.study.experiments.images import Captions, ImageSet
from stablerep.study.experiments.study import Study
from stablerep.study.parameters.base import CAPTION_COLOUR, AnyCorpus, Batched, Design, Patched, Stem, Taught, knob
from stablerep.study.parameters.presets import LEARNING, chapter_presets
from stablerep.study.store.runs import Run
from stablerep.study.store.step import Step

QUESTION = "What does each learning method take for positives, does it learn, and does it collapse?"
CLAIMS = ("C6",)
HEADLINE = Headline("arms", ("arm", "probe"), "accuracy", "accuracy")

TRANSFERRED = ("digits", "clip art")  # embedded sets that show no emoji
RANDOM = "Random initialization"
# SynCLR, table 5, told captions, classes or single images: by the same contrastive loss, and, as in the table, with classes by a classifier
PAIRS = (
    Pair("C6", "StableRep", "Supervised contrastive"), Pair("C6", "Supervised contrastive", "SimCLR"),
    Pair("classifier", "StableRep", "Supervised"),
)  # fmt: skip

EARLIER = 8.9  # of the first test, as the remarks of the protocol record it; its tables are not kept

DIAGNOSTICS = Step(
    "diagnostics", 2, lambda p: "features without labels",
    ("stablerep.audits.features", "stablerep.training.backbones", "stablerep.camera"), seconds=3.0,
)  # fmt: skip


class Parameters(Taught, Patched, Batched, AnyCorpus):
    methods: list[Literal[tuple(METHODS)]] = knob(
        "methods to train, in the order of the chapter", cost="linear", min_length=1
    )
    captions: int = knob("captions whose real images all methods learn from; 0 takes all training captions", ge=0)
    label: str = knob("column that the methods with classes are told; empty takes the last label of the corpus")
    encoder: str = knob("any timm model", cost="model", min_length=1)
    stem: Stem = knob("of the encoder, for small images", cost="model")
    positives: int = knob("m: images of a caption in a batch, for StableRep", unit="images", ge=2, le=100)
    steps: int = knob("optimizer steps of each method", cost="linear", ge=1)
    views_per_step: int = knob(
        "augmented images in a step, the same for every method", unit="views", cost="linear", ge=4
    )
    learning_rate: float = knob("peak of all methods without one of their own", gt=0, le=1)
    simclr_learning_rate: float = knob("peak for SimCLR", gt=0, le=1)
    clip_learning_rate: float = knob("peak for CLIP", gt=0, le=1)
    supervised_learning_rate: float = knob("peak for supervised learning", gt=0, le=1)
    caption_as_class_learning_rate: float = knob("peak for caption as class", gt=0, le=1)
    caption_colour: float = knob(CAPTION_COLOUR, ge=0, le=1)
    crop_min: float = knob("smallest share of an image that a crop keeps", gt=0, le=1)
    probe_designs: list[Design] = knob("emoji designs that the probes look at", cost="linear", min_length=2)
    seeds: int = knob("repetitions with other initialization, order and views", cost="linear", ge=1, le=100)


PRESETS = chapter_presets(
    Parameters,
    LEARNING,
    laptop=dict(
        methods=list(METHODS), captions=0, label="", patch_encoder="test_vit", patch_size=8, depth=0, steps=150,
    ),
    smoke=dict(depth=2),
    workstation=dict(patch_encoder="vit_tiny_patch16_224", patch_size=4),
    paper=dict(patch_encoder="vit_base_patch16_224", patch_size=0),
)  # fmt: skip


@dataclass(frozen=True)
class Trained:
    """What was asked of one method and seed."""

    evaluated: Evaluated
    transferred: pd.DataFrame  # items on other sets
    diagnostics: Run | None  # of encoders, and of the first seed alone


def ask(p: Parameters, study: Study) -> list[Trained]:
    """Every method and seed, the floors first."""
    captions = study.captions(p.captions)
    images = study.real_images(captions, several=True)
    recipe, found = study.encoder_recipe(p), []
    for seed in range(p.seed, p.seed + p.seeds):
        learners = {name: (None, arm(name).method) for name in FLOOR_ARMS}
        for method in possible(p, study):
            learners[METHODS[method].title] = (train(method, images, captions, p, study, seed), "")
        for name, (run, untrained) in learners.items():
            described = seed == p.seed and (run or name == RANDOM)
            found.append(Trained(
                Evaluated(name, seed, run, study.probed(run, recipe, seed, p, untrained=untrained)),
                study.transferred(run, recipe, seed, TRANSFERRED, untrained=untrained),
                diagnosed(run, p, study, seed) if described else None,
            ))  # fmt: skip
    return found


def possible(p: Parameters, study: Study) -> list[str]:
    """The methods to train, without those that learn classes where the corpus has none."""
    label = p.label or study.about.labels
    return [method for method in p.methods if label or METHODS[method].traits.ids != "class"]


def train(method: str, images: ImageSet, captions: Captions, p: Parameters, study: Study, seed: int) -> Run:
    """The pre-training run of one method on all images of some captions."""
    images, apart = study.as_learned(images, captions, p, method)
    recipe = study.recipe(Arm(METHODS[method].title, method, "designs"), p, seed, apart)
    label = (p.label or study.about.labels[-1]) if METHODS[method].traits.ids == "class" else None
    return study.pretraining(images, recipe, f"{METHODS[method].title}, seed {seed}", label=label)


def diagnosed(run: Run | None, p: Parameters, study: Study, seed: int) -> Run:
    """One row: what the features of held-out images look like, before any label is asked."""

    def compute(folder: Path) -> dict:
        from stablerep.audits.features import describe
        from stablerep.encoders import extract_features

        part = study.asked_part(p.probe_designs, p.probe_part)
        features = extract_features(study.backbone(run, study.encoder_recipe(p), seed), part.images(study.size))
        describe(features, part.table["caption"]).to_parquet(folder / "results.parquet", index=False)
        return {}

    return study.store.obtain(
        DIAGNOSTICS,
        parameters={
            "size": study.size,
            "part": p.probe_part,
            "designs": sorted(p.probe_designs) if study.about.designs else [],
        },
        inputs={"encoder": study.encoder_key(run, study.encoder_recipe(p), seed), "corpus": study.seen_fingerprint},
        compute=compute,
    )


def compute(p: Parameters, asked: list[Trained]) -> dict[str, pd.DataFrame]:
    """Tables: ``arms`` (accuracy by method and probe with its interval), ``differences`` (the pairs of C6), ``floors``
    (each method against each floor), ``costs``, ``transfer`` (each seed's score on other sets), ``seeds``, ``curves``
    (loss by step) and ``diagnostics`` (of features of held-out images, untrained ones first), both of the first seed.
    """
    from stablerep.transfer import transfer_scores

    items, first = items_of(one.evaluated for one in asked), [one for one in asked if one.diagnostics]
    trained = dict.fromkeys(one.evaluated.arm for one in asked if one.evaluated.pretraining)
    scores = [transfer_scores(one.transferred).assign(arm=one.evaluated.arm, seed=one.evaluated.seed) for one in asked]
    curves = [
        one.evaluated.pretraining.table("log")[["step", "loss"]].assign(arm=one.evaluated.arm)
        for one in first if one.evaluated.pretraining
    ]  # fmt: skip
    return {
        "arms": summarize(items),
        "differences": differences(items, PAIRS),
        "floors": against_floors(items, trained),
        "costs": costs(items),
        "seeds": seed_means(items),
        "curves": pd.concat(curves, ignore_index=True),
        "diagnostics": pd.concat(
            [one.diagnostics.table().assign(arm=one.evaluated.arm) for one in first], ignore_index=True
        ),
        "transfer": pd.concat(scores, ignore_index=True),
    }


def answer(tables: dict[str, pd.DataFrame], probe: str) -> Answer:
    """C6 on one probe."""
    pairs, floors = tables["differences"], tables["floors"]
    rule = f"reproduced when the whole interval of every pair lies above zero; contradicted when that of some pair lies below it; {RULE}"
    needed, lacking = sum(pair.claim == "C6" for pair in PAIRS), "a method that the claim names was not run"
    but = against_classifier(pairs, probe)
    return answer_by_pairs(
        "C6", probe, pairs, floors, rule, needed=needed, lacking=lacking, lines=above_floors(floors), but=but
    )


def above_floors(floors: pd.DataFrame) -> list[str]:
    """Which methods lie clearly above every floor on every probe, which on some, and which on none: a sentence, or none without methods.

    Args:
        floors: of :func:`stablerep.study.experiments.floors.against_floors`.
    """
    probes, trained = floors["probe"].unique(), floors["first"].unique()
    low = {probe: at_the_floor(floors, probe, trained) for probe in probes}
    above = {name: [probe for probe in probes if name not in low[probe]] for name in trained}
    kinds = {
        "on every probe": [name for name, found in above.items() if len(found) == len(probes)],
        "on some": [f"{name} ({', '.join(found)})" for name, found in above.items() if 0 < len(found) < len(probes)],
        "on none": [name for name, found in above.items() if not found],
    }
    said = "; ".join(f"{kind} {', '.join(names)}" for kind, names in kinds.items() if names)
    return [f"Clearly above every floor: {said}"] if said else []


def against_classifier(pairs: pd.DataFrame, probe: str) -> str:
    """What SynCLR's own order, with a classifier in the middle, comes to, and that the claim had it first; empty where that pair was not run.

    Args:
        pairs: of :func:`stablerep.statistics.differences`.
    """
    from stablerep.figures.tables import points

    mine = pairs[(pairs["claim"] == "classifier") & (pairs["probe"] == probe)]
    if mine.empty:
        return ""
    one = mine.iloc[0]
    word = "beat classes" if one["low"] > 0 else "lose to classes" if one["high"] < 0 else "are not told from classes"
    said = f"With a classifier over classes in the middle, as SynCLR has it, captions {word}: {points(one['difference'], one['low'], one['high'])} points."
    return f"{said} An earlier version of this claim, with a classifier, had failed by {EARLIER} points; its arms were changed after that (Protocol, Remarks)."


def verdict(tables: dict[str, pd.DataFrame]) -> list[Answer]:
    """C6 on the primary probe."""
    return [answer(tables, probe_of(tables["arms"]))]
