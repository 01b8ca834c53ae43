"""Occupations: their captions, and what is read of images by a space whose answers are known."""

from __future__ import annotations

import pandas as pd
import pytest
import torch

from stablerep.audits.occupations import (
    GENDER,
    OCCUPATIONS,
    SHARE_COLUMNS,
    occupation_captions,
    read_by_captions,
    shares_by_caption,
)
from stablerep.audits.readers import CANNOT_TELL


class Angles:
    """A plane in which the class captions stand at 0 and 90 degrees, and an image at as many degrees as its first pixel says."""

    def embed_images(self, images):
        angle = torch.deg2rad(images[:, 0, 0, 0].float())
        return 3 * torch.stack([angle.cos(), angle.sin()], 1)  # of any length

    def embed_captions(self, captions):
        assert list(captions) == list(GENDER.values())
        return torch.eye(2)


def images(*degrees: int) -> torch.Tensor:
    return torch.tensor(degrees, dtype=torch.uint8)[:, None, None, None].expand(-1, 3, 4, 4)


def test_occupations_are_named_once_and_none_names_a_gender():
    assert len(set(OCCUPATIONS)) == len(OCCUPATIONS) == 24
    assert not any(word in one.split() for one in OCCUPATIONS for word in ("man", "woman", "waiter", "actress"))
    assert occupation_captions(12)[1] == "a photo of an engineer" and len(occupation_captions(12)) == 12


def test_the_closest_caption_is_read_and_what_lies_between_cannot_be_told():
    assert read_by_captions(images(0, 90, 20, 45), GENDER, Angles()).tolist() == ["woman", "man", "woman", CANNOT_TELL]
    assert read_by_captions(images(45), GENDER, Angles(), bar=0.0).tolist() == ["woman"]  # of equal ones the first


def test_shares_of_each_caption_add_up_with_those_that_could_not_be_told():
    readings = pd.DataFrame({
        "caption": ["a"] * 4 + ["b"] * 2, "guidance_scale": 2.0, "gender": ["man", "man", "woman", CANNOT_TELL, "man", "man"],
    })  # fmt: skip
    found = shares_by_caption(readings, "gender", list(GENDER))
    assert list(found) == SHARE_COLUMNS
    assert found.groupby("caption")["share"].sum().to_dict() == pytest.approx({"a": 1.0, "b": 1.0})
    assert found.set_index(["caption", "label"])["share"].to_dict() == {
        ("a", "woman"): 0.25, ("a", "man"): 0.5, ("a", CANNOT_TELL): 0.25, ("b", "woman"): 0.0, ("b", "man"): 1.0, ("b", CANNOT_TELL): 0.0,
    }  # fmt: skip
