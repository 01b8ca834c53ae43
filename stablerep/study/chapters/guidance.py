"""Guidance: accuracy against the guidance scale of the images that an encoder learned from, and how varied these images are."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import ClassVar, Literal

import numpy as np
import pandas as pd
from pydantic import field_validator

from stablerep.figures.guidance_words import best_scales, tops
from stablerep.methods import METHODS
from stablerep.statistics import WORDS
from stablerep.statistics import verdict as verdict_on
from stablerep.statistics.arms import Pair, differences, summarize
from stablerep.statistics.peaks import Peak, fit_peak, lower, over_grid
from stablerep.study.chapters import Headline, probe_of
from stablerep.study.experiments.answers import ABSENT, Answer, Effect
from stablerep.study.experiments.arms import FLOOR_ARMS, Arm, arm
from stablerep.study.experiments.evaluated import Evaluated, items_of
from stablerep.study.experiments.floors import RULE, against_floors, at_the_floor
from stablerep.study.experiments.images import Captions, ImageSet
from stablerep.study.experiments.judged_images import CODE, SEEN, judged_images
from stablerep.study.experiments.study import Study
from stablerep.study.parameters.base import GuidanceScale, NoiseLevel, Patched, Pretraining, knob
from stablerep.study.parameters.presets import PRETRAINING, chapter_presets
from stablerep.study.store.runs import Run
from stablerep.study.store.step import Step

QUESTION = "Which guidance scale makes the best images to learn from, and is it the same for every method?"
CLAIMS = ("C3",)
HEADLINE = Headline("guidance", ("arm", "guidance_scale", "probe"), "accuracy", "accuracy")
COMPARED = ("StableRep synthetic", "SimCLR synthetic")  # of the claim: the first is to have the lower best scale
LIMITED = Arm("StableRep synthetic, limited", "stablerep", "synthetic")  # guided at some noise levels alone
LEVELS = [0.28, 5.42]  # those of Kynkäänniemi et al. (2024) for Stable Diffusion XL
SWEPT = {"simclr": 1, "stablerep": None, "mae": 1}  # how many images of a caption each method has

IMAGES = Step(
    "guided-images", 1, lambda p: f"how varied images are at {len(p['guidance_scales'])} guidance scales",
    (*CODE, f"{__name__}:measured"),
    amount=lambda p: p["captions"] * p["images_per_caption"] * len(p["guidance_scales"]), rate=2000.0, seconds=0.5,
)  # fmt: skip


class Parameters(Patched, Pretraining):
    # what is swept, and what no method of this chapter reads
    guidance_scale: ClassVar[float]
    simclr_guidance_scale: ClassVar[float]
    clip_guidance_scale: ClassVar[float]
    clip_learning_rate: ClassVar[float]
    caption_colour: ClassVar[float]

    guidance_scales: list[GuidanceScale] = knob("numbers w to compare", cost="linear", min_length=3)
    methods: list[Literal[tuple(SWEPT)]] = knob("methods to train at each w", cost="linear", min_length=1)
    limited_scales: list[GuidanceScale] = knob(
        "numbers w at which StableRep also learns from images guided at limited_levels alone",
        cost="linear",
    )
    limited_levels: list[NoiseLevel] = knob(
        "noise levels above the first and up to the second, for limited_scales", min_length=2, max_length=2
    )

    @field_validator("limited_levels")
    @classmethod
    def _in_order(cls, value: list[float]) -> list[float]:
        if value[0] >= value[1]:
            raise ValueError("it takes two noise levels, the lower one first")
        return value


PRESETS = chapter_presets(
    Parameters,
    PRETRAINING,
    laptop=dict(
        # few captions: the images of every w are made anew. Twelve steps of sampling serve up to w = 8.
        captions=64, guidance_scales=[1.0, 2.0, 8.0], sampling_steps=12, steps=150, methods=["simclr", "stablerep"],
        patch_encoder="test_vit", patch_size=8, depth=0, limited_scales=[], limited_levels=LEVELS,
    ),
    smoke=dict(captions=32, guidance_scales=[1.0, 2.0, 4.0], sampling_steps=2, depth=2),
    # 25 steps: at large w twelve leave images further from those of a hundred steps (at w = 8 by 4 grey levels, 25 by 1)
    reference=dict(sampling_steps=25, guidance_scales=[1.0, 2.0, 3.0, 4.0, 6.0, 8.0, 10.0, 12.0], methods=list(SWEPT), limited_scales=[2.0, 4.0, 8.0, 12.0]),
    workstation=dict(guidance_scales=[1.0, 2.0, 4.0, 8.0], patch_encoder="vit_tiny_patch16_224", patch_size=4, methods=list(SWEPT)),
    paper=dict(guidance_scales=[1.0, 2.0, 4.0, 6.0, 8.0, 10.0], patch_encoder="vit_base_patch16_224", patch_size=0, methods=list(SWEPT)),
)  # fmt: skip


@dataclass(frozen=True)
class Asked:
    """Every method at every guidance scale and seed, StableRep with limited guidance, and, at every seed, the methods on real images and the
    floors; and what is measured of the images themselves, where there is an encoder of real images to see them."""

    swept: dict[float, list[Evaluated]]
    limited: dict[float, list[Evaluated]]
    beside: list[Evaluated]
    images: Run | None


def ask(p: Parameters, study: Study) -> Asked:
    """The methods on synthetic images of each w, the same on real images (of the same number of each caption), and the floors."""
    captions, seeds = study.captions(p.captions), range(p.seed, p.seed + p.seeds)
    swept = {
        w: [study.evaluated(swept_arm(method, w), captions, p, seed) for seed in seeds for method in p.methods]
        for w in sorted(p.guidance_scales)
    }
    real = [one for one in map(real_arm, p.methods) if not study.lacking(one)]
    beside = [study.evaluated(one, captions, p, seed) for seed in seeds for one in (*real, *map(arm, FLOOR_ARMS))]
    within = p.model_copy(update={"guidance_interval": p.limited_levels})
    limited = {
        w: [study.evaluated(replace(LIMITED, guidance_scale=w), captions, within, seed) for seed in seeds]
        for w in sorted(p.limited_scales)
    }
    judge = beside[0].pretraining if real else None
    return Asked(swept, limited, beside, judge and images_of(p, study, captions, judge, real[0]))


def images_of(p: Parameters, study: Study, captions: Captions, judge: Run, which: Arm) -> Run:
    """How far apart images of a caption are at each w, and how a set of them compares with real images, to the eyes of an encoder."""
    scales = sorted(p.guidance_scales)
    return study.store.obtain(
        IMAGES,
        parameters={"captions": min(len(captions), SEEN), "images_per_caption": p.images_per_caption, "guidance_scales": scales, "size": study.size},
        inputs={"encoder": judge.key, "corpus": study.seen_fingerprint} | {f"w = {w:g}": drawn(p, study, captions, w).name for w in scales},
        compute=lambda folder: measured(p, study, captions, judge, which, folder),
    )  # fmt: skip


def drawn(p: Parameters, study: Study, captions: Captions, w: float) -> ImageSet:
    """The scenes of one guidance scale, all l of a caption."""
    made = study.synthetic_images(captions, p, w, images_per_caption=p.images_per_caption, seed=p.seed)
    return study.seen(made)


def measured(p: Parameters, study: Study, captions: Captions, judge: Run, which: Arm, folder: Path) -> dict:
    """Tables of :func:`stablerep.study.experiments.judged_images.judged_images`, with the judge of the first seed."""
    some = captions.first(min(len(captions), SEEN))
    real = study.real_images(captions, several=True).only(some, captions)
    made = ((w, drawn(p, study, captions, w).only(some, captions)) for w in sorted(p.guidance_scales))
    for name, table in judged_images(study, real, made, judge, p.seed).items():
        table.to_parquet(folder / f"{name}.parquet", index=False)
    return {"judge": which.name}


def swept_arm(method: str, w: float) -> Arm:
    """A method on the images of a guidance scale."""
    return Arm(f"{METHODS[method].title} synthetic", method, "synthetic", SWEPT[method], guidance_scale=w)


def real_arm(method: str) -> Arm:
    """The same method on real images: one of each caption, or for StableRep those of all designs."""
    several = METHODS[method].traits.several
    return Arm(f"{METHODS[method].title} real{' designs' if several else ''}", method, "designs" if several else "real")


def compute(p: Parameters, asked: Asked) -> dict[str, pd.DataFrame]:
    """Tables: ``guidance``, a row per arm, ``guidance_scale`` and probe with an interval; ``real``, arms on real images and floors; ``floors``, each
    arm and scale against each floor; ``peaks`` and ``differences``, of :func:`peaks_of` and :func:`statements` on the primary probe; ``limited``,
    StableRep with limited guidance against guidance everywhere at the same w; where images were measured, ``diversity`` and ``sets``
    (:mod:`stablerep.audits.faithfulness`)."""
    from stablerep.audits.faithfulness import over_seeds, shares

    beside = items_of(asked.beside)
    every = [items_of(some).assign(guidance_scale=w) for of in (asked.swept, asked.limited) for w, some in of.items()]
    swept = pd.concat(every, ignore_index=True)
    found = [summarize(part).assign(guidance_scale=w) for w, part in swept.groupby("guidance_scale")]
    named = swept.assign(arm=[at_scale(*row) for row in zip(swept["arm"], swept["guidance_scale"])])
    items = pd.concat([named, beside], ignore_index=True)
    peaks = fitted(curves_of(swept[swept["probe"] == probe_of(swept)]))
    pairs = [Pair(f"w = {w:g}", at_scale(LIMITED.name, w), at_scale(COMPARED[0], w)) for w in asked.limited]
    tables = {
        "guidance": pd.concat(found, ignore_index=True), "real": summarize(beside),
        "floors": against_floors(items, named["arm"].unique()), "peaks": peaks_of(peaks), "differences": statements(peaks),
        "limited": differences(named, pairs),
    }  # fmt: skip
    if asked.images:
        tables |= {"diversity": shares(asked.images.table("diversity")), "sets": over_seeds(asked.images.table("sets"))}
    return tables


def at_scale(name: str, w: float) -> str:
    """The name of an arm at a guidance scale."""
    return f"{name}, w = {w:g}"


def curves_of(items: pd.DataFrame) -> dict[str, tuple[np.ndarray, list[float]]]:
    """Accuracies [S, C, W] of each arm on one probe, by seed, cluster and guidance scale, and the scales."""
    curves = {}
    for name, part in items.groupby("arm", sort=False):
        by_scale = dict(list(part.groupby("guidance_scale")))
        curves[name] = over_grid(by_scale), list(by_scale)
    return curves


def fitted(curves: dict[str, tuple[np.ndarray, list[float]]]) -> dict[str, Peak]:
    """The peak of each curve of :func:`curves_of` that has three points or more."""
    return {name: fit_peak(values, scales) for name, (values, scales) in curves.items() if len(scales) > 2}


def peaks_of(peaks: dict[str, Peak]) -> pd.DataFrame:
    """The best scale of each arm with its interval, and by how much accuracy falls a factor of two from it: ``bend`` and its interval."""
    rows = []
    for name, peak in peaks.items():
        low, high = peak.bend.interval()
        rows.append({
            "arm": name, "best": peak.best, "low": peak.low, "high": peak.high, "bend": peak.bend.mean, "bend_low": low, "bend_high": high,
            "seeds": peak.bend.seeds, "clusters": peak.bend.clusters,
        })  # fmt: skip
    return pd.DataFrame(rows)


def statements(peaks: dict[str, Peak]) -> pd.DataFrame:
    """What C3 says of both arms, as far as they were run: that each curve bends down (``what`` is bend; in accuracy), and that the best scale of the
    first is the lower one (``what`` is best; in doublings). Rows as :func:`stablerep.statistics.verdict` takes them, with ``visible``."""
    mine, rows = {name: peaks[name] for name in COMPARED if name in peaks}, []
    for name, peak in mine.items():
        bend = peak.bend
        low, high = bend.interval()
        rows.append({
            "what": "bend", "first": name, "second": "", "difference": bend.mean, "low": low, "high": high, "visible": bend.visible(),
            "p_for": bend.above(0.0), "p_against": bend.below(0.0), "seeds": bend.seeds,
        })  # fmt: skip
    if len(mine) == len(COMPARED):
        rows.append({
            "what": "best", "first": COMPARED[0], "second": COMPARED[1], **lower(*mine.values()), "visible": np.nan,
            "seeds": rows[0]["seeds"],
        })  # fmt: skip
    return pd.DataFrame(rows)


def verdict(tables: dict[str, pd.DataFrame]) -> list[Answer]:
    """C3: both curves bend down, and the best scale of StableRep is lower than that of SimCLR."""
    said, guidance = tables["differences"], tables["guidance"]
    rule = (
        "reproduced when, by a parabola over the logarithm of w, accuracy bends down for StableRep and for SimCLR and is highest at a lower w for StableRep, "
        f"each by the whole interval; contradicted when one of the three is the other way by its whole interval; {RULE}, at its best w"
    )
    if len(said) < 3:
        return [Answer("C3", WORDS[-1], "not both methods were run", rule, until=ABSENT)]
    probe = probe_of(guidance)
    best = best_scales(guidance, probe)
    if low := at_the_floor(tables["floors"], probe, [at_scale(name, best[name]) for name in COMPARED]):
        why = f"{probe}: even at their best scale these do not lie clearly above the floors: {'; '.join(low)}"
        return [Answer("C3", WORDS[-1], why, rule)]
    found = verdict_on(said)
    effects = [
        Effect(f"{one.first}, a factor of two from its best w", -one.difference, -one.high, -one.low, one.visible)
        for one in said[said["what"] == "bend"].sort_values("difference").itertuples()
    ]
    return [Answer("C3", found.word, f"{probe}: {tops(tables['peaks'], COMPARED)}", rule, p=found.p, effects=effects)]
