"""The generator judged by an encoder of real images: faithfulness, diversity, guidance, reconstruction."""

from __future__ import annotations

from stablerep.study.chapters import Headline
from stablerep.study.experiments.arms import Arm
from stablerep.study.parameters.base import AnyCorpus, Design, Generated, GuidanceScale, Stem, knob
from stablerep.study.parameters.presets import CORPUS, GENERATED, STABLE_DIFFUSION, overriding
from stablerep.study.store.step import Step

QUESTION = "What does the miniature text-to-image model draw, how faithful and how varied is it, and what does guidance change?"
CLAIMS = ("C10",)
HEADLINE = Headline(
    "faithfulness", ("source", "guidance_scale", "measure"), "mean", "share of images", ("group", "all")
)
JUDGE = Arm("Judge", "stablerep", "designs")

JUDGEMENT = Step(
    "judgement", 4, lambda p: "generated images before the judge",
    ("stablerep.audits.faithfulness", "stablerep.training.backbones", "stablerep.study.chapters.generator:judge"),
    amount=lambda p: p["captions"] * p["images_per_caption"] * len(p["guidance_scales"]), rate=500.0, seconds=12.0,
)  # fmt: skip
RECONSTRUCTION = Step(
    "reconstruction", 3, lambda p: "the autoencoder", ("stablerep.generator.autoencoder_training", "stablerep.study.chapters.generator:reconstruction"),
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
    smoke=dict(captions=16, images_per_caption=2, guidance_scales=[1.0, 4.0], steps=4, views_per_step=32, sampling_steps=2),
    reference=dict(captions=512, images_per_caption=4, steps=800),
    workstation=dict(captions=1024, images_per_caption=8, steps=3000, views_per_step=1024, encoder="resnet18"),
    paper=STABLE_DIFFUSION | dict(image_size=224, encoder="vit_base_patch16_224"),
)  # fmt: skip
