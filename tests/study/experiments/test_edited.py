"""Edited generators as runs, which captions an edit changes, and what is measured of its images."""

from __future__ import annotations

import json
from types import SimpleNamespace

import pandas as pd
import pytest
import torch

from stablerep.audits.editing import Edit
from stablerep.audits.equal_galleries import judges_concepts
from stablerep.captioned_images import CaptionedImages
from stablerep.errors import InputError
from stablerep.generator import Sampling, load_generator
from stablerep.study.chapters import resolve
from stablerep.study.experiments import edited_images
from stablerep.study.experiments.edit_captions import (
    EDITED,
    LEFT_ALONE,
    OTHERS,
    PLAIN,
    SKEWED_EDITED,
    SKEWED_OTHERS,
    balance,
    erasure,
    named_alike,
)
from stablerep.study.experiments.edited import edited_generator, name_of
from stablerep.study.experiments.edited_images import Looked, items_of, look_at, measured
from stablerep.study.experiments.images import ImageSet
from stablerep.study.experiments.skewed import skewed_captions
from stablerep.study.experiments.sources import RUN
from stablerep.study.experiments.study import Study
from stablerep.study.store.runs import RunStore
from stablerep.training import random_backbone
from tests.study.stand_ins import NotingStore, plain_corpus

EDITS = [Edit("woman firefighter: dark skin tone", {"woman firefighter": 1.0})]
COUNTS = dict(edited=100, preserved=50, looked=8, plain=20)


@pytest.fixture
def study(tmp_path, emoji) -> Study:
    made = Study(NotingStore(tmp_path / "plan"))
    made.corpus = emoji
    return made


# The run of an edit


def test_an_edited_generator_is_a_run_that_opens_as_a_generator(tmp_path, tiny_pipeline):
    study = Study(RunStore(tmp_path / "runs"))
    name = edited_generator(study, str(tiny_pipeline), EDITS, ["owl"], preservation=1.0)
    run = study.store.find(name.removeprefix(RUN))
    assert name.startswith(f"{RUN}edited-") and study.generator_fingerprint(name) == run.key
    assert run.info["summary"]["edits"] == 1 and "add_embedding.proj" in run.info["summary"]["maps"]
    assert json.loads((run.folder / "edits.json").read_text()) == {EDITS[0].caption: {"woman firefighter": 1.0}}
    texts = "".join(path.read_text() for path in (run.folder / "pipeline").rglob("*.json"))
    assert str(tiny_pipeline) not in texts and str(tmp_path) not in texts
    made, start = study.generator(name), load_generator(str(tiny_pipeline), device="cpu")
    images = [one.sample([EDITS[0].caption], [(0, "x", 0)], Sampling(steps=2))[0] for one in (made, start)]
    assert not torch.equal(*images)
    assert edited_generator(study, str(tiny_pipeline), EDITS, ["owl"], preservation=1.0) == name
    again = edited_generator(study, name, EDITS, [], preservation=1.0)  # an edit of an edit
    assert study.store.find(again.removeprefix(RUN)).info["inputs"]["start"] == run.key


def test_start_edits_and_what_is_preserved_name_the_run(study):
    def key(start="emoji", edits=EDITS, preserved=("owl",), preservation=1.0):
        return edited_generator(study, start, edits, list(preserved), preservation=preservation)

    weaker = [Edit(EDITS[0].caption, {"woman firefighter": 0.5})]
    keys = {
        key(),
        key(edits=weaker),
        key(preserved=("cat",)),
        key(preservation=2.0),
        key(start=f"{RUN}generator-{16 * '0'}"),
    }
    assert len(keys) == 5 and key() in keys
    assert name_of([Edit("a", {"b": 1.0, "c": 2.0})], []) == name_of([Edit("a", {"c": 2.0, "b": 1.0})], [])


# Captions


def test_captions_of_half_of_the_concepts_lose_their_tone(study):
    lesson = erasure(study, **COUNTS)
    table = study.corpus.to_learn_from().table
    concept = dict(zip(table["caption"], table["concept"]))
    assert len(lesson.towards) == 100
    for caption, plain in lesson.towards.items():
        assert "skin tone" in caption and "skin tone" not in plain and concept[caption] == concept[plain]
    groups = lesson.looked.groups
    edited, others = ({concept[caption] for caption in groups[name]} for name in (EDITED, OTHERS))
    assert len(groups[EDITED]) == len(groups[OTHERS]) == 8 == len(edited) and not edited & others
    assert set(groups[EDITED]) <= set(lesson.towards) and not {concept[one] for one in lesson.towards} & others
    assert {one.caption for one in lesson.edits(0.5)} == set(lesson.towards)
    assert {weight for one in lesson.edits(0.5) for weight in one.towards.values()} == {0.5}


def test_captions_without_a_tone_are_some_preserved_and_some_not_and_the_judge_knows_none_of_them(study):
    lesson = erasure(study, **COUNTS | {"preserved": 10_000, "plain": 200})
    plain, kept = lesson.looked.groups[PLAIN], set(lesson.preserved)
    assert not any("skin tone" in caption for caption in [*plain, *kept]) and not kept & set(lesson.towards)
    assert 0.3 < sum(caption in kept for caption in plain) / len(plain) < 0.7
    known = judges_concepts(study.corpus.table)
    assert not known & {lesson.looked.concept[caption] for caption in plain}


def test_other_wordings_are_of_the_edited_captions(study):
    looked = erasure(study, **COUNTS).looked
    wordings = [name for name in looked.groups if name not in (EDITED, OTHERS, PLAIN)]
    assert len(wordings) == 2 and len(looked.captions) == len(set(looked.captions)) == 4 * 8 + 20
    for name in wordings:
        mine = [looked.concept[caption] for caption in looked.groups[name]]
        assert mine == [looked.concept[caption] for caption in looked.groups[EDITED]]
        assert not set(looked.groups[name]) & set(study.corpus.table["caption"])
    assert looked.group_of[looked.groups[PLAIN][0]] == PLAIN


def test_a_skew_is_balanced_for_half_of_its_roles(study):
    lesson = balance(study, seed=0, preserved=30, looked=6)
    changed, left = skewed_captions(study, 0)
    assert (
        set(lesson.towards) < set(changed)
        and lesson.towards.get("firefighter", "woman firefighter") == "woman firefighter"
    )
    assert all(
        "woman" in caption or "women" in caption or "girl" in caption or "princess" in caption
        for caption in lesson.towards.values()
    )
    groups = lesson.looked.groups
    assert list(groups) == [SKEWED_EDITED, SKEWED_OTHERS, LEFT_ALONE]
    concepts = [{lesson.looked.concept[caption] for caption in some} for some in groups.values()]
    assert not concepts[0] & concepts[1] and not concepts[1] & concepts[2]
    assert set(groups[LEFT_ALONE]) <= set(left) <= set(lesson.preserved) and len(lesson.preserved) == len(left) + 30
    assert not set(lesson.preserved) & set(lesson.towards)


def test_the_caption_that_names_a_gender_has_the_same_tone_and_direction(study):
    table = study.corpus.to_learn_from().table
    found = named_alike(table, ["firefighter", "firefighter: dark skin tone", "red heart"], "woman")
    assert found.get("firefighter") == "woman firefighter" and "red heart" not in found
    assert (
        found.get("firefighter: dark skin tone", "woman firefighter: dark skin tone")
        == "woman firefighter: dark skin tone"
    )


def test_a_corpus_without_tones_is_refused(tmp_path):
    study = Study(NotingStore(tmp_path))
    study.corpus = plain_corpus(designs=("ink", "chalk"))
    with pytest.raises(InputError, match="needs one whose captions name the skin tones of drawings"):
        erasure(study, **COUNTS)


# What is measured


LOOKED = Looked({"a group": ["dog face", "woman: dark skin tone"], "other": ["cat face"]}, {"dog face": "d", "woman: dark skin tone": "w", "cat face": "c"})  # fmt: skip


def painted(grey: int, each: int = 2) -> ImageSet:
    captions = LOOKED.captions
    ids = torch.arange(len(captions)).repeat_interleave(each)
    images = torch.full((len(ids), 3, 32, 32), grey, dtype=torch.uint8)
    return ImageSet(f"grey{grey}", lambda: CaptionedImages(images, ids, captions, f"grey{grey}"))


@pytest.mark.slow
def test_every_image_is_read_judged_and_compared_with_its_counterpart(study, tmp_path, monkeypatch):
    encoder = study.encoder_recipe(resolve("bias_representation", {"preset": "smoke"}))
    monkeypatch.setattr(study, "backbone", lambda *given: random_backbone(encoder, 0))
    drawings = {
        ("before", 0): painted(100),
        ("after", 0): painted(103),
        ("before", 1): painted(50),
        ("after", 1): painted(50),
    }
    judges = {seed: SimpleNamespace(key=f"judge-{seed}") for seed in (0, 1)}
    look_at(study, drawings, judges, LOOKED, "tone", tmp_path)
    tables = {name: pd.read_parquet(tmp_path / f"{name}.parquet") for name in edited_images.TABLES}
    readings = tables["readings"]
    assert len(readings) == 4 * 6 and readings.groupby(["place", "seed", "caption"])["image"].max().eq(1).all()
    assert set(readings["group"]) == {"a group", "other"} and readings["read"].notna().all()
    changes = tables["changes"].groupby(["place", "seed"])["change"].mean().to_dict()
    assert changes == pytest.approx({("before", 0): 0, ("after", 0): 3, ("before", 1): 0, ("after", 1): 0})
    assert set(tables["grid"]["seed"]) == {0} and set(tables["grid"]["place"]) == {"before", "after"}
    assert tables["reader"]["accuracy"].between(0.5, 1).all()
    assert set(tables["concepts"]) == {"concept", "value", "place", "group", "seed"}
    items = items_of(SimpleNamespace(table=lambda name: tables[name]), {"named": ("dark", "light")})
    assert {"named, a group", "named, other"} <= set(items["probe"]) and set(items["arm"]) == {"before", "after"}


def test_places_seeds_judges_and_captions_name_the_run(study):
    def key(places=("before", "after"), seeds=(0,), looked=LOOKED, judge="judge", attribute="tone"):
        drawings = {(place, seed): painted(k) for seed in seeds for k, place in enumerate(places)}
        judges = {seed: SimpleNamespace(key=judge) for seed in seeds}
        return measured(study, drawings, judges, looked, attribute, 2).key

    other = Looked(LOOKED.groups | {"other": ["cat"]}, LOOKED.concept | {"cat": "c"})
    keys = {key(), key(("before", "later")), key(seeds=(0, 1)), key(looked=other), key(judge="other"), key(attribute="gender")}  # fmt: skip
    assert len(keys) == 6
