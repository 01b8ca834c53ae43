"""Batches from shards: the interface of batches in memory, the same steps after a resume, each caption once in a pass."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from stablerep.synthesis import ShardBatches, synthesize


def batches(whole, *, captions: int = 4, m: int = 3, seed: int = 0, buffer: int = 5) -> ShardBatches:
    return ShardBatches(whole, captions=captions, images_per_caption=m, seed=seed, buffer=buffer)


def same(one, other) -> bool:
    return torch.equal(one[0], other[0]) and torch.equal(one[1], other[1]) and one[2] == other[2]


def test_batch_holds_images_of_its_captions(whole):
    stored = {caption: pixels for caption, _, pixels in whole.samples()}
    reader = batches(whole)
    for step in range(5):
        images, ids, captions = reader.load(step)
        assert images.dtype == torch.uint8 and images.shape == (12, 3, 8, 8)
        assert ids.tolist() == [c for c in range(4) for _ in range(3)]
        assert len(set(captions)) == 4
        for image, number in zip(images.numpy(), ids.tolist()):
            assert any(np.array_equal(image, known) for known in stored[captions[number]])


def test_captions_come_once_in_a_pass(whole, stub):
    reader = batches(whole, captions=3)
    assert reader.per_pass == 3  # of eleven captions two are left over
    first, second = ([c for step in range(start, start + 3) for c in reader.load(step)[2]] for start in (0, 3))
    for seen in (first, second):
        assert len(set(seen)) == 9 and set(seen) <= set(stub.CAPTIONS)
    assert first != second  # another pass, another order


def test_images_of_a_caption_come_without_replacement(whole):
    images, _, _ = batches(whole, m=3).load(0)
    for three in images.split(3):
        assert len({image.numpy().tobytes() for image in three}) == 3


def test_caption_with_few_images_repeats_them(whole):
    images, ids, _ = batches(whole, captions=2, m=7).load(0)
    assert ids.tolist() == [0] * 7 + [1] * 7
    for seven in images.split(7):
        counts = np.unique([image.numpy().tobytes() for image in seven], return_counts=True)[1]
        assert sorted(counts.tolist()) == [2, 2, 3]


@pytest.mark.parametrize("start", [1, 2, 3, 5])
def test_resumed_reader_goes_on_with_the_same_batches(whole, start):
    """Also across the end of a pass, and when a reader jumps back."""
    straight = batches(whole)
    expected = [straight.load(step) for step in range(7)]
    resumed = batches(whole)
    assert all(same(resumed.load(step), expected[step]) for step in range(start, 7))
    assert same(resumed.load(0), expected[0])


def test_order_follows_the_seed(whole):
    assert same(batches(whole, seed=1).load(0), batches(whole, seed=1).load(0))
    assert len({tuple(batches(whole, seed=seed).load(0)[2]) for seed in range(5)}) > 1


def test_flagged_captions_are_not_drawn(stub, tmp_path):
    unsafe = stub.StubGenerator(flagged=lambda name: name[1] in ("owl", "rose"))
    made = synthesize(stub.PLAN, unsafe, tmp_path, progress=False)
    reader = batches(made, captions=9)
    assert reader.per_pass == 1
    assert set(reader.load(0)[2]) == set(reader.load(1)[2]) == set(stub.CAPTIONS) - {"owl", "rose"}


def test_batch_larger_than_the_set(whole):
    with pytest.raises(ValueError, match="a batch takes 12 captions, the set has 11; make views_per_step smaller"):
        batches(whole, captions=12)
