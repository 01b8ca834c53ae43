"""Scaling: accuracy against the number of captions, for three arms."""

from __future__ import annotations

from typing import Annotated

import pandas as pd
from pydantic import Field

from stablerep.errors import InputError
from stablerep.statistics.arms import summarize
from stablerep.study.chapters import Answer, Headline, probe_of
from stablerep.study.experiments.study import Evaluated, Study, items_of
from stablerep.study.parameters.base import Pretraining, knob
from stablerep.study.parameters.presets import PRETRAINING, overriding

QUESTION = "How many captions does each method need?"
CLAIMS = ("C5",)
HEADLINE = Headline("scaling", ("arm", "captions", "probe"), "accuracy", "accuracy")
SCALED = ("StableRep+ synthetic", "StableRep synthetic", "CLIP real")


class Parameters(Pretraining):
    caption_counts: list[Annotated[int, Field(ge=8)]] = knob("numbers of captions", cost="linear", min_length=2)


_ALL = dict(caption_counts=[320, 640, 1280, 2570])
PRESETS = overriding(
    PRETRAINING,
    # the last count is that of the comparison: with its steps, those encoders are its own
    laptop=dict(caption_counts=[160, 320, 640, 1280]),
    smoke=dict(caption_counts=[32, 96]),
    reference=_ALL,
    workstation=_ALL,
    # of ten million captions, seven train where they are split by hash
    paper=dict(caption_counts=[1_000_000, 3_000_000, 7_000_000]),
)


def ask(p: Parameters, study: Study) -> list[Evaluated]:
    """Every arm at every number of captions and seed.

    Subsets of captions are nested. Every run sees the same number of views, so a larger set is seen fewer times.
    """
    counts, captions = sorted(p.caption_counts), study.captions(p.captions)
    if counts[-1] > len(captions):
        raise InputError(f"caption_counts goes up to {counts[-1]}; {len(captions)} captions are available.")
    return [
        study.evaluated(arm, captions, p, p.seed + k, first=count)
        for count in counts for arm in study.arms(*SCALED) for k in range(p.seeds)
    ]  # fmt: skip


def by_size(table: pd.DataFrame) -> pd.DataFrame:
    """The rows of the table ``scaling``, each number of captions as an arm of its own."""
    return table.assign(arm=[f"{row.arm}, {row.captions:,} captions" for row in table.itertuples()])


def compute(p: Parameters, asked: list[Evaluated]) -> dict[str, pd.DataFrame]:
    """Table ``scaling``: a row per arm, number of captions and probe, with intervals."""
    tables = [summarize(part).assign(captions=count) for count, part in items_of(asked).groupby("captions")]
    return {"scaling": pd.concat(tables, ignore_index=True)}


def verdict(tables: dict[str, pd.DataFrame]) -> list[Answer]:
    """C5 on the linear probe for the last label."""
    table = tables["scaling"]
    part = table[table["probe"] == probe_of(table)]
    clip, plus = (part[part["arm"] == name].sort_values("captions") for name in ("CLIP real", "StableRep+ synthetic"))
    rule = (
        "reproduced when a lower interval bound of StableRep+ at half as many captions or fewer lies above CLIP's "
        "upper bound at its largest size"
    )
    top = clip.iloc[-1]
    enough = plus[plus["low"] > top["high"]]["captions"]
    reaches = plus[plus["accuracy"] >= top["accuracy"]]["captions"]
    if len(enough):
        few, many = enough.iloc[0], top["captions"]
        word = "reproduced" if many / few >= 2 else "partly"
        why = f"StableRep+ with {few} captions is above CLIP with {many}, intervals apart: a factor of {many / few:.1f}"
    elif len(reaches):
        word, against = "partly", f"{reaches.iloc[0]} captions against {top['captions']}"
        why = f"StableRep+ reaches CLIP's best mean with {against}, but the intervals overlap"
    else:
        word = "not reproduced"
        why = f"StableRep+ does not reach the {100 * top['accuracy']:.1f} % of CLIP with {top['captions']} captions"
    return [Answer("C5", word, why, rule)]
