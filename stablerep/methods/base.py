"""What a learning method is to the training loop: a loss of a batch, and two hooks around the optimizer's step."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Self

import torch
from torch import Tensor, nn

from stablerep.encoders import EncoderRecipe
from stablerep.views import normalize


@dataclass(frozen=True)
class Batch:
    """What one process sees in one step.

    Attributes:
        views: float [N, 3, H, W] in 0..1; all first crops before all second ones, within each the images of a caption side by side.
        ids: int64 [N]; see :class:`stablerep.methods.Traits`.
        tokens: int64 [M, L], one row for each caption in the order of the sorted ids; None for methods that do not read.
    """

    views: Tensor
    ids: Tensor
    tokens: Tensor | None = None


@dataclass(frozen=True)
class Settings:
    """What a recipe and a set of images say to a method beside its networks; each takes what it needs.

    Attributes:
        temperature, image_weight, text_weight, head_groups, teacher_momentum: as in :class:`stablerep.training.PretrainingRecipe`.
        classes: how many there are, for methods that predict them.
        vocabulary_size, end_token: of the tokenizer, for methods that read captions; 0 and 0 for the others.
    """

    temperature: float = 0.1
    image_weight: float = 1.0
    text_weight: float = 1.0
    head_groups: tuple[int, int] = (1, 1)
    teacher_momentum: float = 0.0
    classes: int = 0
    vocabulary_size: int = 0
    end_token: int = 0


class Method(nn.Module):
    """Base of all methods. A new one states ``loss``, or ``features_loss`` if it is a loss of the encoder's features alone.

    ``backbone``, float [N, 3, H, W] to float [N, D], is what a pre-training leaves to the study; a submodule named ``teacher`` is not kept.
    """

    backbone: nn.Module

    @classmethod
    def new(cls, recipe: EncoderRecipe, settings: Settings) -> Self:
        """The method as the training loop makes it, untrained. Random numbers are torch's."""
        return cls(recipe)

    def forward(self, batch: Batch) -> Tensor:
        """:meth:`loss`, by the name under which several processes call it."""
        return self.loss(batch)

    def loss(self, batch: Batch) -> Tensor:
        """A scalar: the mean over this process's part of the step."""
        return self.features_loss(self.backbone(ready(batch.views)), batch)

    def features_loss(self, features: Tensor, batch: Batch) -> Tensor:
        """:meth:`loss` from the features float [N, D] of ``batch.views``: the seam where gradients are cached."""
        raise NotImplementedError(f"{type(self).__name__} has no loss of its features alone.")

    def before_step(self, progress: float) -> None:
        """Called between backward and the optimizer's step; ``progress`` is the share of all steps that are done."""

    def after_step(self, progress: float) -> None:
        """Called after the optimizer's step, which counts as done."""


def ready(views: Tensor) -> Tensor:
    """Views in 0..1 as an encoder takes them."""
    return normalize(views).contiguous(memory_format=torch.channels_last)
