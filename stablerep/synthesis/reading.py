"""Reading a synthetic set: sequentially in constant memory, or whole when it is small."""

from __future__ import annotations

import hashlib
import io
import json
import random
import tarfile
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np

from stablerep.captioned_images import CaptionedImages
from stablerep.errors import InputError


def shard_name(shard: int) -> str:
    return f"shard-{shard:06d}"


def shard_problem(folder: Path, shard: int) -> str | None:
    """Why a shard must be made (again), or None when it is there and its checksum holds."""
    name = shard_name(shard)
    tar, about = folder / f"{name}.tar", folder / f"{name}.json"
    if not tar.exists() or not about.exists():
        return "missing"
    try:
        expected = json.loads(about.read_text())["sha256"]
    except (ValueError, KeyError, TypeError):
        return "its description is damaged"
    with open(tar, "rb") as file:
        return None if hashlib.file_digest(file, "sha256").hexdigest() == expected else "its checksum differs"


def set_fingerprint(plan: str, generator: str, precision: str) -> str:
    """What names a set in the keys of other runs, known before it is made: the fingerprints of plan and generator, and the precision."""
    return f"{plan}-{generator}-{precision}"


@dataclass(frozen=True)
class EncodedSample:
    """One caption with its images as PNG bytes."""

    caption: str
    caption_id: int
    pngs: list[bytes]

    @property
    def count(self) -> int:
        return len(self.pngs)


def decode(sample: EncodedSample, index: int) -> np.ndarray:
    """One image of a sample, uint8 [3, H, W]."""
    from PIL import Image

    return np.array(Image.open(io.BytesIO(sample.pngs[index])).convert("RGB")).transpose(2, 0, 1)


def shard_samples(path: Path) -> Iterator[EncodedSample]:
    """The captions of one shard that have images, in their order, one in memory at a time.

    The file is opened here and read as a tar archive: webdataset takes what it is given for an address, so that a folder's name could
    be a command (``pipe:``) or be cut at ``?`` or ``#``.

    Raises:
        InputError: the archive is damaged.
    """
    pngs: dict[str, bytes] = {}
    try:
        with open(path, "rb") as file, tarfile.open(fileobj=file, mode="r|") as tar:
            for member in tar:
                content = tar.extractfile(member).read()
                if not member.name.endswith(".json"):
                    pngs[member.name] = content
                    continue
                about, key = json.loads(content), member.name.removesuffix(".json")  # it follows its caption's images
                if about["images"]:
                    images = [pngs[f"{key}.{i}.png"] for i in about["images"]]
                    yield EncodedSample(about["caption"], about["caption_id"], images)
                pngs.clear()
                tar.members = []  # or the archive remembers every entry that it has passed
    except (tarfile.TarError, KeyError, ValueError) as error:
        raise InputError(f"{path} is damaged ({error}); run synthesize again, which mends it.") from error


@dataclass(frozen=True)
class SyntheticSet:
    """A finished set in a folder."""

    folder: Path

    def __post_init__(self) -> None:
        for name in ("plan.json", "set.json", "index.parquet"):
            if not (self.folder / name).exists():
                raise InputError(
                    f"{self.folder} has no {name}; it is not a finished synthetic set (run synthesize again)."
                )

    @cached_property
    def plan(self) -> dict:
        return json.loads((self.folder / "plan.json").read_text())

    @cached_property
    def totals(self) -> dict:
        """``captions``, ``images`` and ``flagged`` (left out by the safety checker)."""
        return json.loads((self.folder / "set.json").read_text())

    @property
    def fingerprint(self) -> str:
        return set_fingerprint(self.plan["plan"], self.plan["generator"], self.plan["precision"])

    @cached_property
    def captions(self) -> list[str]:
        """The captions that have images, in the order of the plan."""
        table = self.index()
        return table["caption"][table["images"] > 0].tolist()

    def index(self):
        """The parquet index: one row per caption."""
        import pandas as pd

        with open(self.folder / "index.parquet", "rb") as file:  # opened here: pandas takes some names for addresses
            return pd.read_parquet(file)

    def samples(self, *, shuffle: int = 0, seed: int = 0) -> Iterator[tuple[str, int, np.ndarray]]:
        """Stream ``(caption, caption_id, uint8 [k, 3, H, W])``, the images decoded; otherwise as :meth:`encoded`."""
        for sample in self.encoded(shuffle=shuffle, seed=seed):
            yield sample.caption, sample.caption_id, np.stack([decode(sample, i) for i in range(sample.count)])

    def encoded(self, *, shuffle: int = 0, seed: int = 0) -> Iterator[EncodedSample]:
        """Stream the captions that have images, one at a time, in constant memory.

        ``shuffle`` > 0 keeps a buffer of that many captions and visits shards in a seeded order.
        """
        from webdataset.filters import shuffle as shuffled

        shards = sorted(self.folder.glob("shard-*.tar"))
        if shuffle:
            random.Random(seed).shuffle(shards)
        samples = (sample for shard in shards for sample in shard_samples(shard))
        yield from shuffled(shuffle, seed=seed)(samples) if shuffle else samples

    def in_memory(self) -> CaptionedImages:
        """The whole set as tensors; captions all of whose images were flagged are left out.

        Raises:
            ValueError: nothing is left, because every image was flagged.
        """
        import torch

        captions, ids, images = [], [], []
        for caption, _, pixels in self.samples():
            ids += [len(captions)] * len(pixels)
            captions.append(caption)
            images.append(pixels)
        if not images:
            raise InputError(f"{self.folder} holds no image: the safety checker flagged all {self.totals['flagged']}.")
        return CaptionedImages(torch.from_numpy(np.concatenate(images)), torch.tensor(ids), captions, self.fingerprint)
