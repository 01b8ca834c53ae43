"""The generator judged by encoders of real images: faithfulness, diversity, guidance, reconstruction."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import pandas as pd

from stablerep.statistics import verdict as verdict_on
from stablerep.study.chapters import Headline
from stablerep.study.experiments.answers import Answer, effects_of
from stablerep.study.experiments.images import Captions, ImageSet, Named
from stablerep.study.experiments.judged_images import faithful, judge_of
from stablerep.study.experiments.study import Study
from stablerep.study.parameters.base import AnyCorpus, Generated, GuidanceScale, Stem, knob
from stablerep.study.parameters.presets import CORPUS, GENERATED, STABLE_DIFFUSION, chapter_presets
from stablerep.study.store.runs import Run
from stablerep.study.store.step import Step

if TYPE_CHECKING:
    from stablerep.audits.equal_galleries import Asked

QUESTION = "What does the miniature text-to-image model draw, how faithful and how varied is it, and what does guidance change?"
CLAIMS = ("C10",)
HEADLINE = Headline(
    "faithfulness", ("captions", "source", "guidance_scale", "measure"), "mean", "share of images", ("group", "all")
)

JUDGEMENT = Step(
    "judgement", 5, lambda p: f"generated images before the judge, seed {p['seed']}",
    ("stablerep.audits.faithfulness", "stablerep.training.backbones", f"{__name__}:judge", f"{__name__}:asked_about",
     "stablerep.study.experiments.judged_images:faithful"),
    amount=lambda p: p["captions"] * p["images_per_caption"] * len(p["guidance_scales"]), rate=500.0, seconds=2.0,
)  # fmt: skip
RECONSTRUCTION = Step(
    "reconstruction", 4, lambda p: "the autoencoder",
    ("stablerep.generator.autoencoder_training", "stablerep.audits.equal_galleries", f"{__name__}:reconstruction", f"{__name__}:parts_of"),
    amount=lambda p: 3.0 * p["images"], rate=200.0, seconds=2.0,
)  # fmt: skip


class Parameters(Generated, AnyCorpus):
    captions: int = knob("captions of each group to judge the generator on, at most", cost="linear", ge=8)
    images_per_caption: int = knob("images of each caption and scale", unit="images", cost="linear", ge=2, le=64)
    guidance_scales: list[GuidanceScale] = knob("values of w to compare", cost="linear", min_length=1)
    guidance_scale: GuidanceScale = knob(
        "w of the verdict, compared too: that of the images that StableRep learns from"
    )
    seeds: int = knob("judges, each trained anew; the images are the same for all", cost="linear", ge=1, le=100)
    encoder: str = knob("of the judge: any timm model", cost="model", min_length=1)
    stem: Stem = knob("of the judge, for small images", cost="model")
    steps: int = knob("training steps of a judge", cost="linear", ge=1)
    views_per_step: int = knob("views in a step of a judge", cost="linear", ge=16)

    @property
    def scales(self) -> list[float]:
        """All values of w that are drawn."""
        return sorted({*self.guidance_scales, self.guidance_scale})


PRESETS = chapter_presets(
    Parameters, {}, laptop=CORPUS | GENERATED | dict(
        captions=32, images_per_caption=4, guidance_scales=[1.0, 2.0, 8.0], guidance_scale=2.0, seeds=1,
        encoder="test_resnet", stem="published", steps=500, views_per_step=128,
    ),
    smoke=dict(
        captions=16, images_per_caption=2, guidance_scales=[1.0, 2.0], steps=4, views_per_step=32, sampling_steps=2,
    ),
    # Sets of a thousand images: three groups at four scales take half an hour of two cores.
    reference=dict(captions=512, guidance_scales=[1.0, 2.0, 4.0, 8.0], seeds=5, steps=1600),
    workstation=dict(captions=640, images_per_caption=8, seeds=5, steps=3000, views_per_step=1024, encoder="resnet18"),
    paper=STABLE_DIFFUSION | dict(image_size=224, seeds=3, encoder="vit_base_patch16_224"),
)  # fmt: skip


def ask(p: Parameters, study: Study) -> dict[str, list[Run]]:
    """A judgement of the images for each seed, and what the autoencoder keeps, by the names of their steps."""
    captions = drawn_captions(p, study)
    how = p.model_dump(include={"images_per_caption", "sampling_steps", "sampler", "guidance_interval"}) | {
        "guidance_scales": p.scales
    }
    inputs = {"generator": study.generator_fingerprint(p.generator), "corpus": study.about.fingerprint}
    judgements = []
    for seed in range(p.seed, p.seed + p.seeds):
        judge_run = judge_of(p, study, seed)
        judgements.append(study.store.obtain(
            JUDGEMENT,
            parameters=how | {
                "captions": len(captions), "most": p.captions, "size": study.size, "labels": list(study.about.labels), "seed": seed,
            },
            inputs=inputs | {"judge": judge_run.key, "captions": captions.name},
            needs=lambda: [made(p, study, captions, w) for w in p.scales],
            compute=lambda folder, seed=seed, run=judge_run: judge(p, study, captions, run, seed, folder),
        ))  # fmt: skip
    reconstructed = study.store.obtain(
        RECONSTRUCTION,
        parameters={"images": p.captions * 8},
        inputs=inputs,
        compute=lambda folder: reconstruction(p, study, folder),
    )
    return {"judgement": judgements, "reconstruction": [reconstructed]}


def compute(p: Parameters, asked: dict[str, list[Run]]) -> dict[str, pd.DataFrame]:
    """Tables: ``faithfulness`` and ``diversity`` (:func:`stablerep.audits.faithfulness.shares`), ``differences``
    (:func:`stablerep.audits.faithfulness.gaps`), ``sets`` (:func:`stablerep.audits.faithfulness.over_seeds`), ``reconstruction`` (PSNR of
    the autoencoder by group of captions) and ``grid`` (images of the first seed as PNG)."""
    from stablerep.audits.equal_galleries import TRAINING
    from stablerep.audits.faithfulness import gaps, over_seeds, shares

    def every(name: str) -> pd.DataFrame:
        runs = enumerate(asked["judgement"])
        return pd.concat([run.table(name).assign(seed=p.seed + k) for k, run in runs], ignore_index=True)

    faithfulness = every("faithfulness")
    return {
        "faithfulness": shares(faithfulness), "differences": gaps(faithfulness, "C10", p.guidance_scale, TRAINING),
        "diversity": shares(every("diversity")), "sets": over_seeds(every("sets")),
        "grid": asked["judgement"][0].table("grid"), "reconstruction": asked["reconstruction"][0].table(),
    }  # fmt: skip


def asked_about(p: Parameters, study: Study) -> dict[str, Asked]:
    """The groups of captions that the judge is asked about, with their galleries."""
    from stablerep.audits.equal_galleries import caption_groups, held_out_group, with_concepts

    if study.about.designs:
        return caption_groups(study.corpus, p.captions)
    return held_out_group(with_concepts(study.corpus), study.captions(p.captions).texts)


def drawn_captions(p: Parameters, study: Study) -> Captions | Named:
    """The captions that the generator is judged on."""
    if not study.about.designs:
        return study.captions(p.captions)
    return Named([caption for group in asked_about(p, study).values() for caption in group.captions])


def made(p: Parameters, study: Study, captions: Captions | Named, w: float) -> ImageSet:
    return study.synthetic_images(captions, p, w, images_per_caption=p.images_per_caption, seed=p.seed)


def judge(p: Parameters, study: Study, captions: Captions | Named, judge_run: Run, seed: int, folder: Path) -> dict:
    """What one judge says: tables of :mod:`stablerep.audits.faithfulness` for each group of captions, and a grid of images."""
    from stablerep.audits.equal_galleries import TRAINING
    from stablerep.audits.faithfulness import compared, diverse, picture_grid
    from stablerep.probes.extraction import features_of

    backbone, groups = study.backbone(judge_run, None, 0), asked_about(p, study)
    group_of = {caption: name for name, group in groups.items() for caption in group.captions}
    generated, grid = {}, []
    for w in p.scales:
        images = made(p, study, captions, w).load()
        generated[w] = features_of(backbone, images.images), [images.captions[i] for i in images.caption_ids.tolist()]
        grid += picture_grid(images.images, images.caption_ids, images.captions, group_of, w)
    tables = {"faithfulness": [], "diversity": [], "sets": []}
    for name, group in groups.items():
        words = {"captions": name, "gallery": group.name}
        found, real, mine = faithful(study, backbone, group, generated)
        tables["faithfulness"].append(found.assign(**words))
        tables["diversity"].append(diverse(real, mine, group.about).assign(**words | {"gallery": "none"}))
        if name == TRAINING:
            by_concept = bool(study.about.designs)
            tables["sets"].append(
                compared(real, mine, group.about, by_concept=by_concept, seed=seed).assign(captions=name)
            )
    for name, parts in (tables | {"grid": [pd.DataFrame(grid)]}).items():
        pd.concat(parts, ignore_index=True).to_parquet(folder / f"{name}.parquet", index=False)
    return {"captions": len(group_of)}


def parts_of(study: Study) -> dict:
    """The images on which the autoencoder is measured, in known designs, by group of captions."""
    from stablerep.audits.equal_galleries import TEST, TRAINING, UNSEEN
    from stablerep.corpus.emoji import HELD_OUT

    corpus, learned = study.corpus, study.corpus.to_learn_from()
    parts = {TRAINING: learned, TEST: corpus.split("test")}
    if corpus.designs:
        known = corpus.where(corpus.table["design"] != HELD_OUT)
        unseen = known.split("train")
        parts = {TRAINING: learned, UNSEEN: unseen.where(unseen.table["held_out"]), TEST: known.split("test")}
    return {name: part for name, part in parts.items() if len(part)}


def reconstruction(p: Parameters, study: Study, folder: Path) -> dict:
    """PSNR in dB of decoding what was encoded at the generator's own resolution, every cluster weighing the same."""
    import numpy as np

    from stablerep.generator.autoencoder_training import psnr, reconstruct
    from stablerep.statistics import crossed_mean

    rows, opened = [], study.generator(p.generator)
    for name, part in parts_of(study).items():
        if len(part) > p.captions * 8:  # a random sample, the same for every generator
            rank = np.random.default_rng(0).permutation(len(part))
            part = part.where(rank < p.captions * 8)
        images = part.images(opened.resolution)
        values = pd.Series(psnr(images, reconstruct(opened.pipeline.vae, images)).numpy())
        by = values.groupby(part.table[study.corpus.cluster].to_numpy()).mean()
        found = crossed_mean(by.to_numpy()[None])
        low, high = found.interval()
        rows.append(
            {"captions": name, "mean": found.mean, "low": low, "high": high, "images": len(part), "clusters": len(by)}
        )
    pd.DataFrame(rows).to_parquet(folder / "results.parquet", index=False)
    return {"resolution": opened.resolution}


def verdict(tables: dict[str, pd.DataFrame]) -> list[Answer]:
    """C10: real images of training captions against generated ones at the guidance scale of the parameters."""
    from stablerep.figures.generator_words import elsewhere

    pair = tables["differences"].query("claim == 'C10'")
    found = verdict_on(pair)
    rule = (
        "reproduced when, by the whole interval, real images of training captions are recognized more often than generated ones of the same captions, looked up in the same gallery, at "
        "the guidance scale that was chosen beforehand; contradicted when generated ones are"
    )
    why = f"Concept first, {', '.join(pair['captions'])}: {found.sentence}"
    but = elsewhere(tables["differences"])
    return [Answer("C10", found.word, why, rule, p=found.p, effects=effects_of(pair), but=but)]
