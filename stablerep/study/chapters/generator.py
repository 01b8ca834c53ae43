"""The generator judged by an encoder of real images: faithfulness, diversity, guidance, reconstruction."""

from __future__ import annotations

from pathlib import Path

import pandas as pd

from stablerep.errors import InputError
from stablerep.study.chapters import Answer, Headline
from stablerep.study.experiments.arms import Arm
from stablerep.study.experiments.images import Captions, ImageSet, Named
from stablerep.study.experiments.study import Study
from stablerep.study.parameters.base import AnyCorpus, Design, Generated, GuidanceScale, Stem, knob
from stablerep.study.parameters.presets import CORPUS, GENERATED, STABLE_DIFFUSION, overriding
from stablerep.study.store.runs import Run
from stablerep.study.store.step import Step

QUESTION = "What does the miniature text-to-image model draw, how faithful and how varied is it, and what does guidance change?"
CLAIMS = ("C10",)
HEADLINE = Headline(
    "faithfulness", ("source", "guidance_scale", "measure"), "mean", "share of images", ("group", "all")
)
JUDGE = Arm("Judge", "stablerep", "designs")

JUDGEMENT = Step(
    "judgement", 4, lambda p: "generated images before the judge",
    ("stablerep.audits.faithfulness", "stablerep.training.backbones", f"{__name__}:judge"),
    amount=lambda p: p["captions"] * p["images_per_caption"] * len(p["guidance_scales"]), rate=500.0, seconds=12.0,
)  # fmt: skip
RECONSTRUCTION = Step(
    "reconstruction", 3, lambda p: "the autoencoder",
    ("stablerep.generator.autoencoder_training", f"{__name__}:reconstruction"),
    amount=lambda p: float(p["images"]), rate=200.0, seconds=5.0,
)  # fmt: skip


class Parameters(Generated, AnyCorpus):
    captions: int = knob("training captions to judge the generator on", cost="linear", ge=8)
    images_per_caption: int = knob("images of each caption and scale", unit="images", cost="linear", ge=2, le=64)
    guidance_scales: list[GuidanceScale] = knob("values of w to compare", cost="linear", min_length=1)
    held_out_design: Design = knob(
        "emoji design whose real images are the yardstick; the judging encoder never sees it"
    )
    encoder: str = knob("of the judge: any timm model", cost="model", min_length=1)
    stem: Stem = knob("of the judge, for small images", cost="model")
    steps: int = knob("training steps of the judge", cost="linear", ge=1)
    views_per_step: int = knob("views in a step of the judge", cost="linear", ge=16)


PRESETS = overriding(
    {},
    laptop=CORPUS | GENERATED | dict(
        captions=128, images_per_caption=4, guidance_scales=[1.0, 2.0, 3.0, 4.0, 6.0, 8.0], held_out_design="twemoji",
        encoder="resnet10t", stem="published", steps=250, views_per_step=256,
    ),
    smoke=dict(
        captions=16, images_per_caption=2, guidance_scales=[1.0, 4.0], steps=4, views_per_step=32, sampling_steps=2,
    ),
    reference=dict(captions=512, images_per_caption=4, steps=800),
    workstation=dict(captions=1024, images_per_caption=8, steps=3000, views_per_step=1024, encoder="resnet18"),
    paper=STABLE_DIFFUSION | dict(image_size=224, encoder="vit_base_patch16_224"),
)  # fmt: skip


def ask(p: Parameters, study: Study) -> dict[str, Run]:
    """The judgement of the images, and what the autoencoder keeps, by the names of their steps."""
    captions = drawn_captions(p, study)
    judge_run = study.pretraining(training_images(p, study), recipe(p, study), "judge")
    how = p.model_dump(exclude={"live", "preset", "corpus", "labels", "cluster", "split"})
    inputs = {"generator": study.generator_fingerprint(p.generator), "corpus": study.about.fingerprint}
    judgement = study.store.obtain(
        JUDGEMENT,
        parameters=how | {"labels": list(study.about.labels), "cluster": study.about.cluster},
        inputs=inputs | {"judge": judge_run.key},
        needs=lambda: [made(p, study, captions, w) for w in p.guidance_scales],
        compute=lambda folder: judge(p, study, captions, judge_run, folder),
    )
    reconstructed = study.store.obtain(
        RECONSTRUCTION,
        parameters={"images": p.captions * 8},
        inputs=inputs,
        compute=lambda folder: reconstruction(p, study, folder),
    )
    return {"judgement": judgement, "reconstruction": reconstructed}


def compute(p: Parameters, asked: dict[str, Run]) -> dict[str, pd.DataFrame]:
    """Tables: ``faithfulness``, ``diversity`` and ``sets`` of :func:`stablerep.audits.faithfulness.judge_images`,
    ``reconstruction`` (PSNR of the autoencoder by split) and ``grid`` (sample images as PNG).

    Real images are of the held-out design, whose style the judge has never seen, and of the designs that it knows, each
    ranked in a gallery that lacks that design's drawings of its concept. Of a corpus without designs they are the
    held-out images of the training captions.

    A set has one image of one caption of each concept that at least two known designs have drawn: captions of a concept
    differ by skin tone or gender alone, and its images are not independent. The real set takes one of these designs at
    random, the real set that is the yardstick another.
    """
    tables = {name: asked["judgement"].table(name) for name in ("faithfulness", "diversity", "sets", "grid")}
    return tables | {"reconstruction": asked["reconstruction"].table()}


def drawn_captions(p: Parameters, study: Study) -> Captions | Named:
    """The captions that the generator is judged on: of the emoji, those that the held-out design has drawn too."""
    if not study.about.designs:
        return study.captions(p.captions)
    part = study.corpus.split("train").table
    shared = set(part[part["design"] == p.held_out_design]["caption"])
    captions = [caption for caption in study.captions().texts if caption in shared]
    if p.captions > len(captions):
        raise InputError(f"captions is {p.captions}; {p.held_out_design} shares {len(captions)} training captions.")
    return Named(captions[: p.captions])


def training_images(p: Parameters, study: Study) -> ImageSet:
    """What the judge learns from: all training images, but for the held-out design."""
    if not study.about.designs:
        return study.real_images(study.captions(), several=True)
    part = study.corpus.split("train")
    return study.corpus_images(part.where(part.table["design"] != p.held_out_design), "judge")


def recipe(p: Parameters, study: Study):
    """A multi-positive loss over captions, with larger crops than the study's: a judge knows a thing by its whole."""
    from stablerep.training import PretrainingRecipe
    from stablerep.views import ViewRecipe

    return PretrainingRecipe(
        method=JUDGE.method, steps=p.steps, views_per_step=p.views_per_step, images_per_caption=4, seed=p.seed,
        encoder=study.encoder_recipe(p), view=ViewRecipe(size=study.size, crop_min=0.35),
    )  # fmt: skip


def made(p: Parameters, study: Study, captions: Captions | Named, w: float) -> ImageSet:
    return study.synthetic_images(captions, p, w, images_per_caption=p.images_per_caption, seed=p.seed)


def judge(p: Parameters, study: Study, captions: Captions | Named, judge_run: Run, folder: Path) -> dict:
    """The tables of :func:`stablerep.audits.faithfulness.judge_images`, and a grid of images."""
    from stablerep.audits.faithfulness import judge_images, picture_grid
    from stablerep.probes.extraction import features_of

    backbone = study.backbone(judge_run, None, 0)
    part = study.corpus.split("train")
    if study.about.designs:
        gallery = part.where(part.table["design"] != p.held_out_design)
        held_out = part.where((part.table["design"] == p.held_out_design) & part.table["caption"].isin(captions.texts))
    else:
        gallery, held_out = part, study.corpus.split("test")
    real = [(features_of(backbone, some.images(study.size)), described(some, study)) for some in (gallery, held_out)]
    found, grid = {}, []
    for w in p.guidance_scales:
        images = made(p, study, captions, w).load()
        written = [images.captions[i] for i in images.caption_ids.tolist()]
        found[w] = features_of(backbone, images.images), written
        grid += picture_grid(images.images, images.caption_ids, list(images.captions), w)
    tables = judge_images(*real, found, list(captions.texts), seed=p.seed) | {"grid": pd.DataFrame(grid)}
    for name, table in tables.items():
        table.to_parquet(folder / f"{name}.parquet", index=False)
    return {"captions": len(captions)}


def described(part, study: Study) -> pd.DataFrame:
    """The rows of a part under the names that the audit reads: of other corpora, what captions name is the concept."""
    from stablerep.audits.faithfulness import named_by_captions

    if study.about.designs:
        return part.table
    what = part.table[named_by_captions(study.corpus.table, study.about.labels)].astype(str)
    cluster = part.table[study.about.cluster].astype(str)
    return part.table.assign(concept=what, subgroup=what, group=what, design="", cluster=cluster)


def reconstruction(p: Parameters, study: Study, folder: Path) -> dict:
    """PSNR in dB of decoding what was encoded, training and held-out clusters, at the generator's own resolution."""
    import numpy as np

    from stablerep.generator.autoencoder_training import psnr, reconstruct
    from stablerep.statistics import mean_with_interval

    rows, opened = [], study.generator(p.generator)
    for split in ("train", "test"):
        part = study.corpus.split(split)
        if len(part) > p.captions * 8:  # a random sample, the same for every generator
            rank = np.random.default_rng(0).permutation(len(part))
            part = part.where(rank < p.captions * 8)
        images = part.images(opened.resolution)
        values = psnr(images, reconstruct(opened.pipeline.vae, images)).numpy()
        rows.append({"split": split, **mean_with_interval(values, part.table[study.corpus.cluster])})
    pd.DataFrame(rows).to_parquet(folder / "results.parquet", index=False)
    return {"resolution": opened.resolution}


def verdict(tables: dict[str, pd.DataFrame]) -> list[Answer]:
    """C10 at the best guidance scale, against real images in designs that the judge knows, or else held-out ones."""
    every = tables["faithfulness"]
    top = every[(every["group"] == "all") & (every["measure"] == "top1")]
    best = top[top["source"] == "generated"].sort_values("mean").iloc[-1]
    yardstick = top[top["source"] == "real, known designs"]
    real = (yardstick if len(yardstick) else top[top["source"].str.startswith("real")]).iloc[0]
    higher, apart = real["mean"] > best["mean"], real["low"] > best["high"]
    word = "reproduced" if apart else "partly" if higher else "not reproduced"
    why = (
        f"Even at the best w, {100 * (1 - best['mean']):.1f} % of the generated images are not recognized as what "
        "their caption names; "
        f"of {real['source'].replace('real, ', 'real ones, ')} {100 * (1 - real['mean']):.1f} % are not"
    )
    rule = (
        "reproduced when the real share is higher and the two 95 % intervals do not overlap; partly when it is higher "
        "and they do"
    )
    return [Answer("C10", word, why, rule)]
