"""Pre-training: one loop for every method."""

from stablerep.training.backbones import load_backbone, load_recipe, random_backbone
from stablerep.training.loop import pretrain
from stablerep.training.recipe import PretrainingRecipe

__all__ = ["PretrainingRecipe", "load_backbone", "load_recipe", "pretrain", "random_backbone"]
