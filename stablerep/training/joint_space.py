"""The space that a method which reads captions shares between images and texts, of a finished run."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import torch
from torch import Tensor, nn

from stablerep.errors import InputError
from stablerep.methods import method_class
from stablerep.tokenizer import tokenize
from stablerep.torchvision_shim import ensure_torchvision_imports
from stablerep.training.backbones import load_recipe


class JointSpace(nn.Module):
    """Features of images and captions as vectors whose cosine says how well they fit (Radford et al. 2021, section 2.3).

    Attributes:
        backbone: the run's encoder, float [N, 3, H, W] to float [N, D].
    """

    def __init__(self, network: nn.Module, tokenizer) -> None:
        super().__init__()
        self.backbone, self._network, self._tokenizer = network.backbone, network, tokenizer

    @torch.no_grad()
    def images(self, features: Tensor) -> Tensor:
        """Features float [N, D] of images to float [N, joint size]."""
        return self._network.image_projection(features.to(self._network.log_scale.device)).float()

    @torch.no_grad()
    def texts(self, captions: Sequence[str]) -> Tensor:
        """Captions to float [len(captions), joint size]."""
        tokens = tokenize(self._tokenizer, captions, padding="longest").to(self._network.log_scale.device)
        return self._network.text_projection(self._network.text(tokens).pooler_output).float()


def load_joint_space(folder: Path) -> JointSpace:
    """Of the folder of a finished run. Raises ``InputError`` for a method that reads no captions."""
    ensure_torchvision_imports()
    from safetensors.torch import load_file
    from transformers import CLIPTokenizer

    folder = Path(folder)
    recipe = load_recipe(folder)
    if not recipe.traits.reads_captions:
        raise InputError(
            f"{folder.name} was trained by {recipe.method}, which reads no captions; clip and stablerep+ do."
        )
    tokenizer = CLIPTokenizer.from_pretrained(folder / "tokenizer")
    settings = recipe.settings(classes=0, vocabulary_size=len(tokenizer), end_token=tokenizer.eos_token_id)
    network = method_class(recipe.method).new(recipe.encoder, settings)
    encoder = {f"backbone.{name}": weights for name, weights in load_file(folder / "encoder.safetensors").items()}
    network.load_state_dict(encoder | load_file(folder / "heads.safetensors"))
    network = network.to(memory_format=torch.channels_last).eval().requires_grad_(False)
    return JointSpace(network, tokenizer)
