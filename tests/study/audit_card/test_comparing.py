"""A corpus that passes block by block: one that was cut ends as one that was not, and what was done is not done again."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from stablerep.audits.pixels import levels
from stablerep.audits.resemblance import MostAlike, halves_of
from stablerep.audits.spread import FEATURES, PIXELS, directions
from stablerep.encoders import extract_features
from stablerep.study.audit_card import comparing
from stablerep.study.audit_card.against import Features
from tests.study.stand_ins import plain_corpus


class Looking(nn.Module):
    """The mean colours of the quarters of an image; it is stopped at a call."""

    def __init__(self, stopped_at: int = 0) -> None:
        super().__init__()
        self.calls, self.stopped_at = 0, stopped_at

    def forward(self, images):
        self.calls += 1
        if self.calls == self.stopped_at:
            raise KeyboardInterrupt
        return nn.functional.adaptive_avg_pool2d(images, 2).flatten(1)


@pytest.fixture
def passing(monkeypatch):
    """A corpus of 36 images in blocks of 4, with a checkpoint after every second one."""
    monkeypatch.setattr(comparing, "BLOCK", 4)
    monkeypatch.setattr(comparing, "KEPT", 2)
    corpus = plain_corpus(12)
    asked = torch.stack([torch.full((3, 32, 32), level, dtype=torch.uint8) for level in (0, 7, 20, 200)])

    def run(looking: Looking, checkpoint) -> list[MostAlike]:
        finders = [
            MostAlike(levels(asked), PIXELS),
            MostAlike(directions(extract_features(Looking(), asked)), FEATURES),
        ]
        features = Features("test", "a test", 32, lambda: looking)
        comparing.let_pass(corpus, features, halves_of(corpus.table["id"].tolist()), finders, checkpoint)
        return finders

    return run


@pytest.mark.parametrize(("stopped_at", "left"), [(1, 9), (2, 9), (3, 7), (6, 5), (9, 1)])
def test_a_corpus_that_was_cut_passes_on_from_its_last_checkpoint(passing, tmp_path, stopped_at, left):
    whole = passing(Looking(), tmp_path / "other.pt")
    with pytest.raises(KeyboardInterrupt):
        passing(Looking(stopped_at), tmp_path / "checkpoint.pt")
    looking = Looking()
    found = passing(looking, tmp_path / "checkpoint.pt")
    assert looking.calls == left
    for one, two in zip(whole, found):
        assert torch.equal(one.likeness, two.likeness) and torch.equal(one.places, two.places)


def test_what_passes_is_found_by_its_place_in_the_corpus(passing, tmp_path):
    """Image k of the corpus is grey k: the nearest to a grey is the one of its number."""
    pixels, _ = passing(Looking(), tmp_path / "checkpoint.pt")
    best = pixels.likeness.max(0)
    assert pixels.places.gather(0, best.indices[None])[0].tolist() == [0, 7, 20, 35]
    assert best.values.tolist() == [0, 0, 0, -165]
