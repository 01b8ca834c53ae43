"""Encoded images (PNG, JPEG, WebP and the like) to pixels: RGB on white, square, at one size."""

from __future__ import annotations

import io

import numpy as np

from stablerep.errors import InputError

_ORIENTATION = 0x0112  # EXIF tag
_FEWER_BITS = (1 << 14) - 1  # 12 or 14 bits of a sensor, stored in 16
_STATED_RANGE = ("PNG", "PPM")  # formats in which 16 bits go from black at 0 to white at 65535


def decode_image(data: bytes, size: int) -> np.ndarray:
    """Decode one image file, put it on white, scale its shorter side to ``size`` (bicubic) and crop the centre.

    Pixels come first: the rotation noted by a camera is applied where it can be read, and a broken note is no reason to refuse
    an image. Of an animation the first frame is taken. Grey images of 16 bits are scaled to 8; where the format does not state
    that they use the whole range (TIFF), they must reach beyond 16383, since 12 or 14 bits are often stored in 16. Whole numbers of 32
    bits and floating-point numbers have no known range and are refused.

    Returns uint8 [3, size, size] in RGB. Raises ``InputError`` with the reason when the bytes are no whole image of known range.
    """
    from PIL import Image

    try:
        with Image.open(io.BytesIO(data)) as opened:
            opened.load()
            image = _on_white(_upright(_eight_bits(opened), opened))
    except InputError:
        raise
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


def _upright(image, opened):
    """``image`` turned as the EXIF of ``opened`` says, if it says so in a way that can be read."""
    from PIL.Image import Transpose

    try:
        value = opened.getexif().get(_ORIENTATION)
    except Exception:  # of many kinds; whatever is wrong with the note, the pixels are there
        return image
    turns = {
        2: Transpose.FLIP_LEFT_RIGHT, 3: Transpose.ROTATE_180, 4: Transpose.FLIP_TOP_BOTTOM, 5: Transpose.TRANSPOSE,
        6: Transpose.ROTATE_270, 7: Transpose.TRANSVERSE, 8: Transpose.ROTATE_90,
    }  # fmt: skip
    return image.transpose(turns[value]) if isinstance(value, int) and value in turns else image


def _eight_bits(image):
    """Grey of 16 bits as grey of 8; Pillow's own conversion would clip instead of scaling."""
    from PIL import Image

    if image.mode == "F":
        raise InputError("its floating-point values have no known range; save it with 8 bits")
    if not image.mode.startswith("I"):
        return image
    grey = np.asarray(image).astype(np.float64)
    if image.format not in _STATED_RANGE:
        if image.mode == "I":
            raise InputError("its whole numbers of 32 bits have no known range; save it with 8 bits")
        if grey.max() <= _FEWER_BITS:
            raise InputError(
                f"its values of 16 bits end at {grey.max():.0f}, so their range is not known; save it with 8 bits"
            )
    return Image.fromarray(np.clip((grey / 257).round(), 0, 255).astype(np.uint8))


def _on_white(image):
    from PIL import Image

    if image.has_transparency_data:
        image = image.convert("RGBA")
        image = Image.alpha_composite(Image.new("RGBA", image.size, "white"), image)
    return image.convert("RGB")
