"""Retrieved images under names of their own: named before anything is looked for, and the same in every arm."""

from __future__ import annotations

import json
from types import SimpleNamespace

import pytest
import torch

from stablerep.retrieving import by_words, upstream_of
from stablerep.study.chapters import resolve
from stablerep.study.experiments import retrieved
from stablerep.study.experiments.arms import Arm
from stablerep.study.experiments.images import ImageSet
from stablerep.study.experiments.retrieved import (
    BY_LIKENESS,
    BY_WORDS,
    OWN_LEFT_OUT,
    RETRIEVING,
    WAYS,
    Retriever,
    learned_from,
)
from stablerep.study.experiments.study import Study
from stablerep.study.store.runs import RunStore
from tests.study.stand_ins import NotingStore

HOW = SimpleNamespace(generator="stub", sampling_steps=4, sampler="dpm++", guidance_interval=[])


@pytest.fixture(autouse=True)
def nothing_kept(monkeypatch):
    monkeypatch.setattr(retrieved, "_RETRIEVED", {})


@pytest.fixture
def study(tmp_path, emoji):
    made = Study(RunStore(tmp_path / "runs"))
    some = emoji.to_learn_from().table["caption"].unique()[::40]  # few images to look through
    made.corpus = emoji.where(emoji.table["caption"].isin(some))
    return made


def retriever_of(study, captions: int = 4, *, count: int = 3, w: float = 2.0) -> Retriever:
    some = study.captions(captions)
    return Retriever(study, some, study.synthetic_images(some, HOW, w, images_per_caption=count, seed=0), count)


def never():
    raise AssertionError("nothing may be read here")


def test_names_are_known_before_anything_is_looked_for(study, stub):
    unread = ImageSet("synthesis-0123456789abcdef", never)
    captions, other = study.captions(4), study.captions(5)
    some = [
        Retriever(study, captions, unread, 3),
        Retriever(study, other, unread, 3),
        Retriever(study, captions, unread, 2),
    ]
    names = [{way: one.images(way).name for way in WAYS} for one in some]
    assert (
        len({name for one in names for name in one.values()}) == 8
    )  # of likeness, the set of synthetic images says how many
    assert names[0][BY_LIKENESS].startswith(unread.name) and names[0][BY_LIKENESS] == names[2][BY_LIKENESS]
    again = Retriever(study, captions, ImageSet("synthesis-fedcba9876543210", never), 3)
    assert [again.images(way).name == names[0][way] for way in WAYS] == [True, True, False]
    assert {one.images(way).code for one in some for way in WAYS} == {(RETRIEVING,)}
    study.size = 16
    assert not {some[0].images(way).name for way in WAYS} & set(names[0].values())


def test_a_run_that_learns_from_retrieved_images_depends_on_what_retrieves_them(tmp_path, study, stub):
    study.store = NotingStore(tmp_path / "plan")
    retriever, p = retriever_of(study), resolve("retrieval", {"preset": "smoke", "generator": "stub"})
    study.evaluated_on(retriever.images(BY_LIKENESS), Arm("a", "stablerep", "real"), retriever.captions, p, 0)
    (run,) = (one for one in study.store.noted if one.step == "pretraining")
    assert run.parameters["images_by"] == [RETRIEVING] and retriever.synthetic.name in run.inputs["images"]


def test_there_are_as_many_images_as_synthetic_ones_under_the_same_captions(study, stub):
    retriever = retriever_of(study)
    synthetic = retriever.synthetic.load()
    for way in WAYS:
        images = retriever.images(way).load()
        assert list(images.captions) == list(synthetic.captions) and images.images.shape == synthetic.images.shape
        assert torch.equal(images.caption_ids, synthetic.caption_ids)  # so that batches and scenes are the same
        assert images.fingerprint == retriever.images(way).name
    assert list(retrieved._RETRIEVED) == [retriever.images(way).name for way in WAYS]


def test_each_way_retrieves_what_it_is_called(study, stub):
    retriever = retriever_of(study)
    upstream = upstream_of(study.corpus, study.size)
    texts = retriever.captions.texts
    assert torch.equal(retriever.retrieved(BY_WORDS).places, by_words(texts, upstream, 3).places)
    assert torch.equal(retriever.retrieved(OWN_LEFT_OUT).places, by_words(texts, upstream, 3, own=False).places)
    learned = set(study.corpus.to_learn_from().table["id"])
    for way in WAYS:
        found = retriever.retrieved(way)
        assert set(found.upstream.table["id"].iloc[found.places.numpy()]) <= learned
        assert retriever.retrieved(way) is found  # kept
    other = retriever_of(study, w=3.0)
    assert not torch.equal(other.retrieved(BY_LIKENESS).places, retriever.retrieved(BY_LIKENESS).places)


def test_where_captions_repeat_words_find_images_of_the_class(photographs, stub):
    retriever = retriever_of(photographs, 0)
    found = retriever.retrieved(BY_WORDS)
    assert len(retriever.captions) == 12 and all(
        found.captions_for(one) == [one] * 3 for one in retriever.captions.texts
    )
    assert retriever.retrieved(BY_LIKENESS).images(32, "f00d").images.shape == (36, 3, 32, 32)


def test_a_generator_says_what_it_learned_from(tmp_path, emoji):
    assert learned_from("emoji") == emoji.to_learn_from().fingerprint
    assert learned_from("owner/name") == learned_from(str(tmp_path)) == ""
    (tmp_path / "training").mkdir()
    record = tmp_path / "training" / "training.json"
    for about, said in (
        ({"learned_from": "c0ffee", "start": None}, "c0ffee"),
        ({"learned_from": "c0ffee", "start": "5eed"}, ""),
        ({}, ""),
    ):
        record.write_text(json.dumps(about))
        assert learned_from(str(tmp_path)) == said  # after a start, it learned from more than its record tells
