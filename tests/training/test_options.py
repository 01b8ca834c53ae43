"""The authors' options of a pre-training: each does what it says, and its neutral value does nothing."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from stablerep.methods import METHODS, contrastive, methods_with
from stablerep.methods.contrastive import contrastive_loss
from stablerep.training import pretrain, view_batches
from stablerep.views import ViewRecipe, make_views

from .toys import ENCODER, SMALL_VIT, Cut, assert_same_run, classes_of, cut_before, losses, recipe_of

OPTIONS = {
    "head_statistics": "per-view", "images_per_caption": 2, "crops_per_image": 2, "image_weight": 0.5, "text_weight": 2.0,
    "encoder": replace(SMALL_VIT, text_temperature_start=0.2, text_scale_limit=20.0), "view": ViewRecipe(downsample=0.5),
}  # fmt: skip


def trained(data, folder, recipe, **options) -> Path:
    pretrain(data, recipe, folder, classes=classes_of(recipe.method), progress="", **options)
    return folder


@pytest.mark.parametrize("method", methods_with("contrastive"))
def test_options_at_their_neutral_value_take_the_same_steps(method, data, finished, tmp_path):
    neutral = recipe_of(
        method, head_statistics="joint", crops_per_image=METHODS[method].traits.views, image_weight=1, text_weight=1,
        encoder=replace(ENCODER, text_temperature_start=0.07, text_scale_limit=100), view=ViewRecipe(downsample=0.0, downsample_sizes=(4, 9)),
    )  # fmt: skip
    assert_same_run(trained(data, tmp_path, neutral), finished(method)[0])


@pytest.mark.parametrize(
    ("method", "change"),
    [
        ("simclr", {"head_statistics": "per-view"}),
        ("stablerep", {"head_statistics": "per-view"}),
        ("supcon", {"crops_per_image": 4}),
        ("clip", {"crops_per_image": 2}),
        ("clip", {"encoder": replace(ENCODER, text_temperature_start=0.2)}),
        ("stablerep+", {"image_weight": 0.5}),
        ("stablerep+", {"text_weight": 0.5}),
        ("stablerep", {"view": ViewRecipe(downsample=0.5)}),
    ],
)
def test_every_option_changes_the_run(method, change, data, finished, tmp_path):
    changed = losses(trained(data, tmp_path, recipe_of(method, **change)))
    assert np.isfinite(changed).all() and not np.array_equal(changed, losses(finished(method)[0]))


def test_two_crops_of_one_image_of_a_caption_are_simclr(data, finished, tmp_path):
    """Ids name captions here and images there, with one image of each caption."""
    folder = trained(data, tmp_path, recipe_of("stablerep", images_per_caption=1, crops_per_image=2))
    np.testing.assert_allclose(losses(folder), losses(finished("simclr")[0]), rtol=1e-6)


def test_the_recipe_reaches_the_loss_the_views_and_the_scale(data, tmp_path, monkeypatch):
    seen, drawn = [], []

    def spy(out, ids, **weights):
        seen.append((out, ids, weights))
        return contrastive_loss(out, ids, **weights)

    def draw(images, recipe, rng):
        drawn.append(recipe)
        return make_views(images, recipe, rng)

    monkeypatch.setattr(contrastive, "contrastive_loss", spy)
    monkeypatch.setattr(view_batches, "make_views", draw)
    recipe = recipe_of("stablerep+", steps=1, temperature=0.3, **OPTIONS)
    folder = trained(data, tmp_path, recipe)
    ((out, ids, weights),) = seen
    assert weights == {"temperature": 0.3, "image_weight": 0.5, "text_weight": 2.0}
    assert out["scale"].item() == pytest.approx(5, rel=1e-5) and drawn == [OPTIONS["view"]]
    assert (len(out["head"]), len(out["image"]), len(out["text"])) == (16, 16, 4)
    parts = [
        contrastive_loss({k: out[k] for k in keys}, ids, temperature=0.3).item()
        for keys in (("head",), ("image", "text", "scale"))
    ]
    assert losses(folder)[0] == pytest.approx(0.5 * parts[0] + 2 * parts[1], rel=1e-5)


@pytest.mark.parametrize("method", ["simclr", "stablerep+"])
def test_gradient_caching_takes_the_same_steps_with_options(method, data, tmp_path):
    options = OPTIONS if method == "stablerep+" else {"head_statistics": "per-view", "encoder": SMALL_VIT}
    runs = [
        trained(data, tmp_path / str(chunk), recipe_of(method, steps=3, chunk=chunk, **options)) for chunk in (0, 5)
    ]
    np.testing.assert_allclose(losses(runs[1]), losses(runs[0]), atol=2e-4)


def test_a_run_with_options_that_was_cut_ends_as_one_that_was_not(data, tmp_path, monkeypatch):
    recipe = recipe_of("stablerep+", steps=4, **OPTIONS)
    whole = trained(data, tmp_path / "whole", recipe)
    with monkeypatch.context() as patch, pytest.raises(Cut):
        cut_before(patch, 3)
        trained(data, tmp_path / "cut", recipe, checkpoint_every=2)
    assert (tmp_path / "cut" / "checkpoint.pt").exists()
    assert_same_run(trained(data, tmp_path / "cut", recipe, checkpoint_every=2), whole)
