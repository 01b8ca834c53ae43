"""Vectors to pixels, and the cache of drawn images."""

from __future__ import annotations

import numpy as np
import pytest

from stablerep.corpus import load_corpus
from stablerep.corpus.drawing import cache_folder, cached_array, draw_many, draw_svg

SQUARE = '<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 8 8"><rect x="4" width="4" height="4" fill="{}"/></svg>'


@pytest.fixture(autouse=True)
def cache(tmp_path, monkeypatch):
    monkeypatch.setenv("STABLEREP_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache"


def test_background_is_white_and_channels_are_rgb():
    image = draw_svg(SQUARE.format("#ff8000"), 16)
    assert image.shape == (16, 16, 3) and image.dtype == np.uint8
    expected = np.full((16, 16, 3), 255, np.uint8)
    expected[:8, 8:] = (255, 128, 0)
    np.testing.assert_array_equal(image, expected)


def test_transparency_lets_white_through():
    image = draw_svg(SQUARE.format("rgba(0, 0, 0, 0.5)"), 8)
    assert abs(int(image[0, 7, 0]) - 128) <= 1


def test_many_are_stacked_channels_first_in_order():
    svgs = [SQUARE.format(colour) for colour in ("red", "lime", "blue")]
    images = draw_many(iter(svgs), 8)
    assert images.shape == (3, 3, 8, 8)
    np.testing.assert_array_equal(images[:, :, 0, 7], 255 * np.eye(3, dtype=np.uint8))
    for image, svg in zip(images, svgs):
        np.testing.assert_array_equal(image.transpose(1, 2, 0), draw_svg(svg, 8))


@pytest.mark.parametrize("svg", ["", "hello", "<svg", '<svg xmlns="http://www.w3.org/2000/svg"><g></svg>'])
def test_what_is_no_svg_raises(svg):
    with pytest.raises(ValueError):
        draw_svg(svg, 16)


def test_cache_folder_follows_the_environment(cache, monkeypatch):
    assert cache_folder() == cache
    monkeypatch.delenv("STABLEREP_CACHE")
    assert cache_folder().parts[-2:] == (".cache", "stablerep")


def test_cache_computes_once():
    made = []

    def make():
        made.append(1)
        return np.arange(6).reshape(2, 3)

    first, second = cached_array("six", make), cached_array("six", make)
    assert len(made) == 1
    np.testing.assert_array_equal(first, second)


@pytest.mark.parametrize("damage", [lambda b: b[: len(b) // 2], lambda b: b"", lambda b: b"no array at all" + b[15:]])
def test_damaged_cache_is_made_again(cache, damage):
    cached_array("ten", lambda: np.arange(1000))
    path = cache / "ten.npy"
    path.write_bytes(damage(path.read_bytes()))
    np.testing.assert_array_equal(cached_array("ten", lambda: np.arange(1000)), np.arange(1000))
    np.testing.assert_array_equal(np.load(path), np.arange(1000))


def test_cache_leaves_nothing_else_behind_and_may_be_unwritable(cache, monkeypatch, tmp_path):
    cached_array("one", lambda: np.ones(3))
    assert [path.name for path in cache.iterdir()] == ["one.npy"]
    (tmp_path / "file").write_text("a file where the cache's folder would be")
    monkeypatch.setenv("STABLEREP_CACHE", str(tmp_path / "file"))
    np.testing.assert_array_equal(cached_array("one", lambda: np.zeros(3)), np.zeros(3))


def test_cached_images_equal_fresh_ones(cache, monkeypatch):
    from stablerep.corpus import embedded
    from stablerep.corpus.emoji import read_svgs

    def opened():
        corpus = load_corpus(designs=["emojione"])
        return corpus.where(corpus.table.index % 90 == 0)

    rows = opened()
    first = rows.images(16)
    assert sorted(path.name[:14] for path in cache.iterdir()) == ["emojione-16px-", "emojione-emoji"]
    monkeypatch.setattr(embedded, "read_svgs", lambda design: pytest.fail("drawings are unpacked again"))
    again = opened().images(16)
    fresh = draw_many([read_svgs("emojione")[code] for code in rows.table["emoji"]], 16)
    np.testing.assert_array_equal(first.numpy(), fresh)
    np.testing.assert_array_equal(again.numpy(), fresh)


@pytest.mark.parametrize("size", [0, 7, 1025])
def test_sizes_out_of_bounds(emoji, size):
    with pytest.raises(ValueError, match=f"{size}.*8 to 1024"):
        emoji.images(size)


def test_largest_size_of_one_image():
    assert draw_svg(SQUARE.format("red"), 1024).shape == (1024, 1024, 3)
