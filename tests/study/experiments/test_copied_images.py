"""Images before the detectors of copies: which sets are scored, what is planted, and that planted copies are found in the embedded corpus."""

from __future__ import annotations

from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest

from stablerep.audits.areas import areas
from stablerep.audits.copies import DETECTORS, EMBEDDING, PIXELS
from stablerep.audits.unseen import COMBINATIONS, UNSEEN
from stablerep.corpus.emoji import HELD_OUT
from stablerep.errors import InputError
from stablerep.probes.suite import _one_of_each
from stablerep.study.chapters import resolve
from stablerep.study.experiments.copied_images import NEW, PLANTED, TEST_DRAWINGS, score_images, sets_of, standing
from stablerep.study.experiments.copying_generators import CopyingGenerators, score_duplicates, score_sizes, times_shown
from stablerep.study.experiments.study import Study
from stablerep.study.store.runs import RunStore
from stablerep.training import random_backbone
from tests.study.stand_ins import plain_corpus

KINDS = ("food-fruit", "animal-mammal", "person-fantasy")


@pytest.fixture
def audit(tmp_path, emoji, stub, monkeypatch) -> CopyingGenerators:
    """A part of the emoji, a generator of noise, and an encoder of random weights."""
    p = resolve("copies", {
        "preset": "smoke", "generator": "stub", "captions": 24, "multiplicities": [1, 5], "duplicated": 5, "set_sizes": [4, 6], "set_steps": [3],
        "images_per_duplicate": 2, "planted": 30,
    })  # fmt: skip
    study = Study(RunStore(tmp_path / "runs"), p)
    study.corpus = emoji.where(emoji.table["subgroup"].isin(KINDS))
    monkeypatch.setattr(study, "backbone", lambda *given: random_backbone(study.encoder_recipe(p), 0))
    return CopyingGenerators(p, study)


EMBEDDED = SimpleNamespace(key="embedding")


def test_every_set_is_scored_by_every_detector(audit, tmp_path):
    score_images(audit, EMBEDDED, 0, tmp_path)
    scores, pictures = (pd.read_parquet(tmp_path / f"{name}.parquet") for name in ("scores", "pictures"))
    made = {"generated, w = 1", "generated, w = 2", NEW}
    assert set(scores["set"]) == {*made, UNSEEN, COMBINATIONS, *PLANTED, TEST_DRAWINGS}
    assert np.isfinite(scores[list(DETECTORS)].to_numpy()).all()
    counts = scores["set"].value_counts()
    assert (
        counts["generated, w = 2"] == 24 and counts[NEW] == counts[COMBINATIONS] and set(counts[list(PLANTED)]) == {30}
    )
    table = scores.set_index("set")
    assert set(table.loc[NEW, "id"]) == set(table.loc[COMBINATIONS, "id"])
    assert set(table.loc[UNSEEN, "design"]) == {HELD_OUT} and set(table.loc["generated, w = 2", "design"]) == {""}
    assert table.loc[COMBINATIONS, "toned"].all() and table["concept"].notna().all()
    assert pictures["caption"].nunique() <= 8 and len(pictures) == 3 * pictures["caption"].nunique()


def test_planted_copies_are_found_among_real_drawings_and_their_source_is_the_nearest(audit, tmp_path):
    score_images(audit, EMBEDDED, 0, tmp_path)
    scores = pd.read_parquet(tmp_path / "scores.parquet").assign(seed=0)
    mild = [name for name in PLANTED if not name.endswith("autoencoder")]  # of the stub, a negative
    found = areas(scores, mild, [UNSEEN]).set_index(["copies", "detector"])
    assert found.loc[("all", PIXELS), "low"] > 0.9 and found.loc[("all", EMBEDDING), "area"] > 0.8
    noisy, learned = scores[scores["set"] == PLANTED[0]], audit.drawings.learned.table
    assert (learned["id"].iloc[noisy["nearest"]].to_numpy() == noisy["id"].to_numpy()).all()


def test_without_copies_no_detector_tells_two_halves_apart(audit, tmp_path):
    """Real drawings of the unseen design against others of it: one half within the interval, or near it for one of four detectors."""
    score_images(audit, EMBEDDED, 0, tmp_path)
    scores = pd.read_parquet(tmp_path / "scores.parquet").assign(seed=0)
    unseen = scores[scores["set"] == UNSEEN]
    first = pd.Series(sorted(set(unseen["concept"]))).sample(frac=0.5, random_state=0)
    halves = pd.concat([unseen.assign(set=np.where(unseen["concept"].isin(first), "half", UNSEEN))])
    found = areas(halves, ["half"], [UNSEEN])
    assert ((found["low"] <= 0.5) & (found["high"] >= 0.5)).mean() >= 0.75


def test_what_stands_for_a_concept_is_what_probes_look_at(audit):
    corpus = audit.study.corpus
    expected = _one_of_each(
        corpus.where((corpus.table["split"] == "test") & corpus.table["design"].isin(audit.p.probe_designs))
    )
    assert set(standing(audit).table["id"]) == set(expected.table["id"]) and len(expected)


def test_planted_duplicates_are_of_other_concepts_for_each_number_of_times(audit):
    times = audit.planted()
    concepts = audit.drawings.unseen.table.set_index("caption")["concept"]
    assert pd.Series(times).value_counts().to_dict() == {0: 5, 1: 5, 5: 5}
    assert len({concepts[one] for one in times}) == len(times) == 15
    images = audit.with_duplicates()
    data, learned = images.load(), audit.learned_images.load()
    assert len(data.images) == len(learned.images) + 5 * 1 + 5 * 5 and images.name != audit.learned_images.name
    shown = times_shown(audit, times)
    assert all((shown[one] > 0) == (times[one] > 0) for one in times)


def test_planted_duplicates_that_come_back_are_found(audit, tmp_path, monkeypatch):
    """A generator that gives back planted drawings, and noise for others."""
    import torch

    from stablerep.captioned_images import CaptionedImages

    times = audit.planted()
    part = audit.drawings.unseen.where(audit.drawings.unseen.table["caption"].isin(list(times)))
    data = CaptionedImages.from_corpus(part, 32)
    noise = torch.from_numpy(np.random.default_rng(0).integers(0, 256, data.images.shape, np.uint8))
    known = torch.tensor([times[data.captions[place]] > 0 for place in data.caption_ids.tolist()])
    images = torch.where(known[:, None, None, None], data.images, noise)
    made = SimpleNamespace(load=lambda: CaptionedImages(images, data.caption_ids, data.captions, "made"))
    score_duplicates(audit, EMBEDDED, made, times, tmp_path)
    found = pd.read_parquet(tmp_path / "results.parquet")
    assert len(found) == 15 and found[["times", "caption", "concept"]].notna().all(axis=None)
    back = found["times"] > 0
    for name in DETECTORS:
        assert found.loc[back, name].min() > found.loc[~back, name].max(), name
    assert (found.loc[back, PIXELS] == 0).all()


def test_small_sets_are_nested_and_scored_among_their_own_drawings(audit, tmp_path):
    sizes = {}
    for count in (4, 6):
        captions, lesson = audit.small_set(count)
        assert {audit.study.clusters[one] for one in captions.texts} == set(audit.some_concepts(count))
        assert set(lesson.load().captions) == set(captions.texts)
        sizes |= {(count, 0): lesson}
    assert audit.some_concepts(6)[:4] == audit.some_concepts(4)
    score_sizes(audit, EMBEDDED, sizes, 0, tmp_path)
    scores, distances = (pd.read_parquet(tmp_path / f"{name}.parquet") for name in ("scores", "kid"))
    assert (scores[PIXELS] == 0).all() and distances["set_size"].tolist() == [4, 6]  # the drawings themselves
    assert distances["value"].notna().all()


def test_too_many_are_refused(audit):
    small = audit.p.model_copy(update={"duplicated": 1000})
    with pytest.raises(
        InputError,
        match=r"duplicated is 1000 for each of 3 numbers of times; the unseen design draws \d+ training concepts",
    ):
        CopyingGenerators(small, audit.study).planted()
    with pytest.raises(InputError, match=r"set_sizes has 5000; there are \d+ training concepts"):
        audit.some_concepts(5000)
    other = Study(audit.study.store, audit.p)
    other.corpus = plain_corpus(4, 2)
    with pytest.raises(InputError, match="has no design twemoji"):
        sets_of(CopyingGenerators(audit.p, other), 0)
