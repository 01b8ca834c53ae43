"""Diversity and near-duplicates where they are known: by closed forms, by a slow reference, and in the cases that say nothing."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
import torch

from stablerep.audits.pixels import levels
from stablerep.audits.spread import ALIKE, NEAR, directions, near_duplicates, spread
from stablerep.errors import InputError


def slow(features, captions):
    """Every pair, one by one."""
    z = torch.nn.functional.normalize(features.double(), dim=1)
    within, between = {}, []
    for i, j in itertools.combinations(range(len(z)), 2):
        distance = 1 - float(z[i] @ z[j])
        if captions[i] == captions[j]:
            within.setdefault(captions[i], []).append(distance)
        else:
            between.append(distance)
    return np.mean([np.mean(some) for some in within.values()]), np.mean(between)


def test_distances_are_those_of_all_pairs():
    features = torch.randn(30, 6, generator=torch.Generator().manual_seed(0))
    captions = [f"caption {k % 7}" for k in range(28)] + ["alone", "caption 0"]
    found = spread(features, captions).set_index("measure")
    within, between = slow(features, captions)
    assert found["value"].to_dict() == pytest.approx(
        {"within": within, "between": between, "ratio": within / between}, rel=1e-5
    )
    assert found["captions"].to_dict() == {"within": 7, "between": 8, "ratio": 7}
    assert (found["low"] < found["value"]).all() and (found["value"] < found["high"]).all()


def test_a_caption_that_always_gives_the_same_image_has_no_distance():
    features = torch.eye(6).repeat_interleave(3, 0)
    found = spread(features, [f"{k // 3}" for k in range(18)]).set_index("measure")
    assert found.loc["within", ["value", "low", "high"]].tolist() == pytest.approx([0, 0, 0], abs=1e-12)
    assert found.loc["between", "value"] == pytest.approx(1) and found.loc["ratio", "value"] == pytest.approx(
        0, abs=1e-12
    )


def test_images_without_any_gradient_are_alike():
    """Features that are all zero have no direction; two of them are the same image for what looks at gradients."""
    assert directions(torch.zeros(2, 3)).tolist() == [[0, 0, 0, 1]] * 2
    found = spread(torch.zeros(4, 3), ["a", "a", "b", "b"]).set_index("measure")["value"]
    assert found["within"] == found["between"] == 0 and np.isnan(found["ratio"])


def test_captions_that_say_nothing_have_a_ratio_of_one():
    features = torch.randn(2000, 16, generator=torch.Generator().manual_seed(1))
    found = spread(features, [f"{k % 200}" for k in range(2000)]).set_index("measure")
    assert found.loc["ratio", "low"] < 1 < found.loc["ratio", "high"]


def test_what_cannot_be_known_is_not():
    features = torch.randn(3, 4, generator=torch.Generator().manual_seed(0))
    singles = spread(features, ["a", "b", "c"]).set_index("measure")
    assert singles["value"].isna().to_dict() == {"within": True, "between": False, "ratio": True}
    one = spread(features, ["a", "a", "a"]).set_index("measure")
    assert one["value"].isna().to_dict() == {"within": False, "between": True, "ratio": True}
    assert one.loc["within", ["low", "high"]].isna().all()  # one caption says nothing of others
    four = spread(torch.randn(8, 4, generator=torch.Generator().manual_seed(0)), [*"aabbccdd"])
    assert four["value"].notna().all() and four[["low", "high"]].isna().all(axis=None)  # and four say too little
    with pytest.raises(InputError, match="0 images have 0 captions"):
        spread(torch.zeros(0, 4), [])
    with pytest.raises(InputError, match="3 images have 2 captions"):
        spread(features, ["a", "b"])


def test_near_duplicates_are_the_planted_ones_and_only_those():
    rng = np.random.default_rng(0)
    images = torch.from_numpy(rng.integers(0, 256, (40, 3, 32, 32)).astype(np.uint8))
    features = torch.randn(40, 64, generator=torch.Generator().manual_seed(0))
    captions = [f"{k}" for k in range(40)]
    captions[1] = captions[0]
    images[1] = (images[0].int() + 5).clamp(0, 255).byte()  # at most 5 grey levels, of the same caption
    images[3] = images[2]  # of another caption
    features[5] = features[4] + 0.01 * torch.randn(64, generator=torch.Generator().manual_seed(1))
    found = near_duplicates(features, images, captions)
    assert {name: found.index[found[name]].tolist() for name in found} == {
        "pixels, same caption": [0, 1], "pixels, other caption": [2, 3],
        "features, same caption": [], "features, other caption": [4, 5],
    }  # fmt: skip


def test_the_limits_of_near_duplicates_are_where_they_are_said_to_be():
    grey = torch.full((3, 3, 32, 32), 100, dtype=torch.uint8)
    grey[1] += int(NEAR) - 1
    grey[2] += 2 * int(NEAR) + 1
    angle = np.arccos(ALIKE)
    features = torch.tensor([[1.0, 0], [np.cos(0.99 * angle), np.sin(0.99 * angle)], [np.cos(2.1 * angle), np.sin(2.1 * angle)]]).float()  # fmt: skip
    found = near_duplicates(features, grey, ["a", "b", "c"])
    assert found["pixels, other caption"].tolist() == found["features, other caption"].tolist() == [True, True, False]
    assert levels(grey[:1]).shape == (1, 3072) and levels(grey[:1]).unique().tolist() == [-27.5]
