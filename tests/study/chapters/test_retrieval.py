"""Retrieval: what each arm learns from, its names and pairs, what is told of retrieved images, and the answer to C14 by hand."""

from __future__ import annotations

import io

import numpy as np
import pandas as pd
import pytest
from PIL import Image

from stablerep import figures
from stablerep.statistics.arms import differences, seed_means, summarize
from stablerep.study.chapters import compare, resolve, retrieval
from stablerep.study.chapters.retrieval import OWN_ALONE, PAIRS, SYNTHETIC, named
from stablerep.study.experiments import retrieved
from stablerep.study.experiments.arms import FLOOR_ARMS
from stablerep.study.experiments.floors import against_floors
from stablerep.study.experiments.retrieved import BY_LIKENESS, BY_WORDS, OWN_LEFT_OUT, WAYS
from stablerep.study.experiments.study import Study
from stablerep.study.parameters.errors import ParameterError
from stablerep.study.store.runs import RunStore
from tests.study.stand_ins import AnsweringStudy, NotingStore, items

EVERY = {"preset": "smoke", "methods": list(SYNTHETIC), "retrieved": list(WAYS)}
WORDS_ARM, SYNTHETIC_ARM = "StableRep retrieved by words", "StableRep synthetic"


@pytest.fixture(autouse=True)
def nothing_kept(monkeypatch):
    monkeypatch.setattr(retrieved, "_RETRIEVED", {})


def asked(tmp_path, **given):
    study = Study(NotingStore(tmp_path / "plan"))
    study.corpus = AnsweringStudy().corpus
    some = EVERY | {"captions": 0, "images_per_caption": 4, "positives": 4, "views_per_step": 64}
    p = resolve("retrieval", some | given)
    return p, retrieval.ask(p, study), study.store.noted


def test_only_the_images_differ(tmp_path):
    p, found, noted = asked(tmp_path, seeds=2)
    per_seed = [name for method in p.methods for name in (SYNTHETIC[method], *(named(method, way) for way in WAYS))]
    assert [(one.arm, one.seed) for one in found.evaluated] == [
        (name, seed) for seed in (0, 1) for name in (*per_seed, OWN_ALONE, *FLOOR_ARMS)
    ]
    trained = [one for one in noted if one.step == "pretraining" and one.parameters["seed"] == 0]
    assert len(trained) == len(per_seed) + 1  # the last has all real images of a caption and no other
    for method, arms in (("stablerep", trained[:4]), ("simclr", trained[4:-1])):
        synthetic, *others = arms
        assert all(one.parameters == synthetic.parameters | {"images_by": ["stablerep.retrieving"]} for one in others)
        assert synthetic.parameters["method"] == method and len({one.inputs["images"] for one in arms}) == 4
    assert [one.inputs["images"] for one in trained[1:4]] == [one.inputs["images"] for one in trained[5:-1]]
    made = [one for one in noted if one.step == "synthesis"]
    assert {one.parameters["guidance_scale"] for one in made} == {p.guidance_scale, p.simclr_guidance_scale}
    assert {one.parameters["images_per_caption"] for one in made} == {4}


def test_synthetic_arms_are_those_of_the_comparison(tmp_path):
    _, found, _ = asked(tmp_path)
    study = Study(NotingStore(tmp_path / "plan"))
    study.corpus = AnsweringStudy().corpus
    q = resolve("compare", {
        "preset": "smoke", "captions": 0, "images_per_caption": 4, "positives": 4, "views_per_step": 64,
        "arms": [*FLOOR_ARMS, *SYNTHETIC.values(), OWN_ALONE],
    })  # fmt: skip
    theirs = {one.evaluation.key for one in compare.ask(q, study).evaluated}
    assert theirs <= {one.evaluation.key for one in found.evaluated} and len(theirs) == 6


def test_a_laptop_trains_two_encoders_that_the_comparison_has_not():
    p = resolve("retrieval", {})
    assert len(p.methods) * len(p.retrieved) == 2
    assert {SYNTHETIC[p.methods[0]], OWN_ALONE} <= set(resolve("compare", {}).arms)


@pytest.mark.parametrize("preset", ["reference", "workstation", "paper"])
def test_no_more_images_are_retrieved_than_a_caption_has(preset, emoji):
    """With more of them most would be of other captions, and positives all the same."""
    p = resolve("retrieval", {"preset": preset, "corpus": "emoji"})
    assert p.positives <= p.images_per_caption <= emoji.to_learn_from().table["caption"].value_counts().max()


def test_simclr_alone_needs_no_arm_of_stablerep(tmp_path):
    _, found, _ = asked(tmp_path, methods=["simclr"])
    assert OWN_ALONE not in {one.arm for one in found.evaluated}


@pytest.mark.parametrize("name", ["methods", "retrieved"])
def test_parameters_that_are_none_are_refused(name):
    for value in ([], ["moco"]):
        with pytest.raises(ParameterError, match=name):
            resolve("retrieval", {name: value})


def test_photographs_have_as_many_images_of_a_caption_in_every_arm(photographs, stub):
    """Where a class has one caption, leaving out its own images gives those of other classes, and the numbers say so."""
    photographs.store = NotingStore(photographs.store.root)
    p = resolve("retrieval", EVERY | {"generator": "stub", "captions": 0, "images_per_caption": 3})
    assert {one.captions for one in retrieval.ask(p, photographs).evaluated} == {12}
    simclr = [
        one.inputs["images"] for one in photographs.store.noted
        if one.step == "pretraining" and one.parameters["method"] == "simclr"
    ]  # fmt: skip
    assert len(simclr) == 4 and all(name.endswith("-alone") for name in simclr)
    photographs.store = RunStore(photographs.store.root)
    captions = photographs.captions(0)
    synthetic = photographs.synthetic_images(captions, p, 2.0, images_per_caption=3, seed=0)
    retriever = retrieved.Retriever(photographs, captions, synthetic, 3)
    told = [retriever.retrieved(way).described(photographs.clusters) for way in (BY_WORDS, OWN_LEFT_OUT)]
    assert [(one["images"], one["caption"], one["other"]) for one in told] == [(36, 1, 0), (36, 0, 1)]


# What was retrieved


class Answering(AnsweringStudy):
    """Synthetic images and retrieval are computed; encoders answer without training."""

    def __init__(self, tmp_path) -> None:
        super().__init__(16)
        self.store = RunStore(tmp_path / "runs")

    def evaluated_on(self, images, which, captions, p, seed, *, label=None):
        assert len(images.load().images) == p.images_per_caption * len(captions)
        return self.evaluated(which, captions, p, seed)


def test_a_run_tells_what_was_retrieved_and_shows_some(tmp_path, stub):
    study = Answering(tmp_path)
    p = resolve("retrieval", EVERY | {"generator": "stub", "captions": 12, "images_per_caption": 3, "seeds": 2})
    tables = retrieval.compute(p, retrieval.ask(p, study))
    assert set(tables) == {"arms", "differences", "floors", "seeds", "retrieved", "strip", "upstream"}
    (upstream,) = tables["upstream"].itertuples(index=False)
    assert (upstream.learned_from, upstream.retrieved_from) == ("", study.corpus.to_learn_from().fingerprint)
    assert "no record says" in retrieval.verdict(tables)[0].why  # the generator is a stub
    assert len(tables["differences"]) == len(PAIRS) and set(tables["floors"]["first"]) == {
        name for pair in PAIRS for name in (pair.first, pair.second)
    }
    told = tables["retrieved"].set_index("way")
    assert list(told.index) == list(WAYS.values()) and set(told["images"]) == {36}
    assert set(told["upstream"]) == {32} and set(told["removed"]) == {0}  # 16 captions in two designs
    assert told["caption"].tolist()[:2] == pytest.approx([2 / 3, 0.0])  # two of three images are the caption's own
    assert told[["caption", "concept", "other"]].sum(axis=1).tolist() == pytest.approx([1.0] * 3)
    strip = tables["strip"]
    assert list(dict.fromkeys(strip["kind"])) == ["real images", "synthetic images", *WAYS.values()]
    assert strip["caption"].nunique() == 3 and strip["index"].max() == 2
    mine = strip[strip["kind"] == "by words"].sort_values(["caption", "index"])
    assert (mine["shows"] == mine["caption"]).tolist() == [True, True, False] * 3
    place = study.corpus.table.drop_duplicates("caption").set_index("caption")["number"]
    greys = [np.asarray(Image.open(io.BytesIO(png)))[0, 0, 0] for png in mine["png"]]
    assert all(
        grey - place[shows] in (0, 1) for grey, shows in zip(greys, mine["shows"])
    )  # the image is of what it is said to show
    label = figures.retrieved(strip).get_label()
    assert label.startswith(
        "3 captions with real images, synthetic images, by words, by words, own left out, by likeness."
    )


def test_images_that_are_asked_about_are_removed_and_counted(tmp_path, stub):
    study = Answering(tmp_path)
    same = (study.corpus.table["split"] == "test").to_numpy()
    study.corpus.table.loc[same, "number"] = np.arange(same.sum()) // 4  # the pixels of eight training images
    p = resolve("retrieval", EVERY | {"generator": "stub", "captions": 12, "retrieved": [BY_WORDS]})
    told = retrieval.ask(p, study).retrieval.table().iloc[0]
    assert (told["upstream"], told["removed"]) == (24, 8)
    assert told["caption"] < 1  # the captions of removed images have none of their own left


# The answer


def tables_of(shares: dict[str, float], seeds: int = 3, floor: float = 0.1) -> dict[str, pd.DataFrame]:
    """Tables of arms whose shares of right answers are known."""
    found = items(shares | dict.fromkeys(FLOOR_ARMS, floor), seeds=seeds)
    return {
        "arms": summarize(found), "differences": differences(found, PAIRS), "floors": against_floors(found, shares), "seeds": seed_means(found),
        "retrieved": pd.DataFrame({"way": [WAYS[BY_LIKENESS], WAYS[BY_WORDS]], "caption": [0.2, 0.861]}),
        "upstream": pd.DataFrame({"learned_from": ["c0ffee"], "retrieved_from": ["c0ffee"]}),
    }  # fmt: skip


@pytest.mark.parametrize(
    ("words", "synthetic", "word"),
    [
        (0.8, 0.5, "reproduced"), (0.5, 0.5, "reproduced"), (0.5, 0.8, "contradicted"), (0.475, 0.5, "undecided"),
        (0.1, 0.5, "not testable at this scale"), (0.8, 0.1, "not testable at this scale"),
    ],
)  # fmt: skip
def test_the_answer_follows_the_arm_by_words(words, synthetic, word):
    tables = tables_of({WORDS_ARM: words, SYNTHETIC_ARM: synthetic})
    (answer,) = retrieval.verdict(tables)
    assert (answer.claim, answer.word) == ("C14", word)
    assert "above minus one point" in answer.rule
    assert answer.lines == ["Of the images retrieved by words, 86.1 % are the caption's own."]


@pytest.mark.parametrize("record", ["", "5eed"])
def test_nothing_is_said_of_a_generator_that_learned_from_something_else(record):
    tables = tables_of({WORDS_ARM: 0.8, SYNTHETIC_ARM: 0.5})
    assert retrieval.verdict(tables)[0].word == "reproduced"
    tables["upstream"]["learned_from"] = record
    (answer,) = retrieval.verdict(tables)
    assert answer.word == "not testable at this scale"
    assert answer.why == "no record says that the generator learned from the images among which this chapter retrieves"
    assert not answer.effects and answer.p != answer.p


def test_other_arms_are_secondary():
    fixed = {WORDS_ARM: 0.8, SYNTHETIC_ARM: 0.5, SYNTHETIC["simclr"]: 0.5}
    others = list(dict.fromkeys(pair.first for pair in PAIRS if pair.first not in fixed))
    for share in (0.2, 0.9):
        tables = tables_of(fixed | dict.fromkeys(others, share))
        (answer,) = retrieval.verdict(tables)
        assert answer.word == "reproduced" and len(answer.effects) == 1
        beside = tables["differences"].query("claim not in ('C14', 'own images', 'two ways')")
        assert len(beside) == len(others) and beside["difference"].tolist() == pytest.approx(
            [share - 0.5] * len(others)
        )


def test_what_was_not_run_is_not_testable():
    others = {SYNTHETIC_ARM: 0.5, named("stablerep", OWN_LEFT_OUT): 0.8, named("stablerep", BY_LIKENESS): 0.8}
    for tables in (tables_of(others), tables_of({WORDS_ARM: 0.8, SYNTHETIC_ARM: 0.5}, seeds=2)):
        (answer,) = retrieval.verdict(tables)
        assert answer.word == "not testable at this scale"


def test_pairs_are_of_arms_that_the_chapter_runs():
    names = {name for method in SYNTHETIC for name in (SYNTHETIC[method], *(named(method, way) for way in WAYS))}
    assert {name for pair in PAIRS for name in (pair.first, pair.second)} == {*names, OWN_ALONE}
    assert [(pair.first, pair.second) for pair in PAIRS if pair.at_least] == [(WORDS_ARM, SYNTHETIC_ARM)]


def test_what_the_word_does_not_say_is_told():
    left_out = named("stablerep", OWN_LEFT_OUT)
    (answer,) = retrieval.verdict(tables_of({WORDS_ARM: 0.3, SYNTHETIC_ARM: 0.5, left_out: 0.8}, seeds=1))
    assert answer.word == "not testable at this scale"
    assert answer.but.startswith(f"In these numbers, against the claim, {WORDS_ARM} lies 20.0 points [")
    assert f"With the captions' own images left out, {left_out} lies 30.0 points [" in answer.but
    (answer,) = retrieval.verdict(tables_of({WORDS_ARM: 0.8, SYNTHETIC_ARM: 0.5}))
    assert answer.word == "reproduced" and answer.but == ""


def test_ways_that_a_run_lacks_are_named():
    assert retrieval.ways_run(pd.DataFrame({"way": list(WAYS.values())})) == ""
    assert (
        retrieval.ways_run(pd.DataFrame({"way": ["by words"]}))
        == "This run leaves out a way to retrieve: by words, own left out; by likeness."
    )
