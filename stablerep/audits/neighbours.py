"""What an encoder finds most alike: from captions over real and generated images to its nearest images among others."""

from __future__ import annotations

import io
from collections.abc import Sequence

import numpy as np
import pandas as pd
import torch.nn.functional as F
from torch import Tensor
from torch.nn import Module

from stablerep.captioned_images import CaptionedImages
from stablerep.errors import InputError
from stablerep.probes.extraction import features_of

SHOWN = 3  # images of a kind


def nearest(queries: Tensor, gallery: Tensor, count: int) -> Tensor:
    """Places [Q, count] in a gallery [G, D] of what is most alike to each of the queries [Q, D] by cosine, the nearest first."""
    if count > len(gallery):
        raise InputError(f"count is {count}; the gallery has {len(gallery)} images.")
    return (F.normalize(queries, dim=1) @ F.normalize(gallery, dim=1).T).topk(count, dim=1).indices


def strip(
    encoder: Module,
    captions: Sequence[str],
    real: CaptionedImages,
    generated: CaptionedImages,
    gallery: Tensor,
    named: Sequence[str],
) -> pd.DataFrame:
    """Some captions with what is drawn for them, and what an encoder finds most alike to the first generated image.

    Args:
        gallery: uint8 [G, 3, H, W], images that are searched. named: their captions, [G].

    Returns:
        Rows with ``caption``, ``kind`` (real, generated or found), ``index``, ``shows`` (the caption of the image) and ``png``; at most
        ``SHOWN`` of a kind, and of what is found one image of a caption.
    """
    kinds = {"real": real, "generated": generated}
    drawn = {kind: {one: _images_of(images, one) for one in captions} for kind, images in kinds.items()}
    features, found = features_of(encoder, gallery), {}
    for one in captions:
        order = nearest(features_of(encoder, drawn["generated"][one][:1]), features, len(gallery))[0].tolist()
        places = list(dict.fromkeys({named[place]: place for place in reversed(order)}.values()))
        found[one] = sorted(places, key=order.index)[:SHOWN]
    rows = [
        {"caption": one, "kind": kind, "index": index, "shows": one, "png": _png(image)}
        for one in captions for kind in kinds for index, image in enumerate(drawn[kind][one])
    ] + [
        {"caption": one, "kind": "found", "index": index, "shows": named[place], "png": _png(gallery[place])}
        for one in captions for index, place in enumerate(found[one])
    ]  # fmt: skip
    return pd.DataFrame(rows)


def _images_of(images: CaptionedImages, caption: str) -> Tensor:
    return images.images[images.caption_ids == list(images.captions).index(caption)][:SHOWN]


def _png(image: Tensor) -> bytes:
    from PIL import Image

    file = io.BytesIO()
    Image.fromarray(np.ascontiguousarray(image.permute(1, 2, 0).numpy())).save(file, "PNG")
    return file.getvalue()
