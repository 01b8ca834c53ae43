"""Groups of nearly identical images: by hand, planted ones found, varied images left alone."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
import torch

from stablerep.audits.copies import Learned
from stablerep.audits.extraction import distances_between, extracted, largest_group
from stablerep.errors import InputError

rng = np.random.default_rng(0)


def noise(count: int) -> torch.Tensor:
    return torch.from_numpy(rng.integers(0, 256, (count, 3, 6, 6), np.uint8))


def largest_clique(distances: torch.Tensor, within: float) -> int:
    """By trying all subsets."""
    near, n = (distances <= within).numpy(), len(distances)
    for size in range(n, 0, -1):
        for some in itertools.combinations(range(n), size):
            if all(near[i, j] for i, j in itertools.combinations(some, 2)):
                return size
    return 0


def test_distances_of_pairs():
    images = noise(5)
    found = distances_between(images)
    assert torch.equal(found, found.T) and found.diagonal().tolist() == [0.0] * 5
    assert found[1, 3].item() == pytest.approx((images[1].double() - images[3].double()).square().mean().sqrt().item())


def test_the_largest_group_is_at_least_the_largest_clique():
    for _ in range(20):
        places = torch.from_numpy(rng.uniform(0, 10, (8, 2)))
        distances = torch.cdist(places, places)
        group = largest_group(distances, 3.0)
        assert len(group) >= largest_clique(distances, 3.0) and len(set(group)) == len(group)
        assert all(distances[group[0], one] <= 3.0 for one in group)


def test_groups_by_hand():
    line = torch.tensor([0.0, 1.0, 2.0, 9.0])
    distances = (line[:, None] - line[None]).abs()
    assert largest_group(distances, 1.0) == [1, 0, 2] and largest_group(distances, 0.5) == [0]
    assert sorted(largest_group(distances, 99.0)) == [0, 1, 2, 3]


def test_a_caption_that_gives_back_a_training_image_is_found_and_one_that_varies_is_not():
    learned = noise(4)
    jitter = torch.from_numpy(rng.integers(-2, 3, (6, 3, 6, 6)))
    fixed = (learned[2].int() + jitter).clamp(0, 255).byte()  # six times the same image
    stuck = (noise(1).int() + jitter).clamp(0, 255).byte()  # always the same, and no training image
    images = torch.cat([fixed, noise(6), stuck])
    captions, concepts = [one for one in ("copied", "varied", "stuck") for _ in range(6)], ["x"] * 18
    features = images.flatten(1).float()
    found = extracted(
        images, features, captions, concepts, Learned(learned, np.array(list("abcd")), learned.flatten(1).float()), 10.0
    )
    found = found.set_index("caption")
    assert found["group"].to_dict() == {"copied": 6, "varied": 1, "stuck": 6}
    assert found["copied"].to_dict() == {"copied": True, "varied": False, "stuck": False}
    assert found.loc["copied", "share"] == 1.0 and found.loc["copied", "distance"] < 10 < found.loc["stuck", "distance"]


def test_bad_input():
    with pytest.raises(InputError, match="there are no images; a group needs at least one"):
        largest_group(torch.zeros(0, 0), 1.0)
    images = noise(2)
    learned = Learned(images, np.array(["a", "b"]), images.flatten(1).float())
    with pytest.raises(InputError, match="caption 'a' has 1 image; a group needs two or more"):
        extracted(images, images.flatten(1).float(), ["a", "b"], ["a", "b"], learned, 1.0)
