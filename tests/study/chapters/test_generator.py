"""The generator: which captions and images it is judged on, and the answer to C10 by hand."""

from __future__ import annotations

from types import SimpleNamespace

import pandas as pd
import pytest
import torch

from stablerep.audits.equal_galleries import TEST, TRAINING, UNSEEN, caption_groups, judges_part
from stablerep.errors import InputError
from stablerep.study.chapters import generator, resolve
from stablerep.study.experiments.images import Captions, Named
from stablerep.study.experiments.judged_images import judges_images
from stablerep.study.experiments.study import Study
from stablerep.study.store.runs import RunStore
from tests.study.stand_ins import NotingStore, plain_corpus


@pytest.fixture
def study(tmp_path, emoji) -> Study:
    made = Study(NotingStore(tmp_path))
    made.corpus = emoji
    return made


def test_more_captions_than_there_are_are_refused(study):
    p = resolve("generator", {"captions": 10_000})
    with pytest.raises(InputError, match=r"captions is 10000; the judge can be asked about \d+ training captions"):
        generator.ask(p, study)
    assert study.store.noted == []


def test_captions_are_those_of_all_groups(study, emoji):
    p = resolve("generator", {"captions": 40})
    captions = generator.drawn_captions(p, study)
    groups = caption_groups(emoji, 40)
    assert isinstance(captions, Named) and list(groups) == [TRAINING, UNSEEN, TEST]
    assert list(captions.texts) == [caption for group in groups.values() for caption in group.captions]
    assert len(set(captions.texts)) == len(captions) == 120


def test_the_judge_learns_from_drawings_of_its_concepts(study, emoji):
    images = judges_images(study)
    small = Study(study.store)
    small.corpus = emoji.where(emoji.table["group"] == "food-drink")
    seen, expected = judges_images(small).load(), judges_part(small.corpus)
    assert images.name != judges_images(small).name
    assert 0 < len(seen.images) == len(expected) and set(seen.captions) == set(expected.table["caption"])


def test_each_seed_has_a_judge_of_its_own_and_all_have_the_same_images(study):
    p = resolve("generator", {"preset": "smoke", "seeds": 3, "seed": 7, "guidance_scales": [4.0]})
    assert p.scales == [2.0, 4.0]  # that of the verdict is drawn too
    generator.ask(p, study)
    noted = study.store.noted
    of = {
        name: [one.parameters["seed"] for one in noted if one.step == name]
        for name in ("pretraining", "judgement", "synthesis")
    }
    assert of == {"pretraining": [7, 8, 9], "judgement": [7, 8, 9], "synthesis": [7] * 6}
    judgements = [one for one in noted if one.step == "judgement"]
    assert len({one.inputs["judge"] for one in judgements}) == 3
    assert noted[-1].step == "reconstruction"


def test_a_corpus_without_designs_is_judged_on_all_its_captions(tmp_path):
    p = resolve("generator", {"preset": "smoke", "captions": 8, "generator": "emoji"})
    study = Study(NotingStore(tmp_path), p)
    study.corpus = plain_corpus(12, 3)
    captions = generator.drawn_captions(p, study)
    assert isinstance(captions, Captions) and len(captions) == 8
    assert sorted(judges_images(study).load().captions) == sorted(study.captions().texts)
    assert list(generator.asked_about(p, study)) == [TRAINING]
    assert set(generator.parts_of(study)) == {TRAINING, TEST}
    generator.ask(p, study)
    assert [one.step for one in study.store.noted] == ["pretraining", "judgement", *["synthesis"] * 2, "reconstruction"]


def test_the_judgement_does_not_depend_on_what_names_the_corpus_or_the_preset(study):
    keys = []
    for given in ({}, {"live": True}, {"preset": "smoke"}, {"seed": 1}):
        p = resolve(
            "generator",
            {"captions": 16, "steps": 4, "views_per_step": 32, "sampling_steps": 2, "guidance_scales": [2.0]} | given,
        )
        p = p.model_copy(update={"images_per_caption": 2})
        keys.append(generator.ask(p, study)["judgement"][0].key)
    assert keys[0] == keys[1] == keys[2] != keys[3]


class Stub(Study):
    """Features are the mean colours of drawings; a generator that gives back drawings, or the next caption's, at w = 4."""

    def backbone(self, *_):
        return None

    def synthetic_images(self, captions, p, w, *, images_per_caption, seed):
        part = self.corpus.to_learn_from() if self.corpus.designs else self.corpus.split("train")
        table = self.corpus.table if self.corpus.designs else part.table
        first = table[table["design"] != "twemoji"] if self.corpus.designs else table
        rows = first.drop_duplicates("caption").set_index("caption")
        texts = list(captions.texts)
        shown = texts if w < 4 else texts[1:] + texts[:1]
        pixels = torch.from_numpy(self.corpus.draw(rows.loc[shown].reset_index(), self.size))
        ids = torch.arange(len(texts)).repeat_interleave(images_per_caption)
        made = SimpleNamespace(images=pixels[ids], caption_ids=ids, captions=texts)
        return SimpleNamespace(name=f"made {w} {seed}", load=lambda: made)


@pytest.fixture
def shrunk(monkeypatch):
    """Features of drawings without an encoder: their pixels at a quarter of the side."""
    import torch.nn.functional as F

    def features_of(backbone, images):
        return F.avg_pool2d(images.float(), 4).flatten(1) - 128

    monkeypatch.setattr("stablerep.probes.extraction.features_of", features_of)


def judged(study, tmp_path, p) -> dict[str, pd.DataFrame]:
    tables = []
    for seed in range(3):
        folder = tmp_path / str(seed)
        folder.mkdir()
        generator.judge(p, study, generator.drawn_captions(p, study), None, seed, folder)
        tables.append(SimpleNamespace(table=lambda name, folder=folder: pd.read_parquet(folder / f"{name}.parquet")))
    kept = pd.DataFrame({"captions": [TRAINING], "mean": [30.0]})
    return generator.compute(p, {"judgement": tables, "reconstruction": [SimpleNamespace(table=lambda: kept)]})


def test_tables_are_of_three_groups_with_their_galleries(tmp_path, emoji, shrunk):
    study = Stub(NotingStore(tmp_path / "runs"))
    study.corpus = emoji
    p = resolve("generator", {"captions": 60, "images_per_caption": 2, "guidance_scales": [2.0, 4.0]})
    tables = judged(study, tmp_path, p)
    every = tables["faithfulness"].query("group == 'all'")
    assert (
        list(dict.fromkeys(every["captions"])) == [TRAINING, UNSEEN, TEST]
        and every["gallery"].str.endswith("twemoji").all()
    )
    assert {"top1", "top10", "subgroup", "tone", "gender"} == set(every["measure"]) and every["seeds"].eq(3).all()
    top = every[every["measure"] == "top1"].set_index(["captions", "guidance_scale"])["mean"]
    for name in (TRAINING, UNSEEN, TEST):
        assert top[name, 4.0] < 0.1 < top[name, 2.0]
    claim = tables["differences"].query("claim == 'C10'")
    assert len(claim) == 1 and claim["second"].item() == "generated, w = 2" and claim["captions"].item() == TRAINING
    assert set(tables["grid"]["captions"]) == {TRAINING, UNSEEN, TEST} and tables["sets"]["captions"].eq(TRAINING).all()
    assert generator.verdict(tables)[0].word in ("reproduced", "contradicted", "undecided", "equivalent")


def test_tables_of_photographs_have_one_group(tmp_path, shrunk):
    study = Stub(NotingStore(tmp_path / "runs"))
    study.corpus = plain_corpus(12, 4)
    p = resolve("generator", {"captions": 8, "images_per_caption": 2, "guidance_scales": [2.0]})
    tables = judged(study, tmp_path, p)
    every = tables["faithfulness"]
    assert set(every["captions"]) == {TRAINING} and set(every["gallery"]) == {"3 concepts, held-out images"}
    assert set(every["measure"]) == {"top1", "top10", "subgroup"} and set(tables["sets"]["source"]) == {
        "real, other images",
        "generated",
    }


def pair(difference: float, half: float, p_for: float, p_against: float, seeds: int = 5) -> dict[str, pd.DataFrame]:
    row = {
        "claim": "C10", "captions": TRAINING, "first": "real", "second": "generated, w = 2", "difference": difference,
        "low": difference - half, "high": difference + half, "visible": 0.01, "p_for": p_for, "p_against": p_against, "seeds": seeds,
    }  # fmt: skip
    others = [row | {"claim": "", "captions": name, "difference": 0.9, "p_for": 0.0} for name in (TRAINING, TEST)]
    return {"differences": pd.DataFrame([others[0], row, others[1]])}


@pytest.mark.parametrize(
    ("given", "word"),
    [
        ((0.2, 0.05, 0.001, 0.999), "reproduced"),
        ((-0.2, 0.05, 0.999, 0.001), "contradicted"),
        ((0.02, 0.05, 0.2, 0.8), "undecided"),
        ((0.001, 0.005, 0.3, 0.7), "equivalent"),
        ((0.2, 0.05, 0.001, 0.999, 2), "not testable at this scale"),
    ],
)
def test_verdict_is_that_of_the_one_pair_of_the_claim(given, word):
    (answer,) = generator.verdict(pair(*given))
    assert (answer.claim, answer.word) == ("C10", word)
    assert (
        f"{TRAINING}: real minus generated, w = 2: {100 * given[0]:+.1f} points" in answer.why
        and "chosen beforehand" in answer.rule
    )


def test_the_autoencoder_is_measured_on_what_it_knows_and_does_not_know(tmp_path, monkeypatch, emoji):
    study = Study(RunStore(tmp_path))
    study.corpus = emoji
    parts = generator.parts_of(study)
    assert list(parts) == [TRAINING, UNSEEN, TEST]
    known = {name: set(part.table["id"]) for name, part in parts.items()}
    assert known[TRAINING] == set(emoji.to_learn_from().table["id"]) and not known[TRAINING] & (
        known[UNSEEN] | known[TEST]
    )
    assert all("twemoji" not in set(part.table["design"]) for part in parts.values())
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
    assert table["captions"].tolist() == [TRAINING, TEST] and table["images"].tolist() == [64, 64]
    assert table["mean"].between(28, 28.2).all() and (table["clusters"] <= 30).all()  # 10 of 255 is 28.13 dB
