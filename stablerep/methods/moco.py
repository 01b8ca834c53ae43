"""MoCo-v3 (Chen et al. 2021): contrast predictions with the keys of a slow copy of the network."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

from stablerep.distributed import gather, process
from stablerep.encoders import EncoderRecipe, backbone_width
from stablerep.methods.base import Batch
from stablerep.methods.momentum import MomentumPair
from stablerep.torchvision_shim import ensure_torchvision_imports


class MoCoV3(MomentumPair):
    r"""Algorithm 1 of the paper: with queries q of one view and keys k of the other, both of length 1,

    .. math:: L = 2\tau \left[\mathrm{CE}(q_1 k_2^\top / \tau) + \mathrm{CE}(q_2 k_1^\top / \tau)\right],

    the target of a query being the key of its own image. Heads are lightly's, with batch normalization everywhere. The patch
    embedding of a Vision Transformer is not trained (section 4.2, for stability).
    """

    def __init__(self, recipe: EncoderRecipe, *, momentum: float = 0.99, temperature: float = 0.2) -> None:
        ensure_torchvision_imports()
        from lightly.models.modules.heads import MoCoProjectionHead

        wide, hidden, out = backbone_width(recipe), recipe.head_width, recipe.head_size
        super().__init__(
            recipe, lambda: MoCoProjectionHead(wide, hidden, out, num_layers=3, batch_norm=True), momentum=momentum
        )
        if hasattr(self.backbone, "patch_embed"):
            self.backbone.patch_embed.requires_grad_(False)
        self.predictor = MoCoProjectionHead(out, hidden, out, num_layers=2, batch_norm=True)
        self.temperature = temperature

    def loss(self, batch: Batch) -> Tensor:
        first, second = self.halves(batch.views)
        q1, q2 = self.predictor(self.student(first)), self.predictor(self.student(second))
        return self.contrast(q1, self.taught(second)) + self.contrast(q2, self.taught(first))

    def contrast(self, queries: Tensor, keys: Tensor) -> Tensor:
        """One direction: float [N, D] each, row i of both from image i; keys of all processes are candidates."""
        q, k = F.normalize(queries.float(), dim=1), gather(F.normalize(keys.float(), dim=1))
        own = process() * len(q) + torch.arange(len(q), device=q.device)
        return 2 * self.temperature * F.cross_entropy(q @ k.T / self.temperature, own)
