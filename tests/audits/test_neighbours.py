"""What is most alike: by hand, on images whose likeness is known."""

from __future__ import annotations

import io

import numpy as np
import pytest
import torch
from PIL import Image

from stablerep.audits.neighbours import SHOWN, nearest, strip
from stablerep.captioned_images import CaptionedImages
from stablerep.errors import InputError


class MeanColour(torch.nn.Module):
    """An encoder that knows the mean of each channel."""

    def forward(self, images):
        return images.mean((2, 3))


def plain(*colours: tuple[int, int, int]) -> torch.Tensor:
    return torch.tensor(colours, dtype=torch.uint8)[:, :, None, None].expand(-1, 3, 8, 8).contiguous()


def test_the_nearest_come_first():
    gallery = torch.tensor([[0.0, 1.0], [2.0, 0.2], [1.0, 1.0]])
    assert nearest(torch.tensor([[3.0, 0.0], [0.0, 0.1]]), gallery, 2).tolist() == [[1, 2], [0, 2]]
    with pytest.raises(InputError, match="count is 4; the gallery has 3 images"):
        nearest(gallery, gallery, 4)


def test_the_strip_has_what_is_drawn_and_what_is_found():
    red, dark, green, blue = (250, 10, 10), (200, 60, 40), (10, 250, 10), (10, 10, 250)
    real = CaptionedImages(plain(*[red] * 4, green), torch.tensor([0] * 4 + [1]), ["rose", "leaf"], "r")
    made = CaptionedImages(plain(dark, green), torch.tensor([0, 1]), ["rose", "leaf"], "g")
    gallery = plain(blue, red, red, green, dark)
    table = strip(MeanColour(), ["rose", "leaf"], real, made, gallery, ["sea", "apple", "apple", "frog", "brick"])
    kinds = table.groupby(["caption", "kind"], sort=False).size()
    assert kinds["rose", "real"] == SHOWN and kinds["rose", "generated"] == 1 and kinds["leaf", "real"] == 1
    found = table[table["kind"] == "found"].groupby("caption", sort=False)["shows"].agg(list)
    assert found["rose"] == ["brick", "apple", "frog"] and found["leaf"][0] == "frog"  # one image of a caption
    first = table[(table["caption"] == "rose") & (table["kind"] == "found")].iloc[0]
    assert np.asarray(Image.open(io.BytesIO(first["png"])))[0, 0].tolist() == list(dark)
