"""Self-supervised methods: each on real and on synthetic images of the same captions."""

from __future__ import annotations

from typing import ClassVar, Literal

import pandas as pd

from stablerep.methods import METHODS
from stablerep.statistics import WORDS
from stablerep.statistics import verdict as verdict_on
from stablerep.statistics.arms import Pair, differences, seed_means, summarize
from stablerep.study.chapters import Headline, probe_of
from stablerep.study.experiments.answers import ABSENT, Answer, effects_of
from stablerep.study.experiments.arms import FLOOR_ARMS, Arm, arm
from stablerep.study.experiments.evaluated import Evaluated, items_of
from stablerep.study.experiments.floors import against_floors, at_the_floor
from stablerep.study.experiments.study import Study
from stablerep.study.markdown import some_of
from stablerep.study.parameters.base import Patched, Pretraining, Taught, knob
from stablerep.study.parameters.presets import PRETRAINING, chapter_presets

QUESTION = "Do synthetic images serve other self-supervised methods as they serve SimCLR?"
CLAIMS = ("C1",)
TESTED = {"C1": "for five methods, SimCLR among them"}
HEADLINE = Headline("arms", ("arm", "probe"), "accuracy", "accuracy")
ASKED = ("simclr", "mae", "byol", "moco-v3", "dino")  # those of the paper's figure 3
LEAST = 2  # methods above the floors on real images, without which nothing is said of methods


class Parameters(Taught, Patched, Pretraining):
    # what no method of this chapter reads
    guidance_scale: ClassVar[float]
    clip_guidance_scale: ClassVar[float]
    learning_rate: ClassVar[float]
    clip_learning_rate: ClassVar[float]
    caption_colour: ClassVar[float]
    positives: ClassVar[int]

    images_per_caption: int = knob(
        "images of a caption where the corpus repeats captions; elsewhere one",
        unit="images",
        cost="linear (synthesis)",
        ge=1,
        le=100,
    )
    methods: list[Literal[ASKED]] = knob("methods to train, twice each", cost="linear", min_length=1)


_EVERY = dict(methods=list(ASKED))
PRESETS = chapter_presets(
    Parameters, PRETRAINING,
    laptop=dict(methods=["simclr"], patch_encoder="test_vit", patch_size=8, depth=0),
    smoke=_EVERY | dict(depth=2), reference=_EVERY,
    workstation=_EVERY | dict(patch_encoder="vit_tiny_patch16_224", patch_size=4),
    paper=_EVERY | dict(patch_encoder="vit_base_patch16_224", patch_size=0),
)  # fmt: skip


def ask(p: Parameters, study: Study) -> list[Evaluated]:
    """Every method on one real and on one synthetic image of each caption, at the w of SimCLR's images, and the floors, at every seed."""
    captions, found = study.captions(p.captions), []
    for seed in range(p.seed, p.seed + p.seeds):
        arms = [one for method in p.methods for one in both(method, p.simclr_guidance_scale)]
        found += [study.evaluated(one, captions, p, seed) for one in (*arms, *map(arm, FLOOR_ARMS))]
    return found


def both(method: str, w: float) -> tuple[Arm, Arm]:
    """A method on real and on synthetic images."""
    title = METHODS[method].title
    return Arm(f"{title} real", method, "real"), Arm(f"{title} synthetic", method, "synthetic", 1, guidance_scale=w)


def pairs(methods: list[str]) -> list[Pair]:
    """Of each method, synthetic against real images, which are to be at least as good."""
    titles = [METHODS[method].title for method in methods]
    return [Pair("C1", f"{title} synthetic", f"{title} real", at_least=True) for title in titles]


def compute(p: Parameters, asked: list[Evaluated]) -> dict[str, pd.DataFrame]:
    """Tables: ``arms`` (an interval per arm and probe), ``differences`` (:func:`pairs`), ``floors`` (each trained arm against each floor),
    and ``seeds``."""
    items, wanted = items_of(asked), pairs(p.methods)
    trained = [name for pair in wanted for name in (pair.first, pair.second)]
    return {
        "arms": summarize(items), "differences": differences(items, wanted), "floors": against_floors(items, trained),
        "seeds": seed_means(items),
    }  # fmt: skip


def verdict(tables: dict[str, pd.DataFrame]) -> list[Answer]:
    """C1 on the primary probe, of the methods that learned something from real images."""
    rule = (
        "reproduced when, for every method that lies above the floors on real images, the whole interval lies above minus one point, so that a loss of "
        f"more is excluded; a method at the floors on synthetic images alone counts against it; with fewer than {LEAST} such methods nothing is said"
    )
    probe = probe_of(tables["arms"])
    found = tables["differences"].query("probe == @probe")
    if lacking := [METHODS[name].title for name in ASKED if f"{METHODS[name].title} real" not in set(found["second"])]:
        why = f"{probe}: not run, of the methods that the claim names: {', '.join(lacking)}"
        return [Answer("C1", WORDS[-1], why, rule, until=ABSENT)]
    low = at_the_floor(tables["floors"], probe, found["second"])
    told = found[~found["second"].isin(low)]
    lines = (
        [f"At the floors on real images, and not counted: {', '.join(name.removesuffix(' real') for name in low)}."]
        if low
        else []
    )
    if len(told) < LEAST:
        said = f"{probe}: methods above the floors on real images are {some_of(list(told['second'])) if len(told) else 'none'}"
        return [Answer("C1", WORDS[-1], said, rule, lines)]
    word = verdict_on(told)
    return [Answer("C1", word.word, f"{probe}: {word.sentence}", rule, lines, word.p, effects_of(told))]


def whether_counted(tables: dict[str, pd.DataFrame], probe: str) -> str:
    """Whether the largest difference counts: whether its arm on real images lies above the floors."""
    mine = tables["differences"].query("probe == @probe")
    if mine.empty:
        return ""
    largest = mine.loc[mine["difference"].abs().idxmax()]
    counts = not at_the_floor(tables["floors"], probe, [largest["second"]])
    why = (
        "lies above every floor"
        if counts
        else "does not lie clearly above every floor, so that it has not shown that it learned"
    )
    alone = " No other method was run." if mine["second"].nunique() == 1 else ""
    return f"It {'counts' if counts else 'does not count'}: {largest['second']} {why}.{alone}"
