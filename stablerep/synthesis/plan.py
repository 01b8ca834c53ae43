"""What a synthetic set is made of, fixed before the first image: captions, noise names, batches, shards."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass

from stablerep.errors import InputError
from stablerep.generator import check_sampling


@dataclass(frozen=True)
class Batch:
    """One call of the generator: (caption number, image index) pairs."""

    shard: int
    number: int
    items: tuple[tuple[int, int], ...]


@dataclass(frozen=True)
class SynthesisPlan:
    """Everything that determines a synthetic set, except the generator.

    The noise of an image depends on (seed, caption, index) alone. Batches never cross a shard and hold whole captions, or
    a part of one caption when l is larger than a batch; they depend on the plan, not on who works on it or where it was cut.
    """

    captions: Sequence[str]
    images_per_caption: int = 8  # l; the paper stores 10
    guidance_scale: float = 2.0  # w
    steps: int = 12
    sampler: str = "dpm++"
    seed: int = 0
    batch_size: int = 64  # images; another value gives the same images up to rounding
    shard_captions: int = 256  # captions in a shard

    def __post_init__(self) -> None:
        object.__setattr__(self, "captions", tuple(self.captions))
        check_sampling(self.guidance_scale, self.steps, self.sampler)
        for name in ("images_per_caption", "batch_size", "shard_captions"):
            if getattr(self, name) < 1:
                raise InputError(f"{name} is {getattr(self, name)}; it must be at least 1.")
        if not self.captions:
            raise InputError("there are no captions; a synthetic set needs at least one.")
        for i, caption in enumerate(self.captions):
            if not caption.strip():
                raise InputError(f"caption {i} is empty; each caption needs at least one character.")
        if len(set(self.captions)) < len(self.captions):
            seen: set[str] = set()
            twice = next(c for c in self.captions if c in seen or seen.add(c))
            raise InputError(f"caption {twice!r} appears twice; images are grouped by caption, so list each one once.")

    @property
    def fingerprint(self) -> str:
        return hashlib.sha256(json.dumps(asdict(self), sort_keys=True).encode()).hexdigest()[:16]

    @property
    def total(self) -> int:
        """Number of images."""
        return len(self.captions) * self.images_per_caption

    @property
    def shards(self) -> int:
        return -(-len(self.captions) // self.shard_captions)

    def shard_range(self, shard: int) -> range:
        """Numbers of the captions in a shard."""
        return range(shard * self.shard_captions, min((shard + 1) * self.shard_captions, len(self.captions)))

    def batches(self, shard: int) -> Iterator[Batch]:
        numbers, m = self.shard_range(shard), self.images_per_caption
        count = 0
        if m <= self.batch_size:
            whole = self.batch_size // m
            for start in range(0, len(numbers), whole):
                yield Batch(shard, count, tuple((c, i) for c in numbers[start : start + whole] for i in range(m)))
                count += 1
        else:
            for c in numbers:
                for start in range(0, m, self.batch_size):
                    yield Batch(shard, count, tuple((c, i) for i in range(start, min(start + self.batch_size, m))))
                    count += 1
