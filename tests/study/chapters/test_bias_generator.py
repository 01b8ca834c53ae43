"""Bias of the generator: which people are looked at, which images are asked for, and the tables with and without a planted skew."""

from __future__ import annotations

from types import SimpleNamespace

import pandas as pd
import pytest
import torch

from stablerep.audits.amplification import MATCHED
from stablerep.audits.people import BALANCE, KNOWN_CLASSES, OF_CAPTION, OF_CONCEPT, neutral_captions
from stablerep.captioned_images import CaptionedImages
from stablerep.errors import InputError
from stablerep.study.chapters import bias_generator, resolve
from stablerep.study.experiments.images import ImageSet, Named
from stablerep.study.experiments.people_images import people_in
from stablerep.study.experiments.study import Study
from stablerep.study.parameters.errors import ParameterError
from stablerep.study.parameters.presets import PRESETS
from stablerep.study.store.runs import RunStore
from tests.study.stand_ins import NotingStore, plain_corpus


@pytest.fixture
def study(tmp_path, emoji) -> Study:
    made = Study(NotingStore(tmp_path))
    made.corpus = emoji
    return made


def test_a_corpus_that_knows_nobody_is_refused_before_anything_is_asked(tmp_path):
    study = Study(NotingStore(tmp_path))
    study.corpus = plain_corpus()
    with pytest.raises(InputError, match="declares no attributes of people"):
        bias_generator.ask(resolve("bias_generator", {"preset": "smoke"}), study)
    assert study.store.noted == []


def test_neutral_images_are_asked_for_at_every_scale_by_their_texts(study):
    p = resolve("bias_generator", {"preset": "smoke", "planted_shares": []})
    asked_for = bias_generator.ask(p, study)
    drawn = [
        one for one in study.store.noted if one.step == "synthesis" and one.parameters["captions"] == p.neutral_captions
    ]
    assert [one.parameters["guidance_scale"] for one in drawn] == p.guidance_scales
    assert len({one.inputs["captions"] for one in drawn}) == 1
    assert {one.parameters["images_per_caption"] for one in drawn} == {p.images_per_neutral_caption}
    assert [one.step for one in study.store.noted].count("reading") == 1
    assert asked_for.planted is asked_for.heads is None
    assert set(asked_for.learned) == {"caption", "cluster", "tone", "gender"} and not set(asked_for.learned["tone"]) & {
        "mixed"
    }


def test_no_preset_asks_for_more_neutral_captions_than_there_are(study):
    table = people_in(study.corpus).to_learn_from().table
    asked = {
        preset: resolve("bias_generator", {"preset": preset, "corpus": "emoji"}).neutral_captions for preset in PRESETS
    }
    for count in asked.values():
        assert len(neutral_captions(table, count)) == count
    assert asked["reference"] == asked["workstation"] == 41
    with pytest.raises(
        InputError, match="neutral_captions is 48; 41 captions of people to learn from name no attribute"
    ):
        bias_generator.ask(resolve("bias_generator", {"neutral_captions": 48}), study)
    assert study.store.noted == []


def test_what_is_read_are_drawings_that_may_be_learned_from(tmp_path, emoji, monkeypatch):
    """Neither scenes nor the held-out design, in the size of the study; how well held-out concepts are read is asked of validation concepts."""
    p = resolve("bias_generator", {"preset": "smoke", "guidance_scales": [1.0]})
    study = Study(RunStore(tmp_path), p)
    study.corpus = emoji.where(emoji.table["subgroup"] == "person-role")
    people = people_in(study.corpus)
    neutral = Named(neutral_captions(people.to_learn_from().table, 4))
    images = torch.full((4, 3, 64, 64), 120, dtype=torch.uint8)
    drawings = CaptionedImages(images, torch.arange(4), neutral.texts, "made")
    monkeypatch.setattr(bias_generator, "made", lambda *given: ImageSet("made", lambda: drawings))
    given = []
    monkeypatch.setattr("stablerep.audits.people.read_people", lambda *all, **how: given.append(all) or {})
    assert bias_generator.read(p, study, people, neutral, tmp_path) == {"captions": 4}
    ((known, held_out, generated, captions, attributes),) = given
    assert torch.equal(known[0], people.to_learn_from().images(32))
    assert set(known[1]["split"]) == {"train"} and set(held_out[1]["split"]) == {"validation"}
    for _, table in (known, held_out):
        assert not table["held_out"].any() and "twemoji" not in set(table["design"])
        assert (table["cluster"] == table["concept"]).all()
    assert generated[1.0][0].shape == (4, 3, 32, 32) and (generated[1.0][0] == 120).all()
    assert captions == neutral.texts and attributes == ("tone", "gender")


def test_a_planted_skew_trains_a_generator_for_each_share_and_seed(study):
    p = resolve("bias_generator", {"preset": "smoke", "planted_shares": [0.5, 0.9], "planted_seeds": 2})
    asked = bias_generator.ask(p, study)
    steps = [one.step for one in study.store.noted]
    keys = {str(one.inputs) + str(one.parameters) for one in study.store.noted if one.step == "generator"}
    assert len(keys) == 4 and steps.count("planted-bias") == steps.count("planted-heads") == 1
    assert asked.planted.key.startswith("planted-bias-") and asked.heads.key.startswith("planted-heads-")
    assert bias_generator.left_out(p, study) == ""


def test_a_generator_that_cannot_be_trained_further_is_audited_without_a_planted_skew(study, monkeypatch):
    def refuse(name):
        raise InputError(f"generator is {name!r}; to be trained further it must be another.")

    monkeypatch.setattr(study, "need_trainable", refuse)
    p = resolve("bias_generator", {"preset": "smoke", "planted_shares": [0.9]})
    asked = bias_generator.ask(p, study)
    assert asked.planted is None and "generator" not in [one.step for one in study.store.noted]
    said = bias_generator.left_out(p, study)
    assert said == "No skew was planted: generator is 'emoji'; to be trained further it must be another."
    assert bias_generator.left_out(p.model_copy(update={"planted_shares": []}), study) == ""


def test_photographs_of_people_are_audited_without_a_planted_skew(tmp_path):
    """Their captions are those of no training image, so that they are held against all of these, and nothing is amplified."""
    study = Study(NotingStore(tmp_path))
    study.corpus = plain_corpus(people=("gender",))
    p = resolve("bias_generator", {"preset": "smoke", "planted_shares": [0.9]})
    asked = bias_generator.ask(p, study)
    assert asked.planted is None and "draws 0 concepts" in bias_generator.left_out(p, study)
    readings = pd.DataFrame({"caption": ["a person"] * 8, "image": range(8), "guidance_scale": 1.0, "gender": ["man"] * 6 + ["woman"] * 2})  # fmt: skip
    confusion = pd.DataFrame(
        [{"attribute": "gender", "truth": t, "prediction": t, "share": 1.0} for t in ("man", "woman")]
    )
    kept = {"readings": readings, "confusion": confusion} | dict.fromkeys(("readers", "shares", "fits"), pd.DataFrame())
    read = bias_generator.Asked(SimpleNamespace(table=kept.get), asked.learned, "abc", None, None, None)
    tables = bias_generator.compute(p, read)
    assert set(tables["measures"]["reference"]) == {BALANCE, OF_CONCEPT} and tables["amplification"].empty
    mine = tables["measures"].query("over == 'all captions together' and measure == 'total variation'")
    assert mine.set_index("reference")["value"].to_dict() == pytest.approx({BALANCE: 0.25, OF_CONCEPT: 0.25})


def test_shares_that_are_no_skew_are_refused():
    for share in (0.0, 1.0):
        with pytest.raises(ParameterError, match="planted_shares"):
            resolve("bias_generator", {"planted_shares": [share]})


def stored(p, tone: list[str]) -> bias_generator.Asked:
    """A reading of two captions, whose images were read as the given tones, and what the generator learned for them."""
    captions = ["cook"] * len(tone) + ["nurse"] * len(tone)
    readings = pd.DataFrame({
        "caption": captions, "image": [*range(len(tone))] * 2, "guidance_scale": 1.0, "tone": tone * 2, "gender": "woman",
    })  # fmt: skip
    confusion = pd.DataFrame([
        {"attribute": attribute, "truth": t, "prediction": t, "share": 1.0}
        for attribute, classes in KNOWN_CLASSES.items() for t in classes
    ])  # fmt: skip
    kept = {"readings": readings, "confusion": confusion} | dict.fromkeys(("readers", "shares", "fits"), pd.DataFrame())
    learned = pd.DataFrame({"caption": ["cook", "nurse"] * 4, "cluster": ["cook", "nurse"] * 4, "tone": "none", "gender": "person"})  # fmt: skip
    return bias_generator.Asked(SimpleNamespace(table=kept.get), learned, "abc", None, None, None)


def test_measures_and_amplification_are_computed_from_readings_and_what_was_learned():
    p = resolve("bias_generator", {"preset": "smoke"})
    tables = bias_generator.compute(p, stored(p, ["none"] * 6 + ["dark"] * 2))
    mine = tables["measures"].query(
        "attribute == 'tone' and over == 'all captions together' and measure == 'total variation'"
    )
    values = mine.set_index("reference")["value"]
    assert values[OF_CAPTION] == pytest.approx(0.25) and values[BALANCE] == pytest.approx(0.75 + 0.25 - 2 / 6)
    assert tables["amplification"].set_index(["attribute", "texts"]).loc[("tone", MATCHED), "value"] != 0  # NaN
    for name in (
        "planted",
        "slopes",
        "planted_amplification",
        "planted_reader",
        "planted_grid",
        "heads",
        "occupations",
        "occupation_shares",
    ):
        assert tables[name].empty and len(tables[name].columns)
    assert bias_generator.verdict(tables) == []


def test_labels_by_eye_are_compared_with_the_readings_of_their_images(tmp_path, monkeypatch):
    """A file of labels is found, and holds for the generator and the sampling by which its images were made."""
    p = resolve("bias_generator", {"preset": "smoke"})
    asked = stored(p, ["none", "dark"])
    readings = asked.reading.table("readings")
    path = tmp_path / "labelled.csv"
    monkeypatch.setattr("stablerep.audits.labelled.LABELLED", path)
    assert bias_generator.compute(p, asked)["agreement"].empty
    made = dict(
        generator="abc", sampling_steps=p.sampling_steps, sampler=p.sampler, guidance_interval="everywhere", seed=p.seed
    )
    readings.assign(**made, tone="none").to_csv(path, index=False)
    tables = bias_generator.compute(p, asked)
    assert tables["agreement"].set_index("attribute")["agreement"].to_dict() == {"tone": 0.5, "gender": 1.0}
    readings.assign(**made | {"generator": "another"}).to_csv(path, index=False)
    assert bias_generator.compute(p, asked)["agreement"].empty


def test_numbers_of_the_reference_are_those_of_the_protocol():
    p = resolve("bias_generator", {"preset": "reference"})
    assert p.planted_shares == [0.5, 0.7, 0.8, 0.9] and (p.planted_seeds, p.training_steps, p.training_rate) == (
        3,
        2000,
        1e-3,
    )
    assert p.images_per_neutral_caption >= 64 and 2.0 in p.guidance_scales and p.middle_scale == 2.0
