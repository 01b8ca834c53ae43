"""Captioned images made of others: the same at a lower resolution, real and synthetic ones together, and those that fit their captions best."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import torch
import torch.nn.functional as F
from torch import Tensor

from stablerep.captioned_images import CaptionedImages
from stablerep.corpus.on_demand import OnDemandImages
from stablerep.errors import InputError


def coarser(data: CaptionedImages, side: int) -> CaptionedImages:
    """The same images by way of ``side`` pixels a side: what a lower resolution costs, at the same size.

    Args:
        data: images of S x S pixels. side: 1 to S; S changes nothing.
    """
    size = data.images.shape[-1]
    if not 1 <= side <= size:
        raise InputError(f"a resolution of {side} was asked for; images of {size} pixels a side have 1 to {size}.")
    if side == size:
        return data
    images = _by_parts(data.images, lambda part: resized(resized(part, side), size))
    return replace(data, images=images, fingerprint=f"{data.fingerprint}-by{side}px")


def mixed(real: CaptionedImages, synthetic: CaptionedImages, *, total: int | None = None) -> CaptionedImages:
    """Real and synthetic images in one set: of each caption its real ones, then synthetic ones.

    Args:
        real: not every caption needs one. synthetic: of the same captions; brought to the size of the real images.
        total: so many images of each caption in all: of more real ones the first, of fewer with synthetic ones to fill up. None takes all.

    Raises:
        InputError: a caption has not enough synthetic images to fill up with.
    """
    captions = sorted({*real.captions, *synthetic.captions})
    firsts, seconds = places_by_caption(real), places_by_caption(synthetic)
    chosen, ids = [], []  # places among all real and then all synthetic images
    for number, caption in enumerate(captions):
        mine, made = firsts.get(caption, [])[:total], seconds.get(caption, [])
        fill = len(made) if total is None else total - len(mine)
        if fill > len(made):
            raise InputError(
                f"caption {caption!r} has {len(mine)} real and {len(made)} synthetic images; {total} of each caption are asked for."
            )
        chosen += [*mine, *(len(real.images) + place for place in made[:fill])]
        ids += [number] * (len(mine) + fill)
    side, whole = real.images.shape[-1], slice(None)
    others = synthetic.images[whole]
    others = others if others.shape[-1] == side else _by_parts(others, lambda part: resized(part, side))
    images = torch.cat([real.images[whole], others])[torch.tensor(chosen)]
    how = f"{'all' if total is None else total}"
    return CaptionedImages(images, torch.tensor(ids), captions, f"{real.fingerprint}+{synthetic.fingerprint}-{how}")


def closest(data: CaptionedImages, scores: Tensor, count: int) -> CaptionedImages:
    """Of each caption the ``count`` images with the highest scores, in the order that they had; all where it has no more.

    Args:
        scores: float [N], how well each image fits its caption. Of equal ones the first is kept.

    Raises:
        InputError: not one score for each image, or fewer than one image asked for.
    """
    if len(scores) != len(data.images):
        raise InputError(f"{len(data.images)} images have {len(scores)} scores; each needs one.")
    if count < 1:
        raise InputError(f"{count} images of each caption are asked for; at least 1 can be kept.")
    ranked = torch.argsort(scores, descending=True, stable=True)
    ranked = ranked[torch.argsort(data.caption_ids[ranked], stable=True)]  # caption by caption, the best image first
    sizes = torch.bincount(data.caption_ids, minlength=len(data.captions)).tolist()
    kept = torch.cat([part[:count] for part in ranked.split(sizes)]).sort().values
    return replace(
        data,
        images=data.images[kept],
        caption_ids=data.caption_ids[kept],
        fingerprint=f"{data.fingerprint}-best{count}",
    )


def resized(images: Tensor, side: int) -> Tensor:
    """uint8 [N, 3, H, W] to uint8 [N, 3, side, side], bilinear, with every pixel of a larger image counted."""
    out = F.interpolate(images.float(), size=(side, side), mode="bilinear", antialias=True)
    return out.round().clamp(0, 255).byte()


def at_size(images: Tensor, side: int) -> Tensor:
    """Images of any size, uint8 [N, 3, H, W], as uint8 [N, 3, side, side]; those that have it already as they are."""
    return images if images.shape[-1] == side else resized(images, side)


def _by_parts(images: Tensor | OnDemandImages, change: Callable[[Tensor], Tensor], size: int = 1024) -> Tensor:
    """A change of images, some at a time, since they take four times the memory meanwhile."""
    return torch.cat([change(images[start : start + size]) for start in range(0, len(images), size)])


def places_by_caption(data: CaptionedImages) -> dict[str, list[int]]:
    """Where the images of each caption are, in their order."""
    order = torch.argsort(data.caption_ids, stable=True)
    sizes = torch.bincount(data.caption_ids, minlength=len(data.captions)).tolist()
    return dict(zip(data.captions, (part.tolist() for part in order.split(sizes))))
