"""What probes look at is drawn once: for other tables and sizes anew, for two tables at a time, and not where it is too large to keep."""

from __future__ import annotations

import numpy as np
import pytest

from stablerep.study.experiments import sources
from tests.study.stand_ins import plain_corpus


@pytest.fixture
def drawn(monkeypatch):
    """How often a corpus was asked for pixels."""
    monkeypatch.setattr(sources, "_PIXELS", {})
    return []


def test_a_table_is_drawn_once(drawn):
    plain, read = plain_corpus(4), []
    corpus = sources.drawn_once(plain_corpus(4, read=lambda: read.append(1)))
    for _ in range(3):
        np.testing.assert_array_equal(corpus.images(16), plain.images(16))
    assert len(read) == 1
    test = corpus.split("test")
    np.testing.assert_array_equal(test.images(16), plain.split("test").images(16))
    assert test.images(32).shape[-1] == 32 and len(read) == 3
    # another study of the same corpus finds them, and one of another corpus does not
    again = sources.drawn_once(plain_corpus(4, read=lambda: read.append(1)))
    again.split("test").images(32)
    assert len(read) == 3
    sources.drawn_once(plain_corpus(5, read=lambda: read.append(1))).images(16)
    assert len(read) == 4


def test_two_tables_are_kept_and_none_that_is_large(drawn, monkeypatch):
    read = []
    corpus = sources.drawn_once(plain_corpus(4, read=lambda: read.append(1)))
    for part in ("train", "validation", "test", "train"):
        corpus.split(part).images(16)
    assert len(read) == 4 and len(sources._PIXELS) == 2
    monkeypatch.setattr(sources, "LARGEST", 1000)
    for _ in range(2):
        corpus.split("validation").images(16)
    assert len(read) == 6
