"""What a study is made of: a corpus with its captions and images, and images that a generator makes from captions."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import replace
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

import stablerep.generator as generators
from stablerep.camera import Camera
from stablerep.corpus import Corpus, load_corpus
from stablerep.errors import InputError
from stablerep.generator.sampling import Sampling
from stablerep.generator.schedulers import guided_steps, schedule_of
from stablerep.probes.suite import open_for
from stablerep.study.experiments.images import Captions, ImageSet, Named
from stablerep.study.experiments.steps import RECONSTRUCTED, SYNTHESIS
from stablerep.study.store.runs import RunStore

if TYPE_CHECKING:
    from stablerep.captioned_images import CaptionedImages
    from stablerep.study.parameters.base import Generated, Parameters

_GENERATORS, _SETS = {}, {}  # what is kept in memory, by name


class Sources:
    """The corpus, captions, images and generators that chapters share; what is made is a run in the store.

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

    @cached_property
    def corpus(self) -> Corpus:
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

        return sorted(set(self.corpus.to_learn_from().table["caption"]), key=rank)

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
        """Scenes of the corpus, in some of its designs where it has any."""
        return self.scenes.where(self.scenes.table["design"].isin(designs)) if self.corpus.designs else self.scenes

    def asked_part(self, designs: list[str], part: str) -> Corpus:
        """Of :meth:`probed_part`, what probes ask for: of ``validation`` without what is held out from every choice."""
        return open_for(self.probed_part(designs), part).split(part)

    def real_images(self, captions: Captions, *, several: bool = False, at_most: int = 1) -> ImageSet:
        """Scenes of real images of some captions: ``at_most`` so many of each, picked by hash, or all with ``several``.

        Like those of generated images, scenes go by caption and place, so that images that stand for each other have the same ones.
        """
        how = f"several-{captions.name}" if several else f"real{at_most}-{captions.name}"
        pick = None if several else at_most
        drawn = None if self.camera.still else True  # the camera takes what is in memory
        return self.seen(
            ImageSet(f"{how}-{self.size}px", lambda: self._drawings(captions, pick, self.size, in_memory=drawn))
        )

    def _drawings(
        self, captions: Captions, at_most: int | None, size: int, *, in_memory: bool | None = True
    ) -> CaptionedImages:
        """Real images of some captions as they are: all of them, or ``at_most`` so many of each."""
        from stablerep.captioned_images import CaptionedImages

        part = self.corpus.to_learn_from()
        part = part.some_per_caption(at_most) if at_most else part
        return CaptionedImages.from_corpus(
            part.where(part.table["caption"].isin(captions.texts)), size, in_memory=in_memory
        )

    def reconstructed_images(self, captions: Captions, p: Generated, *, at_most: int = 1) -> ImageSet:
        """Real images as the autoencoder of the parameters' generator gives them back: what of a gap is mere image quality."""

        def make(folder: Path) -> dict:
            from stablerep.checkpoint import save_weights
            from stablerep.generator.autoencoder_training import reconstruct

            opened = self.generator(p.generator)
            images = reconstruct(opened.pipeline.vae, self._drawings(captions, at_most, opened.resolution).images)
            save_weights(folder / "images.safetensors", {"images": images.contiguous()})
            return {"resolution": opened.resolution}

        run = self.store.obtain(
            RECONSTRUCTED,
            parameters={"captions": len(captions), "images_per_caption": at_most},
            inputs={
                "captions": captions.name, "corpus": self.about.fingerprint,
                "generator": self.generator_fingerprint(p.generator),
            },
            compute=make,
        )  # fmt: skip

        def load() -> CaptionedImages:
            from safetensors.torch import load_file

            images = load_file(run.folder / "images.safetensors")["images"]
            drawings = self._drawings(captions, at_most, self.size)
            return replace(drawings, images=images, fingerprint=run.key)

        return ImageSet(run.key, load)

    def corpus_images(self, part: Corpus, name: str) -> ImageSet:
        """All images of a part of the corpus, as they are; ``name`` tells it from other parts."""
        from stablerep.captioned_images import CaptionedImages

        name = f"{name}-{part.fingerprint}-{self.size}px"
        return ImageSet(name, lambda: CaptionedImages.from_corpus(part, self.size))

    @property
    def seen_fingerprint(self) -> str:
        """Of the corpus through the camera."""
        return self._seen(self.about.fingerprint)

    def _seen(self, name: str) -> str:
        """The name of images, or of scenes of them."""
        return name if self.camera.still else f"{name}-{self.camera.fingerprint}"

    def seen(self, images: ImageSet) -> ImageSet:
        """Scenes of drawings."""
        return ImageSet(self._seen(images.name), lambda: images.load().through(self.camera))

    def generator(self, name: str) -> generators.Generator:
        if name not in _GENERATORS:
            _GENERATORS[name] = generators.load_generator(name)
        return _GENERATORS[name]

    def generator_fingerprint(self, name: str) -> str:
        """What names a generator in the key of a run; its files are read once."""
        if name not in self._fingerprints:
            self._fingerprints[name] = generators.generator_fingerprint(name)
        return self._fingerprints[name]

    def synthetic_images(
        self, captions: Captions | Named, p: Generated, guidance_scale: float, *, images_per_caption: int, seed: int
    ) -> ImageSet:
        """Drawings that the parameters' generator makes of some captions: shards of a run, whose key names the set."""
        from stablerep.synthesis import SynthesisPlan, SyntheticSet, synthesize

        interval = tuple(p.guidance_interval) or None
        sampling = Sampling(guidance_scale, p.sampling_steps, p.sampler, interval)
        how = {"images_per_caption": images_per_caption, "seed": seed}
        passes = {}  # what an interval costs depends on the generator's noise schedule
        if sampling.guidance_interval:
            passes = {"guided_steps": sum(guided_steps(sampling, schedule_of(p.generator)))}

        def make(folder: Path) -> dict:
            plan = SynthesisPlan(captions.texts, sampling=sampling, captions_name=captions.name, **how)
            return synthesize(plan, self.generator(p.generator), folder).totals

        precision = generators.default_precision(p.generator)
        run = self.store.obtain(
            SYNTHESIS,
            parameters={"captions": len(captions), **how, **sampling.parameters, **passes, "precision": precision},
            inputs={"captions": captions.name, "generator": self.generator_fingerprint(p.generator)},
            compute=make,
        )

        def load():
            if run.key not in _SETS:
                _SETS.clear()  # one set at a time: the arms of a seed share it
                _SETS[run.key] = SyntheticSet(run.folder).in_memory()
            return _SETS[run.key]

        return ImageSet(run.key, load)


def _rank(text: str) -> str:
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()


def corpus_options(parameters: Parameters | None) -> dict:
    """The options of :func:`stablerep.corpus.load_corpus` that a chapter's parameters give."""
    return {name: value for name in ("labels", "cluster", "split") if (value := getattr(parameters, name, None))}
