"""Frozen encoders: of a finished run, or untrained."""

from __future__ import annotations

import json
from pathlib import Path

import torch
from torch import nn

from stablerep.encoders import EncoderRecipe, recipe_backbone
from stablerep.seeding import seed_for
from stablerep.training.recipe import PretrainingRecipe
from stablerep.views import ViewRecipe


def load_backbone(folder: Path) -> nn.Module:
    """The pre-trained backbone of a finished run, frozen, in evaluation mode."""
    from safetensors.torch import load_file

    folder = Path(folder)
    backbone = recipe_backbone(load_recipe(folder).encoder)
    backbone.load_state_dict(load_file(folder / "encoder.safetensors"))
    return backbone.to(memory_format=torch.channels_last).eval().requires_grad_(False)


def load_recipe(folder: Path) -> PretrainingRecipe:
    """The recipe of a finished run."""
    found = json.loads((Path(folder) / "recipe.json").read_text())
    view = {name: tuple(value) if isinstance(value, list) else value for name, value in found["view"].items()}
    whole = found | {
        "encoder": EncoderRecipe(**found["encoder"]),
        "view": ViewRecipe(**view),
        "betas": tuple(found["betas"]),
    }
    return PretrainingRecipe(**whole)


def random_backbone(recipe: EncoderRecipe, seed: int) -> nn.Module:
    """The same network untrained: the row every comparison is read against."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed_for(seed, "weights") % 2**31)
        backbone = recipe_backbone(recipe)
    return backbone.to(memory_format=torch.channels_last).eval().requires_grad_(False)
