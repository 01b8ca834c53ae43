"""Images to learn from: real ones, the same at a lower quality, made ones, and mixtures; what is made is a run in the store."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from stablerep.corpus import Corpus
from stablerep.generator.sampling import Sampling
from stablerep.generator.schedulers import guided_steps
from stablerep.study.experiments.images import Captions, ImageSet, Named
from stablerep.study.experiments.sources import Sources
from stablerep.study.experiments.steps import RECONSTRUCTED, SYNTHESIS

if TYPE_CHECKING:
    from stablerep.captioned_images import CaptionedImages
    from stablerep.study.parameters.base import Generated

_SETS = {}  # what is kept in memory, by name


class ImageSets(Sources):
    """Sets of images that chapters share, each under its name in the keys of runs."""

    def real_images(self, captions: Captions, *, several: bool = False, at_most: int = 1) -> ImageSet:
        """Scenes of real images of some captions, of ``at_most`` so many of each, picked by hash, or all with ``several``.

        Like those of generated images, scenes go by caption and place, so that images that stand for each other have the same ones.
        """
        return self.seen(self.real_drawings(captions, several=several, at_most=at_most))

    def real_drawings(self, captions: Captions, *, several: bool = False, at_most: int = 1) -> ImageSet:
        """Real images of some captions as they are, before the camera."""
        how = f"several-{captions.name}" if several else f"real{at_most}-{captions.name}"
        pick = None if several else at_most
        drawn = None if self.camera.still else True  # the camera takes what is in memory
        return ImageSet(f"{how}-{self.size}px", lambda: self._drawings(captions, pick, self.size, in_memory=drawn))

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

    def seen(self, images: ImageSet) -> ImageSet:
        """Scenes of drawings."""
        return replace(images, name=self._seen(images.name), load=lambda: images.load().through(self.camera))

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
            passes = {"guided_steps": sum(guided_steps(sampling, self.noise_schedule(p.generator)))}

        def make(folder: Path) -> dict:
            plan = SynthesisPlan(captions.texts, sampling=sampling, captions_name=captions.name, **how)
            return synthesize(plan, self.generator(p.generator), folder).totals

        drawing = {**sampling.parameters, **passes, "precision": self.precision(p.generator)}
        run = self.store.obtain(
            SYNTHESIS,
            parameters={"captions": len(captions), **how, **drawing},
            inputs={"captions": captions.name, "generator": self.generator_fingerprint(p.generator)},
            compute=make,
        )

        def load():
            if run.key not in _SETS:
                _SETS.clear()  # one set at a time: the arms of a seed share it
                _SETS[run.key] = SyntheticSet(run.folder).in_memory()
            return _SETS[run.key]

        return ImageSet(run.key, load)
