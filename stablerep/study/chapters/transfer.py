"""Transfer: the comparison's encoders on other sets of images, by a linear probe and from a few examples."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar, Literal

import numpy as np
import pandas as pd

from stablerep.errors import InputError
from stablerep.statistics import iqm_with_interval, over_seeds
from stablerep.study.chapters import Headline
from stablerep.study.experiments.answers import Answer
from stablerep.study.experiments.arms import ARMS, FLOOR_ARMS, Arm
from stablerep.study.experiments.study import Study
from stablerep.study.parameters.base import Pretraining, knob
from stablerep.study.parameters.presets import PRETRAINING, chapter_presets
from stablerep.study.store.runs import Run
from stablerep.study.store.step import Step

if TYPE_CHECKING:
    from stablerep.encoders import EncoderRecipe
    from stablerep.transfer import LabelledImages, TransferSet

QUESTION = "What are the encoders worth on other images, and from a few examples of each class?"
CLAIMS = ()
HEADLINE = Headline("overall", ("arm", "measure"), "score", "accuracy")
LINEAR, FEW_SHOT = MEASURES = ("linear probe", "few-shot recognition")
FIRST, OTHERS = "StableRep synthetic", (
    "SimCLR real", "SimCLR synthetic", "CLIP real", "CLIP synthetic", "StableRep real designs",
)  # fmt: skip
ALL = "all sets"
ELEVEN = [
    "Aircraft", "Cars", "DTD", "Flowers", "Pets", "SUN397", "Caltech-101", "Food-101", "VOC2007", "CIFAR-10", "CIFAR-100",
]  # fmt: skip


def _few_shot_code(p: dict) -> tuple[str, ...]:
    own = f"stablerep.transfer.sets:TRANSFER_SETS[{p['set']}]"
    return (
        "stablerep.probes.few_shot",
        "stablerep.training.backbones",
        "stablerep.probes.floors",
        f"{__name__}:told",
        own,
    )


EPISODES = Step(
    "few-shot", 1, lambda p: f"an encoder on {p['set']}, {p['shots']} examples of each of {p['ways']} classes", _few_shot_code,
    seconds=1.5, alike=lambda p, inputs: [p["set"], p["limit"], p["episodes"]],
)  # fmt: skip


class Parameters(Pretraining):
    # the probes of the corpus are the comparison's
    probe_part: ClassVar[str]
    probe_designs: ClassVar[list[str]]

    arms: list[Literal[tuple(one.name for one in ARMS if one.method != "supervised")]] = knob(
        "arms to compare", cost="linear", min_length=1
    )
    sets: list[str] = knob(
        "transfer sets to probe; those that are not there are named and left out", cost="linear", min_length=1
    )
    set_limit: int = knob(
        "at most so many images of each part of a set; 0 takes all", unit="images", cost="linear", ge=0
    )
    ways: int = knob("classes in a few-shot episode", ge=2, le=100)
    shots: int = knob("examples of each class in an episode", ge=1, le=100)
    episodes: int = knob("few-shot episodes of each set", cost="linear", ge=2, le=10_000)


_TOLD = dict(set_limit=5000, ways=5, shots=5, episodes=600)
_ARMS = [one.name for one in ARMS if one.method != "supervised"]
PRESETS = chapter_presets(
    Parameters, PRETRAINING,
    laptop=_TOLD | dict(
        arms=[*FLOOR_ARMS, *OTHERS[:4], FIRST, "StableRep+ synthetic", OTHERS[4]],  # those that the comparison has trained
        sets=["digits", "clip art"],
    ),
    smoke=dict(episodes=20),
    reference=dict(arms=_ARMS, sets=["digits", "clip art", "CIFAR-10"]),
    workstation=dict(arms=_ARMS, sets=["digits", "clip art", "CIFAR-10", "CIFAR-100"], set_limit=0),
    paper=dict(arms=_ARMS, sets=ELEVEN, set_limit=0),  # few-shot recognition leaves VOC2007 out
)  # fmt: skip


@dataclass(frozen=True)
class Told:
    """One arm and seed: items of the linear probe and accuracies of episodes, of the sets that are there."""

    arm: str
    seed: int
    items: pd.DataFrame
    episodes: pd.DataFrame


def ask(p: Parameters, study: Study) -> list[Told]:
    """Every arm and seed on every set that is there, in both ways."""
    captions, recipe, found = study.captions(p.captions), study.encoder_recipe(p), []
    arms = study.arms(*p.arms)
    names = {one.name for one in arms}
    if FIRST not in names or not names & set(OTHERS):
        raise InputError(f"arms is {', '.join(p.arms)}; the chapter compares {FIRST} with others: {', '.join(OTHERS)}.")
    sets = study.sets_to_open(p.sets)
    for seed in range(p.seed, p.seed + p.seeds):
        for which in arms:
            run = study.pretrained(which, captions, p, seed)
            untrained = "" if which.trained else which.method
            items = study.transferred(run, recipe, seed, sets, limit=p.set_limit, untrained=untrained)
            found.append(Told(which.name, seed, items, few_shot(run, which, recipe, seed, sets, p, study)))
    return found


def few_shot(
    run: Run | None, which: Arm, encoder: EncoderRecipe, seed: int, sets: list[str], p: Parameters, study: Study
) -> pd.DataFrame:
    """Accuracy by set and episode, a run for each set; ``attrs["skipped"]`` has the sets that are not there or have too few classes."""
    from stablerep.transfer import over_sets

    how = {"ways": p.ways, "shots": p.shots, "episodes": p.episodes}
    untrained = "" if which.trained else which.method

    def probe(one: TransferSet, data: LabelledImages) -> pd.DataFrame:
        rows = few_shot_rows(one, data, p.ways, p.shots)
        return study.store.obtain(
            EPISODES,
            parameters={"set": one.name, "size": encoder.image_size, "limit": p.set_limit} | how,
            inputs={"encoder": study.encoder_key(run, encoder, seed, untrained), "images": data.fingerprint},
            compute=lambda folder: told(
                study.backbone(run, encoder, seed, untrained), data, rows, one.name, how, folder
            ),
        ).table()

    return over_sets(sets, encoder.image_size, p.set_limit, probe)


def few_shot_rows(which: TransferSet, data: LabelledImages, ways: int, shots: int) -> np.ndarray:
    """Places of the test images that episodes are drawn from, one of those that belong together.

    Raises:
        InputError: images have several labels, or too few classes have enough images.
    """
    if data.classes:
        raise InputError(f"images of {which.name} have several labels each; few-shot recognition needs one.")
    test = np.flatnonzero(data.parts == "test")
    rows = test[~pd.Series(data.clusters[test]).duplicated().to_numpy()]
    counts = pd.Series(data.labels[rows]).value_counts()
    if (enough := int((counts > shots).sum())) < ways:
        raise InputError(
            f"{enough} classes of {which.name} have more than {shots} test images; episodes of {ways} classes need {ways}."
        )
    return rows


def told(
    backbone, data: LabelledImages, rows: np.ndarray, name: str, how: dict[str, int], folder: Path
) -> dict[str, float]:
    """The accuracy of each episode, drawn from the images in some ``rows``."""
    import torch

    from stablerep.probes import features_of, few_shot_accuracy, few_shot_probe

    features = features_of(backbone, data.images, name=f"features of {name}")[torch.from_numpy(rows)]
    items = few_shot_probe(features, data.labels[rows].tolist(), **how)
    episodes = items.groupby("episode", as_index=False)["correct"].mean().assign(set=name)
    episodes.to_parquet(folder / "results.parquet", index=False)
    return few_shot_accuracy(items)


def compute(p: Parameters, asked: list[Told]) -> dict[str, pd.DataFrame]:
    """Tables: ``scores``, a row per ``measure``, arm, seed and set, by the set's own metric for the linear probe and by the mean over episodes
    for few shots, or the ``reason`` why there is none; ``overall``, the interquartile mean over sets and seeds per measure and arm, with an interval
    over seeds; ``leads``, StableRep on synthetic images less others, per set (with an interval by Student's t over seeds) and over all of them."""
    from stablerep.transfer import transfer_scores

    found = []
    for one in asked:
        about = {"arm": one.arm, "seed": one.seed}
        found.append(transfer_scores(one.items)[["set", "metric", "value", "reason"]].assign(measure=LINEAR, **about))
        means = (
            one.episodes.groupby("set", sort=False, as_index=False)["correct"]
            .mean()
            .rename(columns={"correct": "value"})
        )
        skipped = pd.DataFrame(one.episodes.attrs["skipped"].items(), columns=["set", "reason"])
        found.append(
            pd.concat([means.assign(reason=""), skipped]).assign(metric="mean over episodes", measure=FEW_SHOT, **about)
        )
    scores = pd.concat(found, ignore_index=True)
    for measure, part in scores.groupby("measure", sort=False):
        if part["value"].isna().all():
            raise InputError(f"no set can be asked by the {measure}: {' '.join(part['reason'].unique())}")
    known = scores.dropna(subset=["value"]).rename(columns={"set": "data_set"})
    overall = [
        {"measure": measure, "arm": arm, **summary_of(part)} for (measure, arm), part in known.groupby(["measure", "arm"], sort=False)
    ]  # fmt: skip
    leads = [
        row
        for measure in MEASURES
        for other in OTHERS
        for row in lead(known[known["measure"] == measure], measure, other)
    ]
    columns = ["measure", "first", "second", "set", "difference", "low", "high"]
    return {"scores": scores, "overall": pd.DataFrame(overall), "leads": pd.DataFrame(leads, columns=columns)}


def summary_of(part: pd.DataFrame) -> dict:
    """The interquartile mean of values over sets and seeds, with its interval."""
    found = iqm_with_interval(part)
    return {
        "score": found["iqm"],
        "low": found["low"],
        "high": found["high"],
        "sets": found["data_sets"],
        "seeds": found["seeds"],
    }


def lead(known: pd.DataFrame, measure: str, other: str) -> list[dict]:
    """By how much one arm lies above another, per set and over all sets; nothing where one was not run."""
    wide = known.pivot(index=["data_set", "seed"], columns="arm", values="value")
    if not {FIRST, other} <= set(wide):
        return []
    apart = (wide[FIRST] - wide[other]).rename("value").reset_index()
    about, rows = {"measure": measure, "first": FIRST, "second": other}, []
    for name in known["data_set"].unique():
        one = over_seeds(apart[apart["data_set"] == name]["value"])
        rows.append(about | {"set": name, "difference": one["mean"], "low": one["low"], "high": one["high"]})
    every = iqm_with_interval(apart)
    return [*rows, about | {"set": ALL, "difference": every["iqm"], "low": every["low"], "high": every["high"]}]


def sets_left_out(scores: pd.DataFrame) -> str:
    """Which sets were not asked, and why; empty when all were."""
    absent = scores[scores["value"].isna()].drop_duplicates(["measure", "set"])
    said = [f"{row.set} by the {row.measure}: {row.reason}" for row in absent.itertuples()]
    return f"Not asked: {' '.join(said)}" if said else ""


def verdict(tables: dict[str, pd.DataFrame]) -> list[Answer]:
    """The chapter tests no claim: transfer sets are secondary."""
    return []
