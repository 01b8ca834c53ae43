"""Recipes: what can be run, what cannot, and what a method is told."""

from __future__ import annotations

import json
from dataclasses import asdict, fields, replace

import pytest

from stablerep.encoders import EncoderRecipe
from stablerep.methods import method_class, methods_with
from stablerep.training import PretrainingRecipe
from stablerep.views import ViewRecipe

from .toys import ENCODER, recipe_of


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"method": "simclr2"}, "method is 'simclr2'; valid methods are simclr, .*stablerep[+], .*dino"),
        ({"chunk": -1}, "chunk is -1"),
        ({"method": "mae", "chunk": 4}, "chunk is 4; gradient caching serves simclr"),
        ({"images_per_caption": 1}, "images_per_caption is 1; stablerep needs at least 2"),
        ({"method": "stablerep+", "images_per_caption": 0}, "images_per_caption is 0; stablerep[+] needs"),
        ({"steps": 0}, "steps is 0"),
        ({"temperature": 0.0}, "temperature is 0.0; it must be positive"),
        ({"learning_rate": float("nan")}, "learning_rate is nan"),
        (
            {"encoder": EncoderRecipe(image_size=64)},
            "views have 32 pixels a side, the encoder is made for 64; they must agree",
        ),
        ({"views_per_step": 2}, "views_per_step 2"),
        ({"views_per_step": 18}, "views_per_step is 18; it must be a multiple of 4"),
        ({"method": "simclr", "views_per_step": 17}, "views_per_step is 17; it must be a multiple of 2"),
    ],
)
def test_a_recipe_that_cannot_be_run_is_refused(change, message):
    with pytest.raises(ValueError, match=message):
        PretrainingRecipe(**change)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"crops_per_image": -1}, "crops_per_image is -1; it serves simclr, .*supcon"),
        ({"method": "mae", "crops_per_image": 2}, "crops_per_image is 2; it serves simclr, .*supcon"),
        ({"method": "byol", "crops_per_image": 2}, "crops_per_image is 2; it serves simclr, .*supcon"),
        ({"method": "simclr", "crops_per_image": 1}, "crops_per_image is 1; simclr needs at least 2 views of an image"),
        (
            {"images_per_caption": 1, "crops_per_image": 1},
            "images_per_caption is 1; stablerep needs at least 2 positives",
        ),
        ({"images_per_caption": 0, "crops_per_image": 2}, "images_per_caption is 0; stablerep needs"),
        ({"views_per_step": 20, "crops_per_image": 2}, "views_per_step is 20; it must be a multiple of 8"),
        ({"head_statistics": "separate"}, "head_statistics is 'separate'; valid values are joint, per-view"),
        (
            {"method": "clip", "head_statistics": "per-view"},
            "head_statistics is 'per-view'; clip has no projection head",
        ),
        (
            {"method": "dino", "head_statistics": "per-view"},
            "head_statistics is 'per-view'; dino has no projection head",
        ),
        (
            {"head_statistics": "per-view", "views_per_step": 4},
            "views_per_step is 4 with 4 views of a caption: stablerep would see one caption",
        ),
        ({"method": "stablerep+", "text_weight": -1.0}, "text_weight -1.0; they are 0 or more"),
        ({"method": "stablerep+", "image_weight": float("nan")}, "image_weight is nan"),
        (
            {"method": "stablerep+", "image_weight": 0.0, "text_weight": 0.0},
            "image_weight is 0.0, text_weight 0.0; .* not both 0",
        ),
        ({"method": "clip", "text_weight": 2.0}, "they weigh the two losses of stablerep[+], and clip has one"),
        ({"method": "simclr", "image_weight": 2.0}, "they weigh the two losses of stablerep[+], and simclr has one"),
    ],
)
def test_options_that_cannot_be_run_are_refused(change, message):
    with pytest.raises(ValueError, match=message):
        PretrainingRecipe(**change)


@pytest.mark.parametrize("method", methods_with("contrastive"))
def test_one_caption_in_a_step_has_nothing_to_be_told_from(method):
    """One sentence, with the number of views that would do."""
    crops = {} if recipe_of(method).traits.several else {"crops_per_image": 4}  # four views of a caption either way
    with pytest.raises(
        ValueError,
        match=f"views_per_step is 4 with 4 views of a caption: {method.replace('+', '[+]')} would see one .* 8 views are",
    ):
        recipe_of(method, views_per_step=4, **crops)
    assert recipe_of(method, views_per_step=8, **crops).captions_per_step == 2


def test_methods_that_contrast_nothing_may_see_one_image():
    assert PretrainingRecipe(method="mae", views_per_step=4).captions_per_step == 4


@pytest.mark.parametrize("method", methods_with("teacher"))
def test_a_teacher_follows_as_fast_as_it_is_asked_to(method):
    def momentum(recipe):
        return method_class(method).new(recipe.encoder, recipe.settings()).momentum

    assert momentum(recipe_of(method, teacher_momentum=0.8)) == 0.8
    assert momentum(recipe_of(method)) == method_class(method).__init__.__kwdefaults__["momentum"]


@pytest.mark.parametrize(("method", "value"), [("byol", 1.0), ("byol", -0.1), ("simclr", 0.9)])
def test_a_momentum_that_cannot_be_is_refused(method, value):
    with pytest.raises(ValueError, match=f"teacher_momentum is {value}; it serves byol, moco-v3, dino"):
        recipe_of(method, teacher_momentum=value)


CHANGES = {
    "method": "stablerep", "steps": 5, "views_per_step": 32, "images_per_caption": 2, "crops_per_image": 2, "temperature": 0.2,
    "image_weight": 0.5, "text_weight": 2.0, "head_statistics": "per-view", "learning_rate": 1e-3, "weight_decay": 0.0,
    "betas": (0.9, 0.99), "warmup": 0.1, "chunk": 4, "seed": 7, "encoder": replace(ENCODER, depth=1), "view": ViewRecipe(flip=0.0),
}  # fmt: skip


def test_every_field_is_part_of_what_names_a_run():
    """Nothing that changes a run is left out of its record, and records survive JSON."""
    recipe = recipe_of("stablerep+")
    assert set(CHANGES) == {f.name for f in fields(recipe)} - {"teacher_momentum"}
    records = [json.dumps(asdict(replace(recipe, **{name: value}))) for name, value in CHANGES.items()]
    assert len({json.dumps(asdict(recipe)), *records}) == len(CHANGES) + 1
    assert json.dumps(asdict(recipe_of("byol"))) != json.dumps(asdict(recipe_of("byol", teacher_momentum=0.5)))


def test_a_method_is_told_what_the_recipe_says():
    recipe = recipe_of("stablerep+", temperature=0.3, image_weight=0.5, text_weight=2.0, head_statistics="per-view")
    settings = recipe.settings(vocabulary_size=300, end_token=299)
    assert (settings.temperature, settings.image_weight, settings.text_weight) == (0.3, 0.5, 2.0)
    assert (settings.head_groups, settings.vocabulary_size, settings.end_token, settings.classes) == (
        (1, 4),
        300,
        299,
        0,
    )
    assert recipe_of("dino", teacher_momentum=0.9).settings().teacher_momentum == 0.9
