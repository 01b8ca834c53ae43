"""Supervised learning, and captions as classes: cross-entropy to a label (SynCLR, Tian et al. 2024, table 5)."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from stablerep.encoders import EncoderRecipe, recipe_backbone
from stablerep.errors import InputError
from stablerep.views import normalize


class Classifier(nn.Module):
    """A backbone and one linear layer.

    .. math:: L = -\\log \\mathrm{softmax}(W f(x) + b)_{y}

    With y the class of the image this is supervised learning; with y the number of its caption among all captions it is the
    labelling that SynCLR's table 5 puts above it on the same images. No label smoothing, mixing or dropout, unlike the recipes for ImageNet.

    ``forward(views, labels)``: float [N, 3, H, W] in 0..1 and int64 [N] to a scalar.
    """

    def __init__(self, recipe: EncoderRecipe, classes: int) -> None:
        super().__init__()
        if classes < 2:
            raise InputError(f"there are {classes} classes; a classifier needs at least two.")
        self.backbone = recipe_backbone(recipe)
        self.classifier = nn.Linear(self.backbone.head_hidden_size, classes)

    def forward(self, views: Tensor, labels: Tensor) -> Tensor:
        features = self.backbone(normalize(views).contiguous(memory_format=torch.channels_last))
        return F.cross_entropy(self.classifier(features).float(), labels)
