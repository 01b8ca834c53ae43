"""Zero-shot: encoders that have read captions name images without a probe, beside what a probe finds in the same encoders."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar

import pandas as pd

from stablerep.corpus import Corpus
from stablerep.corpus.emoji import HELD_OUT
from stablerep.corpus.naming import called, plainest
from stablerep.errors import InputError
from stablerep.figures.image_set_answers import without_words
from stablerep.statistics import WORDS
from stablerep.statistics import verdict as verdict_on
from stablerep.statistics.arms import Pair, differences, seed_means, summarize
from stablerep.study.chapters import Headline, probe_of
from stablerep.study.experiments.answers import ABSENT, Answer, effects_of
from stablerep.study.experiments.arms import FLOOR_ARMS, Arm, arm
from stablerep.study.experiments.evaluated import Evaluated, cost_of
from stablerep.study.experiments.images import Captions
from stablerep.study.experiments.study import Study
from stablerep.study.parameters.base import GuidanceScale, Pretraining, knob
from stablerep.study.parameters.presets import PRETRAINING, chapter_presets
from stablerep.study.store.runs import Run
from stablerep.study.store.step import Step

if TYPE_CHECKING:
    from torch import Tensor

QUESTION = "Do encoders that learned from synthetic images know what things are called, and does a probe tell the same of them?"
CLAIMS = ("C7",)
HEADLINE = Headline("zero_shot", ("arm", "guidance_scale", "probe"), "accuracy", "accuracy")
KNOWN, NEW = "zero-shot, known names", "zero-shot, new names"
SEEN = "one-shot, known things"  # the images of KNOWN, named by an image of each thing in OTHER in place of its name
OTHER = "noto"  # of the designs that encoders learn from, the one that draws most
METHODS_ASKED = ("CLIP", "StableRep+")
REAL, CLAIMED, DESIGNS = "CLIP real", "CLIP synthetic", "CLIP real designs"
ZERO_SHOT = Step(
    "zero-shot", 1, lambda p: "images named by their captions",
    ("stablerep.training.joint_space", "stablerep.probes.zero_shot", "stablerep.probes.suite", "stablerep.probes.nearest", "stablerep.camera",
     "stablerep.corpus.naming", *(f"{__name__}:{one}" for one in ("name_images", "questions", "by_images"))),
    seconds=1.2,
)  # fmt: skip


class Parameters(Pretraining):
    # what is swept, and what no method of this chapter reads
    guidance_scale: ClassVar[float]
    simclr_guidance_scale: ClassVar[float]
    simclr_learning_rate: ClassVar[float]

    guidance_scales: list[GuidanceScale] = knob(
        "numbers w to compare, beside the w of CLIP's images", cost="linear", min_length=1
    )
    real_designs: bool = knob("whether CLIP also learns from all real designs, the ceiling", cost="linear")


_EVERY = dict(guidance_scales=[1.0, 2.0, 4.0, 8.0], real_designs=True)
PRESETS = chapter_presets(
    Parameters, PRETRAINING,
    laptop=dict(guidance_scales=[2.0], real_designs=False),  # what the comparison has trained
    smoke=dict(guidance_scales=[1.0, 2.0], real_designs=True),
    reference=_EVERY, workstation=_EVERY, paper=_EVERY,
)  # fmt: skip


@dataclass(frozen=True)
class Asked:
    """One arm and seed: what probes find, and what it says without any."""

    evaluated: Evaluated
    named: Run | None  # of floors, which read no captions, there is none
    guidance_scale: float | None  # of the images; None for real ones

    def items(self) -> pd.DataFrame:
        found = [self.evaluated.items()]
        if self.named is not None:
            about = {"arm": self.evaluated.arm, "seed": self.evaluated.seed, "captions": self.evaluated.captions}
            found.append(self.named.table().assign(**about, **cost_of(self.evaluated.pretraining)))
        return pd.concat(found, ignore_index=True)


def ask(p: Parameters, study: Study) -> list[Asked]:
    """Both methods on images of each scale, CLIP on real ones, and the floors, at every seed."""
    captions, found = study.captions(p.captions), []
    scales = sorted({*p.guidance_scales, p.clip_guidance_scale})
    arms = [(arm(REAL), None), *([(arm(DESIGNS), None)] if p.real_designs else [])]
    arms += [(swept(title, w), w) for title in METHODS_ASKED for w in scales]
    for seed in range(p.seed, p.seed + p.seeds):
        for which, w in arms:
            if not study.lacking(which):
                one = study.evaluated(which, captions, p, seed)
                found.append(Asked(one, named(one.pretraining, captions, p, study), w))
        found += [Asked(study.evaluated(arm(name), captions, p, seed), None, None) for name in FLOOR_ARMS]
    return found


def swept(title: str, w: float) -> Arm:
    """A method on the images of a guidance scale: one of each caption for CLIP, all for StableRep+."""
    one = arm(f"{title} synthetic")
    return Arm(at_scale(one.name, w), one.method, "synthetic", one.stored, guidance_scale=w)


def at_scale(name: str, w: float) -> str:
    return f"{name}, w = {w:g}"


def named(run: Run, captions: Captions, p: Parameters, study: Study) -> Run:
    """A run's answers to :func:`questions`."""
    return study.store.obtain(
        ZERO_SHOT,
        parameters={
            "size": study.size, "part": p.probe_part, "designs": sorted(p.probe_designs) if study.about.designs else [],
            "probes": [KNOWN, NEW, SEEN], "held_out": HELD_OUT,
        },
        inputs={"encoder": run.key, "corpus": study.seen_fingerprint, "captions": captions.name},
        compute=lambda folder: name_images(run.folder, questions(p, captions, study), study, folder),
    )  # fmt: skip


def questions(p: Parameters, captions: Captions, study: Study) -> dict[str, tuple[Corpus, str, dict[str, str]]]:
    """For each probe its images, the column with what they show, and what that is called.

    *Known names*: captions that were read, in the design that nobody learned from, and only where the part is ``test``.
    *New names*: concepts of the part, in all designs that probes look at. A concept is called by its plainest caption (:func:`stablerep.corpus.naming.plainest`), and shown by
    the image of that caption. A corpus without designs is asked for its last label (:func:`stablerep.corpus.naming.called`).
    """
    about = study.about
    if not about.designs:
        if not about.labels:
            raise InputError(f"corpus is {study.source!r}, which declares neither designs nor labels to name.")
        part, label = study.asked_part([], p.probe_part), about.labels[-1]
        part = part.where(part.table[label].notna())
        return {
            f"zero-shot {label}": (
                part,
                label,
                called(study.corpus, label, part.table[label].unique(), repeated=study.repeats_captions),
            )
        }
    found = {}
    if p.probe_part == "test" and HELD_OUT in about.designs:
        table = study.scenes.table
        found[KNOWN] = study.scenes.where(table["caption"].isin(captions.texts) & (table["design"] == HELD_OUT))
    found[NEW] = study.asked_part(p.probe_designs, p.probe_part)
    return {probe: plainest(part, about.cluster) for probe, part in found.items()}


def name_images(
    encoder: Path, asked: dict[str, tuple[Corpus, str, dict[str, str]]], study: Study, folder: Path
) -> dict[str, float]:
    """Items of every question, as :func:`stablerep.probes.suite.evaluate` has them, and of :func:`by_images` where names are known."""
    from stablerep.probes.extraction import features_of
    from stablerep.probes.zero_shot import zero_shot_probe
    from stablerep.training.joint_space import load_joint_space

    space, parts = load_joint_space(encoder), []
    for probe, (part, column, names) in asked.items():
        seen = features_of(space.backbone, part.images(study.size))
        answers = zero_shot_probe(
            space.images(seen), part.table[column].tolist(), space.texts, names, templates=("{}",)
        )
        rows = pd.DataFrame({"id": part.table["id"].astype(str), "cluster": part.table[part.cluster].astype(str)})
        rows = rows.reset_index(drop=True).join(
            answers[["truth", "prediction", "correct"]].astype({"truth": str, "prediction": str})
        )
        parts.append(rows.assign(probe=probe, chance=1 / len(names)))
        if probe == KNOWN and OTHER in study.about.designs:
            parts.append(by_images(rows, seen, column, names, space.backbone, study))
    items = pd.concat(parts, ignore_index=True)
    items.to_parquet(folder / "results.parquet", index=False)
    return items.groupby("probe")["correct"].mean().to_dict()


def by_images(
    rows: pd.DataFrame, seen: Tensor, column: str, names: dict[str, str], backbone, study: Study
) -> pd.DataFrame:
    """The same images, named by the thing whose image in the design ``OTHER`` is most alike; those that it does not draw are left out."""
    import torch

    from stablerep.probes.extraction import features_of
    from stablerep.probes.nearest import knn_probe

    table = study.scenes.table
    other = study.scenes.where((table["design"] == OTHER) & (table["caption"] == table[column].map(names)))
    things = other.table[column].astype(str).tolist()
    asked = rows["truth"].isin(things).to_numpy(copy=True)
    gallery, found = features_of(backbone, other.images(study.size)), rows[asked]
    nearest = knn_probe(gallery, things, seen[torch.from_numpy(asked)], found["truth"].tolist(), k=1).set_index(
        found.index
    )
    return found.assign(probe=SEEN, chance=1 / len(things), **nearest[["prediction", "correct"]])


def compute(p: Parameters, asked: list[Asked]) -> dict[str, pd.DataFrame]:
    """Tables: ``zero_shot`` (a row per arm, ``guidance_scale`` and probe), ``real`` (the same of arms on real images and floors),
    ``differences`` (the pair of C7 and, beside it, StableRep+ against CLIP), ``chances`` by probe, and ``seeds``."""
    items, w = pd.concat([one.items() for one in asked], ignore_index=True), p.clip_guidance_scale
    scales = {one.evaluated.arm: one.guidance_scale for one in asked}
    found = summarize(items)
    scale = found["arm"].map(scales)
    drawn = found[scale.notna()].assign(guidance_scale=scale[scale.notna()])
    mine = at_scale(CLAIMED, w)
    pairs = [
        Pair("C7", REAL, mine), Pair("more images", DESIGNS, REAL),
        Pair("many positives", at_scale("StableRep+ synthetic", w), mine), Pair("StableRep+ and real", at_scale("StableRep+ synthetic", w), REAL),
    ]  # fmt: skip
    return {
        "zero_shot": drawn.assign(arm=[name.rpartition(", w")[0] for name in drawn["arm"]]),
        "real": found[scale.isna()],
        "differences": differences(items, pairs),
        "chances": items.dropna(subset=["chance"]).groupby("probe", as_index=False)["chance"].first(),
        "seeds": seed_means(items),
    }


def headline_probe(tables: dict[str, pd.DataFrame]) -> str:
    """The probe on which the verdict rests: known names, where they were asked."""
    asked = [one for one in tables["chances"]["probe"] if one != SEEN]
    return KNOWN if KNOWN in asked else asked[-1]


def image_probe(tables: dict[str, pd.DataFrame]) -> str:
    """The probe that asks the same encoders without words: of the same things, where that was asked."""
    asked = tables["zero_shot"]
    return SEEN if SEEN in set(asked["probe"]) else probe_of(asked)


def verdict(tables: dict[str, pd.DataFrame]) -> list[Answer]:
    """C7: where the names are known and the design is not, CLIP on real images lies above CLIP on synthetic ones."""
    rule = "reproduced when, by the whole interval, CLIP on real images names more than CLIP on synthetic ones at the w that was chosen beforehand; an arm that in any seed names no more than twice as much as chance settles no claim"
    probe = headline_probe(tables)
    pairs = tables["differences"]
    mine = pairs[(pairs["claim"] == "C7") & (pairs["probe"] == probe)]
    if mine.empty:
        return [Answer("C7", WORDS[-1], f"{probe}: not both arms were run", rule, until=ABSENT)]
    chance = tables["chances"].set_index("probe")["chance"][probe]
    seeds = tables["seeds"].query("probe == @probe").groupby("arm")["accuracy"].min()
    if low := [name for name in (*mine["first"], *mine["second"]) if seeds[name] <= 2 * chance]:
        return [Answer("C7", WORDS[-1], f"{probe}: no better than chance: {', '.join(low)}", rule)]
    found, but = verdict_on(mine), without_words(pairs, SEEN, mine.iloc[0])
    return [Answer("C7", found.word, f"{probe}: {found.sentence}", rule, p=found.p, effects=effects_of(mine), but=but)]
