"""What BYOL, MoCo-v3 and DINO share: a network with a slow copy of itself, its teacher, which learns by averaging only."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Self

import torch
from torch import Tensor, nn

from stablerep.encoders import EncoderRecipe, recipe_backbone
from stablerep.errors import InputError
from stablerep.methods.base import Method, Settings, ready
from stablerep.torchvision_shim import ensure_torchvision_imports


class MomentumPair(Method):
    """Backbone and projector, each with a teacher: teacher = k * teacher + (1 - k) * student after every step.

    k rises from ``momentum`` to 1 along half a cosine, as in all three papers. Gradients do not reach the teacher.
    """

    def __init__(self, recipe: EncoderRecipe, new_projector: Callable[[], nn.Module], *, momentum: float) -> None:
        super().__init__()
        if not 0 <= momentum <= 1:
            raise InputError(f"momentum is {momentum}; it lies between 0 and 1.")
        self.backbone = recipe_backbone(recipe)
        self.projector, self.momentum = new_projector(), momentum
        self.teacher = nn.Sequential(recipe_backbone(recipe), new_projector()).requires_grad_(False)
        for mine, slow in ((self.backbone, self.teacher[0]), (self.projector, self.teacher[1])):
            slow.load_state_dict(mine.state_dict())

    @classmethod
    def new(cls, recipe: EncoderRecipe, settings: Settings) -> Self:
        return cls(recipe, **({"momentum": settings.teacher_momentum} if settings.teacher_momentum else {}))

    def halves(self, views: Tensor) -> tuple[Tensor, Tensor]:
        """The first and the second view of every image, ready for the encoder: float [2N, 3, H, W] to two of [N, 3, H, W]."""
        first, second = ready(views).chunk(2)
        return first, second

    def student(self, views: Tensor) -> Tensor:
        return self.projector(self.backbone(views))

    @torch.no_grad()
    def taught(self, views: Tensor) -> Tensor:
        """What the teacher says; in training mode, so that its batch normalization sees the batch, as in the authors' codes."""
        return self.teacher(views)

    def after_step(self, progress: float) -> None:
        """Move the teacher. ``progress`` is the share of all steps that are done."""
        ensure_torchvision_imports()
        from lightly.models.utils import update_momentum

        keep = 1 - (1 - self.momentum) * (1 + math.cos(math.pi * progress)) / 2
        update_momentum(self.backbone, self.teacher[0], keep)
        update_momentum(self.projector, self.teacher[1], keep)
