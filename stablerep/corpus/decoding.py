"""Encoded images (PNG, JPEG, WebP and the like) to pixels: RGB on white, square, at one size."""

from __future__ import annotations

import io

import numpy as np

from stablerep.errors import InputError


def decode_image(data: bytes, size: int) -> np.ndarray:
    """Decode one image file, put it on white, scale its shorter side to ``size`` (bicubic) and crop the centre.

    The rotation noted by a camera is applied; of an animation the first frame is taken; grey images of 16 bits are scaled to 8.

    Returns uint8 [3, size, size] in RGB. Raises ``ValueError`` with the decoder's reason when the bytes are no whole image.
    """
    from PIL import Image, ImageOps

    try:
        with Image.open(io.BytesIO(data)) as opened:
            opened.load()
            image = _on_white(ImageOps.exif_transpose(opened))
    # Pillow's decoders raise many kinds of error on damaged input (OSError, SyntaxError, struct.error, ...).
    except Exception as error:
        reason = " ".join(str(error).split()) or type(error).__name__
        raise InputError(
            "it is no image file" if isinstance(error, Image.UnidentifiedImageError) else reason
        ) from error
    width, height = image.size
    side = min(width, height)
    if (width, height) != (size, size):
        # Cropping the square first equals scaling and then cropping, and stays small for very long images.
        left, top = (width - side) // 2, (height - side) // 2
        image = image.resize((size, size), Image.Resampling.BICUBIC, box=(left, top, left + side, top + side))
    return np.asarray(image).transpose(2, 0, 1)


def _on_white(image):
    from PIL import Image

    if image.mode.startswith("I"):  # 16 bits a pixel: Pillow's own conversion would clip instead of scaling
        grey = np.asarray(image).astype(np.float64) / 257
        image = Image.fromarray(np.clip(grey.round(), 0, 255).astype(np.uint8))
    if image.has_transparency_data:
        image = image.convert("RGBA")
        image = Image.alpha_composite(Image.new("RGBA", image.size, "white"), image)
    return image.convert("RGB")
