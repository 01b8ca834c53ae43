"""MAE (He et al. 2022): hide most patches of an image, encode the rest, and paint what was hidden."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from stablerep.encoders import EncoderRecipe, recipe_backbone
from stablerep.errors import InputError
from stablerep.methods.base import Batch, Method
from stablerep.torchvision_shim import ensure_torchvision_imports
from stablerep.views import normalize


class MAE(Method):
    r"""A Vision Transformer that sees a quarter of the patches, and a small one that paints the others.

    .. math:: L = \frac{1}{|H|} \sum_{p \in H} \| \hat x_p - \bar x_p \|^2 / P,

    over hidden patches H, with each patch normalized to mean 0 and deviation 1 (section 4, "reconstruction target") and P its
    number of values. The encoder is timm's; only patches that are seen pass through it. Which are hidden depends on torch's
    random state alone. Differences from the authors' code: learned instead of fixed positions in both networks, and at this scale two blocks
    of half width in the decoder instead of eight.

    lightly's ``MaskedVisionTransformerTIMM`` would register the backbone a second time, beside a mask token that nobody trains, and its
    ``MAEDecoderTIMM`` has fixed positions and leaves with lightly 1.7.
    """

    def __init__(self, recipe: EncoderRecipe, *, hidden_share: float = 0.75, decoder_blocks: int = 2) -> None:
        super().__init__()
        if not 0 < hidden_share < 1:
            raise InputError(
                f"hidden_share is {hidden_share}; some patches must be hidden and some seen: above 0 and below 1."
            )
        ensure_torchvision_imports()
        from timm.models.vision_transformer import Block, VisionTransformer

        self.backbone = recipe_backbone(recipe)
        if not isinstance(self.backbone, VisionTransformer):
            raise InputError(
                f"encoder is {recipe.name!r}; MAE hides patches and needs a Vision Transformer, such as vit_tiny_patch16_224."
            )
        self.hidden_share = hidden_share
        self.patch = self.backbone.patch_embed.patch_size[0]
        self.patches = self.backbone.patch_embed.num_patches
        wide = self.backbone.embed_dim
        narrow = max(32, wide // 2)
        self.enter = nn.Linear(wide, narrow)
        self.blank = nn.Parameter(torch.zeros(1, 1, narrow))
        self.place = nn.Parameter(0.02 * torch.randn(1, self.patches, narrow))
        self.decoder = nn.Sequential(
            *(Block(narrow, max(1, narrow // 32), qkv_bias=True) for _ in range(decoder_blocks))
        )
        self.paint = nn.Sequential(nn.LayerNorm(narrow), nn.Linear(narrow, 3 * self.patch**2))

    def loss(self, batch: Batch) -> Tensor:
        x = normalize(batch.views)
        # NxP, drawn on the CPU: the same on any device
        order = torch.rand(len(x), self.patches).argsort(1).to(x.device)
        seen, hidden = order.split([self.seen, self.patches - self.seen], dim=1)
        painted = self.reconstruct(self.encode(x, seen), order)[:, self.seen :]
        target = normalized_patches(x, self.patch).gather(1, hidden[..., None].expand(-1, -1, 3 * self.patch**2))
        return (painted.float() - target).square().mean()

    @property
    def seen(self) -> int:
        """Patches that the encoder gets, at least one."""
        return max(1, round(self.patches * (1 - self.hidden_share)))

    def encode(self, x: Tensor, seen: Tensor) -> Tensor:
        """Tokens [N, prefix + K, wide]: those of the prefix, such as the class token, and of the patches ``seen`` int64 [N, K].

        timm lets a module drop patches between the positions and the first block; ours keeps those that are seen.
        """
        vit = self.backbone
        usual, vit.patch_drop = vit.patch_drop, Kept(seen, vit.num_prefix_tokens)
        try:
            return vit.forward_features(x)
        finally:
            vit.patch_drop = usual

    def reconstruct(self, tokens: Tensor, order: Tensor) -> Tensor:
        """Painted patches [N, P, 3 * patch^2] in the order given: the seen ones first.

        The prefix goes through the decoder too, as in the authors' code: the painting teaches the class token, which is what
        probes read.
        """
        n, prefix = len(tokens), self.backbone.num_prefix_tokens
        first, seen = self.enter(tokens).split([prefix, tokens.shape[1] - prefix], dim=1)
        whole = torch.cat([seen, self.blank.expand(n, self.patches - seen.shape[1], -1)], dim=1)
        whole = whole + self.place.expand(n, -1, -1).gather(1, order[..., None].expand(-1, -1, whole.shape[2]))
        return self.paint(self.decoder(torch.cat([first, whole], dim=1))[:, prefix:])


class Kept(nn.Module):
    """Tokens [N, prefix + P, D] to those of the prefix and of the patches ``seen`` int64 [N, K]."""

    def __init__(self, seen: Tensor, prefix: int) -> None:
        super().__init__()
        self.seen, self.prefix = seen, prefix

    def forward(self, tokens: Tensor) -> Tensor:
        first, patches = tokens[:, : self.prefix], tokens[:, self.prefix :]
        return torch.cat([first, patches.gather(1, self.seen[..., None].expand(-1, -1, tokens.shape[2]))], dim=1)


def normalized_patches(x: Tensor, patch: int) -> Tensor:
    """Patches of float [N, 3, H, W] as [N, P, 3 * patch^2], row by row, each with mean 0 and deviation 1."""
    n, c, h, w = x.shape
    cut = (
        x.reshape(n, c, h // patch, patch, w // patch, patch)
        .permute(0, 2, 4, 3, 5, 1)
        .reshape(n, -1, patch * patch * c)
    )
    return (cut - cut.mean(-1, keepdim=True)) / (cut.var(-1, keepdim=True) + 1e-6).sqrt()
