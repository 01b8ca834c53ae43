"""Scaling: accuracy against the number of captions, at a fixed number of views and at one that grows with the set, and against images of a caption."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Annotated, ClassVar, Literal

import numpy as np
import pandas as pd
from pydantic import Field

from stablerep.errors import InputError
from stablerep.figures.scaling_words import by_other_probe, fewest
from stablerep.statistics import power_laws
from stablerep.statistics.arms import Pair, differences, seed_means, summarize
from stablerep.statistics.exchange import exchange_rate
from stablerep.statistics.peaks import over_grid, rise
from stablerep.study.chapters import Headline, probe_of
from stablerep.study.experiments.answers import ABSENT, Answer, answer_by_pairs
from stablerep.study.experiments.arms import FLOOR_ARMS, arm
from stablerep.study.experiments.evaluated import Evaluated, items_of
from stablerep.study.experiments.floors import RULE, against_floors
from stablerep.study.experiments.study import Study
from stablerep.study.parameters.base import Pretraining, knob
from stablerep.study.parameters.presets import PRETRAINING, chapter_presets

QUESTION = "How many captions does each method need?"
CLAIMS = ("C5",)
FIXED, GROWING = PANELS = ("views fixed", "views growing")
EVERYTHING, HANDFUL = "all", 8  # tested things of a group below which it has no row of its own
HEADLINE = Headline("scaling", ("arm", "captions", "probe"), "accuracy", "accuracy", where=("panel", FIXED))
PLUS, CLIP, MORE = "StableRep+ synthetic", "CLIP real", "StableRep synthetic"
SCALED = (PLUS, MORE, CLIP, "CLIP synthetic")


class Parameters(Pretraining):
    # what no arm of this chapter reads: none is SimCLR
    simclr_guidance_scale: ClassVar[float]
    simclr_learning_rate: ClassVar[float]

    arms: list[Literal[SCALED]] = knob("arms to compare", cost="linear", min_length=1)
    caption_counts: list[Annotated[int, Field(ge=8)]] = knob("numbers of captions", cost="linear", min_length=2)
    image_counts: list[Annotated[int, Field(ge=1, le=100)]] = knob(
        "numbers l of images of a caption, at all captions and a fixed number of views; none given: not asked",
        cost="linear",
    )


_EVERY = dict(arms=list(SCALED), image_counts=[])
_ALL = _EVERY | dict(caption_counts=[106, 212, 424, 847, 1694], image_counts=[1, 2, 4, 8, 16])
PRESETS = chapter_presets(
    Parameters,
    PRETRAINING,
    # the last count is that of the comparison: with its steps, those encoders are its own
    # what C5 names; curves and power laws need the sizes that the reference has
    laptop=dict(arms=[PLUS, CLIP], caption_counts=[320, 640], image_counts=[]),
    smoke=_EVERY | dict(caption_counts=[32, 96], image_counts=[1, 2]),
    reference=_ALL,
    workstation=_ALL,
    # of ten million captions, seven train where they are split by hash
    paper=_EVERY | dict(caption_counts=[1_000_000, 3_000_000, 7_000_000]),
)


@dataclass(frozen=True)
class Asked:
    """Every arm, number of captions and seed by panel, the floors at every seed, and what counts the concepts of so many captions.

    Attributes:
        images: by the number of images of a caption, at every seed. groups: names that of each tested cluster, where the corpus has labels.
    """

    panels: dict[str, list[Evaluated]]
    floors: list[Evaluated]
    concepts: Callable[[int], int]
    images: dict[int, list[Evaluated]] = field(default_factory=dict)
    groups: Callable[[], dict[str, str]] = dict


def ask(p: Parameters, study: Study) -> Asked:
    """Every arm that is wanted at every number of captions and seed, in both panels, and the floors.

    Subsets of captions are nested, and taken concept by concept where the corpus names concepts in designs. With *views fixed* every run takes
    the same steps, so a larger set is seen fewer times; with *views growing* steps are in proportion to captions, up to the same number. The
    largest set has the same runs in both. StableRep learns from all captions with more or fewer images of each, too, by the same steps.
    """
    counts, captions = sorted(p.caption_counts), study.captions(p.captions)
    if counts[-1] > len(captions):
        raise InputError(f"caption_counts goes up to {counts[-1]}; {len(captions)} captions are available.")
    seeds, panels = range(p.seed, p.seed + p.seeds), {}
    for panel in PANELS:
        fewer = {count: p.steps if panel == FIXED else max(1, round(p.steps * count / counts[-1])) for count in counts}
        panels[panel] = [
            study.evaluated(one, captions, p.model_copy(update={"steps": fewer[count]}), seed, first=count)
            for seed in seeds for count in counts for one in study.arms(*p.arms)
        ]  # fmt: skip
    images = {
        count: [
            study.evaluated(arm(MORE), captions, p.model_copy(update={"images_per_caption": count}), seed)
            for seed in seeds
        ]
        for count in sorted(set(p.image_counts))
    }
    floors = [study.evaluated(one, captions, p, seed) for one in study.arms(*FLOOR_ARMS) for seed in seeds]

    def concepts(count: int) -> int:
        return len({study.clusters[one] for one in captions.first(count).texts})

    return Asked(panels, floors, concepts, images, lambda: groups(p, study))


def groups(p: Parameters, study: Study) -> dict[str, str]:
    """The first label of each tested cluster, where all items of a cluster have the same; empty where they do not, or there is no label."""
    if not study.about.labels:
        return {}
    table, label, cluster = (
        study.asked_part(p.probe_designs, p.probe_part).table,
        study.about.labels[0],
        study.about.cluster,
    )
    known = table.groupby(cluster)[label].agg(["first", "nunique"])
    return known["first"].to_dict() if (known["nunique"] == 1).all() else {}


def by_size(table: pd.DataFrame) -> pd.DataFrame:
    """Items, or rows of the table ``scaling``, each number of captions as an arm of its own."""
    return table.assign(arm=[sized(arm, count) for arm, count in zip(table["arm"], table["captions"])])


def sized(arm: str, captions: int) -> str:
    """The name of an arm at a number of captions; floors learn from none."""
    return f"{arm} at {captions:,} captions" if captions else arm


def compute(p: Parameters, asked: Asked) -> dict[str, pd.DataFrame]:
    """Tables, all with the column ``panel``: ``scaling``, a row per arm, number of captions (with that of their concepts; none for floors) and
    probe, with intervals; ``differences``, StableRep+ at fewer captions against CLIP at all of them; ``floors``, each arm and size against each
    floor; ``power_law`` and ``power_law_lines``, of :func:`stablerep.statistics.power_laws`, for the errors of seeds on the primary probe;
    ``worth``, of :func:`worth`; ``rises``, of :func:`rises`; and where it was asked ``images``, StableRep at each number of images of a caption."""
    counts, floors = sorted(p.caption_counts), items_of(asked.floors).assign(captions=0)
    concepts = {0: 0} | {count: asked.concepts(count) for count in counts}
    pairs = [Pair("C5", sized(PLUS, count), sized(CLIP, counts[-1])) for count in counts]
    found, errors = {"scaling": [], "differences": [], "floors": [], "worth": []}, []
    for panel, evaluated in asked.panels.items():
        items = pd.concat([items_of(evaluated), floors], ignore_index=True)
        probe = probe_of(items)
        for count in [*counts, 0]:
            part = items[items["captions"] == count]
            found["scaling"].append(summarize(part).assign(captions=count, concepts=concepts[count], panel=panel))
            if count:
                means = seed_means(part[part["probe"] == probe])
                errors.append(means.assign(size=count, error=1 - means["accuracy"], panel=panel))
        arms = by_size(items.loc[items["captions"] > 0, ["arm", "captions"]].drop_duplicates())["arm"]
        items = by_size(items)
        found["differences"].append(differences(items, pairs).assign(panel=panel))
        found["floors"].append(against_floors(items, arms).assign(panel=panel))
        found["worth"].append(worth(items_of(evaluated)).assign(panel=panel))
    laws, lines = power_laws(pd.concat(errors, ignore_index=True), ["panel", "arm"])
    tables = {name: pd.concat(parts, ignore_index=True) for name, parts in found.items()}
    tables |= {
        "power_law": laws,
        "power_law_lines": lines,
        "rises": rises(items_of(asked.panels[FIXED]), asked.groups()),
    }
    if asked.images:
        more = [summarize(items_of(some)).assign(images=count) for count, some in asked.images.items()]
        tables["images"] = pd.concat(more, ignore_index=True)
    return tables


def by_count(items: pd.DataFrame) -> dict[str, tuple[np.ndarray, list[int]]]:
    """For each arm among items of one probe, its accuracies by seed, cluster and number of captions, and these numbers."""
    counts = sorted(items["captions"].unique())
    return {
        name: (over_grid({count: part[part["captions"] == count] for count in counts}), counts)
        for name, part in items.groupby("arm", sort=False)
    }


def worth(items: pd.DataFrame) -> pd.DataFrame:
    """How many real captions of CLIP one synthetic caption is worth, by probe: ``probe``, ``first``, ``second``, ``times`` with ``low`` and ``high``, and
    ``apart``, by how many points more the first rises with each doubling, with ``apart_low`` and ``apart_high``."""
    rows = []
    for probe, part in items.groupby("probe", sort=False):
        known = by_count(part)
        for first in (one for one in SCALED if one != CLIP and {one, CLIP} <= set(known)):
            rate = exchange_rate(known[first][0], *known[CLIP])
            low, high = rate.apart.interval()
            rows.append({
                "probe": probe, "first": first, "second": CLIP, "times": rate.times, "low": rate.low, "high": rate.high,
                "apart": rate.apart.mean, "apart_low": low, "apart_high": high,
            })  # fmt: skip
    columns = ["probe", "first", "second", "times", "low", "high", "apart", "apart_low", "apart_high"]
    return pd.DataFrame(rows, columns=columns)


def rises(items: pd.DataFrame, groups: dict[str, str]) -> pd.DataFrame:
    """By how much accuracy on the primary probe rises with each doubling of the captions, of all things and of each group with a handful of them:
    ``arm``, ``group``, ``difference``, ``low``, ``high``, ``clusters``."""
    rows, items = [], items[items["probe"] == probe_of(items)]
    named = items["cluster"].map(groups)
    for group in [EVERYTHING, *sorted(named.dropna().unique())]:
        part = items if group == EVERYTHING else items[named == group]
        if part["cluster"].nunique() < HANDFUL:
            continue
        for name, (values, counts) in by_count(part).items():
            found = rise(values, counts)
            low, high = found.interval()
            rows.append({
                "arm": name, "group": group, "difference": found.mean, "low": low, "high": high, "clusters": found.clusters,
            })  # fmt: skip
    return pd.DataFrame(rows, columns=["arm", "group", "difference", "low", "high", "clusters"])


def verdict(tables: dict[str, pd.DataFrame]) -> list[Answer]:
    """C5 on the primary probe, views fixed: StableRep+ with half of the captions, or the next number below."""
    scaling, pairs, floors = (
        table[table["panel"] == FIXED] for table in (tables["scaling"], tables["differences"], tables["floors"])
    )
    counts = sorted(scaling[scaling["captions"] > 0]["captions"].unique())
    half = [count for count in counts if 2 * count <= counts[-1]]
    rule = (
        "reproduced when the whole interval of StableRep+ with at most half of the captions minus CLIP with all lies above zero, at the same number of "
        f"views; contradicted when it lies below; {RULE}"
    )
    if not half:
        why = f"no number of captions is at most half of {counts[-1]:,}"
        return [Answer("C5", "not testable at this scale", why, rule, until=ABSENT)]
    probe = probe_of(scaling)
    mine, lacking = pairs[pairs["first"] == sized(PLUS, half[-1])], "not all arms that the claim names were run"
    if mine.empty:
        return [answer_by_pairs("C5", probe, mine, floors, rule, needed=1, lacking=lacking)]
    every, names = tables["differences"], [sized(PLUS, count) for count in counts]
    asked = every[every["probe"] == probe]
    lines = [fewest(asked[asked["panel"] == panel], counts, names, panel, CLIP) for panel in PANELS]
    lines.append("Each interval counts by itself; none is corrected for several sizes.")
    linear = [one for one in every["probe"].unique() if one.startswith("linear") and not probe.startswith("linear")]
    but = by_other_probe(every, names[len(half) - 1], linear[-1]) if linear else ""
    but = f"{but} {PLUS.partition(' ')[0]} learns from several images of a caption, CLIP from one.".strip()
    return [answer_by_pairs("C5", probe, mine, floors, rule, needed=1, lacking=lacking, lines=lines, but=but)]
