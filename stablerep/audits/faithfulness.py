"""Faithfulness and diversity of images of known captions, by the features of an encoder that learned from real images.

A *gallery* holds real images that the encoder knows. An image is faithful when the nearest caption prototype of the gallery is of the same concept (of
photographs: the same class) as its own caption.
"""

from __future__ import annotations

import io
from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd
import torch
from torch import Tensor

from stablerep.audits.retrieval import Retrieval, within_caption_distance
from stablerep.audits.sets import compare_sets
from stablerep.errors import InputError
from stablerep.statistics import mean_with_interval

NEW_DESIGN, KNOWN_DESIGNS, HELD_OUT = "real, held-out design", "real, known designs", "real, held-out images"  # sources
OTHER_DESIGNS, OTHER_IMAGES = "real, other designs", "real, other images"  # sources of a second set of real images
FEWEST_IN_A_SET = 4  # images: half of them must be two at least
GRID_CAPTIONS, GRID_IMAGES = 8, 4


def named_by_captions(table: pd.DataFrame, labels: Sequence[str]) -> str:
    """What captions name: the last of the labels that is the same for all images of a caption, or else the caption itself."""
    for label in reversed(labels):
        if table.groupby("caption")[label].nunique(dropna=False).max() == 1 and table[label].notna().all():
            return label
    return "caption"


def known_designs(
    retrieval: Retrieval, features: Tensor, table: pd.DataFrame, captions: list[str]
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Answers for the gallery's own images of some captions, and the rows they are about; each is ranked without its own design."""
    several = table.groupby("concept")["design"].transform("nunique") > 1
    wanted = (several & table["caption"].isin(captions)).to_numpy()
    rows = table.assign(row=range(len(table)))[wanted]
    parts = []
    for design, some in rows.groupby("design"):
        asked = features[torch.from_numpy(some["row"].to_numpy(copy=True))]
        parts.append((some, retrieval.ask_without_design(asked, some["concept"].tolist(), design)))
    return pd.concat([found for _, found in parts], ignore_index=True), pd.concat(
        [some for some, _ in parts], ignore_index=True
    )


def two_real_sets(table: pd.DataFrame, captions: list[str], seed: int) -> tuple[list[str], list[int], list[int]]:
    """The first caption of each concept in ``captions`` that has two images, and the rows of two images of it, drawn at random."""
    rows = table.assign(row=range(len(table))).groupby("caption")["row"].agg(list)
    concept = table.drop_duplicates("caption").set_index("caption")["concept"]
    several = [caption for caption in captions if len(rows.get(caption, ())) > 1]
    chosen = concept.loc[several].drop_duplicates().index.tolist()
    rng = np.random.default_rng(seed)
    pairs = [rng.choice(rows[caption], 2, replace=False).tolist() for caption in chosen]
    return chosen, [first for first, _ in pairs], [second for _, second in pairs]


def sets_of_concepts(
    table: pd.DataFrame, made: Sequence[Sequence[str]], seed: int
) -> tuple[list[int], list[int], list[list[int]]]:
    """Sets with the same number of images of each concept: two of real images that share none, drawn at random, and one of each generated set.

    Args:
        table: ``concept`` of the real images. made: the concepts of the images of each generated set.

    Returns:
        Rows of the first and of the second real set, and places in each generated set. Of a concept they have half of its real images, or as
        many as the generated set that has the fewest.
    """
    rows = table.assign(row=range(len(table))).groupby("concept")["row"].agg(list)
    places = [pd.Series(range(len(concepts))).groupby(np.asarray(concepts)).agg(list) for concepts in made]
    rng, first, second, chosen = np.random.default_rng(seed), [], [], [[] for _ in made]
    for concept, mine in rows.items():
        count = min(len(mine) // 2, *(len(some.get(concept, ())) for some in places))
        drawn = rng.choice(mine, 2 * count, replace=False).tolist()
        first, second = first + drawn[:count], second + drawn[count:]
        for picked, some in zip(chosen, places):
            picked += some.get(concept, [])[:count]
    return first, second, chosen


def compared(real: Tensor, features: Tensor, *, source: str, w: float, seed: int) -> pd.DataFrame:
    """The rows of :func:`stablerep.audits.sets.compare_sets`; a few images have fewer neighbours than are usual.

    A subset of KID takes half of the images: the deviation over such subsets is about the standard error of the whole.
    """
    n = len(real)
    found = compare_sets(real, features, k=min(3, n - 1), k_coverage=min(5, n - 1), subset_size=n // 2, seed=seed)
    return found.assign(source=source, guidance_scale=w)


def with_intervals(asked: pd.DataFrame, about: pd.DataFrame, *, source: str, w: float) -> list[dict]:
    """Shares over all captions (group ``all``) and by group, with intervals over clusters.

    Args:
        asked: ``top1``, ``top10`` and ``subgroup`` of each answer.
        about: ``concept`` and ``group`` of each; ``cluster``, by which answers are resampled, is the concept where it is missing.
    """
    rows, clusters = [], about["cluster" if "cluster" in about else "concept"].to_numpy()
    for group in ["all", *sorted(set(about["group"]))]:
        mine = np.ones(len(about), bool) if group == "all" else (about["group"] == group).to_numpy()
        concepts = len(set(about["concept"].to_numpy()[mine]))
        for name in ("top1", "top10", "subgroup"):
            found = mean_with_interval(asked[name].to_numpy()[mine], clusters[mine])
            rows.append({
                "source": source, "guidance_scale": w, "group": group, "measure": name, "concepts": concepts, **found,
            })  # fmt: skip
    return rows


def picture_grid(images: Tensor, caption_ids: Tensor, captions: list[str], w: float) -> list[dict]:
    """The first images of a few captions as PNG bytes: rows of ``caption``, ``guidance_scale``, ``index`` and ``png``."""
    from PIL import Image

    rows = []
    for number, caption in enumerate(captions[:GRID_CAPTIONS]):
        for index, image in enumerate(images[caption_ids == number][:GRID_IMAGES]):
            png = io.BytesIO()
            Image.fromarray(image.permute(1, 2, 0).numpy()).save(png, "PNG")
            rows.append({"caption": caption, "guidance_scale": w, "index": index, "png": png.getvalue()})
    return rows


def judge_images(
    gallery: tuple[Tensor, pd.DataFrame], held_out: tuple[Tensor, pd.DataFrame], made: Mapping[float, tuple[Tensor, list[str]]],
    captions: list[str], *, seed: int,
) -> dict[str, pd.DataFrame]:  # fmt: skip
    """Faithfulness, diversity and the distance to real images, of generated images by guidance scale beside real ones.

    Tables have ``caption``, ``concept`` (what is to be recognized: of photographs with classes, the class), ``subgroup``, ``group``, ``design``
    ("" where there are none) and, where images of a concept are independent, ``cluster``, by which they are resampled.

    With designs, real images are those of a design that the encoder has never seen, and those of the designs that it knows, each ranked
    without its own design. A set has one image of the first caption of each concept. Without designs, real images are held-out images of the
    gallery's concepts; a set has as many images of each concept as there are; and generated images are resampled by caption, or one by one
    where concepts have no more than one caption each, since those concepts are all that there are.

    Args:
        gallery: features float [N, D] and rows of the real images that the encoder knows.
        held_out: the same of real images that it does not know: of another design, or of no design.
        made: by guidance scale, features float [M, D] of generated images and the caption of each.
        captions: those that were drawn.

    Returns:
        ``faithfulness`` (top1, top10 and subgroup by source, w and group), ``diversity`` (mean distance within a caption; NaN where no caption has
        two images) and ``sets`` (generated sets and another real one against real images; empty where sets have fewer than four).

    Raises:
        InputError: no held-out image shows a concept of the gallery.
    """
    features, table = gallery
    retrieval, designs = Retrieval(features, table), bool((table["design"] != "").any())
    known = held_out[1]["concept"].isin(retrieval.concepts).to_numpy(copy=True)
    if not known.any():
        raise InputError(
            f"none of {len(known)} held-out images shows what the {len(table)} training images show; faithfulness is measured against "
            "held-out images of the same classes or captions."
        )
    about = pd.concat([table, held_out[1]]).drop_duplicates("caption").set_index("caption")[["concept", "group"]]
    concept = about["concept"]
    by_caption = not designs and concept[concept.index.isin(captions)].duplicated().any()
    real_features = held_out[0][torch.from_numpy(known)]
    asked = retrieval.ask(real_features, held_out[1]["concept"][known].tolist())
    faithful = with_intervals(asked, held_out[1][known], source=NEW_DESIGN if designs else HELD_OUT, w=np.nan)
    if designs:
        faithful += with_intervals(*known_designs(retrieval, features, table, captions), source=KNOWN_DESIGNS, w=np.nan)
    drawn = table["caption"].isin(captions).to_numpy(copy=True)
    distance = within_caption_distance(features[torch.from_numpy(drawn)], table["caption"][drawn].tolist())
    diverse = [_diversity(distance, concept, source="real designs" if designs else "real images", w=np.nan)]
    for w, (found, written) in made.items():
        answers = about.loc[written]
        if not designs:
            answers = answers.assign(cluster=written if by_caption else range(len(written)))
        asked = retrieval.ask(found, answers["concept"].tolist())
        faithful += with_intervals(asked, answers, source="generated", w=w)
        diverse.append(_diversity(within_caption_distance(found, written), concept, source="generated", w=w))
    if designs:
        chosen, first, second = two_real_sets(table, captions, seed)
        places = [[written.index(caption) for caption in chosen] for _, written in made.values()]
    else:
        first, second, places = sets_of_concepts(table, [concept.loc[written] for _, written in made.values()], seed)
    sets = []
    if len(first) >= FEWEST_IN_A_SET:
        other = OTHER_DESIGNS if designs else OTHER_IMAGES
        sets.append(compared(features[first], features[second], source=other, w=np.nan, seed=seed))
        for (w, (found, _)), mine in zip(made.items(), places):
            sets.append(compared(features[first], found[mine], source="generated", w=w, seed=seed))
    none = pd.DataFrame(columns=["metric", "value", "low", "high", "n", "k", "source", "guidance_scale"])
    return {
        "faithfulness": pd.DataFrame(faithful), "diversity": pd.DataFrame(diverse),
        "sets": pd.concat(sets, ignore_index=True) if sets else none,
    }  # fmt: skip


def _diversity(distance: pd.Series, concept: pd.Series, *, source: str, w: float) -> dict:
    """The mean of distances within captions, resampled by concept."""
    found = {"mean": np.nan, "low": np.nan, "high": np.nan, "n": 0}
    if len(distance):
        found = mean_with_interval(distance, concept.loc[distance.index])
    return {"source": source, "guidance_scale": w, **found}
