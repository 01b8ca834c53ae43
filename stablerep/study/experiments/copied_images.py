"""Images of a study before the detectors of copies: synthetic ones, planted copies, and real ones that no generator saw."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

import pandas as pd

from stablerep.audits.copies import Learned
from stablerep.audits.planting import CHANGES
from stablerep.audits.unseen import COMBINATIONS, UNSEEN, Drawings, drawings_of
from stablerep.study.experiments.arms import Arm, arm
from stablerep.study.experiments.images import ImageSet, Named
from stablerep.study.store.runs import Run
from stablerep.study.store.step import Step

if TYPE_CHECKING:
    from torch import Tensor
    from torch.nn import Module

    from stablerep.captioned_images import CaptionedImages
    from stablerep.corpus import Corpus
    from stablerep.study.experiments.study import Study
    from stablerep.study.parameters.base import Pretraining

COPY_DETECTION = Arm("Copy detection", "simclr", "designs")  # every image on its own, as SSCD learns
AUDITED = arm("StableRep synthetic")  # whose images are looked at
NEW = "generated, unseen combinations"
TEST_DRAWINGS = "test drawings"
LOOKED_AT = (
    "stablerep.audits.copies", "stablerep.audits.unseen", "stablerep.audits.called", "stablerep.training.backbones", "stablerep.probes.extraction", "stablerep.variants",
)  # fmt: skip

SCORES = Step(
    "copy-scores", 1, lambda p: f"images before the detectors of copies, seed {p['seed']}",
    (*LOOKED_AT, "stablerep.audits.planting", "stablerep.generator.autoencoder_training",
     *(f"{__name__}:{one}" for one in ("score_images", "sets_of", "planted_copies", "standing", "Described", "CopyAudit"))),
    amount=lambda p: 6000.0 + p["captions"] * p["scales"] + p["planted"] * len(CHANGES), rate=700.0, seconds=3.0,
)  # fmt: skip


def generated_at(w: float) -> str:
    """What the synthetic images of a guidance scale are called among the sets."""
    return f"generated, w = {w:g}"


def planted_by(change: str) -> str:
    """What planted copies of a kind are called among the sets."""
    return f"planted, {change}"


PLANTED = tuple(planted_by(change) for change in CHANGES)


@dataclass(frozen=True)
class Described:
    """Drawings with what is known of each: ``id``, ``caption``, ``concept``, ``design`` (empty for synthetic ones) and ``toned``, whether it shows a tone."""

    images: Tensor
    table: pd.DataFrame

    @classmethod
    def of_corpus(cls, part: Corpus, size: int, *, by_caption: bool = False) -> Described:
        """Drawings of a part of the corpus; ``by_caption``, where there is one of each, takes the caption for its id."""
        table = part.table.assign(toned=part.table.get("skin_tone", 0) != 0)
        table = table.assign(id=table["caption"]) if by_caption else table
        return cls(part.images(size), table[["id", "caption", "concept", "design", "toned"]].reset_index(drop=True))

    @classmethod
    def first_of_each(cls, data: CaptionedImages, corpus: Corpus, size: int) -> Described:
        """The first image of each caption of a synthetic set."""
        from stablerep.variants import places_by_caption, resized

        places = {caption: mine[0] for caption, mine in places_by_caption(data).items()}
        about = corpus.table.drop_duplicates("caption").set_index("caption").loc[list(places)].reset_index()
        table = about.assign(id=about["caption"], design="", toned=about.get("skin_tone", 0) != 0)
        images = data.images[list(places.values())]
        return cls(
            images if images.shape[-1] == size else resized(images, size), table[["id", "caption", "concept", "design", "toned"]]
        )  # fmt: skip


@dataclass(frozen=True)
class CopyAudit:
    """What the parts of an audit of copies share: a study, its drawings, and the embedding of a seed."""

    p: Pretraining
    study: Study

    @cached_property
    def drawings(self) -> Drawings:
        return drawings_of(self.study.corpus)

    @cached_property
    def learned_images(self) -> ImageSet:
        """The drawings that generators learn from."""
        return self.study.corpus_images(self.drawings.learned, "learned")

    def embedding(self, seed: int) -> Run:
        """The pre-training of the copy-detection embedding: SimCLR on every training drawing by itself, with as many views a step as other encoders."""
        p = self.p.model_copy(update={"steps": self.p.embedding_steps})
        recipe = self.study.recipe(COPY_DETECTION, p, seed, len(self.drawings.learned))
        return self.study.pretraining(self.learned_images.each_alone(), recipe, f"copy detection, seed {seed}")

    def features(self, run: Run) -> Callable[[Tensor], Tensor]:
        """What the embedding of a run sees of images."""
        from stablerep.probes.extraction import features_of

        backbone: Module = self.study.backbone(run, None, 0)
        return lambda images: features_of(backbone, images)

    def learned(self, see: Callable[[Tensor], Tensor]) -> Learned:
        """The training drawings, as detectors compare images with them."""
        images = self.drawings.learned.images(self.study.size)
        return Learned(images, self.drawings.learned.table["concept"].to_numpy(), see(images))

    @cached_property
    def made(self) -> dict[str, ImageSet]:
        """Synthetic images by what they are called: of each guidance scale, and of unseen combinations at the scale of the parameters."""
        p, study, captions = self.p, self.study, self.study.captions(self.p.captions)
        found = {}
        for w in p.scales:
            found[generated_at(w)] = (
                study.arm_drawings(AUDITED, captions, p, p.seed) if w == p.guidance_scale
                else study.synthetic_images(captions, p, w, images_per_caption=1, seed=p.seed)
            )  # fmt: skip
        new = self.drawings.combinations.table["caption"].tolist()
        if new:
            found[NEW] = study.synthetic_images(Named(new), p, p.guidance_scale, images_per_caption=1, seed=p.seed)
        return found

    def scored(self, seed: int) -> Run:
        """The scores of all images by the embedding of a seed: ``scores`` and ``pictures`` of :func:`score_images`."""
        p, study, embedding = self.p, self.study, self.embedding(seed)
        return study.store.obtain(
            SCORES,
            parameters={
                "captions": len(study.captions(p.captions)), "scales": len(p.scales), "planted": p.planted, "size": study.size, "seed": seed,
                "part": p.probe_part, "designs": sorted(p.probe_designs),
            },
            inputs={"embedding": embedding.key, "corpus": study.about.fingerprint, "generator": study.generator_fingerprint(p.generator)}
            | {name: images.name for name, images in self.made.items()},
            compute=lambda folder: score_images(self, embedding, seed, folder),
        )  # fmt: skip


def score_images(audit: CopyAudit, embedding: Run, seed: int, folder: Path) -> dict:
    """Tables: ``scores`` (a row per ``set`` and image: :class:`Described`'s columns, and those of :func:`stablerep.audits.copies.score`) and ``pictures``."""
    from stablerep.audits.called import picture_rows
    from stablerep.audits.copies import score

    see = audit.features(embedding)
    learned, parts, pictures = audit.learned(see), [], []
    for name, one in sets_of(audit, seed).items():
        found = one.table.join(score(one.images, see(one.images), learned)).assign(set=name)
        parts.append(found)
        if name == generated_at(audit.p.guidance_scale):
            pictures = picture_rows(one.images, found, learned.images, audit.drawings.learned.table)
    pd.concat(parts, ignore_index=True).to_parquet(folder / "scores.parquet", index=False)
    pd.DataFrame(pictures).to_parquet(folder / "pictures.parquet", index=False)
    return {"images": sum(map(len, parts))}


def sets_of(audit: CopyAudit, seed: int) -> dict[str, Described]:
    """Every set that is scored, by its name."""
    study, drawings, size = audit.study, audit.drawings, audit.study.size
    found = {name: Described.first_of_each(made.load(), study.corpus, size) for name, made in audit.made.items()}
    found[UNSEEN] = Described.of_corpus(drawings.unseen, size, by_caption=True)
    if len(drawings.combinations):
        found[COMBINATIONS] = Described.of_corpus(drawings.combinations, size, by_caption=True)
    return found | planted_copies(audit, seed) | {TEST_DRAWINGS: Described.of_corpus(standing(audit), size)}


def planted_copies(audit: CopyAudit, seed: int) -> dict[str, Described]:
    """A training drawing of each of the first captions with every change, by what they are called."""
    from stablerep.audits.planting import changed
    from stablerep.generator.autoencoder_training import reconstruct
    from stablerep.variants import resized

    study, size = audit.study, audit.study.size
    part = audit.drawings.learned.one_per_caption()
    part = part.where(
        part.table["caption"].isin(study.captions(min(audit.p.planted, study.available_captions())).texts)
    )
    original, opened = Described.of_corpus(part, size), study.generator(audit.p.generator)

    def through(images: Tensor) -> Tensor:
        there = images if size == opened.resolution else resized(images, opened.resolution)
        back = reconstruct(opened.pipeline.vae, there).contiguous()
        return back if size == opened.resolution else resized(back, size)

    return {planted_by(how): Described(changed(original.images, how, seed, through), original.table) for how in CHANGES}


def standing(audit: CopyAudit) -> Corpus:
    """Of what probes ask for, the drawing that stands for each concept in each design (:func:`stablerep.probes.suite.evaluate`), before the camera."""
    from stablerep.probes.suite import open_for

    p, corpus = audit.p, audit.study.corpus
    part = open_for(corpus, p.probe_part).split(p.probe_part)
    part = part.where(part.table["design"].isin(p.probe_designs))
    table = part.table.assign(toned=part.table.get("skin_tone", 0) != 0)
    table = table.assign(variant=table["id"] != table["design"] + "/" + table["concept"])
    first = table.sort_values(["toned", "variant", "id"]).drop_duplicates(["concept", "design"])
    return part.where(table.index.isin(first.index))


def images_and_captions(made: ImageSet, size: int) -> tuple[Tensor, list[str]]:
    """The images of a synthetic set at the size of the study, uint8 [N, 3, size, size], and the caption of each."""
    from stablerep.variants import at_size

    data = made.load()
    return at_size(data.images, size), [data.captions[place] for place in data.caption_ids.tolist()]


def over_seeds(runs: Mapping[int, Run], name: str) -> pd.DataFrame:
    """A table of runs, one for each seed, in one, with ``seed``."""
    return pd.concat([run.table(name).assign(seed=seed) for seed, run in runs.items()], ignore_index=True)
