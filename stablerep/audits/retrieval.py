"""Recognition of what images show by the nearest caption prototype of a gallery, and how far apart the images of a caption lie."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd
import torch
import torch.nn.functional as F
from torch import Tensor

from stablerep.errors import InputError

BLOCK = 2**26  # similarities in memory at once: 256 MB
FIRST = 10  # concepts among which a query's own is looked for


class Retrieval:
    """Concepts of a gallery of real images, ranked for a query by its nearest caption prototype."""

    def __init__(self, features: Tensor, table: pd.DataFrame, attributes: Sequence[str] = ()) -> None:
        """``features`` float [N, D] of the rows of ``table``: ``caption``, ``concept`` (what is to be recognized; one for each caption),
        ``subgroup`` and the ``attributes`` that captions name. A prototype is the mean direction of a caption's images.

        Raises:
            InputError: images of a caption show several concepts.
        """
        rows, names = pd.factorize(table["caption"])
        total = torch.zeros(len(names), features.shape[1])
        total.index_add_(0, torch.from_numpy(rows), F.normalize(features, dim=1))
        self.prototypes = F.normalize(total, dim=1)
        several = table.groupby("caption")["concept"].nunique() > 1
        if several.any():
            raise InputError(
                f"images with the caption {several.index[several][0]!r} show several concepts; faithfulness asks what a caption names, so each "
                "needs one."
            )
        self.captions = table.drop_duplicates("caption").set_index("caption").loc[names]
        self.concept, self.concepts = pd.factorize(self.captions["concept"])
        self.subgroup = self.captions.drop_duplicates("concept").set_index("concept")["subgroup"]
        self.attributes = tuple(attributes)

    def ask(self, features: Tensor, concepts: Sequence[str], captions: Sequence[str]) -> pd.DataFrame:
        """What is found of each query, by what its caption names.

        Args:
            features: float [Q, D]. concepts, captions: of each query.

        Returns:
            Q rows: is the concept first (``top1``), among the first ten (``top10``), and is the first one's subgroup its own
            (``subgroup``): never, of a concept that the gallery does not have. For each attribute, has the nearest caption of the query's
            own concept the same value: NaN where these captions all have one value, or the query's caption is not among them.
        """
        step, z, parts = max(1, BLOCK // len(self.captions)), F.normalize(features, dim=1), []
        for start in range(0, len(z), step):
            some = slice(start, start + step)
            similarity, asked = z[some] @ self.prototypes.T, np.asarray(concepts)[some]
            parts.append(self._rank(similarity, asked).assign(**self._compare(similarity, asked, captions[some])))
        return pd.concat(parts, ignore_index=True)

    def chance(self, concepts: Sequence[str], captions: Sequence[str]) -> pd.DataFrame:
        """What :meth:`ask` would find on average if concepts, and the captions of a concept, came in a random order."""
        known, count = np.isin(concepts, self.concepts), len(self.concepts)
        shares = self.subgroup.value_counts(normalize=True)
        found = pd.DataFrame({
            "top1": known / count, "top10": known * min(1, FIRST / count),
            "subgroup": self.subgroup.reindex(concepts).map(shares).fillna(0.0).to_numpy(),
        })  # fmt: skip
        for name in self.attributes:
            alike = self.captions.groupby(["concept", name])[name].transform("size")
            share = alike / self.captions.groupby("concept")[name].transform("size")
            found[name] = share.reindex(captions).to_numpy()
        return found

    def _rank(self, similarity: Tensor, asked: np.ndarray) -> pd.DataFrame:
        """``similarity`` [Q, captions] to the prototypes; a concept counts as its best caption."""
        score = torch.full((len(similarity), len(self.concepts)), -2.0)
        score.scatter_reduce_(1, torch.from_numpy(self.concept).expand(len(similarity), -1), similarity, "amax")
        best = score.topk(min(FIRST, len(self.concepts)), dim=1).indices.numpy()
        names = np.asarray(self.concepts)[best]
        return pd.DataFrame({
            "top1": names[:, 0] == asked,
            "top10": (names == asked[:, None]).any(1),
            "subgroup": self.subgroup.loc[names[:, 0]].to_numpy() == self.subgroup.reindex(asked).to_numpy(),
        }).astype(float)  # fmt: skip

    def _compare(self, similarity: Tensor, asked: np.ndarray, captions: Sequence[str]) -> dict[str, np.ndarray]:
        """Of each attribute, whether the nearest caption of the concept that was asked for has the value of the query's caption."""
        number = torch.from_numpy(pd.Index(self.concepts).get_indexer(asked))
        others = number[:, None] != torch.from_numpy(self.concept)
        nearest = similarity.masked_fill(others, -2.0).argmax(1).numpy()
        found = {}
        for name in self.attributes:
            values = self.captions[name]
            varied = self.captions.groupby("concept")[name].transform("nunique") > 1
            known = varied.reindex(captions, fill_value=False).to_numpy(bool)
            right = values.iloc[nearest].to_numpy() == values.reindex(captions).to_numpy()
            found[name] = np.where(known, right.astype(float), np.nan)
        return found


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
