"""Images, or boxes in them, that are decoded when they are asked for."""

from __future__ import annotations

import io
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from stablerep.corpus.decoding import decode_image
from stablerep.errors import InputError, readable

Box = tuple[float, float, float, float]  # left, top, right and bottom, in pixels


class Regions:
    """Stands for uint8 [N, 3, size, size], RGB: what is asked for by a slice is read from its files.

    A picture is scaled so that its shorter side has ``size`` pixels, and cut to the middle, as everywhere (:func:`stablerep.corpus.decoding.decode_image`).
    """

    def __init__(self, places: Sequence[tuple[Path, Box | None, str]], size: int) -> None:
        """``places``: path, box if any, and of what file and row it is, for messages."""
        self.places, self.size = list(places), size

    def __len__(self) -> int:
        return len(self.places)

    def __getitem__(self, index: slice) -> np.ndarray:
        """Raises ``InputError``, naming file and row, for a file that cannot be read, is no image, or does not reach its box."""
        return np.stack([self._read(*one) for one in self.places[index]])

    def _read(self, path: Path, box: Box | None, row: str) -> np.ndarray:
        with readable(path):
            data = path.read_bytes()
        try:
            return decode_image(cropped(data, box) if box else data, self.size)
        except InputError as error:
            raise InputError(f"{row}: {path.name}: {error}") from None


def cropped(data: bytes, box: Box) -> bytes:
    """The part of an encoded image within a box, as PNG. What of the box lies outside of the image is left out.

    Raises ``InputError`` for bytes that are no image, and a box that lies outside altogether.
    """
    from PIL import Image

    try:
        with Image.open(io.BytesIO(data)) as opened:
            image = opened.convert("RGB")
    except Exception as error:  # decoders raise many kinds
        raise InputError(f"it is no whole image ({type(error).__name__}).") from error
    left, top, right, bottom = (
        max(0, min(round(end), most)) for end, most in zip(box, (image.width, image.height) * 2, strict=True)
    )
    if left >= right or top >= bottom:
        raise InputError(
            f"its box, {box[0]:g} to {box[2]:g} by {box[1]:g} to {box[3]:g}, lies outside of its {image.width} x {image.height} pixels."
        )
    file = io.BytesIO()
    image.crop((left, top, right, bottom)).save(file, "PNG")
    return file.getvalue()
