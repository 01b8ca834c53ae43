"""Images made of others: lower resolutions, mixtures of real and synthetic ones, and those that fit their captions best."""

from __future__ import annotations

import pytest
import torch

from stablerep.captioned_images import CaptionedImages
from stablerep.errors import InputError
from stablerep.variants import at_size, closest, coarser, mixed, places_by_caption, resized


def of(counts: dict[str, int], start: int, size: int = 4) -> CaptionedImages:
    """So many images of each caption, each of one grey level that tells it; they lie in no order of captions."""
    names = [name for name, count in counts.items() for _ in range(count)]
    order = sorted(range(len(names)), key=lambda i: (i * 7) % len(names))
    captions = sorted(counts)
    levels = torch.arange(start, start + len(names), dtype=torch.uint8)
    images = levels.view(-1, 1, 1, 1).expand(-1, 3, size, size)
    return CaptionedImages(images, torch.tensor([captions.index(names[i]) for i in order]), captions, f"of{start}")


def levels(data: CaptionedImages) -> dict[str, list[int]]:
    places = places_by_caption(data)
    return {name: [int(data.images[i, 0, 0, 0]) for i in places[name]] for name in data.captions}


def test_whole_blocks_average_and_come_back():
    images = torch.randint(0, 256, (3, 3, 8, 8), dtype=torch.uint8, generator=torch.Generator().manual_seed(0))
    flat = images[..., ::2, ::2].repeat_interleave(2, -1).repeat_interleave(2, -2)
    data = CaptionedImages(flat, torch.arange(3), ["a", "b", "c"], "f00d")
    assert torch.equal(
        resized(torch.full((2, 3, 5, 5), 77, dtype=torch.uint8), 3), torch.full((2, 3, 3, 3), 77, dtype=torch.uint8)
    )
    out = coarser(data, 4)
    assert out.images.shape == flat.shape and out.images.dtype == torch.uint8
    assert out.fingerprint != data.fingerprint and out.captions == data.captions
    assert coarser(data, 8) is data


def test_a_lower_resolution_loses_what_is_fine_and_keeps_what_is_coarse():
    fine = torch.zeros(1, 3, 32, 32, dtype=torch.uint8)
    fine[..., ::2] = 200  # stripes of one pixel
    coarse = torch.zeros(1, 3, 32, 32, dtype=torch.uint8)
    coarse[..., :16] = 200
    data = CaptionedImages(torch.cat([fine, coarse]), torch.arange(2), ["coarse", "fine"], "f00d")
    lost = [(coarser(data, side).images.float() - data.images.float()).abs().mean((1, 2, 3)) for side in (16, 8, 1)]
    assert all(one[0] > 80 for one in lost)  # grey now
    assert lost[0][1] < lost[1][1] < lost[2][1] and lost[0][1] < 10


@pytest.mark.parametrize("side", [0, -1, 5])
def test_a_resolution_that_images_do_not_have(side):
    with pytest.raises(
        InputError, match=rf"a resolution of {side} was asked for; images of 4 pixels a side have 1 to 4\."
    ):
        coarser(of({"a": 1}, 0), side)


def test_real_images_come_first_and_synthetic_ones_fill_up():
    real, made = of({"a": 3, "b": 1}, 10), of({"a": 4, "b": 4, "c": 4}, 100)
    whole, four, two = (levels(mixed(real, made, total=total)) for total in (None, 4, 2))
    known, other = levels(real), levels(made)
    assert whole == {name: [*known.get(name, []), *other[name]] for name in "abc"}
    assert four == {"a": [*known["a"], *other["a"][:1]], "b": [*known["b"], *other["b"][:3]], "c": other["c"]}
    assert two == {"a": known["a"][:2], "b": [*known["b"], *other["b"][:1]], "c": other["c"][:2]}


def test_mixtures_have_names_of_their_own():
    real, made = of({"a": 2}, 10), of({"a": 2}, 100)
    names = [mixed(real, made, total=total).fingerprint for total in (None, 3, 4)]
    names += [mixed(made, real).fingerprint, real.fingerprint, made.fingerprint]
    assert len(set(names)) == len(names)


def test_too_few_to_fill_up_with():
    with pytest.raises(
        InputError, match="caption 'b' has 1 real and 2 synthetic images; 4 of each caption are asked for"
    ):
        mixed(of({"a": 3, "b": 1}, 10), of({"a": 2, "b": 2}, 100), total=4)
    with pytest.raises(InputError, match="caption 'b' has 1 real and 0 synthetic images"):
        mixed(of({"a": 3, "b": 1}, 10), of({"a": 2}, 100), total=2)


def test_synthetic_images_of_another_size_are_brought_to_that_of_the_real_ones():
    together = mixed(of({"a": 1}, 10), of({"a": 1}, 100, size=16))
    assert together.images.shape == (2, 3, 4, 4) and levels(together) == {"a": [10, 100]}


def test_of_each_caption_the_images_that_score_highest_are_kept_in_their_order():
    data = of({"a": 4, "b": 1, "c": 3}, 10)
    scores = torch.linspace(0, 1, 8)[torch.tensor([3, 7, 0, 5, 1, 6, 2, 4])]
    best = closest(data, scores, 2)
    places = places_by_caption(data)
    for name, kept in levels(best).items():
        ranked = sorted(places[name], key=lambda place: -scores[place])[:2]
        assert kept == [int(data.images[place, 0, 0, 0]) for place in sorted(ranked)], name
    assert best.captions == data.captions and best.fingerprint != data.fingerprint
    assert levels(closest(data, -scores, 2)) != levels(best)
    assert levels(closest(data, scores, 9)) == levels(data)
    assert levels(closest(data, torch.zeros(8), 1)) == {name: kept[:1] for name, kept in levels(data).items()}


@pytest.mark.parametrize(
    ("scores", "count", "said"),
    [(3, 1, "4 images have 3 scores; each needs one"), (4, 0, "0 images of each caption are asked for; at least 1")],
)
def test_scores_that_cannot_choose(scores, count, said):
    with pytest.raises(InputError, match=said):
        closest(of({"a": 4}, 10), torch.zeros(scores), count)


def test_images_of_the_size_that_is_asked_for_stay_as_they_are():
    images = torch.randint(0, 256, (2, 3, 5, 5), dtype=torch.uint8)
    assert at_size(images, 5) is images and torch.equal(at_size(images, 3), resized(images, 3))
