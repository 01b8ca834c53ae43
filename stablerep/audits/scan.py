"""One pass over images of any number: what is wrong with single ones, which are the same, and a sample to measure the rest by."""

from __future__ import annotations

import hashlib
import itertools
from collections.abc import Iterable, Sequence
from pathlib import Path

import numpy as np
import pandas as pd
import torch

from stablerep.audits.stored_images import StoredImage, StoredImages
from stablerep.checkpoint import save_table, save_weights, written_aside
from stablerep.png import png_of
from stablerep.probes.extraction import progress

BLOCK = 1024  # images after which what was found is kept for an attempt that goes on
EACH = 8  # images of a caption in the sample, before any caption gives more
SHOWN, SHOWN_SIDE = (
    24,
    96,
)  # images to look at, each of another caption where there are so many; their side in pixels, at most
BLANK = 4.0  # grey levels: an image that deviates less from its mean colour is blank
SMALL = 32  # pixels: an image whose shorter side is below is very small


def pixel_hash(image: np.ndarray) -> str:
    """16 hexadecimal digits that are the same for images uint8 [3, H, W] of the same pixels, whatever file holds them."""
    return hashlib.sha256(f"{image.shape}".encode() + np.ascontiguousarray(image).tobytes()).hexdigest()[:16]


def deviation(image: np.ndarray) -> float:
    """Root mean square distance of the pixels of an image uint8 [3, H, W] from its mean colour, in grey levels from 0 to 127.5."""
    levels = image.reshape(len(image), -1).astype(np.float64)
    return float(np.sqrt(((levels - levels.mean(1, keepdims=True)) ** 2).mean()))


def picked(ids: Sequence[str], captions: Sequence[str], count: int) -> np.ndarray:
    """Rows of a sample of at most ``count`` images, by hash and never by order: int [n], one caption after the other.

    Captions come in the order of their hashes, each with ``EACH`` images, so that images of one caption can be compared; where captions run
    out, a second turn takes as many more of each.
    """
    table = pd.DataFrame({"caption": list(captions), "rank": [_rank(one) for one in ids]})
    turn = table.sort_values("rank").groupby("caption").cumcount().sort_index() // EACH
    first = {caption: _rank(caption) for caption in table["caption"].unique()}
    order = table.assign(turn=turn, first=table["caption"].map(first)).sort_values(["turn", "first", "rank"])
    return order.index.to_numpy()[:count]


def _rank(text: str) -> str:
    return hashlib.sha256(f"sample:{text}".encode("utf-8", "surrogatepass")).hexdigest()


def to_look_at(rows: Sequence[int], captions: Sequence[str], count: int = SHOWN) -> list[int]:
    """The first rows of a sample that differ in caption, and where these are too few the next ones: at most ``count``."""
    table = pd.DataFrame({"row": rows, "caption": [captions[row] for row in rows]})
    turn = table.groupby("caption").cumcount()
    return table["row"].iloc[turn.sort_values(kind="stable").index[:count]].tolist()


def scan(images: StoredImages, folder: Path, *, sample: int, sizes: Sequence[int]) -> dict[str, int]:
    """Look at every image once, and keep in ``folder`` what was found. A pass that was cut goes on after its last whole block.

    Files:
        ``images.parquet``: a row per image: ``id``, ``caption``, ``pixels`` (:func:`pixel_hash` at its own size), ``deviation`` in grey levels, ``width``
        and ``height`` in pixels. ``sample.parquet``: ``row`` and ``caption`` of the images of :func:`picked`; ``sample.safetensors``: their pixels, uint8
        [n, 3, size, size] under each of the ``sizes``. ``shown.parquet``: ``row``, ``caption`` and ``png`` of :func:`to_look_at`.

    Returns:
        The numbers of ``images``, different ``captions`` and images in the ``sample``.

    Raises:
        InputError: an image cannot be read; it is named.
    """
    order = picked(images.ids, images.captions, sample)
    shown = to_look_at(order, images.captions)
    chosen, pictured = set(order.tolist()), set(shown)
    kept = folder / ".scan"
    number = next(k for k in itertools.count() if not (kept / f"{k:06d}.npz").is_file())
    stream = images.read(number * BLOCK)
    with progress(total=len(images), initial=min(number * BLOCK, len(images)), desc="images", unit="image") as bar:
        for k in itertools.count(number):
            found = _measured(itertools.islice(stream, BLOCK), chosen, pictured, sizes)
            if not len(found["pixels"]):
                break
            with written_aside(kept / f"{k:06d}.npz") as aside, open(aside, "wb") as file:
                np.savez(file, **found)
            bar.update(len(found["pixels"]))
    found = _joined(sorted(kept.glob("*.npz")))
    named = {"id": images.ids, "caption": images.captions}
    columns = {name: found[name] for name in ("deviation", "width", "height")}
    save_table(folder / "images.parquet", pd.DataFrame(named | {"pixels": found["pixels"].astype(str)} | columns))
    place = {row: k for k, row in enumerate(found["rows"].tolist())}
    places = [place[row] for row in order.tolist()]
    captions = np.asarray(images.captions, object)
    save_table(folder / "sample.parquet", pd.DataFrame({"row": order, "caption": captions[order]}))
    small = {str(size): torch.from_numpy(found[f"images-{size}"][places]) for size in sizes}
    save_weights(folder / "sample.safetensors", small)
    ends = np.cumsum(found["lengths"])
    encoded = found["png"].tobytes()
    pngs = {row: encoded[end - n : end] for row, end, n in zip(found["shown"].tolist(), ends, found["lengths"])}
    look = pd.DataFrame({"row": shown, "caption": captions[shown], "png": [pngs[row] for row in shown]})
    save_table(folder / "shown.parquet", look)
    return {"images": len(images), "captions": len(set(images.captions)), "sample": len(order)}


def _measured(
    stream: Iterable[StoredImage], chosen: set[int], shown: set[int], sizes: Sequence[int]
) -> dict[str, np.ndarray]:
    """What is kept of a block of images."""
    facts, rows, pictures = [], [], {}
    small = {size: [] for size in sizes}
    for image in stream:
        whole = image.at(image.side)
        facts.append((pixel_hash(whole), deviation(whole), image.width, image.height))
        if image.row in chosen:
            rows.append(image.row)
            for size in sizes:
                small[size].append(image.at(size))
        if image.row in shown:
            pictures[image.row] = png_of(image.at(min(SHOWN_SIDE, image.side)))
    pixels, spread, width, height = zip(*facts) if facts else ((), (), (), ())
    found = {
        "pixels": np.array(pixels, "S16"), "deviation": np.array(spread, np.float32), "width": np.array(width, np.int32),
        "height": np.array(height, np.int32), "rows": np.array(rows, np.int64), "shown": np.array(list(pictures), np.int64),
        "lengths": np.array([len(png) for png in pictures.values()], np.int64),
        "png": np.frombuffer(b"".join(pictures.values()), np.uint8),
    }  # fmt: skip
    empty = {size: np.empty((0, 3, size, size), np.uint8) for size in sizes}
    return found | {f"images-{size}": np.stack(small[size]) if rows else empty[size] for size in sizes}


def _joined(paths: Sequence[Path]) -> dict[str, np.ndarray]:
    parts = []
    for path in paths:
        with np.load(path, allow_pickle=False) as stored:
            parts.append(dict(stored))
    return {name: np.concatenate([part[name] for part in parts]) for name in parts[0]}


def flagged(images: pd.DataFrame) -> dict[str, int]:
    """How many images have something about them that a training would take along.

    Args:
        images: of :func:`scan`.

    Returns:
        ``blank``: nearly one colour. ``repeated``: the same pixels as an image before it of the same caption. ``shared``: the same pixels as some image
        of another caption. ``empty``: without a caption. ``small``: with a shorter side below ``SMALL`` pixels.
    """
    captions = images.groupby("pixels")["caption"].transform("nunique")
    return {
        "blank": int((images["deviation"] < BLANK).sum()),
        "repeated": int(images.duplicated(["caption", "pixels"]).sum()),
        "shared": int((captions > 1).sum()),
        "empty": int((images["caption"].str.strip() == "").sum()),
        "small": int((images[["width", "height"]].min(axis=1) < SMALL).sum()),
    }


def most_repeated(images: pd.DataFrame, count: int = 5) -> pd.DataFrame:
    """The pixels that most images have: ``images``, ``captions`` (how many different ones) and ``caption`` (one of them), a row each, the most frequent
    first; pixels that one image alone has are no row."""
    found = images.groupby("pixels", sort=False)["caption"].agg(images="size", captions="nunique", caption="first")
    found = found[found["images"] > 1].sort_values("images", ascending=False, kind="stable")
    return found.head(count).reset_index(drop=True)
