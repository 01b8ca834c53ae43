"""Images that generations of a generator draw: how faithful and how varied they are, and how they compare with real ones."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import pandas as pd

from stablerep.study.experiments.images import Captions, ImageSet
from stablerep.study.experiments.judged_images import CODE, SEEN, judged_images
from stablerep.study.store.runs import Run
from stablerep.study.store.step import Step

if TYPE_CHECKING:
    from stablerep.study.experiments.study import Study

Generation = tuple[str, int]  # way and number; generation 0 belongs to every way, and its way is empty
SHOWN = 6  # captions whose images are kept to look at

IMAGES = Step(
    "generation-images", 2, lambda p: f"how faithful and varied images of {len(p['sets'])} generators are",
    (*CODE, f"{__name__}:compare"),
    amount=lambda p: p["captions"] * p["images_per_caption"] * len(p["sets"]), rate=2000.0, seconds=0.7,
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
    """Tables of :func:`.judged_images.judged_images`, with the place among ``drawings`` instead of a guidance scale; and ``grid``, drawings to look at."""
    from stablerep.audits.equal_galleries import training_group
    from stablerep.audits.faithfulness import picture_grid

    shown = {caption: caption for caption in some.texts[:SHOWN]}  # each a group of its own, so that each is in the grid
    grid = []

    def sets():
        for place, images in enumerate(drawings.values()):
            yield float(place), images.only(some, captions)
            loaded = images.load()  # once more at once, while it is kept in memory
            grid.extend(picture_grid(loaded.images, loaded.caption_ids, loaded.captions, shown, float(place)))

    real = study.real_drawings(captions, several=True).only(some, captions)
    tables = judged_images(study, real, sets(), judge, seed, training_group(study.corpus, some.texts))
    tables.setdefault("faithfulness", tables["diversity"].iloc[:0])  # the same columns
    tables["grid"] = pd.DataFrame(grid)
    for name, table in tables.items():
        table.to_parquet(folder / f"{name}.parquet", index=False)
    return {"sets": len(drawings)}


def over_chains(runs: Sequence[Run], sets: Sequence[Generation]) -> dict[str, pd.DataFrame]:
    """The tables of runs of :func:`measured`, one for each seed, as means over seeds, with ``way`` and ``generation``; the ``grid`` is that of the first.

    Args:
        sets: the keys of ``drawings``.
    """
    from stablerep.audits.faithfulness import over_seeds, shares

    faithfulness, diversity, found = (
        pd.concat([run.table(name) for run in runs], ignore_index=True)
        for name in ("faithfulness", "diversity", "sets")
    )
    tables = {
        "faithfulness": shares(faithfulness), "diversity": shares(diversity), "sets": over_seeds(found), "grid": runs[0].table("grid"),
    }  # fmt: skip
    return {name: of_generations(table, sets) for name, table in tables.items()}


def of_generations(table: pd.DataFrame, sets: Sequence[Generation]) -> pd.DataFrame:
    """A table of an audit whose ``guidance_scale`` is a place among sets of images: ``way`` and ``generation`` instead; of real images NaN."""
    places = table.pop("guidance_scale")
    ways = [sets[int(place)][0] if place == place else "" for place in places]
    return table.assign(
        way=ways, generation=[sets[int(place)][1] if place == place else float("nan") for place in places]
    )
