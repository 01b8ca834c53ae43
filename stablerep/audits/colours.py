"""What readers of people see: how much of an image has which colour, and colours and shape together."""

from __future__ import annotations

import math

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from stablerep.probes.floors import OrientedGradients
from stablerep.views import MEAN, STD

PAPER = 0.95  # a pixel is white where its darkest channel is above
GRID = (
    (0.0, 100.0, 8),
    (-30.0, 60.0, 7),
    (-30.0, 90.0, 9),
)  # of L, a, b: first and last centre of bins, and their number
FIELDS = 8  # along each side


def pixels_of(images: Tensor) -> Tensor:
    """Normalized images back as 0 to 1: float [N, 3, H, W]."""
    mean, std = (torch.tensor(v).view(1, 3, 1, 1) for v in (MEAN, STD))
    return (images.cpu() * std + mean).clamp(0, 1)


def lab_of(images: Tensor) -> tuple[Tensor, ...]:
    """L, a and b of CIELAB of normalized images [N, 3, H, W], each float [N, H, W]."""
    from skimage.color import rgb2lab

    return torch.from_numpy(rgb2lab(pixels_of(images).permute(0, 2, 3, 1).numpy())).float().unbind(3)


class ColourHistogram(nn.Module):
    """How much of an image has which colour, without what is white: float [N, 3, H, W], normalized, to float [N, 504].

    A joint histogram in CIELAB, where equal distances look about equally different. A pixel is shared among the eight bins around it in
    proportion to its nearness, so that a little noise changes little; colours beyond the grid count as its border. Square roots of the
    shares (Hellinger's distance) keep large areas from outweighing small ones.
    """

    def forward(self, images: Tensor) -> Tensor:
        inked = (pixels_of(images).amin(1) <= PAPER).flatten(1)  # N x pixels
        shares, place = (
            inked.float()[:, None],
            torch.zeros_like(inked, dtype=torch.long)[:, None],
        )  # N x corners x pixels
        for values, (first, last, count) in zip(lab_of(images), GRID):
            where = ((values.flatten(1) - first) / (last - first) * (count - 1)).clamp(0, count - 1)
            lower = where.floor().clamp_max(count - 2)
            upper = (where - lower)[:, None]
            place = torch.cat([place * count + (lower.long() + step)[:, None] for step in (0, 1)], 1)
            shares = torch.cat([shares * (1 - upper), shares * upper], 1)
        bins = torch.zeros(len(images), math.prod(count for *_, count in GRID))
        bins.scatter_add_(1, place.flatten(1), shares.flatten(1))
        return (bins / inked.sum(1, keepdim=True).clamp_min(1)).sqrt()


class ColourAndShape(nn.Module):
    """Colours as a whole and by place (mean CIELAB in eight by eight fields), and oriented gradients: float [N, 3, H, W] to [N, D]."""

    def forward(self, images: Tensor) -> Tensor:
        fields = F.adaptive_avg_pool2d(torch.stack(lab_of(images), 1), FIELDS)
        return torch.cat([ColourHistogram()(images), fields.flatten(1), OrientedGradients()(images)], 1)


# A tone is a colour: on the embedded drawings, without a bar, colours alone read 91 % of tones right by cross-fitting, and 90 % with oriented gradients.
# Gender is read from all: 67 %, against 61 % from colours, 47 % from grey pixels and 44 % from gradients alone. So is what nobody has tried.
FEATURES = {"tone": ColourHistogram}


def look_for(attribute: str) -> type[nn.Module]:
    """What the reader of an attribute sees of an image: as ``FEATURES`` names it, else colours and shape."""
    return FEATURES.get(attribute, ColourAndShape)
