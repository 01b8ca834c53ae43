"""Occupations as a run: the same call for every generator, here a tiny pipeline and a tiny CLIP model."""

from __future__ import annotations

import pytest

from stablerep.audits.bias_measures import COLUMNS
from stablerep.audits.people import BALANCE
from stablerep.errors import InputError
from stablerep.study.chapters import resolve
from stablerep.study.experiments.occupation_images import TABLES, occupations
from stablerep.study.experiments.study import Study
from stablerep.study.store.runs import RunStore
from tests.study.stand_ins import NotingStore


def parameters(clip: str, generator: str = "emoji"):
    return resolve("bias_generator", {"preset": "smoke", "occupations": 3, "clip_model": clip, "generator": generator})


@pytest.fixture
def allowed(monkeypatch, small_clip, tiny_pipeline):
    """The folders of a CLIP model and of a pipeline, which parameters may name."""
    monkeypatch.setenv("STABLEREP_PATHS", f"{small_clip[1]}:{tiny_pipeline}")
    return str(small_clip[1]), str(tiny_pipeline)


def test_any_pipeline_and_clip_model_in_a_folder_are_audited(tmp_path, emoji, allowed):
    clip, pipeline = allowed
    study = Study(RunStore(tmp_path / "runs"))
    study.corpus = emoji
    run = occupations(parameters(clip, pipeline), study)
    measures, shares = (run.table(name) for name in TABLES)
    assert (
        list(measures) == COLUMNS
        and set(measures["reference"]) == {BALANCE}
        and set(measures["attribute"]) == {"gender"}
    )
    assert set(measures["captions"]) == {3} and set(measures["images"]) == {6}
    assert set(shares["caption"]) == {"a photo of a nurse", "a photo of an engineer", "a photo of a teacher"}
    assert shares.groupby(["caption", "guidance_scale"])["share"].sum().tolist() == pytest.approx([1.0] * 6)


def test_generator_clip_model_and_captions_name_the_run(tmp_path, emoji, allowed):
    clip, pipeline = allowed
    study = Study(NotingStore(tmp_path))
    study.corpus = emoji
    one, other = parameters(clip), parameters(clip, pipeline)
    keys = {occupations(p, study).key for p in (one, other, one.model_copy(update={"occupations": 2}))}
    keys.add(occupations(one.model_copy(update={"clip_model": "owner/another"}), study).key)
    assert len(keys) == 4 and occupations(one, study).key in keys
    captions = {one.inputs["captions"] for one in study.store.noted if one.step == "synthesis"}
    assert len(captions) == 2


def test_a_folder_that_holds_no_clip_model_is_refused(tmp_path, emoji, allowed):
    study = Study(RunStore(tmp_path / "runs"))
    study.corpus = emoji
    with pytest.raises(InputError, match="clip_model tests could not be loaded"):
        occupations(parameters("tests"), study)
