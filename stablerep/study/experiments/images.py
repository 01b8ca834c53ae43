"""Captions and images under their names in the keys of runs. Nothing is read or made before it is needed."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from torch import Tensor

    from stablerep.captioned_images import CaptionedImages

VARIANTS = "stablerep.variants"


@dataclass(frozen=True)
class Captions:
    """The first training captions of a corpus, in a fixed random order."""

    corpus: str  # its name in keys
    count: int  # how many; 0 takes all
    available: int  # how many there are; for a corpus that was not read, at most
    read: Callable[[], list[str]]  # gives all of them

    def __len__(self) -> int:
        return self.count or self.available

    @property
    def name(self) -> str:
        """What stands for them in the keys of runs, known without their texts."""
        return hashlib.sha256(f"captions:{self.corpus}:{self.count}".encode()).hexdigest()[:16]

    @cached_property
    def texts(self) -> list[str]:
        return self.read()[: self.count or None]

    def first(self, count: int) -> Captions:
        """The first ``count`` of them; all of them are these captions themselves."""
        return self if count == len(self) else Captions(self.corpus, count, self.available, self.read)


@dataclass(frozen=True)
class Named:
    """Captions chosen one by one, such as those of an audit: their texts name them."""

    texts: Sequence[str]

    def __len__(self) -> int:
        return len(self.texts)

    @property
    def name(self) -> str:
        return hashlib.sha256("\n".join(self.texts).encode()).hexdigest()[:16]


@dataclass(frozen=True)
class ImageSet:
    """Images that may not have been read or made yet."""

    name: str  # in the keys of runs: the corpus or the run that they come from, and which part of it
    load: Callable[[], CaptionedImages]  # reads or makes them
    code: tuple[
        str, ...
    ] = ()  # modules that change what was read or made, so that a run that learns from it depends on them too

    def changed(self, how: str, load: Callable[[], CaptionedImages], *code: str) -> ImageSet:
        """Images that are made of these."""
        return ImageSet(f"{self.name}-{how}", load, tuple(dict.fromkeys((*self.code, *code))))

    def only(self, captions: Captions, among: Captions) -> ImageSet:
        """The images of ``captions``, when these images are those of ``among``."""
        return (
            self if captions == among else self.changed(f"of{len(captions)}", lambda: self.load().only(captions.texts))
        )

    def grouped(self, group_of: Callable[[], dict[str, str]]) -> ImageSet:
        """The same images; captions of one group never share a batch."""
        return self.changed("grouped", lambda: self.load().grouped(group_of()))

    def each_alone(self) -> ImageSet:
        """Every image as the only one of a caption of its own, for methods that know images alone."""
        return self.changed("alone", lambda: self.load().each_alone())

    def coarser(self, side: int) -> ImageSet:
        """The same images by way of fewer pixels (:func:`stablerep.variants.coarser`)."""
        from stablerep import variants

        return self.changed(f"by{side}px", lambda: variants.coarser(self.load(), side), VARIANTS)

    def closest(self, score: Callable[[CaptionedImages], Tensor], count: int, how: str, *code: str) -> ImageSet:
        """Of each caption the ``count`` images that score highest (:func:`stablerep.variants.closest`); ``how`` names the scores, which ``code`` makes."""
        from stablerep import variants

        def load() -> CaptionedImages:
            data = self.load()
            return variants.closest(data, score(data), count)

        return self.changed(f"best{count}-by-{how}", load, *code, VARIANTS)

    def mixed_with(self, synthetic: ImageSet, *, total: int | None = None) -> ImageSet:
        """These images, which are real, and synthetic ones of their captions (:func:`stablerep.variants.mixed`)."""
        from stablerep import variants

        how = f"with-{synthetic.name}-{total or 'all'}"
        return self.changed(
            how, lambda: variants.mixed(self.load(), synthetic.load(), total=total), *synthetic.code, VARIANTS
        )
