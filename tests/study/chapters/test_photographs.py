"""Photographs: which arms learn from what, what happens without any, and the answers by hand."""

from __future__ import annotations

from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest

from stablerep.errors import InputError
from stablerep.study.chapters import is_computed, photographs, resolve
from stablerep.study.chapters.guidance import at_scale
from stablerep.study.chapters.photographs import BESIDE, CIFAR, FACES, MIXED, OF_FACES, PEOPLE
from stablerep.study.experiments.arms import FLOOR_ARMS
from stablerep.study.experiments.photographs import opened
from stablerep.study.experiments.study import Study
from stablerep.study.parameters.presets import PRESETS
from tests.study.stand_ins import NotingStore, items, write_photographs

BOTH = {"cifar10_generator": "emoji", "fairface_generator": "emoji"}
SCALES = [1.0, 2.0, 4.0, 8.0]


@pytest.fixture(autouse=True)
def data(tmp_path, monkeypatch):
    monkeypatch.setenv("STABLEREP_DATA", str(write_photographs(tmp_path / "data")))


def asked(tmp_path, **given):
    p = resolve("photographs", {"preset": "smoke", "images": 64, "guidance_scales": SCALES} | BOTH | given)
    study = Study(NotingStore(tmp_path / "plan"), p)
    return p, photographs.ask(p, study), study.store.noted


@pytest.mark.parametrize("preset", PRESETS)
def test_without_a_generator_nothing_is_asked_for_and_the_commands_are_told(tmp_path, preset, monkeypatch):
    monkeypatch.delenv("STABLEREP_DATA")
    p = resolve("photographs", {"preset": preset})
    store = NotingStore(tmp_path / "plan")
    photographs.ask(p, Study(store, p))
    assert store.noted == [] and not is_computed("photographs", p)
    said = photographs.lacking(p)
    assert f"`{CIFAR.command}`" in said and f"`{FACES.command}`" in said and "--labels race,gender,age`" in said
    assert "-p cifar10_generator=generators/cifar10/pipeline" in said
    assert photographs.sources(p) == {"corpus": "none", "generator": "none"}


def test_one_generator_is_enough(tmp_path):
    p, found, noted = asked(tmp_path, fairface_generator="")
    assert is_computed("photographs", p) and [one.which for one in found.sets] == [CIFAR] and found.faces == []
    p, found, noted = asked(tmp_path, cifar10_generator="")
    assert [one.which for one in found.sets] == [FACES] and found.swept == {} and found.beside == []
    assert {one.arm for one in found.faces} == {one.name for one in OF_FACES}
    assert photographs.sources(p)["generator"].startswith("fairface64 ")


def test_every_arm_is_run_at_every_seed_on_as_many_images(tmp_path):
    p, found, noted = asked(tmp_path, seeds=2)
    names = [*(one.name for one in BESIDE), MIXED.name]
    assert [(one.arm, one.seed) for one in found.beside] == [(name, seed) for seed in (0, 1) for name in names]
    swept = [("SimCLR synthetic", 0), ("StableRep synthetic", 0), ("SimCLR synthetic", 1), ("StableRep synthetic", 1)]
    assert {w: [(one.arm, one.seed) for one in some] for w, some in found.swept.items()} == dict.fromkeys(SCALES, swept)
    cifar, faces = found.sets
    assert len(cifar.captions) == 15 and cifar.p.images_per_caption == 64 // 15  # three classes by five templates
    assert len(faces.captions) == 24 and faces.p.images_per_caption == 64 // 24  # eight kinds by three orders
    made = {(one.parameters["captions"], one.parameters["guidance_scale"], one.parameters["images_per_caption"])
            for one in noted if one.step == "synthesis"}  # fmt: skip
    assert made == {(15, w, 4) for w in SCALES} | {(24, 2.0, 2)}
    trained = [one for one in noted if one.step == "pretraining"]
    assert len({one.parameters["steps"] * one.parameters["views_per_step"] for one in trained}) == 1
    assert not any("grouped" in one.inputs["images"] for one in trained)


def test_the_arms_of_the_claims_are_those_of_one_guidance_scale(tmp_path):
    """CLIP's too; a scale that is not among those of C3 is run all the same."""
    p, found, noted = asked(tmp_path, guidance_scale=3.0, fairface_generator="")
    assert sorted(found.swept) == [1.0, 2.0, 3.0, 4.0, 8.0]
    made = [one for one in noted if one.step == "synthesis" and one.parameters["guidance_scale"] == 3.0]
    assert len({one.parameters["images_per_caption"] for one in made}) == 1


def test_a_photograph_is_a_cluster_and_parts_are_those_of_the_files(tmp_path):
    p, found, _ = asked(tmp_path)
    cifar, faces = (one.study.corpus for one in found.sets)
    assert cifar.cluster == faces.cluster == "id" and faces.labels == ("race", "gender", "age")
    assert found.sets[0].study.camera.still and found.sets[0].study.repeats_captions
    rows = pd.DataFrame([one.about() for one in found.sets]).set_index("data")
    assert rows["part"].to_dict() == {"CIFAR-10": "test", "FairFace": "validation"}
    assert rows["tested"].to_dict() == {"CIFAR-10": (cifar.table["split"] == "test").sum(), "FairFace": 64}
    assert rows.loc["CIFAR-10", ["real", "synthetic", "short"]].tolist() == [60, 60, 0]


def test_half_of_a_mixture_is_real(tmp_path, monkeypatch):
    p = resolve("photographs", {"preset": "smoke", "images": 64} | BOTH)
    cifar = opened(CIFAR, p, Study(NotingStore(tmp_path / "plan"), p))
    given = []
    monkeypatch.setattr(
        Study, "synthetic_images", lambda self, captions, p, w, **how: self.real_drawings(captions, several=True)
    )
    monkeypatch.setattr(
        Study, "evaluated_on", lambda self, images, which, captions, p, seed: given.append(images.load()) or which.name
    )
    assert photographs.mixed(cifar, 0) == MIXED.name
    (mixture,) = given
    assert np.bincount(mixture.caption_ids).tolist() == [4] * 15
    alone = cifar.study.real_drawings(cifar.captions, at_most=2).load()
    first = [np.flatnonzero(mixture.caption_ids == k)[:2] for k in range(15)]
    assert (mixture.images[np.concatenate(first)].sum() == alone.images[:].sum()).item()


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({"images": 3}, "images is 3: input should be greater than or equal to 4"),
        ({"guidance_scales": [1.0, 2.0]}, "at least 3 items"),
        ({"corpus": "emoji"}, "photographs has no parameter 'corpus'"),
        ({"cifar10_generator": "/etc"}, "cifar10_generator is '/etc': it lies outside the project"),
    ],
)
def test_bad_parameters(given, said):
    with pytest.raises(InputError, match=said):
        resolve("photographs", given)


def evaluated(shares: dict[str, float], probe: str, *, seeds: int = 3, photographs: int = 200) -> list[SimpleNamespace]:
    """Arms of which each answers so many of its photographs, each a cluster, with a little that differs from seed to seed."""
    found = []
    for seed in range(seeds):
        table = items(shares, probe=probe, concepts=photographs).drop_duplicates(["arm", "cluster"])
        number = table["cluster"].str[1:].astype(int)
        correct = (number * 7 + 3 * seed) % photographs < table["arm"].map(shares) * photographs
        table = table.assign(seed=seed, id=table["cluster"], correct=correct, captions=5)
        found += [SimpleNamespace(items=lambda part=part: part) for _, part in table.groupby("arm", sort=False)]
    return found


def cifar_tables(swept=None, **shares) -> dict[str, pd.DataFrame]:
    p = resolve("photographs", {"preset": "smoke", "guidance_scales": SCALES, "seeds": 3} | BOTH)
    floors, arms = dict.fromkeys(FLOOR_ARMS, 0.1), {"SimCLR real": 0.5, "CLIP real": 0.5, "CLIP synthetic": 0.5,
                                                    "StableRep real": 0.6, "Supervised real": 0.9, MIXED.name: 0.8}  # fmt: skip
    by_scale = swept or {w: {"SimCLR synthetic": 0.5, "StableRep synthetic": 0.7} for w in SCALES}
    found = photographs.Asked(
        [],
        {w: evaluated(some, CIFAR.probe) for w, some in by_scale.items()},
        evaluated(floors | arms | shares, CIFAR.probe),
        [],
    )
    return photographs.of_cifar(p, found)


def test_answers_on_cifar_by_hand():
    tables = cifar_tables()
    answers = {one.claim: one for one in photographs.verdict(tables)}
    assert tuple(answers) == photographs.CLAIMS
    assert [answers[claim].word for claim in ("C1", "C2", "C13")] == ["reproduced"] * 3
    assert len(answers["C2"].effects) == 4 and len(answers["C13"].effects) == 2
    assert answers["C8"].word == "not testable at this scale" and "FairFace" in answers["C8"].why
    assert set(tables["arms"]["data"]) == {"CIFAR-10"} and len(tables["arms"]) == len(BESIDE) + 1 + 2
    named = {at_scale(name, w) for name in ("SimCLR synthetic", "StableRep synthetic") for w in SCALES}
    assert named <= set(tables["floors"]["first"]) and not named & set(tables["arms"]["arm"])
    less = {one.claim: one.word for one in photographs.verdict(cifar_tables(**{"SimCLR real": 0.75, MIXED.name: 0.65}))}
    assert (less["C1"], less["C2"], less["C13"]) == ("contradicted", "partly", "partly")
    low = photographs.verdict(cifar_tables(**{"SimCLR real": 0.1}))
    assert low[0].word == "not testable at this scale" and "SimCLR real" in low[0].why


def test_the_best_scale_is_found_as_on_drawings():
    swept = {w: {"SimCLR synthetic": a, "StableRep synthetic": b}
             for w, a, b in zip(SCALES, (0.4, 0.5, 0.6, 0.5), (0.6, 0.7, 0.6, 0.4))}  # fmt: skip
    tables = cifar_tables(swept)
    peaks = tables["peaks"].set_index("arm")["best"]
    assert 1.5 < peaks["StableRep synthetic"] < 2.5 and 3 < peaks["SimCLR synthetic"] < 5
    c3 = next(one for one in photographs.verdict(tables) if one.claim == "C3")
    assert c3.word == "reproduced" and "StableRep synthetic is best at w" in c3.why
    assert tables["guidance"].groupby("arm")["guidance_scale"].apply(list).tolist() == [SCALES, SCALES]


def faces(loss: float) -> dict[str, pd.DataFrame]:
    """Tables of FairFace where synthetic images cost SimCLR a share of right answers on one of two groups alone, by each probe."""
    count = 400
    table = pd.DataFrame({
        "id": [f"f{k}" for k in range(count)], "race": [("a", "b")[k % 2] for k in range(count)], "gender": "one",
        "age": [("young", "old", "rare")[min(k % 40, 2) if k % 40 in (0, 2) and k < 200 else k // 2 % 2] for k in range(count)],
    })  # fmt: skip
    table["age"] = pd.Categorical(table["age"], ["young", "old", "rare"])
    rng, rows = np.random.default_rng(0), []
    hard = rng.random(count)  # photographs differ more than seeds
    for name in (*FLOOR_ARMS, *(one.name for one in OF_FACES if one.trained)):
        for seed in range(3):
            share = np.full(count, 0.1 if name in FLOOR_ARMS else 0.7)
            share[(table["race"] == "b") & (name == "SimCLR synthetic")] -= loss
            for probe in ("linear race", "linear gender", "linear age", "knn age"):
                correct = hard + rng.normal(0, 0.1, count) < share
                rows.append(pd.DataFrame({"arm": name, "seed": seed, "probe": probe, "id": table["id"], "cluster": table["id"],
                                          "correct": correct, "views": 0 if name in FLOOR_ARMS else 9}))  # fmt: skip
    found = SimpleNamespace(items=lambda: pd.concat(rows, ignore_index=True))
    which = SimpleNamespace(which=FACES, study=SimpleNamespace(corpus=SimpleNamespace(table=table)))
    return photographs.of_faces(which, photographs.Asked([], {}, [], [found]))


def test_groups_and_their_contrasts_by_hand():
    tables = faces(0.4)
    contrasts = tables["contrasts"].query("probe == 'linear age' and first == 'SimCLR synthetic'").set_index("label")
    assert contrasts.loc["b", "difference"] == pytest.approx(-0.4, abs=0.12)
    assert contrasts.loc["a", "difference"] == pytest.approx(0.4, abs=0.12)
    assert contrasts["clusters"].max() == 50 and "one" not in contrasts.index  # beside which there is no other group
    rare = tables["groups"].query("label == 'rare'")
    assert len(rare) and (rare["items"] < 30).all() and rare["accuracy"].isna().all() and "rare" not in contrasts.index
    assert tables["groups"].query("attribute == 'age'")["label"].unique().tolist() == [
        "young",
        "old",
        "rare",
    ]  # as labels have them
    assert set(tables["groups"]["probe"]) == {"linear race", "linear gender", "linear age"}
    assert list(tables["contrasts"][["first", "second"]].drop_duplicates().itertuples(index=False, name=None)) == list(
        PEOPLE
    )
    c8 = next(one for one in photographs.verdict(tables) if one.claim == "C8")
    assert c8.word == "reproduced" and "b (race) -" in c8.why and len(c8.lines) == 2
    assert next(one for one in photographs.verdict(faces(0.0)) if one.claim == "C8").word == "undecided"


def test_tables_of_both_stand_together():
    both = {
        name: pd.concat([part[name] for part in (cifar_tables(), faces(0.4)) if name in part])
        for name in ("arms", "differences", "floors")
    }
    assert photographs.headline_probe(both) == CIFAR.probe
    assert photographs.headline_probe({"arms": faces(0.0)["arms"]}) == FACES.probe
    assert set(photographs.HEADLINE.rows(both)["keys"]) == {"data", "arm", "probe"}


def test_the_page_without_results_has_a_paragraph_for_each_claim():
    assert all(f"- **{claim}**" in photographs.WOULD_SHOW for claim in photographs.CLAIMS)
