"""Images of a corpus that do not fit in memory: the same indexing as a tensor of them, each decoded when it is asked for."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor

from stablerep.corpus.captioned import Corpus, valid_size


class OnDemandImages:
    """Stands for the tensor uint8 [N, 3, size, size] of a corpus, RGB on white.

    Indexing by an int64 tensor, a list, a slice or a boolean mask decodes these images and gives uint8 [n, 3, size, size]; by a
    whole number, uint8 [3, size, size]. Tars and folders are read image by image; a parquet file is read in whole row groups, so
    that batches in random order are slow there unless its row groups are small.
    """

    dtype, device, ndim = torch.uint8, torch.device("cpu"), 4

    def __init__(self, corpus: Corpus, size: int, *, rows: np.ndarray | None = None) -> None:
        self.corpus, self.size_of_side = corpus, valid_size(size)
        self._rows = np.arange(len(corpus)) if rows is None else rows

    def __len__(self) -> int:
        return len(self._rows)

    @property
    def shape(self) -> torch.Size:
        return torch.Size((len(self), 3, self.size_of_side, self.size_of_side))

    def __getitem__(self, index: int | slice | Sequence[int] | Tensor | np.ndarray) -> Tensor:
        if isinstance(index, (int, np.integer)) or (isinstance(index, Tensor) and not index.ndim):
            return self[[int(index)]][0]
        table = self.corpus.table.iloc[self._chosen(index)]
        return torch.from_numpy(self.corpus.draw(table, self.size_of_side))

    def only(self, index: slice | Sequence[int] | Tensor | np.ndarray) -> OnDemandImages:
        """Some of the images, in the order of ``index``, not decoded yet."""
        return OnDemandImages(self.corpus, self.size_of_side, rows=self._chosen(index))

    def _chosen(self, index: slice | Sequence[int] | Tensor | np.ndarray) -> np.ndarray:
        if isinstance(index, slice):
            return self._rows[index]
        places = np.asarray(index.cpu() if isinstance(index, Tensor) else index)
        if places.ndim != 1 or (places.dtype.kind not in "biu" and places.size):
            raise IndexError(
                f"an index of shape {places.shape} and type {places.dtype}; give whole numbers or a mask, one-dimensional."
            )
        return self._rows[places if places.dtype == bool else places.astype(np.int64)]
