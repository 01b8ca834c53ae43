"""Copies: what is asked for, the comparisons, planted duplicates and set sizes by hand, and the answer to C11."""

from __future__ import annotations

from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest

from stablerep.audits.areas import ALL
from stablerep.audits.copies import DETECTORS, EMBEDDING, PIXELS, RATIO_OTHERS
from stablerep.audits.unseen import COMBINATIONS, UNSEEN, is_counted
from stablerep.errors import InputError
from stablerep.statistics import MARGIN
from stablerep.statistics.arms import differences
from stablerep.study.chapters import compare, copies, resolve
from stablerep.study.experiments.arms import FLOOR_ARMS
from stablerep.study.experiments.copied_images import AUDITED, NEW, PLANTED, TEST_DRAWINGS, generated_at
from stablerep.study.experiments.study import Study
from tests.study.stand_ins import NotingStore, items, plain_corpus


def asked(tmp_path, emoji, **given):
    p = resolve("copies", {"preset": "smoke"} | given)
    study = Study(NotingStore(tmp_path / "plan"), p)
    study.corpus = emoji
    return p, copies.ask(p, study), study.store.noted


def steps(noted, name: str) -> list:
    return list({(str(one.parameters), str(one.inputs)): one for one in noted if one.step == name}.values())


def test_each_seed_has_an_embedding_and_all_look_at_the_same_images(tmp_path, emoji):
    p, found, noted = asked(tmp_path, emoji, seeds=2, multiplicities=[], set_sizes=[], extraction_captions=0)
    scored = steps(noted, "copy-scores")
    assert list(found.scored) == [0, 1] and len({one.inputs["embedding"] for one in scored}) == 2
    images = [{name: key for name, key in one.inputs.items() if name != "embedding"} for one in scored]
    assert images[0] == images[1] and {"generated, w = 1", "generated, w = 2", NEW} <= set(images[0])
    drawn = [one for one in steps(noted, "pretraining") if one.inputs["images"].startswith("learned-")]
    assert [one.parameters["method"] for one in drawn] == ["simclr"] * 2 and all(
        one.inputs["images"].endswith("-alone") for one in drawn
    )
    assert not found.duplicates and not found.sizes and not found.extraction and not steps(noted, "generator")


def test_generators_are_trained_further_where_that_is_asked_for(tmp_path, emoji):
    p, found, noted = asked(
        tmp_path, emoji, seeds=2, multiplicities=[1, 10], set_sizes=[4, 8], set_steps=[2, 5], extraction_captions=2
    )
    trained = steps(noted, "generator")
    planted = [one for one in trained if "planted" in one.inputs["images"]]
    assert [one.parameters["seed"] for one in planted] == [0, 1] and planted[0].parameters["images_by"] == [
        "stablerep.audits.planting"
    ]
    small = [
        (one.inputs["images"].partition("concepts")[0], one.parameters["steps"])
        for one in trained
        if one not in planted
    ]
    assert sorted(small) == [("first4", 2), ("first4", 5), ("first8", 2), ("first8", 5)]
    assert list(found.duplicates) == [0, 1] and list(found.sizes) == list(found.extraction) == [0]
    (extraction,) = steps(noted, "extraction")
    assert (
        extraction.inputs["scores"] == found.scored[0].key
        and extraction.parameters["images_per_caption"] == p.extraction_images
    )


def test_at_a_laptop_all_but_the_embedding_is_the_comparisons(tmp_path, emoji):
    p = resolve("copies", {})
    study = Study(NotingStore(tmp_path / "plan"), p)
    study.corpus = emoji
    found = copies.ask(p, study)
    q = resolve("compare", {"arms": [*FLOOR_ARMS, AUDITED.name, copies.REAL.name]})
    theirs = Study(NotingStore(tmp_path / "other"), q)
    theirs.corpus = emoji
    keys = {one.evaluation.key for one in compare.ask(q, theirs).evaluated}
    assert {one.evaluation.key for one in found.evaluated} <= keys
    made = [one.parameters for one in steps(study.store.noted, "synthesis")]
    assert [how["images_per_caption"] for how in made] == [1, 4] or [how["images_per_caption"] for how in made] == [
        4,
        1,
    ]
    assert not found.duplicates and not found.sizes and not found.extraction


def test_a_corpus_without_an_unseen_design_and_a_generator_that_stays_are_refused(tmp_path, emoji):
    with pytest.raises(InputError, match="has no design twemoji; copies are told by real drawings"):
        asked(tmp_path, plain_corpus(8, 2))
    with pytest.raises(InputError, match="generator is 'owner/name'; to be trained further it must be emoji or"):
        asked(tmp_path, emoji, generator="owner/name", set_sizes=[4])


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"planted": 7}, "planted is 7: input should be greater than or equal to 8"),
        ({"multiplicities": [0]}, "multiplicities.0 is 0: input should be greater than or equal to 1"),
        ({"set_sizes": [3]}, "set_sizes.0 is 3"), ({"set_steps": []}, "set_steps is"), ({"duplicated": 3}, "duplicated is 3"),
        ({"extraction_images": 1}, "extraction_images is 1"), ({"multiplicities": [5, 5]}, "5 appears twice"),
        ({"clip_guidance_scale": 2.0}, "copies has no parameter 'clip_guidance_scale'"),
    ],
)  # fmt: skip
def test_bad_parameters(tmp_path, emoji, given, message):
    with pytest.raises(InputError, match=message):
        asked(tmp_path, emoji, **given)


# Tables


class Scored:
    """Tables of a run by name."""

    def __init__(self, **tables: pd.DataFrame) -> None:
        self.tables = tables

    def table(self, name: str = "results") -> pd.DataFrame:
        return self.tables[name].copy()


def scores(seed: int, made: float) -> pd.DataFrame:
    """80 concepts. Real drawings score below 1; so do synthetic ones, but for a share that scores as planted copies do, above 2: with a share below
    zero, real drawings in the unseen design do instead."""
    rng, concepts = np.random.default_rng(seed), [f"c{k}" for k in range(80)]
    counted = [one for one in concepts if is_counted([one])[0]]
    copied, copying = set(counted[: round(abs(made) * len(counted))]), generated_at(2.0) if made > 0 else UNSEEN
    rows = []
    for name in (generated_at(2.0), UNSEEN, NEW, COMBINATIONS, *PLANTED, TEST_DRAWINGS):
        for concept in concepts:
            high = name in PLANTED or (name == copying and concept in copied)
            score = rng.uniform(2, 3) if high else rng.uniform(0, 1)
            about = {
                "id": f"ink/{concept}" if name == TEST_DRAWINGS else concept,
                "design": "ink",
                "toned": concept == "c0",
            }
            rows.append(
                {"set": name, "concept": concept, "caption": concept, **about, **dict.fromkeys(DETECTORS, score)}
            )
    return pd.DataFrame(rows)


def evaluated(seeds: int):
    one = items({AUDITED.name: 0.5, copies.REAL.name: 0.4}, seeds=seeds, probe="one-shot concept")
    one = one.assign(id="ink/oil/" + one["cluster"], design="oil")
    return [SimpleNamespace(items=lambda: one)]


def computed(made: float, seeds: int = 3, known: bool = True) -> dict[str, pd.DataFrame]:
    p = resolve("copies", {"preset": "smoke", "guidance_scales": [], "seeds": seeds})
    runs = {seed: Scored(scores=scores(seed, made), pictures=pd.DataFrame()) for seed in range(seeds)}
    upstream = pd.DataFrame([{"learned_from": "x", "held_against": "x" if known else "y"}])
    return copies.compute(p, copies.Asked(runs, evaluated(seeds), {}, {}, {}, upstream))


def test_tables_of_known_scores():
    tables = computed(0.5)
    shares = tables["shares"].set_index(["set", "detector"])["share"]
    assert shares[generated_at(2.0), EMBEDDING] == pytest.approx(0.5, abs=0.05) and shares[PLANTED[0], PIXELS] == 1.0
    assert shares[UNSEEN, EMBEDDING] < 0.1 and shares[COMBINATIONS, EMBEDDING] < 0.1
    areas = tables["areas"].set_index(["background", "copies", "detector"])["area"]
    assert (
        (areas == 1).all() and (UNSEEN, ALL, EMBEDDING) in areas.index and (COMBINATIONS, ALL, EMBEDDING) in areas.index
    )
    claims = tables["differences"].query("probe == @EMBEDDING").set_index("claim")
    assert set(claims.index) == {"C11", "both in known designs"}
    assert (
        claims.loc["C11", "difference"] == pytest.approx(0.5, abs=0.1)
        and abs(claims.loc["both in known designs", "difference"]) < 0.1
    )
    assert tables["hidden"]["kind"].unique().tolist() == ["ink", "people in a tone"]
    assert all(tables[name].empty for name in ("duplicates", "sizes", "extraction"))
    left = tables["contamination"].set_index("left_out")
    assert left.loc["nothing", "difference"] == pytest.approx(0.1) and left.loc["nothing", "drawings"] == 0.0
    assert copies.HEADLINE.rows(tables)["rows"]


def test_the_bound_of_the_claim_lies_a_point_above_zero():
    """Half a point more is for nobody, or against; two points are for."""
    rng = np.random.default_rng(0)
    found = []
    for lead in (0.005, 0.02):
        base = items({generated_at(2.0): 0.0, UNSEEN: 0.0}, seeds=3, probe=EMBEDDING, concepts=400)
        share = np.where(base["arm"] == UNSEEN, 0.3, 0.3 + lead) + rng.normal(0, 0.005, len(base))
        p = resolve("copies", {"preset": "smoke", "guidance_scales": []})
        found.append(differences(base.assign(correct=share), copies.pairs(p, set()), margin=-MARGIN).iloc[0])
    assert found[0]["p_for"] > 0.5 and found[0]["p_against"] < 0.025 and found[1]["p_for"] < 0.025


@pytest.mark.parametrize(
    ("made", "seeds", "known", "word"),
    [
        (0.6, 3, True, "reproduced"), (-0.15, 3, True, "contradicted"), (0.0, 3, True, "undecided"),
        (0.6, 2, True, "not testable at this scale"), (0.6, 3, False, "not testable at this scale"),
    ],
)  # fmt: skip
def test_the_answer_follows_the_shares(made, seeds, known, word):
    tables = computed(made, seeds, known)
    (answer,) = copies.verdict(tables)
    assert (answer.claim, answer.word) == ("C11", word) and "by more than a point" in answer.rule
    assert any("both in known designs" in line for line in answer.lines)


def test_what_an_excess_has_to_be_held_against_stands_beside_the_word():
    (answer,) = copies.verdict(computed(0.5))
    assert (
        answer.but.startswith("With both sides in known designs the difference is")
        and "moved by one pixel" in answer.but
    )


def test_an_embedding_that_misses_planted_copies_decides_nothing():
    tables = computed(0.6)
    mine = (
        (tables["areas"]["detector"] == EMBEDDING)
        & (tables["areas"]["copies"] == ALL)
        & (tables["areas"]["background"] == UNSEEN)
    )
    tables["areas"].loc[mine, "low"] = 0.89
    (answer,) = copies.verdict(tables)
    assert answer.word == "not testable at this scale" and "does not find planted copies well enough" in answer.why
    tables["areas"].loc[mine, "low"] = 0.9
    assert copies.verdict(tables)[0].word == "reproduced"
    tables["areas"].loc[~mine, "low"] = 0.1  # of other detectors
    assert copies.verdict(tables)[0].word == "reproduced"


def test_sizes_have_a_row_for_each_measure():
    made = pd.DataFrame([
        {"set_size": count, "steps": step, "id": f"{k}", "concept": f"c{k}", EMBEDDING: float(step > 0), RATIO_OTHERS: -1.0}
        for count in (4, 8) for step in (0, 9) for k in range(count)
    ])  # fmt: skip
    kid = pd.DataFrame(
        [
            {"set_size": count, "steps": step, "images": count, "value": 0.1, "low": 0.0, "high": 0.2}
            for count in (4, 8)
            for step in (0, 9)
        ]
    )
    limits = pd.DataFrame(
        [{"seed": 0, "detector": name, "threshold": 0.5 if name == EMBEDDING else -1 / 3} for name in DETECTORS]
    )
    found = copies.sizes({0: Scored(scores=made, kid=kid)}, limits).set_index(["measure", "set_size", "steps"])["value"]
    assert found[EMBEDDING, 4, 9] == 1 and found[EMBEDDING, 8, 0] == 0 and found[RATIO_OTHERS, 8, 9] == 0
    assert found["kernel distance", 8, 9] == 0.1 and len(found) == 12
