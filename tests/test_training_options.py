"""The authors' options of a pre-training: each does what it says, its neutral value does nothing, and stored runs keep their names."""

from __future__ import annotations

import itertools
import json
from dataclasses import asdict, fields, replace
from pathlib import Path

import numpy as np
import pytest
import torch

from stablerep.captioned_images import CaptionedImages
from stablerep.encoders import EncoderRecipe
from stablerep.methods import METHODS
from stablerep.training import (
    CONTRASTIVE,
    MOMENTUM,
    PretrainingRecipe,
    load_backbone,
    load_recipe,
    loop,
    method_loss,
    new_method,
    pretrain,
    view_batches,
)
from stablerep.training.view_batches import ViewBatches
from stablerep.views import ViewRecipe, make_views

from .test_training import assert_same_run, losses

ENCODER = EncoderRecipe(
    name="test_vit", stem="published", patch_size=8, depth=1, head_width=32, head_size=16, text_width=64, text_layers=1, joint_size=16
)  # fmt: skip
WORDS = [first + last for first in "bdfg" for last in "aeio"]
CLASSES = {word: word[0] for word in WORDS}
OPTIONS = {
    "head_statistics": "per-view", "images_per_caption": 2, "crops_per_image": 2, "image_weight": 0.5, "text_weight": 2.0,
    "encoder": replace(ENCODER, text_temperature_start=0.2, text_scale_limit=20.0), "view": ViewRecipe(downsample=0.5),
}  # fmt: skip


@pytest.fixture(scope="module")
def data() -> CaptionedImages:
    """Sixteen captions, four pictures of noise of each."""
    images = torch.randint(256, (64, 3, 32, 32), generator=torch.Generator().manual_seed(0), dtype=torch.uint8)
    return CaptionedImages(images, torch.arange(64) // 4, WORDS, "noise")


def recipe_of(method, **changes) -> PretrainingRecipe:
    return replace(PretrainingRecipe(method=method, steps=4, views_per_step=16, encoder=ENCODER, seed=3), **changes)


def trained(data, folder, recipe, **options) -> Path:
    pretrain(data, recipe, folder, classes=CLASSES, progress="", **options)
    return folder


@pytest.fixture(scope="module")
def plain(data, tmp_path_factory):
    """The run of a method without any option, made when first asked for."""
    made = {}

    def get(method):
        if method not in made:
            made[method] = trained(data, tmp_path_factory.mktemp("plain"), recipe_of(method))
        return made[method]

    return get


@pytest.mark.parametrize("method", CONTRASTIVE)
def test_options_at_their_neutral_value_take_the_same_steps(method, data, plain, tmp_path):
    neutral = recipe_of(
        method, head_statistics="joint", crops_per_image=METHODS[method].views, image_weight=1, text_weight=1,
        encoder=replace(ENCODER, text_temperature_start=0.07, text_scale_limit=100), view=ViewRecipe(downsample=0.0, downsample_sizes=(4, 9)),
    )  # fmt: skip
    assert_same_run(trained(data, tmp_path, neutral), plain(method))


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
def test_every_option_changes_the_run(method, change, data, plain, tmp_path):
    changed = losses(trained(data, tmp_path, recipe_of(method, **change)))
    assert np.isfinite(changed).all() and not np.array_equal(changed, losses(plain(method)))


def test_two_crops_of_one_image_of_a_caption_are_simclr(data, plain, tmp_path):
    """Ids name captions here and images there, with one image of each caption."""
    folder = trained(data, tmp_path, recipe_of("stablerep", images_per_caption=1, crops_per_image=2))
    np.testing.assert_allclose(losses(folder), losses(plain("simclr")), rtol=1e-6)


@pytest.mark.parametrize(
    ("method", "images", "crops"),
    [("stablerep", 3, 2), ("stablerep+", 4, 1), ("simclr", 4, 3), ("clip", 4, 2), ("supcon", 4, 3)],
)
def test_views_are_the_crops_of_the_images_of_the_captions_in_this_order(method, images, crops, data, monkeypatch):
    monkeypatch.setattr(view_batches, "make_views", lambda images, *rest: images)
    recipe = recipe_of(method, views_per_step=24, images_per_caption=images, crops_per_image=crops)
    drawn = images if METHODS[method].several else 1
    captions = 24 // (drawn * crops)
    assert (recipe.images_drawn, recipe.crops, recipe.views_per_caption) == (drawn, crops, drawn * crops)
    assert recipe.captions_per_step == captions and recipe.head_groups == (1, 1)
    if method != "clip":  # it has no head; the head of the others is told the shape that is checked below
        assert replace(recipe, head_statistics="per-view").head_groups == (crops, drawn)
    views, ids, texts = ViewBatches(data, recipe, CLASSES, 0, 1).load(1, torch.device("cpu"))
    assert len(views) == len(ids) == 24 and len(texts) == captions  # views_per_step stays the number of views
    place = torch.tensor([int((data.images == view).flatten(1).all(1).nonzero()) for view in views]).view(
        crops, captions, drawn
    )
    assert (place == place[:1]).all() and place[0].unique().numel() == captions * drawn  # crops of the same images
    caption_of = data.caption_ids[place]
    assert (caption_of == caption_of[..., :1]).all()  # the images of a caption side by side
    for crop, image in itertools.product(range(crops), range(drawn)):  # a group of the head has each caption once
        assert caption_of[crop, :, image].unique().numel() == captions
    if method != "supcon":
        assert (torch.bincount(ids)[ids] == drawn * crops).all()
        assert torch.equal(ids[:, None] == ids, caption_of.flatten()[:, None] == caption_of.flatten())


def test_two_processes_share_the_views_of_one(data, monkeypatch):
    monkeypatch.setattr(view_batches, "make_views", lambda images, *rest: images)
    recipe = recipe_of("stablerep", **OPTIONS | {"image_weight": 1.0, "text_weight": 1.0})
    whole, parts = (
        [ViewBatches(data, recipe, CLASSES, number, count).load(0, torch.device("cpu")) for number in range(count)]
        for count in (1, 2)
    )
    for row in (0, 1):  # views, ids
        shaped = [[part[row].unflatten(0, (2, -1, 2)) for part in parts_] for parts_ in (whole, parts)]
        assert torch.equal(shaped[0][0], torch.cat(shaped[1], dim=1))
    assert whole[0][2] == parts[0][2] + parts[1][2]
    with pytest.raises(
        ValueError, match="head_statistics is 'per-view' with 1 caption in each process; at least 2 are needed"
    ):
        ViewBatches(data, recipe, CLASSES, 0, 4)


def test_the_recipe_reaches_the_loss_the_views_and_the_scale(data, tmp_path, monkeypatch):
    seen, drawn = [], []

    def spy(name, out, ids, temperature, **weights):
        seen.append((name, out, ids, temperature, weights))
        return method_loss(name, out, ids, temperature, **weights)

    def draw(images, recipe, rng):
        drawn.append(recipe)
        return make_views(images, recipe, rng)

    monkeypatch.setattr(loop, "method_loss", spy)
    monkeypatch.setattr(view_batches, "make_views", draw)
    recipe = recipe_of("stablerep+", steps=1, temperature=0.3, **OPTIONS)
    folder = trained(data, tmp_path, recipe)
    ((name, out, ids, temperature, weights),) = seen
    assert (name, temperature, weights) == ("stablerep+", 0.3, {"image_weight": 0.5, "text_weight": 2.0})
    assert out["scale"].item() == pytest.approx(5, rel=1e-5) and drawn == [OPTIONS["view"]]
    assert (len(out["head"]), len(out["image"]), len(out["text"])) == (16, 16, 4)
    parts = [
        method_loss(name, {k: out[k] for k in keys}, ids, 0.3).item()
        for keys in (("head",), ("image", "text", "scale"))
    ]
    assert losses(folder)[0] == pytest.approx(0.5 * parts[0] + 2 * parts[1], rel=1e-5)


@pytest.mark.parametrize("method", ["simclr", "stablerep+"])
def test_gradient_caching_takes_the_same_steps_with_options(method, data, tmp_path):
    options = OPTIONS if method == "stablerep+" else {"head_statistics": "per-view"}
    runs = [
        trained(data, tmp_path / str(chunk), recipe_of(method, steps=3, chunk=chunk, **options)) for chunk in (0, 5)
    ]
    np.testing.assert_allclose(losses(runs[1]), losses(runs[0]), atol=2e-4)


def test_a_run_with_options_that_was_cut_ends_as_one_that_was_not(data, tmp_path, monkeypatch):
    recipe, calls = recipe_of("stablerep+", **OPTIONS), []
    whole = trained(data, tmp_path / "whole", recipe)

    def cut(*arguments):
        calls.append(1)
        if len(calls) > 3:
            raise InterruptedError
        return make_views(*arguments)

    with monkeypatch.context() as patch, pytest.raises(InterruptedError):
        patch.setattr(view_batches, "make_views", cut)
        trained(data, tmp_path / "cut", recipe, checkpoint_every=2)
    assert (tmp_path / "cut" / "checkpoint.pt").exists()
    assert_same_run(trained(data, tmp_path / "cut", recipe, checkpoint_every=2), whole)


ADDED = {
    "head_statistics": "per-view", "crops_per_image": 2, "image_weight": 0.5, "text_weight": 2.0, "teacher_momentum": 0.9,
    "encoder.text_temperature_start": 0.2, "encoder.text_scale_limit": 50.0, "view.downsample": 0.05, "view.downsample_sizes": (4, 9),
}  # fmt: skip


def with_option(recipe, name, value):
    part, _, option = name.rpartition(".")
    return replace(recipe, **({part: replace(getattr(recipe, part), **{option: value})} if part else {option: value}))


def test_what_determines_a_run_is_what_did_before_the_options_were_there():
    """The names of the fields are those that stored runs were named by."""
    found = PretrainingRecipe().determining()
    assert " ".join(found) == (
        "method steps views_per_step images_per_caption temperature learning_rate weight_decay betas warmup chunk seed encoder view"
    )
    assert " ".join(found["encoder"]) == (
        "name stem image_size patch_size depth head_width head_size text_width text_layers joint_size"
    )  # fmt: skip
    assert (
        " ".join(found["view"])
        == "size crop_min aspect flip jitter brightness contrast saturation hue grey blur blur_sigma"
    )
    whole = asdict(PretrainingRecipe())
    for name in ADDED:
        part, _, option = name.rpartition(".")
        del (whole[part] if part else whole)[option]
    assert found == whole


@pytest.mark.parametrize("name", ADDED)
def test_an_option_that_is_used_determines_its_run(name):
    recipe = PretrainingRecipe(method="byol" if name in ("teacher_momentum",) else "stablerep+")
    changed = with_option(recipe, name, ADDED[name]).determining()
    part, _, option = name.rpartition(".")
    assert (changed[part] if part else changed).pop(option) == ADDED[name]
    assert changed == recipe.determining()


def test_every_other_field_determines_its_run_at_its_default_too():
    found = PretrainingRecipe().determining()
    kept = {f"{part}.{k}" for part in ("encoder", "view") for k in found[part]} | set(found)
    recipe = PretrainingRecipe()
    names = {f.name for f in fields(recipe)} | {
        f"{part}.{f.name}" for part in ("encoder", "view") for f in fields(getattr(recipe, part))
    }
    assert names - kept == set(ADDED)


def test_a_run_that_was_stored_before_the_options_is_read(data, plain, tmp_path):
    folder = plain("stablerep+")
    stored = json.loads((folder / "recipe.json").read_text())
    assert stored == json.loads(json.dumps(asdict(recipe_of("stablerep+"))))  # a run says all of its recipe
    (tmp_path / "recipe.json").write_text(json.dumps(recipe_of("stablerep+").determining()))
    (tmp_path / "encoder.safetensors").write_bytes((folder / "encoder.safetensors").read_bytes())
    older, newer = load_backbone(tmp_path).state_dict(), load_backbone(folder).state_dict()
    assert older.keys() == newer.keys() and all(torch.equal(older[k], newer[k]) for k in older)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"crops_per_image": -1}, "crops_per_image is -1; it serves simclr, clip"),
        ({"method": "mae", "crops_per_image": 2}, "crops_per_image is 2; it serves simclr, clip"),
        ({"method": "byol", "crops_per_image": 2}, "crops_per_image is 2; it serves simclr, clip"),
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
            "head_statistics is 'per-view' with 1 caption in a step",
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


# Teachers


@pytest.mark.parametrize("method", MOMENTUM)
def test_a_teacher_follows_as_fast_as_it_is_asked_to(method):
    assert new_method(recipe_of(method, teacher_momentum=0.8)).momentum == 0.8
    assert (
        new_method(recipe_of(method)).momentum
        == type(new_method(recipe_of(method))).__init__.__kwdefaults__["momentum"]
    )


@pytest.mark.parametrize(("method", "value"), [("byol", 1.0), ("byol", -0.1), ("simclr", 0.9)])
def test_a_momentum_that_cannot_be_is_refused(method, value):
    with pytest.raises(ValueError, match=f"teacher_momentum is {value}; it serves byol, moco-v3, dino"):
        recipe_of(method, teacher_momentum=value)


def test_the_recipe_of_a_run_is_read_back(data, tmp_path):
    recipe = recipe_of("dino", steps=1, teacher_momentum=0.9, view=ViewRecipe(downsample=0.5, downsample_sizes=(8, 12)))
    assert load_recipe(trained(data, tmp_path / "run", recipe)) == recipe
    older = json.loads((tmp_path / "run" / "recipe.json").read_text())
    del older["teacher_momentum"], older["view"]["downsample"], older["view"]["downsample_sizes"]
    (tmp_path / "run" / "recipe.json").write_text(json.dumps(older))
    assert load_recipe(tmp_path / "run") == replace(recipe, teacher_momentum=0.0, view=ViewRecipe())
