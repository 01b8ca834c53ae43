"""Runs on how well images fit their captions to networks that have read captions: closeness by encoders and floors, and CLIPScore."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from math import nan
from pathlib import Path
from typing import TYPE_CHECKING

import pandas as pd

from stablerep.study.experiments.generators import closeness
from stablerep.study.experiments.images import Captions, ImageSet
from stablerep.study.experiments.study import Study
from stablerep.study.experiments.whole_captions import FRESH, Looked, asked_captions, written
from stablerep.study.store.runs import Run
from stablerep.study.store.step import Step

if TYPE_CHECKING:
    from torch import Tensor

    from stablerep.audits.caption_scores import CaptionSpace
    from stablerep.captioned_images import CaptionedImages

READS = "StableRep+ synthetic"  # the encoder that has learned from every image of its captions
REAL_CLIP = "CLIP real"
ENCODERS = (READS, "CLIP synthetic", REAL_CLIP)
UNTRAINED, PIXELS = "Random weights", "Pixels"  # floors
_CODE = (
    "stablerep.audits.caption_scores", "stablerep.camera", "stablerep.probes.extraction", "stablerep.variants",
    "stablerep.audits.equal_galleries", "stablerep.study.experiments.whole_captions:written",
)  # fmt: skip

CLOSENESS = Step(
    "caption-closeness", 1, lambda p: f"how close images are to their captions, {p['arm']}",
    (*_CODE, "stablerep.study.experiments.whole_captions:asked_captions", "stablerep.study.experiments.generators:closeness", f"{__name__}:score",
     f"{__name__}:ways"),
    amount=lambda p: p["images"], rate=4000.0, seconds=0.5,
)  # fmt: skip
SCORES = Step(
    "caption-scores", 1, lambda p: f"CLIPScore of images of {p['captions']:,} captions",
    (*_CODE, f"{__name__}:clip_scores"), amount=lambda p: p["images"], rate=1500.0, seconds=1.0,
)  # fmt: skip


def ways(
    study: Study, captions: Captions, runs: Mapping[str, Run], seed: int
) -> dict[str, tuple[str, Callable[[CaptionedImages], Tensor]]]:
    """By arm what names it in the key of a run, and how close it finds images to their captions.

    Encoders see scenes. Pixels are those of drawings, nearer to the mean of the caption's real ones: a floor that needs no learning, but real images.

    Args:
        captions: those that the encoders learn from. runs: their pre-trainings.
    """
    from stablerep.audits import caption_scores
    from stablerep.variants import resized

    def by_random(data: CaptionedImages) -> Tensor:
        space = caption_scores.untrained_space(runs[READS].folder, seed)
        return caption_scores.cosines(data.through(study.camera).images[:], written(data), space)

    def by_pixels(data: CaptionedImages) -> Tensor:
        real = study.real_drawings(captions, several=True).load()
        drawn, known = (resized(one.images[:], study.size) for one in (data, real))
        return caption_scores.nearness(drawn, written(data), known, written(real))

    found = {
        name: (run.key, lambda data, run=run: closeness(data, run.folder, study.camera)) for name, run in runs.items()
    }
    return found | {UNTRAINED: (f"random-{runs[READS].key}-{seed}", by_random), PIXELS: ("pixels", by_pixels)}


def close(
    study: Study,
    captions: Captions,
    sets: Mapping[str, ImageSet],
    runs: Mapping[str, Run],
    seed: int,
    images_per_caption: int,
) -> dict[str, Run]:
    """By arm a run of :func:`score`. What CLIP has learned from is one image of a caption, which cannot be ranked, so that it is asked about new images alone.

    Args:
        captions: those that the encoders learn from. sets: drawings by source, of these captions or of some of them. runs: the pre-trainings of
            ``ENCODERS`` at a seed.
    """
    found = {}
    for name, (key, scores) in ways(study, captions, runs, seed).items():
        mine = {source: one for source, one in sets.items() if source == FRESH or not name.startswith("CLIP")}
        found[name] = study.store.obtain(
            CLOSENESS,
            parameters={"arm": name, "images": len(captions) * images_per_caption * len(mine), "size": study.size},
            inputs={"encoder": key, "corpus": study.seen_fingerprint, "captions": captions.name}
            | {source: one.name for source, one in mine.items()},
            compute=lambda folder, mine=mine, scores=scores: score(study, mine, scores, folder),
        )
    return found


def score(
    study: Study, sets: Mapping[str, ImageSet], scores: Callable[[CaptionedImages], Tensor], folder: Path
) -> dict:
    """How close an encoder, or a floor, finds the images of each source to their captions: ``source``, ``caption``, ``image`` and ``score``."""
    parts = []
    for source, one in sets.items():
        if data := asked_captions(study, one.load()):
            table = pd.DataFrame({"source": source, "caption": written(data), "score": scores(data).numpy()})
            parts.append(table.assign(image=table.groupby("caption").cumcount()))
    columns = ["source", "caption", "score", "image"]
    found = pd.concat(parts, ignore_index=True) if parts else pd.DataFrame(columns=columns)
    found.to_parquet(folder / "results.parquet", index=False)
    return {"images": len(found)}


def scored(study: Study, looked: Looked, run: Run, model: str) -> Run:
    """A run of :func:`clip_scores`.

    Args:
        run: a pre-training by a method that reads captions. model: a CLIP model that takes its place; empty: none.
    """
    from stablerep.audits.caption_scores import DEPICTS, TrainedSpace, open_clip_model
    from stablerep.generator import generator_fingerprint

    prefix = DEPICTS if model and not study.about.drawings else ""

    def compute(folder: Path) -> dict:
        space = open_clip_model(model, prefix=prefix) if model else TrainedSpace.of(run.folder)
        return clip_scores(study, looked, space, folder)

    return study.store.obtain(
        SCORES, parameters=looked.parameters(study) | {"prefix": prefix},
        inputs=looked.inputs(study) | {"space": generator_fingerprint(model) if model else run.key, "seen": study.seen_fingerprint}, compute=compute,
    )  # fmt: skip


def clip_scores(study: Study, looked: Looked, space: CaptionSpace, folder: Path) -> dict:
    """Mean CLIPScore of the images of each caption, as scenes: ``captions`` (the group), ``source``, ``guidance_scale``, ``caption`` and ``score``."""
    from stablerep.audits.caption_scores import clip_score
    from stablerep.audits.faithfulness import GENERATED, REAL

    groups, parts = looked.groups(), []
    of_caption = {caption: name for name, group in groups.items() for caption in group.captions}

    def add(source: str, w: float, images: Tensor, captions: list[str], names: list[str]) -> None:
        table = pd.DataFrame(
            {"captions": names, "caption": captions, "score": clip_score(images, captions, space).numpy()}
        )
        means = table[table["captions"] != ""].groupby(["captions", "caption"], as_index=False)["score"].mean()
        parts.append(means.assign(source=source, guidance_scale=w))

    for name, group in groups.items():
        captions = group.real.table["caption"].tolist()
        add(REAL, nan, study.camera.through(group.real).images(study.size), captions, [name] * len(captions))
    for w, one in looked.made.items():
        captions = written(data := one.load().through(study.camera))
        add(GENERATED, w, data.images[:], captions, [of_caption.get(one, "") for one in captions])
    pd.concat(parts, ignore_index=True).to_parquet(folder / "results.parquet", index=False)
    return {"captions": len(of_caption)}
