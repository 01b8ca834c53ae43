"""Recognition of what images show by the nearest caption prototype of a gallery, and how far apart the images of a caption lie."""

from __future__ import annotations

import numpy as np
import pandas as pd
import torch
import torch.nn.functional as F
from torch import Tensor

from stablerep.errors import InputError

BLOCK = 2**26  # similarities in memory at once: 256 MB


class Retrieval:
    """Concepts of a gallery of real images, ranked for a query by its nearest caption prototype."""

    def __init__(self, features: Tensor, table: pd.DataFrame) -> None:
        """``features`` float [N, D] of the rows of ``table``: ``caption``, ``concept`` (what is to be recognized; one for each caption),
        ``subgroup`` and, where there are any, ``design``. A prototype is the mean direction of a caption's images.

        Raises:
            InputError: images of a caption show several concepts.
        """
        self.row_caption, names = pd.factorize(table["caption"])
        self.directions = F.normalize(features, dim=1)
        self.row_design = table["design"].to_numpy(copy=True) if "design" in table else None
        self.total = self._sum(np.ones(len(table), bool), len(names))
        self.prototypes, self.captions = F.normalize(self.total, dim=1), list(names)
        several = table.groupby("caption")["concept"].nunique() > 1
        if several.any():
            raise InputError(
                f"images with the caption {several.index[several][0]!r} show several concepts; faithfulness asks what a caption names, so each "
                "needs one."
            )
        concept = table.drop_duplicates("caption").set_index("caption").loc[self.captions, "concept"]
        self.concept, self.concepts = pd.factorize(concept)
        self.subgroup = table.drop_duplicates("concept").set_index("concept")["subgroup"]

    def _sum(self, rows: np.ndarray, captions: int) -> Tensor:
        total = torch.zeros(captions, self.directions.shape[1])
        return total.index_add_(0, torch.from_numpy(self.row_caption[rows]), self.directions[torch.from_numpy(rows)])

    def ask(self, features: Tensor, concepts: list[str]) -> pd.DataFrame:
        """Per query: is its concept first (``top1``), among the first ten (``top10``), and is the first one's subgroup its own.

        A concept that the gallery does not have is never found.
        """
        step = max(1, BLOCK // len(self.captions))
        parts = [
            self._rank(z @ self.prototypes.T, concepts[k * step : (k + 1) * step])
            for k, z in enumerate(F.normalize(features, dim=1).split(step))
        ]
        return pd.concat(parts, ignore_index=True)

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
            "subgroup": self.subgroup.loc[names[:, 0]].to_numpy() == self.subgroup.reindex(asked).to_numpy(),
        })  # fmt: skip


def within_caption_distance(features: Tensor, captions: list[str]) -> pd.Series:
    """Mean cosine distance between the images of each caption, by caption (captions with one image are left out)."""
    z, rows = F.normalize(features, dim=1), {}
    for caption, place in pd.Series(range(len(captions))).groupby(captions):
        n = len(place)
        if n > 1:
            some = z[place.to_numpy(copy=True)]
            # the sum over all pairs is the squared length of the sum; pairs are counted one by one only where they fit into memory
            total = (some @ some.T).sum() if n * n <= BLOCK else some.double().sum(0).square().sum()
            rows[caption] = float(1 - (total - n) / (n * (n - 1)))
    return pd.Series(rows, dtype=float)
