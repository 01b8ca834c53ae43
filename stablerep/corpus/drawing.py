"""Vectors to pixels: draw an SVG on white at any resolution, and keep whole corpora in a cache."""

from __future__ import annotations

import contextlib
import io
import os
from collections.abc import Iterable
from pathlib import Path

import numpy as np

from stablerep.errors import InputError


def draw_svg(svg: str, size: int) -> np.ndarray:
    """Draw one SVG on a white background.

    Returns uint8 [size, size, 3] in RGB. Raises ``ValueError`` when ``resvg`` cannot parse or draw it.
    """
    import resvg_py
    from PIL import Image

    try:
        # System fonts are left out: an icon must look the same on every machine.
        png = resvg_py.svg_to_bytes(svg_string=svg, width=size, height=size, background="white", skip_system_fonts=True)
    except BaseException as error:
        if type(error).__name__ != "PanicException":  # of the Rust library; it is no Exception
            raise
        if size >= 256:
            raise InputError(f"resvg gave up on an SVG at {size} pixels: {error}") from None
        # It gives up on some filters at small sizes only: draw twice as large and average.
        return draw_svg(svg, 2 * size).reshape(size, 2, size, 2, 3).mean((1, 3)).round().astype(np.uint8)
    return np.asarray(Image.open(io.BytesIO(bytes(png))).convert("RGB"))


def draw_many(svgs: Iterable[str], size: int, *, progress: str | None = None) -> np.ndarray:
    """Draw several SVGs. Returns uint8 [N, 3, size, size]. ``progress`` names a progress bar."""
    from tqdm import tqdm

    svgs = list(svgs)
    images = np.empty((len(svgs), 3, size, size), np.uint8)
    for i, svg in enumerate(tqdm(svgs, desc=progress, disable=progress is None, mininterval=1.0, ncols=90)):
        images[i] = draw_svg(svg, size).transpose(2, 0, 1)
    return images


def cache_folder() -> Path:
    """Where drawn images are kept: ``STABLEREP_CACHE``, or ``~/.cache/stablerep``."""
    return Path(os.environ.get("STABLEREP_CACHE") or Path.home() / ".cache" / "stablerep")


def cached_array(name: str, make) -> np.ndarray:
    """``make()`` computed once per ``name`` and kept as ``.npy``; a cache that cannot be written is not an error."""
    path = cache_folder() / f"{name}.npy"
    if path.exists():
        try:
            return np.load(path, allow_pickle=False)
        except (ValueError, OSError, EOFError):
            path.unlink(missing_ok=True)  # cut off or damaged: draw again
    array = make()
    aside = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with open(aside, "wb") as file:
            np.save(file, array)
        aside.replace(path)
    except OSError:
        with contextlib.suppress(OSError):
            aside.unlink()
    return array
