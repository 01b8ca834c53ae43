"""Zero-shot: which images and names are asked, which arms are shared with the comparison, and the answer to C7 by hand."""

from __future__ import annotations

import pandas as pd
import pytest
import torch

from stablerep.probes.extraction import features_of
from stablerep.statistics.arms import seed_means
from stablerep.study.chapters import compare, resolve, zero_shot
from stablerep.study.chapters.zero_shot import HELD_OUT, KNOWN, NEW, REAL, SEEN, at_scale
from stablerep.study.experiments.arms import FLOOR_ARMS
from stablerep.study.experiments.study import Study
from tests.study.stand_ins import NotingStore, items, plain_corpus

DESIGNS = ("noto", HELD_OUT)


def study_of(tmp_path, name="zero_shot", **given):
    p = resolve(name, {"preset": "smoke", "captions": 0, "probe_designs": list(DESIGNS), "generator": "emoji"} | given)
    study = Study(NotingStore(tmp_path / "plan"), p)
    study.corpus = plain_corpus(64, designs=DESIGNS)
    return p, study


def test_arms_of_the_claim_are_runs_that_the_comparison_has(tmp_path):
    p, study = study_of(tmp_path / "a", guidance_scales=[1.0, 2.0], seeds=2)
    asked = zero_shot.ask(p, study)
    names = [
        REAL,
        "CLIP real designs",
        *(at_scale(f"{one} synthetic", w) for one in ("CLIP", "StableRep+") for w in (1, 2)),
    ]
    assert [one.evaluated.arm for one in asked] == 2 * [*names, *FLOOR_ARMS]
    assert [one.guidance_scale for one in asked[:8]] == [None, None, 1.0, 2.0, 1.0, 2.0, None, None]
    assert [one.named is None for one in asked[:9]] == [False] * 6 + [True] * 3
    q, other = study_of(
        tmp_path / "b", "compare", seeds=1, arms=["CLIP real", "CLIP synthetic", "StableRep+ synthetic"]
    )
    shared = {run.evaluation.key for run in compare.ask(q, other).evaluated}
    assert shared <= {one.evaluated.evaluation.key for one in asked}


def test_known_names_are_of_captions_that_were_read_and_new_ones_of_the_part(tmp_path):
    p, study = study_of(tmp_path, captions=8)
    captions = study.captions(8)
    asked = zero_shot.questions(p, captions, study)
    assert list(asked) == [KNOWN, NEW]
    known, _, names = asked[KNOWN]
    assert set(known.table["design"]) == {HELD_OUT} and set(names.values()) == set(captions.texts)
    assert set(asked[NEW][0].table["split"]) == {"test"} and set(asked[NEW][0].table["design"]) == set(DESIGNS)


@pytest.mark.parametrize(("sees", "share"), [(True, 1.0), (False, 1 / 8)])
def test_without_words_an_image_is_named_by_the_most_similar_one_of_the_other_design(tmp_path, sees, share):
    """Images of a caption have one grey in both designs: features of the grey name all of them, constant ones a single one."""

    class Grey(torch.nn.Module):
        def forward(self, images):
            angle = images.mean((1, 2, 3)) if sees else torch.zeros(len(images))
            return torch.stack([torch.cos(angle), torch.sin(angle)], 1)

    p, study = study_of(tmp_path, captions=8, camera=0.0)
    study.corpus.table["number"] = pd.factorize(study.corpus.table["caption"])[0]
    known, column, names = zero_shot.questions(p, study.captions(8), study)[KNOWN]
    rows = pd.DataFrame(
        {"id": known.table["id"], "cluster": known.table[column], "truth": known.table[column].astype(str)}
    )
    seen = features_of(Grey(), known.images(study.size))
    found = zero_shot.by_images(rows.reset_index(drop=True), seen, column, names, Grey(), study)
    assert found["correct"].mean() == share and set(found["probe"]) == {SEEN} and len(found) == 8
    assert set(found["chance"]) == {1 / 8}


def test_the_probe_without_words_is_the_primary_one_where_it_was_not_asked():
    rows = [{"probe": one} for one in ("linear kind", "one-shot concept")]
    assert zero_shot.image_probe({"zero_shot": pd.DataFrame(rows)}) == "one-shot concept"
    assert zero_shot.image_probe({"zero_shot": pd.DataFrame([*rows, {"probe": SEEN}])}) == SEEN
    chances = pd.DataFrame({"probe": [KNOWN, SEEN], "chance": 0.1})
    assert zero_shot.headline_probe({"chances": chances}) == KNOWN
    assert zero_shot.headline_probe({"chances": chances.assign(probe=["zero-shot kind", SEEN])}) == "zero-shot kind"


def test_validation_asks_for_new_names_alone_and_a_corpus_without_designs_for_its_classes(tmp_path):
    p, study = study_of(tmp_path, probe_part="validation")
    assert list(zero_shot.questions(p, study.captions(), study)) == [NEW]
    study.corpus = plain_corpus(12)
    ((probe, (part, column, names)),) = zero_shot.questions(p, study.captions(), study).items()
    assert (probe, column) == ("zero-shot kind", "kind") and set(names) == {"kind 0", "kind 1", "kind 2"}
    assert set(part.table["split"]) == {"validation"}


def tables(real: float, synthetic: float, seeds: int = 5, chance: float = 0.01) -> dict[str, pd.DataFrame]:
    from stablerep.statistics.arms import differences

    mine = at_scale("CLIP synthetic", 2)
    found = items({REAL: real, mine: synthetic}, seeds=seeds, probe=KNOWN, concepts=200)
    return {
        "differences": differences(found, [zero_shot.Pair("C7", REAL, mine)]), "seeds": seed_means(found),
        "chances": pd.DataFrame([{"probe": NEW, "chance": 0.5}, {"probe": KNOWN, "chance": chance}]),
    }  # fmt: skip


@pytest.mark.parametrize(
    ("real", "synthetic", "word"),
    [(0.5, 0.3, "reproduced"), (0.3, 0.5, "contradicted"), (0.4, 0.4, "equivalent"), (0.5, 0.02, "not testable at this scale")],
)  # fmt: skip
def test_the_answer_follows_the_order_of_real_and_synthetic(real, synthetic, word):
    (answer,) = zero_shot.verdict(tables(real, synthetic))
    assert (answer.claim, answer.word) == ("C7", word)


def test_two_seeds_and_a_missing_arm_are_not_testable():
    few = tables(0.5, 0.3, seeds=2)
    lacking = tables(0.5, 0.3) | {"differences": few["differences"][:0]}
    assert {zero_shot.verdict(one)[0].word for one in (few, lacking)} == {"not testable at this scale"}


def test_what_the_same_arms_have_without_words_is_told():
    found = tables(0.5, 0.3, seeds=1)
    assert zero_shot.verdict(found)[0].but == ""
    seen = found["differences"].assign(probe=zero_shot.SEEN, difference=-0.1, low=-0.2, high=0.05)
    unsure = found["differences"].assign(low=-0.01)
    (answer,) = zero_shot.verdict(found | {"differences": pd.concat([unsure, seen])})
    assert answer.but == (
        "The interval covers zero: who names more is not told. Without words, CLIP real lies 10.0 points [−5.0, 20.0] below CLIP synthetic, w = 2, "
        "which is not told from zero."
    )
