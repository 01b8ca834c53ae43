"""Encoders from timm, and the features that a frozen one gives."""

from __future__ import annotations

import difflib
import math
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from stablerep.device import default_device
from stablerep.errors import InputError
from stablerep.torchvision_shim import ensure_torchvision_imports
from stablerep.views import normalize

STEMS = ("published", "no-pool", "full")


@dataclass(frozen=True)
class EncoderRecipe:
    """The networks of one pre-training run."""

    name: str = "resnet10t"  # any timm model
    stem: str = (
        "no-pool"  # published: as in timm; no-pool: without the first max-pooling; full: also without its first stride
    )
    image_size: int = 32
    patch_size: int = 0  # of a Vision Transformer, in pixels; 0: as published
    depth: int = 0  # blocks of a Vision Transformer; 0: as published
    head_width: int = 512  # hidden width of the projection head (the paper: 4096)
    head_size: int = 128  # its output (the paper: 256)
    text_width: int = 128  # of the text tower (the paper: 512)
    text_layers: int = 2  # (the paper: 12)
    joint_size: int = 128  # dimensions in which images and captions meet
    text_temperature_start: float = (
        0.07  # of the image-text loss, learned as a scale that starts at 1/0.07 (CLIP and the paper: 0.07)
    )
    text_scale_limit: float = 100.0  # the learned scale stays at or below it (CLIP and the paper: 100)

    def __post_init__(self) -> None:
        if self.stem not in STEMS:
            raise InputError(f"stem is {self.stem!r}; valid stems are {', '.join(STEMS)}.")
        if not 0 < self.text_temperature_start < math.inf:
            raise InputError(f"text_temperature_start is {self.text_temperature_start}; it must be positive.")
        # a scale that starts at its limit would have no gradient, and stay there
        if not 1 / self.text_temperature_start < self.text_scale_limit < math.inf:
            raise InputError(
                f"text_scale_limit is {self.text_scale_limit}; it must be above the scale at the start, "
                f"1/{self.text_temperature_start} = {1 / self.text_temperature_start:.4g}."
            )


def new_backbone(
    name: str, *, stem: str = "published", image_size: int = 32, patch_size: int = 0, depth: int = 0
) -> nn.Module:
    """A timm model without its classifier: float [N, 3, H, W] to float [N, ``head_hidden_size``].

    Images of 32 pixels would shrink to a single place after a stem made for 224; ``stem`` takes its pooling (and stride) away
    from networks that have them. A Vision Transformer takes another ``patch_size`` and ``depth`` than published.

    Raises:
        ValueError: a name that timm does not know, or an option that the network does not have.
    """
    ensure_torchvision_imports()
    import timm

    if not timm.is_model(name):
        near = difflib.get_close_matches(name, timm.list_models(), 3)
        raise InputError(
            f"encoder is {name!r}; timm has no such model" + (f" (near: {', '.join(near)})." if near else ".")
        )
    options = {"img_size": image_size} if timm.models.get_pretrained_cfg(name).fixed_input_size else {}
    options |= {key: value for key, value in (("patch_size", patch_size), ("depth", depth)) if value}
    if patch_size and image_size % patch_size:
        raise InputError(f"patch_size is {patch_size}; it must divide the side of the image, {image_size}.")
    try:
        model = timm.create_model(name, pretrained=False, num_classes=0, **options)
    except TypeError as error:
        raise InputError(f"encoder {name} does not take {' and '.join(options)}: {error}") from error
    if stem != "published":
        if not hasattr(model, "maxpool"):
            raise InputError(f"stem is {stem!r}, but {name} has no pooling in its stem; use 'published'.")
        model.maxpool = nn.Identity()
    if stem == "full":
        first = next(m for m in model.modules() if isinstance(m, nn.Conv2d))
        first.stride = (1, 1)
    return model


def recipe_backbone(recipe: EncoderRecipe) -> nn.Module:
    """:func:`new_backbone` with the options of a recipe."""
    return new_backbone(
        recipe.name, stem=recipe.stem, image_size=recipe.image_size, patch_size=recipe.patch_size, depth=recipe.depth
    )  # fmt: skip


def backbone_width(recipe: EncoderRecipe) -> int:
    """Dimensions of the features, without making the weights."""
    with torch.device("meta"):
        return recipe_backbone(recipe).head_hidden_size


def extract_features(
    backbone: nn.Module, images: Tensor, *, batch_size: int = 512, device: str | None = None
) -> Tensor:
    """Features of a frozen backbone: uint8 [N, 3, H, W] to float32 [N, D] on the CPU, without augmentation, in evaluation mode.

    They are computed on ``device``: the GPU when there is one, where none is named.
    """
    device = device or default_device()
    backbone = backbone.to(device).eval()
    features = []
    with torch.inference_mode():
        for batch in images.split(batch_size):
            views = normalize(batch.to(device).float() / 255)
            features.append(backbone(views.contiguous(memory_format=torch.channels_last)).float().cpu())
    return torch.cat(features)
