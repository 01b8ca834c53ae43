"""Generators that learned a skew in skin tone at a known share, and what is read of the images that they draw of the skewed captions and of others."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Protocol

import numpy as np
import pandas as pd

from stablerep.errors import InputError
from stablerep.study.experiments.images import ImageSet, Named
from stablerep.study.experiments.people_images import people_in, with_clusters
from stablerep.study.experiments.skewed import TONE, halves, roles, skewed, skewed_captions, substituted
from stablerep.study.store.runs import Run
from stablerep.study.store.step import Step
from stablerep.variants import at_size

if TYPE_CHECKING:
    from stablerep.study.experiments.study import Study
    from stablerep.study.parameters.base import Generated

BEFORE, SKEWED, LEFT_ALONE = "before", "skewed roles", "roles left alone"
SHOWN, SHOWN_IMAGES = 3, 3  # captions of each group, and images of each, that are kept to look at
TABLES = ("planted", "slopes", "planted_amplification", "planted_reader", "planted_grid")
_HERE = tuple(f"{__name__}:{one}" for one in ("read_planted", "learned_from"))
_SKEW = tuple(f"stablerep.study.experiments.skewed:{one}" for one in ("Skew", "roles", "halves", "substituted", "drawing_of", "rank"))  # fmt: skip
_PEOPLE = tuple(f"stablerep.study.experiments.people_images:{one}" for one in ("people_in", "with_clusters"))

PLANTED = Step(
    "planted-bias", 1, lambda p: f"people in images of generators with a planted skew, seeds {p['seeds'][0]} to {p['seeds'][-1]}",
    ("stablerep.audits.planted_shares", "stablerep.audits.amplification", "stablerep.audits.edit_effects", "stablerep.audits.faithfulness", "stablerep.variants", *_HERE, *_SKEW,
     *_PEOPLE),
    amount=lambda p: float(p["captions"] * p["images_per_caption"] * (1 + len(p["shares"])) * len(p["guidance_scales"]) * len(p["seeds"])),
    rate=400.0, seconds=12.0,
)  # fmt: skip


class Planting(Protocol):
    """What the parameters of a chapter say of planting."""

    planted_shares: list[float]
    planted_seeds: int
    planted_captions: int
    planted_images_per_caption: int
    training_steps: int
    training_rate: float
    drawings_per_caption: int
    guidance_scales: list[float]
    middle_scale: float
    seed: int


Drawings = dict[tuple[float, int, float], ImageSet]  # by planted share (NaN: before any was), seed and guidance scale


def lacks_planting(p: Planting, study: Study) -> str:
    """Why no skew can be planted in this corpus and generator, in a sentence; empty where it can."""
    try:
        study.need_trainable(p.generator)
        skewed_captions(study, p.seed, TONE.attribute)
    except InputError as error:
        return str(error)
    return ""


def looked_captions(p: Planting, study: Study) -> dict[str, list[str]]:
    """Neutral captions of the roles with a skew and of those that are left alone, those of different concepts first."""
    from stablerep.audits.equal_galleries import in_turn

    table = study.corpus.to_learn_from().table
    groups = zip((SKEWED, LEFT_ALONE), skewed_captions(study, p.seed, TONE.attribute))
    return {name: in_turn(table[table["caption"].isin(some)])[: p.planted_captions] for name, some in groups}


def drawn_with_skews(p: Planting, study: Study, captions: Named) -> Drawings:
    """Images of the captions by the generator as it is, and trained further on drawings with each planted share, with other noise, and another training,
    for each seed. The roles with a skew are the same for all seeds."""
    found = {}
    for seed in range(p.seed, p.seed + p.planted_seeds):
        for share in (np.nan, *p.planted_shares):
            name = p.generator if np.isnan(share) else skewed_generator(p, study, share, seed)
            drawn_by: Generated = p.model_copy(update={"generator": name})
            for w in p.guidance_scales:
                found[share, seed, w] = study.synthetic_images(
                    captions, drawn_by, w, images_per_caption=p.planted_images_per_caption, seed=seed
                )
    return found


def skewed_generator(p: Planting, study: Study, share: float, seed: int) -> str:
    """The generator after it learned from drawings of roles with a planted share."""
    images = skewed(study, TONE.attribute, share, p.seed, only_roles=True, at_most=p.drawings_per_caption)
    return study.trained_further(p.generator, images, steps=p.training_steps, learning_rate=p.training_rate, seed=seed)


def planted(p: Planting, study: Study, looked: dict[str, list[str]], drawings: Drawings) -> Run:
    """A run of :func:`read_planted`."""
    captions = Named([caption for some in looked.values() for caption in some])
    return study.store.obtain(
        PLANTED,
        parameters={
            "shares": p.planted_shares, "guidance_scales": p.guidance_scales, "seeds": list(range(p.seed, p.seed + p.planted_seeds)),
            "captions": len(captions), "images_per_caption": p.planted_images_per_caption, "at_most": p.drawings_per_caption, "size": study.size,
        },
        inputs={"corpus": study.about.fingerprint, "captions": captions.name}
        | {f"share {share:g}, seed {seed}, w {w:g}": made.name for (share, seed, w), made in drawings.items()},
        compute=lambda folder: read_planted(p, study, looked, drawings, folder),
    )  # fmt: skip


def learned_from(p: Planting, study: Study, share: float) -> pd.DataFrame:
    """What each caption of people stood beside in the training: ``caption``, ``cluster`` and ``tone``, a row per drawing; NaN is no planted share."""
    part = study.corpus.to_learn_from()
    table = (part.some_per_caption(p.drawings_per_caption) if p.drawings_per_caption else part).table.reset_index(drop=True)  # fmt: skip
    shown = table["tone"].to_numpy()
    if not np.isnan(share):
        chosen = halves(roles(table, TONE)["concept"], p.seed)
        shown = shown[substituted(table, chosen, share, p.seed, TONE)]
    return pd.DataFrame({"caption": table["caption"], "cluster": table["concept"], "tone": shown})


def read_planted(p: Planting, study: Study, looked: dict[str, list[str]], drawings: Drawings, folder: Path) -> dict:
    """Tables: ``planted`` and ``slopes`` (:func:`stablerep.audits.planted_shares.planted_shares`); ``planted_amplification``, the columns of
    :func:`stablerep.audits.amplification.amplification` at the first seed, of all captions, with ``planted``; ``planted_reader``, how well the tone is read
    of real drawings; ``planted_grid``, PNG of the first seed at the middle guidance scale."""
    from stablerep.audits.amplification import amplification
    from stablerep.audits.edit_effects import fitted_reader
    from stablerep.audits.faithfulness import picture_grid
    from stablerep.audits.planted_shares import planted_shares
    from stablerep.probes.extraction import features_of

    known = people_in(study.corpus).to_learn_from()
    table = with_clusters(known)
    reader, see, well = fitted_reader(known.images(study.size), table, TONE.attribute)
    cluster, group = (
        dict(zip(table["caption"], table["cluster"])),
        {one: name for name, some in looked.items() for one in some},
    )
    shown = {one: one for some in looked.values() for one in some[:SHOWN]}
    readings, grid, amplified, learned = [], [], [], {}
    for (share, seed, w), made in drawings.items():
        data = made.load()
        rows = pd.DataFrame({"caption": [data.captions[k] for k in data.caption_ids.tolist()]})
        rows["read"] = reader.read(features_of(see(), at_size(data.images, study.size)), rows["caption"].map(cluster))
        readings.append(rows.assign(planted=share, seed=seed, guidance_scale=w, group=rows["caption"].map(group)))
        if seed == p.seed and w == p.middle_scale:
            some = picture_grid(at_size(data.images, study.size), data.caption_ids, data.captions, shown, w)
            grid.append(pd.DataFrame(some).assign(planted=share))
    every = pd.concat(readings, ignore_index=True)
    for share in (np.nan, *p.planted_shares):
        stood = learned_from(p, study, share)
        for name, some in looked.items():
            own = stood[stood["caption"].isin(some)]
            by_caption = (own["tone"] == TONE.first).groupby(own["caption"]).mean()
            learned[BEFORE if np.isnan(share) else share, name] = float(by_caption.mean())
        mine = every[
            (every["planted"].isna() if np.isnan(share) else every["planted"] == share) & (every["seed"] == p.seed)
        ]
        mine = mine.rename(columns={"read": "tone"})
        amplified.append(amplification(mine, stood, {"tone": list(reader.classes)}, seed=p.seed).assign(planted=share))
    pictures = pd.concat(grid, ignore_index=True)
    shares, slopes = planted_shares(every, learned, reader.confusion, TONE.first, seed=p.seed)
    tables = (shares, slopes, pd.concat(amplified, ignore_index=True), pd.DataFrame([{"attribute": TONE.attribute} | well]), pictures[pictures["index"] < SHOWN_IMAGES])  # fmt: skip
    for name, one in zip(TABLES, tables):
        one.to_parquet(folder / f"{name}.parquet", index=False)
    return {"captions": len(group), "images": len(every)}
