"""Odd image files: notes of cameras that are broken, numbers whose range is not known."""

from __future__ import annotations

import io
import struct

import numpy as np
import pytest
from PIL import Image

from stablerep.corpus.decoding import decode_image

RAMP = np.tile(np.linspace(0, 1, 64), (64, 1))
HEAD = b"Exif\0\0"


def encoded(image: Image.Image, kind: str, **options) -> bytes:
    file = io.BytesIO()
    image.save(file, kind, **options)
    return file.getvalue()


def tags(entries: list[tuple[int, int, int, bytes]], extra: bytes = b"") -> bytes:
    body = b"".join(struct.pack("<HHI", tag, kind, count) + value for tag, kind, count, value in entries)
    return b"II*\0" + struct.pack("<IH", 8, len(entries)) + body + struct.pack("<I", 0) + extra


def orientation(value: int) -> tuple[int, int, int, bytes]:
    return (0x112, 3, 1, struct.pack("<HH", value, 0))


BROKEN = {
    "no tiff": HEAD + b"no tiff at all",
    "empty": HEAD,
    "cut": HEAD + tags([orientation(6)])[:14],
    "orientation 0": HEAD + tags([orientation(0)]),
    "orientation 99": HEAD + tags([orientation(99)]),
    "orientation text": HEAD + tags([(0x112, 2, 4, b"6abc")]),
    "copyright": HEAD + tags([orientation(1), (0x8298, 2, 4, b"\xff\xfe\xa9\0")]),
    "far pointer": HEAD + tags([orientation(1), (0x9C9B, 1, 5, struct.pack("<I", 9999))]),
}


@pytest.mark.parametrize("name", BROKEN)
@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP"])
@pytest.mark.filterwarnings("ignore")
def test_a_broken_note_of_the_camera_costs_no_pixels(name, kind):
    pixels = np.zeros((24, 24, 3), np.uint8)
    pixels[:, :12] = (200, 40, 40)
    quality = {"lossless": True} if kind == "WEBP" else {}
    note = BROKEN[name] if kind == "JPEG" else BROKEN[name].removeprefix(HEAD)
    found = decode_image(encoded(Image.fromarray(pixels), kind, exif=note, **quality), 24)
    assert np.abs(found.transpose(1, 2, 0)[:, [2, -3]].astype(int) - pixels[:, [2, -3]]).max() < 12


@pytest.mark.parametrize("value", range(1, 9))
@pytest.mark.filterwarnings("ignore")
def test_rotation_is_applied_beside_other_broken_tags(value):
    from PIL import ImageOps

    pixels = np.random.default_rng(0).integers(0, 256, (16, 16, 3), np.uint8)
    whole = encoded(Image.fromarray(pixels), "PNG", exif=tags([orientation(value)]))
    broken = encoded(
        Image.fromarray(pixels), "PNG", exif=tags([orientation(value), (0x9C9B, 1, 5, struct.pack("<I", 9999))])
    )
    expected = np.asarray(ImageOps.exif_transpose(Image.open(io.BytesIO(whole))).convert("RGB")).transpose(2, 0, 1)
    np.testing.assert_array_equal(decode_image(whole, 16), expected)
    np.testing.assert_array_equal(decode_image(broken, 16), expected)


@pytest.mark.parametrize(
    ("values", "reason"),
    [
        (RAMP.astype(np.float32), "floating-point values have no known range"),
        ((RAMP * 65535).astype(np.float32), "floating-point values have no known range"),
        ((RAMP * 65535).astype(np.int32), "whole numbers of 32 bits have no known range"),
        ((RAMP * 255).astype(np.int32), "whole numbers of 32 bits have no known range"),
        ((RAMP * 4095).round().astype(np.uint16), "values of 16 bits end at 4095, so their range is not known"),
        ((RAMP * 16383).round().astype(np.uint16), "values of 16 bits end at 16383, so their range is not known"),
    ],
)
def test_numbers_without_a_known_range_are_refused(values, reason):
    with pytest.raises(ValueError, match=reason):
        decode_image(encoded(Image.fromarray(values), "TIFF"), 16)


@pytest.mark.parametrize("kind", ["TIFF", "PNG", "PPM"])
def test_sixteen_bits_over_the_whole_range_are_scaled(kind):
    values = (RAMP * 65535).round().astype(np.uint16)
    data = (
        b"P5 64 64 65535\n" + values.astype(">u2").tobytes()
        if kind == "PPM"
        else encoded(Image.fromarray(values), kind)
    )
    np.testing.assert_array_equal(decode_image(data, 64)[0], (values / 257).round())
