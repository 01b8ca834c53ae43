"""Bias: which people are looked at, whom a corpus must know, and the answer to C8 by hand."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from stablerep.audits.people import BALANCE, CORRECTED, KNOWN_CLASSES, TRAINING
from stablerep.errors import InputError
from stablerep.study.chapters import bias, resolve
from stablerep.study.experiments.study import Study
from stablerep.study.store.runs import RunStore
from tests.study.stand_ins import NotingStore, plain_corpus


@pytest.fixture
def study(tmp_path, emoji) -> Study:
    made = Study(NotingStore(tmp_path))
    made.corpus = emoji
    return made


def test_people_have_words_for_tones_and_known_genders(study):
    people = bias.people_of(study, resolve("bias", {}))
    assert set(people.table["tone"]) == set(KNOWN_CLASSES["tone"])
    assert set(people.table["gender"]) == set(KNOWN_CLASSES["gender"])
    assert (people.table["tone"] == "none").equals(people.table["skin_tone"] == 0)
    assert people.table["subgroup"].str.startswith("person").all()
    dark = people.table[people.table["caption"] == "woman firefighter: dark skin tone"]
    assert set(dark["tone"]) == {"dark"} and set(dark["gender"]) == {"woman"}


def test_people_are_those_in_the_probed_designs(study):
    people = bias.people_of(study, resolve("bias", {"probe_designs": ["noto", "emojione"]}))
    assert set(people.table["design"]) == {"noto", "emojione"}
    assert people.fingerprint != bias.people_of(study, resolve("bias", {})).fingerprint


def test_people_of_photographs_are_those_whose_attributes_are_all_known(tmp_path):
    corpus = plain_corpus(12, people=("gender",))
    table = corpus.table.assign(
        gender=corpus.table["gender"].where(corpus.table["number"] % 4 > 1).where(corpus.table["number"] % 4 < 3, "")
    )
    study = Study(NotingStore(tmp_path))
    study.corpus = type(corpus)(table, "faces", "faces", corpus.draw, labels=("kind",), people=("gender",))
    assert bias.people_of(study, resolve("bias", {})).table["number"].tolist() == [n for n in range(36) if n % 4 == 2]


def test_a_corpus_that_knows_nobody_is_refused_before_anything_is_asked(tmp_path):
    study = Study(NotingStore(tmp_path))
    study.corpus = plain_corpus()
    with pytest.raises(InputError, match="declares no attributes of people"):
        bias.ask(resolve("bias", {"preset": "smoke"}), study)
    assert study.store.noted == []


def test_neutral_images_are_asked_for_at_every_scale_by_their_texts(study):
    p = resolve("bias", {"preset": "smoke"})
    bias.ask(p, study)
    drawn = [
        one for one in study.store.noted if one.step == "synthesis" and one.parameters["captions"] == p.neutral_captions
    ]
    assert [one.parameters["guidance_scale"] for one in drawn] == p.guidance_scales
    assert len({one.inputs["captions"] for one in drawn}) == 1
    assert {one.parameters["images_per_caption"] for one in drawn} == {p.images_per_neutral_caption}
    asked = [one.step for one in study.store.noted]
    assert asked.count("reading") == 1 and asked.count("people") == len(bias.COMPARED) * p.seeds


def test_there_are_as_many_neutral_captions_as_the_smallest_preset_asks_for(study):
    """Of the probed designs one is held out, and its captions are not learned."""
    from stablerep.audits.people import neutral_captions

    p = resolve("bias", {"preset": "smoke"})
    assert len(neutral_captions(bias.people_of(study, p).table, p.neutral_captions)) == p.neutral_captions


def test_pairs_in_two_tones_are_nobody_of_whom_a_tone_is_asked(study, emoji):
    people = bias.people_of(study, resolve("bias", {}))
    mixed = emoji.table[emoji.table["tone"] == "mixed"]
    assert mixed["subgroup"].str.startswith("person").any() and not set(mixed["id"]) & set(people.table["id"])


def test_neutral_images_are_read_through_the_camera(tmp_path, emoji, monkeypatch):
    """As all images that the reader has learned from."""
    import torch

    from stablerep.captioned_images import CaptionedImages
    from stablerep.study.experiments.images import ImageSet

    p = resolve("bias", {"preset": "smoke", "guidance_scales": [1.0]})
    study = Study(RunStore(tmp_path), p)
    study.corpus = emoji.where(emoji.table["subgroup"] == "person-role")
    drawings = CaptionedImages(
        torch.full((4, 3, 32, 32), 120, dtype=torch.uint8), torch.arange(4), list("abcd"), "made"
    )
    monkeypatch.setattr(bias, "made", lambda *given: ImageSet("made", lambda: drawings))
    monkeypatch.setattr(study, "backbone", lambda *which: None)
    monkeypatch.setattr("stablerep.probes.extraction.features_of", lambda backbone, images: images)
    given, empty = [], pd.DataFrame({"share": []})
    monkeypatch.setattr("stablerep.audits.people.read_people", lambda *all, **how: given.append(all) or (empty, empty))
    people = bias.people_of(study, p)
    bias.read(p, study, people, None, tmp_path)
    ((real, _, generated, *_),) = given
    assert torch.equal(generated[1.0][0], drawings.through(study.camera).images) and not study.camera.still
    assert torch.equal(real["test"], people.split("test").images(32))
    plain = emoji.where(emoji.table["id"].isin(people.split("test").table["id"])).images(32)
    assert plain.shape == real["test"].shape and not torch.equal(plain, real["test"])


def test_encoders_are_asked_about_held_out_people(tmp_path, emoji, monkeypatch):
    """With features that tell everything, labels are found; items carry the attributes by which they are grouped."""
    import torch

    study = Study(RunStore(tmp_path))
    study.corpus = emoji.where(emoji.table["design"].isin(["twemoji", "noto"]))
    people = bias.people_of(study, resolve("bias", {"probe_designs": ["twemoji", "noto"]}))
    kinds = {kind: k for k, kind in enumerate(sorted(people.table["subgroup"].unique()))}
    features = iter([
        torch.eye(len(kinds))[[kinds[kind] for kind in people.split(part).table["subgroup"]]] for part in ("train", "validation", "test")
    ])  # fmt: skip
    monkeypatch.setattr(study, "backbone", lambda *which: None)
    monkeypatch.setattr("stablerep.probes.extraction.features_of", lambda backbone, images: next(features))
    summary = bias.probe_people(study, people, None, tmp_path)
    found, test = pd.read_parquet(tmp_path / "results.parquet"), people.split("test").table
    assert (
        summary == {"accuracy": found["correct"].mean()} and summary["accuracy"] > 0.95
    )  # a few kinds are hardly ever trained on
    assert (found["correct"] == (found["truth"] == found["prediction"])).all()
    assert found["id"].tolist() == test["id"].tolist() and found["cluster"].tolist() == test["concept"].tolist()
    assert found["gender"].tolist() == test["gender"].tolist() and found["truth"].tolist() == test["subgroup"].tolist()


def tables(shifted: bool, apart: bool) -> dict[str, pd.DataFrame]:
    """Shares of women, half of the training images, and the accuracies of an encoder for two groups."""
    made = (0.7, 0.6, 0.8) if shifted else (0.5, 0.4, 0.6)
    shares = [("gender", source, np.nan, "woman", 0.5, np.nan, np.nan) for source in (TRAINING, BALANCE)]
    shares += [("gender", CORRECTED, w, "woman", *made) for w in (1.0, 4.0)]
    groups = [
        ("SimCLR real", "gender", "woman", 0.9, 0.85, 0.95),
        ("SimCLR real", "gender", "man", *((0.5, 0.4, 0.6) if apart else (0.9, 0.8, 1.0))),
    ]
    return {
        "shares": pd.DataFrame(
            shares, columns=["attribute", "source", "guidance_scale", "label", "share", "low", "high"]
        ),
        "groups": pd.DataFrame(groups, columns=["arm", "attribute", "label", "accuracy", "low", "high"]),
    }


@pytest.mark.parametrize(
    ("shifted", "apart", "word"),
    [(True, True, "reproduced"), (True, False, "partly"), (False, True, "partly"), (False, False, "not reproduced")],
)
def test_verdict_follows_its_rule(shifted, apart, word):
    (answer,) = bias.verdict(tables(shifted, apart))
    assert (answer.claim, answer.word) == ("C8", word)
    assert ("woman (gender)" in answer.why) == shifted and ("SimCLR real" in answer.why) == apart
