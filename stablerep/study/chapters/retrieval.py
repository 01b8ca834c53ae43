"""Retrieval: synthetic images against the real images that their generator learned from, retrieved for the same captions."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar, Literal

import pandas as pd

from stablerep.methods import METHODS
from stablerep.statistics import WORDS
from stablerep.statistics.arms import Pair, differences, seed_means, summarize
from stablerep.study.chapters import Headline, probe_of
from stablerep.study.experiments.answers import Answer, answer_by_pairs
from stablerep.study.experiments.arms import FLOOR_ARMS, arm
from stablerep.study.experiments.evaluated import Evaluated, items_of
from stablerep.study.experiments.floors import RULE, against_floors
from stablerep.study.experiments.images import Captions
from stablerep.study.experiments.retrieved import BY_LIKENESS, BY_WORDS, OWN_LEFT_OUT, WAYS, Retriever, learned_from
from stablerep.study.experiments.study import Study
from stablerep.study.parameters.base import Pretraining, knob
from stablerep.study.parameters.presets import PRETRAINING, chapter_presets
from stablerep.study.store.runs import Run
from stablerep.study.store.step import Step

if TYPE_CHECKING:
    from stablerep.captioned_images import CaptionedImages
    from stablerep.retrieving import Retrieved

QUESTION = "Are synthetic images better to learn from than the real images that their generator learned from?"
CLAIMS = ("C14",)
TESTED = {
    "C14": "for StableRep, with images retrieved by the words of the caption; most are the caption's own, so that the answer was nearly known beforehand"
}
HEADLINE = Headline("arms", ("arm", "probe"), "accuracy", "accuracy")
SYNTHETIC = {"stablerep": "StableRep synthetic", "simclr": "SimCLR all synthetic"}  # by method, arms of the comparison
OWN_ALONE = "StableRep real designs"  # every real image of a caption, and no other


def named(method: str, way: str) -> str:
    """The name of an arm on retrieved images."""
    return f"{METHODS[method].title} retrieved {WAYS[way]}"


PAIRS = (
    Pair("C14", named("stablerep", BY_WORDS), SYNTHETIC["stablerep"], at_least=True),
    Pair("own left out", named("stablerep", OWN_LEFT_OUT), SYNTHETIC["stablerep"]),
    Pair("likeness", named("stablerep", BY_LIKENESS), SYNTHETIC["stablerep"]),
    Pair("own alone", OWN_ALONE, SYNTHETIC["stablerep"]),
    Pair("own images", named("stablerep", BY_WORDS), named("stablerep", OWN_LEFT_OUT)),
    Pair("two ways", named("stablerep", BY_WORDS), named("stablerep", BY_LIKENESS)),
    Pair("two ways", named("stablerep", OWN_LEFT_OUT), named("stablerep", BY_LIKENESS)),
    *(Pair("SimCLR", named("simclr", way), SYNTHETIC["simclr"]) for way in WAYS),
)

RETRIEVAL = Step(
    "retrieval", 1, lambda p: f"{p['images_per_caption']} images for each of {p['captions']:,} captions",
    (
        "stablerep.retrieving", "stablerep.audits.faithfulness", "stablerep.study.experiments.retrieved:learned_from",
        f"{__name__}:describe", f"{__name__}:pictures",
    ),
    seconds=2.5,
)  # fmt: skip
EXAMPLES = ("dog face", "rose", "woman health worker")  # where they are to be had, else the first captions
SHOWN = 3  # images of a kind


class Parameters(Pretraining):
    # what no method of this chapter reads
    clip_guidance_scale: ClassVar[float]
    clip_learning_rate: ClassVar[float]
    caption_colour: ClassVar[float]

    methods: list[Literal[tuple(SYNTHETIC)]] = knob(
        "methods to train on each set of images", cost="linear", min_length=1
    )
    retrieved: list[Literal[tuple(WAYS)]] = knob("ways to retrieve real images", cost="linear", min_length=1)


_EVERY = dict(methods=list(SYNTHETIC), retrieved=list(WAYS))
# A caption has at most five real images to learn from. Of ten retrieved ones most would be of other captions, and positives nonetheless.
_FEW = dict(images_per_caption=4, positives=4)
PRESETS = chapter_presets(
    Parameters, PRETRAINING,
    laptop=dict(methods=["stablerep"], retrieved=[BY_WORDS, BY_LIKENESS]),  # two trainings that the comparison has not
    reference=_EVERY, workstation=_EVERY | _FEW, paper=_EVERY | _FEW,
)  # fmt: skip


@dataclass(frozen=True)
class Asked:
    evaluated: list[Evaluated]
    retrieval: Run


def ask(p: Parameters, study: Study) -> Asked:
    """Every method on synthetic images and on as many real ones of each way of retrieval, the floors, and what was retrieved."""
    captions, found = study.captions(p.captions), []
    synthetic = study.synthetic_images(
        captions, p, p.guidance_scale, images_per_caption=p.images_per_caption, seed=p.seed
    )
    retriever = Retriever(study, captions, synthetic, p.images_per_caption)
    for seed in range(p.seed, p.seed + p.seeds):
        for method in p.methods:
            which = arm(SYNTHETIC[method])
            found.append(study.evaluated(which, captions, p, seed))
            found += [
                study.evaluated_on(
                    study.seen(retriever.images(way)), replace(which, name=named(method, way)), captions, p, seed
                )
                for way in p.retrieved
            ]
        own = study.arms(OWN_ALONE) if "stablerep" in p.methods else []
        found += [study.evaluated(one, captions, p, seed) for one in [*own, *map(arm, FLOOR_ARMS)]]
    retrieval = study.store.obtain(
        RETRIEVAL,
        parameters={"ways": p.retrieved, "captions": len(captions), "images_per_caption": p.images_per_caption, "size": study.size},
        inputs={"synthetic": synthetic.name, "captions": captions.name, "corpus": study.about.fingerprint},
        compute=lambda folder: describe(p, study, captions, retriever, folder),
    )  # fmt: skip
    return Asked(found, retrieval)


def describe(p: Parameters, study: Study, captions: Captions, retriever: Retriever, folder: Path) -> dict:
    """What each way has retrieved: ``results``, a row of numbers for each, and ``strip``, :func:`pictures`; and ``upstream``, fingerprints of what the
    generator says it ``learned_from``, and of what images are ``retrieved_from``."""
    found = {WAYS[way]: retriever.retrieved(way) for way in p.retrieved}
    part = study.corpus.to_learn_from()
    rows = [
        {"way": kind, **one.described(study.clusters), "removed": len(part) - len(one.upstream)}
        for kind, one in found.items()
    ]
    pd.DataFrame(rows).to_parquet(folder / "results.parquet", index=False)
    record = {
        "learned_from": learned_from(study.generator_place(p.generator)), "retrieved_from": part.fingerprint,
    }  # fmt: skip
    pd.DataFrame([record]).to_parquet(folder / "upstream.parquet", index=False)
    images = {
        "real images": study.real_drawings(captions, at_most=SHOWN).load(),
        "synthetic images": retriever.synthetic.load(),
    } | {WAYS[way]: retriever.images(way).load() for way in p.retrieved}
    known = [one for one in EXAMPLES if one in captions.texts]
    shown = list(dict.fromkeys([*known, *captions.texts]))[: len(EXAMPLES)]
    pictures(images, found, shown).to_parquet(folder / "strip.parquet", index=False)
    return {"removed": rows[0]["removed"]}


def pictures(images: dict[str, CaptionedImages], found: dict[str, Retrieved], shown: list[str]) -> pd.DataFrame:
    """The first images of a few captions, for :func:`stablerep.figures.retrieved`.

    Args:
        images: by what they are called. found: what some of them were retrieved as, by the same name.
    """
    from stablerep.audits.faithfulness import picture_grid

    rows = []
    for kind, some in images.items():
        for one in picture_grid(some.images, some.caption_ids, some.captions, dict.fromkeys(shown, kind), 0.0):
            caption, index = one["caption"], one["index"]
            shows = found[kind].captions_for(caption)[index] if kind in found else caption
            rows.append({"caption": caption, "kind": kind, "index": index, "shows": shows, "png": one["png"]})
    return pd.DataFrame(rows).query("index < @SHOWN")


def compute(p: Parameters, asked: Asked) -> dict[str, pd.DataFrame]:
    """Tables: ``arms`` (an interval per arm and probe), ``differences`` (``PAIRS``), ``floors`` (each trained arm against each floor), ``seeds``,
    and :func:`describe`'s as ``retrieved``, ``strip`` and ``upstream``."""
    items = items_of(asked.evaluated)
    trained = [
        name for method in p.methods for name in (SYNTHETIC[method], *(named(method, way) for way in p.retrieved))
    ]
    return {
        "arms": summarize(items), "differences": differences(items, PAIRS), "floors": against_floors(items, [*trained, OWN_ALONE]),
        "seeds": seed_means(items), "retrieved": asked.retrieval.table(),
    } | {name: asked.retrieval.table(name) for name in ("strip", "upstream")}  # fmt: skip


def verdict(tables: dict[str, pd.DataFrame]) -> list[Answer]:
    """C14 on the primary probe. It says that synthetic images are no better: retrieved ones are at least as good, within a point.

    Of a generator that learned from other images than those among which this chapter retrieves, or does not say from which, it says nothing.
    """
    rule = f"reproduced when the whole interval lies above minus one point, so that a loss of more is excluded; {RULE}"
    probe, pairs, floors = probe_of(tables["arms"]), tables["differences"], tables["floors"]
    upstream, retrieved = tables["upstream"].iloc[0], tables["retrieved"]
    if upstream["learned_from"] != upstream["retrieved_from"]:
        why = "no record says that the generator learned from the images among which this chapter retrieves"
        return [Answer("C14", WORDS[-1], why, rule)]
    own = retrieved.loc[retrieved["way"] == WAYS[BY_WORDS], "caption"]
    lines = [f"Of the images retrieved by words, {100 * share:.1f} % are the caption's own." for share in own]
    lacking = "not both arms that the claim names were run"
    found = answer_by_pairs("C14", probe, pairs, floors, rule, needed=1, lacking=lacking, lines=lines)
    return [replace(found, but=which_way(pairs, probe, found.word))]


def which_way(pairs: pd.DataFrame, probe: str, word: str) -> str:
    """What the differences say where the word on the claim says nothing of them, and what retrieval without the caption's own images says."""
    from stablerep.figures.paired import paired

    claimed = paired(pairs, probe, named("stablerep", BY_WORDS), SYNTHETIC["stablerep"])
    other = paired(pairs, probe, named("stablerep", OWN_LEFT_OUT), SYNTHETIC["stablerep"])
    said = []
    if claimed and word == WORDS[-1]:
        against = "against the claim, " if claimed.high < 0 else ""
        said.append(f"In these numbers, {against}{claimed.sentence}.")
    if other:
        said.append(f"With the captions' own images left out, {other.sentence}.")
    return " ".join(said)


def ways_run(retrieved: pd.DataFrame) -> str:
    """A sentence on the ways of retrieval that a run lacks; empty where it has all.

    Args:
        retrieved: ``way``, of :func:`describe`.
    """
    lacking = [way for way in WAYS.values() if way not in set(retrieved["way"])]
    return f"This run leaves out a way to retrieve: {'; '.join(lacking)}." if lacking else ""
