"""DINO (Caron et al. 2021): match the sharpened, centred class scores that a slow copy of the network gives another view."""

from __future__ import annotations

import warnings

from torch import Tensor

from stablerep.encoders import EncoderRecipe, backbone_width
from stablerep.methods.base import Batch
from stablerep.methods.momentum import MomentumPair
from stablerep.torchvision_shim import ensure_torchvision_imports


class DINO(MomentumPair):
    r"""Equation 3 of the paper with two global views: cross-entropy of the student's softmax to the teacher's,

    .. math:: L = -\tfrac12 \sum_{i \ne j} P'(x_i) \log P(x_j), \quad P = \mathrm{softmax}(g(x) / \tau), \;
              P' = \mathrm{softmax}((g'(x) - c) / \tau')

    with tau = 0.1, tau' = 0.04 and the centre c an average over batches. Head and loss are lightly's. The authors' small local
    crops are left out: of 32 pixels they would keep a handful. ``prototypes`` is 65,536 in the paper. The last layer is not trained
    during the first ``frozen`` share of the steps (the paper: one epoch of 100).
    """

    def __init__(
        self, recipe: EncoderRecipe, *, momentum: float = 0.996, prototypes: int = 1024, frozen: float = 0.01
    ) -> None:
        ensure_torchvision_imports()
        from lightly.loss import DINOLoss
        from lightly.models.modules.heads import DINOProjectionHead

        wide, hidden, out = backbone_width(recipe), recipe.head_width, recipe.head_size
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", FutureWarning)  # lightly's head uses torch's older weight normalization
            super().__init__(
                recipe, lambda: DINOProjectionHead(wide, hidden, out, prototypes, freeze_last_layer=1), momentum=momentum
            )  # fmt: skip
        self.match, self.frozen = DINOLoss(prototypes, warmup_teacher_temp_epochs=1), frozen

    def loss(self, batch: Batch) -> Tensor:
        parts = self.halves(batch.views)
        return self.match([self.taught(v) for v in parts], [self.student(v) for v in parts])

    def before_step(self, progress: float) -> None:
        self.projector.cancel_last_layer_gradients(0 if progress < self.frozen else 1)
