"""What a study is made of: a corpus, its captions, and generators."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import replace
from functools import cache, cached_property
from typing import TYPE_CHECKING, Any

import numpy as np

import stablerep.generator as generators
from stablerep.camera import Camera
from stablerep.corpus import Corpus, load_corpus
from stablerep.errors import InputError
from stablerep.generator.architecture import new_noise_schedule
from stablerep.generator.schedulers import noise_schedule, schedule_of
from stablerep.probes.suite import open_for
from stablerep.study.experiments.images import Captions
from stablerep.study.store.runs import RunStore

if TYPE_CHECKING:
    from typing import Self

    import pandas as pd

    from stablerep.study.parameters.base import Parameters

_GENERATORS = {}  # what is kept in memory, by name
_CAPTIONS: dict[str, list[str]] = {}  # in the order of a study, by corpus
_PIXELS: dict[tuple, np.ndarray] = {}  # of what probes look at, which every encoder is asked about
LARGEST = 300e6  # bytes of the images that are kept
RUN = "run:"  # before the key of a run that trained a generator, in the place of a generator's name


class Sources:
    """The corpus, captions and generators that chapters share.

    Args:
        parameters: of a chapter; they name the corpus and its images' size. Without them, emoji of 32 pixels.
    """

    def __init__(self, store: RunStore | None = None, parameters: Parameters | None = None) -> None:
        self.store = store or RunStore()
        self.source = getattr(parameters, "corpus", "emoji")
        self.size = getattr(parameters, "image_size", 32)
        self._strength = getattr(parameters, "camera", 0.0)
        self._options = corpus_options(parameters)
        self._fingerprints: dict[str, str] = {}

    def of(self, parameters: Parameters) -> Self:
        """A study of the same kind, with the same store, of what other parameters name."""
        return type(self)(self.store, parameters)

    @cached_property
    def corpus(self) -> Corpus:
        if self.source == "emoji" and not self._options:
            return replace(embedded(), table=embedded().table.copy())
        return load_corpus(self.source, **self._options)

    @property
    def about(self) -> Corpus:
        """What a corpus says before it is read: ``fingerprint``, ``labels``, ``cluster``, ``designs``, ``people``."""
        return self.corpus

    @cached_property
    def camera(self) -> Camera:
        """What makes scenes of drawings; of photographs it makes nothing."""
        return Camera.of_strength(self._strength if self.about.drawings else 0.0)

    @property
    def scenes(self) -> Corpus:
        """The corpus as encoders see it: drawings through the camera."""
        return self.camera.through(self.corpus)

    @cached_property
    def _captions(self) -> list[str]:
        """Training captions in a fixed random order; where captions name things in designs, thing by thing."""

        def rank(caption: str) -> tuple[str, str]:
            thing = self.clusters[caption] if self.corpus.designs else ""
            return _rank(f"cluster:{thing}") if thing else "", _rank(f"caption:{caption}")

        name = self.corpus.fingerprint
        if name not in _CAPTIONS:
            _CAPTIONS[name] = sorted(set(self.corpus.to_learn_from().table["caption"]), key=rank)
        return _CAPTIONS[name]

    @cached_property
    def clusters(self) -> dict[str, str]:
        """The cluster of each caption that may be learned from."""
        table = self.corpus.to_learn_from().table.drop_duplicates("caption")
        return dict(zip(table["caption"], table[self.corpus.cluster].astype(str)))

    def available_captions(self) -> int:
        return len(self._captions)

    def captions(self, count: int = 0) -> Captions:
        """Training captions in a fixed random order; the first ``count`` of them, or all for 0."""
        available = self.available_captions()
        if count > available:
            if self.source == "emoji":
                raise InputError(f"captions is {count}; the training part has {available}.")
            count = 0  # presets are written for the emoji; a corpus of fewer captions gives all that it has
        return Captions(self.about.fingerprint, count, available, lambda: self._captions)

    def counts(self) -> tuple[int, int]:
        """How many images and how many captions the corpus has."""
        return len(self.corpus), self.corpus.table["caption"].nunique()

    def images_of(self, captions: Captions) -> pd.Series:
        """How many images each of some captions has to learn from, by caption."""
        return self.corpus.to_learn_from().table["caption"].value_counts().reindex(captions.texts)

    def most_images(self) -> int:
        """The largest number of images that a caption has to learn from; of a corpus that was not read, at most."""
        return int(self.corpus.to_learn_from().table["caption"].value_counts().max())

    @property
    def repeats_captions(self) -> bool:
        """Whether images share a caption and are no designs of one thing, as where captions are made from classes."""
        images, captions = self.counts()
        return not self.about.designs and images > captions

    def sets_to_open(self, names: Sequence[str]) -> list[str]:
        """Those of some transfer sets that are to be opened: all."""
        return list(names)

    def need_people(self) -> None:
        """Refuse a corpus that says nothing of the people it shows."""
        if not self.about.people:
            raise InputError(
                f"corpus is {self.source!r}, which declares no attributes of people; this chapter needs some, "
                "such as the emoji's, or a corpus whose labels are such attributes."
            )

    def probed_part(self, designs: list[str]) -> Corpus:
        """Scenes of the corpus, in some of its designs where it has any. What was drawn last is not drawn again."""
        scenes = drawn_once(self.scenes)
        return scenes.where(scenes.table["design"].isin(designs)) if self.corpus.designs else scenes

    def asked_part(self, designs: list[str], part: str) -> Corpus:
        """Of :meth:`probed_part`, what probes ask for: of ``validation`` without what is held out from every choice.

        A corpus without a test part is tested on its validation part, as by probes (:func:`stablerep.probes.parts.three_parts`).
        """
        opened = open_for(self.probed_part(designs), part)
        asked = opened.split(part)
        return asked if len(asked) or part != "test" else opened.split("validation")

    @property
    def seen_fingerprint(self) -> str:
        """Of the corpus through the camera."""
        return self._seen(self.about.fingerprint)

    def _seen(self, name: str) -> str:
        """The name of images, or of scenes of them."""
        return name if self.camera.still else f"{name}-{self.camera.fingerprint}"

    def generator(self, name: str) -> generators.Generator:
        """A generator, opened. ``run:KEY`` is the one that a run trained."""
        if name not in _GENERATORS:
            _GENERATORS[name] = generators.load_generator(self.generator_place(name), precision=self.precision(name))
        return _GENERATORS[name]

    def generator_place(self, name: str) -> str:
        """What opens a generator: its name, or the folder of the one that a run trained."""
        return str(self.store.root / name.removeprefix(RUN) / "pipeline") if name.startswith(RUN) else name

    def precision(self, name: str) -> str:
        """In which a generator draws; those of runs as the embedded one, so that their sets have the same names on every machine."""
        return generators.default_precision("emoji" if name.startswith(RUN) else name)

    def noise_schedule(self, name: str) -> dict[str, Any]:
        """Of a generator that is not opened, and that a plan has not made."""
        return noise_schedule(new_noise_schedule()) if name.startswith(RUN) else schedule_of(name)

    def generator_fingerprint(self, name: str) -> str:
        """What names a generator in the key of a run: the key of the run that trained it, or a hash of its files, which are read once."""
        if name.startswith(RUN):
            return name.removeprefix(RUN)
        if name not in self._fingerprints:
            self._fingerprints[name] = generators.generator_fingerprint(name)
        return self._fingerprints[name]


@cache
def embedded() -> Corpus:
    """The emoji, opened once for all chapters of a process."""
    return load_corpus("emoji")


def drawn_once(corpus: Corpus) -> Corpus:
    """The corpus with the images of two tables kept in memory: those that were asked for last, if they are not too large."""

    def draw(table: pd.DataFrame, size: int) -> np.ndarray:
        key = corpus.fingerprint, size, hashlib.sha256("\n".join(table["id"]).encode("utf-8", "surrogatepass")).digest()
        images = _PIXELS.pop(key) if key in _PIXELS else corpus.draw(table, size)
        if images.nbytes <= LARGEST:
            _PIXELS[key] = images  # the last one
        while len(_PIXELS) > 2:
            del _PIXELS[next(iter(_PIXELS))]
        return images

    return replace(corpus, draw=draw)


def _rank(text: str) -> str:
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()


def corpus_options(parameters: Parameters | None) -> dict:
    """The options of :func:`stablerep.corpus.load_corpus` that a chapter's parameters give."""
    return {
        name: value for name in ("labels", "cluster", "split", "people") if (value := getattr(parameters, name, None))
    }
