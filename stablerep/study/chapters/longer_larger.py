"""Longer and larger: the same arms trained for fewer or more steps, and with smaller or larger encoders."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Annotated, Literal

import pandas as pd
from pydantic import Field

from stablerep.statistics.arms import Pair, differences, summarize
from stablerep.statistics.peaks import over_grid, rise
from stablerep.study.chapters import Headline, probe_of
from stablerep.study.experiments.answers import Answer, answer_by_pairs
from stablerep.study.experiments.arms import ARMS, FLOOR_ARMS, arm
from stablerep.study.experiments.evaluated import Evaluated, items_of
from stablerep.study.experiments.floors import RULE, against_floors
from stablerep.study.experiments.study import Study
from stablerep.study.parameters.base import Pretraining, knob
from stablerep.study.parameters.presets import PRETRAINING, chapter_presets

QUESTION = "Does StableRep's lead last when training is longer, and when the encoder is larger?"
CLAIMS = ("C2",)
TESTED = {"C2": "against real images alone, at the longest training and with the largest encoder"}
LENGTH, SIZE = "length of training", "encoder"  # the panels
HEADLINE = Headline("grown", ("panel", "arm", "steps", "encoder", "probe"), "accuracy", "accuracy")
CLAIMED, OTHERS = "StableRep synthetic", ("SimCLR real", "CLIP real")
ON_THE_WAY = "on the way"  # pairs at all points but the last, which decide nothing


class Parameters(Pretraining):
    arms: list[Literal[tuple(one.name for one in ARMS if one.trained and one.method != "supervised")]] = knob(
        "arms to train at every length and with every encoder", cost="linear", min_length=1
    )
    lengths: list[Annotated[float, Field(gt=0, le=100)]] = knob(
        "lengths of training, as multiples of steps", cost="linear", min_length=2
    )
    encoders: list[str] = knob("timm models to compare with encoder, each trained for steps", cost="model")


_EVERY = dict(arms=[*OTHERS, CLAIMED], lengths=[0.125, 0.25, 0.5, 1.0, 2.0], encoders=["resnet10t", "resnet18"])
PRESETS = chapter_presets(
    Parameters, PRETRAINING,
    laptop=_EVERY | dict(lengths=[0.25, 1.0], encoders=[]),  # the longest are the comparison's
    smoke=dict(lengths=[0.5, 1.0], encoders=["resnet10t"]), reference=_EVERY,
    workstation=_EVERY | dict(encoders=["resnet34"]),
    paper=_EVERY | dict(lengths=[0.25, 0.5, 1.0, 3.0], encoders=["vit_large_patch16_224"]),  # 35 and 105 epochs
)  # fmt: skip


@dataclass(frozen=True)
class Point:
    """One length of training and one encoder, with what was trained so, and the floors beside it, at every seed."""

    panel: str
    steps: int
    encoder: str
    evaluated: list[Evaluated]
    floors: list[Evaluated]

    def named(self, name: str) -> str:
        """An arm's name at this point."""
        return f"{name}, {f'{self.steps:,} steps' if self.panel == LENGTH else self.encoder}"


def ask(p: Parameters, study: Study) -> list[Point]:
    """Every arm and seed for each length of training with the study's encoder, and for each encoder at the study's length; a point that is
    in both panels has the same runs. The floor of random weights has the encoder of its point."""
    from stablerep.encoders import backbone_width

    captions, seeds = study.captions(p.captions), range(p.seed, p.seed + p.seeds)
    for name in p.encoders:  # one that cannot be made is refused before hours of training
        backbone_width(replace(study.encoder_recipe(p), name=name))
    steps = sorted({max(1, round(p.steps * length)) for length in p.lengths})
    points = [(LENGTH, count, p.encoder) for count in steps]
    points += [(SIZE, p.steps, encoder) for encoder in dict.fromkeys([p.encoder, *p.encoders])] if p.encoders else []
    found = []
    for panel, count, encoder in points:
        here = p.model_copy(update={"steps": count, "encoder": encoder})
        evaluated = [study.evaluated(one, captions, here, seed) for seed in seeds for one in study.arms(*p.arms)]
        floors = [study.evaluated(arm(name), captions, here, seed) for name in FLOOR_ARMS for seed in seeds]
        found.append(Point(panel, count, encoder, evaluated, floors))
    return found


def compute(p: Parameters, asked: list[Point]) -> dict[str, pd.DataFrame]:
    """Tables: ``grown``, a row per ``panel``, arm, number of ``steps``, ``encoder`` (of so many ``weights``) and probe, with an interval, and
    with each encoder the floors, which take 0 steps; ``differences``, StableRep against the others at every point, under the claim at the
    longest training and with the largest encoder; ``floors``, each arm and point against each floor; ``slopes``, by how much accuracy on the
    primary probe rises with each doubling of the length, for each arm and for StableRep's lead over the others."""
    measured = [(point, items_of(point.evaluated), items_of(point.floors)) for point in asked]
    last, by_length, seen = largest(measured, p), {}, set()
    found: dict[str, list[pd.DataFrame]] = {"grown": [], "differences": [], "floors": []}
    for point, items, floors in measured:
        at = dict(panel=point.panel, encoder=point.encoder, weights=int(items["weights"].max()))
        found["grown"].append(summarize(items).assign(steps=point.steps, **at))
        if (point.panel, point.encoder) not in seen:  # floors do not depend on the length
            found["grown"].append(summarize(floors).assign(steps=0, **at))
            seen.add((point.panel, point.encoder))
        named = items.assign(arm=items["arm"].map(point.named))
        claim = CLAIMS[0] if point in last else ON_THE_WAY
        pairs = [Pair(claim, point.named(CLAIMED), point.named(other)) for other in OTHERS]
        found["differences"].append(differences(named, pairs).assign(steps=point.steps, **at))
        against = against_floors(pd.concat([named, floors], ignore_index=True), named["arm"].unique())
        found["floors"].append(against.assign(steps=point.steps, **at))
        if point.panel == LENGTH:
            by_length[point.steps] = items[items["probe"] == probe_of(items)]
    return {name: pd.concat(parts, ignore_index=True) for name, parts in found.items()} | {"slopes": slopes(by_length)}


def largest(measured: list[tuple[Point, pd.DataFrame, pd.DataFrame]], p: Parameters) -> list[Point]:
    """The longest training, where it is longer than the study's, and the largest encoder, where it is larger."""
    weights = {point.encoder: items["weights"].max() for point, items, _ in measured if point.panel == SIZE}
    longest = max(point.steps for point, *_ in measured if point.panel == LENGTH)
    widest = max(weights, key=weights.get, default="")
    grown = weights and weights[widest] > weights[p.encoder]
    return [
        point for point, *_ in measured
        if (point.panel == LENGTH and point.steps == longest > p.steps) or (point.panel == SIZE and grown and point.encoder == widest)
    ]  # fmt: skip


def slopes(by_length: dict[int, pd.DataFrame]) -> pd.DataFrame:
    """Points for each doubling of the length: ``arm``, ``difference``, ``low``, ``high`` and ``visible``, for arms and for leads.

    Args:
        by_length: items on one probe by the number of steps.
    """
    if len(by_length) < 2:
        return pd.DataFrame(columns=["arm", "difference", "low", "high", "visible"])
    arms = dict.fromkeys(next(iter(by_length.values()))["arm"])
    values = {
        name: over_grid({steps: items[items["arm"] == name] for steps, items in by_length.items()}) for name in arms
    }
    leads = {
        f"{CLAIMED} − {other}": values[CLAIMED] - values[other] for other in OTHERS if {CLAIMED, other} <= set(arms)
    }
    rows = []
    for name, one in (values | leads).items():
        found = rise(one, list(by_length))
        low, high = found.interval()
        rows.append({"arm": name, "difference": found.mean, "low": low, "high": high, "visible": found.visible()})
    return pd.DataFrame(rows)


def verdict(tables: dict[str, pd.DataFrame]) -> list[Answer]:
    """C2 on the primary probe, where training is longest and where the encoder is largest."""
    rule = (
        f"reproduced when {CLAIMED} lies above {' and '.join(OTHERS)} at the longest training and with the largest encoder, "
        f"by the whole interval of every pair; equivalent when all lie within a point of zero; {RULE}"
    )
    probe, pairs, floors = probe_of(tables["grown"]), tables["differences"], tables["floors"]
    lacking = "not all arms that the claim names were run for longer than the study's steps and with a larger encoder than its own"
    found = answer_by_pairs(CLAIMS[0], probe, pairs, floors, rule, needed=2 * len(OTHERS), lacking=lacking)
    return [replace(found, but=how_leads_change(tables))]


def how_leads_change(tables: dict[str, pd.DataFrame]) -> str:
    """A sentence on StableRep's lead over each other arm from the shortest training to the longest; empty where one length was run.

    Args:
        tables: ``slopes`` and ``grown``, of :func:`compute`.
    """
    by_lead = tables["slopes"].set_index("arm")
    said = []
    for other in OTHERS:
        if (lead := f"{CLAIMED} − {other}") in by_lead.index:
            middle, low, high = (100 * by_lead.loc[lead, name] for name in ("difference", "low", "high"))
            word = "grows" if low > 0 else "shrinks" if high < 0 else "is not told to change"
            said.append(f"over {other} it {word} ({middle:+z.1f} points [{low:+z.1f}, {high:+z.1f}])")
    if not said:
        return ""
    grown = tables["grown"]
    mine = grown[(grown["panel"] == LENGTH) & (grown["probe"] == probe_of(grown))]
    steps, floor = mine.loc[mine["steps"] > 0, "steps"], mine.loc[mine["steps"] == 0, "accuracy"].max()
    low = (mine.loc[mine["steps"] == steps.min(), "accuracy"] < floor).all()
    start = f" At {steps.min():,} steps every arm lies below the best floor." if low else ""
    return f"StableRep's lead with each doubling of the training, from {steps.min():,} to {steps.max():,} steps: {'; '.join(said)}.{start}"
