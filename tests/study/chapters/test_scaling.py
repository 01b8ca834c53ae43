"""Scaling: nested captions, views that are fixed or grow, power laws, and the answer to C5 by hand."""

from __future__ import annotations

import math
from collections import Counter
from itertools import groupby
from types import SimpleNamespace

import pandas as pd
import pytest

from stablerep.errors import InputError
from stablerep.study.chapters import resolve, scaling
from stablerep.study.chapters.scaling import FIXED, GROWING
from stablerep.study.experiments.arms import FLOOR_ARMS
from stablerep.study.experiments.study import Study
from stablerep.study.store.runs import RunStore
from tests.study.stand_ins import AnsweringStudy, NotingStore, items

COUNTS = (8, 32, 64)


def test_scaling_takes_nested_captions_in_both_panels_and_the_floors():
    study = AnsweringStudy()
    given = {"caption_counts": [64, 8, 32], "captions": 0, "seeds": 2, "steps": 16, "image_counts": []}
    p = resolve("scaling", {"preset": "smoke", "arms": list(scaling.SCALED)} | given)
    table = scaling.compute(p, scaling.ask(p, study))["scaling"]
    rows = [[c, a] for c in COUNTS for a in p.arms] + [[0, floor] for floor in FLOOR_ARMS]
    for panel in (FIXED, GROWING):
        assert table[table["panel"] == panel][["captions", "arm"]].values.tolist() == rows
    trained = table[table["captions"] > 0]
    assert trained.groupby("captions")["accuracy"].first().is_monotonic_increasing
    everything = study.captions().texts
    assert all(one.learnt == everything[: len(one.learnt)] for one in study.asked)
    assert {len(one.learnt) for one in study.asked} == set(COUNTS)
    assert Counter(one.arm for one in study.asked) == dict.fromkeys(scaling.SCALED, 12) | dict.fromkeys(FLOOR_ARMS, 2)
    assert {one.seed for one in study.asked} == {0, 1} and set(table["seeds"]) == {2}
    # the captions of the stand-in are its concepts, and floors learn from none
    assert (table["concepts"] == table["captions"]).all()


def test_views_are_fixed_or_grow_with_the_captions():
    study = AnsweringStudy()
    p = resolve("scaling", {"preset": "smoke", "caption_counts": [8, 32, 64], "captions": 0, "steps": 16})
    table = scaling.compute(p, scaling.ask(p, study))["scaling"]
    views = table[table["captions"] > 0].groupby(["panel", "captions"])["views"].unique().map(list)
    full = p.views_per_step * p.steps  # although 8 captions do not fill a batch
    assert views[FIXED].to_dict() == {count: [full] for count in COUNTS}
    assert views[GROWING].to_dict() == {8: [full // 8], 32: [full // 2], 64: [full]}
    few = p.model_copy(update={"steps": 2})
    table = scaling.compute(few, scaling.ask(few, study))["scaling"]
    assert table.query("captions == 8")["views"].min() == p.views_per_step  # one step at least


def test_the_largest_set_has_the_same_runs_in_both_panels(tmp_path):
    study = Study(NotingStore(tmp_path / "plan"))
    study.corpus = AnsweringStudy().corpus
    given = {"caption_counts": [8, 64], "captions": 0, "steps": 16, "generator": "emoji", "arms": list(scaling.SCALED)}
    given |= {"preset": "smoke"}
    asked = scaling.ask(resolve("scaling", given), study)
    keys = {
        panel: {(one.arm, one.captions): one.pretraining.key for one in asked.panels[panel]} for panel in asked.panels
    }
    same = {place for place, key in keys[FIXED].items() if keys[GROWING][place] == key}
    assert same == {(arm, 64) for arm in scaling.SCALED} and len(keys[FIXED]) == 8
    assert {one.pretraining for one in asked.floors} == {None} and [one.arm for one in asked.floors] == list(FLOOR_ARMS)


def test_subsets_take_emoji_concept_by_concept():
    """All captions of a concept stand together, so that a smaller set lacks concepts and, but for one, no names of those it has."""
    study = Study(RunStore("unused"), p := resolve("scaling", {"preset": "reference"}))
    texts = study.captions().texts
    concepts = [study.clusters[one] for one in texts]
    assert len(texts) == max(p.caption_counts) and len(list(groupby(concepts))) == len(set(concepts)) < len(texts)
    for count in p.caption_counts:
        known, rest = set(concepts[:count]), set(concepts[count:])
        assert texts[:count] == study.captions().first(count).texts and len(known & rest) <= 1


def test_scaling_needs_enough_captions():
    with pytest.raises(InputError, match="caption_counts goes up to 4096; 64 captions are available"):
        scaling.ask(resolve("scaling", {"caption_counts": [16, 4096], "captions": 0}), AnsweringStudy())
    with pytest.raises(InputError, match="caption_counts goes up to 32; 16 captions are available"):
        scaling.ask(resolve("scaling", {"caption_counts": [16, 32], "captions": 16}), AnsweringStudy())


PLUS = "StableRep+ synthetic"
CLIP = {100: 0.1, 200: 0.2, 400: 0.3}


def tables_of(
    *, seeds: int = 3, probes: tuple[str, ...] = ("linear group", "linear subgroup"), floor: float = 0.0,
    growing: dict | None = None, **shares,
) -> dict:  # fmt: skip
    """The chapter's tables, of views that grow as of fixed ones unless ``growing`` gives the shares of both arms; on all probes but the primary
    one the two arms have changed places. Floors answer a share of the concepts rightly."""
    named = {
        name.replace("_", " ").replace("StableRepPlus", "StableRep+"): by_count for name, by_count in shares.items()
    }
    primary = next((one for one in probes if one.startswith("one-shot")), "linear subgroup")

    def answered(named: dict) -> list:
        swapped = dict(zip(named, reversed(named.values())))
        found = [
            items({arm: share}, seeds=seeds, probe=probe).assign(captions=count)
            for probe in probes for arm, by_count in (named if probe == primary else swapped).items() for count, share in by_count.items()
        ]  # fmt: skip
        return [SimpleNamespace(items=lambda: pd.concat(found, ignore_index=True))]

    low = pd.concat([items(dict.fromkeys(FLOOR_ARMS, floor), seeds=seeds, probe=probe) for probe in probes])
    counts = sorted({count for by_count in named.values() for count in by_count}, reverse=True)
    panels = {FIXED: answered(named), GROWING: answered(growing or named)}
    asked = scaling.Asked(panels, [SimpleNamespace(items=lambda: low)], lambda count: count // 10)
    return scaling.compute(SimpleNamespace(caption_counts=counts), asked)


@pytest.mark.parametrize(
    ("plus", "word", "difference"),
    [
        ({100: 0.2, 200: 1.0, 400: 0.9}, "reproduced", "+50.0"),
        ({100: 0.9, 200: 0.5, 400: 0.9}, "equivalent", "+0.0"),  # other numbers of captions decide nothing
        ({100: 0.3, 200: 0.525, 400: 0.4}, "undecided", "+2.5"),  # one concept of forty
        ({100: 0.1, 200: 0.3, 400: 0.9}, "contradicted", "-20.0"),
    ],
)
def test_verdict_follows_its_rule(plus, word, difference):
    (answer,) = scaling.verdict(tables_of(CLIP_real=CLIP | {400: 0.5}, StableRepPlus_synthetic=plus))
    assert (answer.claim, answer.word) == ("C5", word) and "at most half of the captions" in answer.rule
    said = f"linear subgroup: {PLUS} at 200 captions minus CLIP real at 400 captions: {difference} points ["
    assert answer.why.startswith(said)
    assert (answer.p <= 0.05) == (word in ("reproduced", "contradicted"))


@pytest.mark.parametrize("missing", ["CLIP real", PLUS])
def test_without_an_arm_that_the_claim_names_nothing_is_decided(missing):
    arms = {"CLIP_real": CLIP, "StableRepPlus_synthetic": {100: 0.2, 200: 0.8, 400: 0.9}, "StableRep_synthetic": CLIP}
    del arms[missing.replace(" ", "_").replace("+", "Plus")]
    (answer,) = scaling.verdict(tables_of(**arms))
    assert answer.word == "not testable at this scale" and "not all arms that the claim names were run" in answer.why


def test_an_arm_that_is_not_wanted_is_not_trained():
    study = AnsweringStudy()
    p = resolve(
        "scaling",
        {"preset": "smoke", "caption_counts": [8, 32], "captions": 0, "arms": [PLUS, "CLIP real"], "image_counts": []},
    )
    scaling.ask(p, study)
    assert {one.arm for one in study.asked} == {PLUS, "CLIP real", *FLOOR_ARMS}


def test_the_verdict_rests_on_fixed_views():
    plus, half = {100: 0.2, 200: 0.8, 400: 0.9}, {100: 0.1, 200: 0.1, 400: 0.9}
    tables = tables_of(CLIP_real=CLIP, StableRepPlus_synthetic=plus, growing={"CLIP real": CLIP, PLUS: half})
    assert scaling.verdict(tables)[0].word == "reproduced"
    found = tables["differences"].query("probe == 'linear subgroup'").set_index(["panel", "first"])["difference"]
    place = f"{PLUS} at 200 captions"
    assert (found[FIXED, place], found[GROWING, place]) == pytest.approx((0.5, -0.2))


@pytest.mark.parametrize(("plus", "clip", "low"), [(0.35, 0.3, PLUS), (0.9, 0.35, "CLIP real"), (0.9, 0.8, "")])
def test_an_arm_of_the_pair_at_the_floor_decides_nothing(plus, clip, low):
    """At other sizes, or with growing views, an arm may lie where it likes."""
    arms = {"CLIP real": {100: 0.1, 200: 0.1, 400: clip}, PLUS: {100: 0.1, 200: plus, 400: 0.1}}
    high = {arm: dict.fromkeys(by_count, 0.95) for arm, by_count in arms.items()}
    tables = tables_of(
        CLIP_real=arms["CLIP real"], StableRepPlus_synthetic=arms[PLUS], floor=0.3, growing=high if low else None
    )
    (answer,) = scaling.verdict(tables)
    assert (answer.word == "not testable at this scale") == bool(low) == math.isnan(answer.p)
    assert f"{low} at " in answer.why if low else answer.word == "reproduced"
    assert ("not clearly above the floors" in answer.why) == bool(low)
    assert "above every floor" in answer.rule


def test_every_size_is_held_against_every_floor():
    plus = {100: 0.2, 200: 0.8, 400: 0.9}
    floors = tables_of(CLIP_real=CLIP, StableRepPlus_synthetic=plus, floor=0.1)["floors"]
    mine = floors[(floors["panel"] == FIXED) & (floors["probe"] == "linear subgroup")].set_index(["first", "second"])
    expected = {
        (f"{arm} at {count} captions", floor): share - 0.1
        for arm, by_count in (("CLIP real", CLIP), (PLUS, plus)) for count, share in by_count.items() for floor in FLOOR_ARMS
    }  # fmt: skip
    assert mine["difference"].to_dict() == pytest.approx(expected)
    assert len(floors) == 2 * 2 * len(expected)  # panels and probes


def test_power_laws_are_of_errors_on_the_primary_probe():
    """Of 40 concepts, those that are missed: 3200 / captions; the largest set misses as many as the law says, or all."""
    law = {100 * 2**k: 1 - 0.8 / 2**k for k in range(4)}
    flat = dict.fromkeys(law, 0.5)
    tables = tables_of(CLIP_real=flat, StableRepPlus_synthetic=law, growing={"CLIP real": law, PLUS: law | {800: 0.0}})
    laws = tables["power_law"].set_index(["panel", "arm"])
    assert laws.index.tolist() == [(panel, arm) for panel in (FIXED, GROWING) for arm in ("CLIP real", PLUS)]
    for place, observed in (((FIXED, PLUS), 0.1), ((GROWING, "CLIP real"), 0.1), ((GROWING, PLUS), 1.0)):
        row = laws.loc[place]
        assert (row["b"], row["predicted"], row["size"]) == pytest.approx((1, 0.1, 800), abs=1e-3) and row["why"] == ""
        assert row["observed"] == pytest.approx(observed)
    assert "do not fall" in laws.loc[(FIXED, "CLIP real"), "why"] and math.isnan(laws.loc[(FIXED, "CLIP real"), "a"])
    lines = tables["power_law_lines"].groupby(["panel", "arm"])["size"].agg(["min", "max"])
    assert (
        len(lines) == 3
        and lines["min"].tolist() == pytest.approx([100] * 3)
        and lines["max"].tolist() == pytest.approx([800] * 3)
    )


def test_differences_are_paired_over_concepts_and_seeds():
    tables = tables_of(CLIP_real=CLIP, StableRepPlus_synthetic={100: 0.2, 200: 0.4, 400: 0.5})
    found = tables["differences"]
    mine = found[(found["probe"] == "linear subgroup") & (found["panel"] == FIXED)].set_index("first")
    assert mine.index.tolist() == [f"{PLUS} at {count} captions" for count in (100, 200, 400)]
    assert set(mine["second"]) == {"CLIP real at 400 captions"} and set(mine["claim"]) == {"C5"}
    assert mine["difference"].tolist() == pytest.approx([-0.1, 0.1, 0.2])
    assert set(mine["seeds"]) == {3} and set(mine["clusters"]) == {40}
    # narrower than if each arm were drawn anew: they answer the same concepts
    apart = (
        tables["scaling"].query("panel == @FIXED and probe == 'linear subgroup' and captions == 400").set_index("arm")
    )
    assert set(apart["concepts"]) == {40}
    assert (mine["high"] - mine["low"]).max() < sum(apart["high"] - apart["low"])


def test_verdict_is_on_the_primary_probe():
    probes = ("linear subgroup", "one-shot concept", "few-shot concept")
    (answer,) = scaling.verdict(
        tables_of(probes=probes, CLIP_real=CLIP, StableRepPlus_synthetic={100: 0.9, 200: 0.9, 400: 0.9})
    )
    assert answer.word == "reproduced" and answer.why.startswith("one-shot concept: ")


def test_the_lines_say_from_which_number_of_captions_on_one_lies_above_the_other():
    plus = {100: 0.9, 200: 0.1, 400: 0.9}  # above at 100, but not from there on
    (answer,) = scaling.verdict(tables_of(CLIP_real=CLIP, StableRepPlus_synthetic=plus))
    said = "StableRep+ synthetic lies above CLIP real on 400 captions"
    assert answer.lines[0] == f"With views fixed, {said} from 400 on."
    assert answer.lines[-1] == "Each interval counts by itself; none is corrected for several sizes."  # said once
    (answer,) = scaling.verdict(tables_of(CLIP_real=CLIP, StableRepPlus_synthetic=plus | {200: 0.8}))
    assert answer.lines[0] == f"With views fixed, {said} from 100 on, 1/4 of them."
    (answer,) = scaling.verdict(tables_of(CLIP_real=CLIP, StableRepPlus_synthetic=plus | {400: 0.0}))
    assert answer.lines[0] == f"With views fixed, {said} at no number of them."


def test_half_is_the_next_number_below_where_none_is_half():
    plus, clip = {100: 0.9, 300: 0.1, 400: 0.1}, {100: 0.1, 300: 0.3, 400: 0.3}
    (answer,) = scaling.verdict(tables_of(CLIP_real=clip, StableRepPlus_synthetic=plus))
    assert answer.word == "reproduced" and f"{PLUS} at 100 captions" in answer.why


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


def test_each_number_of_captions_is_an_arm_of_its_own_to_a_sentence_and_floors_stay_what_they_are():
    table = tables_of(CLIP_real={1000: 0.1, 2000: 0.2})["scaling"]
    assert list(dict.fromkeys(scaling.by_size(table)["arm"])) == [
        "CLIP real at 1,000 captions", "CLIP real at 2,000 captions", *FLOOR_ARMS,
    ]  # fmt: skip
    assert set(table["arm"]) == {"CLIP real", *FLOOR_ARMS}


def test_a_caption_is_worth_as_many_as_its_lead_has_doublings():
    """Of 40 concepts CLIP answers four more with each doubling, StableRep+ as many as CLIP with twice its captions."""
    clip = {100: 0.1, 200: 0.2, 400: 0.3}
    tables = tables_of(CLIP_real=clip, StableRepPlus_synthetic={100: 0.2, 200: 0.3, 400: 0.4})
    mine = tables["worth"].query("probe == 'linear subgroup'").set_index("panel")
    assert mine["times"].tolist() == pytest.approx([2.0, 2.0]) and mine.index.tolist() == [FIXED, GROWING]
    assert set(mine["first"]) == {PLUS} and set(mine["second"]) == {"CLIP real"}
    assert (
        (mine["low"] <= 2.0).all() and (mine["high"] >= 2.0).all() and mine["apart"].tolist() == pytest.approx([0, 0])
    )
    assert tables_of(StableRepPlus_synthetic=clip)["worth"].empty  # nothing to be worth


def test_rises_are_of_all_things_and_of_groups_with_a_handful():
    """Concepts are answered from the first on: those of the first group always, of the second from 200 captions on."""
    asked = scaling.Asked(
        {panel: [SimpleNamespace(items=lambda: counted({100: 0.25, 200: 0.75, 400: 0.75}))] for panel in (FIXED, GROWING)},
        [SimpleNamespace(items=lambda: items(dict.fromkeys(FLOOR_ARMS, 0.0), seeds=3))], lambda count: count,
        groups=lambda: {f"c{c}": ("few" if c >= 36 else "early" if c < 10 else "late") for c in range(40)},
    )  # fmt: skip
    found = scaling.compute(SimpleNamespace(caption_counts=[100, 200, 400]), asked)["rises"].set_index("group")
    assert found.index.tolist() == ["all", "early", "late"] and found["clusters"].tolist() == [40, 10, 26]
    # a line through 0, y, y over two doublings rises by y / 2
    assert found["difference"].tolist() == pytest.approx([0.25, 0.0, 20 / 26 / 2])


def counted(by_count: dict[int, float]) -> pd.DataFrame:
    parts = [items({PLUS: share}, seeds=3).assign(captions=count) for count, share in by_count.items()]
    return pd.concat(parts, ignore_index=True)


def test_groups_are_the_first_label_of_things_that_have_one():
    study = AnsweringStudy()
    p = resolve("scaling", {"preset": "smoke"}).model_copy(update={"probe_designs": ["ink", "chalk"]})
    table = study.asked_part(p.probe_designs, p.probe_part).table
    expected = dict(zip(table[study.about.cluster], table["kind"]))
    assert scaling.groups(p, study) == expected and len(set(expected.values())) == 3
    study.corpus.table["kind"] = [f"kind {number}" for number in range(len(study.corpus.table))]
    assert scaling.groups(p, study) == {}  # the drawings of a thing differ


def test_more_images_of_a_caption_are_asked_of_all_captions_at_the_same_views(tmp_path):
    study = Study(NotingStore(tmp_path / "plan"))
    study.corpus = AnsweringStudy().corpus
    given = {"preset": "smoke", "caption_counts": [8, 64], "captions": 0, "steps": 16, "image_counts": [4, 1, 2]}
    asked = scaling.ask(resolve("scaling", given), study)
    assert list(asked.images) == [1, 2, 4] and {one.arm for some in asked.images.values() for one in some} == {
        scaling.MORE
    }
    trained = [one for one in study.store.noted if one.step == "pretraining"]
    assert {one.parameters["steps"] * one.parameters["views_per_step"] for one in trained[-3:]} == {16 * 32}
    # as many images as the study has of a caption are the run that the panels have
    own = resolve("scaling", given).images_per_caption
    largest = next(one for one in asked.panels[FIXED] if (one.arm, one.captions) == (scaling.MORE, 64))
    assert asked.images[own][0].pretraining.key == largest.pretraining.key
    assert len({some[0].pretraining.key for some in asked.images.values()}) == 3


def test_the_table_of_images_is_there_where_it_was_asked():
    study = AnsweringStudy()
    p = resolve("scaling", {"preset": "smoke", "caption_counts": [8, 64], "captions": 0, "image_counts": [2, 1]})
    table = scaling.compute(p, scaling.ask(p, study))["images"]
    assert table["images"].tolist() == [1, 2] and set(table["arm"]) == {scaling.MORE}
    p = p.model_copy(update={"image_counts": []})
    assert "images" not in scaling.compute(p, scaling.ask(p, study))


def test_what_the_linear_probe_says_stands_beside_the_answer():
    probes = ("linear subgroup", "one-shot concept")
    arms = {"CLIP_real": CLIP, "StableRepPlus_synthetic": {100: 0.9, 200: 0.9, 400: 0.9}}
    (answer,) = scaling.verdict(tables_of(probes=probes, **arms))
    pairs = tables_of(probes=probes, **arms)["differences"].query("probe == 'linear subgroup' and panel == @FIXED")
    linear = pairs.set_index("first")["difference"][scaling.sized(PLUS, 200)]
    assert (
        f"the same difference is {100 * linear:+.1f}".replace("-", "−") in answer.but
        and "with views growing" in answer.but
    )
    (alone,) = scaling.verdict(tables_of(**arms))  # the primary probe is the linear one
    assert "same difference" not in alone.but and alone.but.endswith("CLIP from one.")
