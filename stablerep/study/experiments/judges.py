"""A judge of drawings: an encoder of real ones that knows none of the concepts it is asked about, where the corpus has designs."""

from __future__ import annotations

from typing import TYPE_CHECKING

from stablerep.study.experiments.arms import Arm
from stablerep.study.experiments.images import ImageSet
from stablerep.study.store.runs import Run

if TYPE_CHECKING:
    from stablerep.study.experiments.study import Study
    from stablerep.study.parameters.base import Parameters
    from stablerep.training import PretrainingRecipe

JUDGE = Arm("Judge", "stablerep", "designs")


def judge_of(p: Parameters, study: Study, seed: int) -> Run:
    """The pre-training run of the judge of a seed, with the encoder, steps and views of the parameters."""
    return study.pretraining(judges_images(study), recipe(p, study, seed), f"judge, seed {seed}")


def judges_images(study: Study) -> ImageSet:
    """The drawings, or photographs, that a judge learns from."""
    from stablerep.audits.equal_galleries import judges_part

    if not study.about.designs:
        return study.real_images(study.captions(), several=True)
    return study.corpus_images(judges_part(study.corpus), "judge")


def recipe(p: Parameters, study: Study, seed: int) -> PretrainingRecipe:
    """A multi-positive loss over captions, with the study's crops."""
    from stablerep.training import PretrainingRecipe
    from stablerep.views import ViewRecipe

    return PretrainingRecipe(
        method=JUDGE.method, steps=p.steps, views_per_step=p.views_per_step, images_per_caption=4, seed=seed,
        encoder=study.encoder_recipe(p), view=ViewRecipe(size=study.size, crop_min=0.35),
    )  # fmt: skip
