"""Copies that are known to be copies: training images with mild changes, and images that a training set holds several times."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping

import numpy as np
import pandas as pd
import torch
import torch.nn.functional as F
from torch import Tensor

from stablerep.audits.areas import area_row, influence
from stablerep.audits.copies import DETECTORS, EMBEDDING, PIXELS, RATIO, RATIO_OTHERS, gap_ratio
from stablerep.audits.unseen import RATE, is_counted, thresholds_at
from stablerep.captioned_images import CaptionedImages
from stablerep.errors import InputError
from stablerep.seeding import generator_for

NOISE, SHIFT, DARKER, AUTOENCODER = "noise", "shift", "darker", "autoencoder"
CHANGES = (NOISE, SHIFT, DARKER, AUTOENCODER)
LEVELS = 8.0  # standard deviation of the noise, in grey levels
FACTOR = 0.95  # of brightness


def changed(images: Tensor, how: str, seed: int, reconstruct: Callable[[Tensor], Tensor]) -> Tensor:
    """Images with a change that leaves no doubt what they are copies of.

    Args:
        images: uint8 [N, 3, H, W]. how: one of ``CHANGES``: Gaussian noise; a move by one pixel to one of four sides, white coming in; a little darker;
            or through an autoencoder. seed: of noise and moves.
        reconstruct: the autoencoder, uint8 [N, 3, H, W] to the same.

    Returns:
        uint8 [N, 3, H, W].
    """
    if how not in CHANGES:
        raise InputError(f"the change is {how!r}; there are {', '.join(CHANGES)}.")
    if how == AUTOENCODER:
        return reconstruct(images)
    if how == DARKER:
        return (FACTOR * images.float()).round().byte()
    rng = generator_for(seed, "planted copies", how)
    if how == NOISE:
        return (images.float() + LEVELS * torch.randn(images.shape, generator=rng)).round().clamp(0, 255).byte()
    sides = torch.randint(4, (len(images),), generator=rng).tolist()
    return torch.stack([_moved(image, side) for image, side in zip(images, sides)])


def _moved(image: Tensor, side: int) -> Tensor:
    """An image [3, H, W] moved by a pixel up, down, left or right."""
    dimension, step = (1, 2)[side // 2], (-1, 1)[side % 2]
    moved = image.roll(step, dimension)
    moved.select(dimension, 0 if step > 0 else -1).fill_(255)
    return moved


def with_duplicates(learned: CaptionedImages, planted: CaptionedImages, times: Mapping[str, int]) -> CaptionedImages:
    """A training set that also holds some images of its captions, each as often as is said.

    Args:
        learned: the training set. planted: one image of each caption of ``times``, of the same size. times: by caption of the training set; 0 leaves it out.

    Raises:
        InputError: a caption that the training set does not have, several images to plant of one, or a number below zero.
    """
    places = {caption: number for number, caption in enumerate(learned.captions)}
    if strange := sorted(set(planted.captions) - set(places)):
        raise InputError(f"caption {strange[0]!r} is to be planted in a training set that has no image of it.")
    if len(planted.images) != len(planted.captions) or set(times) - set(planted.captions):
        raise InputError(
            f"{len(planted.images)} images of {len(planted.captions)} captions are to be planted for {len(times)}; each needs one image."
        )
    if wrong := {caption: count for caption, count in times.items() if count < 0}:
        raise InputError(f"{wrong} are to be planted; a number of times is 0 or more.")
    images, ids = planted.images[:], planted.caption_ids.tolist()
    repeats = torch.tensor([times.get(planted.captions[number], 0) for number in ids])
    own = torch.tensor([places[planted.captions[number]] for number in ids])
    how = hashlib.sha256(repr(sorted(times.items())).encode()).hexdigest()[:16]
    return CaptionedImages(
        torch.cat([learned.images[:], images.repeat_interleave(repeats, 0)]),
        torch.cat([learned.caption_ids, own.repeat_interleave(repeats)]),
        learned.captions,
        f"{learned.fingerprint}+{planted.fingerprint}-{how}",
    )


def to_own(
    images: Tensor, own: Tensor, features: Tensor, of_own: Tensor, near: pd.DataFrame, learned: np.ndarray, concepts: np.ndarray
) -> pd.DataFrame:  # fmt: skip
    """How much each image looks like a copy of one planted image, its own: a column for each of :data:`stablerep.audits.copies.DETECTORS`.

    The gap ratio sets the distance to that image against the distance to the nearest training image that was not planted; for other concepts, to the
    nearest that shows another concept than the image.

    Args:
        images, own: uint8 [N, 3, H, W]. features, of_own: float [N, D], of the copy-detection embedding.
        near: of :func:`stablerep.audits.copies.nearest_by_pixels`, among training images that were not planted.
        learned: [G], the concepts of these. concepts: [N], those of the images.
    """
    distance = pd.Series((images.double() - own.double()).flatten(1).square().mean(1).sqrt().numpy())
    same = learned[near["place"].to_numpy()] == concepts
    return pd.DataFrame({
        PIXELS: -distance, EMBEDDING: F.cosine_similarity(features, of_own, dim=1).double().numpy(),
        RATIO: -gap_ratio(distance, near["first"]), RATIO_OTHERS: -gap_ratio(distance, near["first"].where(~same, near["other"])),
    })  # fmt: skip


def told_apart(scores: pd.DataFrame) -> pd.DataFrame:
    """How well planted images are found in what a generator draws of their captions, among images of captions of which nothing was planted.

    Args:
        scores: ``seed``, ``times`` (planted; 0 for captions of which nothing was), ``concept``, ``seen`` and the columns of :func:`to_own`.

    Returns:
        ``times``, ``detector``, the columns of :func:`stablerep.audits.areas.area_row`; ``called``, the share of images called copies, at a threshold above which
        one in a hundred images of half of the captions that were not planted lies; and the mean of ``seen``. The row of 0 times holds the other half against
        that half.
    """
    rows = []
    for times in sorted(scores["times"].unique()):
        for name in DETECTORS:
            found, share = [], []
            for _, part in scores.groupby("seed"):
                none = part[part["times"] == 0]
                counted, setting = _halves(none)
                (least,) = thresholds_at(setting[name], setting["concept"], [RATE])
                mine, others = (part[part["times"] == times], none) if times else (counted, setting)
                share.append(mine[name].gt(least).mean())
                found.append(influence(mine[name], mine["concept"], others[name], others["concept"]))
            row = {"times": int(times), "detector": name, "called": sum(share) / len(share)}
            rows.append(row | area_row(found) | {"seen": scores.loc[scores["times"] == times, "seen"].mean()})
    return pd.DataFrame(rows)


def _halves(none: pd.DataFrame) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Images of concepts that are counted, and of those that set thresholds; all of them twice where a half has none."""
    counted = is_counted(none["concept"])
    return (none[counted], none[~counted]) if 0 < counted.sum() < len(none) else (none, none)
