"""What a process sees in a step: which images, in which order, shared among how many."""

from __future__ import annotations

import itertools
from dataclasses import replace

import pytest
import torch

from stablerep.methods import METHODS
from stablerep.training import view_batches
from stablerep.training.view_batches import ViewBatches

from .toys import CLASSES, classes_of, recipe_of


@pytest.mark.parametrize(
    ("method", "images", "crops"),
    [("stablerep", 3, 2), ("stablerep+", 4, 1), ("simclr", 4, 3), ("clip", 4, 2), ("supcon", 4, 3)],
)
def test_views_are_the_crops_of_the_images_of_the_captions_in_this_order(method, images, crops, data, monkeypatch):
    monkeypatch.setattr(view_batches, "make_views", lambda images, *rest: images)
    recipe = recipe_of(method, views_per_step=24, images_per_caption=images, crops_per_image=crops)
    drawn = images if METHODS[method].traits.several else 1
    captions = 24 // (drawn * crops)
    assert (recipe.images_drawn, recipe.crops, recipe.views_per_caption) == (drawn, crops, drawn * crops)
    assert recipe.captions_per_step == captions and recipe.head_groups == (1, 1)
    if method != "clip":  # it has no head; the head of the others is told the shape that is checked below
        assert replace(recipe, head_statistics="per-view").head_groups == (crops, drawn)
    views, ids, texts = ViewBatches(data, recipe, classes_of(method), 0, 1).load(1, torch.device("cpu"))
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
    recipe = recipe_of("stablerep", head_statistics="per-view", images_per_caption=2, crops_per_image=2)
    whole, parts = (
        [ViewBatches(data, recipe, None, number, count).load(0, torch.device("cpu")) for number in range(count)]
        for count in (1, 2)
    )
    for row in (0, 1):  # views, ids
        shaped = [[part[row].unflatten(0, (2, -1, 2)) for part in parts_] for parts_ in (whole, parts)]
        assert torch.equal(shaped[0][0], torch.cat(shaped[1], dim=1))
    assert whole[0][2] == parts[0][2] + parts[1][2]
    with pytest.raises(
        ValueError, match="head_statistics is 'per-view' with 1 caption in each process; at least 2 are needed"
    ):
        ViewBatches(data, recipe, None, 0, 4)


def test_classes_may_take_the_place_of_captions_in_the_same_batches(data, monkeypatch):
    """The images and their views stay; positives are those whose captions have one class."""
    monkeypatch.setattr(view_batches, "make_views", lambda images, *rest: images)
    recipe = recipe_of("stablerep", views_per_step=24, images_per_caption=2)
    (views, ids, texts), (again, classes, same) = (
        ViewBatches(data, recipe, one, 0, 1).load(1, torch.device("cpu")) for one in (None, CLASSES)
    )
    assert torch.equal(views, again) and texts == same
    named = [CLASSES[texts[place]] for place in ids.tolist()]
    assert [[a == b for b in named] for a in named] == (classes[:, None] == classes).tolist()
    assert len(classes.unique()) < len(ids.unique())
    with pytest.raises(ValueError, match="stablerep\\+ reads captions; classes cannot take their place"):
        ViewBatches(data, recipe_of("stablerep+"), CLASSES, 0, 1)
