"""Distances by pixels, against differences written out."""

from __future__ import annotations

import pytest
import torch

from stablerep.audits.pixels import CANDIDATES, levels, nearest, squared_distances


@pytest.fixture
def images():
    draw = torch.Generator().manual_seed(0)
    return torch.randint(0, 256, (12, 3, 6, 6), generator=draw, dtype=torch.uint8)


def test_the_nearest_are_those_of_the_differences(images):
    asking, known = levels(images[:5]), levels(images[5:])
    every = (images[:5, None].double() - images[None, 5:].double()).square().mean((2, 3, 4)).sqrt()
    distances, places = nearest(asking, known, squared_distances(asking, known), 2)
    expected = every.sort(dim=1)
    assert torch.equal(places, expected.indices[:, :2])
    assert torch.allclose(distances, expected.values[:, :2], atol=1e-9)


def test_images_that_are_alike_are_told_apart_where_products_cannot(images):
    """Of two images that differ in one grey level in one place, products say nothing; of the same image, the distance is 0 and no rounding error."""
    many = images[:1].repeat(CANDIDATES, 1, 1, 1)
    for k in range(1, CANDIDATES):
        many[k, 0, 0, 0] = (int(many[0, 0, 0, 0]) + k) % 256
    asking, known = levels(many[:1]), levels(many)
    distances, places = nearest(asking, known, squared_distances(asking, known), 2)
    assert places.tolist() == [[0, 1]] and distances[0, 0] == 0
    assert distances[0, 1] == pytest.approx((1 / many[0].numel()) ** 0.5)


def test_what_is_left_out_is_at_infinity(images):
    asking, known = levels(images[:1]), levels(images[:2])
    squares = squared_distances(asking, known).masked_fill(torch.tensor([[True, False]]), torch.inf)
    distances, places = nearest(asking, known, squares, 2)
    assert places.tolist() == [[1, 0]] and distances[0, 1] == torch.inf
