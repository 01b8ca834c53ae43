"""Distances between images by their pixels, as exact as single precision allows where images are alike."""

from __future__ import annotations

import torch
from torch import Tensor

CANDIDATES = 4  # of the nearest, whose distances are found once more without the errors of rounding


def levels(images: Tensor) -> Tensor:
    """Pixels of uint8 [N, 3, H, W] as float [N, D] about zero, where single precision is finest."""
    return images.flatten(1).float() - 127.5


def squared_distances(asking: Tensor, known: Tensor) -> Tensor:
    """Sums of squared differences, float [N, G], between rows [N, D] and [G, D], by products: fast, and off by some grey levels where two are alike."""
    return asking.square().sum(1, keepdim=True) + known.square().sum(1) - 2 * asking @ known.T


def nearest(asking: Tensor, known: Tensor, squares: Tensor, count: int) -> tuple[Tensor, Tensor]:
    """How far each row is from the nearest of some others, and which they are.

    Args:
        asking: float [N, D]. known: float [G, D]. squares: [N, G], of :func:`squared_distances`; infinity leaves one out.
        count: how many of the nearest, at most ``CANDIDATES``.

    Returns:
        Root mean square differences, double, and places, int64, both [N, count], the nearest first. Differences are found anew from the rows
        themselves for the ``CANDIDATES`` that are nearest by ``squares``, since it matters most where two are alike. A row
        that is left out is at infinity.
    """
    rough, places = squares.topk(min(CANDIDATES, len(known)), dim=1, largest=False)
    exact = (asking[:, None] - known[places]).double().square().mean(2).sqrt()
    exact = exact.masked_fill(rough.isinf(), torch.inf)
    order = exact.argsort(dim=1, stable=True)[:, :count]
    return exact.gather(1, order), places.gather(1, order)
