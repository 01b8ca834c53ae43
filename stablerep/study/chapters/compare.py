"""The comparison: every method on real and synthetic images, the same number of views for each."""

from __future__ import annotations

from typing import Literal

import pandas as pd

from stablerep.statistics import WORDS
from stablerep.statistics import verdict as verdict_on
from stablerep.statistics.arms import Pair, differences, seed_means, summarize
from stablerep.study.chapters import Answer, Headline, effects_of, probe_of
from stablerep.study.experiments.arms import ARMS, FLOOR_ARMS
from stablerep.study.experiments.evaluated import Evaluated, items_of
from stablerep.study.experiments.floors import RULE, against_floors, held_to_floors
from stablerep.study.experiments.study import Study
from stablerep.study.parameters.base import Pretraining, knob
from stablerep.study.parameters.presets import PRETRAINING, chapter_presets

QUESTION = "Which encoder is better: SimCLR, CLIP or StableRep, on real or synthetic images?"
CLAIMS = ("C1", "C2", "C16")
HEADLINE = Headline("arms", ("arm", "probe"), "accuracy", "accuracy")

PAIRS = (
    Pair("C1", "SimCLR synthetic", "SimCLR real", at_least=True),
    Pair("C2", "StableRep synthetic", "SimCLR real"),
    Pair("C2", "StableRep synthetic", "SimCLR synthetic"),
    Pair("C2", "StableRep synthetic", "CLIP real"),
    Pair("C2", "StableRep synthetic", "CLIP synthetic"),
    Pair("C16", "SimCLR real", "SimCLR reconstructed"),
    Pair("control", "StableRep synthetic", "StableRep real designs"),
    Pair("more images", "SimCLR all synthetic", "SimCLR synthetic"),
    Pair("language", "StableRep+ synthetic", "StableRep synthetic"),
)

_EVERY = dict(arms=[one.name for one in ARMS])


class Parameters(Pretraining):
    supervised_learning_rate: float = knob("peak for supervised learning", gt=0, le=1)
    arms: list[Literal[tuple(one.name for one in ARMS)]] = knob("arms to compare", cost="linear", min_length=1)


PRESETS = chapter_presets(
    Parameters,
    PRETRAINING,
    laptop=dict(  # what C1 and C2 name, floors, StableRep+ and one ceiling
        arms=[
            *FLOOR_ARMS, "SimCLR real", "SimCLR synthetic", "CLIP real", "CLIP synthetic", "StableRep synthetic",
            "StableRep+ synthetic", "StableRep real designs",
        ],
    ),
    smoke=_EVERY, reference=_EVERY, workstation=_EVERY, paper=_EVERY,
)  # fmt: skip


def ask(p: Parameters, study: Study) -> list[Evaluated]:
    """The arms that the corpus can have, at every seed."""
    captions = study.captions(p.captions)
    return [study.evaluated(arm, captions, p, p.seed + k) for k in range(p.seeds) for arm in study.arms(*p.arms)]


def compute(p: Parameters, asked: list[Evaluated]) -> dict[str, pd.DataFrame]:
    """Tables: ``arms`` (an interval per arm and probe), ``differences`` (pairs of the claims), ``floors`` (each trained arm
    against each floor, claim ``learned``), ``seeds``."""
    items = items_of(asked)
    return {
        "arms": summarize(items),
        "differences": differences(items, PAIRS),
        "floors": against_floors(items, [one.name for one in ARMS if one.trained]),
        "seeds": seed_means(items),
    }


def answer(tables: dict[str, pd.DataFrame], claim: str, probe: str) -> Answer:
    """One claim on one probe. C1 says "at least as good": within a point, its arms count as equals. Others say "better"."""
    pairs = tables["differences"]
    pairs = pairs[(pairs["claim"] == claim) & (pairs["probe"] == probe)]
    if len(pairs) < sum(pair.claim == claim for pair in PAIRS):
        return Answer(claim, WORDS[-1], f"{probe}: not all arms that the claim names were run", RULE)
    found = held_to_floors(verdict_on(pairs), pairs, tables["floors"], probe)
    return Answer(claim, found.word, f"{probe}: {found.sentence}", RULE, p=found.p, effects=effects_of(pairs))


def verdict(tables: dict[str, pd.DataFrame]) -> list[Answer]:
    """Each claim on the primary probe."""
    return [answer(tables, claim, probe_of(tables["arms"])) for claim in CLAIMS]
