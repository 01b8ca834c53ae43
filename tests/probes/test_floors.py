"""Floors: what an encoder that has learned nothing gives."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from stablerep.encoders import extract_features
from stablerep.errors import InputError
from stablerep.probes.floors import FLOORS, floor_backbone


@pytest.fixture
def images() -> torch.Tensor:
    return torch.randint(0, 256, (5, 3, 32, 32), dtype=torch.uint8, generator=torch.Generator().manual_seed(0))


def test_raw_pixels_are_the_pixels_less_the_mean_colour(images):
    found = extract_features(floor_backbone("pixels"), images)
    assert found.shape == (5, 768)
    one = images[3].float().view(3, 16, 2, 16, 2).mean((2, 4)) / 255
    std = torch.tensor([0.229, 0.224, 0.225]).view(3, 1, 1)
    by_hand = ((one - one.mean((1, 2), keepdim=True)) / std).flatten()
    torch.testing.assert_close(found[3], by_hand, atol=1e-5, rtol=1e-4)


def test_an_image_in_another_light_has_the_same_raw_pixels(images):
    dark, light = images // 2, images // 2 + 60
    floor = floor_backbone("pixels")
    torch.testing.assert_close(extract_features(floor, dark), extract_features(floor, light), atol=1e-4, rtol=1e-3)


def test_gradients_are_those_of_skimage(images):
    from skimage.feature import hog

    found = extract_features(floor_backbone("gradients"), images)
    one = images[2].permute(1, 2, 0).numpy().astype(np.float64) / 255
    by_hand = hog(one, orientations=9, pixels_per_cell=(8, 8), cells_per_block=(2, 2), channel_axis=-1)
    np.testing.assert_allclose(found[2].numpy(), by_hand, atol=1e-5)
    assert found.shape == (5, 3 * 3 * 4 * 9)


def test_larger_images_have_larger_cells():
    images = torch.randint(0, 256, (2, 3, 64, 64), dtype=torch.uint8)
    assert extract_features(floor_backbone("gradients"), images).shape == (2, 324)


def test_a_plain_image_has_no_gradients_and_no_pixels():
    plain = torch.full((1, 3, 32, 32), 90, dtype=torch.uint8)
    for name in FLOORS:
        assert extract_features(floor_backbone(name), plain).abs().max() < 1e-5


def test_an_unknown_floor_is_refused():
    with pytest.raises(InputError, match="no floor 'sift'; there are pixels, gradients"):
        floor_backbone("sift")
