"""Sentences on scaling: how few captions suffice, the other probe, and laws that did or did not foretell the largest size."""

from math import nan

import pandas as pd
import pytest

from stablerep.figures.scaling_words import OPTIONAL, by_other_probe, fewest, lacking_tables, laws_met

COUNTS, NAMES = [100, 200, 400], ["A at 100 captions", "A at 200 captions", "A at 400 captions"]


@pytest.mark.parametrize(
    ("lows", "said"),
    [
        ([-1, 1, 1], "from 200 on, 1/2 of them"),
        ([1, 1, 1], "from 100 on, 1/4 of them"),
        ([-1, -1, 1], "from 400 on."),
        ([1, -1, 1], "from 400 on."),  # a size below one that fails does not count
        ([1, 1, -1], "at no number of them"),
        ([1, 1, nan], "at no number of them"),
    ],
)
def test_the_fewest_captions_from_which_all_larger_numbers_are_enough(lows, said):
    pairs = pd.DataFrame({"first": NAMES, "low": lows})
    found = fewest(pairs, COUNTS, NAMES, "views fixed", "B")
    assert (
        said in found and found.startswith("With views fixed, A lies above B on 400 captions ") and found.endswith(".")
    )


def test_the_other_probe_is_told_for_each_panel():
    row = {"first": "A", "probe": "linear subgroup", "difference": 0.016, "low": 0.006, "high": 0.026}
    pairs = pd.DataFrame(
        [row | {"panel": "views fixed"}, row | {"panel": "views growing", "difference": -0.001, "low": -0.01, "high": 0.009}]
    )  # fmt: skip
    said = by_other_probe(pairs, "A", "linear subgroup")
    assert said.startswith("By the linear probe (subgroup), as in the paper, the same difference is +1.6 ")
    assert "with views fixed and " in said and said.endswith("points with views growing.")
    assert by_other_probe(pairs, "B", "linear subgroup") == by_other_probe(pairs, "A", "kNN subgroup") == ""


@pytest.mark.parametrize(
    ("observed", "said"),
    [
        ([0.5, 0.5], "inside the band of the prediction in all 2 cases"),
        ([0.5, 0.3], "In 1 of 2 cases the measured error lies outside the band of the prediction, below it, so that more"),
        ([0.7, 0.7], "In 2 of 2 cases the measured error lies outside the band of the prediction, above it, so that more"),
        ([0.3, 0.7], "outside the band of the prediction, 1 of them below it: there a law"),
        ([nan, nan], ""),
    ],
)  # fmt: skip
def test_how_many_laws_foretold_the_largest_size(observed, said):
    laws = pd.DataFrame({"predicted": 0.5, "observed": observed, "low": 0.4, "high": 0.6})
    assert said in laws_met(laws) if said else laws_met(laws) == ""
    assert laws_met(laws.assign(low=nan)) == ""


def test_later_tables_that_results_lack_are_named_once():
    assert lacking_tables(dict.fromkeys(OPTIONAL)) == ""
    said = lacking_tables({"worth": None})
    assert "so that these have no table below: what a doubling of the captions adds; more images of the same" in said
    assert "so that this has no table below: more images of the same captions." in lacking_tables(
        {"worth": None, "rises": None}
    )
