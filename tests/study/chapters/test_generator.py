"""The generator: which captions and images it is judged on, and the answer to C10 by hand."""

from __future__ import annotations

import pandas as pd
import pytest

from stablerep.errors import InputError
from stablerep.study.chapters import generator, resolve
from stablerep.study.experiments.images import Captions, Named
from stablerep.study.experiments.study import Study
from stablerep.study.store.runs import RunStore
from tests.study.stand_ins import NotingStore, plain_corpus


@pytest.fixture
def study(tmp_path, emoji) -> Study:
    made = Study(NotingStore(tmp_path))
    made.corpus = emoji
    return made


def test_generator_needs_enough_shared_captions(study):
    p = resolve("generator", {"captions": 10_000})
    with pytest.raises(InputError, match=r"captions is 10000; twemoji shares \d+ training captions"):
        generator.ask(p, study)
    assert study.store.noted == []


def test_captions_are_those_that_the_held_out_design_has_drawn(study, emoji):
    p = resolve("generator", {"captions": 40, "held_out_design": "noto-v1"})
    captions = generator.drawn_captions(p, study)
    assert isinstance(captions, Named) and len(captions) == 40
    train = emoji.split("train").table
    shared = set(train[train["design"] == "noto-v1"]["caption"])
    assert list(captions.texts) == [one for one in study.captions().texts if one in shared][:40]
    fewer = generator.drawn_captions(p.model_copy(update={"captions": 10}), study)
    assert list(fewer.texts) == list(captions.texts)[:10] and fewer.name != captions.name


def test_the_judge_never_sees_the_held_out_design(study, emoji):
    p = resolve("generator", {"held_out_design": "noto-v1"})
    images = generator.training_images(p, study)
    train = emoji.split("train").table
    other = generator.training_images(p.model_copy(update={"held_out_design": "noto"}), study)
    assert images.name != other.name
    small = Study(study.store)
    small.corpus = emoji.where(emoji.table["group"] == "food-drink")
    seen = generator.training_images(p, small).load()
    expected = train[(train["group"] == "food-drink") & (train["design"] != "noto-v1")]
    assert len(seen.images) == len(expected) and set(seen.captions) == set(expected["caption"])


def test_a_corpus_without_designs_is_judged_on_all_its_captions(tmp_path):
    p = resolve("generator", {"preset": "smoke", "captions": 8, "generator": "emoji"})
    study = Study(NotingStore(tmp_path), p)
    study.corpus = plain_corpus(12, 3)
    captions = generator.drawn_captions(p, study)
    assert isinstance(captions, Captions) and len(captions) == 8
    assert sorted(generator.training_images(p, study).load().captions) == sorted(study.captions().texts)
    part = generator.described(study.corpus.split("test"), study)
    assert (
        (part["concept"] == part["kind"]).all()
        and (part["group"] == part["kind"]).all()
        and (part["design"] == "").all()
    )
    generator.ask(p, study)
    steps = [one.step for one in study.store.noted]
    assert steps == ["pretraining", "judgement", *["synthesis"] * len(p.guidance_scales), "reconstruction"]
    (judgement,) = (one for one in study.store.noted if one.step == "judgement")
    assert judgement.parameters["labels"] == ["kind"] and judgement.parameters["cluster"] == "caption"


def test_the_judgement_does_not_depend_on_what_names_the_corpus_or_the_preset(tmp_path, study):
    keys = []
    for given in ({}, {"live": True}, {"preset": "smoke"}, {"seed": 1}):
        p = resolve(
            "generator",
            {"captions": 16, "steps": 4, "views_per_step": 32, "sampling_steps": 2, "guidance_scales": [1.0]} | given,
        )
        p = p.model_copy(update={"images_per_caption": 2})
        keys.append(generator.ask(p, study)["judgement"].key)
    assert keys[0] == keys[1] == keys[2] != keys[3]


def judged(made: dict[float, tuple[float, float]], **real: tuple[float, float]) -> dict[str, pd.DataFrame]:
    """The table of faithfulness: (mean, half of the interval) by guidance scale and by source of real images."""
    rows = [("generated", w, *values) for w, values in made.items()] + [
        (source.replace("__", ", ").replace("_", " ").replace("held out", "held-out"), float("nan"), *values)
        for source, values in real.items()
    ]
    table = pd.DataFrame(rows, columns=["source", "guidance_scale", "mean", "half"]).assign(group="all", measure="top1")
    table = table.assign(low=table["mean"] - table["half"], high=table["mean"] + table["half"])
    distracting = table.assign(group="people", mean=1.0), table.assign(measure="top10", mean=1.0)
    return {"faithfulness": pd.concat([*distracting, table], ignore_index=True)}


MADE = {1.0: (0.2, 0.05), 4.0: (0.5, 0.05), 8.0: (0.4, 0.05)}


@pytest.mark.parametrize(
    ("real", "word", "share"),
    [
        ({"real__held_out_design": (0.4, 0.1), "real__known_designs": (0.8, 0.1)}, "reproduced", "20.0 %"),
        ({"real__held_out_design": (0.4, 0.1), "real__known_designs": (0.6, 0.1)}, "partly", "40.0 %"),
        ({"real__held_out_design": (0.9, 0.1), "real__known_designs": (0.5, 0.1)}, "not reproduced", "50.0 %"),
        ({"real__held_out_images": (0.9, 0.1)}, "reproduced", "10.0 %"),  # of a corpus without designs
    ],
)
def test_verdict_follows_its_rule(real, word, share):
    (answer,) = generator.verdict(judged(MADE, **real))
    assert (answer.claim, answer.word) == ("C10", word)
    assert "50.0 % of the generated images are not recognized" in answer.why and share in answer.why.rpartition(";")[2]


def test_the_autoencoder_is_asked_about_both_parts(tmp_path, monkeypatch):
    from types import SimpleNamespace

    import torch

    study = Study(RunStore(tmp_path))
    study.corpus = plain_corpus(30, 5)
    opened = SimpleNamespace(resolution=16, pipeline=SimpleNamespace(vae="vae"))
    monkeypatch.setattr(study, "generator", lambda name: opened)
    sizes = []

    def reconstruct(vae, images):
        assert vae == "vae"
        sizes.append(tuple(images.shape))
        return (images.float() + 10).clamp(0, 255).to(torch.uint8)

    monkeypatch.setattr("stablerep.generator.autoencoder_training.reconstruct", reconstruct)
    p = resolve("generator", {"captions": 8})
    assert generator.reconstruction(p, study, tmp_path) == {"resolution": 16}
    table = pd.read_parquet(tmp_path / "results.parquet")
    assert sizes == [(64, 3, 16, 16)] * 2  # of 150 images each, a random sample
    assert (
        table["split"].tolist() == ["train", "test"] and table["mean"].between(28, 28.2).all()
    )  # 10 of 255 is 28.13 dB
