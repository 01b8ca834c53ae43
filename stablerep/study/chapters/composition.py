"""Composition: do encoders tell a caption from a foil, in which a tone, a gender, a colour or the order of words is wrong?"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import pandas as pd

from stablerep.corpus.emoji import HELD_OUT
from stablerep.figures.composition_words import told_and_gained
from stablerep.statistics import WORDS
from stablerep.statistics.arms import Pair, differences, seed_means
from stablerep.study.chapters import Headline
from stablerep.study.experiments.answers import ABSENT, Answer, Effect
from stablerep.study.experiments.arms import arm
from stablerep.study.experiments.evaluated import cost_of
from stablerep.study.experiments.foiled_captions import INITIAL, KNOWN, TRAINED, asked_of_files, foiled
from stablerep.study.experiments.study import Study
from stablerep.study.parameters.base import Pretraining, knob
from stablerep.study.parameters.presets import PRETRAINING, chapter_presets
from stablerep.study.store.runs import Run

QUESTION = "Can encoders tell a caption from one of nearly the same words, and do synthetic images help or harm that?"
CLAIMS = ("C9",)
TESTED = {"C9": "for CLIP on drawings, by five kinds of foils"}
HEADLINE = Headline("accuracy", ("arm", "kind"), "accuracy", "accuracy", ("images_of", KNOWN))
REAL, CLAIMED, PLUS = "CLIP real", "CLIP synthetic", "StableRep+ synthetic"
UNTRAINED = "Untrained CLIP"  # the weights with which CLIP real began
PAIRS = (Pair("C9", CLAIMED, REAL), Pair("StableRep+ and real", PLUS, REAL), Pair("many positives", PLUS, CLAIMED))
RULE = (
    "reproduced when CLIP on synthetic images prefers the caption more often than CLIP on real ones on some kind of foils, and less often on another, each by Holm "
    "over the kinds at 5 %; contradicted when it lies on one side on every kind by the same; equivalent when every interval lies within a point; else undecided; a "
    "kind on which neither lies above chance by its whole interval does not count, and two must"
)


class Parameters(Pretraining):
    # what no method of this chapter reads
    simclr_guidance_scale: ClassVar[float]
    simclr_learning_rate: ClassVar[float]

    files: str = knob(
        "folder of files of ARO or SugarCrepe, to be asked about too, or its name below STABLEREP_DATA; empty: none"
    )
    questions_per_file: int = knob("questions of each of these files, picked by hash; 0 takes all", cost="linear", ge=0)


PRESETS = chapter_presets(
    Parameters, PRETRAINING,
    laptop=dict(files="", questions_per_file=1000),  # the files do not come with the project, so that no preset names any
    smoke=dict(questions_per_file=50),
    reference=dict(questions_per_file=0), workstation=dict(questions_per_file=0), paper=dict(questions_per_file=0),
)  # fmt: skip


@dataclass(frozen=True)
class Asked:
    """One arm and seed: what it says of captions and foils of the corpus, and of files where there are any."""

    arm: str
    seed: int
    pretraining: Run | None  # None for what was not trained
    foiled: Run
    files: Run | None

    def items(self, run: Run) -> pd.DataFrame:
        return run.table().assign(arm=self.arm, seed=self.seed, views=cost_of(self.pretraining)["views"])


def sources(p: Parameters) -> dict[str, str]:
    """The fingerprint of the files, where some are named."""
    from stablerep.audits.composition_files import fingerprint

    return {"files": fingerprint(p.files)} if p.files else {}


def left_out(p: Parameters, study: Study) -> str:
    """What the verdict rests on and is not asked about."""
    if HELD_OUT not in study.about.designs:
        return "This corpus has no held-out design, so no foils are asked of images of training captions, on which the verdict rests."
    if p.probe_part != "test":
        return "With `probe_part = validation` nothing is asked of the held-out design, on which the verdict rests."
    return ""


def ask(p: Parameters, study: Study) -> list[Asked]:
    """The arms of the claim, StableRep+, and CLIP as it was before its first step, at every seed.

    Raises:
        MissingError, InputError: the folder of the files is not there, or holds none that is known.
    """
    captions, named, questions, found = study.captions(p.captions), sources(p), p.questions_per_file, []
    for seed in range(p.seed, p.seed + p.seeds):
        runs = {name: study.pretrained(arm(name), captions, p, seed) for name in (REAL, CLAIMED, PLUS)}
        for name, run in (runs | {UNTRAINED: runs[REAL]}).items():
            trained = name != UNTRAINED
            how = run, TRAINED if trained else INITIAL
            files = asked_of_files(*how, p.files, named["files"], questions, study) if named else None
            found.append(Asked(name, seed, run if trained else None, foiled(*how, captions, p, study), files))
    return found


def compute(p: Parameters, asked: list[Asked]) -> dict[str, pd.DataFrame]:
    """Tables: ``accuracy`` (:func:`stablerep.audits.composition.accuracies` by arm, ``images_of`` and ``kind`` of foil), ``differences`` (of :data:`PAIRS`, by
    the same), ``seeds``, and ``foils`` (:func:`stablerep.audits.foils.described`, with ``images_of``). Of files, where some are named: ``files``,
    and ``file_accuracy`` (with ``groups`` and ``over_groups`` of :func:`stablerep.audits.composition.over_groups`)."""
    from stablerep.audits.composition import accuracies, over_groups

    items = pd.concat([one.items(one.foiled) for one in asked], ignore_index=True)
    about = items.drop_duplicates("probe").set_index("probe")[["images_of", "kind"]]
    found = {"accuracy": accuracies(items), "differences": differences(items, PAIRS), "seeds": seed_means(items)}
    tables = {name: table.join(about, on="probe") for name, table in found.items()}
    tables["foils"] = asked[0].foiled.table("foils")
    if asked[0].files is None:
        return tables
    tables["files"] = asked[0].files.table("files")
    if tables["files"]["questions"].sum():
        items = pd.concat([one.items(one.files) for one in asked], ignore_index=True)
        tables["file_accuracy"] = accuracies(items).merge(over_groups(items), on=["arm", "probe"])
    return tables


def verdict(tables: dict[str, pd.DataFrame]) -> list[Answer]:
    """C9, by images of training captions in the held-out design; what holds for StableRep+ stands beside."""
    from stablerep.audits.composition import judge_kinds
    from stablerep.audits.foils import KINDS

    pairs, arms = (
        one[(one["images_of"] == KNOWN) & one["kind"].isin(KINDS)]
        for one in (tables["differences"], tables["accuracy"])
    )
    claimed, beside = (pairs[pairs["claim"] == pair.claim] for pair in PAIRS[:2])
    if claimed.empty:
        return [
            Answer(
                "C9",
                WORDS[-1],
                "no images of training captions in a held-out design were asked about by both arms",
                RULE,
                until=ABSENT,
            )
        ]
    found, other = judge_kinds(claimed, arms), judge_kinds(beside, arms)
    lines = [f"Beside it, {PLUS} against {REAL}: {other.word}, {other.why}"] if len(beside) else []
    by_text = arms[arms["arm"].isin((REAL, CLAIMED)) & (arms["text_low"] > arms["chance"])]
    if told := [kind for kind in KINDS if kind in set(by_text["kind"])]:
        lines.append(
            f"Of *{'*, *'.join(told)}* the text alone is already above chance, without a look at the image. A difference there need not be one in what is seen."
        )
    effects = [] if found.word == WORDS[-1] else [
        Effect(f"{CLAIMED} − {REAL}, {one.kind}", one.difference, one.low, one.high, one.visible)
        for one in found.kinds.sort_values("adjusted", kind="stable").itertuples()
    ]  # fmt: skip
    why, but = f"{CLAIMED} minus {REAL}, by kind of foils: {found.why}", told_and_gained(arms, beside, REAL)
    if found.word == "undecided":
        but = f"A mixed direction takes one kind above zero and one below, each by Holm over the kinds. {but}"
    return [Answer("C9", found.word, why, RULE, lines, found.p, effects, "the clearest", but)]


def shown_images(tables: dict[str, pd.DataFrame]) -> str:
    """The images that a page shows first: those of the verdict where they were asked about, else the first."""
    asked = list(dict.fromkeys(tables["accuracy"]["images_of"]))
    return KNOWN if KNOWN in asked else asked[0]
