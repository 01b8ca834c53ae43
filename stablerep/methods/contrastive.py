"""SimCLR, supervised contrastive learning, StableRep, StableRep+ and CLIP: one network; a method is a choice of ids and of heads."""

from __future__ import annotations

import math
from typing import Self

import torch
from torch import Tensor, nn

from stablerep.distributed import gathered_image_text, gathered_multi_positive
from stablerep.encoders import EncoderRecipe, recipe_backbone
from stablerep.methods.base import Batch, Method, Settings
from stablerep.tokenizer import CONTEXT_LENGTH
from stablerep.torchvision_shim import ensure_torchvision_imports


class Contrastive(Method):
    """Backbone, projection head and, where a method reads captions, the text tower with its scale.

    The loss is :func:`contrastive_loss` of :meth:`project`.

    Args:
        head: whether there is a projection head; without one only captions are compared with.
        head_groups: crops and images of a caption, which :func:`project_by_view` projects apart; (1, 1) projects all views together.
        vocabulary_size, end_token: of the tokenizer; without a vocabulary there is no text tower.
        temperature, image_weight, text_weight: of the losses.
    """

    def __init__(
        self,
        recipe: EncoderRecipe,
        *,
        head: bool = True,
        head_groups: tuple[int, int] = (1, 1),
        vocabulary_size: int = 0,
        end_token: int = 0,
        temperature: float = 0.1,
        image_weight: float = 1.0,
        text_weight: float = 1.0,
    ) -> None:
        super().__init__()
        self.backbone = recipe_backbone(recipe)
        width = self.backbone.head_hidden_size  # not num_features: some networks widen before their classifier
        self.head_groups, self.scale_limit = head_groups, recipe.text_scale_limit
        self.weights = {"temperature": temperature, "image_weight": image_weight, "text_weight": text_weight}
        self.head = projection_head(width, recipe.head_width, recipe.head_size) if head else None
        self.text = text_tower(vocabulary_size, end_token, recipe) if vocabulary_size else None
        if self.text is not None:
            self.image_projection = nn.Linear(width, recipe.joint_size, bias=False)
            self.text_projection = nn.Linear(recipe.text_width, recipe.joint_size, bias=False)
            self.log_scale = nn.Parameter(torch.tensor(math.log(1 / recipe.text_temperature_start)))

    @classmethod
    def new(cls, recipe: EncoderRecipe, settings: Settings) -> Self:
        return cls(
            recipe, head_groups=settings.head_groups, vocabulary_size=settings.vocabulary_size, end_token=settings.end_token,
            temperature=settings.temperature, image_weight=settings.image_weight, text_weight=settings.text_weight,
        )  # fmt: skip

    def features_loss(self, features: Tensor, batch: Batch) -> Tensor:
        return contrastive_loss(self.project(features, batch.tokens), batch.ids, **self.weights)

    def project(self, features: Tensor, tokens: Tensor | None = None) -> dict[str, Tensor]:
        """What the losses see of features and captions, in float32.

        Returns:
            ``head`` [N, head_size] when there is a head; ``image`` [N, joint_size], ``text`` [M, joint_size] and ``scale`` when there are
            captions.
        """
        out = {}
        if self.head is not None:
            crops, images = self.head_groups
            apart = crops * images > 1
            out["head"] = (
                project_by_view(self.head, features, crops=crops, images=images) if apart else self.head(features)
            )
        if self.text is not None and tokens is not None:
            out["image"] = self.image_projection(features)
            out["text"] = self.text_projection(self.text(tokens).pooler_output)
            out["scale"] = self.log_scale.exp().clamp_max(self.scale_limit)
        return {name: part.float() for name, part in out.items()}


class CLIP(Contrastive):
    """Images and their captions alone (Radford et al. 2021): no projection head, no contrast among images."""

    def __init__(self, recipe: EncoderRecipe, **options) -> None:
        super().__init__(recipe, head=False, **options)


def contrastive_loss(
    out: dict[str, Tensor],
    ids: Tensor,
    *,
    temperature: float = 0.1,
    image_weight: float = 1.0,
    text_weight: float = 1.0,
) -> Tensor:
    """The loss of what :meth:`Contrastive.project` gives. ``ids`` int64 [N] name what makes two views positives: image, class or caption.

    StableRep+ adds the image-text loss to StableRep's (Tian et al. 2023, section 3.3; their ``--ssl-w1`` and ``--ssl-w2``, both 1):
    ``image_weight`` * L_img + ``text_weight`` * 1/2 (L_i2t + L_t2i). The half is part of :func:`stablerep.losses.image_text`, not of
    the weight. A caption is one text.
    """
    parts = []
    if "head" in out:
        parts.append(image_weight * gathered_multi_positive(out["head"], ids, temperature=temperature))
    if "text" in out:
        texts = ids.unique(sorted=True)
        parts.append(text_weight * gathered_image_text(out["image"], out["text"], ids, texts, logit_scale=out["scale"]))
    return sum(parts)


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
