"""Images per caption: more captions or more images of each, and how many of a caption in a batch."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, ClassVar

import pandas as pd
from pydantic import Field

from stablerep.errors import InputError
from stablerep.statistics import WORDS
from stablerep.statistics import verdict as verdict_on
from stablerep.statistics.arms import summarize
from stablerep.statistics.peaks import over_grid, rise
from stablerep.study.chapters import Headline, probe_of
from stablerep.study.experiments.answers import Answer, Effect
from stablerep.study.experiments.arms import FLOOR_ARMS, Arm, arm
from stablerep.study.experiments.evaluated import Evaluated, items_of
from stablerep.study.experiments.floors import RULE, against_floors, at_the_floor
from stablerep.study.experiments.study import Study
from stablerep.study.parameters.base import Pretraining, knob
from stablerep.study.parameters.presets import PRETRAINING, chapter_presets

QUESTION = "Given a number of images, is it better to have more captions or more images of each?"
CLAIMS = ("C4",)
STORED, DRAWN = PANELS = (
    "l, images of a caption, at a fixed number of images",
    "m, images of a caption in a batch, at a fixed batch",
)
HEADLINE = Headline("counts", ("panel", "number", "probe"), "accuracy", "accuracy")


class Parameters(Pretraining):
    # what no method of this chapter reads
    simclr_guidance_scale: ClassVar[float]
    clip_guidance_scale: ClassVar[float]
    clip_learning_rate: ClassVar[float]
    caption_colour: ClassVar[float]

    budget: int = knob(
        "images in all, of fewer captions where each has more; 0: one for each caption",
        unit="images",
        cost="linear",
        ge=0,
    )
    stored_counts: list[Annotated[int, Field(ge=1, le=64)]] = knob(
        "numbers l of images of a caption", cost="linear", min_length=2
    )
    positive_counts: list[Annotated[int, Field(ge=1, le=64)]] = knob(
        "numbers m of images of a caption in a batch; 1 is SimCLR", cost="linear", min_length=2
    )


_COUNTS = dict(budget=0, stored_counts=[1, 2, 4, 8], positive_counts=[1, 2, 4, 8])
PRESETS = chapter_presets(
    Parameters,
    PRETRAINING,
    laptop=_COUNTS | dict(captions=128, steps=150, stored_counts=[1, 2, 8], positive_counts=[1, 2, 8]),  # several sets are made
    smoke=dict(captions=64, stored_counts=[1, 2], positive_counts=[1, 2]),
    reference=_COUNTS, workstation=_COUNTS, paper=_COUNTS,
)  # fmt: skip


@dataclass(frozen=True)
class Asked:
    """By panel and number, the arm at every seed; and the floors."""

    panels: dict[str, dict[int, list[Evaluated]]]
    floors: list[Evaluated]


def ask(p: Parameters, study: Study) -> Asked:
    """StableRep on the same number of images of more or fewer captions, m views of each in a batch; and on all images of all captions with
    more or fewer of each in a batch.

    A caption with fewer than m images has several views of one, and m = 1 is SimCLR: two views of an image.
    """
    for m in p.positive_counts:
        if p.views_per_step % m or p.views_per_step // m < 2:
            raise InputError(
                f"positive_counts has {m}; views_per_step, {p.views_per_step}, must be a multiple of it and hold two captions."
            )
    captions, seeds = study.captions(p.captions), range(p.seed, p.seed + p.seeds)
    budget = p.budget or len(captions)
    if budget // min(p.stored_counts) > len(captions):
        raise InputError(
            f"budget is {budget}; with {min(p.stored_counts)} images of a caption that takes {budget // min(p.stored_counts)} captions, of which there are {len(captions)}."
        )
    stored = {
        count: [study.evaluated(stored_arm(count), captions.first(budget // count), p, seed) for seed in seeds]
        for count in sorted(p.stored_counts)
    }
    drawn = {
        m: [
            study.evaluated(drawn_arm(m, p), captions, p.model_copy(update={"positives": max(m, 2)}), seed)
            for seed in seeds
        ]
        for m in sorted(p.positive_counts)
    }
    floors = [study.evaluated(arm(name), captions, p, seed) for name in FLOOR_ARMS for seed in seeds]
    return Asked({STORED: stored, DRAWN: drawn}, floors)


def stored_arm(count: int) -> Arm:
    """StableRep on so many synthetic images of a caption."""
    return Arm(f"StableRep synthetic, l = {count}", "stablerep", "synthetic", count)


def drawn_arm(m: int, p: Parameters) -> Arm:
    """StableRep with m images of a caption in a batch; SimCLR on the same images where m is one."""
    name = f"{'StableRep' if m > 1 else 'SimCLR'} synthetic, m = {m}"
    return Arm(name, "stablerep" if m > 1 else "simclr", "synthetic", guidance_scale=p.guidance_scale)


def compute(p: Parameters, asked: Asked) -> dict[str, pd.DataFrame]:
    """Tables: ``counts``, a row per ``panel``, ``number`` (l or m) and probe with an interval and the number of ``captions``; ``real``, the
    floors; ``floors``, each arm against each floor; ``differences``, a row per panel on the primary probe: by how much accuracy rises with each
    doubling, as :func:`stablerep.statistics.verdict` takes it."""
    floors, counts, against, slopes = items_of(asked.floors), [], [], []
    for panel, values in asked.panels.items():
        parts = {value: items_of(some) for value, some in values.items()}
        items = pd.concat([*parts.values(), floors], ignore_index=True)
        counts += [
            summarize(part).assign(panel=panel, number=value, captions=int(part["captions"].iloc[0]))
            for value, part in parts.items()
        ]
        against.append(against_floors(items, [part["arm"].iloc[0] for part in parts.values()]).assign(panel=panel))
        slopes.append({"panel": panel} | slope({v: part[part["probe"] == probe_of(part)] for v, part in parts.items()}))
    return {
        "counts": pd.concat(counts, ignore_index=True), "real": summarize(floors), "floors": pd.concat(against, ignore_index=True),
        "differences": pd.DataFrame(slopes),
    }  # fmt: skip


def slope(parts: dict[int, pd.DataFrame]) -> dict:
    """By how much accuracy rises with each doubling of a number, with its interval and one-sided p-values.

    Args:
        parts: items on one probe by the number.
    """
    found = rise(over_grid(parts), list(parts))
    low, high = found.interval()
    return {
        "first": f"{max(parts)}", "second": f"{min(parts)}", "difference": found.mean, "low": low, "high": high, "visible": found.visible(),
        "p_for": found.above(0.0), "p_against": found.below(0.0), "seeds": found.seeds,
    }  # fmt: skip


def verdict(tables: dict[str, pd.DataFrame]) -> list[Answer]:
    """C4: accuracy rises with l at a fixed number of images, and with m at a fixed batch."""
    pairs, counts = tables["differences"], tables["counts"]
    rule = (
        "reproduced when the slope of a line over the logarithm lies above zero, by its whole interval, both for l at a fixed number of images and for m at a fixed batch; "
        f"contradicted when that of one lies below it; {RULE}; here that is asked of the best arm of each panel"
    )
    probe = probe_of(counts)
    but = first_step(counts, probe)
    best = counts[counts["probe"] == probe].sort_values("accuracy", ascending=False).drop_duplicates("panel")["arm"]
    if low := at_the_floor(tables["floors"], probe, best):
        why = f"{probe}: not clearly above the floors: {', '.join(low)}"
        return [Answer("C4", WORDS[-1], why, rule, but=but)]
    found = verdict_on(pairs)
    effects = [
        Effect(f"a doubling of {one.panel}", one.difference, one.low, one.high, one.visible)
        for one in pairs.sort_values("difference", kind="stable").itertuples()
    ]
    why = "; ".join(
        f"a doubling of {r.panel}: {100 * r.difference:+.1f} points [{100 * r.low:+.1f}, {100 * r.high:+.1f}]"
        for r in pairs.itertuples()
    )
    return [Answer("C4", found.word, f"{probe}: {why}", rule, p=found.p, effects=effects, but=but)]


def first_step(counts: pd.DataFrame, probe: str) -> str:
    """By how many points accuracy changes from each number of a panel to the next; empty where no panel has three numbers.

    Args:
        counts: ``panel``, ``number``, ``probe`` and ``accuracy``, of :func:`compute`.
    """
    said = []
    for panel, part in counts[counts["probe"] == probe].groupby("panel", sort=False):
        values = 100 * part.sort_values("number").set_index("number")["accuracy"]
        if len(values) > 2:
            each = [f"{values[b] - values[a]:+z.1f} from {a} to {b}" for a, b in zip(values.index, values.index[1:])]
            said.append(f"{panel[0]} {', '.join(each)}")
    return f"Step by step, in points: {'; '.join(said)}. Single steps have no interval." if said else ""
