"""Images that generations of a generator draw: how varied they are, and how they compare with real ones."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import pandas as pd

from stablerep.study.experiments.images import Captions, ImageSet
from stablerep.study.store.runs import Run
from stablerep.study.store.step import Step

if TYPE_CHECKING:
    from stablerep.study.experiments.study import Study

Generation = tuple[str, int]  # way and number; generation 0 belongs to every way, and its way is empty
SEEN = 1000  # captions whose images are measured, at most: all pairs of images are compared
SHOWN = 6  # captions whose images are kept to look at

IMAGES = Step(
    "generation-images", 1, lambda p: f"how varied images of {len(p['sets'])} generators are",
    (
        "stablerep.audits.faithfulness", "stablerep.training.backbones", "stablerep.probes.extraction", "stablerep.camera",
        f"{__name__}:compare",
    ),
    amount=lambda p: p["captions"] * p["images_per_caption"] * len(p["sets"]), rate=2000.0, seconds=3.0,
)  # fmt: skip


def measured(
    study: Study, drawings: Mapping[Generation, ImageSet], captions: Captions, judge: Run, seed: int, images_per_caption: int
) -> Run:  # fmt: skip
    """A run of :func:`compare`.

    Args:
        drawings: of each generation, of the captions. judge: the pre-training of an encoder. seed: of that, and of the cut to sets of one size.
    """
    some = captions.first(min(len(captions), SEEN))
    return study.store.obtain(
        IMAGES,
        parameters={
            "captions": len(some), "images_per_caption": images_per_caption, "sets": [list(key) for key in drawings], "size": study.size,
            "seed": seed,
        },
        inputs={"encoder": judge.key, "corpus": study.seen_fingerprint}
        | {f"{way or 'generation'} {t}": made.name for (way, t), made in drawings.items()},
        compute=lambda folder: compare(drawings, captions, some, judge, seed, study, folder),
    )  # fmt: skip


def compare(
    drawings: Mapping[Generation, ImageSet], captions: Captions, some: Captions, judge: Run, seed: int, study: Study, folder: Path
) -> dict:  # fmt: skip
    """Tables of :mod:`stablerep.audits.faithfulness`, to the eyes of a judge: ``diversity``, how far apart images of a caption are; ``sets``, how a set of
    images compares with real ones; and ``grid``, drawings to look at. In place of a guidance scale they have the place among ``drawings``."""
    from stablerep.audits.equal_galleries import TRAINING, with_concepts
    from stablerep.audits.faithfulness import compared, diverse, picture_grid
    from stablerep.probes.extraction import features_of

    backbone = study.backbone(judge, None, seed)
    shown = {caption: caption for caption in some.texts[:SHOWN]}  # each a group of its own, so that each is in the grid

    def queries(images: ImageSet):
        loaded = study.seen(images).only(some, captions).load()
        return features_of(backbone, loaded.images), [loaded.captions[place] for place in loaded.caption_ids.tolist()]

    real, made, grid = queries(study.real_drawings(captions, several=True)), {}, []
    for place, images in enumerate(drawings.values()):
        made[float(place)] = queries(images)
        loaded = images.load()
        grid += picture_grid(loaded.images, loaded.caption_ids, loaded.captions, shown, float(place))
    about = with_concepts(study.corpus).table.drop_duplicates("caption").set_index("caption")[["concept", "group"]]
    words = {"captions": TRAINING, "seed": seed}
    tables = {
        "diversity": diverse(real, made, about).assign(**words, gallery="none"),
        "sets": compared(real, made, about, by_concept=bool(study.about.designs), seed=seed).assign(**words),
        "grid": pd.DataFrame(grid),
    }
    for name, table in tables.items():
        table.to_parquet(folder / f"{name}.parquet", index=False)
    return {"sets": len(drawings)}


def over_chains(runs: Sequence[Run], sets: Sequence[Generation]) -> dict[str, pd.DataFrame]:
    """The tables of runs of :func:`measured`, one for each seed, as means over seeds, with ``way`` and ``generation``; the ``grid`` is that of the first.

    Args:
        sets: the keys of ``drawings``.
    """
    from stablerep.audits.faithfulness import over_seeds, shares

    diversity, found = (
        pd.concat([run.table(name) for run in runs], ignore_index=True) for name in ("diversity", "sets")
    )
    tables = {"diversity": shares(diversity), "sets": over_seeds(found), "grid": runs[0].table("grid")}
    return {name: of_generations(table, sets) for name, table in tables.items()}


def of_generations(table: pd.DataFrame, sets: Sequence[Generation]) -> pd.DataFrame:
    """A table of an audit whose ``guidance_scale`` is a place among sets of images: ``way`` and ``generation`` instead; of real images NaN."""
    places = table.pop("guidance_scale")
    ways = [sets[int(place)][0] if place == place else "" for place in places]
    return table.assign(
        way=ways, generation=[sets[int(place)][1] if place == place else float("nan") for place in places]
    )
