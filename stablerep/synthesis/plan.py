"""What a synthetic set is made of, fixed before the first image: captions, noise names, batches, shards."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

from stablerep.errors import InputError
from stablerep.generator.sampling import Sampling


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

    Attributes:
        captions: different texts. With ``captions_name`` any sequence, whose texts are read only where they are drawn.
        images_per_caption: l; the paper stores 10.
        sampling: guidance, steps and sampler.
        seed: of the noise.
        batch_size: images in a call of the generator; another value gives the same images up to rounding.
        shard_captions: captions in a shard.
        captions_name: a hash that determines the captions and their order, such as a corpus part's fingerprint. Millions of captions
            are then named without being read; that they are different is up to whoever names them.

    Raises:
        InputError: a count below one; no captions, an empty one or one that appears twice.
    """

    captions: Sequence[str]
    images_per_caption: int = 8
    sampling: Sampling = field(default_factory=Sampling)
    seed: int = 0
    batch_size: int = 64
    shard_captions: int = 256
    captions_name: str | None = None

    def __post_init__(self) -> None:
        for name in ("images_per_caption", "batch_size", "shard_captions"):
            if getattr(self, name) < 1:
                raise InputError(f"{name} is {getattr(self, name)}; it must be at least 1.")
        if not len(self.captions):
            raise InputError("there are no captions; a synthetic set needs at least one.")
        if self.captions_name is not None:
            return
        object.__setattr__(self, "captions", tuple(self.captions))
        for number in range(len(self.captions)):
            self.caption(number)
        if len(set(self.captions)) < len(self.captions):
            seen: set[str] = set()
            twice = next(c for c in self.captions if c in seen or seen.add(c))
            raise InputError(f"caption {twice!r} appears twice; images are grouped by caption, so list each one once.")

    def caption(self, number: int) -> str:
        """One caption. Raises ``InputError`` when it is empty."""
        text = str(self.captions[number])
        if not text.strip():
            raise InputError(f"caption {number} is empty; each caption needs at least one character.")
        return text

    @property
    def parameters(self) -> dict[str, Any]:
        """All but the captions' texts in one flat table, ``captions`` being their number: what is stored beside a set."""
        own = {name: getattr(self, name) for name in ("images_per_caption", "seed", "batch_size", "shard_captions")}
        return {"captions": len(self.captions), **own, **self.sampling.parameters}

    @cached_property
    def fingerprint(self) -> str:
        """Hash of the plan, which names the captions by ``captions_name`` or else by their texts."""
        named = None if self.captions_name is None else {"name": self.captions_name, "count": len(self.captions)}
        content = self.parameters | {"captions": named or self.captions}
        return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()[:16]

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
