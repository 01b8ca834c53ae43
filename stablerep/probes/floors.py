"""Floors: encoders that have learned nothing. What does not lie above them has not been learned by an encoder."""

from __future__ import annotations

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from stablerep.errors import InputError
from stablerep.views import MEAN, STD

PIXELS = 16  # a side
CELL = 8  # pixels along a side of a cell of gradients, in an image of 32


class RawPixels(nn.Module):
    """The pixels themselves at 16 x 16, each image less its mean colour: float [N, 3, H, W] to float [N, 768].

    At 32 x 32 they recognize validation concepts no better (within half a point), and a linear probe takes ten times as long.
    """

    def forward(self, images: Tensor) -> Tensor:
        small = F.adaptive_avg_pool2d(images, PIXELS)
        return (small - small.mean((2, 3), keepdim=True)).flatten(1)


class OrientedGradients(nn.Module):
    """Histograms of oriented gradients (Dalal and Triggs 2005), nine orientations in cells of a quarter of the image's side,
    normalized over two by two of them, by scikit-image: float [N, 3, H, W] to float [N, D]."""

    def forward(self, images: Tensor) -> Tensor:
        from skimage.feature import hog

        mean, std = (torch.tensor(v).view(1, 3, 1, 1) for v in (MEAN, STD))
        plain = (images.cpu() * std + mean).permute(0, 2, 3, 1).numpy()
        cell = max(CELL * plain.shape[1] // 32, 2)
        found = [hog(image, pixels_per_cell=(cell, cell), cells_per_block=(2, 2), channel_axis=-1) for image in plain]
        return torch.from_numpy(np.stack(found)).float()


FLOORS = {"pixels": RawPixels, "gradients": OrientedGradients}


def floor_backbone(name: str) -> nn.Module:
    """A floor by its name. Raises ``InputError`` naming those there are."""
    if name not in FLOORS:
        raise InputError(f"there is no floor {name!r}; there are {', '.join(FLOORS)}.")
    return FLOORS[name]().eval()
