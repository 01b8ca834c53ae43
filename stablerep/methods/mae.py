"""MAE (He et al. 2022): hide most patches of an image, encode the rest, and paint what was hidden."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from stablerep.encoders import EncoderRecipe, recipe_backbone
from stablerep.errors import InputError
from stablerep.torchvision_shim import ensure_torchvision_imports
from stablerep.views import normalize


class MAE(nn.Module):
    r"""A Vision Transformer that sees a quarter of the patches, and a small one that paints the others.

    .. math:: L = \frac{1}{|H|} \sum_{p \in H} \| \hat x_p - \bar x_p \|^2 / P,

    over hidden patches H, with each patch normalized to mean 0 and deviation 1 (section 4, "reconstruction target") and P its
    number of values. The encoder is timm's; only patches that are seen pass through it. Which are hidden depends on torch's
    random state alone. Differences from the authors' code: learned instead of fixed positions in both networks, and at this scale two blocks
    of half width in the decoder instead of eight.

    ``forward(views)``: float [N, 3, H, W] in 0..1 to a scalar.
    """

    def __init__(self, recipe: EncoderRecipe, *, hidden_share: float = 0.75, decoder_blocks: int = 2) -> None:
        super().__init__()
        if not 0 < hidden_share < 1:
            raise InputError(
                f"hidden_share is {hidden_share}; some patches must be hidden and some seen: above 0 and below 1."
            )
        self.backbone = recipe_backbone(recipe)
        if not hasattr(self.backbone, "patch_embed") or not hasattr(self.backbone, "pos_embed"):
            raise InputError(
                f"encoder is {recipe.name!r}; MAE hides patches and needs a Vision Transformer, such as vit_tiny_patch16_224."
            )
        ensure_torchvision_imports()
        from timm.models.vision_transformer import Block

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

    def forward(self, views: Tensor) -> Tensor:
        x = normalize(views)
        order = (
            torch.rand(len(x), self.patches).argsort(1).to(x.device)
        )  # NxP, drawn on the CPU: the same on any device
        seen, hidden = order.split([self.seen, self.patches - self.seen], dim=1)
        painted = self.reconstruct(self.encode(x, seen), order)[:, self.seen :]
        target = normalized_patches(x, self.patch).gather(1, hidden[..., None].expand(-1, -1, 3 * self.patch**2))
        return (painted.float() - target).square().mean()

    @property
    def seen(self) -> int:
        """Patches that the encoder gets, at least one."""
        return max(1, round(self.patches * (1 - self.hidden_share)))

    def encode(self, x: Tensor, seen: Tensor) -> Tensor:
        """Tokens [N, K, wide] of the patches ``seen`` int64 [N, K]; prefix tokens take part and are dropped."""
        vit = self.backbone
        tokens, prefix = vit.patch_embed(x).flatten(1, -2), vit.num_prefix_tokens  # some networks keep the grid
        tokens = tokens + vit.pos_embed[:, prefix if vit.pos_embed.shape[1] > self.patches else 0 :]
        tokens = tokens.gather(1, seen[..., None].expand(-1, -1, tokens.shape[2]))
        if vit.cls_token is not None:
            own = vit.cls_token + vit.pos_embed[:, :1] if vit.pos_embed.shape[1] > self.patches else vit.cls_token
            tokens = torch.cat([own.expand(len(x), -1, -1), tokens], dim=1)
        return vit.norm(vit.blocks(vit.norm_pre(tokens)))[:, -seen.shape[1] :]

    def reconstruct(self, tokens: Tensor, order: Tensor) -> Tensor:
        """Painted patches [N, P, 3 * patch^2] in the order given: the seen ones first."""
        n = len(tokens)
        whole = torch.cat([self.enter(tokens), self.blank.expand(n, self.patches - tokens.shape[1], -1)], dim=1)
        whole = whole + self.place.expand(n, -1, -1).gather(1, order[..., None].expand(-1, -1, whole.shape[2]))
        return self.paint(self.decoder(whole))


def normalized_patches(x: Tensor, patch: int) -> Tensor:
    """Patches of float [N, 3, H, W] as [N, P, 3 * patch^2], row by row, each with mean 0 and deviation 1."""
    n, c, h, w = x.shape
    cut = (
        x.reshape(n, c, h // patch, patch, w // patch, patch)
        .permute(0, 2, 4, 3, 5, 1)
        .reshape(n, -1, patch * patch * c)
    )
    return (cut - cut.mean(-1, keepdim=True)) / (cut.var(-1, keepdim=True) + 1e-6).sqrt()
