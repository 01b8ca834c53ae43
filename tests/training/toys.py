"""What the tests of training share: toy pictures, small networks, and how two runs are compared."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import torch
from safetensors.torch import load_file

from stablerep.captioned_images import CaptionedImages
from stablerep.encoders import EncoderRecipe
from stablerep.methods import METHODS
from stablerep.training import PretrainingRecipe, view_batches
from stablerep.views import make_views

ENCODER = EncoderRecipe(
    name="test_resnet", stem="published", head_width=64, head_size=32, text_width=64, text_layers=1, joint_size=32
)  # fmt: skip
SMALL_VIT = replace(ENCODER, name="test_vit", patch_size=8, depth=2)
STEPS = 8
COLOURS, SHAPES = ("red", "green", "blue", "grey"), ("bar", "post", "square", "frame")
CLASSES = {f"{colour} {shape}": colour for colour in COLOURS for shape in SHAPES}


def classes_of(method: str) -> dict[str, str] | None:
    """Classes for the methods that need them; to others they are no use, or they change what is learned."""
    return CLASSES if METHODS[method].traits.ids == "class" else None


def toy_pictures() -> CaptionedImages:
    """Sixteen captions of a colour and a shape, four noisy pictures of each."""
    rng = torch.Generator().manual_seed(0)
    paint = {"red": (220, 20, 20), "green": (20, 200, 20), "blue": (20, 20, 220), "grey": (90, 90, 90)}
    places = {"bar": (slice(12, 20), slice(None)), "post": (slice(None), slice(12, 20))}
    images, ids, captions = [], [], []
    for colour in COLOURS:
        for shape in SHAPES:
            mask = torch.zeros(32, 32)
            mask[places.get(shape, (slice(6, 26),) * 2)] = 1
            if shape == "frame":
                mask[11:21, 11:21] = 0
            for _ in range(4):
                picture = 255 - mask * (255 - torch.tensor(paint[colour]).view(3, 1, 1))
                picture = picture + 12 * torch.randn(3, 32, 32, generator=rng)
                images.append(picture.clamp(0, 255).byte())
                ids.append(len(captions))
            captions.append(f"{colour} {shape}")
    return CaptionedImages(torch.stack(images), torch.tensor(ids), captions, "toy")


def recipe_of(method, **changes) -> PretrainingRecipe:
    """Eight steps of 16 views; patches for the methods that need them."""
    encoder = SMALL_VIT if method in ("mae", "moco-v3") else ENCODER
    return replace(PretrainingRecipe(method=method, steps=STEPS, views_per_step=16, encoder=encoder, seed=3), **changes)


def losses(folder: Path) -> np.ndarray:
    return pd.read_parquet(folder / "log.parquet")["loss"].to_numpy()


def assert_same_run(one: Path, other: Path) -> None:
    assert np.array_equal(losses(one), losses(other))
    for name in ("encoder", "heads"):
        first, second = load_file(one / f"{name}.safetensors"), load_file(other / f"{name}.safetensors")
        assert first.keys() == second.keys()
        assert [k for k in first if not torch.equal(first[k], second[k])] == []


class Cut(Exception):
    """Stands for a machine that goes away."""


def cut_before(monkeypatch, calls: int) -> list:
    """Let ``make_views`` work ``calls`` times, then fail; returns the list of calls made."""
    made = []

    def views(*arguments):
        if len(made) == calls:
            raise Cut
        made.append(arguments)
        return make_views(*arguments)

    monkeypatch.setattr(view_batches, "make_views", views)
    return made
