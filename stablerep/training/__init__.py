"""Pre-training: one loop for every method."""

from stablerep.methods import METHODS
from stablerep.training.backbones import load_backbone, random_backbone
from stablerep.training.loop import method_loss, new_method, pretrain
from stablerep.training.recipe import CONTRASTIVE, PretrainingRecipe

__all__ = ["CONTRASTIVE", "METHODS", "PretrainingRecipe", "load_backbone", "method_loss", "new_method", "pretrain", "random_backbone"]
