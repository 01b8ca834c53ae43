"""The comparison: every method on real and synthetic images, the same number of views for each."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import pandas as pd

from stablerep.statistics.arms import Pair, differences, seed_means, summarize
from stablerep.study.chapters import Headline, probe_of
from stablerep.study.experiments.answers import Answer, answer_by_pairs
from stablerep.study.experiments.arms import ARMS, FLOOR_ARMS, arm
from stablerep.study.experiments.evaluated import Evaluated, items_of
from stablerep.study.experiments.floors import RULE, against_floors
from stablerep.study.experiments.images import Captions
from stablerep.study.experiments.study import Study
from stablerep.study.parameters.base import Pretraining, knob
from stablerep.study.parameters.presets import PRETRAINING, chapter_presets
from stablerep.study.store.runs import Run
from stablerep.study.store.step import Step

QUESTION = "How do SimCLR, CLIP and StableRep compare, on real and on synthetic images?"
CLAIMS = ("C1", "C2", "C16")
HEADLINE = Headline("arms", ("arm", "probe"), "accuracy", "accuracy")

PAIRS = (
    Pair("C1", "SimCLR synthetic", "SimCLR real", at_least=True),
    Pair("C2", "StableRep synthetic", "SimCLR real"),
    Pair("C2", "StableRep synthetic", "SimCLR synthetic"),
    Pair("C2", "StableRep synthetic", "CLIP real"),
    Pair("C2", "StableRep synthetic", "CLIP synthetic"),
    Pair("C16", "SimCLR real", "SimCLR reconstructed"),
    Pair("many positives", "StableRep real designs", "SimCLR real designs"),
    Pair("control", "StableRep synthetic", "StableRep real designs"),
    Pair("real designs", "StableRep synthetic", "CLIP real designs"),
    Pair("more images", "SimCLR all synthetic", "SimCLR synthetic"),
    Pair("more images", "CLIP all synthetic", "CLIP synthetic"),
    Pair("language", "StableRep+ synthetic", "StableRep synthetic"),
    Pair("other images", "SimCLR synthetic redrawn", "SimCLR synthetic"),
    Pair("other images", "StableRep synthetic redrawn", "StableRep synthetic"),
)

STRIP = Step(
    "strip", 1, lambda p: "what an encoder finds most alike",
    ("stablerep.audits.neighbours", "stablerep.training.backbones", "stablerep.camera", f"{__name__}:draw_strip"), seconds=2.0,
)  # fmt: skip
CLIP, CONTROL = "CLIP real designs", "StableRep real designs"  # on the same images
FINDS = "StableRep synthetic"  # the arm whose encoder is asked
STRIP_CAPTIONS = (
    "dog face",
    "automobile",
    "rose",
    "woman health worker",
)  # where they are to be had, else the first ones

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


@dataclass(frozen=True)
class Asked:
    evaluated: list[Evaluated]
    strip: Run | None  # where the arm that it asks was run


def ask(p: Parameters, study: Study) -> Asked:
    """The arms that the corpus can have, at every seed; and what the first seed of one finds alike."""
    captions = study.captions(p.captions)
    found = [study.evaluated(one, captions, p, p.seed + k) for k in range(p.seeds) for one in study.arms(*p.arms)]
    return Asked(found, strip(p, study, captions) if FINDS in p.arms else None)


def strip(p: Parameters, study: Study, captions: Captions) -> Run:
    """A row of images for each of a few captions: real ones, generated ones, and what the encoder finds among things that it has not seen."""

    run = study.pretrained(arm(FINDS), captions, p, p.seed)
    return study.store.obtain(
        STRIP,
        parameters={"size": study.size, "part": p.probe_part, "designs": sorted(p.probe_designs) if study.about.designs else []},
        inputs={"encoder": run.key, "corpus": study.seen_fingerprint, "captions": captions.name},
        needs=lambda: [study.arm_images(arm(FINDS), captions, p, p.seed)],
        compute=lambda folder: draw_strip(p, study, captions, run, folder),
    )  # fmt: skip


def draw_strip(p: Parameters, study: Study, captions: Captions, run: Run, folder: Path) -> dict:
    from stablerep.audits import neighbours

    part = study.asked_part(p.probe_designs, p.probe_part)
    known = [one for one in STRIP_CAPTIONS if one in captions.texts] or captions.texts[: len(STRIP_CAPTIONS)]
    table = neighbours.strip(
        study.backbone(run, study.encoder_recipe(p), p.seed), known, study.real_images(captions, several=True).load(),
        study.arm_images(arm(FINDS), captions, p, p.seed).load(), part.images(study.size), part.table["caption"].tolist(),
    )  # fmt: skip
    table.to_parquet(folder / "results.parquet", index=False)
    return {}


def compute(p: Parameters, asked: Asked) -> dict[str, pd.DataFrame]:
    """Tables: ``arms`` (an interval per arm and probe), ``differences`` (pairs of the claims), ``floors`` (each trained arm
    against each floor, claim ``learned``), ``seeds``, and where its arm was run ``strip``
    (:func:`stablerep.audits.neighbours.strip`)."""
    items = items_of(asked.evaluated)
    tables = {
        "arms": summarize(items),
        "differences": differences(items, PAIRS),
        "floors": against_floors(items, [one.name for one in ARMS if one.trained]),
        "seeds": seed_means(items),
    }
    return tables | ({"strip": asked.strip.table()} if asked.strip else {})


def answer(tables: dict[str, pd.DataFrame], claim: str, probe: str) -> Answer:
    """One claim on one probe. C1 says "at least as good": within a point, its arms count as equals. Others say "better"."""
    at_least = any(pair.at_least for pair in PAIRS if pair.claim == claim)
    bound = "minus one point, so that a loss of more is excluded" if at_least else "zero"
    alike = "" if at_least else "; equivalent when it lies within a point of zero"
    rule = f"reproduced when the whole interval of every pair lies above {bound}; contradicted when that of some pair lies below it{alike}; {RULE}"
    needed, lacking = sum(pair.claim == claim for pair in PAIRS), "not all arms that the claim names were run"
    but = on_the_same_images(tables, probe) if claim == "C2" else ""
    return answer_by_pairs(
        claim, probe, tables["differences"], tables["floors"], rule, needed=needed, lacking=lacking, but=but
    )


def on_the_same_images(tables: dict[str, pd.DataFrame], probe: str) -> str:
    """What C2 does not compare: CLIP and StableRep on the same real images, several of each caption; empty where one of them was not run."""
    from stablerep.figures.tables import percent

    arms = tables["arms"].query("probe == @probe").set_index("arm")
    if not {CLIP, CONTROL} <= set(arms.index):
        return ""
    clip, control = (f"{percent(*arms.loc[name, ['accuracy', 'low', 'high']])} %" for name in (CLIP, CONTROL))
    return f"C2 gives CLIP one image of each caption. On all real designs of each caption CLIP has {clip} and StableRep {control}."


def in_short(tables: dict[str, pd.DataFrame]) -> list[str]:
    """What came out on the primary probe, in a few sentences for the book's first page: first what it comes to, then where the arms lie; none where an
    arm is missing."""
    from stablerep.figures.conclusion import conclusion
    from stablerep.figures.tables import percent

    probe, few = probe_of(tables["arms"]), ("StableRep synthetic", "SimCLR real", "CLIP real")
    arms = tables["arms"].query("probe == @probe").set_index("arm")
    floors = arms.loc[arms.index.isin(FLOOR_ARMS)]
    if not set(few) <= set(arms.index) or floors.empty:
        return []
    shown = {name: percent(*arms.loc[name, ["accuracy", "low", "high"]]) for name in few}
    lowest = floors["accuracy"].idxmax()
    floor = percent(*floors.loc[lowest, ["accuracy", "low", "high"]])
    told = conclusion(tables["arms"], tables["differences"], probe, CLIP)
    return [
        *([told] if told else []),
        f"These are differences of accuracy on the {{term}}`primary probe`, *{probe}*: from one example of each concept that no encoder has seen, tell which concept a picture in "
        f"another design shows. There StableRep on synthetic images has {shown['StableRep synthetic']} %. Of encoders that learn from one real image of each caption SimCLR, which compares "
        f"two views of an image, has {shown['SimCLR real']} % and CLIP {shown['CLIP real']} %. The best {{term}}`baseline that learns nothing <floor>`, {lowest.lower()}, has {floor} %. "
        "Brackets hold 95 % intervals.",
    ]


def absent(tables: dict[str, pd.DataFrame]) -> str:
    """A sentence on the pairs of which these tables have no difference, since an arm was not run; empty where all are there."""
    known = set(zip(tables["differences"]["first"], tables["differences"]["second"]))
    missing = [
        f"*{pair.first} − {pair.second}* ({pair.claim})" for pair in PAIRS if (pair.first, pair.second) not in known
    ]
    return f"These numbers lack {'; '.join(missing)}: not all arms were run when they were made." if missing else ""


def verdict(tables: dict[str, pd.DataFrame]) -> list[Answer]:
    """Each claim on the primary probe."""
    return [answer(tables, claim, probe_of(tables["arms"])) for claim in CLAIMS]
