"""The camera: from drawings on white to scenes, in which a thing stands somewhere, turned, before a background.

Drawings are alike in what does not matter: every thing is centred, upright and as large as its frame. Raw pixels then recognize it as well
as any encoder does. The camera takes a drawing once, between images and views, and gives it a place, a size, a small rotation and a
background of two colours. What it does to an image follows from the image's id and a seed alone. So it is the same for real and for
generated drawings, and a scene can be made again at any time.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from stablerep.errors import InputError

if TYPE_CHECKING:
    from stablerep.corpus import Corpus

_BATCH = 128  # images, so that what is worked on stays in the processor's cache
_FINER = 2  # drawings are sampled at so many points along each side of a pixel, and averaged
_DRAWS = 16  # random numbers of a scene: two hashes of 32 bytes, four bytes each


@dataclass(frozen=True)
class Camera:
    """How much scenes vary. ``Camera.of_strength(0)`` leaves drawings as they are.

    Attributes:
        smallest: side of the smallest drawing as a share of the scene's side; the size is uniform from there to 1.
        turn: largest rotation to either side, in degrees.
        background: how pale the background is, from 0 (white) to 1 (two strong colours, each channel at most 0.65 below white). A strong one is a short cut for methods that see two views of one
            scene: they learn the background, which both views share, instead of the thing.
        seed: of everything random.
    """

    smallest: float = 0.4
    turn: float = 30.0
    background: float = 0.3
    seed: int = 0

    def __post_init__(self) -> None:
        if not 0.1 <= self.smallest <= 1:
            raise InputError(f"smallest is {self.smallest}; it is a share of the scene's side, 0.1 to 1.")
        if not 0 <= self.turn <= 180:
            raise InputError(f"turn is {self.turn}; it is an angle from 0 to 180 degrees.")
        if not 0 <= self.background <= 1:
            raise InputError(f"background is {self.background}; it lies from 0 (white) to 1.")

    @classmethod
    def of_strength(cls, strength: float, *, seed: int = 0) -> Camera:
        """Size, rotation and background vary by a share ``strength`` (0 to 1) of what they do by default."""
        if not 0 <= strength <= 1:
            raise InputError(f"strength is {strength}; it lies from 0 (drawings as they are) to 1.")
        full = cls()
        return cls(1 - strength * (1 - full.smallest), strength * full.turn, strength * full.background, seed)

    @property
    def still(self) -> bool:
        """Whether it leaves every drawing as it is."""
        return self.smallest == 1 and not self.turn and not self.background

    @property
    def fingerprint(self) -> str:
        """What names it in the keys of runs; empty for one that changes nothing."""
        return "" if self.still else f"scenes-{self.smallest:g}-{self.turn:g}-{self.background:g}-{self.seed}"

    def scenes(self, drawings: Tensor, ids: Sequence[str], size: int | None = None) -> Tensor:
        """A scene of every drawing.

        Args:
            drawings: uint8 [N, 3, H, H], on white. ids: N names of images.
            size: side of a scene in pixels; H by default.

        Returns:
            uint8 [N, 3, size, size]. A scene depends on its own drawing and id alone, not on the others.
        """
        if drawings.ndim != 4 or drawings.shape[1] != 3 or drawings.dtype != torch.uint8:
            raise InputError(
                f"drawings have shape {tuple(drawings.shape)} and type {drawings.dtype}; uint8 [N, 3, H, H] is needed."
            )
        if drawings.shape[2] != drawings.shape[3]:
            raise InputError(
                f"drawings have {drawings.shape[2]} x {drawings.shape[3]} pixels; the camera takes square ones."
            )
        if len(ids) != len(drawings):
            raise InputError(f"{len(drawings)} drawings have {len(ids)} ids; each needs one.")
        size = drawings.shape[-1] if size is None else size
        if self.still and size == drawings.shape[-1]:
            return drawings
        found = torch.empty(len(drawings), 3, size, size, dtype=torch.uint8)
        for start in range(0, len(drawings), _BATCH):
            part = slice(start, start + _BATCH)
            found[part] = self._scenes(drawings[part], uniform_of(ids[part], self.seed), size)
        return found

    def _scenes(self, drawings: Tensor, drawn: Tensor, size: int) -> Tensor:
        """``drawn``: float [N, 16] in 0..1, the random numbers of each scene."""
        paper = F.avg_pool2d(_placed(drawings, drawn[:, :4], self, size * _FINER), _FINER)
        shade = self.background * (1 - _gradients(drawn[:, 4:], size))
        # A colour's share of white is taken for paper, through which the background shows; the rest of it stays.
        scenes = paper - paper.amin(1, keepdim=True) * shade
        return (scenes * 255).round().clamp(0, 255).to(torch.uint8)

    def through(self, corpus: Corpus) -> Corpus:
        """The corpus with scenes instead of drawings. Its fingerprint tells them apart."""
        if self.still:
            return corpus

        def draw(table, size: int) -> np.ndarray:
            return self.scenes(torch.from_numpy(corpus.draw(table, size)), table["id"].tolist()).numpy()

        return replace(corpus, draw=draw, fingerprint=f"{corpus.fingerprint}-{self.fingerprint}")


def uniform_of(ids: Sequence[str], seed: int) -> Tensor:
    """Sixteen numbers in 0..1 for each id, float32 [N, 16], the same on every machine."""
    digests = [
        hashlib.sha256(f"camera:{seed}:{half}:{name}".encode("utf-8", "surrogatepass")).digest()
        for name in ids for half in (0, 1)
    ]  # fmt: skip
    whole = np.frombuffer(b"".join(digests), "<u4").reshape(len(ids), _DRAWS)
    return torch.from_numpy((whole >> 8).astype(np.float32) / 2**24)


def _placed(drawings: Tensor, drawn: Tensor, camera: Camera, size: int) -> Tensor:
    """Drawings at their size, angle and place on white paper, float [N, 3, size, size] in 0..1.

    The drawing's frame, turned, stays inside the scene, unless it is too large: then it stands in the middle.
    """
    scale = camera.smallest + (1 - camera.smallest) * drawn[:, 0]
    angle = torch.deg2rad(camera.turn * (2 * drawn[:, 1] - 1))
    room = (1 - scale * (angle.cos().abs() + angle.sin().abs())).clamp_min(0)
    x, y = (2 * drawn[:, 2] - 1) * room, (2 * drawn[:, 3] - 1) * room
    cos, sin = angle.cos() / scale, angle.sin() / scale
    # from places in the scene to places in the drawing, both from -1 to 1
    theta = torch.stack([
        torch.stack([cos, sin, -(cos * x + sin * y)], 1),
        torch.stack([-sin, cos, -(-sin * x + cos * y)], 1),
    ], 1)  # fmt: skip
    grid = F.affine_grid(theta, [len(drawings), 3, size, size], align_corners=False)
    ink = 1 - drawings.float() / 255  # what lies outside the drawing has none
    return 1 - F.grid_sample(ink, grid, mode="bilinear", padding_mode="zeros", align_corners=False)


def _gradients(drawn: Tensor, size: int) -> Tensor:
    """A gradient between two colours in some direction, float [N, 3, size, size] in 0..1; ``drawn`` is [N, 7 or more]."""
    first, second = (0.35 + 0.65 * drawn[:, part].view(-1, 3, 1, 1) for part in (slice(0, 3), slice(3, 6)))
    angle = 2 * torch.pi * drawn[:, 6].view(-1, 1, 1)
    place = (torch.arange(size) + 0.5) / size * 2 - 1
    along = angle.cos() * place[None, None, :] + angle.sin() * place[None, :, None]
    share = (along / (angle.cos().abs() + angle.sin().abs()) + 1) / 2
    return torch.lerp(first, second, share[:, None])
