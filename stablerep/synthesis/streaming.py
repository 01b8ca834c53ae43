"""Batches straight from the shards, for sets that do not fit into memory: sequential reading through a small buffer."""

from __future__ import annotations

from collections.abc import Iterator

import torch
from torch import Tensor

from stablerep.errors import InputError
from stablerep.seeding import generator_for, seed_for
from stablerep.synthesis.reading import SyntheticSet, decode


class ShardBatches:
    """The batches of a training, read from a synthetic set one caption at a time.

    The same interface as :class:`stablerep.captioned_images.CaptionBatches`. Each pass visits shards in a seeded order and mixes captions in a
    buffer, whose size alone sets the memory. Steps come in order; a run that resumes at step k reads past the first k batches
    of its pass without decoding them.
    """

    def __init__(
        self, made: SyntheticSet, *, captions: int, images_per_caption: int, seed: int, buffer: int = 2048
    ) -> None:
        available = len(made.captions)
        if captions > available:
            raise InputError(
                f"a batch takes {captions} captions, the set has {available}; make views_per_step smaller."
            )
        self.made, self.n, self.m, self.seed, self.buffer = made, captions, images_per_caption, seed, buffer
        self.per_pass = available // captions
        self._next, self._stream = -1, iter(())

    def load(self, step: int) -> tuple[Tensor, Tensor, list[str]]:
        """Images uint8 [n * m, 3, H, W], ids int64 [n * m] and the n captions that the ids are places of."""
        number, place = divmod(step, self.per_pass)
        if step != self._next or place == 0:
            self._stream = self._open(number)
            for _ in range(place * self.n):
                next(self._stream)
        self._next = step + 1
        samples = [next(self._stream) for _ in range(self.n)]
        rng, images, captions = generator_for(self.seed, "images", step), [], []
        for sample in samples:
            order = torch.randperm(sample.count, generator=rng)
            picked = order[torch.arange(self.m) % sample.count].tolist()
            captions.append(sample.caption)
            images += [torch.from_numpy(decode(sample, i)) for i in picked]
        return torch.stack(images), torch.arange(self.n).repeat_interleave(self.m), captions

    def _open(self, number: int) -> Iterator:
        return self.made.encoded(shuffle=self.buffer, seed=seed_for(self.seed, "order", number) % 2**31)
