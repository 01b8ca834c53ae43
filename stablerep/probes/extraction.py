"""Features of many images, batch by batch, with a sign of life where it takes long."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import torch
from torch import Tensor

from stablerep.encoders import extract_features

BATCH = 512  # images
SILENT = 5.0  # seconds after which progress is shown


def progress(what: Iterable | None = None, **options: Any):
    """A tqdm bar that shows nothing unless the work takes longer than ``SILENT`` seconds, and that leaves no trace."""
    from tqdm import tqdm

    return tqdm(what, **{"delay": SILENT, "leave": False, "mininterval": 1.0, "ncols": 100, **options})


def features_of(backbone: torch.nn.Module, images: Any, *, device: str | None = None, name: str = "features") -> Tensor:
    """Features of a frozen backbone, of images in memory or of images that are made when they are asked for.

    Args:
        backbone: float [N, 3, H, W] to float [N, D].
        images: a tensor uint8 [N, 3, H, W], or an object with a length whose slices are such tensors or arrays. Only one batch of them
            is held at a time.
        name: what the progress bar is called.

    Returns:
        float32 [N, D], equal to :func:`stablerep.encoders.extract_features` of all images at once.

    Raises:
        ValueError: there are no images.
    """
    if not len(images):
        raise ValueError("there are no images; features need at least one.")
    found = []
    with progress(total=len(images), desc=name, unit="image", unit_scale=True) as bar:
        for start in range(0, len(images), BATCH):
            batch = torch.as_tensor(images[start : start + BATCH])
            found.append(extract_features(backbone, batch, batch_size=BATCH, device=device))
            bar.update(len(batch))
    return torch.cat(found)
