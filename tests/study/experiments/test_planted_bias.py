"""Planted skews as runs: which captions are drawn, what generators learned from, what is read of their images, and what classifiers learn of them."""

from __future__ import annotations

from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest
import torch

from stablerep.captioned_images import CaptionedImages
from stablerep.corpus.emoji import HELD_OUT
from stablerep.study.chapters import resolve
from stablerep.study.experiments.images import ImageSet, Named
from stablerep.study.experiments.planted_bias import (
    BEFORE,
    LEFT_ALONE,
    SKEWED,
    TABLES,
    drawn_with_skews,
    lacks_planting,
    learned_from,
    looked_captions,
    planted,
    read_planted,
)
from stablerep.study.experiments.planted_heads import COLUMNS, ask_heads, gaps_of, head, heads, real_drawings
from stablerep.study.experiments.skewed import skewed_captions
from stablerep.study.experiments.study import Study
from tests.study.stand_ins import NotingStore, plain_corpus

GIVEN = {"preset": "smoke", "planted_shares": [0.5, 0.9], "planted_seeds": 2, "drawings_per_caption": 0}


@pytest.fixture
def study(tmp_path, emoji) -> Study:
    made = Study(NotingStore(tmp_path / "plan"))
    made.corpus = emoji
    return made


def test_captions_are_of_skewed_roles_and_of_others_each_of_another_role(study):
    looked = looked_captions(resolve("bias_generator", GIVEN | {"planted_captions": 10}), study)
    changed, left = skewed_captions(study, 0, "tone")
    assert (
        list(looked) == [SKEWED, LEFT_ALONE]
        and set(looked[SKEWED]) < set(changed)
        and set(looked[LEFT_ALONE]) < set(left)
    )
    for some in looked.values():
        assert len({study.clusters[one] for one in some}) == len(some) == 10


def test_each_share_and_seed_trains_a_generator_and_all_draw_the_same_captions_from_the_same_noise(study):
    p = resolve("bias_generator", GIVEN)
    drawings = drawn_with_skews(p, study, Named(["firefighter", "cook"]))
    trained = [one for one in study.store.noted if one.step == "generator"]
    assert len({(one.inputs["images"], one.parameters["seed"]) for one in trained}) == 4
    assert {one.inputs["images"].rsplit("-", 4)[0] for one in trained} == {
        "skewed-roles-tone-0.5",
        "skewed-roles-tone-0.9",
    }
    assert {one.inputs["start"] for one in trained} == {study.generator_fingerprint("emoji")}
    drawn = [one for one in study.store.noted if one.step == "synthesis"]
    assert len(drawn) == len(drawings) == 3 * 2 * 2 and len({one.inputs["captions"] for one in drawn}) == 1
    keys = {(one.parameters["seed"], one.parameters["guidance_scale"]) for one in drawn}
    assert keys == {(seed, w) for seed in (0, 1) for w in (1.0, 4.0)}
    run = planted(p, study, {SKEWED: ["firefighter"], LEFT_ALONE: ["cook"]}, drawings)
    assert run.key.startswith("planted-bias-") and heads(p, study, ["firefighter"], drawings).key.startswith(
        "planted-heads-"
    )
    asked = [one for one in study.store.noted if one.step == "planted-heads"]
    assert len([name for name in asked[0].inputs if name.startswith("share")]) == 4  # no one before a skew was planted


def test_what_captions_stood_beside_in_training(study):
    p = resolve("bias_generator", GIVEN)
    changed, left = skewed_captions(study, 0, "tone")
    before, after = (learned_from(p, study, share) for share in (np.nan, 0.9))
    assert set(before.loc[before["caption"].isin([*changed, *left]), "tone"]) == {"none"}
    assert set(after.loc[after["caption"].isin(changed), "tone"]) == {"dark", "light"}
    assert set(after.loc[after["caption"].isin(left), "tone"]) == {"none"}
    share = (after["tone"] == "dark")[after["caption"].isin(changed)].mean()
    assert share == pytest.approx(0.9, abs=0.02)


def test_why_no_skew_can_be_planted(tmp_path, study):
    p = resolve("bias_generator", GIVEN)
    assert lacks_planting(p, study) == ""
    other = p.model_copy(update={"generator": "hub/some-pipeline"})
    assert lacks_planting(other, study).startswith("generator is 'hub/some-pipeline'; to be trained further it must be")
    plain = Study(NotingStore(tmp_path / "other"))
    plain.corpus = plain_corpus()
    assert "draws 0 concepts in every skin tone and in none; a planted skew needs two" in lacks_planting(p, plain)


def real(study, captions: list[str], tones: dict[str, str]) -> ImageSet:
    """In the place of generated images: real drawings of the caption's concept in a tone, four of each."""
    table, role = study.corpus.to_learn_from().table, study.clusters
    places, ids = [], []
    for k, caption in enumerate(captions):
        mine = np.flatnonzero((table["concept"] == role[caption]) & (table["tone"] == tones[caption]))
        places += np.resize(mine, 4).tolist()
        ids += [k] * 4
    images = study.corpus.to_learn_from().images(study.size)[torch.tensor(places)]
    return ImageSet("real", lambda: CaptionedImages(images, torch.tensor(ids), captions, "real"))


@pytest.mark.slow
def test_drawings_in_known_tones_are_read_as_such(study, tmp_path):
    """Where all images of the skewed captions show dark people and the others none, the shares are near one and zero."""
    p = resolve("bias_generator", GIVEN | {"planted_seeds": 1, "guidance_scales": [2.0], "planted_captions": 12})
    looked = looked_captions(p, study)
    captions = [one for some in looked.values() for one in some]
    dark = {one: "dark" if one in looked[SKEWED] else "none" for one in captions}
    sets = {
        share: real(study, captions, dark if share == 0.9 else dict.fromkeys(captions, "none"))
        for share in (np.nan, 0.5, 0.9)
    }
    read_planted(p, study, looked, {(share, 0, 2.0): made for share, made in sets.items()}, tmp_path)
    tables = {name: pd.read_parquet(tmp_path / f"{name}.parquet") for name in TABLES}
    shares = tables["planted"][tables["planted"]["source"] == "generated, as read"].set_index(["planted", "group"])[
        "share"
    ]
    assert shares[0.9, SKEWED] > 0.6 and shares[0.9, LEFT_ALONE] < 0.1 and shares[0.5, SKEWED] < 0.1
    learned = tables["planted"].drop_duplicates(["planted", "group"]).set_index(["planted", "group"])["learned"]
    assert learned[0.9, SKEWED] == pytest.approx(0.9, abs=0.1) and learned[0.9, LEFT_ALONE] == 0
    assert tables["planted_reader"]["accuracy"].between(0.6, 1).all()
    assert (
        set(tables["planted_grid"]["captions"].map(study.clusters))
        and tables["planted_grid"]["planted"].isna().sum() > 0
    )
    assert set(tables["planted_amplification"]["texts"].str.split(",").str[0]) == {"raw", "matched"}
    ask_heads(study, looked[SKEWED], {(0.9, 0): sets[0.9]}, tmp_path)
    found = pd.read_parquet(tmp_path / "results.parquet")
    assert list(found) == COLUMNS and set(found["seen_by"]) == {"pixels", "gradients"} and (found["roles"] > 5).all()
    assert BEFORE == "before"


def test_classifiers_are_asked_about_drawings_that_nothing_has_learned_from(study):
    changed, _ = skewed_captions(study, 0, "tone")
    concepts = {study.clusters[one] for one in changed[:9]}
    images, table = real_drawings(study, concepts)
    assert set(table["design"]) == {HELD_OUT} and set(table["tone"]) == {"dark", "light"} and len(images) == len(table)
    assert set(table["concept"]) <= concepts


def test_gaps_are_paired_within_roles_and_known_where_they_are_planted():
    rng, rows = np.random.default_rng(0), []
    for seed in range(3):
        for k in range(40):
            base = 0.3 + 0.4 * (k % 2)  # roles differ in difficulty
            for tone, chance in (("dark", base + 0.2), ("light", base)):
                rows += [(0.9, "pixels", seed, f"r{k}", tone, float(one)) for one in rng.random(6) < chance]
    rows.append((0.9, "pixels", 0, "only dark", "dark", 1.0))
    found = gaps_of(pd.DataFrame(rows, columns=["planted", "seen_by", "seed", "concept", "tone", "right"])).iloc[0]
    assert found["low"] < 0.2 < found["high"] and found["low"] > 0 and (found["roles"], found["seeds"]) == (40, 3)
    assert found["gap"] == pytest.approx(found["frequent"] - found["rare"])


def test_a_head_learns_what_can_be_told():
    names = ["a"] * 8 + ["b"] * 8
    features = torch.eye(2)[[0] * 8 + [1] * 8] + 0.01 * torch.randn(16, 2, generator=torch.Generator().manual_seed(0))
    assert head(features, names, torch.eye(2), ["a", "a"]).tolist() == [True, False]
    with pytest.raises(ValueError, match="validation has 0 features"):
        head(features[:2], ["a", "b"], torch.eye(2), ["a", "b"])


def test_the_step_of_heads_is_told_its_sets(study):
    p = SimpleNamespace(planted_shares=[0.9], planted_seeds=1, seed=0, middle_scale=2.0)
    sets = {(0.9, 0, w): ImageSet(f"w{w}", lambda: None) for w in (1.0, 2.0)}
    heads(p, study, ["firefighter"], sets)
    assert study.store.noted[-1].inputs["share 0.9, seed 0"] == "w2.0"
