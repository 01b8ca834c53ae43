"""Is an image a copy of one that a generator learned from? Detectors give it a score: the higher, the more it looks like a copy.

| detector | score | source |
|---|---|---|
| pixels | minus the root mean square difference from the nearest training image, in grey levels | Carlini et al. 2023, section 4 |
| embedding | cosine with the nearest training image in an embedding that was made to find copies | Pizzi et al. 2022; Somepalli et al. 2023 |
| gap ratio | minus the distance to the nearest over that to the second nearest training image, in pixels; above -1/3 counts as a copy | Yoon et al. 2023; Bonnaire et al. 2025 |
| gap ratio, other concepts | the same, where the second one has to show another concept | |

The gap ratio asks whether one training image is much nearer than all others. Where the training set holds two images that are nearly alike, the
second is as near as the first, and a copy of either is hidden. The last detector passes over images of the same concept, and so finds it.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd
import torch
import torch.nn.functional as F
from torch import Tensor

from stablerep.audits.pixels import levels, nearest, squared_distances
from stablerep.errors import InputError

PIXELS, EMBEDDING, RATIO, RATIO_OTHERS = "pixels", "embedding", "gap ratio", "gap ratio, other concepts"
DETECTORS = (PIXELS, EMBEDDING, RATIO, RATIO_OTHERS)
GAP = 1 / 3  # a ratio below it is called a copy, by the rule of the papers
BLOCK = 256  # images that are compared at once


@dataclass(frozen=True)
class Learned:
    """What a generator learned from.

    Attributes:
        images: uint8 [G, 3, H, W]. concepts: [G], what each shows. features: float [G, D], of the copy-detection embedding.

    Raises:
        InputError: not one concept and one row of features for each image, or images of a single concept.
    """

    images: Tensor
    concepts: np.ndarray
    features: Tensor

    def __post_init__(self) -> None:
        if not len(self.images) == len(self.concepts) == len(self.features):
            raise InputError(
                f"{len(self.images)} training images have {len(self.concepts)} concepts and {len(self.features)} rows of features; each needs one of both."
            )
        if len(set(self.concepts)) < 2:
            raise InputError(
                f"the {len(self.images)} training images show {len(set(self.concepts))} concept; a gap to other concepts needs two."
            )


def score(images: Tensor, features: Tensor, learned: Learned) -> pd.DataFrame:
    """The score of every image by every detector.

    Args:
        images: uint8 [N, 3, H, W], of the size of the training images. features: float [N, D], of the same embedding.

    Returns:
        N rows: a column for each of ``DETECTORS``; and ``nearest`` and ``alike``, the places of the training images that are nearest in pixels and
        in the embedding.

    Raises:
        InputError: images of another size, or not one row of features for each.
    """
    if images.shape[1:] != learned.images.shape[1:] or len(features) != len(images):
        raise InputError(
            f"images have the shape {tuple(images.shape)} and {len(features)} rows of features; training images have the shape {tuple(learned.images.shape)}, "
            "and each image needs a row."
        )
    near = nearest_by_pixels(images, learned.images, learned.concepts)
    cosine, alike = most_alike(features, learned.features)
    return pd.DataFrame({
        PIXELS: -near["first"], EMBEDDING: cosine, RATIO: -gap_ratio(near["first"], near["second"]),
        RATIO_OTHERS: -gap_ratio(near["first"], near["other"]), "nearest": near["place"], "alike": alike,
    })  # fmt: skip


def gap_ratio(first: pd.Series, second: pd.Series) -> pd.Series:
    """The distance to the nearest over that to the second nearest; 1 where both are zero, as nothing tells the two apart."""
    return (first / second.where(second > 0)).fillna(1.0)


def most_alike(features: Tensor, others: Tensor) -> tuple[np.ndarray, np.ndarray]:
    """The cosine [N] of each row with the most similar of some others, and the place [N] of that one."""
    known, cosines, places = F.normalize(others.float(), dim=1), [], []
    for some in F.normalize(features.float(), dim=1).split(BLOCK):
        cosine, place = (some @ known.T).max(1)
        cosines.append(cosine)
        places.append(place)
    return torch.cat(cosines).clamp(-1, 1).double().numpy(), torch.cat(places).numpy()


def nearest_by_pixels(images: Tensor, others: Tensor, concepts: np.ndarray) -> pd.DataFrame:
    """How far images are from the nearest of some others.

    Args:
        images: uint8 [N, 3, H, W]. others: uint8 [G, 3, H, W], at least two. concepts: [G], at least two different ones.

    Returns:
        N rows: ``place`` of the nearest; ``first`` and ``second``, the distances to the nearest two; ``other``, the distance to the nearest that shows
        another concept than the nearest. Distances are root mean squares over pixels and channels, in grey levels from 0 to 255.
    """
    known, of_known, found = levels(others), torch.from_numpy(pd.factorize(concepts)[0]), []
    for some in images.split(BLOCK):
        asking = levels(some)
        squares = squared_distances(asking, known)
        distances, places = nearest(asking, known, squares, 2)
        same = of_known[places[:, :1]] == of_known[None]
        apart, _ = nearest(asking, known, squares.masked_fill(same, torch.inf), 1)
        found.append(torch.cat([places[:, :1].double(), distances, apart], 1))
    table = pd.DataFrame(torch.cat(found).numpy(), columns=["place", "first", "second", "other"])
    return table.assign(place=table["place"].astype(int))
