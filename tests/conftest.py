"""Fixtures that several folders of tests share."""

from __future__ import annotations

import pytest
from hypothesis import settings

from stablerep.corpus import Corpus, load_corpus

# The same examples on every machine, and none that fails for being slow on a busy one.
settings.register_profile("stablerep", derandomize=True, deadline=None, max_examples=50)
settings.load_profile("stablerep")


@pytest.fixture(scope="session")
def emoji() -> Corpus:
    """The embedded corpus as the study uses it: six designs, no flags."""
    return load_corpus()
