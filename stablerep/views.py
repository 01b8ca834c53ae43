"""Views: the random crops and colours of contrastive learning, drawn for each image of a batch on its own.

The recipe is SimCLR's as StableRep uses it (Tian et al. 2023, appendix): random resized crop, horizontal flip, colour
jitter (0.4, 0.4, 0.4, 0.1) with probability 0.8, grey with 0.2, Gaussian blur with 0.5. The authors' optional downsampling,
which narrows the gap between synthetic images, all of high resolution, and others, is off unless a recipe asks for it.
"""

from __future__ import annotations

import functools
import math
from collections.abc import Sequence
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor

from stablerep.errors import InputError

MEAN = (0.485, 0.456, 0.406)  # of ImageNet, as in the authors' code
STD = (0.229, 0.224, 0.225)
_GREY = (0.299, 0.587, 0.114)  # luma of ITU-R BT.601
_YIQ = (_GREY, (0.596, -0.274, -0.322), (0.211, -0.523, 0.312))  # luma and chroma of NTSC
_FROM_YIQ = tuple(map(tuple, torch.linalg.inv(torch.tensor(_YIQ)).tolist()))


@dataclass(frozen=True)
class ViewRecipe:
    """What one view may look like. Probabilities are per image; strengths as in ``torchvision.transforms.ColorJitter``."""

    size: int = 32  # side of a view in pixels
    crop_min: float = 0.2  # smallest share of the image's area that a crop keeps (the paper: 0.08)
    aspect: float = 4 / 3  # crops are at most this much wider than high, or higher than wide
    flip: float = 0.5
    jitter: float = 0.8
    brightness: float = 0.4
    contrast: float = 0.4
    saturation: float = 0.4
    hue: float = 0.1  # in turns of the colour circle
    grey: float = 0.2
    blur: float = 0.5
    blur_sigma: tuple[float, float] = (0.1, 2.0)  # in pixels of a 224-pixel view; scaled to ``size``
    downsample: float = (
        0.0  # probability of a detour over fewer pixels before the crop (the authors' code: 0.05 where it is on)
    )
    downsample_sizes: tuple[int, ...] = (
        8,
        16,
    )  # shorter sides, equally likely, in pixels of the image (theirs: 64, 128 of 256)

    def __post_init__(self) -> None:
        if not 0 < self.crop_min <= 1:
            raise InputError(f"crop_min is {self.crop_min}; it is a share of the area, above 0 and at most 1.")
        if not 8 <= self.size <= 1024:
            raise InputError(f"size is {self.size}; views have 8 to 1024 pixels a side.")
        if not 0 <= self.downsample <= 1:
            raise InputError(f"downsample is {self.downsample}; it is a probability, from 0 to 1.")
        if self.downsample and not (
            self.downsample_sizes and all(isinstance(s, int) and 0 < s < self.size for s in self.downsample_sizes)
        ):
            raise InputError(
                f"downsample_sizes is {self.downsample_sizes}; it names sides of 1 to {self.size - 1} pixels, at least one."
            )


def make_views(images: Tensor, recipe: ViewRecipe, rng: torch.Generator) -> Tensor:
    """One random view of every image.

    Args:
        images: uint8 [N, 3, H, W].
        rng: a CPU generator; the same generator state gives the same views on any device.

    Returns:
        float [N, 3, size, size] in 0..1; see :func:`normalize`.
    """
    if images.ndim != 4 or images.shape[1] != 3 or images.dtype != torch.uint8:
        raise InputError(
            f"images have shape {tuple(images.shape)} and type {images.dtype}; uint8 [N, 3, H, W] is needed."
        )
    x = images.float() / 255
    if min(x.shape[-2:]) > 1.5 * recipe.size:  # bilinear sampling below would skip pixels of much larger images
        x = _resized(x, (round(1.15 * recipe.size),) * 2)
    x = _downsample(x, recipe, rng)
    drawn, order = _draw(len(x), recipe, rng, x.device)
    x = _crop(x, recipe, drawn)
    x = _jitter(x, recipe, drawn, order)
    x = torch.where(_happens(drawn["grey"], recipe.grey), _luma(x).expand_as(x), x)
    return _blur(x, recipe, drawn)


def normalize(views: Tensor) -> Tensor:
    """Views in 0..1 to the zero-mean, unit-deviation range that encoders expect."""
    mean, std = (_constant(v, views.device).view(1, 3, 1, 1) for v in (MEAN, STD))
    return (views - mean) / std


@functools.cache
def _constant(values: tuple, device: torch.device) -> Tensor:
    """A tensor of numbers that never change: each transfer to a GPU would make it wait."""
    with torch.inference_mode(False):  # or it could not serve a training later
        return torch.tensor(values, device=device)


def _draw(
    n: int, recipe: ViewRecipe, rng: torch.Generator, device: torch.device
) -> tuple[dict[str, Tensor], list[int]]:
    """The random numbers of a batch, [n] each, drawn on the CPU and moved in one transfer; and the order of the changes of colour."""
    ranges = {
        "area": (recipe.crop_min, 1), "ratio": (-math.log(recipe.aspect), math.log(recipe.aspect)), "left": (0, 1), "top": (0, 1),
        "mirror": (0, 1), "brightness": _around(recipe.brightness), "contrast": _around(recipe.contrast),
        "saturation": _around(recipe.saturation), "turn": (-recipe.hue, recipe.hue), "jitter": (0, 1), "grey": (0, 1),
        "sigma": recipe.blur_sigma, "blur": (0, 1),
    }  # fmt: skip
    numbers, order = [], []
    for name, (low, high) in ranges.items():
        if name == "jitter":
            order = torch.randperm(4, generator=rng).tolist()
        numbers.append(low + (high - low) * torch.rand(n, generator=rng))
    return dict(zip(ranges, torch.stack(numbers).to(device))), order


def _around(strength: float) -> tuple[float, float]:
    """The factors by which a colour is changed at a strength, as in torchvision."""
    return max(0.0, 1 - strength), 1 + strength


def _happens(number: Tensor, p: float) -> Tensor:
    """Where numbers [N] from 0 to 1 lie below a probability, to be used with images [N, 3, H, W]."""
    return (number < p).view(-1, 1, 1, 1)


def _luma(x: Tensor) -> Tensor:
    return (x * _constant(_GREY, x.device).view(1, 3, 1, 1)).sum(1, keepdim=True)


def _downsample(x: Tensor, recipe: ViewRecipe, rng: torch.Generator) -> Tensor:
    """Some images resized to a drawn shorter side and back, as in ``dataset/util.py`` of the authors' code; smaller images stay."""
    if not recipe.downsample:
        return x
    # random numbers of its own: the other images keep the crops and colours that they have without the option
    twin = torch.Generator().set_state(rng.get_state())
    own = torch.Generator().manual_seed(int(torch.randint(2**62, (), generator=twin)))
    chosen = torch.rand(len(x), generator=own) < recipe.downsample
    side = torch.tensor(recipe.downsample_sizes)[torch.randint(len(recipe.downsample_sizes), (len(x),), generator=own)]
    whole, x = tuple(x.shape[-2:]), x.clone()
    for size in {s for s in recipe.downsample_sizes if s < min(whole)}:
        mine = (chosen & (side == size)).nonzero().flatten().to(x.device)
        if len(mine):
            small = [round(length * size / min(whole)) for length in whole]
            x[mine] = _resized(_resized(x[mine], small), whole)
    return x


def _resized(x: Tensor, size: Sequence[int]) -> Tensor:
    """Height and width ``size``, every pixel of the larger side counted."""
    return F.interpolate(x, size=tuple(size), mode="bilinear", antialias=True)


def _crop(x: Tensor, recipe: ViewRecipe, drawn: dict[str, Tensor]) -> Tensor:
    """Random resized crop and flip in one bilinear sampling."""
    n = len(x)
    area, ratio = drawn["area"], drawn["ratio"].exp()
    width, height = (area * ratio).sqrt().clamp_max(1), (area / ratio).sqrt().clamp_max(1)
    left, top = drawn["left"] * (1 - width), drawn["top"] * (1 - height)
    mirror = torch.where(drawn["mirror"] < recipe.flip, -1.0, 1.0)
    zero = torch.zeros_like(width)
    # affine_grid maps output coordinates in -1..1 to input coordinates in -1..1
    theta = torch.stack([
        torch.stack([width * mirror, zero, 2 * left + width - 1], 1),
        torch.stack([zero, height, 2 * top + height - 1], 1),
    ], 1)  # fmt: skip
    grid = F.affine_grid(theta, [n, 3, recipe.size, recipe.size], align_corners=False)
    return F.grid_sample(x, grid, mode="bilinear", padding_mode="border", align_corners=False)


def _jitter(x: Tensor, recipe: ViewRecipe, drawn: dict[str, Tensor], order: list[int]) -> Tensor:
    """Brightness, contrast, saturation and hue, in an order drawn for the batch, strengths drawn for each image."""
    brightness, contrast, saturation = (
        drawn[name].view(-1, 1, 1, 1) for name in ("brightness", "contrast", "saturation")
    )
    steps = [
        lambda y: (y * brightness).clamp(0, 1),
        lambda y: torch.lerp(_luma(y).mean((2, 3), keepdim=True), y, contrast).clamp(0, 1),
        lambda y: torch.lerp(_luma(y), y, saturation).clamp(0, 1),
        lambda y: _turn_hue(y, drawn["turn"]),
    ]
    changed = x
    for i in order:
        changed = steps[i](changed)
    return torch.where(_happens(drawn["jitter"], recipe.jitter), changed, x)


def _turn_hue(x: Tensor, turn: Tensor) -> Tensor:
    """Turn the hue of each image by ``turn`` [N] full circles: a rotation of chroma at constant luma (YIQ colour space)."""
    to_yiq, from_yiq = _constant(_YIQ, x.device), _constant(_FROM_YIQ, x.device)
    cos, sin = torch.cos(2 * math.pi * turn), torch.sin(2 * math.pi * turn)
    zero, one = torch.zeros_like(turn), torch.ones_like(turn)
    rotation = torch.stack([one, zero, zero, zero, cos, -sin, zero, sin, cos], 1).view(-1, 3, 3)
    matrix = from_yiq @ rotation @ to_yiq  # Nx3x3
    return torch.bmm(matrix, x.flatten(2)).view_as(x).clamp(0, 1)


def _blur(x: Tensor, recipe: ViewRecipe, drawn: dict[str, Tensor]) -> Tensor:
    """Gaussian blur, its deviation drawn for each image; two one-dimensional convolutions."""
    n, _, height, width = x.shape
    scale = recipe.size / 224
    sigma = drawn["sigma"] * scale
    radius = max(1, math.ceil(2.5 * recipe.blur_sigma[1] * scale))
    place = torch.arange(-radius, radius + 1, device=x.device)
    kernel = torch.exp(-0.5 * (place / sigma.clamp_min(1e-3).view(n, 1)) ** 2)
    kernel = (kernel / kernel.sum(1, keepdim=True)).repeat_interleave(3, 0)  # 3N x K
    y = F.pad(x.reshape(1, 3 * n, height, width), (radius,) * 4, mode="replicate")
    y = F.conv2d(y, kernel.view(3 * n, 1, 1, -1), groups=3 * n)
    y = F.conv2d(y, kernel.view(3 * n, 1, -1, 1), groups=3 * n)
    return torch.where(_happens(drawn["blur"], recipe.blur), y.view_as(x), x)
