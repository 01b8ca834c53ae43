"""Scaling: nested captions, equal views, and the answer to C5 by hand."""

from __future__ import annotations

import pandas as pd
import pytest

from stablerep.errors import InputError
from stablerep.study.chapters import resolve, scaling
from tests.study.stand_ins import AnsweringStudy


def test_scaling_takes_nested_captions_and_equal_views():
    study = AnsweringStudy()
    p = resolve("scaling", {"preset": "smoke", "caption_counts": [64, 8, 32], "captions": 0, "seeds": 2})
    table = scaling.compute(p, scaling.ask(p, study))["scaling"]
    assert table[["captions", "arm"]].values.tolist() == [[c, a] for c in (8, 32, 64) for a in scaling.SCALED]
    assert table.groupby("captions")["accuracy"].first().is_monotonic_increasing
    assert {one.views for one in study.asked} == {p.views_per_step * p.steps}  # although 8 captions do not fill a batch
    everything = study.captions().texts
    assert all(one.learnt == everything[: len(one.learnt)] for one in study.asked)
    assert {len(one.learnt) for one in study.asked} == {8, 32, 64}
    assert {one.seed for one in study.asked} == {0, 1}
    assert set(table["seeds"]) == {2}


def test_scaling_needs_enough_captions():
    with pytest.raises(InputError, match="caption_counts goes up to 4096; 64 captions are available"):
        scaling.ask(resolve("scaling", {"caption_counts": [16, 4096], "captions": 0}), AnsweringStudy())
    with pytest.raises(InputError, match="caption_counts goes up to 32; 16 captions are available"):
        scaling.ask(resolve("scaling", {"caption_counts": [16, 32], "captions": 16}), AnsweringStudy())


def curve(**accuracies) -> dict[str, pd.DataFrame]:
    """The chapter's table, with intervals of two points to both sides; another probe says the opposite."""
    rows = [
        {"arm": arm.replace("_", " ").replace("StableRepPlus", "StableRep+"), "captions": captions, "probe": probe, "accuracy": value}
        for arm, by_count in accuracies.items() for captions, accuracy in by_count.items()
        for probe, value in (("linear group", 0.9 - accuracy), ("linear subgroup", accuracy), ("knn subgroup", 0.9 - accuracy))
    ]  # fmt: skip
    table = pd.DataFrame(rows)
    return {"scaling": table.assign(low=table["accuracy"] - 0.02, high=table["accuracy"] + 0.02)}


CLIP = {100: 0.1, 200: 0.2, 400: 0.3}


@pytest.mark.parametrize(
    ("plus", "word", "why"),
    [
        (
            {100: 0.2, 200: 0.4, 400: 0.5},
            "reproduced",
            "with 200 captions is above CLIP with 400, intervals apart: a factor of 2.0",
        ),
        ({100: 0.4, 200: 0.4, 400: 0.4}, "reproduced", "a factor of 4.0"),
        ({100: 0.2, 200: 0.31, 400: 0.4}, "partly", "a factor of 1.0"),  # above it, but with no fewer captions
        (
            {100: 0.2, 200: 0.31, 400: 0.33},
            "partly",
            "reaches CLIP's best mean with 200 captions against 400, but the intervals overlap",
        ),
        ({100: 0.2, 200: 0.22, 400: 0.25}, "not reproduced", "does not reach the 30.0 % of CLIP with 400 captions"),
    ],
)
def test_verdict_follows_its_rule(plus, word, why):
    (answer,) = scaling.verdict(curve(CLIP_real=CLIP, StableRepPlus_synthetic=plus))
    assert (answer.claim, answer.word) == ("C5", word) and why in answer.why and "half as many" in answer.rule


def test_each_number_of_captions_is_an_arm_of_its_own_to_a_figure():
    table = curve(CLIP_real={1000: 0.1, 2000: 0.2})["scaling"]
    assert list(dict.fromkeys(scaling.by_size(table)["arm"])) == [
        "CLIP real, 1,000 captions",
        "CLIP real, 2,000 captions",
    ]
    assert set(table["arm"]) == {"CLIP real"}
