"""Faithfulness and diversity of images of known captions, by the features of an encoder that learned from real images.

A *gallery* holds real images that the encoder knows. An image is faithful when the nearest caption prototype of the gallery is of the cluster (of the
emoji: the concept) of its own caption.
"""

from __future__ import annotations

import io
from collections.abc import Mapping

import numpy as np
import pandas as pd
import torch
import torch.nn.functional as F
from torch import Tensor

from stablerep.audits.sets import compare_sets
from stablerep.statistics import mean_with_interval

NEW_DESIGN, KNOWN_DESIGNS, HELD_OUT = "real, held-out design", "real, known designs", "real, held-out images"  # sources
OTHER_DESIGNS = "real, other designs"  # the source of a second set of real images
GRID_CAPTIONS, GRID_IMAGES = 8, 4


class Retrieval:
    """Concepts of a gallery of real images, ranked for a query by its nearest caption prototype."""

    def __init__(self, features: Tensor, table: pd.DataFrame) -> None:
        """``features`` float [N, D] of the rows of ``table``; a prototype is the mean direction of a caption's designs."""
        self.row_caption, names = pd.factorize(table["caption"])
        self.directions, self.row_design = F.normalize(features, dim=1), table["design"].to_numpy(copy=True)
        self.total = self._sum(np.ones(len(table), bool), len(names))
        self.prototypes, self.captions = F.normalize(self.total, dim=1), list(names)
        concept = table.drop_duplicates("caption").set_index("caption").loc[self.captions, "concept"]
        self.concept, self.concepts = pd.factorize(concept)
        self.subgroup = table.drop_duplicates("concept").set_index("concept")["subgroup"]

    def _sum(self, rows: np.ndarray, captions: int) -> Tensor:
        total = torch.zeros(captions, self.directions.shape[1])
        return total.index_add_(0, torch.from_numpy(self.row_caption[rows]), self.directions[torch.from_numpy(rows)])

    def ask(self, features: Tensor, concepts: list[str]) -> pd.DataFrame:
        """Per query: is its concept first (``top1``), among the first ten (``top10``), and is the first one's subgroup its own."""
        return self._rank(F.normalize(features, dim=1) @ self.prototypes.T, concepts)

    def ask_without_design(self, features: Tensor, concepts: list[str], design: str) -> pd.DataFrame:
        """As :meth:`ask`, for queries of one design of the gallery: prototypes of a query's own concept lack that design.

        So a drawing is never found by itself, nor by the same designer's variants of it. A concept that no other design draws
        is not in the ranking and its queries are wrong: leave them out before asking.
        """
        own = self.row_design == design
        others = self.total - self._sum(own, len(self.captions))
        remaining = np.bincount(self.row_caption[~own], minlength=len(self.captions)) > 0
        z = F.normalize(features, dim=1)
        without = (z @ F.normalize(others, dim=1).T).masked_fill(~torch.from_numpy(remaining), -2.0)
        asked = pd.Index(self.concepts).get_indexer(concepts)
        mine = torch.from_numpy(asked)[:, None] == torch.from_numpy(self.concept)
        return self._rank(torch.where(mine, without, z @ self.prototypes.T), concepts)

    def _rank(self, similarity: Tensor, concepts: list[str]) -> pd.DataFrame:
        """``similarity`` [queries, captions] to the prototypes; a concept counts as its best caption."""
        score = torch.full((len(similarity), len(self.concepts)), -2.0)
        score.scatter_reduce_(1, torch.from_numpy(self.concept).expand(len(similarity), -1), similarity, "amax")
        best = score.topk(min(10, len(self.concepts)), dim=1).indices.numpy()
        names = np.asarray(self.concepts)[best]
        asked = np.asarray(concepts)
        return pd.DataFrame({
            "top1": names[:, 0] == asked,
            "top10": (names == asked[:, None]).any(1),
            "subgroup": self.subgroup.loc[names[:, 0]].to_numpy() == self.subgroup.loc[asked].to_numpy(),
        })  # fmt: skip


def within_caption_distance(features: Tensor, captions: list[str]) -> pd.Series:
    """Mean cosine distance between the images of each caption, by caption (captions with one image are left out)."""
    z, rows = F.normalize(features, dim=1), {}
    for caption, place in pd.Series(range(len(captions))).groupby(captions):
        if len(place) > 1:
            some = z[place.to_numpy(copy=True)]
            n = len(some)
            rows[caption] = float(1 - ((some @ some.T).sum() - n) / (n * (n - 1)))
    return pd.Series(rows)


def known_designs(
    retrieval: Retrieval, features: Tensor, table: pd.DataFrame, captions: list[str]
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Answers for the gallery's own images of some captions, and the rows they are about; each is ranked without its design."""
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
    """The first caption of each concept in ``captions`` that two images show, and the rows of two images of it, drawn at random."""
    rows = table.assign(row=range(len(table))).groupby("caption")["row"].agg(list)
    concept = table.drop_duplicates("caption").set_index("caption")["concept"]
    several = [caption for caption in captions if len(rows.get(caption, ())) > 1]
    chosen = concept.loc[several].drop_duplicates().index.tolist()
    rng = np.random.default_rng(seed)
    pairs = [rng.choice(rows[caption], 2, replace=False).tolist() for caption in chosen]
    return chosen, [first for first, _ in pairs], [second for _, second in pairs]


def compared(real: Tensor, features: Tensor, *, source: str, w: float, seed: int) -> pd.DataFrame:
    """The rows of :func:`stablerep.audits.sets.compare_sets`; a few images have fewer neighbours than are usual.

    A subset of KID takes half of the images: the deviation over such subsets is about the standard error of the whole.
    """
    n = len(real)
    found = compare_sets(real, features, k=min(3, n - 1), k_coverage=min(5, n - 1), subset_size=n // 2, seed=seed)
    return found.assign(source=source, guidance_scale=w)


def with_intervals(asked: pd.DataFrame, about: pd.DataFrame, *, source: str, w: float) -> list[dict]:
    """Shares over all captions (group ``all``) and by group; ``about`` has the ``concept`` and ``group`` of every answer."""
    rows = []
    for group in ["all", *sorted(set(about["group"]))]:
        mine = np.ones(len(about), bool) if group == "all" else (about["group"] == group).to_numpy()
        concepts = about["concept"].to_numpy()[mine]
        for name in ("top1", "top10", "subgroup"):
            found = mean_with_interval(asked[name].to_numpy()[mine], concepts)
            rows.append(
                {
                    "source": source,
                    "guidance_scale": w,
                    "group": group,
                    "measure": name,
                    "concepts": len(set(concepts)),
                    **found,
                }
            )
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

    Tables of a gallery have ``caption``, ``concept`` (what must be recognized), ``subgroup`` and ``group``, and ``design``, which is empty
    where there are none.

    Args:
        gallery: features float [N, D] and rows of the real images that the encoder knows.
        held_out: the same of real images that it does not know: of another design, or of no design.
        made: by guidance scale, features float [M, D] of generated images and the caption of each.
        captions: those that were drawn.

    Returns:
        ``faithfulness`` (top1, top10 and subgroup by source, w and group), ``diversity`` (mean distance within a caption) and ``sets`` (one image
        of each concept against as many real ones; empty where fewer than three concepts have two images).
    """
    features, table = gallery
    retrieval, designs = Retrieval(features, table), bool((table["design"] != "").any())
    about = table.drop_duplicates("caption").set_index("caption")[["concept", "group"]]
    asked = retrieval.ask(held_out[0], held_out[1]["concept"].tolist())
    faithful = with_intervals(asked, held_out[1], source=NEW_DESIGN if designs else HELD_OUT, w=np.nan)
    if designs:
        faithful += with_intervals(*known_designs(retrieval, features, table, captions), source=KNOWN_DESIGNS, w=np.nan)
    known = table["caption"].isin(captions).to_numpy(copy=True)
    distance = within_caption_distance(features[torch.from_numpy(known)], table["caption"][known].tolist())
    concept = about["concept"]
    real = "real designs" if designs else "real images"
    diverse = [{"source": real, "guidance_scale": np.nan, **mean_with_interval(distance, concept.loc[distance.index])}]
    chosen, real_set, other_set = two_real_sets(table, captions, seed)
    comparable = len(chosen) > 2
    sets = (
        [compared(features[real_set], features[other_set], source=OTHER_DESIGNS, w=np.nan, seed=seed)]
        if comparable
        else []
    )
    for w, (found, written) in made.items():
        asked = retrieval.ask(found, concept.loc[written].tolist())
        faithful += with_intervals(asked, about.loc[written], source="generated", w=w)
        distance = within_caption_distance(found, written)
        diverse.append(
            {"source": "generated", "guidance_scale": w, **mean_with_interval(distance, concept.loc[distance.index])}
        )
        if comparable:
            first = [written.index(caption) for caption in chosen]
            sets.append(compared(features[real_set], found[first], source="generated", w=w, seed=seed))
    none = pd.DataFrame(columns=["metric", "value", "low", "high", "n", "k", "source", "guidance_scale"])
    return {
        "faithfulness": pd.DataFrame(faithful), "diversity": pd.DataFrame(diverse),
        "sets": pd.concat(sets, ignore_index=True) if sets else none,
    }  # fmt: skip
