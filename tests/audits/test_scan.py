"""One pass over images: what is planted is counted, the sample goes by hash, and a pass that was cut ends as one that was not."""

from __future__ import annotations

import itertools

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from safetensors.numpy import load_file

from stablerep.audits import scan as module
from stablerep.audits.scan import BLANK, EACH, deviation, flagged, most_repeated, picked, pixel_hash, scan, to_look_at
from stablerep.audits.stored_images import StoredImage, StoredImages


def stored(pixels: list[np.ndarray], captions: list[str], *, fails_at: int | None = None) -> StoredImages:
    """Images in memory as if they were read; the one at ``fails_at`` cannot be."""

    def read(start: int):
        for row in range(start, len(pixels)):
            if row == fails_at:
                raise KeyboardInterrupt
            image = pixels[row]
            yield StoredImage(row, image.shape[2], image.shape[1], lambda size, image=image: scaled(image, size))

    return StoredImages([f"image {k}" for k in range(len(pixels))], captions, read)


def scaled(image: np.ndarray, size: int) -> np.ndarray:
    """By taking pixels, which is enough here."""
    steps = (np.arange(size) * image.shape[1] / size).astype(int)
    return image[:, steps][:, :, steps]


def noise(count: int, side: int = 8, seed: int = 0) -> list[np.ndarray]:
    return list(np.random.default_rng(seed).integers(0, 256, (count, 3, side, side), np.uint8))


def test_pixels_have_the_same_hash_where_they_are_the_same_and_only_there():
    first, second = noise(2)
    assert (
        pixel_hash(first) == pixel_hash(first.copy()) == pixel_hash(first.transpose(0, 2, 1).copy().transpose(0, 2, 1))
    )
    assert pixel_hash(first) != pixel_hash(second)
    assert pixel_hash(np.zeros((3, 4, 4), np.uint8)) != pixel_hash(np.zeros((3, 2, 8), np.uint8))


def test_deviation_by_closed_forms():
    half = np.zeros((3, 4, 4), np.uint8)
    half[:, :2] = 100
    assert deviation(half) == 50
    assert deviation(np.full((3, 4, 4), 7, np.uint8)) == 0
    coloured = np.zeros((3, 4, 4), np.uint8)
    coloured[0] = 255  # of one colour, whatever its channels
    assert deviation(coloured) == 0


def test_what_is_planted_is_counted():
    images = [*noise(6), np.full((3, 8, 8), 200, np.uint8)]
    nearly = np.full((3, 8, 8), 100, np.uint8)
    nearly[:, ::2] += 2  # deviates by one grey level
    table = pd.DataFrame({
        "pixels": [pixel_hash(one) for one in [*images, nearly, images[0], images[0], images[1]]],
        "deviation": [deviation(one) for one in [*images, nearly, images[0], images[0], images[1]]],
        "caption": ["a", "a", "b", "b", "c", " ", "d", "d", "a", "b", "a"],
        "width": [64] * 10 + [31], "height": [40] * 11,
    })  # fmt: skip
    assert deviation(nearly) < BLANK
    # image 0 stands three times, twice under a and once under b; image 1 twice under a
    assert flagged(table) == {"blank": 2, "repeated": 2, "shared": 3, "empty": 1, "small": 1}
    found = most_repeated(table)
    assert found.to_dict("records") == [{"images": 3, "captions": 2, "caption": "a"}, {"images": 2, "captions": 1, "caption": "a"}]  # fmt: skip
    assert most_repeated(table.drop_duplicates("pixels")).empty


def test_a_sample_takes_some_images_of_each_caption_before_more_of_any():
    captions = ["many"] * 40 + ["few"] * 3 + ["one"]
    ids = [f"{k}" for k in range(44)]
    first = picked(ids, captions, EACH + 4)
    assert pd.Series(captions)[first].value_counts().to_dict() == {"many": EACH, "few": 3, "one": 1}
    whole = picked(ids, captions, 100)
    assert sorted(whole) == list(range(44))
    assert whole[: len(first)].tolist() == first.tolist()  # a larger sample begins with the smaller one


@given(st.permutations(range(12)))
def test_a_sample_does_not_depend_on_the_order_of_the_images(order):
    ids, captions = [f"id {k}" for k in range(12)], [f"caption {k % 4}" for k in range(12)]
    usual = [ids[k] for k in picked(ids, captions, 7)]
    shuffled = [[ids[k] for k in order], [captions[k] for k in order]]
    assert [shuffled[0][k] for k in picked(*shuffled, 7)] == usual


def test_what_is_looked_at_differs_in_caption_first():
    captions = ["a", "a", "b", "b", "c"]
    assert to_look_at([0, 1, 2, 3, 4], captions, 4) == [0, 2, 4, 1]
    assert to_look_at([3], captions) == [3]


@pytest.fixture
def small_blocks(monkeypatch):
    monkeypatch.setattr(module, "BLOCK", 4)


def files_of(folder):
    tables = {name: pd.read_parquet(folder / f"{name}.parquet") for name in ("images", "sample", "shown")}
    return tables, load_file(folder / "sample.safetensors")


def test_a_pass_keeps_what_it_found(small_blocks, tmp_path):
    pixels, captions = noise(11, side=8), [f"caption {k % 3}" for k in range(11)]
    assert scan(stored(pixels, captions), tmp_path, sample=7, sizes=[4, 8]) == {
        "images": 11,
        "captions": 3,
        "sample": 7,
    }
    tables, sample = files_of(tmp_path)
    assert tables["images"]["pixels"].tolist() == [pixel_hash(one) for one in pixels]
    assert tables["images"]["id"].tolist() == [f"image {k}" for k in range(11)]
    rows = tables["sample"]["row"].tolist()
    assert rows == picked([f"image {k}" for k in range(11)], captions, 7).tolist()
    assert tables["sample"]["caption"].tolist() == [captions[row] for row in rows]
    assert np.array_equal(sample["8"], np.stack([pixels[row] for row in rows]))
    assert np.array_equal(sample["4"], np.stack([scaled(pixels[row], 4) for row in rows]))
    assert set(tables["shown"]["row"]) <= set(rows) and len(tables["shown"]) == 7


@pytest.mark.parametrize("cut", [0, 3, 4, 10])
def test_a_pass_that_was_cut_ends_as_one_that_was_not(small_blocks, tmp_path, cut):
    pixels, captions = noise(11), [f"caption {k % 3}" for k in range(11)]
    scan(stored(pixels, captions), tmp_path / "whole", sample=7, sizes=[8])
    with pytest.raises(KeyboardInterrupt):
        scan(stored(pixels, captions, fails_at=cut), tmp_path / "cut", sample=7, sizes=[8])
    asked = []
    images = stored(pixels, captions)
    counted = StoredImages(images.ids, captions, lambda start: asked.append(start) or images.read(start))
    scan(counted, tmp_path / "cut", sample=7, sizes=[8])
    assert asked == [cut // 4 * 4]  # whole blocks are not read again
    (first, one), (second, two) = files_of(tmp_path / "whole"), files_of(tmp_path / "cut")
    assert all(first[name].equals(second[name]) for name in first) and np.array_equal(one["8"], two["8"])


def test_a_whole_number_of_blocks(small_blocks, tmp_path):
    scan(stored(noise(8), ["a", "b"] * 4), tmp_path, sample=3, sizes=[8])
    assert len(pd.read_parquet(tmp_path / "images.parquet")) == 8
    assert len(list(itertools.islice((tmp_path / ".scan").glob("*.npz"), 5))) == 2
