"""Features of images in memory and of images made on demand, and when progress is shown."""

from __future__ import annotations

import pytest
import torch

from stablerep.encoders import EncoderRecipe, extract_features
from stablerep.probes import extraction, features_of
from stablerep.training import random_backbone


class OnDemand:
    """Images that exist only while a slice of them is looked at."""

    def __init__(self, images, *, arrays=False):
        self.images, self.arrays, self.asked = images, arrays, []

    def __len__(self):
        return len(self.images)

    def __getitem__(self, place):
        assert isinstance(place, slice)
        self.asked.append(place)
        return self.images[place].numpy() if self.arrays else self.images[place]


@pytest.fixture(scope="module")
def backbone():
    return random_backbone(EncoderRecipe(name="resnet10t", stem="published"), 0)


@pytest.fixture(scope="module")
def images():
    return torch.randint(0, 256, (1100, 3, 8, 8), dtype=torch.uint8, generator=torch.Generator().manual_seed(0))


@pytest.mark.parametrize("arrays", [False, True])
def test_images_on_demand_have_the_features_of_images_in_memory(backbone, images, arrays):
    made = OnDemand(images, arrays=arrays)
    assert torch.equal(features_of(backbone, made), extract_features(backbone, images))
    assert [(place.start, place.stop) for place in made.asked] == [(0, 512), (512, 1024), (1024, 1536)]
    assert torch.equal(features_of(backbone, images), extract_features(backbone, images))


def test_no_images_are_refused(backbone):
    with pytest.raises(ValueError, match="there are no images"):
        features_of(backbone, torch.empty(0, 3, 8, 8, dtype=torch.uint8))


def test_only_what_takes_long_is_shown(backbone, images, monkeypatch, capsys):
    features_of(backbone, images[:4], name="short")
    assert capsys.readouterr().err == ""
    monkeypatch.setattr(extraction, "SILENT", 0.0)
    features_of(backbone, images[:4], name="long")
    assert "long" in capsys.readouterr().err
