"""Granularity: what each identity is trained on, its names and pairs, and the answer to C6 by hand."""

from __future__ import annotations

import pandas as pd
import pytest

from stablerep.errors import InputError
from stablerep.statistics.arms import differences, seed_means, summarize
from stablerep.study.chapters import granularity, resolve
from stablerep.study.chapters.granularity import named
from stablerep.study.experiments.arms import FLOOR_ARMS
from stablerep.study.experiments.floors import against_floors
from stablerep.study.experiments.study import Study
from tests.study.stand_ins import AnsweringStudy, NotingStore, items


def asked(tmp_path, **given):
    study = Study(NotingStore(tmp_path / "plan"))
    study.corpus = AnsweringStudy().corpus
    some = {"preset": "smoke", "captions": 0, "images_per_caption": 4, "positives": 4, "views_per_step": 64}
    p = resolve("granularity", some | {"identities": ["image", "caption", "kind"]} | given)
    return p, granularity.ask(p, study), study.store.noted


def test_only_the_identity_differs(tmp_path):
    """Captions and classes have the same images, batches, views and rate; single images have SimCLR's batches of the same images."""
    p, found, noted = asked(tmp_path, seeds=2)
    assert [(one.arm, one.seed) for one in found.evaluated] == [
        *((named(one), seed) for seed in (0, 1) for one in p.identities), *((one, seed) for seed in (0, 1) for one in FLOOR_ARMS)
    ]  # fmt: skip
    trained = [one for one in noted if one.step == "pretraining" and one.parameters["seed"] == 0]
    by_image, by_caption, by_class = trained
    assert len({one.inputs["images"] for one in trained}) == 1
    assert by_class.parameters == by_caption.parameters | {"label": "kind"}
    own = {"method": "simclr", "learning_rate": p.simclr_learning_rate, "images_per_caption": 1}
    assert by_image.parameters == by_caption.parameters | own
    made = {one.parameters["guidance_scale"] for one in noted if one.step == "synthesis"}
    assert made == {p.guidance_scale} and found.classes == "kind"


def test_captions_are_the_comparison_s_stablerep(tmp_path):
    p, found, _ = asked(tmp_path, identities=["image", "caption"])
    study = Study(NotingStore(tmp_path / "plan"))
    study.corpus = AnsweringStudy().corpus
    theirs = study.evaluated(granularity.LEARNER, study.captions(0), p, 0)
    assert theirs.evaluation.key in {one.evaluation.key for one in found.evaluated}


@pytest.mark.parametrize(
    ("column", "values", "message"),
    [
        ("kindd", None, "identities has 'kindd', which is no column of the corpus; did you mean kind"),
        ("id", None, "of which each caption needs one value; '.*' has 2"),
        ("some", [None, "a"], "identities has 'some', of which each caption needs one value; '.*' has none"),
    ],
)
def test_an_identity_that_a_caption_does_not_have_is_refused(tmp_path, column, values, message):
    study = Study(NotingStore(tmp_path / "plan"))
    study.corpus = AnsweringStudy().corpus
    if values:
        study.corpus.table[column] = [values[k % 2] for k in range(len(study.corpus.table))]
    with pytest.raises(InputError, match=message):
        granularity.ask(
            resolve("granularity", {"preset": "smoke", "captions": 0, "identities": ["image", column]}), study
        )


def tables_of(seeds: int = 3, **shares: float) -> dict[str, pd.DataFrame]:
    """Tables of identities whose shares of right answers are known, with floors at a tenth."""
    found = items({named(name): share for name, share in shares.items()} | dict.fromkeys(FLOOR_ARMS, 0.1), seeds=seeds)
    return {
        "arms": summarize(found), "differences": differences(found, granularity.pairs("subgroup")),
        "floors": against_floors(found, map(named, shares)), "seeds": seed_means(found),
    }  # fmt: skip


@pytest.mark.parametrize(
    ("shares", "word"),
    [
        ((0.3, 0.5, 0.8), "reproduced"), ((0.8, 0.5, 0.3), "contradicted"), ((0.3, 0.8, 0.5), "partly"), ((0.5, 0.5, 0.5), "equivalent"),
        ((0.1, 0.5, 0.8), "not testable at this scale"),
    ],
)  # fmt: skip
def test_the_answer_follows_the_order_of_the_identities(shares, word):
    (answer,) = granularity.verdict(tables_of(**dict(zip(("image", "subgroup", "caption"), shares))))
    assert (answer.claim, answer.word) == ("C6", word)


def test_what_was_not_run_is_not_testable():
    for tables in (tables_of(image=0.3, caption=0.8), tables_of(seeds=2, image=0.3, subgroup=0.5, caption=0.8)):
        (answer,) = granularity.verdict(tables)
        assert answer.word == "not testable at this scale"


def test_pairs_that_decide_nothing_stand_beside():
    tables = tables_of(image=0.3, subgroup=0.5, caption=0.8, concept=0.7, group=0.4)
    found = tables["differences"].set_index("claim")["difference"]
    assert found["tones apart"] == pytest.approx(0.1) and found["coarser"] == pytest.approx(0.1)
    assert found["C6"].tolist() == pytest.approx([0.3, 0.2])


def test_the_larger_step_is_told_with_both_intervals_and_what_no_interval_tells():
    tables = tables_of(image=0.3, subgroup=0.5, caption=0.8)
    probe = tables["arms"]["probe"].iloc[0]
    said = granularity.larger_step(tables["differences"], probe, [probe])
    assert said.startswith(f"On {probe}, to captions 30.0 points [") and ", to classes 20.0 points [" in said
    assert "the step to captions gains more by both probes" in said and said.endswith("which is larger is not told.")


def test_steps_may_differ_by_probe_and_may_be_lacking():
    first, second = (
        tables_of(image=0.3, subgroup=share, caption=0.8)["differences"].assign(probe=probe)
        for probe, share in (("one-shot concept", 0.4), ("linear subgroup", 0.7))
    )
    both = pd.concat([first, second], ignore_index=True)
    said = granularity.larger_step(both, "one-shot concept", ["one-shot concept", "kNN", "linear subgroup"])
    assert "the step to captions gains more on the first, that to classes on the second" in said
    lacking = tables_of(image=0.3, caption=0.8)["differences"]
    assert granularity.larger_step(lacking, "one-shot concept", ["one-shot concept"]) == "Not both steps were run."
