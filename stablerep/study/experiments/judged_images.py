"""A judge, and sets of generated images before it: how faithful and how varied they are, and how they compare with real ones.

A judge of drawings is an encoder of real ones that knows none of the concepts it is asked about, where the corpus has designs.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING

import pandas as pd

from stablerep.study.experiments.arms import Arm
from stablerep.study.experiments.images import ImageSet
from stablerep.study.store.runs import Run

if TYPE_CHECKING:
    from torch.nn import Module

    from stablerep.audits.equal_galleries import Asked
    from stablerep.audits.faithfulness import Queries
    from stablerep.study.experiments.study import Study
    from stablerep.study.parameters.base import Parameters
    from stablerep.training import PretrainingRecipe

JUDGE = Arm("Judge", "stablerep", "designs")
SEEN = 1000  # captions whose images are measured, at most: all pairs of images are compared
CODE = (
    "stablerep.audits.faithfulness", "stablerep.training.backbones", "stablerep.probes.extraction", "stablerep.camera",
    f"{__name__}:judged_images", f"{__name__}:faithful",
)  # fmt: skip


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


def judged_images(
    study: Study,
    real: ImageSet,
    made: Iterable[tuple[float, ImageSet]],
    judge: Run,
    seed: int,
    group: Asked | None = None,
) -> dict[str, pd.DataFrame]:
    """Tables of :mod:`stablerep.audits.faithfulness`: ``diversity``, how far apart images of a caption are; ``sets``, how a set of images compares with
    real ones; with a ``group`` of captions that the judge can be asked about also ``faithfulness``, how often an image shows what its caption names.

    Args:
        real: real images, scenes or drawings as the judge learned from. made: the guidance scale, or a number in its place, and each set of generated ones, of
            the same captions; a set is loaded when its turn comes. judge: the pre-training of an encoder. seed: of that, and of the cut to sets of one size.
    """
    from stablerep.audits.equal_galleries import TRAINING, with_concepts
    from stablerep.audits.faithfulness import compared, diverse
    from stablerep.probes.extraction import features_of

    backbone = study.backbone(judge, None, seed)

    def queries(images: ImageSet):
        loaded = images.load()
        return features_of(backbone, loaded.images), [loaded.captions[place] for place in loaded.caption_ids.tolist()]

    asked, answers = queries(real), {number: queries(images) for number, images in made}
    about = with_concepts(study.corpus).table.drop_duplicates("caption").set_index("caption")[["concept", "group"]]
    words = {"captions": TRAINING, "seed": seed}
    tables = {
        "diversity": diverse(asked, answers, about).assign(**words, gallery="none"),
        "sets": compared(asked, answers, about, by_concept=bool(study.about.designs), seed=seed).assign(**words),
    }
    if group:
        tables["faithfulness"] = faithful(study, backbone, group, answers)[0].assign(**words, gallery=group.name)
    return tables


def faithful(
    study: Study, backbone: Module, group: Asked, made: Mapping[float, Queries]
) -> tuple[pd.DataFrame, Queries, dict[float, Queries]]:
    """How often images show what the captions of a group name (:func:`stablerep.audits.faithfulness.judged`), and the images that were looked up: real
    ones, and those of ``made``, in which other captions may occur."""
    from stablerep.audits.faithfulness import judged
    from stablerep.probes.extraction import features_of

    gallery, real = (features_of(backbone, one.images(study.size)) for one in (group.gallery, group.real))
    queries, mine, asked = (real, group.real.table["caption"].tolist()), {}, set(group.captions)
    for number, (features, written) in made.items():
        rows = [place for place, caption in enumerate(written) if caption in asked]
        mine[number] = features[rows], [written[place] for place in rows]
    attributes = study.about.people if study.about.designs else ()
    return judged((gallery, group.gallery.table), queries, mine, group.about, attributes), queries, mine
