"""Batches of captions: n captions with m images each, from memory or from shards, the same for a seed wherever a run was cut."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import torch
from torch import Tensor

from stablerep.camera import Camera
from stablerep.corpus import Corpus
from stablerep.corpus.on_demand import OnDemandImages
from stablerep.errors import InputError
from stablerep.seeding import generator_for

LARGEST_IN_MEMORY = 4 << 30  # bytes of pixels; larger sets are decoded when they are asked for


@dataclass(frozen=True)
class CaptionedImages:
    """Images with their captions, in memory or decoded when they are asked for.

    Attributes:
        images: uint8 [N, 3, H, W], or what stands for such a tensor.
        caption_ids: int64 [N], places in ``captions``; every caption has at least one image.
        captions: C different captions.
        fingerprint: hash of what determines the images; part of a run's key.
        groups: int64 [C], the group of each caption, or None where each is alone. A batch holds one caption of a group, so that
            two names of one thing are never told apart.
    """

    images: Tensor | OnDemandImages
    caption_ids: Tensor
    captions: Sequence[str]
    fingerprint: str
    groups: Tensor | None = None

    def __post_init__(self) -> None:
        if len(self.images) != len(self.caption_ids):
            raise InputError(
                f"{len(self.images)} images have {len(self.caption_ids)} caption ids; each image needs one."
            )
        used = self.caption_ids.unique()  # sorted
        if not len(used) or len(used) != len(self.captions):
            raise InputError(f"{len(self.captions)} captions, but images of {len(used)}; each needs one.")
        if used[0] != 0 or used[-1] != len(used) - 1:
            raise InputError(f"caption ids go from {used[0]} to {used[-1]}; they are places from 0 to {len(used) - 1}.")

    @classmethod
    def from_corpus(cls, corpus: Corpus, size: int = 32, *, in_memory: bool | None = None) -> CaptionedImages:
        """The images of a corpus at ``size`` pixels; by default in memory if their pixels take at most 4 GiB. The fingerprint is the same."""
        captions = sorted(set(corpus.table["caption"]))
        place = {caption: i for i, caption in enumerate(captions)}
        ids = torch.tensor([place[c] for c in corpus.table["caption"]])
        if in_memory is None:
            in_memory = len(corpus) * 3 * size * size <= LARGEST_IN_MEMORY
        images = corpus.images(size) if in_memory else OnDemandImages(corpus, size)
        return cls(images, ids, captions, f"{corpus.fingerprint}-{size}px")

    def first_captions(self, count: int, *, seed: int = 0) -> CaptionedImages:
        """A random subset of ``count`` captions with all their images; smaller subsets are nested in larger ones."""
        if not 1 <= count <= len(self.captions):
            raise InputError(f"{count} captions were asked for; there are 1 to {len(self.captions)}.")
        rank = sorted(
            range(len(self.captions)), key=lambda i: hashlib.sha256(f"{seed}:{self.captions[i]}".encode()).hexdigest()
        )
        return self.only([self.captions[i] for i in rank[:count]])

    def only(self, captions: Sequence[str]) -> CaptionedImages:
        """The images of some of the captions. Raises ``ValueError`` naming one that the set does not have."""
        wanted, known = set(captions), set(self.captions)
        if strange := sorted(wanted - known):
            raise InputError(f"caption {strange[0]!r} is not in the set of {len(known)} captions.")
        if wanted == known:  # the same set, so that what was computed for it is found again
            return self
        kept = [i for i, caption in enumerate(self.captions) if caption in wanted]
        place = torch.full((len(self.captions),), -1)
        place[kept] = torch.arange(len(kept))
        mask = place[self.caption_ids] >= 0
        names = [self.captions[i] for i in kept]
        digest = hashlib.sha256("\n".join(names).encode()).hexdigest()[:16]
        return CaptionedImages(
            _some(self.images, mask), place[self.caption_ids[mask]], names, f"{self.fingerprint}-only{digest}",
            None if self.groups is None else self.groups[kept],
        )  # fmt: skip

    def each_alone(self) -> CaptionedImages:
        """Every image as the only one of a caption of its own (the caption with a number behind it), for methods that know images alone."""
        order = torch.argsort(self.caption_ids, stable=True)
        sizes = torch.bincount(self.caption_ids, minlength=len(self.captions)).tolist()
        names = [f"{caption} #{k + 1}" for caption, size in zip(self.captions, sizes) for k in range(size)]
        place = torch.empty_like(order)
        place[order] = torch.arange(len(order))
        return CaptionedImages(self.images, place, names, f"{self.fingerprint}-alone")

    def through(self, camera: Camera) -> CaptionedImages:
        """Scenes of drawings in memory; the id of an image is its caption and its place among the caption's images."""
        if camera.still:
            return self
        order = torch.argsort(self.caption_ids, stable=True)
        sizes = torch.bincount(self.caption_ids, minlength=len(self.captions)).tolist()
        names = [""] * len(order)
        for place, name in zip(order.tolist(), (f"{c}/{k}" for c, n in zip(self.captions, sizes) for k in range(n))):
            names[place] = name
        return replace(
            self, images=camera.scenes(self.images, names), fingerprint=f"{self.fingerprint}-{camera.fingerprint}"
        )

    def grouped(self, group_of: Mapping[str, str]) -> CaptionedImages:
        """The same images; captions of one group, by ``group_of``, never share a batch."""
        numbers = {name: i for i, name in enumerate(sorted({group_of[caption] for caption in self.captions}))}
        groups = torch.tensor([numbers[group_of[caption]] for caption in self.captions])
        return replace(self, groups=groups, fingerprint=f"{self.fingerprint}-grouped")


def _some(images: Tensor | OnDemandImages, mask: Tensor) -> Tensor | OnDemandImages:
    return images.only(mask) if isinstance(images, OnDemandImages) else images[mask]


class CaptionBatches:
    """Indices of the images of each step: n captions in an order drawn for each pass, m images of each.

    Captions come without replacement within a pass; so do the images of a caption, unless it has fewer than m. Where captions have
    groups, a pass takes one caption of each.
    """

    def __init__(self, data: CaptionedImages, *, captions: int, images_per_caption: int, seed: int) -> None:
        available = len(data.captions) if data.groups is None else len(data.groups.unique())
        if captions > available:
            of = "captions" if data.groups is None else "groups of captions"
            raise InputError(
                f"a batch takes {captions} captions, the set has {available} {of}; make views_per_step smaller."
            )
        self.data, self.captions, self.m, self.seed = data, captions, images_per_caption, seed
        order = torch.argsort(data.caption_ids, stable=True)
        self.sizes = torch.bincount(data.caption_ids, minlength=len(data.captions))
        self.start = torch.cumsum(self.sizes, 0) - self.sizes
        self.order = order
        self.per_pass = available // captions
        self._pass, self._permutation = -1, None

    def __getitem__(self, step: int) -> Tensor:
        """Image indices int64 [n * m] of one step, the m images of a caption side by side."""
        number, place = divmod(step, self.per_pass)
        if number != self._pass:
            rng = generator_for(self.seed, "order", number)
            order = torch.randperm(len(self.data.captions), generator=rng)
            self._pass, self._permutation = number, order if self.data.groups is None else self._one_of_each(order, rng)
        chosen = self._permutation[place * self.captions : (place + 1) * self.captions]
        rng = generator_for(self.seed, "images", step)
        widest = max(int(self.sizes[chosen].max()), self.m)
        # a random order of the images of each caption: those that do not exist are ranked last and wrapped around
        noise = torch.rand(len(chosen), widest, generator=rng)
        missing = torch.arange(widest)[None] >= self.sizes[chosen][:, None]
        ranked = noise.masked_fill(missing, 2.0).argsort(1)
        pick = ranked.gather(1, torch.arange(self.m)[None] % self.sizes[chosen][:, None])
        return self.order[self.start[chosen][:, None] + pick].flatten()

    def _one_of_each(self, order: Tensor, rng: torch.Generator) -> Tensor:
        """Of captions in a random order, the first of each group; the groups in an order of their own, whatever their sizes."""
        first = torch.full((int(self.data.groups.max()) + 1,), len(order))
        first.scatter_reduce_(0, self.data.groups[order], torch.arange(len(order)), "amin")
        picked = order[first[first < len(order)]]
        return picked[torch.randperm(len(picked), generator=rng)]

    def load(self, step: int) -> tuple[Tensor, Tensor, list[str]]:
        """Images uint8 [n * m, 3, H, W], ids int64 [n * m] and the n captions that the ids are places of."""
        chosen = self[step]
        known, ids = self.data.caption_ids[chosen].unique(return_inverse=True)
        return self.data.images[chosen], ids, [self.data.captions[i] for i in known.tolist()]
