"""Copies that were planted are called, others about as often as is said, whatever the size of the blocks in which a corpus passes."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from stablerep.audits.pixels import levels
from stablerep.audits.resemblance import LEVEL, Calls, MostAlike, bar_of, call_copies, halves_of
from stablerep.audits.spread import FEATURES, PIXELS, directions
from stablerep.errors import InputError


def images(count: int, seed: int) -> torch.Tensor:
    """Smooth noise: neighbours of a small space, as real images are of each other."""
    rng = np.random.default_rng(seed)
    coarse = torch.from_numpy(rng.integers(0, 256, (count, 3, 4, 4)).astype(np.float32))
    return torch.nn.functional.interpolate(coarse, size=(32, 32), mode="bilinear").round().byte()


def passed(queries: torch.Tensor, corpus: torch.Tensor, halves: np.ndarray, by: str, block: int = 64) -> MostAlike:
    found = MostAlike(queries, by)
    for first in range(0, len(corpus), block):
        found.see(corpus[first : first + block], first, halves[first : first + block])
    return found


def judged(made: torch.Tensor, corpus: torch.Tensor, asked: np.ndarray, *, by: str = PIXELS) -> Calls:
    as_seen = levels if by == PIXELS else lambda some: directions(levels(some))
    halves = halves_of([f"{k}" for k in range(len(corpus))])
    found = passed(as_seen(made), as_seen(corpus), halves, by)
    known = passed(as_seen(corpus[asked]), as_seen(corpus), halves, by)
    return call_copies(found, known, halves[asked])


@pytest.mark.parametrize("by", [PIXELS, FEATURES])
def test_the_most_alike_of_each_half_are_those_of_a_slow_search(by):
    queries, corpus = images(9, 1), images(50, 2)
    halves = halves_of([f"{k}" for k in range(50)])
    x, y = (levels(some) if by == PIXELS else directions(levels(some)) for some in (queries, corpus))
    found = passed(x, y, halves, by, block=7)
    for half in (0, 1):
        for q in range(9):
            likeness = [
                -float((queries[q].double() - corpus[k].double()).square().mean().sqrt()) if by == PIXELS else float(x[q] @ y[k])
                for k in np.flatnonzero(halves == half)
            ]  # fmt: skip
            assert float(found.likeness[half, q]) == pytest.approx(max(likeness), abs=1e-4)
            assert int(found.places[half, q]) == np.flatnonzero(halves == half)[int(np.argmax(likeness))]


def test_a_search_that_was_cut_ends_as_one_that_was_not():
    queries, corpus = levels(images(5, 1)), levels(images(40, 2))
    halves = halves_of([f"{k}" for k in range(40)])
    whole = passed(queries, corpus, halves, PIXELS)
    first = MostAlike(queries, PIXELS)
    first.see(corpus[:20], 0, halves[:20])
    second = MostAlike(queries, PIXELS)
    second.resume(first.state)
    second.see(corpus[20:], 20, halves[20:])
    assert torch.equal(whole.likeness, second.likeness) and torch.equal(whole.places, second.places)


@pytest.mark.parametrize("by", [PIXELS, FEATURES])
def test_planted_copies_are_called_and_only_those(by):
    corpus, made = images(400, 1), images(100, 2)
    made[:10] = corpus[40:50]
    noise = torch.from_numpy(np.random.default_rng(3).integers(-3, 4, (10, 3, 32, 32)))
    made[10:20] = (corpus[60:70].int() + noise).clamp(0, 255).byte()
    found = judged(made, corpus, np.arange(400), by=by)
    assert found.called[:20].all() and found.called[20:].mean() <= 0.05
    assert found.place[:10].tolist() == list(range(40, 50)) and found.place[10:20].tolist() == list(range(60, 70))
    assert found.background <= LEVEL / 2


def test_without_copies_about_as_many_are_called_as_is_said():
    corpus, made = images(2000, 1), images(4000, 2)
    found = judged(made, corpus, np.arange(2000))
    assert found.called.mean() == pytest.approx(LEVEL, abs=0.008)


def test_in_a_corpus_of_near_duplicates_exact_copies_pass_below_the_bar():
    """Every image stands in both halves: what the corpus does itself cannot be told from copying."""
    half = images(100, 1)
    corpus = torch.cat([half, half])
    halves = np.repeat([0, 1], 100)
    found = passed(levels(half[:30]), levels(corpus), halves, PIXELS)
    known = passed(levels(corpus), levels(corpus), halves, PIXELS)
    calls = call_copies(found, known, halves)
    assert not calls.called.any() and calls.bars == (0.0, 0.0) and calls.background == 0


def test_a_bar_lets_at_most_its_share_pass():
    scores = np.arange(1000.0)
    assert bar_of(scores, 0.01) == 989 and (scores > bar_of(scores, 0.01)).sum() == 10
    assert bar_of(scores[:50], 0.01) == 49  # of fewer than a hundred none passes
    assert bar_of(np.ones(500), 0.01) == 1  # nor of ties
    assert bar_of(np.array([]), 0.01) == np.inf


def test_a_half_without_images_calls_nothing():
    corpus = levels(images(20, 1))
    halves = np.zeros(20, int)
    found, known = (passed(corpus[:4], corpus, halves, PIXELS) for _ in range(2))
    calls = call_copies(found, known, halves[:4])
    assert not calls.called.any() and calls.bars == (np.inf, np.inf)
    assert calls.place.tolist() == [0, 1, 2, 3]


def test_halves_go_by_what_belongs_together():
    halves = halves_of(["a", "b", "a", "c"] * 50)
    assert len(set(halves[0::4]) | set(halves[2::4])) == 1
    assert set(halves_of([f"{k}" for k in range(100)])) == {0, 1}


def test_what_does_not_belong_together_is_refused():
    queries = levels(images(3, 1))
    with pytest.raises(InputError, match="compared by 'words'; valid are pixels and features"):
        MostAlike(queries, "words")
    with pytest.raises(InputError, match="compared by pixels and features"):
        call_copies(MostAlike(queries, PIXELS), MostAlike(queries, FEATURES), np.zeros(3, int))
    with pytest.raises(InputError, match="3 images of the corpus have 2 halves"):
        call_copies(MostAlike(queries, PIXELS), MostAlike(queries, PIXELS), np.zeros(2, int))
