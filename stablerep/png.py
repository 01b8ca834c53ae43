"""An image as the bytes of a PNG, as tables keep those that a page shows."""

from __future__ import annotations

import io
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from torch import Tensor


def png_of(image: Tensor | np.ndarray) -> bytes:
    """An image, uint8 [3, H, W] in RGB, as a PNG file."""
    from PIL import Image

    file = io.BytesIO()
    Image.fromarray(np.ascontiguousarray(np.asarray(image).transpose(1, 2, 0))).save(file, "PNG")
    return file.getvalue()
