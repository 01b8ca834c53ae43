"""Captioned images one after the other, each as it is stored: of a corpus or of a synthetic set of any size, one in memory at a time."""

from __future__ import annotations

import functools
import io
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from stablerep.corpus import Corpus
from stablerep.corpus.decoding import decode_image
from stablerep.corpus.folder import FolderImages
from stablerep.corpus.parts import PartImages
from stablerep.errors import InputError
from stablerep.synthesis.reading import SyntheticSet

DRAWN = 64  # side in pixels at which drawings that have no size of their own are looked at
BATCH = 512  # of these, drawn at once


@dataclass(frozen=True)
class StoredImage:
    """One image.

    Attributes:
        row: its place among all images, from 0.
        width, height: as it is stored, in pixels.
        at: gives the largest square in its middle, RGB on white, at a side in pixels: uint8 [3, side, side].
    """

    row: int
    width: int
    height: int
    at: Callable[[int], np.ndarray] = field(repr=False)

    @property
    def side(self) -> int:
        """The shorter side in pixels."""
        return min(self.width, self.height)


@dataclass(frozen=True)
class StoredImages:
    """Images that are read from the first to the last.

    Attributes:
        ids: [N], unique. captions: [N].
        read: gives the images from a row on, in their order. Raises ``InputError`` at one that cannot be read, which is named.
    """

    ids: list[str] = field(repr=False)
    captions: list[str] = field(repr=False)
    read: Callable[[int], Iterator[StoredImage]] = field(repr=False)

    def __len__(self) -> int:
        return len(self.ids)

    @classmethod
    def of_corpus(cls, corpus: Corpus) -> StoredImages:
        """Of a corpus: as they lie in a folder, in tars or in parquet files. Drawings are drawn at ``DRAWN`` pixels."""
        kinds = {FolderImages: _of_folder, PartImages: _of_parts}
        read = functools.partial(kinds.get(type(corpus.draw), _drawn), corpus)
        return cls(corpus.table["id"].tolist(), corpus.table["caption"].tolist(), read)

    @classmethod
    def of_set(cls, made: SyntheticSet) -> StoredImages:
        """Of a finished synthetic set, from its shards.

        Raises:
            InputError: the set has no image, because the safety checker flagged every one.
        """
        index = made.index()
        captions = index["caption"].repeat(index["images"]).tolist()
        if not captions:
            raise InputError(
                f"{made.folder.name} holds no image: the safety checker flagged all {made.totals['flagged']}."
            )
        ids = [f"{number}/{k}" for number, count in zip(index["caption_id"], index["images"]) for k in range(count)]
        return cls(ids, captions, functools.partial(_of_shards, made))


def _of_folder(corpus: Corpus, start: int) -> Iterator[StoredImage]:
    for row, name in enumerate(corpus.table["id"].tolist()[start:], start):
        path, place = corpus.draw.place[name]
        try:
            data = Path(path).read_bytes()
        except FileNotFoundError as error:
            raise InputError(f"{place}: the image does not exist any more.") from error
        except OSError as error:
            raise InputError(f"{place}: the image cannot be read ({error.strerror}).") from error
        yield _encoded(row, data, place)


def _of_parts(corpus: Corpus, start: int) -> Iterator[StoredImage]:
    images = corpus.draw
    rows = images.rows.loc[corpus.table["id"].tolist()].to_numpy()  # over all parts, ascending
    for part, low, high in zip(images.parts, images.starts, images.starts[1:]):
        first, last = np.searchsorted(rows, [low, high])
        first = max(int(first), start)
        if first >= last:
            continue
        wanted = rows[first:last] - low
        for begin, values in part.batches(images.column, wanted):
            for k in range(*np.searchsorted(wanted, [begin, begin + len(values)]).tolist()):
                place = part.place(int(wanted[k]))
                data = part.image_bytes(values[int(wanted[k] - begin)].as_py())
                if data is None:
                    raise InputError(f"{place}: the image cannot be read (it has no bytes).")
                yield _encoded(first + k, data, place)


def _of_shards(made: SyntheticSet, start: int) -> Iterator[StoredImage]:
    row = 0
    for sample in made.encoded():
        for number, png in enumerate(sample.pngs, 1):
            if row >= start:
                yield _encoded(row, png, f"{made.folder.name}, image {number} of {sample.caption!r}")
            row += 1


def _drawn(corpus: Corpus, start: int) -> Iterator[StoredImage]:
    for first in range(start, len(corpus), BATCH):
        part = corpus.table[first : first + BATCH]
        drawn = functools.cache(lambda size, part=part: corpus.draw(part, size))
        for k in range(len(part)):
            yield StoredImage(first + k, DRAWN, DRAWN, lambda size, k=k, drawn=drawn: drawn(size)[k])


def _encoded(row: int, data: bytes, place: str) -> StoredImage:
    """An image of a file's bytes; ``place`` names it in messages."""

    def at(size: int) -> np.ndarray:
        try:
            return decode_image(data, size)
        except InputError as error:
            raise InputError(f"{place}: the image cannot be read ({str(error).rstrip('.')}).") from error

    return StoredImage(row, *_size_of(data), at)


def _size_of(data: bytes) -> tuple[int, int]:
    """Width and height as a file's first bytes state them; of what is no image anything, since decoding says what is wrong with it."""
    from PIL import Image

    try:
        with Image.open(io.BytesIO(data)) as opened:
            return opened.size
    except Exception:  # of as many kinds as there are formats
        return 8, 8
