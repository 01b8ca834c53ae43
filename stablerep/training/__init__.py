"""Pre-training: one loop for every method."""

from stablerep.methods import METHODS
from stablerep.training.backbones import load_backbone, load_recipe, random_backbone
from stablerep.training.loop import method_loss, new_method, pretrain
from stablerep.training.recipe import CONTRASTIVE, MOMENTUM, PretrainingRecipe

__all__ = [
    "CONTRASTIVE", "METHODS", "MOMENTUM", "PretrainingRecipe", "load_backbone", "load_recipe", "method_loss", "new_method", "pretrain",
    "random_backbone",
]  # fmt: skip
