"""Images of some captions by a generator and by edits of it, from the same noise: what is read of them, what a judge recognizes, how far they moved."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import pandas as pd

from stablerep.statistics import summarize
from stablerep.study.experiments.images import ImageSet
from stablerep.study.experiments.judged_images import CODE, faithful
from stablerep.study.store.runs import Run
from stablerep.study.store.step import Step

if TYPE_CHECKING:
    from stablerep.corpus import Corpus
    from stablerep.study.experiments.study import Study

SHOWN = 2  # captions of each group whose images are kept to look at
CONCEPT_FIRST = "concept first"  # the measure of the judge
TABLES = ("readings", "concepts", "changes", "reader", "grid")

EDIT_IMAGES = Step(
    "edit-images", 1, lambda p: f"images of {len(p['places'])} generators, read for {p['attribute']}, seeds {p['seeds'][0]} to {p['seeds'][-1]}",
    ("stablerep.audits.edit_effects", "stablerep.variants", *CODE, *(f"{__name__}:{one}" for one in ("look_at", "recognized", "drawn_people"))),
    amount=lambda p: float(p["captions"] * p["images_per_caption"] * len(p["places"]) * len(p["seeds"])), rate=500.0, seconds=2.5,
)  # fmt: skip


@dataclass(frozen=True)
class Looked:
    """The captions by which an edit is looked at.

    Attributes:
        groups: captions by the name of their group; a caption is in one group.
        concept: of each of these captions, also of those that the corpus does not have.
    """

    groups: dict[str, list[str]]
    concept: dict[str, str]

    @property
    def captions(self) -> list[str]:
        return [caption for some in self.groups.values() for caption in some]

    @property
    def group_of(self) -> dict[str, str]:
        return {caption: name for name, some in self.groups.items() for caption in some}

    @property
    def name(self) -> str:
        """What stands for them in the keys of runs."""
        told = [self.groups, [self.concept[caption] for caption in self.captions]]
        return hashlib.sha256(json.dumps(told).encode()).hexdigest()[:16]


def measured(
    study: Study, drawings: Mapping[tuple[str, int], ImageSet], judges: Mapping[int, Run], looked: Looked, attribute: str, images_per_caption: int
) -> Run:  # fmt: skip
    """A run of :func:`look_at`.

    Args:
        drawings: by place (the name of a generator among those compared; the first is the one before the edit) and seed of the noise, images of the captions
            of ``looked``. judges: a pre-training for each seed.
    """
    places, seeds = (list(dict.fromkeys(key[k] for key in drawings)) for k in (0, 1))
    return study.store.obtain(
        EDIT_IMAGES,
        parameters={
            "places": places, "seeds": seeds, "attribute": attribute, "captions": len(looked.captions), "images_per_caption": images_per_caption,
            "size": study.size,
        },
        inputs={"corpus": study.about.fingerprint, "captions": looked.name}
        | {f"{place}, seed {seed}": made.name for (place, seed), made in drawings.items()}
        | {f"judge, seed {seed}": run.key for seed, run in judges.items()},
        compute=lambda folder: look_at(study, drawings, judges, looked, attribute, folder),
    )  # fmt: skip


def look_at(
    study: Study, drawings: Mapping[tuple[str, int], ImageSet], judges: Mapping[int, Run], looked: Looked, attribute: str, folder: Path
) -> dict:  # fmt: skip
    """Tables, each with ``place``, ``seed`` and ``group`` (of captions), but for the reader:

    - ``readings``: a row per image: ``caption``, ``concept``, ``image`` (its number among those of the caption), ``read``;
    - ``concepts``: ``concept`` and ``value``, how often it comes first, of those captions that the judge can be asked about;
    - ``changes``: of :func:`stablerep.audits.edit_effects.pixel_changes`, against the first place;
    - ``reader``: ``attribute``, ``read`` and ``accuracy`` (:func:`stablerep.audits.edit_effects.fitted_reader`);
    - ``grid``: PNG of the first seed.
    """
    from stablerep.audits.edit_effects import fitted_reader, pixel_changes
    from stablerep.audits.faithfulness import picture_grid
    from stablerep.probes.extraction import features_of
    from stablerep.variants import resized

    people = drawn_people(study.corpus)
    table = people.table.assign(cluster=people.table[people.cluster].astype(str))
    reader, see, well = fitted_reader(people.images(study.size), table, attribute)
    tables: dict[str, list[pd.DataFrame]] = {name: [] for name in TABLES if name != "reader"}
    shown = {caption: caption for some in looked.groups.values() for caption in some[:SHOWN]}
    for seed, judge in judges.items():
        backbone, before, queries = study.backbone(judge, None, seed), None, {}
        for place in (place for place, other in drawings if other == seed):
            data = drawings[place, seed].load()
            images, where = resized(data.images, study.size), {"place": place, "seed": seed}
            captions = [data.captions[k] for k in data.caption_ids.tolist()]
            rows = pd.DataFrame({"caption": captions}).assign(**where)
            rows["concept"], rows["group"] = rows["caption"].map(looked.concept), rows["caption"].map(looked.group_of)
            rows["image"] = rows.groupby("caption").cumcount()
            rows["read"] = reader.read(features_of(see(), images), rows["concept"])
            tables["readings"].append(rows)
            before = images if before is None else before
            moved = pixel_changes(before, images, captions)
            tables["changes"].append(moved.assign(group=moved["caption"].map(looked.group_of), **where))
            queries[place] = features_of(backbone, images), captions
            if seed == next(iter(judges)):
                grid = picture_grid(images, data.caption_ids, data.captions, shown, 0.0)
                grid = pd.DataFrame(grid).drop(columns="guidance_scale")
                tables["grid"].append(grid.assign(captions=grid["caption"].map(looked.group_of), **where))
        tables["concepts"].append(recognized(study, backbone, looked, queries).assign(seed=seed))
    told = pd.DataFrame([{"attribute": attribute} | well])
    for name, parts in (tables | {"reader": [told]}).items():
        pd.concat(parts, ignore_index=True).to_parquet(folder / f"{name}.parquet", index=False)
    return {"captions": len(looked.captions), "people": len(people)}


def recognized(study: Study, backbone, looked: Looked, queries: Mapping[str, tuple]) -> pd.DataFrame:
    """How often each concept comes first, by ``place`` and ``group`` of captions (:func:`stablerep.study.experiments.judged_images.faithful`)."""
    from stablerep.audits.equal_galleries import training_group
    from stablerep.audits.faithfulness import GENERATED

    found, places = [], list(queries)
    numbered = {float(k): queries[place] for k, place in enumerate(places)}
    for name, captions in looked.groups.items():
        if asked := training_group(study.corpus, captions):
            table = faithful(study, backbone, asked, numbered)[0]
            mine = table[(table["source"] == GENERATED) & (table["measure"] == "top1")]
            place = [places[int(k)] for k in mine["guidance_scale"]]
            found.append(mine[["concept", "value"]].assign(place=place, group=name))
    columns = ["concept", "value", "place", "group"]
    return pd.concat(found, ignore_index=True)[columns] if found else pd.DataFrame(columns=columns)


def drawn_people(corpus: Corpus) -> Corpus:
    """Drawings of single people that may be learned from, whose tone and gender are known."""
    part = corpus.to_learn_from()
    table = part.table
    return part.where(table["subgroup"].str.startswith("person") & (table["gender"] != "") & (table["tone"] != "mixed"))


def items_of(run: Run, of_reading: Mapping[str, tuple[str, ...]]) -> pd.DataFrame:
    """What :mod:`stablerep.statistics.arms` compares: ``arm`` is the place, ``probe`` a measure and a group, such as *concept first, edited captions*.

    Args:
        run: of :func:`measured`. of_reading: for each measure of what is read, the readings that count for it.
    """
    readings, concepts = run.table("readings"), run.table("concepts")
    parts = [
        readings.assign(correct=readings["read"].isin(names).astype(float), measure=measure)
        for measure, names in of_reading.items()
    ]
    parts.append(concepts.assign(correct=concepts["value"], measure=CONCEPT_FIRST))
    items = pd.concat(parts, ignore_index=True)
    found = items.assign(arm=items["place"], probe=items["measure"] + ", " + items["group"], cluster=items["concept"])
    return found[["arm", "seed", "probe", "cluster", "correct"]].assign(views=0)


def shares_of(items: pd.DataFrame) -> pd.DataFrame:
    """Shares of images with their 95 % intervals over concepts and seeds, by ``generator`` and ``measure``, from :func:`items_of`."""
    return summarize(items).rename(columns={"arm": "generator", "probe": "measure", "accuracy": "share"})


def changes_of(changes: pd.DataFrame) -> pd.DataFrame:
    """Means of ``change`` and ``apart`` over captions and seeds, by ``generator`` and ``group`` of captions."""
    renamed = changes.rename(columns={"place": "generator"})
    return renamed.groupby(["generator", "group"], sort=False)[["change", "apart"]].mean().reset_index()


def without_rows(*columns: str) -> pd.DataFrame:
    """A table of what was not run: the columns of :func:`stablerep.statistics.summarize`, the first of them as named."""
    return pd.DataFrame(columns=[*columns, "low", "high", "items", "clusters", "seeds", "views"])
