"""Sets of generated images before a judge: how varied they are, and how they compare with real ones."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

import pandas as pd

from stablerep.study.experiments.images import ImageSet
from stablerep.study.store.runs import Run

if TYPE_CHECKING:
    from stablerep.study.experiments.study import Study

SEEN = 1000  # captions whose images are measured, at most: all pairs of images are compared
CODE = (
    "stablerep.audits.faithfulness", "stablerep.training.backbones", "stablerep.probes.extraction", "stablerep.camera",
    f"{__name__}:judged_images",
)  # fmt: skip


def judged_images(
    study: Study, real: ImageSet, made: Iterable[tuple[float, ImageSet]], judge: Run, seed: int
) -> dict[str, pd.DataFrame]:
    """Tables of :mod:`stablerep.audits.faithfulness`: ``diversity``, how far apart images of a caption are; ``sets``, how a set of images compares with
    real ones.

    Args:
        real: scenes of real images. made: the guidance scale, or a number in its place, and the scenes of each set of generated ones, of the same captions; a
            set is loaded when its turn comes. judge: the pre-training of an encoder. seed: of that, and of the cut to sets of one size.
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
    return {
        "diversity": diverse(asked, answers, about).assign(**words, gallery="none"),
        "sets": compared(asked, answers, about, by_concept=bool(study.about.designs), seed=seed).assign(**words),
    }
