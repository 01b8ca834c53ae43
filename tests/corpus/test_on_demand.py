"""Images that are decoded when they are asked for stand for a tensor of them."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from stablerep import captioned_images
from stablerep.captioned_images import CaptionBatches, CaptionedImages
from stablerep.corpus import Corpus
from stablerep.corpus.on_demand import OnDemandImages

ROWS = 12


def make() -> tuple[Corpus, list[int]]:
    """A corpus whose images hold the number of their row, and a list that notes how many images each draw made."""
    drawn: list[int] = []

    def draw(table, size):
        drawn.append(len(table))
        return np.broadcast_to(table["n"].to_numpy(np.uint8)[:, None, None, None], (len(table), 3, size, size)).copy()

    captions = [f"caption {i % 5}" for i in range(ROWS)]
    table = pd.DataFrame({"id": [f"{i}" for i in range(ROWS)], "caption": captions, "split": "train", "n": range(ROWS)})
    return Corpus(table, "toy", "f00d", draw), drawn


def test_it_looks_like_a_tensor():
    corpus, drawn = make()
    images = OnDemandImages(corpus, 8)
    whole = corpus.images(8)
    assert (images.shape, len(images), images.dtype, images.ndim, images.device) == (
        whole.shape, ROWS, whole.dtype, 4, whole.device,
    )  # fmt: skip
    assert drawn == [ROWS]
    with pytest.raises(ValueError, match="size is 4; images are drawn at 8 to 1024"):
        OnDemandImages(corpus, 4)


@given(
    st.lists(st.integers(-ROWS, ROWS - 1), max_size=9)
    | st.lists(st.booleans(), min_size=ROWS, max_size=ROWS)
    | st.slices(ROWS)
    | st.integers(-ROWS, ROWS - 1)
)
def test_indexing_is_that_of_a_tensor(index):
    corpus, _ = make()
    images, whole = OnDemandImages(corpus, 8), corpus.images(8)
    if isinstance(index, slice) and (index.step or 1) < 0:
        expected = whole[torch.tensor(range(ROWS)[index], dtype=torch.int64)]  # tensors have no negative steps
    else:
        expected = whole[
            index if not isinstance(index, list) else torch.tensor(index, dtype=None if index else torch.int64)
        ]
    assert torch.equal(images[index], expected)
    if isinstance(index, list):
        places = torch.tensor(index, dtype=torch.bool if index and isinstance(index[0], bool) else torch.int64)
        assert torch.equal(images[places], expected) and torch.equal(images[places.numpy()], expected)
        some = images.only(places)
        assert len(some) == len(expected) and torch.equal(some[:], expected)


def test_only_what_is_asked_for_is_decoded():
    corpus, drawn = make()
    images = OnDemandImages(corpus, 8)
    some = images.only(torch.arange(ROWS) % 2 == 1)
    assert drawn == [] and some.shape == (6, 3, 8, 8)
    assert some[torch.tensor([5, 0])][:, 0, 0, 0].tolist() == [11, 1] and drawn == [2]
    for wrong in ([0.5], [[1, 2]], [ROWS]):
        with pytest.raises(IndexError):
            images[wrong]


def test_batches_and_parts_of_a_set_are_the_same_either_way(monkeypatch):
    corpus, drawn = make()
    loaded = CaptionedImages.from_corpus(corpus, 8, in_memory=True)
    asked = CaptionedImages.from_corpus(corpus, 8, in_memory=False)
    assert loaded.fingerprint == asked.fingerprint and isinstance(asked.images, OnDemandImages)
    wanted = ["caption 1", "caption 3", "caption 4"]
    for change in (
        lambda data: data,
        lambda data: data.only(wanted),
        lambda data: data.first_captions(2),
    ):
        one, other = change(loaded), change(asked)
        assert one.fingerprint == other.fingerprint and isinstance(other.images, OnDemandImages)
        drawn.clear()
        first, second = (CaptionBatches(data, captions=2, images_per_caption=2, seed=0) for data in (one, other))
        for step in range(4):
            for left, right in zip(first.load(step), second.load(step)):
                assert torch.equal(left, right) if isinstance(left, torch.Tensor) else left == right
        assert drawn == [4] * 4
    assert isinstance(CaptionedImages.from_corpus(corpus, 8).images, torch.Tensor)
    monkeypatch.setattr(captioned_images, "LARGEST_IN_MEMORY", ROWS * 3 * 64 - 1)
    assert isinstance(CaptionedImages.from_corpus(corpus, 8).images, OnDemandImages)
