"""BYOL (Grill et al. 2020): predict what a slow copy of the network says of another view. There are no negatives."""

from __future__ import annotations

from torch import Tensor

from stablerep.encoders import EncoderRecipe, backbone_width
from stablerep.methods.base import Batch
from stablerep.methods.momentum import MomentumPair
from stablerep.torchvision_shim import ensure_torchvision_imports


class BYOL(MomentumPair):
    r"""Equation 2 of the paper for both orders of the views, halved: the negative cosine instead of the squared distance 2 - 2 cos.

    .. math:: L = -\tfrac12 \left[\cos(q(z_1), z'_2) + \cos(q(z_2), z'_1)\right], \quad z = g(f(x)), \; z' \text{ of the teacher}

    Heads, loss and the teacher's average are lightly's. Differences from the authors' code: AdamW instead of LARS, hidden layers
    of ``recipe.head_width`` instead of 4096.
    """

    def __init__(self, recipe: EncoderRecipe, *, momentum: float = 0.99) -> None:
        ensure_torchvision_imports()
        from lightly.loss import NegativeCosineSimilarity
        from lightly.models.modules.heads import BYOLPredictionHead, BYOLProjectionHead

        wide, hidden, out = backbone_width(recipe), recipe.head_width, recipe.head_size
        super().__init__(recipe, lambda: BYOLProjectionHead(wide, hidden, out), momentum=momentum)
        self.predictor = BYOLPredictionHead(out, hidden, out)
        self.distance = NegativeCosineSimilarity()

    def loss(self, batch: Batch) -> Tensor:
        first, second = self.halves(batch.views)
        q1, q2 = self.predictor(self.student(first)), self.predictor(self.student(second))
        z1, z2 = self.taught(first), self.taught(second)
        return (self.distance(q1, z2) + self.distance(q2, z1)) / 2
