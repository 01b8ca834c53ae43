"""Extraction: images of one caption that come out nearly the same whatever the noise, and whether they show a training image.

Carlini et al. (2023, section 4.2) draw many images of a caption and look for groups that are nearly identical: a generator that has learned a caption
varies it, one that has memorized an image gives it back. The training set is not needed to find such groups, only to check them. They look for cliques;
here a group is an image and all that lie near it, which is at least as large as the largest clique that the image is in, and simple to find.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd
import torch
from torch import Tensor

from stablerep.audits.copies import PIXELS, Learned, score
from stablerep.errors import InputError


def distances_between(images: Tensor) -> Tensor:
    """Root mean square differences of all pairs of images uint8 [N, 3, H, W], in grey levels: double [N, N]."""
    levels = images.flatten(1).double()
    return torch.stack([(levels - one).square().mean(1).sqrt() for one in levels])


def largest_group(distances: Tensor, within: float) -> list[int]:
    """The image with the most others within a distance, and these: places, that image first. Of equal ones the first.

    Args:
        distances: [N, N]. within: in their unit.

    Raises:
        InputError: no images.
    """
    if not len(distances):
        raise InputError("there are no images; a group needs at least one.")
    near = distances <= within
    middle = int(np.argmax(near.sum(1).numpy()))
    return [middle, *(place for place in near[middle].nonzero().flatten().tolist() if place != middle)]


def extracted(
    images: Tensor, features: Tensor, captions: Sequence[str], concepts: Sequence[str], learned: Learned, within: float
) -> pd.DataFrame:
    """The largest group of nearly identical images of each caption, and how near its middle is to a training image.

    Args:
        images: uint8 [N, 3, H, W], several of each caption. features: float [N, D], of the copy-detection embedding. captions, concepts: of each.
        within: grey levels; images nearer than that to each other are alike, and a group whose middle is nearer to a training image shows it.

    Returns:
        A row for each caption: ``caption``, ``concept``, ``images``, ``group`` (images in the group), ``share`` (of the caption's images), ``distance`` (of the
        middle to the nearest training image, in grey levels), ``copied`` (it lies within), and ``middle``, its place among the images.

    Raises:
        InputError: captions with fewer than two images.
    """
    rows, places = [], pd.Series(range(len(captions))).groupby(list(captions), sort=False)
    for caption, mine in places:
        if len(mine) < 2:
            raise InputError(f"caption {caption!r} has {len(mine)} image; a group needs two or more to look for.")
        own = mine.to_numpy(copy=True)
        group = largest_group(distances_between(images[own]), within)
        rows.append({
            "caption": caption, "concept": concepts[own[0]], "images": len(own), "group": len(group), "share": len(group) / len(own),
            "middle": int(own[group[0]]),
        })  # fmt: skip
    found = pd.DataFrame(rows)
    middles = found["middle"].to_numpy(copy=True)
    distance = -score(images[middles], features[middles], learned)[PIXELS].to_numpy()
    return found.assign(distance=distance, copied=distance <= within)
