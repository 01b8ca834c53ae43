"""Generators that were given a reason to copy: planted duplicates, small training sets; and captions drawn often enough to see whether one copies."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

import pandas as pd

from stablerep.errors import InputError
from stablerep.study.experiments.copied_images import LOOKED_AT, CopyAudit, images_and_captions
from stablerep.study.experiments.images import ImageSet, Named
from stablerep.study.experiments.steps import GENERATOR_BATCH
from stablerep.study.store.runs import Run
from stablerep.study.store.step import Step

if TYPE_CHECKING:
    from stablerep.captioned_images import CaptionedImages
    from stablerep.study.parameters.base import Pretraining

PLANTING = "stablerep.audits.planting"
DRAWN = 128  # images of each set size and length of training, about
REAL = 256  # drawings of other concepts, beside which these images are held

DUPLICATES = Step(
    "planted-duplicates", 1, lambda p: f"images of planted captions, seed {p['seed']}",
    (*LOOKED_AT, PLANTING, f"{__name__}:score_duplicates"),
    amount=lambda p: float(p["captions"] * p["images_per_caption"]), rate=400.0, seconds=6.0,
)  # fmt: skip
SIZES = Step(
    "copying-by-size", 1, lambda p: f"images of generators that learned from {', '.join(map(str, p['concepts']))} concepts",
    (*LOOKED_AT, "stablerep.audits.sets", f"{__name__}:score_sizes"),
    amount=lambda p: float(DRAWN * len(p["concepts"]) * (1 + len(p["steps"]))), rate=400.0, seconds=6.0,
)  # fmt: skip
EXTRACTION = Step(
    "extraction", 1, lambda p: f"{p['images_per_caption']} images of each of {p['captions']} captions",
    (*LOOKED_AT, "stablerep.audits.extraction", f"{__name__}:extract"),
    amount=lambda p: float(p["captions"] * p["images_per_caption"]), rate=400.0, seconds=5.0,
)  # fmt: skip


@dataclass(frozen=True)
class CopyingGenerators(CopyAudit):
    """The parts of an audit of copies for which generators are trained further, or asked again and again."""

    @cached_property
    def one_of_each(self) -> list[str]:
        """The first caption of each training concept that is drawn in the unseen design, in the fixed random order of the study's captions."""
        concept, first = dict(zip(self.drawings.unseen.table["caption"], self.drawings.unseen.table["concept"])), {}
        for caption in self.study.captions().texts:
            if caption in concept:
                first.setdefault(concept[caption], caption)
        return list(first.values())

    def planted(self) -> dict[str, int]:
        """How often the drawing of a caption in the unseen design is planted: as many captions for each number of times, and for none, each of another
        concept."""
        times, count = [0, *self.p.multiplicities], self.p.duplicated
        if len(self.one_of_each) < count * len(times):
            raise InputError(
                f"duplicated is {count} for each of {len(times)} numbers of times; the unseen design draws {len(self.one_of_each)} training concepts."
            )
        return {
            caption: times[place % len(times)] for place, caption in enumerate(self.one_of_each[: count * len(times)])
        }

    def with_duplicates(self) -> ImageSet:
        """The training drawings, and planted duplicates among them."""
        from stablerep.audits.planting import with_duplicates
        from stablerep.captioned_images import CaptionedImages

        times = self.planted()

        def load() -> CaptionedImages:
            part = self.drawings.unseen
            part = part.where(part.table["caption"].isin(list(times)))
            planted = CaptionedImages.from_corpus(part, self.study.size)
            return with_duplicates(self.learned_images.load(), planted, times)

        how = "-".join(map(str, self.p.multiplicities))
        return self.learned_images.changed(f"planted{self.p.duplicated}x{how}", load, PLANTING)

    def duplicates(self, seed: int) -> Run:
        """Images of the planted captions by a generator that was trained further on them: :func:`score_duplicates`."""
        p, study, times, embedding = self.p, self.study, self.planted(), self.embedding(seed)
        name = study.trained_further(
            p.generator, self.with_duplicates(), steps=p.training_steps, learning_rate=p.training_rate, seed=seed
        )
        made = study.synthetic_images(
            Named(list(times)),
            drawn_by(name, p),
            p.guidance_scale,
            images_per_caption=p.images_per_duplicate,
            seed=seed,
        )
        return study.store.obtain(
            DUPLICATES,
            parameters={
                "captions": len(times), "images_per_caption": p.images_per_duplicate, "times": p.multiplicities, "steps": p.training_steps,
                "size": study.size, "seed": seed,
            },
            inputs={"embedding": embedding.key, "images": made.name, "corpus": study.about.fingerprint},
            compute=lambda folder: score_duplicates(self, embedding, made, times, folder),
        )  # fmt: skip

    def sizes(self, seed: int) -> Run:
        """Images of generators that were trained further on the drawings of few concepts alone: :func:`score_sizes`."""
        p, study, embedding, made = self.p, self.study, self.embedding(seed), {}
        for count in p.set_sizes:
            captions, lesson = self.small_set(count)
            each = max(1, DRAWN // len(captions))
            for steps in (0, *p.set_steps):
                name = p.generator
                if steps:
                    name = study.trained_further(
                        p.generator, lesson, steps=steps, learning_rate=p.training_rate, seed=seed
                    )
                made[count, steps] = study.synthetic_images(
                    captions, drawn_by(name, p), p.guidance_scale, images_per_caption=each, seed=seed
                )
        return study.store.obtain(
            SIZES,
            parameters={"concepts": p.set_sizes, "steps": p.set_steps, "size": study.size, "seed": seed},
            inputs={"embedding": embedding.key, "corpus": study.about.fingerprint}
            | {f"{count} concepts, {steps} steps": one.name for (count, steps), one in made.items()},
            compute=lambda folder: score_sizes(self, embedding, made, seed, folder),
        )

    def small_set(self, count: int) -> tuple[Named, ImageSet]:
        """At most ``DRAWN`` captions, and all training drawings, of the first concepts."""
        concepts = self.some_concepts(count)
        part = self.drawings.learned.where(self.drawings.learned.table["concept"].isin(concepts))
        named = [one for one in self.study.captions().texts if self.study.clusters[one] in set(concepts)]
        return Named(named[:DRAWN]), self.study.corpus_images(part, f"first{count}concepts")

    def some_concepts(self, count: int) -> list[str]:
        """The first training concepts, in the order of the study's captions."""
        every = list(dict.fromkeys(self.study.clusters[one] for one in self.study.captions().texts))
        if count >= len(every):
            raise InputError(
                f"set_sizes has {count}; there are {len(every)} training concepts, of which some are left to compare with."
            )
        return every[:count]

    def extraction(self, seed: int, scored: Run) -> Run:
        """Many images of a few captions, and the groups among them: :func:`extract`.

        Args:
            scored: of :meth:`CopyAudit.scored` at the same seed, which has the threshold.
        """
        p, study, embedding = self.p, self.study, self.embedding(seed)
        captions = Named(self.one_of_each[: p.extraction_captions])
        made = study.synthetic_images(captions, p, p.guidance_scale, images_per_caption=p.extraction_images, seed=seed)
        return study.store.obtain(
            EXTRACTION,
            parameters={"captions": len(captions), "images_per_caption": p.extraction_images, "size": study.size, "seed": seed},
            inputs={"scores": scored.key, "embedding": embedding.key, "images": made.name, "corpus": study.about.fingerprint},
            compute=lambda folder: extract(self, embedding, scored, made, folder),
        )  # fmt: skip


def drawn_by(generator: str, p: Pretraining) -> Pretraining:
    """The same parameters with another generator."""
    return p.model_copy(update={"generator": generator})


def score_duplicates(
    audit: CopyingGenerators, embedding: Run, made: ImageSet, times: dict[str, int], folder: Path
) -> dict:
    """Table ``results``: for each image how like it is to the drawing of its caption in the unseen design (:func:`stablerep.audits.planting.to_own`), with ``caption``, ``concept``,
    ``times`` planted, and ``seen``, how often a drawing is shown in the training on average."""
    from stablerep.audits.copies import nearest_by_pixels
    from stablerep.audits.planting import to_own

    see, study = audit.features(embedding), audit.study
    images, captions = images_and_captions(made, study.size)
    part = audit.drawings.unseen.where(audit.drawings.unseen.table["caption"].isin(list(times)))
    place = {caption: row for row, caption in enumerate(part.table["caption"])}
    own = part.images(study.size)[[place[one] for one in captions]]
    learned = audit.learned(see)
    concepts = part.table.set_index("caption")["concept"].loc[captions].to_numpy()
    near = nearest_by_pixels(images, learned.images, learned.concepts)
    found = to_own(images, own, see(images), see(own), near, learned.concepts, concepts)
    found = found.assign(caption=captions, concept=concepts, times=[times[one] for one in captions])
    seen = times_shown(audit, times)
    found.assign(seen=found["caption"].map(seen)).to_parquet(folder / "results.parquet", index=False)
    return {"images": len(found)}


def times_shown(audit: CopyingGenerators, times: dict[str, int]) -> dict[str, float]:
    """How often the planted drawing of each caption is shown in the training on average: the training draws images of a concept the less often,
    the more it has (:func:`stablerep.generator.denoiser_training.image_weights`)."""
    from stablerep.generator.denoiser_training import DenoiserRecipe, image_weights

    data = audit.with_duplicates().load()
    clusters = pd.Series([audit.study.clusters[data.captions[one]] for one in data.caption_ids.tolist()])
    weight = dict(
        zip(clusters, image_weights(clusters, DenoiserRecipe().concept_power).tolist())
    )  # the same for all images of a concept
    shown = audit.p.training_steps * GENERATOR_BATCH
    return {caption: shown * weight[audit.study.clusters[caption]] * count for caption, count in times.items()}


def score_sizes(
    audit: CopyingGenerators, embedding: Run, made: dict[tuple[int, int], ImageSet], seed: int, folder: Path
) -> dict:
    """Tables: ``scores``, those of :func:`stablerep.audits.copies.score` of each image among the few drawings that its generator learned from, with
    ``set_size``, ``steps``, ``id`` and ``concept``; ``kid``, the kernel distance of the images from drawings of other concepts, with its interval."""
    from stablerep.audits.copies import Learned, score
    from stablerep.audits.sets import kid

    see, study, every = audit.features(embedding), audit.study, audit.drawings.learned
    apart = every.where(~every.table["concept"].isin(audit.some_concepts(max(audit.p.set_sizes))))
    others = apart.where(apart.table["id"].isin(apart.table.drop_duplicates("concept")["id"].head(REAL)))
    real, of_real, parts, rows = see(others.images(study.size)), others.table["concept"].tolist(), [], []
    for (count, steps), one in made.items():
        part = every.where(every.table["concept"].isin(audit.some_concepts(count)))
        drawings = part.images(study.size)
        images, captions = images_and_captions(one, study.size)
        features, concepts = see(images), [study.clusters[caption] for caption in captions]
        found = score(images, features, Learned(drawings, part.table["concept"].to_numpy(), see(drawings)))
        parts.append(found.assign(set_size=count, steps=steps, id=captions, concept=concepts))
        distance = kid(real, features, of_real, concepts, seed=seed)
        rows.append({"set_size": count, "steps": steps, "images": len(images), **distance})
    pd.concat(parts, ignore_index=True).to_parquet(folder / "scores.parquet", index=False)
    pd.DataFrame(rows).to_parquet(folder / "kid.parquet", index=False)
    return {"sets": len(made)}


def extract(audit: CopyingGenerators, embedding: Run, scored: Run, made: ImageSet, folder: Path) -> dict:
    """Table ``results`` of :func:`stablerep.audits.extraction.extracted`, within the distance at which pixels call an image a copy."""
    from stablerep.audits.copies import PIXELS
    from stablerep.audits.extraction import extracted
    from stablerep.audits.unseen import thresholds_of

    thresholds = thresholds_of(scored.table("scores").assign(seed=0)).set_index("detector")["threshold"]
    see, study = audit.features(embedding), audit.study
    images, captions = images_and_captions(made, study.size)
    concepts = [study.clusters[caption] for caption in captions]
    found = extracted(images, see(images), captions, concepts, audit.learned(see), -thresholds[PIXELS])
    found.drop(columns="middle").to_parquet(folder / "results.parquet", index=False)
    return {"captions": len(found)}
