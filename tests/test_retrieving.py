"""Retrieval of real images: against slow implementations that look at one caption and one image after the other."""

from __future__ import annotations

import hashlib
import json
import math
import re
from collections import Counter
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch

import stablerep
from stablerep import retrieving
from stablerep.captioned_images import CaptionedImages
from stablerep.corpus import Corpus
from stablerep.errors import InputError
from stablerep.probes.floors import OrientedGradients
from stablerep.retrieving import by_likeness, by_words, gradients_of, most_alike, same_pixels, upstream_of

NAMES = {
    "dog face": 3, "cat face": 2, "face with a dog": 1, "dog": 2, "rose": 4, "blood type A": 1, "blood type B": 2, "man, woman": 2, "woman, man": 2,
}  # fmt: skip


def corpus_of(captions: list[str], *, greys: list[int] | None = None, splits: list[str] | None = None) -> Corpus:
    """Images of one grey each, by default the number of the row."""
    table = pd.DataFrame({"caption": captions, "id": [f"image {i}" for i in range(len(captions))]})
    table = table.assign(split=splits or "train", grey=greys or range(len(captions)))

    def draw(part: pd.DataFrame, size: int) -> np.ndarray:
        grey = part["grey"].to_numpy().astype(np.uint8)
        return np.broadcast_to(grey[:, None, None, None], (len(part), 3, size, size)).copy()

    return Corpus(table, "small", "5ma11", draw)


@pytest.fixture
def upstream() -> Corpus:
    captions = [name for name, count in NAMES.items() for _ in range(count)]
    return corpus_of([captions[i * 7 % len(captions)] for i in range(len(captions))])  # in no order of captions


# By words


def slow_vectors(captions: list[str]) -> dict[str, dict[str, float]]:
    """TF-IDF by hand: how often a word comes times log((1 + captions) / (1 + captions that have it)) + 1, at length one."""
    words = {one: Counter(re.findall(r"\w+", one.lower())) for one in captions}
    found = {}
    for one, counts in words.items():
        weights = {
            word: count * (math.log((1 + len(captions)) / (1 + sum(word in other for other in words.values()))) + 1)
            for word, count in counts.items()
        }
        length = math.sqrt(sum(weight**2 for weight in weights.values()))
        found[one] = {word: weight / length for word, weight in weights.items()}
    return found


def slow_by_words(captions: list[str], upstream: Corpus, count: int, own: bool) -> list[int]:
    table, vectors = upstream.table, slow_vectors(sorted(set(upstream.table["caption"])))
    chosen = []
    for caption in captions:
        ranked = []
        for place, (other, name) in enumerate(zip(table["caption"], table["id"])):
            if other == caption and not own:
                continue
            cosine = sum(weight * vectors[other].get(word, 0.0) for word, weight in vectors[caption].items())
            digest = hashlib.sha256(f"real:{caption}:{name}".encode()).hexdigest()
            ranked.append((other != caption, -round(cosine, 9), digest, place))
        chosen += [place for *_, place in sorted(ranked)[:count]]
    return chosen


@pytest.mark.parametrize("own", [True, False])
@pytest.mark.parametrize("count", [1, 3, 5])
def test_words_find_what_a_slow_search_finds(monkeypatch, upstream, own, count):
    captions = [*NAMES][::-1]
    found = by_words(captions, upstream, count, own=own)
    assert found.places.tolist() == slow_by_words(captions, upstream, count, own)
    assert found.caption_ids.tolist() == [number for number in range(len(NAMES)) for _ in range(count)]
    monkeypatch.setattr(retrieving, "BLOCK", 1)  # one caption at a time
    assert torch.equal(by_words(captions, upstream, count, own=own).places, found.places)


def captions_of(found, caption: str) -> list[str]:
    """Captions of what was retrieved for one."""
    asked = torch.tensor([found.captions[number] == caption for number in found.caption_ids.tolist()])
    return found.upstream.table["caption"].iloc[found.places[asked].numpy()].tolist()


def test_own_images_come_before_the_same_words_in_another_order(upstream):
    found = by_words(["man, woman", "blood type A"], upstream, 3)
    assert captions_of(found, "man, woman") == ["man, woman"] * 2 + ["woman, man"]
    assert captions_of(found, "blood type A") == ["blood type A"] + ["blood type B"] * 2
    left_out = by_words(["man, woman", "rose"], upstream, 2, own=False)
    assert captions_of(left_out, "man, woman") == ["woman, man"] * 2  # alike in all words
    assert "rose" not in captions_of(left_out, "rose")  # which shares no word with any other


def test_own_images_are_those_that_real_arms_take(emoji):
    part = emoji.to_learn_from()
    captions = ["dog face", "woman health worker"]
    found = by_words(captions, part, 2)
    taken = part.some_per_caption(2).table
    ids = part.table["id"].iloc[found.places.numpy()]
    assert sorted(ids) == sorted(taken.loc[taken["caption"].isin(captions), "id"])


def test_what_cannot_be_retrieved_by_words_is_refused(upstream):
    total = len(upstream)
    with pytest.raises(
        InputError, match=f"{total + 1} images are to be retrieved for the caption 'dog'; there are {total}"
    ):
        by_words(["dog"], upstream, total + 1)
    with pytest.raises(InputError, match=f"caption 'dog'; there are {total - 2}"):
        by_words(["dog"], upstream, total - 1, own=False)
    with pytest.raises(InputError, match="by words, of which the 2 captions have none"):
        by_words(["!"], corpus_of(["!", "?"]), 1)


# By likeness


def slow_most_alike(asking: torch.Tensor, caption_ids: list[int], gallery: torch.Tensor) -> list[int]:
    chosen: list[tuple[int, int]] = []
    for features, caption in zip(asking, caption_ids):
        cosines = [float(torch.cosine_similarity(features, one, dim=0)) for one in gallery]
        free = [place for place in range(len(gallery)) if (caption, place) not in chosen]
        chosen.append((caption, max(free, key=cosines.__getitem__)))
    return [place for _, place in chosen]


def test_likeness_finds_what_a_slow_search_finds(monkeypatch):
    rng = torch.Generator().manual_seed(0)
    asking, gallery = torch.randn(40, 6, generator=rng), torch.randn(9, 6, generator=rng)
    ids = torch.arange(10).repeat(4)  # the images of a caption need not stand side by side
    found = most_alike(asking, ids, gallery)
    assert found.tolist() == slow_most_alike(asking, ids.tolist(), gallery)
    assert all(len(found[ids == number].unique()) == 4 for number in range(10))  # none twice for a caption
    assert len(found.unique()) == 9  # but for several captions
    monkeypatch.setattr(retrieving, "BLOCK", 1)
    assert torch.equal(most_alike(asking, ids, gallery), found)


def test_every_image_of_a_caption_has_its_turn():
    """The first is nearer to both images of the gallery than the second is; yet the second gets what is left."""
    gallery = torch.tensor([[1.0, 0.0], [0.9, 0.1], [0.0, 1.0]])
    asking = torch.tensor([[1.0, 0.05], [0.1, 1.0]])
    assert most_alike(asking, torch.tensor([0, 0]), gallery).tolist() == [0, 2]
    assert most_alike(asking[[0, 0, 1]], torch.tensor([0, 0, 1]), gallery).tolist() == [0, 1, 2]
    with pytest.raises(InputError, match="4 images are to be retrieved for a caption; there are 3"):
        most_alike(asking[[0, 0, 0, 0]], torch.zeros(4, dtype=torch.long), gallery)


def test_a_copy_of_an_image_finds_it_at_another_size_too(emoji):
    part = emoji.where(emoji.table["caption"].isin(["dog face", "rose", "automobile", "guitar"])).where(
        "design == 'noto'"
    )
    for size in (32, 64):
        copies = part.images(size)
        synthetic = CaptionedImages(copies.flip(0), torch.arange(len(part)), sorted(part.table["caption"]), "f00d")
        found = by_likeness(synthetic, part, 32)
        assert found.places.tolist() == list(range(len(part)))[::-1] and found.captions == synthetic.captions


def test_gradients_are_those_of_the_floor():
    images = torch.randint(0, 256, (3, 3, 32, 32), dtype=torch.uint8, generator=torch.Generator().manual_seed(0))
    from stablerep.encoders import normalize

    assert torch.allclose(gradients_of(images), OrientedGradients()(normalize(images.float() / 255)), atol=1e-6)
    sizes = {gradients_of(torch.zeros(1, 3, side, side, dtype=torch.uint8)).shape[1] for side in (16, 23, 32, 50, 64)}
    assert len(sizes) == 1


# What may be retrieved, and what was


def test_images_of_the_test_are_not_retrieved():
    greys = [1, 2, 3, 4, 2, 4, 9]
    corpus = corpus_of(
        [f"caption {k}" for k in range(7)], greys=greys, splits=["train"] * 4 + ["validation", "test", "test"]
    )
    assert upstream_of(corpus, 8).table["grey"].tolist() == [1, 3]
    assert upstream_of(corpus.where(corpus.table["split"] == "train"), 8).table["grey"].tolist() == [1, 2, 3, 4]
    images = torch.randint(0, 256, (5, 3, 4, 4), dtype=torch.uint8, generator=torch.Generator().manual_seed(0))
    nearly = images[:2].clone()
    nearly[0, 0, 0, 0] ^= 1
    assert same_pixels(images, nearly).tolist() == [False, True, False, False, False]


def test_the_embedded_generator_learned_from_what_can_be_retrieved(emoji):
    record = Path(stablerep.__file__).parent / "generator" / "emoji_diffusion" / "training" / "training.json"
    assert json.loads(record.read_text())["learned_from"] == emoji.to_learn_from().fingerprint


def test_images_stand_under_the_captions_that_asked(upstream):
    found = by_words(["dog", "cat face"], upstream, 4)
    images = found.images(8, "f00d")
    assert list(images.captions) == ["dog", "cat face"] and images.fingerprint == "f00d"
    assert images.images.shape == (8, 3, 8, 8) and images.caption_ids.tolist() == [0] * 4 + [1] * 4
    assert images.images[:, 0, 0, 0].tolist() == found.places.tolist()  # the grey of an image is its row
    assert len(found.places.unique()) < 8  # some stand under both


def test_what_was_retrieved_by_hand(upstream):
    concepts = {name: "dogs" if "dog" in name else name for name in NAMES}
    found = by_words(["dog", "rose"], upstream, 5)
    shown = captions_of(found, "dog") + captions_of(found, "rose")
    assert shown[:2] == ["dog"] * 2 and shown[5:9] == ["rose"] * 4 and shown[9] not in ("rose", "dog")
    dogs = sum("dog" in one for one in shown[2:5])
    assert dogs == 3  # of other captions of the concept
    told = found.described(concepts)
    assert {name: told[name] for name in ("images", "distinct", "upstream")} == {
        "images": 10, "distinct": len(set(found.places.tolist())), "upstream": len(upstream)
    }  # fmt: skip
    shares = [told[name] for name in ("caption", "concept", "other", "no_word")]
    assert shares == pytest.approx([0.6, 0.3, 0.1, 0.1])
