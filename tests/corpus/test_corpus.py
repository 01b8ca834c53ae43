"""The table of a corpus and the ways to take parts of it."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from stablerep.corpus import SPLITS, Corpus, load_corpus


def draw_numbers(table: pd.DataFrame, size: int) -> np.ndarray:
    """An image of one grey level, the row's number, so that order can be read from pixels."""
    grey = table["number"].to_numpy(np.uint8)
    return np.broadcast_to(grey[:, None, None, None], (len(table), 3, size, size)).copy()


def corpus_of(captions: list[str]) -> Corpus:
    rows = len(captions)
    table = pd.DataFrame(
        {
            "id": [f"row-{i}" for i in range(rows)],
            "caption": pd.Series(captions, dtype=str),
            "split": [SPLITS[i % 3] for i in range(rows)],
            "number": range(rows),
        }
    )
    return Corpus(table, "numbers", "0" * 16, draw_numbers)


some_captions = st.lists(st.sampled_from(["a cat", "a dog", "a bird", "rain"]), min_size=1, max_size=20)


@given(some_captions, st.data())
def test_where_keeps_rows_order_and_images(captions, data):
    corpus = corpus_of(captions)
    mask = data.draw(st.lists(st.booleans(), min_size=len(captions), max_size=len(captions)))
    part = corpus.where(mask)
    expected = [i for i, kept in enumerate(mask) if kept]
    assert part.table["number"].tolist() == expected == part.images(8)[:, 0, 0, 0].tolist()
    assert part.table.index.tolist() == list(range(len(expected)))
    assert len(part) == len(expected) and part.name == corpus.name
    assert len(corpus) == len(captions)


def test_where_takes_a_query_or_a_mask():
    corpus = corpus_of(["a", "b", "c", "d"])
    by_query, by_mask = corpus.where("number >= 2"), corpus.where(corpus.table["number"] >= 2)
    assert by_query.table.equals(by_mask.table) and by_query.fingerprint == by_mask.fingerprint
    with pytest.raises(ValueError):
        corpus.where([True, False])


@given(some_captions)
def test_splits_part_the_rows(captions):
    corpus = corpus_of(captions)
    numbers = [n for name in SPLITS for n in corpus.split(name).table["number"]]
    assert sorted(numbers) == list(range(len(captions)))
    with pytest.raises(ValueError, match="'dev'.*train, validation, test"):
        corpus.split("dev")


@given(some_captions, st.data())
def test_what_is_learned_from_is_the_training_part_without_what_is_held_out(captions, data):
    corpus = corpus_of(captions)
    train = corpus.split("train")
    assert corpus.to_learn_from().table.equals(train.table)
    assert corpus.to_learn_from().fingerprint == train.fingerprint
    held_out = data.draw(st.lists(st.booleans(), min_size=len(captions), max_size=len(captions)))
    marked = Corpus(corpus.table.assign(held_out=held_out), "numbers", corpus.fingerprint, draw_numbers)
    expected = [n for n in train.table["number"] if not held_out[n]]
    assert marked.to_learn_from().table["number"].tolist() == expected
    assert (
        marked.split("train").table["number"].tolist() == train.table["number"].tolist()
    )  # a split holds nothing back


@given(some_captions, st.randoms(use_true_random=False))
def test_one_per_caption_does_not_depend_on_order(captions, random):
    corpus = corpus_of(captions)
    one = corpus.one_per_caption()
    assert sorted(one.table["caption"]) == sorted(set(captions))
    order = list(range(len(captions)))
    random.shuffle(order)
    shuffled = Corpus(corpus.table.iloc[order].reset_index(drop=True), "numbers", corpus.fingerprint, draw_numbers)
    assert set(shuffled.one_per_caption().table["id"]) == set(one.table["id"])
    assert one.one_per_caption().table.equals(one.table)


def test_one_per_caption_mixes_designs(emoji):
    one = emoji.one_per_caption()
    assert len(one) == emoji.table["caption"].nunique()
    shares = one.table["design"].value_counts(normalize=True)
    assert set(shares.index) == set(emoji.table["design"]) and shares.min() > 0.05


def test_fingerprint_follows_the_rows(emoji):
    seen = {
        emoji.fingerprint,
        emoji.split("train").fingerprint,
        emoji.split("test").fingerprint,
        emoji.one_per_caption().fingerprint,
        load_corpus(flags=True).fingerprint,
        load_corpus(designs=["noto"]).fingerprint,
        load_corpus(designs=["noto", "twemoji"]).fingerprint,
        load_corpus(designs=["twemoji", "noto"]).fingerprint,
    }
    assert len(seen) == 8
    assert load_corpus().fingerprint == emoji.fingerprint
    assert emoji.where(np.arange(len(emoji)) > 0).fingerprint not in seen


def test_images_follow_the_table():
    """Drawn in any order and from any part of the table, a row has the same pixels."""
    corpus = load_corpus(designs=["emojione", "noto-v1"]).where("group == 'food-drink'")
    images = corpus.images(32)
    assert images.shape == (len(corpus), 3, 32, 32) and images.dtype == torch.uint8
    order = np.random.default_rng(0).permutation(len(corpus))
    np.testing.assert_array_equal(corpus.draw(corpus.table.iloc[order], 32), images[order].numpy())
    noto = (corpus.table["design"] == "noto-v1").tolist()
    assert torch.equal(corpus.where(noto).images(32), images[torch.tensor(noto)])
    assert corpus.where(np.zeros(len(corpus), bool)).images(32).shape == (0, 3, 32, 32)


def test_options_of_one_source_are_refused_by_another(tmp_path):
    with pytest.raises(ValueError, match="caption_column"):
        load_corpus(caption_column="text")
    with pytest.raises(ValueError, match="mean nothing"):
        load_corpus(str(tmp_path), flags=True)


@given(some_captions, st.integers(1, 6), st.randoms(use_true_random=False))
def test_some_per_caption_are_nested_and_do_not_depend_on_order(captions, count, random):
    corpus = corpus_of(captions)
    some = corpus.some_per_caption(count)
    found = some.table["caption"].value_counts().to_dict()
    assert found == {caption: min(count, captions.count(caption)) for caption in set(captions)}
    assert set(some.table["id"]) <= set(corpus.some_per_caption(count + 1).table["id"])
    assert corpus.some_per_caption(1).table.equals(corpus.one_per_caption().table)
    order = list(range(len(captions)))
    random.shuffle(order)
    shuffled = Corpus(corpus.table.iloc[order].reset_index(drop=True), "numbers", corpus.fingerprint, draw_numbers)
    assert set(shuffled.some_per_caption(count).table["id"]) == set(some.table["id"])
    assert some.table["number"].is_monotonic_increasing  # rows keep their order
