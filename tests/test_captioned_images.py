"""Batches: which captions and images a step takes, and that it depends on (seed, step) alone."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from stablerep.captioned_images import CaptionBatches, CaptionedImages
from stablerep.corpus import Corpus


def make_set(sizes, *, shuffled=True) -> CaptionedImages:
    """Captions with the given numbers of images; the first pixel of an image is its own number."""
    ids = torch.repeat_interleave(torch.arange(len(sizes)), torch.tensor(sizes))
    if shuffled:
        ids = ids[torch.randperm(len(ids), generator=torch.Generator().manual_seed(5))]
    images = torch.zeros(len(ids), 3, 2, 2, dtype=torch.uint8)
    images[:, 0, 0, 0] = torch.arange(len(ids))
    return CaptionedImages(images, ids, [f"caption {i}" for i in range(len(sizes))], "test")


sizes_lists = st.lists(st.integers(1, 6), min_size=1, max_size=12)


@given(sizes=sizes_lists, m=st.integers(1, 5), captions=st.integers(1, 12), seed=st.integers(0, 3))
def test_a_pass_takes_each_caption_at_most_once_and_images_without_replacement_where_it_can(sizes, m, captions, seed):
    data, captions = make_set(sizes), min(captions, len(sizes))
    batches = CaptionBatches(data, captions=captions, images_per_caption=m, seed=seed)
    assert batches.per_pass == len(sizes) // captions
    for number in range(2):
        taken = []
        for place in range(batches.per_pass):
            chosen = batches[number * batches.per_pass + place].view(captions, m)
            ids = data.caption_ids[chosen]
            assert (ids == ids[:, :1]).all()  # the images of a caption lie side by side
            taken += ids[:, 0].tolist()
            for caption, images in zip(ids[:, 0].tolist(), chosen.tolist()):
                counts = [images.count(i) for i in set(images)]
                assert len(counts) == min(m, sizes[caption])
                assert max(counts) - min(counts) <= 1  # where there are too few, all are used equally often
        assert len(taken) == len(set(taken))


def test_every_image_and_caption_is_reached():
    data = make_set([3, 1, 5, 2, 4])
    batches = CaptionBatches(data, captions=2, images_per_caption=2, seed=0)
    seen = torch.cat([batches[step] for step in range(200)])
    assert torch.equal(seen.unique(), torch.arange(15))
    counts = torch.bincount(data.caption_ids[seen], minlength=5) / len(seen)
    assert (counts - 1 / 5).abs().max() < 0.05  # captions come equally often, however many images they have


def test_a_batch_depends_on_seed_and_step_alone():
    data = make_set([2, 3, 4, 3, 2, 5, 4])
    forward = CaptionBatches(data, captions=3, images_per_caption=2, seed=4)
    expected = [forward[step] for step in range(12)]
    again = CaptionBatches(data, captions=3, images_per_caption=2, seed=4)
    for step in (11, 0, 7, 7, 3, 1, 10, 2, 9, 4, 8, 5, 6):
        assert torch.equal(again[step], expected[step])
    other = CaptionBatches(data, captions=3, images_per_caption=2, seed=5)
    assert not all(torch.equal(other[step], expected[step]) for step in range(12))
    assert not torch.equal(expected[0].sort().values, expected[2].sort().values)  # passes differ


def test_a_batch_larger_than_the_set_is_refused():
    with pytest.raises(ValueError, match="takes 4 captions, the set has 3"):
        CaptionBatches(make_set([2, 2, 2]), captions=4, images_per_caption=2, seed=0)


def test_first_captions_are_nested_and_keep_all_their_images():
    data = make_set([2, 3, 1, 4, 2, 3])
    smaller = None
    for count in range(1, 7):
        subset = data.first_captions(count, seed=3)
        assert len(subset.captions) == count
        assert torch.equal(torch.bincount(subset.caption_ids), torch.tensor(
            [int((data.caption_ids == data.captions.index(c)).sum()) for c in subset.captions]
        ))  # fmt: skip
        for caption_id, image in zip(subset.caption_ids, subset.images):
            number = int(image[0, 0, 0])
            assert data.captions[data.caption_ids[number]] == subset.captions[caption_id]
        assert smaller is None or set(smaller.captions) < set(subset.captions)
        smaller = subset
    assert len(smaller.images) == len(data.images)


def test_subsets_have_fingerprints_of_their_own_and_follow_their_seed():
    data = make_set([1] * 12)
    subsets = [data.first_captions(5, seed=s) for s in range(4)]
    assert len({tuple(s.captions) for s in subsets}) > 1
    sets = [data, *subsets, data.first_captions(6)]
    assert len({s.fingerprint for s in sets}) == 6


def test_the_choice_of_captions_does_not_depend_on_the_order_of_images():
    one, other = make_set([2, 3, 1, 4]), make_set([2, 3, 1, 4], shuffled=False)
    assert one.first_captions(2).captions == other.first_captions(2).captions


@pytest.mark.parametrize("count", [0, -1, 4])
def test_first_captions_refuses_a_number_it_does_not_have(count):
    with pytest.raises(ValueError, match=f"{count} captions were asked for; there are 1 to 3"):
        make_set([1, 1, 1]).first_captions(count)


@pytest.mark.parametrize(
    ("images", "ids", "captions", "message"),
    [
        (3, [0, 1], ["a", "b"], "3 images have 2 caption ids"),
        (2, [0, 0], ["a", "b"], "2 captions, but images of 1"),
        (2, [0, 1], ["a"], "1 captions, but images of 2"),
        (2, [0, 2], ["a", "b"], "caption ids go from 0 to 2; they are places from 0 to 1"),
        (2, [-1, 0], ["a", "b"], "caption ids go from -1 to 0"),
        (0, [], [], "0 captions"),
    ],
)
def test_images_and_captions_that_do_not_match_are_refused(images, ids, captions, message):
    with pytest.raises(ValueError, match=message):
        CaptionedImages(
            torch.zeros(images, 3, 2, 2, dtype=torch.uint8), torch.tensor(ids, dtype=torch.long), captions, "test"
        )


def test_a_corpus_becomes_a_set_with_one_place_per_caption():
    """Drawn here as one flat grey per row, so that rows can be told apart."""
    table = pd.DataFrame({"id": ["a", "b", "c", "d"], "caption": ["red car", "apple", "red car", "zebra"]})

    def draw(rows, size):
        return np.stack([np.full((3, size, size), i, np.uint8) for i in rows.index])

    data = CaptionedImages.from_corpus(Corpus(table, "toy", "f00d", draw), 16)
    assert data.images.shape == (4, 3, 16, 16) and data.images[:, 0, 0, 0].tolist() == [0, 1, 2, 3]
    assert list(data.captions) == ["apple", "red car", "zebra"] and data.caption_ids.tolist() == [1, 0, 1, 2]
    assert data.fingerprint == "f00d-16px"  # another size is another set


@given(sizes_lists)
def test_each_alone_gives_every_image_a_caption_of_its_own(sizes):
    data = make_set(sizes)
    alone = data.each_alone()
    assert torch.equal(alone.images, data.images) and alone.fingerprint != data.fingerprint
    assert torch.equal(alone.caption_ids.sort().values, torch.arange(len(data.images)))
    names = [alone.captions[i] for i in alone.caption_ids.tolist()]
    assert len(set(names)) == len(names)
    assert [name.rpartition(" #")[0] for name in names] == [data.captions[i] for i in data.caption_ids.tolist()]
    for caption, size in zip(data.captions, sizes):
        numbers = [int(name.rpartition(" #")[2]) for name in names if name.rpartition(" #")[0] == caption]
        assert numbers == list(range(1, size + 1))  # in the order of its images


# Groups: names of one thing


def named(groups: dict[str, str], each: int = 3) -> CaptionedImages:
    captions = sorted(groups)
    ids = torch.arange(len(captions)).repeat_interleave(each)
    images = torch.randint(0, 256, (len(ids), 3, 4, 4), dtype=torch.uint8, generator=torch.Generator().manual_seed(1))
    return CaptionedImages(images, ids, captions, "made up").grouped(groups)


def test_captions_of_one_group_never_share_a_batch():
    groups = {
        f"{thing} {k}": thing
        for thing, count in (("a", 1), ("b", 7), ("c", 2), ("d", 3), ("e", 1))
        for k in range(count)
    }
    batches = CaptionBatches(named(groups), captions=2, images_per_caption=2, seed=0)
    assert batches.per_pass == 2
    for step in range(40):
        _, _, captions = batches.load(step)
        assert len({groups[caption] for caption in captions}) == len(captions) == 2


def test_a_pass_takes_one_caption_of_each_group_and_every_caption_comes_in_time():
    groups = {f"{thing} {k}": thing for thing in "abcd" for k in range("abcd".index(thing) + 1)}
    batches = CaptionBatches(named(groups), captions=1, images_per_caption=1, seed=3)
    assert batches.per_pass == 4
    seen = [batches.load(step)[2][0] for step in range(4 * 120)]
    for start in range(0, len(seen), 4):
        assert {groups[caption] for caption in seen[start : start + 4]} == set("abcd")
    assert set(seen) == set(groups)
    firsts = [groups[caption] for caption in seen[::4]]  # large groups come no earlier than others
    assert max(firsts.count(thing) for thing in "abcd") < 50


def test_groups_go_along_with_parts_of_a_set():
    groups = {"a 0": "a", "a 1": "a", "b 0": "b", "c 0": "c"}
    data = named(groups)
    few = data.only(["a 1", "c 0"])
    assert few.groups.tolist() == [data.groups[1].item(), data.groups[3].item()]
    assert data.each_alone().groups is None
    with pytest.raises(ValueError, match="a batch takes 4 captions, the set has 3 groups of captions"):
        CaptionBatches(data, captions=4, images_per_caption=1, seed=0)
    assert data.fingerprint == "made up-grouped"
