"""The comparison: every method on real and synthetic images, the same number of views for each."""

from __future__ import annotations

import pandas as pd

from stablerep.statistics import verdict as verdict_on
from stablerep.statistics.arms import differences, seed_means, summarize
from stablerep.study.chapters import Answer, Headline, probe_of
from stablerep.study.experiments.study import Evaluated, Study, items_of
from stablerep.study.parameters.base import Pretraining as Parameters
from stablerep.study.parameters.presets import PRETRAINING as PRESETS

__all__ = ["CLAIMS", "HEADLINE", "PRESETS", "QUESTION", "Parameters", "ask", "compute", "verdict"]

QUESTION = "Which encoder is better: SimCLR, CLIP or StableRep, on real or synthetic images?"
CLAIMS = ("C1", "C2")
HEADLINE = Headline("arms", ("arm", "probe"), "accuracy", "accuracy")

# (claim, better arm if the claim holds, other arm)
PAIRS = (
    ("C1", "SimCLR synthetic", "SimCLR real"),
    ("C2", "StableRep synthetic", "SimCLR real"),
    ("C2", "StableRep synthetic", "SimCLR synthetic"),
    ("C2", "StableRep synthetic", "CLIP real"),
    ("C2", "StableRep synthetic", "CLIP synthetic"),
    ("control", "StableRep synthetic", "StableRep real designs"),
    ("language", "StableRep+ synthetic", "StableRep synthetic"),
)


def ask(p: Parameters, study: Study) -> list[Evaluated]:
    """All arms that the corpus can have, at every seed."""
    captions = study.captions(p.captions)
    return [study.evaluated(arm, captions, p, p.seed + k) for k in range(p.seeds) for arm in study.arms()]


def compute(p: Parameters, asked: list[Evaluated]) -> dict[str, pd.DataFrame]:
    """Tables: ``arms`` (an interval per arm and probe), ``differences`` (pairs of the claims), ``seeds``."""
    items = items_of(asked)
    return {"arms": summarize(items), "differences": differences(items, PAIRS), "seeds": seed_means(items)}


def answer(differences: pd.DataFrame, claim: str, probe: str) -> Answer:
    """C1 says "at least as good": its intervals have to lie above minus one point, those of other claims above zero."""
    pairs = differences[(differences["claim"] == claim) & (differences["probe"] == probe)]
    found = verdict_on(pairs, margin=-0.01 if claim == "C1" else 0.0)
    why = f"no pair of arms for {claim} was run" if pairs.empty else found.sentence
    return Answer(claim, found.word, f"{probe}: {why}")


def verdict(tables: dict[str, pd.DataFrame]) -> list[Answer]:
    """C1 and C2 on the linear probe for the last label."""
    pairs = tables["differences"]
    return [answer(pairs, claim, probe_of(pairs)) for claim in CLAIMS]
