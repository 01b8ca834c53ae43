"""Synthetic sets as a corpus: what its rows say, its pixels, and a share of real images beside it."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from stablerep.corpus import Corpus
from stablerep.errors import InputError
from stablerep.synthesis.as_corpus import beside, corpus_of, learned_from


def real(captions, rows: int = 40) -> Corpus:
    """Grey images, level with their row, four in five of them to train on; one row is held out."""
    table = pd.DataFrame({
        "id": [f"real {k}" for k in range(rows)], "caption": [captions[k % 5] for k in range(rows)],
        "split": ["test" if k % 5 == 4 else "train" for k in range(rows)], "level": range(rows),
        "thing": [f"thing {k % 5 // 2}" for k in range(rows)], "keywords": "a|b", "held_out": [k == 0 for k in range(rows)],
    })  # fmt: skip

    def draw(part: pd.DataFrame, size: int) -> np.ndarray:
        grey = part["level"].to_numpy().astype(np.uint8)
        return np.broadcast_to(grey[:, None, None, None], (len(part), 3, size, size)).copy()

    return Corpus(table, "greys", "greys", draw, cluster="thing")


def test_a_set_says_of_its_captions_what_the_corpus_does(whole, stub):
    corpus = real(stub.CAPTIONS)
    made = corpus_of(whole, corpus)
    assert len(made) == 33 and made.table["id"].is_unique and (made.table["split"] == "train").all()
    assert made.table["caption"].tolist() == [caption for caption in stub.CAPTIONS for _ in range(3)]
    things = corpus.table.drop_duplicates("caption").set_index("caption")["thing"].to_dict()
    assert made.table["thing"].tolist() == [things.get(one, one) for one in made.table["caption"]]
    assert made.table["keywords"].notna().sum() == 15  # of the five captions that the corpus knows
    memory = whole.in_memory()
    assert np.array_equal(made.images(8), memory.images)
    some = made.where(made.table["caption"] == stub.CAPTIONS[3])
    assert np.array_equal(some.images(8), memory.images[9:12]) and some.images(16).shape == (3, 3, 16, 16)
    assert made.to_learn_from().fingerprint == made.where(made.table["split"] == "train").fingerprint


def test_images_in_memory_are_a_corpus_as_a_set_is(whole, stub):
    corpus, data = real(stub.CAPTIONS), whole.in_memory()
    made, other = learned_from(data, corpus), corpus_of(whole, corpus)
    pd.testing.assert_frame_equal(made.table, other.table)
    assert np.array_equal(made.images(8), data.images) and len(made.to_learn_from()) == 33
    turned = replace(data, images=data.images.flip(0), caption_ids=data.caption_ids.flip(0), fingerprint="turned")
    assert learned_from(turned, corpus).table["caption"].tolist() == made.table["caption"].tolist()[::-1]
    assert learned_from(turned, corpus).table["id"].is_unique
    assert learned_from(turned, corpus).to_learn_from().fingerprint != made.to_learn_from().fingerprint


def test_real_images_and_sets_together(whole, stub):
    corpus = real(stub.CAPTIONS)
    both = beside(corpus, [whole])
    part = both.to_learn_from()
    assert len(part) == 31 + 33 and len(both.split("test")) == 8
    assert not set(part.table["id"]) & {"real 0"}  # held out
    pixels = part.images(8).numpy()
    known = part.table["level"].notna().to_numpy()
    assert np.array_equal(pixels[known][:, 0, 0, 0], part.table["level"][known])
    assert np.array_equal(pixels[~known], whole.in_memory().images)
    assert beside(corpus, [whole, whole]).to_learn_from().images(8).shape[0] == 31 + 66


def test_a_share_of_the_real_images(whole, stub):
    corpus = real(stub.CAPTIONS, rows=400)
    counts, before = [], set()
    for share in (0.0, 0.25, 0.5, 1.0):
        part = beside(corpus, [whole], real_share=share).to_learn_from()
        taken = set(part.table["id"][part.table["level"].notna()])
        assert before <= taken
        counts.append(len(taken))
        before = taken
    assert counts[0] == 0 and counts[-1] == 319
    assert 50 < counts[1] < 110 < counts[2] < 210
    names = {beside(corpus, [whole], real_share=share).fingerprint for share in (0.0, 0.25, 1.0)}
    assert len(names | {corpus.fingerprint, beside(corpus, [], real_share=0.5).fingerprint}) == 5
    assert beside(corpus, []) is corpus


@pytest.mark.parametrize(
    ("share", "said"),
    [(1.5, "real_share is 1.5; it is a share"), (-0.1, "real_share is -0.1"), (0.0, "nothing to learn from")],
)
def test_shares_that_cannot_be(stub, share, said):
    with pytest.raises(InputError, match=said):
        beside(real(stub.CAPTIONS), [], real_share=share)
