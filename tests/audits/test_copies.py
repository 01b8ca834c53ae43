"""Detectors of copies: against a slow reference, on planted copies, and where near duplicates hide them."""

from __future__ import annotations

import math

import numpy as np
import pandas as pd
import pytest
import torch

from stablerep.audits.copies import (
    BLOCK,
    DETECTORS,
    EMBEDDING,
    GAP,
    PIXELS,
    RATIO,
    RATIO_OTHERS,
    Learned,
    gap_ratio,
    most_alike,
    nearest_by_pixels,
    score,
)
from stablerep.errors import InputError

rng = np.random.default_rng(0)


def pictures(count: int, seed: int = 0) -> torch.Tensor:
    return torch.from_numpy(np.random.default_rng(seed).integers(0, 256, (count, 3, 4, 4), np.uint8))


def slow(image: torch.Tensor, others: torch.Tensor) -> list[float]:
    """Distances one by one, in integers."""
    x = image.numpy().astype(int)
    return [math.sqrt(((x - y.numpy().astype(int)) ** 2).mean()) for y in others]


def test_distances_are_those_of_a_slow_reference():
    images, others = pictures(BLOCK + 9, 1), pictures(40, 2)
    concepts = np.array([f"c{k // 3}" for k in range(40)])
    found = nearest_by_pixels(images, others, concepts)
    assert len(found) == len(images)
    for row, image in list(zip(found.itertuples(), images))[:: BLOCK // 8]:
        distances = np.array(slow(image, others))
        order = distances.argsort()
        assert row.place == order[0] and row.first == pytest.approx(distances[order[0]], abs=1e-9)
        assert row.second == pytest.approx(distances[order[1]], abs=1e-9)
        assert row.other == pytest.approx(distances[concepts != concepts[order[0]]].min(), abs=1e-9)


def test_an_image_that_is_there_has_distance_zero_to_the_last_digit():
    others = pictures(20)
    found = nearest_by_pixels(others, others, np.array([f"c{k}" for k in range(20)]))
    assert found["place"].tolist() == list(range(20)) and (found["first"] == 0).all() and (found["second"] > 0).all()


def test_two_images_are_enough():
    others = pictures(2)
    found = nearest_by_pixels(others[:1], others, np.array(["a", "b"]))
    assert found["second"].tolist() == found["other"].tolist()


def test_cosines_are_those_of_the_most_similar():
    found, places = most_alike(torch.tensor([[2.0, 0.0], [0.0, -3.0]]), torch.tensor([[0.0, 5.0], [1.0, 0.1]]))
    assert places.tolist() == [1, 1] and found == pytest.approx([1 / math.hypot(1, 0.1), -0.1 / math.hypot(1, 0.1)])


@pytest.mark.parametrize(
    ("first", "second", "ratio"), [(1.0, 4.0, 0.25), (0.0, 4.0, 0.0), (0.0, 0.0, 1.0), (3.0, 3.0, 1.0)]
)
def test_gap_ratio_by_hand(first, second, ratio):
    """Of two that are both there, nothing says which was copied."""
    assert gap_ratio(pd.Series([first]), pd.Series([second])).tolist() == [ratio]


def test_planted_copies_score_highest_by_every_detector_and_only_they_are_below_the_gap():
    others, strangers = pictures(30, 3), pictures(30, 4)
    noise = torch.from_numpy(rng.integers(-3, 4, others.shape))
    copies = (others.int() + noise).clamp(0, 255).byte()
    features = {
        name: images.flatten(1).float() - 127 for name, images in (("o", others), ("c", copies), ("s", strangers))
    }
    learned = Learned(others, np.array([f"c{k}" for k in range(30)]), features["o"])
    planted, real = score(copies, features["c"], learned), score(strangers, features["s"], learned)
    assert planted["nearest"].tolist() == planted["alike"].tolist() == list(range(30))
    for name in DETECTORS:
        assert planted[name].min() > real[name].max(), name
    for name in (RATIO, RATIO_OTHERS):
        assert (planted[name] > -GAP).all() and (real[name] < -GAP).all()


def test_a_near_duplicate_of_the_same_concept_hides_a_copy_from_the_first_gap_ratio_alone():
    base = pictures(10, 5)
    twins = base.clone()
    twins[:, 0, 0, 0] ^= 8  # a little in one pixel
    images, concepts = torch.cat([base, twins]), np.array([f"c{k}" for k in range(10)] * 2)
    learned = Learned(images, concepts, images.flatten(1).float())
    noise = torch.from_numpy(rng.normal(0, 15, base.shape))
    found = score((base + noise).clamp(0, 255).byte(), base.flatten(1).float(), learned)
    assert (found[RATIO] < -GAP).all() and (found[RATIO_OTHERS] > -GAP).all()


def test_scores_do_not_depend_on_the_order_of_what_was_learned():
    others, images = pictures(20, 6), pictures(5, 7)
    concepts, order = np.array([f"c{k % 7}" for k in range(20)]), rng.permutation(20)
    found = [
        score(images, images.flatten(1).float(), Learned(others[some], concepts[some], others[some].flatten(1).float()))
        for some in (np.arange(20), order)
    ]
    pd.testing.assert_frame_equal(found[0][list(DETECTORS)], found[1][list(DETECTORS)])
    assert found[0]["nearest"].tolist() == order[found[1]["nearest"]].tolist()
    assert found[0][EMBEDDING].between(-1, 1).all() and (found[0][PIXELS] <= 0).all()


def test_bad_input():
    images = pictures(3)
    with pytest.raises(InputError, match="3 training images have 2 concepts and 3 rows of features"):
        Learned(images, np.array(["a", "b"]), torch.zeros(3, 2))
    with pytest.raises(InputError, match="the 3 training images show 1 concept; a gap to other concepts needs two"):
        Learned(images, np.array(["a"] * 3), torch.zeros(3, 2))
    learned = Learned(images, np.array(["a", "b", "b"]), torch.ones(3, 2))
    with pytest.raises(InputError, match=r"images have the shape \(3, 3, 4, 3\) and 3 rows of features"):
        score(images[..., :3], torch.ones(3, 2), learned)
    with pytest.raises(InputError, match="and 2 rows of features"):
        score(images, torch.ones(2, 2), learned)
