"""Runs on whole captions: what readers read of images, what judges find in them, and how close encoders that read captions find them to their captions."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from math import nan
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from stablerep.png import png_of
from stablerep.study.experiments.images import Captions, ImageSet, Named
from stablerep.study.experiments.study import Study
from stablerep.study.store.runs import Run
from stablerep.study.store.step import Step

if TYPE_CHECKING:
    from torch import Tensor

    from stablerep.audits.equal_galleries import Asked
    from stablerep.captioned_images import CaptionedImages
    from stablerep.corpus import Corpus

LEARNED, FRESH = (
    "learned from",
    "fresh",
)  # sources beside real and generated: images of training captions, about which encoders are asked
SHOWN = 5  # images of each kind in the grid of extremes
_HERE = tuple(f"{__name__}:{name}" for name in ("shown", "asked_captions", "written"))
_SEES = "stablerep.probes.extraction", "stablerep.variants", "stablerep.audits.equal_galleries"

READING = Step(
    "caption-reading", 1, lambda p: f"tone and gender in images of {p['captions']:,} captions",
    ("stablerep.audits.named_attributes", *_SEES, *_HERE, f"{__name__}:read"),
    amount=lambda p: 0.3 * p["images"], rate=400.0, seconds=8.0,
)  # fmt: skip
JUDGED = Step(
    "caption-judgement", 1, lambda p: f"images of {p['captions']:,} captions before the judge, seed {p['seed']}",
    ("stablerep.audits.whole_captions", "stablerep.training.backbones", *_SEES, *_HERE, f"{__name__}:judge", f"{__name__}:pictures", "stablerep.png"),
    amount=lambda p: p["images"], rate=2000.0, seconds=2.0,
)  # fmt: skip


@dataclass(frozen=True)
class Looked:
    """What is looked at.

    Attributes:
        captions: those of all groups. groups: reads the groups, with their galleries and real images.
        made: by guidance scale, drawings of the captions. shown_scale: the one of which the extremes are shown.
        others: by source, drawings of training captions about which encoders are asked.
        images_per_caption: of the drawings of the captions.
    """

    captions: Captions | Named
    groups: Callable[[], dict[str, Asked]]
    made: Mapping[float, ImageSet]
    shown_scale: float
    others: Mapping[str, ImageSet]
    images_per_caption: int

    def parameters(self, study: Study) -> dict:
        """What the runs on all images are told."""
        count = len(self.captions) * self.images_per_caption * len(self.made)
        return {"captions": len(self.captions), "images": count, "size": study.size, "labels": list(study.about.labels)}

    def inputs(self, study: Study) -> dict[str, str]:
        """What they read."""
        sets = {f"w = {w:g}": one.name for w, one in self.made.items()} | {
            name: one.name for name, one in self.others.items()
        }
        return {"captions": self.captions.name, "corpus": study.about.fingerprint} | sets


def written(data: CaptionedImages) -> list[str]:
    """The caption of each image."""
    return [data.captions[place] for place in data.caption_ids.tolist()]


def asked_captions(study: Study, data: CaptionedImages) -> CaptionedImages | None:
    """The images of those training captions that the judge can be asked about; None where there are none."""
    from stablerep.audits.equal_galleries import training_group

    group = training_group(study.corpus, list(data.captions))
    return data.only(group.captions) if group else None


def shown(study: Study, looked: Looked) -> Iterator[tuple[str, float, list[str], Tensor, list[str]]]:
    """Every image that readers and judges look at: source, guidance scale (NaN where it is none of those compared), the group of each image, or "" where it
    has none, uint8 [N, 3, size, size], and captions."""
    from stablerep.audits.equal_galleries import TRAINING
    from stablerep.audits.faithfulness import GENERATED, REAL
    from stablerep.variants import resized

    groups = looked.groups()
    of_caption = {caption: name for name, group in groups.items() for caption in group.captions}
    for name, group in groups.items():
        captions = group.real.table["caption"].tolist()
        yield REAL, nan, [name] * len(captions), group.real.images(study.size), captions
    for w, one in looked.made.items():
        captions = written(data := one.load())
        yield GENERATED, w, [of_caption.get(one, "") for one in captions], resized(data.images[:], study.size), captions
    for source, one in looked.others.items():
        if data := asked_captions(study, one.load()):
            yield source, nan, [TRAINING] * len(data.images), resized(data.images[:], study.size), written(data)


def read(study: Study, looked: Looked, people: Corpus | None, folder: Path) -> dict:
    """Tables of :mod:`stablerep.audits.named_attributes`: ``captions`` (what is asked of each, and ``frequency``, the images of its concept to learn from),
    ``readings`` (a row per image), and ``readers``, how accurate they are on real images.

    Args:
        people: the images of people whose attributes are known; None where captions name none.
    """
    from stablerep.audits.equal_galleries import with_concepts
    from stablerep.audits.faithfulness import REAL
    from stablerep.audits.named_attributes import attributes_asked, fit_readers, how_well, read_images

    corpus = with_concepts(study.corpus)
    attributes = people.people if people is not None else ()
    asked = attributes_asked(corpus.table, people.table if attributes else corpus.table[:0], attributes)
    frequency = corpus.to_learn_from().table["concept"].astype(str).value_counts()
    asked["frequency"] = asked["concept"].map(frequency).fillna(0).astype(int)
    readers, rows, parts = {}, [], []
    if attributes:
        known = people.to_learn_from()
        table = known.table.assign(cluster=known.table["concept"].astype(str))
        readers, rows = fit_readers(known.images(study.size), table, attributes)
    for source, w, _, images, captions in shown(study, looked):
        parts.append(read_images(readers, images, captions, asked).assign(source=source, guidance_scale=w))
    readings = pd.concat(parts, ignore_index=True)
    for name, group in looked.groups().items():
        mine = readings[(readings["source"] == REAL) & readings["caption"].isin(group.captions)]
        for attribute, reader in readers.items():
            told = mine[mine[attribute] != ""]
            about = asked.loc[told["caption"]]
            well = how_well(told[attribute], about[attribute], about["concept"])
            rows.append({"attribute": attribute, "part": f"real images, {name}", "bar": reader.bar} | well)
    columns = ["attribute", "part", "bar", "images", "clusters", "read", "accuracy", "low", "high"]
    tables = {
        "captions": asked.loc[readings["caption"].unique()].rename_axis("caption").reset_index(),
        "readings": readings, "readers": pd.DataFrame(rows, columns=columns),
    }  # fmt: skip
    for name, one in tables.items():
        one.to_parquet(folder / f"{name}.parquet", index=False)
    return {"classes": {name: len(reader.classes) for name, reader in readers.items()}}


def judge(study: Study, looked: Looked, run: Run, seed: int, folder: Path) -> dict:
    """Tables of :mod:`stablerep.audits.whole_captions`: ``results``, what one judge finds in every image, and ``grid``, :func:`pictures`."""
    from stablerep.audits.faithfulness import GENERATED
    from stablerep.audits.retrieval import Retrieval
    from stablerep.audits.whole_captions import look_up
    from stablerep.probes.extraction import features_of

    backbone, groups, parts, grid = study.backbone(run, None, seed), looked.groups(), [], []
    galleries = {
        name: Retrieval(features_of(backbone, group.gallery.images(study.size)), group.gallery.table)
        for name, group in groups.items()
    }
    concept = {
        caption: str(one)
        for group in groups.values() for table in (group.gallery.table, group.about.reset_index())
        for caption, one in zip(table["caption"], table["concept"])
    }  # fmt: skip
    for source, w, names, images, captions in shown(study, looked):
        features = features_of(backbone, images)
        numbers = pd.Series(captions).groupby(captions).cumcount().to_numpy()
        for name in filter(None, dict.fromkeys(names)):
            rows = np.flatnonzero(np.array(names) == name)
            mine, gallery = [captions[row] for row in rows], galleries[name]
            found = look_up(gallery, features[rows], [concept[caption] for caption in mine]).assign(
                captions=name, gallery=groups[name].name, source=source, guidance_scale=w, caption=mine, image=numbers[rows], seed=seed,
                chance=1 / len(gallery.concepts),
            )  # fmt: skip
            parts.append(found)
            if source == GENERATED and w == looked.shown_scale:
                about = pd.DataFrame({"concept": [concept[caption] for caption in mine]}, index=mine)
                about = about[~about.index.duplicated()]
                grid.append(pictures(study, found, about, images[rows], groups[name]).assign(captions=name))
    pd.concat(parts, ignore_index=True).to_parquet(folder / "results.parquet", index=False)
    pd.concat(grid, ignore_index=True).to_parquet(folder / "grid.parquet", index=False)
    return {"images": sum(map(len, parts))}


def pictures(study: Study, found: pd.DataFrame, about: pd.DataFrame, images: Tensor, group: Asked) -> pd.DataFrame:
    """The images that a judge is surest of and those furthest from their concept, beside the gallery's drawings of the caption and of what was found:
    rows of :func:`stablerep.audits.whole_captions.extremes` with ``png``, ``png_named`` and ``png_found``."""
    from stablerep.audits.whole_captions import extremes

    rows = extremes(found.assign(place=range(len(found))), about, SHOWN)
    drawn, table = group.gallery.images(study.size), group.gallery.table
    place, of_concept = (
        dict(zip(first[name], first.index))
        for name in ("caption", "concept")
        for first in [table.drop_duplicates(name)]
    )
    return rows.assign(
        png=[png_of(images[one]) for one in rows["place"]],
        png_named=[
            png_of(drawn[place.get(one, of_concept[about["concept"][one]])]) for one in rows["caption"]
        ],  # of photographs, one of the same class
        png_found=[png_of(drawn[place[one]]) for one in rows["found"]],
    ).drop(columns="place")
