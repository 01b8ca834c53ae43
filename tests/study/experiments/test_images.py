"""Captions and images under their names: nothing is read before it is needed, and equal names mean equal images."""

from __future__ import annotations

import pytest
import torch

from stablerep.captioned_images import CaptionedImages
from stablerep.study.experiments.images import Captions, ImageSet, Named

TEXTS = [f"caption {i}" for i in range(8)]


def never():
    raise AssertionError("nothing may be read here")


def captions(count: int = 0, corpus: str = "c0ffee", read=never, available: int = 8) -> Captions:
    return Captions(corpus, count, available, read)


def test_names_are_known_without_the_texts():
    names = {captions(count, corpus).name for count in (0, 1, 7) for corpus in ("c0ffee", "beef")}
    assert len(names) == 6 and all(len(name) == 16 for name in names)
    assert captions(3).name == captions(3, read=lambda: TEXTS).name == captions().first(3).name
    assert len(captions()) == 8 and len(captions(3)) == 3


def test_all_of_them_are_themselves():
    everything, some = captions(), captions(5)
    assert everything.first(8) is everything and some.first(5) is some
    assert everything.first(5).name == some.name != everything.name
    assert some.first(2).name == everything.first(2).name


def test_texts_are_read_once_and_nested():
    read = []
    whole = captions(read=lambda: read.append(1) or list(TEXTS))
    assert whole.texts == TEXTS and whole.texts is whole.texts and read == [1]
    assert whole.first(3).texts == TEXTS[:3] and captions(3, read=lambda: list(TEXTS)).texts == TEXTS[:3]


def test_captions_chosen_one_by_one_are_named_by_their_texts():
    one, same, other = Named(["a", "b"]), Named(("a", "b")), Named(["b", "a"])
    assert one.name == same.name != other.name and len(one) == 2


def images(per_caption: int = 3) -> CaptionedImages:
    ids = torch.arange(len(TEXTS)).repeat_interleave(per_caption)
    return CaptionedImages(
        torch.arange(len(ids), dtype=torch.uint8)[:, None, None, None].expand(-1, 3, 2, 2), ids, TEXTS, "f00d"
    )


def test_parts_have_names_of_their_own_before_anything_is_loaded():
    whole, texts = ImageSet("set", never), captions()
    parts = [
        whole,
        whole.only(texts.first(2), texts),
        whole.only(texts.first(3), texts),
    ]
    parts += [
        whole.each_alone(),
        whole.only(texts.first(2), texts).each_alone(),
    ]
    assert len({part.name for part in parts}) == len(parts)
    assert whole.only(texts, texts) is whole
    assert whole.only(texts.first(8), texts) is whole  # the largest point of a curve has the images of the whole set


def test_parts_load_what_their_names_say():
    whole, texts = ImageSet("set", images), captions(read=lambda: list(TEXTS))
    some = whole.only(texts.first(2), texts).load()
    assert list(some.captions) == TEXTS[:2] and some.images[:, 0, 0, 0].tolist() == list(range(6))
    alone = whole.each_alone().load()
    assert len(alone.captions) == 24 == len(set(alone.captions)) and torch.equal(alone.caption_ids, torch.arange(24))
    with pytest.raises(AssertionError, match="nothing may be read"):
        ImageSet("set", never).each_alone().load()


def test_images_made_of_others_bring_the_code_that_made_them():
    real, made = ImageSet("real", images), ImageSet("made", images)
    coarse = real.coarser(1)
    both = real.mixed_with(made, total=4)
    assert coarse.code == both.code == ("stablerep.variants",) and real.code == ()
    assert coarse.mixed_with(made).each_alone().code == ("stablerep.variants",)  # once, and passed on
    assert real.mixed_with(coarse).code == ("stablerep.variants",)
    names = {
        one.name
        for one in (real, made, coarse, both, real.mixed_with(made), made.mixed_with(real), real.mixed_with(coarse))
    }
    assert len(names) == 7
    assert len(both.load().images) == 4 * len(TEXTS) and len(real.mixed_with(made).load().images) == 6 * len(TEXTS)
