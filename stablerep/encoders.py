"""Encoders from timm, projection heads, the text tower, and the features that a frozen encoder gives."""

from __future__ import annotations

import difflib
import math
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from stablerep.errors import InputError
from stablerep.tokenizer import CONTEXT_LENGTH
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


def projection_head(width_in: int, hidden: int, out: int) -> nn.Sequential:
    """Three linear layers with batch normalization and ReLU after the first two (Tian et al. 2023, appendix)."""
    return nn.Sequential(
        nn.Linear(width_in, hidden, bias=False), nn.BatchNorm1d(hidden), nn.ReLU(inplace=True),
        nn.Linear(hidden, hidden, bias=False), nn.BatchNorm1d(hidden), nn.ReLU(inplace=True),
        nn.Linear(hidden, out),
    )  # fmt: skip


def project_by_view(head: nn.Module, features: Tensor, *, crops: int, images: int) -> Tensor:
    """The head applied apart to each view of the captions: its batch normalization sees one crop of one image of every caption at a time.

    SimCLR-like codes do so, and the authors of StableRep (``models/StableRep.py``: "do separate BN").

    Args:
        features: float [N, D], all first crops before all second ones, within each the ``images`` of a caption side by side.
        crops: views of each image. images: images of each caption.

    Returns:
        float [N, head_size] in the order of ``features``.
    """
    groups = features.unflatten(0, (crops, -1, images))  # crops x captions x images x D
    projected = [head(groups[crop, :, image]) for crop in range(crops) for image in range(images)]
    return torch.stack(projected).unflatten(0, (crops, images)).transpose(1, 2).flatten(0, 2)


def text_tower(vocabulary_size: int, end_token: int, recipe: EncoderRecipe) -> nn.Module:
    """CLIP's causal Transformer; ``pooler_output`` is the state at the end mark."""
    ensure_torchvision_imports()
    from transformers import CLIPTextConfig, CLIPTextModel

    return CLIPTextModel(
        CLIPTextConfig(
            vocab_size=vocabulary_size, hidden_size=recipe.text_width, intermediate_size=4 * recipe.text_width,
            num_hidden_layers=recipe.text_layers, num_attention_heads=max(1, recipe.text_width // 64),
            max_position_embeddings=CONTEXT_LENGTH, projection_dim=recipe.joint_size,
            bos_token_id=end_token - 1, eos_token_id=end_token, pad_token_id=end_token,
        )
    )  # fmt: skip


class Learner(nn.Module):
    """Backbone, projection head and, where a method reads captions, the text tower with its scale.

    ``forward(views, tokens)`` returns a dictionary: ``head`` float [N, head_size] when there is a head; ``image`` [N, joint_size],
    ``text`` [M, joint_size] and ``scale`` when there are captions. ``head_groups``, crops and images of a caption, are projected apart
    by :func:`project_by_view`; (1, 1) projects all views together.
    """

    def __init__(
        self,
        recipe: EncoderRecipe,
        *,
        head: bool,
        head_groups: tuple[int, int] = (1, 1),
        vocabulary_size: int = 0,
        end_token: int = 0,
    ) -> None:
        super().__init__()
        self.backbone = recipe_backbone(recipe)
        width = self.backbone.head_hidden_size  # not num_features: some networks widen before their classifier
        self.head_groups, self.scale_limit = head_groups, recipe.text_scale_limit
        self.head = projection_head(width, recipe.head_width, recipe.head_size) if head else None
        self.text = text_tower(vocabulary_size, end_token, recipe) if vocabulary_size else None
        if self.text is not None:
            self.image_projection = nn.Linear(width, recipe.joint_size, bias=False)
            self.text_projection = nn.Linear(recipe.text_width, recipe.joint_size, bias=False)
            self.log_scale = nn.Parameter(torch.tensor(math.log(1 / recipe.text_temperature_start)))

    def forward(self, views: Tensor, tokens: Tensor | None = None) -> dict[str, Tensor]:
        return self.project(self.encode(views), tokens)

    def encode(self, views: Tensor) -> Tensor:
        """Features float [N, D] of views float [N, 3, H, W] in 0..1."""
        return self.backbone(normalize(views).contiguous(memory_format=torch.channels_last))

    def project(self, features: Tensor, tokens: Tensor | None = None) -> dict[str, Tensor]:
        """What the losses see of features and captions."""
        out = {}
        if self.head is not None:
            crops, images = self.head_groups
            out["head"] = (
                project_by_view(self.head, features, crops=crops, images=images)
                if crops * images > 1
                else self.head(features)
            )
        if self.text is not None and tokens is not None:
            out["image"] = self.image_projection(features)
            out["text"] = self.text_projection(self.text(tokens).pooler_output)
            out["scale"] = self.log_scale.exp().clamp_max(self.scale_limit)
        return out


def extract_features(backbone: nn.Module, images: Tensor, *, batch_size: int = 512, device: str = "cpu") -> Tensor:
    """Features of a frozen backbone: uint8 [N, 3, H, W] to float32 [N, D], without augmentation, in evaluation mode."""
    backbone = backbone.to(device).eval()
    features = []
    with torch.inference_mode():
        for batch in images.split(batch_size):
            views = normalize(batch.to(device).float() / 255)
            features.append(backbone(views.contiguous(memory_format=torch.channels_last)).float().cpu())
    return torch.cat(features)
