"""Supervised learning, and captions as classes: cross-entropy to a label (SynCLR, Tian et al. 2024, table 5)."""

from __future__ import annotations

from typing import Self

import torch.nn.functional as F
from torch import Tensor, nn

from stablerep.encoders import EncoderRecipe, recipe_backbone
from stablerep.errors import InputError
from stablerep.methods.base import Batch, Method, Settings


class Classifier(Method):
    """A backbone and one linear layer.

    .. math:: L = -\\log \\mathrm{softmax}(W f(x) + b)_{y}

    With y the class of the image this is supervised learning; with y the number of its caption among all captions it is the
    labelling that SynCLR's table 5 puts above it on the same images. No label smoothing, mixing or dropout, unlike the recipes for ImageNet.

    ``batch.ids`` are the labels y, from 0 to ``classes`` - 1.
    """

    def __init__(self, recipe: EncoderRecipe, classes: int) -> None:
        super().__init__()
        if classes < 2:
            raise InputError(f"there are {classes} classes; a classifier needs at least two.")
        self.backbone = recipe_backbone(recipe)
        self.classifier = nn.Linear(self.backbone.head_hidden_size, classes)

    @classmethod
    def new(cls, recipe: EncoderRecipe, settings: Settings) -> Self:
        return cls(recipe, settings.classes)

    def features_loss(self, features: Tensor, batch: Batch) -> Tensor:
        return F.cross_entropy(self.classifier(features).float(), batch.ids)
