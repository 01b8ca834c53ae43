"""Real images that the generator learned from, retrieved for captions in the place of synthetic ones: sets under names of their own."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from stablerep.generator.folders import EMBEDDED
from stablerep.study.experiments.image_sets import ImageSets
from stablerep.study.experiments.images import Captions, ImageSet

if TYPE_CHECKING:
    from stablerep.captioned_images import CaptionedImages
    from stablerep.retrieving import Retrieved

RETRIEVING = "stablerep.retrieving"
BY_WORDS, OWN_LEFT_OUT, BY_LIKENESS = "words", "words-own-left-out", "likeness"
WAYS = {BY_WORDS: "by words", OWN_LEFT_OUT: "by words, own left out", BY_LIKENESS: "by likeness"}  # as arms are called

_RETRIEVED: dict[
    str, Retrieved
] = {}  # what is kept in memory, by the name of its set: looking for likeness takes a while


@dataclass(frozen=True)
class Retriever:
    """Retrieves real images for captions, as many for each as it has synthetic ones."""

    sets: ImageSets
    captions: Captions
    synthetic: ImageSet  # drawings by the generator
    images_per_caption: int  # of the synthetic ones

    def images(self, way: str) -> ImageSet:
        """Drawings that one of ``WAYS`` retrieves; named before any is looked for."""
        about = f"{self.captions.name}-{self.sets.size}px"
        if way == BY_LIKENESS:  # to the synthetic images, on which the set depends
            return self.synthetic.changed(f"retrieved-{about}", lambda: self._load(way), RETRIEVING)
        name = f"retrieved{self.images_per_caption}-by-{way}-{about}"
        return ImageSet(name, lambda: self._load(way), (RETRIEVING,))

    def retrieved(self, way: str) -> Retrieved:
        """What one of ``WAYS`` retrieves."""
        from stablerep.retrieving import by_likeness, by_words, upstream_of

        name = self.images(way).name
        if name not in _RETRIEVED:
            upstream = upstream_of(self.sets.corpus, self.sets.size)
            _RETRIEVED[name] = (
                by_likeness(self.synthetic.load(), upstream, self.sets.size) if way == BY_LIKENESS
                else by_words(self.captions.texts, upstream, self.images_per_caption, own=way == BY_WORDS)
            )  # fmt: skip
        return _RETRIEVED[name]

    def _load(self, way: str) -> CaptionedImages:
        return self.retrieved(way).images(self.sets.size, self.images(way).name)


def learned_from(generator: str) -> str:
    """The fingerprint of the images that a generator has learned from, as its training left it (:func:`stablerep.generator.training.train_generator`).

    Empty where there is no such record, as on the Hub, or where the training went on from another generator, whose images it does not tell.
    """
    record = (EMBEDDED if generator == "emoji" else Path(generator)) / "training" / "training.json"
    if not record.is_file():
        return ""
    about = json.loads(record.read_text(encoding="utf-8"))
    return "" if about.get("start") else about.get("learned_from", "")
