"""Scaling: accuracy against the number of captions, for three arms."""

from __future__ import annotations

from typing import Annotated

import pandas as pd
from pydantic import Field

from stablerep.errors import InputError
from stablerep.statistics import verdict as verdict_on
from stablerep.statistics.arms import Pair, differences, summarize
from stablerep.study.chapters import Answer, Headline, probe_of
from stablerep.study.experiments.study import Evaluated, Study, items_of
from stablerep.study.parameters.base import Pretraining, knob
from stablerep.study.parameters.presets import PRETRAINING, overriding

QUESTION = "How many captions does each method need?"
CLAIMS = ("C5",)
HEADLINE = Headline("scaling", ("arm", "captions", "probe"), "accuracy", "accuracy")
PLUS, CLIP = "StableRep+ synthetic", "CLIP real"
SCALED = (PLUS, "StableRep synthetic", CLIP)


class Parameters(Pretraining):
    caption_counts: list[Annotated[int, Field(ge=8)]] = knob("numbers of captions", cost="linear", min_length=2)


_ALL = dict(caption_counts=[212, 424, 847, 1694])
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
    """Items, or rows of the table ``scaling``, each number of captions as an arm of its own."""
    return table.assign(arm=[sized(arm, count) for arm, count in zip(table["arm"], table["captions"])])


def sized(arm: str, captions: int) -> str:
    return f"{arm}, {captions:,} captions"


def compute(p: Parameters, asked: list[Evaluated]) -> dict[str, pd.DataFrame]:
    """Tables: ``scaling``, a row per arm, number of captions and probe, with intervals; ``differences``, StableRep+ at fewer
    captions against CLIP at all of them."""
    items, counts = items_of(asked), sorted(p.caption_counts)
    tables = [summarize(part).assign(captions=count) for count, part in items.groupby("captions")]
    pairs = [Pair("C5", sized(PLUS, count), sized(CLIP, counts[-1])) for count in counts]
    return {"scaling": pd.concat(tables, ignore_index=True), "differences": differences(by_size(items), pairs)}


def verdict(tables: dict[str, pd.DataFrame]) -> list[Answer]:
    """C5 on the primary probe: StableRep+ with half of the captions, or the next number below."""
    pairs, counts = tables["differences"], sorted(tables["scaling"]["captions"].unique())
    half = [count for count in counts if 2 * count <= counts[-1]]
    rule = "StableRep+ with at most half of the captions is better than CLIP with all"
    if not half:
        why = f"no number of captions is at most half of {counts[-1]:,}"
        return [Answer("C5", "not testable at this scale", why, rule)]
    probe = probe_of(tables["scaling"])
    mine = pairs[(pairs["probe"] == probe) & (pairs["first"] == sized(PLUS, half[-1]))]
    found = verdict_on(mine)
    return [Answer("C5", found.word, f"{probe}: {found.sentence}", rule)]
