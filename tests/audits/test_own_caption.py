"""Whether an image's own caption comes first, where the answer is known: by features that name it, and by features that say nothing."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from stablerep.audits.own_caption import EACH, own_first, two_halves, what_is_named
from tests.study.stand_ins import plain_corpus

CAPTIONS = [f"caption {k}" for k in range(20)]
NAMES = {caption: caption for caption in CAPTIONS}


def test_features_that_name_the_caption_have_it_first_always_and_others_by_chance():
    gallery = torch.eye(20), CAPTIONS
    random = torch.randn(2000, 20, generator=torch.Generator().manual_seed(0))
    found = own_first(gallery, {"audited": (torch.eye(20), CAPTIONS), "real": (random, CAPTIONS * 100)}, NAMES).set_index("source")  # fmt: skip
    assert found.loc["audited", ["share", "images", "names", "among"]].tolist() == [1, 20, 20, 20]
    assert (
        found.loc["audited", "low"] < 1 == found.loc["audited", "high"]
    )  # twenty captions do not say that all others are so
    assert found.loc["real", "share"] == pytest.approx(0.05, abs=0.02)
    assert found["chance"].tolist() == [0.05, 0.05]


def test_each_name_weighs_the_same_whatever_the_number_of_its_images():
    queries = torch.cat([torch.eye(20)[:1].repeat(30, 1), torch.eye(20)[2:3]])
    found = own_first((torch.eye(20), CAPTIONS), {"audited": (queries, ["caption 0"] * 30 + ["caption 1"])}, NAMES)
    assert found["share"].tolist() == [0.5]


def test_captions_that_name_one_thing_are_one_answer():
    names = {caption: f"label {k % 2}" for k, caption in enumerate(CAPTIONS)}
    queries = torch.eye(20)[[2, 4]]  # of other captions of the same label
    found = own_first((torch.eye(20), CAPTIONS), {"audited": (queries, ["caption 0", "caption 0"])}, names)
    assert found["share"].tolist() == [1] and found["chance"].tolist() == [0.5] and found["among"].tolist() == [2]
    assert np.isnan(found["low"][0])  # one label says nothing of others


def test_what_the_gallery_lacks_is_not_asked_about():
    found = own_first((torch.eye(20)[:5], CAPTIONS[:5]), {"audited": (torch.eye(20), CAPTIONS), "real": (torch.eye(20)[9:], CAPTIONS[9:])}, NAMES)  # fmt: skip
    assert (
        found["source"].tolist() == ["audited"]
        and found["images"].tolist() == [5]
        and found["chance"].tolist() == [0.2]
    )


def test_no_image_of_a_prototype_is_asked_about():
    corpus = plain_corpus(6, 30)
    captions = sorted(set(corpus.table["caption"]))[:5]
    first, second = two_halves(corpus, captions)
    assert not set(first.table["id"]) & set(second.table["id"])
    assert set(first.table["caption"]) == set(second.table["caption"]) == set(captions)
    assert first.table["caption"].value_counts().max() == EACH
    again, _ = two_halves(corpus.where(np.ones(len(corpus), bool)), captions)
    assert again.table["id"].tolist() == first.table["id"].tolist()


def test_what_captions_name_is_a_label_where_they_are_made_from_it():
    corpus = plain_corpus(6, 3)
    assert what_is_named(corpus) == "kind"  # the same for all images of a caption
    mixed = corpus.table.assign(kind=[f"kind {k % 2}" for k in range(len(corpus))])
    assert what_is_named(type(corpus)(mixed, "mixed", "x", corpus.draw, labels=("kind",))) == "caption"
    assert what_is_named(plain_corpus(6, designs=("ink", "chalk"))) == "caption"
