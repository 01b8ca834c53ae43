"""A PNG gives back the image that it was made of, from an array and from a tensor alike."""

from __future__ import annotations

import numpy as np
import torch

from stablerep.corpus.decoding import decode_image
from stablerep.png import png_of


def test_a_png_gives_back_its_image():
    image = np.random.default_rng(0).integers(0, 256, (3, 9, 9), dtype=np.uint8)
    assert (decode_image(png_of(image), 9) == image).all()
    assert png_of(torch.from_numpy(image)) == png_of(image)
    assert (decode_image(png_of(image[:, ::-1]), 9) == image[:, ::-1]).all()  # not in one piece of memory
