"""What a split at random would leak, by hand."""

from __future__ import annotations

import pandas as pd

from stablerep.figures.corpus_words import leaks_in_words


def test_the_mean_over_concepts_lies_below_the_share_at_the_mean():
    said = leaks_in_words(pd.Series([1, 1, 4]))
    assert "2.0 images in the mean, for which that is 50.0 %" in said
    assert "over concepts is 29.2 %, lower:" in said and "67 % of concepts have 1, for which it is 0.0 %" in said
    assert "Over images instead of concepts the share is 58.3 %" in said


def test_equal_concepts_leak_the_same_by_every_mean():
    said = leaks_in_words(pd.Series([3, 3]))
    assert said.count("75.0 %") == 4 and "no lower" in said
