"""Frozen encoders of finished runs, and untrained ones."""

from __future__ import annotations

import torch
from safetensors.torch import load_file

from stablerep.encoders import extract_features
from stablerep.training import load_backbone, load_recipe, pretrain, random_backbone
from stablerep.views import ViewRecipe

from .toys import ENCODER, recipe_of


def test_a_finished_backbone_is_read_back_frozen(data, finished):
    folder, _ = finished("stablerep")
    backbone = load_backbone(folder)
    assert not backbone.training and not any(p.requires_grad for p in backbone.parameters())
    stored = load_file(folder / "encoder.safetensors")
    assert all(torch.equal(v, stored[k]) for k, v in backbone.state_dict().items())
    features = extract_features(backbone, data.images[:8])
    assert features.isfinite().all()
    assert (features - extract_features(random_backbone(ENCODER, 3), data.images[:8])).abs().max() > 1e-3


def test_the_untrained_network_is_the_one_its_run_starts_from(data, tmp_path):
    state = torch.get_rng_state()
    untrained = random_backbone(ENCODER, 3)
    assert torch.equal(state, torch.get_rng_state())
    pretrain(data, recipe_of("simclr", steps=1, learning_rate=0.0), tmp_path, progress="")
    stored = load_file(tmp_path / "encoder.safetensors")
    assert all(torch.equal(p, stored[k]) for k, p in untrained.named_parameters())
    other = dict(random_backbone(ENCODER, 4).named_parameters())
    assert any(not torch.equal(p, other[k]) for k, p in untrained.named_parameters())


def test_the_recipe_of_a_run_is_read_back(data, tmp_path):
    recipe = recipe_of("dino", steps=1, teacher_momentum=0.9, view=ViewRecipe(downsample=0.5, downsample_sizes=(8, 12)))
    pretrain(data, recipe, tmp_path, progress="")
    assert load_recipe(tmp_path) == recipe
