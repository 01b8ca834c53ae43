"""Images of occupations by any generator, and what a CLIP model says of whom they show."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Protocol

import pandas as pd

from stablerep.study.experiments.images import ImageSet, Named
from stablerep.study.store.runs import Run
from stablerep.study.store.step import Step

if TYPE_CHECKING:
    from stablerep.study.experiments.study import Study

ATTRIBUTE = "gender"
TABLES = ("occupations", "occupation_shares")
OCCUPATIONS = Step(
    "occupations", 1, lambda p: f"images of {p['captions']} occupations before CLIP",
    ("stablerep.audits.occupations", "stablerep.audits.bias_measures", "stablerep.audits.caption_scores", f"{__name__}:read_occupations"),
    amount=lambda p: float(p["captions"] * p["images_per_caption"] * len(p["guidance_scales"])), rate=40.0, seconds=10.0,
)  # fmt: skip


class Asking(Protocol):
    """What the parameters of a chapter say of occupations."""

    clip_model: str
    occupations: int
    images_per_neutral_caption: int
    guidance_scales: list[float]
    seed: int


def occupations(p: Asking, study: Study) -> Run:
    """A run of :func:`read_occupations`."""
    from stablerep.audits.occupations import occupation_captions
    from stablerep.generator import generator_fingerprint

    captions = Named(occupation_captions(p.occupations))
    drawings = {
        w: study.synthetic_images(captions, p, w, images_per_caption=p.images_per_neutral_caption, seed=p.seed)
        for w in p.guidance_scales
    }
    return study.store.obtain(
        OCCUPATIONS,
        parameters={
            "captions": len(captions), "images_per_caption": p.images_per_neutral_caption, "guidance_scales": p.guidance_scales, "seed": p.seed,
        },
        inputs={"clip": generator_fingerprint(p.clip_model)} | {f"w {w:g}": made.name for w, made in drawings.items()},
        compute=lambda folder: read_occupations(p, drawings, folder),
    )  # fmt: skip


def read_occupations(p: Asking, drawings: dict[float, ImageSet], folder: Path) -> dict:
    """Tables: ``occupations``, the columns of :func:`stablerep.audits.bias_measures.bias_measures`, against balance alone, since what the generator learned
    from is not known; and ``occupation_shares`` of :func:`stablerep.audits.occupations.shares_by_caption`."""
    from stablerep.audits.bias_measures import bias_measures
    from stablerep.audits.caption_scores import open_clip_model
    from stablerep.audits.occupations import GENDER, read_by_captions, shares_by_caption

    space, parts = open_clip_model(p.clip_model), []
    for w, made in drawings.items():
        data = made.load()
        captions = [data.captions[k] for k in data.caption_ids.tolist()]
        read = read_by_captions(data.images[:], GENDER, space)
        parts.append(pd.DataFrame({"caption": captions, "guidance_scale": w, ATTRIBUTE: read}))
    readings = pd.concat(parts, ignore_index=True)
    unknown = pd.DataFrame(columns=["caption", "cluster", ATTRIBUTE])
    tables = (
        bias_measures(readings, unknown, {ATTRIBUTE: list(GENDER)}, seed=p.seed),
        shares_by_caption(readings, ATTRIBUTE, list(GENDER)),
    )
    for name, one in zip(TABLES, tables):
        one.to_parquet(folder / f"{name}.parquet", index=False)
    return {"images": len(readings)}
