"""Scaling: nested captions, equal views, and the answer to C5 by hand."""

from __future__ import annotations

from types import SimpleNamespace

import pandas as pd
import pytest

from stablerep.errors import InputError
from stablerep.study.chapters import resolve, scaling
from tests.study.stand_ins import AnsweringStudy, items


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


PLUS = "StableRep+ synthetic"
CLIP = {100: 0.1, 200: 0.2, 400: 0.3}


def tables_of(
    *, seeds: int = 3, probes: tuple[str, ...] = ("linear group", "linear subgroup", "knn subgroup"), **shares
) -> dict:
    """The chapter's tables; on all probes but the primary one the two arms have changed places."""
    named = {
        name.replace("_", " ").replace("StableRepPlus", "StableRep+"): by_count for name, by_count in shares.items()
    }
    primary = next((one for one in probes if one.startswith("one-shot")), "linear subgroup")
    swapped = dict(zip(named, reversed(named.values())))
    found = [
        items({arm: share}, seeds=seeds, probe=probe).assign(captions=count)
        for probe in probes for arm, by_count in (named if probe == primary else swapped).items() for count, share in by_count.items()
    ]  # fmt: skip
    counts = sorted({count for by_count in named.values() for count in by_count}, reverse=True)
    asked = [SimpleNamespace(items=lambda: pd.concat(found, ignore_index=True))]
    return scaling.compute(SimpleNamespace(caption_counts=counts), asked)


@pytest.mark.parametrize(
    ("plus", "word", "difference"),
    [
        ({100: 0.2, 200: 0.8, 400: 0.9}, "reproduced", "+50.0"),
        ({100: 0.9, 200: 0.3, 400: 0.9}, "equivalent", "+0.0"),  # other numbers of captions decide nothing
        ({100: 0.3, 200: 0.325, 400: 0.4}, "undecided", "+2.5"),  # one concept of forty
        ({100: 0.1, 200: 0.1, 400: 0.9}, "contradicted", "-20.0"),
    ],
)
def test_verdict_follows_its_rule(plus, word, difference):
    (answer,) = scaling.verdict(tables_of(CLIP_real=CLIP, StableRepPlus_synthetic=plus))
    assert (answer.claim, answer.word) == ("C5", word) and "at most half of the captions" in answer.rule
    said = f"linear subgroup: {PLUS}, 200 captions minus CLIP real, 400 captions: {difference} points ["
    assert answer.why.startswith(said)


def test_differences_are_paired_over_concepts_and_seeds():
    tables = tables_of(CLIP_real=CLIP, StableRepPlus_synthetic={100: 0.2, 200: 0.4, 400: 0.5})
    found = tables["differences"]
    mine = found[found["probe"] == "linear subgroup"].set_index("first")
    assert mine.index.tolist() == [f"{PLUS}, {count} captions" for count in (100, 200, 400)]
    assert set(mine["second"]) == {"CLIP real, 400 captions"} and set(mine["claim"]) == {"C5"}
    assert mine["difference"].tolist() == pytest.approx([-0.1, 0.1, 0.2])
    assert set(mine["seeds"]) == {3} and set(mine["clusters"]) == {40}
    # narrower than if each arm were drawn anew: they answer the same concepts
    apart = tables["scaling"].query("probe == 'linear subgroup' and captions == 400").set_index("arm")
    assert (mine["high"] - mine["low"]).max() < sum(apart["high"] - apart["low"])


def test_verdict_is_on_the_primary_probe():
    probes = ("linear subgroup", "one-shot concept", "few-shot concept")
    (answer,) = scaling.verdict(
        tables_of(probes=probes, CLIP_real=CLIP, StableRepPlus_synthetic={100: 0.9, 200: 0.9, 400: 0.9})
    )
    assert answer.word == "reproduced" and answer.why.startswith("one-shot concept: ")


def test_half_is_the_next_number_below_where_none_is_half():
    plus, clip = {100: 0.9, 300: 0.1, 400: 0.1}, {100: 0.1, 300: 0.3, 400: 0.3}
    (answer,) = scaling.verdict(tables_of(CLIP_real=clip, StableRepPlus_synthetic=plus))
    assert answer.word == "reproduced" and f"{PLUS}, 100 captions" in answer.why


def test_what_was_not_run_is_not_testable():
    plus = {100: 0.2, 200: 0.8, 400: 0.9}
    few = tables_of(seeds=2, CLIP_real=CLIP, StableRepPlus_synthetic=plus)
    alone = tables_of(CLIP_real=CLIP)
    near = tables_of(CLIP_real={300: 0.1, 400: 0.2}, StableRepPlus_synthetic={300: 0.8, 400: 0.9})
    for tables in (few, alone, near):
        (answer,) = scaling.verdict(tables)
        assert answer.word == "not testable at this scale"
    assert scaling.verdict(near)[0].why == "no number of captions is at most half of 400"
    assert alone["differences"].empty


def test_each_number_of_captions_is_an_arm_of_its_own_to_a_figure():
    table = tables_of(CLIP_real={1000: 0.1, 2000: 0.2})["scaling"]
    assert list(dict.fromkeys(scaling.by_size(table)["arm"])) == [
        "CLIP real, 1,000 captions",
        "CLIP real, 2,000 captions",
    ]
    assert set(table["arm"]) == {"CLIP real"}
