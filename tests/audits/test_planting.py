"""Planted copies and duplicates: what each change does, what a training set holds afterwards, and likeness to a planted image."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
import torch

from stablerep.audits.copies import DETECTORS, EMBEDDING, PIXELS, RATIO, RATIO_OTHERS, nearest_by_pixels
from stablerep.audits.planting import (
    CHANGES,
    DARKER,
    LEVELS,
    NOISE,
    SHIFT,
    _halves,
    changed,
    to_own,
    told_apart,
    with_duplicates,
)
from stablerep.audits.unseen import is_counted
from stablerep.captioned_images import CaptionedImages
from stablerep.errors import InputError


def grey(*levels: int, side: int = 8) -> torch.Tensor:
    return torch.tensor(levels, dtype=torch.uint8)[:, None, None, None].expand(-1, 3, side, side).contiguous()


def negative(images: torch.Tensor) -> torch.Tensor:
    return 255 - images


def test_every_change_is_mild_and_leaves_the_images_alone():
    images = torch.from_numpy(np.random.default_rng(0).integers(0, 256, (50, 3, 8, 8), np.uint8))
    before = images.clone()
    for how in CHANGES:
        found = changed(images, how, 0, negative)
        assert found.dtype == torch.uint8 and found.shape == images.shape and not torch.equal(found, images)
        assert torch.equal(found, changed(images, how, 0, negative))  # the same at the same seed
    assert torch.equal(images, before)
    assert not torch.equal(changed(images, NOISE, 0, negative), changed(images, NOISE, 1, negative))


def test_changes_by_hand():
    images = grey(100, 200)
    assert changed(images, DARKER, 0, negative)[:, 0, 0, 0].tolist() == [95, 190]
    assert changed(images, "autoencoder", 0, negative)[:, 0, 0, 0].tolist() == [155, 55]
    noise = changed(grey(*[128] * 200), NOISE, 0, negative).double() - 128
    assert noise.std().item() == pytest.approx(LEVELS, rel=0.02) and abs(noise.mean().item()) < 0.2
    black = changed(grey(*[0] * 40), SHIFT, 0, negative)
    edges = [(image[0] == 255).nonzero().tolist() for image in black]
    lines = {
        (where[0][0], where[-1][0]) if where[0][0] == where[-1][0] else (where[0][1], where[-1][1], "column")
        for where in edges
    }
    assert all(len(where) == 8 for where in edges) and lines == {(0, 0), (7, 7), (0, 0, "column"), (7, 7, "column")}


def test_a_move_keeps_what_is_inside():
    image = torch.full((1, 3, 8, 8), 255, dtype=torch.uint8)
    image[0, :, 3, 4] = 0
    places = {
        tuple((changed(image.repeat(30, 1, 1, 1), SHIFT, 0, negative)[k, 0] == 0).nonzero()[0].tolist())
        for k in range(30)
    }
    assert places == {(2, 4), (4, 4), (3, 3), (3, 5)}


def sets() -> tuple[CaptionedImages, CaptionedImages]:
    learned = CaptionedImages(grey(1, 2, 3, 4), torch.tensor([0, 0, 1, 2]), ["a", "b", "c"], "learned")
    return learned, CaptionedImages(grey(10, 30), torch.tensor([0, 1]), ["a", "c"], "planted")


def test_duplicates_stand_beside_what_was_learned_as_often_as_is_said():
    learned, planted = sets()
    found = with_duplicates(learned, planted, {"a": 3, "c": 1})
    levels = dict(zip(map(tuple, zip(found.images[:, 0, 0, 0].tolist(), found.caption_ids.tolist())), range(99)))
    assert found.images[:, 0, 0, 0].tolist() == [1, 2, 3, 4, 10, 10, 10, 30] and found.captions == ["a", "b", "c"]
    assert set(levels) == {(1, 0), (2, 0), (3, 1), (4, 2), (10, 0), (30, 2)}
    none = with_duplicates(learned, planted, {"a": 0, "c": 0})
    assert torch.equal(none.images, learned.images) and torch.equal(none.caption_ids, learned.caption_ids)
    assert len({one.fingerprint for one in (learned, found, none)}) == 3


def test_bad_input():
    learned, planted = sets()
    with pytest.raises(InputError, match="the change is 'mirror'; there are noise, shift, darker, autoencoder"):
        changed(learned.images, "mirror", 0, negative)
    with pytest.raises(InputError, match="caption 'a' is to be planted in a training set that has no image of it"):
        with_duplicates(CaptionedImages(grey(1), torch.tensor([0]), ["b"], "x"), planted, {"a": 1})
    with pytest.raises(InputError, match="2 images of 2 captions are to be planted for 1; each needs one image"):
        with_duplicates(learned, planted, {"b": 1})
    with pytest.raises(InputError, match="4 images of 3 captions are to be planted"):
        with_duplicates(learned, learned, {"a": 1})
    with pytest.raises(InputError, match="'a': -1.* are to be planted; a number of times is 0 or more"):
        with_duplicates(learned, planted, {"a": -1, "c": 1})


def test_likeness_to_a_planted_image_by_hand():
    """The first image is its own one; the second lies between its own and a training image of its concept; the third near one of another."""
    own, images, learned = grey(100, 100, 100), grey(100, 110, 190), grey(120, 200)
    concepts = np.array(["a", "b"])
    near = nearest_by_pixels(images, learned, concepts)
    found = to_own(images, own, torch.ones(3, 2), torch.ones(3, 2), near, concepts, np.array(["a", "a", "a"]))
    assert found[PIXELS].tolist() == [0.0, -10.0, -90.0] and found[EMBEDDING].tolist() == pytest.approx([1.0] * 3)
    assert found[RATIO].tolist() == pytest.approx([0.0, -1.0, -9.0])
    assert found[RATIO_OTHERS].tolist() == pytest.approx([0.0, -10 / 90, -9.0])
    assert isinstance(found, pd.DataFrame) and len(found) == 3


def duplicated(seed: int, effect: float) -> pd.DataFrame:
    rng, rows = np.random.default_rng(seed), []
    for times in (0, 1, 50):
        for k in range(40):
            for _ in range(3):
                rows.append(
                    {"times": times, "concept": f"{times}-{k}", "seen": times / 2}
                    | {name: rng.normal(effect * times) for name in DETECTORS}
                )
    return pd.DataFrame(rows).assign(seed=seed)


def test_duplicates_are_told_from_what_was_not_planted_by_their_scores():
    found = told_apart(pd.concat([duplicated(seed, 0.1) for seed in range(3)])).set_index(["times", "detector"])
    for name in DETECTORS:
        assert found.loc[(50, name), "low"] > 0.99 and found.loc[(50, name), "called"] > 0.9
        assert abs(found.loc[(0, name), "area"] - 0.5) < 0.15 and found.loc[(1, name), "area"] < 0.7
    assert found.loc[(50, PIXELS), "seen"] == 25 and found.loc[(50, PIXELS), "seeds"] == 3
    none = told_apart(pd.concat([duplicated(seed, 0.0) for seed in range(3)]))
    assert ((none["low"] < 0.5) & (none["high"] > 0.5)).mean() > 0.7


def test_one_half_without_captions_that_set_a_threshold_takes_all():
    same = [one for one in (f"c{k}" for k in range(40)) if is_counted([one])[0]][:6]
    none = pd.DataFrame({"concept": same})
    first, second = _halves(none)
    assert len(first) == len(second) == 6
