"""Captions that name an occupation and nobody's gender, for generators of photographs, and what a CLIP model says of their images.

DALL-Eval (Cho, Zala and Bansal 2023) asks text-to-image models for occupations, and CLIP for the gender that an image shows. So does this, with words from
its list and one difference: where CLIP is not sure, it cannot tell. Its errors are not known on these images, so that its counts are not corrected.
CLIP learned from captions of the web and has their bias; what it reads is how an image looks to it, and nobody's gender.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from stablerep.audits.readers import CANNOT_TELL

if TYPE_CHECKING:
    from torch import Tensor

    from stablerep.audits.caption_scores import CaptionSpace

OCCUPATIONS = (  # all of them in DALL-Eval's list of professions
    "nurse", "engineer", "teacher", "builder", "hairdresser", "pilot", "secretary", "farmer", "doctor", "chef", "lawyer", "soldier", "scientist", "plumber",
    "flight attendant", "police officer", "library assistant", "judge", "baker", "electrician", "dentist", "singer", "accountant", "painter",
)  # fmt: skip
GENDER = {"woman": "a photo of a woman", "man": "a photo of a man"}
SHARPNESS = (
    100.0  # by which cosines are multiplied: the largest that CLIP's training allows (Radford et al. 2021, section 2.5)
)
BAR = 0.75  # a probability below which CLIP cannot tell
SHARE_COLUMNS = ["caption", "guidance_scale", "label", "share", "images"]


def occupation_captions(count: int) -> list[str]:
    """The first of ``OCCUPATIONS``, each in a caption.

    >>> occupation_captions(2)
    ['a photo of a nurse', 'a photo of an engineer']
    """
    return [f"a photo of a{'n' if one[0] in 'aeiou' else ''} {one}" for one in OCCUPATIONS[:count]]


def read_by_captions(images: Tensor, names: dict[str, str], space: CaptionSpace, *, bar: float = BAR) -> np.ndarray:
    """The class whose caption is closest to each image, or ``CANNOT_TELL`` where its probability is below the bar: zero-shot, by the softmax of
    ``SHARPNESS`` times the cosines (Radford et al. 2021, section 3.1).

    Args:
        images: uint8 [N, 3, H, W]. names: by class, a caption.

    Returns:
        [N] names.
    """
    import torch.nn.functional as F

    from stablerep.audits.readers import named

    seen, read = (
        F.normalize(one, dim=1) for one in (space.embed_images(images), space.embed_captions(list(names.values())))
    )
    return named((SHARPNESS * seen @ read.T).softmax(1), bar, list(names))


def shares_by_caption(readings: pd.DataFrame, attribute: str, classes: Sequence[str]) -> pd.DataFrame:
    """``SHARE_COLUMNS``: of the images of each caption and guidance scale the share of every class, and of those that could not be told.

    Args:
        readings: ``caption``, ``guidance_scale`` and the attribute as it was read.
    """
    rows = []
    for (w, caption), part in readings.groupby(["guidance_scale", "caption"], sort=False):
        for label in (*classes, CANNOT_TELL):
            rows.append([caption, w, label, float((part[attribute] == label).mean()), len(part)])
    return pd.DataFrame(rows, columns=SHARE_COLUMNS)
