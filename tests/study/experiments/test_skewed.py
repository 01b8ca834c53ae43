"""A planted skew: which captions it changes, and whose drawings they then stand beside."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from stablerep.errors import InputError
from stablerep.study.experiments.skewed import (
    FIRST,
    NEUTRAL,
    SECOND,
    TONE,
    halves,
    roles,
    skewed,
    skewed_captions,
    substituted,
)
from stablerep.study.experiments.study import Study
from stablerep.study.store.code import code_modules
from tests.study.stand_ins import NotingStore, plain_corpus


@pytest.fixture
def study(tmp_path, emoji) -> Study:
    made = Study(NotingStore(tmp_path))
    made.corpus = emoji
    return made


@pytest.fixture(scope="module")
def table(emoji) -> pd.DataFrame:
    return emoji.to_learn_from().table


def test_roles_are_drawn_as_a_person_a_man_and_a_woman(table):
    found = roles(table)
    assert found["concept"].nunique() > 20 and (found.groupby("concept")["gender"].nunique() == 3).all()
    assert {"firefighter", "man firefighter", "woman firefighter"} <= set(found["caption"])
    assert not found["caption"].str.contains("holding hands").any()


def test_half_of_the_roles_are_skewed_by_a_hash(study, table):
    changed, left = skewed_captions(study, 0)
    concept = dict(zip(table["caption"], table["concept"]))
    sides = [{concept[caption] for caption in some} for some in (changed, left)]
    assert not sides[0] & sides[1] and abs(len(sides[0]) - len(sides[1])) <= 1
    neutral = roles(table).query("gender == 'person'")["caption"]
    assert sorted([*changed, *left]) == sorted(neutral.unique())
    assert skewed_captions(study, 0) == (changed, left) != skewed_captions(study, 1)


@pytest.mark.parametrize("share", [0.9, 0.5, 0.0, 1.0])
def test_neutral_captions_of_a_role_stand_beside_men_at_the_share_that_was_asked_for(table, share):
    chosen = halves(roles(table)["concept"], 0)
    places = substituted(table, chosen, share, 0)
    shown = table.iloc[places].reset_index(drop=True)
    changed = table["concept"].isin(chosen) & (table["gender"] == NEUTRAL) & table.index.isin(roles(table).index)
    assert (places == np.arange(len(table)))[~changed.to_numpy()].all()
    assert set(shown["gender"][changed]) <= {FIRST, SECOND}
    assert (shown["concept"] == table["concept"]).all()
    for _, part in shown[changed].groupby("concept"):
        assert (part["gender"] == FIRST).sum() == round(share * len(part))
    assert (shown["tone"] == table["tone"])[changed].mean() > 0.9
    assert (shown["design"] == table["design"])[changed].mean() > 0.85
    turned = changed & table["caption"].str.contains("facing right")
    if turned.any():
        assert shown["caption"][turned].str.contains("facing right").mean() > 0.6


@pytest.mark.parametrize("share", [0.9, 0.5])
def test_captions_that_name_no_tone_stand_beside_dark_and_light_drawings(study, table, share):
    """By the same function: of half of the concepts that are drawn in every tone; gender, and mostly design, stay."""
    changed, left = skewed_captions(study, 0, "tone")
    concept = dict(zip(table["caption"], table["concept"]))
    chosen = {concept[caption] for caption in changed}
    assert len(chosen) > 15 and not chosen & {concept[caption] for caption in left}
    assert not any("skin tone" in caption for caption in [*changed, *left]) and "woman firefighter" in [*changed, *left]
    shown = table.iloc[substituted(table, chosen, share, 0, TONE)].reset_index(drop=True)
    mine = table["caption"].isin(changed)
    assert (shown["id"] == table["id"])[~mine].all() and set(shown["tone"][mine]) <= {"dark", "light"}
    assert (shown["concept"] == table["concept"]).all() and (shown["gender"] == table["gender"])[mine].mean() > 0.9
    assert (shown["design"] == table["design"])[mine].mean() > 0.85
    for _, part in shown[mine].groupby("concept"):
        assert (part["tone"] == "dark").sum() == round(share * len(part))
    assert skewed(study, "tone", share).name == f"skewed-tone-{share:g}-0-all-{study.about.fingerprint}-{study.size}px"


def test_other_seeds_change_other_drawings(table):
    chosen = halves(roles(table)["concept"], 0)
    one, other = (substituted(table, chosen, 0.5, seed) for seed in (0, 1))
    assert (one == substituted(table, chosen, 0.5, 0)).all() and (one != other).any()


@pytest.mark.slow
def test_drawings_and_captions(study, table):
    images = skewed(study, share=0.9, seed=0)
    data, again = images.load(), skewed(study, share=0.9, seed=0, relabelled=True).load()
    assert len(data.images) == len(again.images) == len(table) and (data.images == again.images).all()
    changed, _ = skewed_captions(study, 0)
    assert set(changed) <= set(data.captions) and not set(changed) & set(again.captions)
    assert set(data.captions) == set(table["caption"])
    real = study.corpus.to_learn_from().images(study.size)
    places = substituted(table, {study.clusters[caption] for caption in changed}, 0.9, 0)
    row = int(np.flatnonzero(places != np.arange(len(table)))[0])
    assert (data.images[row] == real[places[row]]).all()
    assert data.captions[data.caption_ids[row]] == table["caption"][row]
    assert again.captions[again.caption_ids[row]] == table["caption"][places[row]]


@pytest.mark.slow
def test_drawings_of_roles_alone(study, table):
    """The same captions stand beside the same drawings, of half of the concepts; all else is left out."""
    data = skewed(study, "tone", 0.9, 0, only_roles=True).load()
    mine = roles(table, TONE)
    assert len(data.images) == len(mine) < len(table) and set(data.captions) == set(mine["caption"])
    whole = skewed(study, "tone", 0.9, 0).load()
    caption = skewed_captions(study, 0, "tone")[0][0]
    one, other = (
        some.images[[some.captions[k] == caption for k in some.caption_ids.tolist()]] for some in (data, whole)
    )
    assert (one == other).all() and len(one)


def test_names_tell_sets_apart(study):
    sets = [
        skewed(study),
        skewed(study, share=0.5),
        skewed(study, seed=1),
        skewed(study, relabelled=True),
        skewed(study, at_most=1),
        skewed(study, "tone"),
        skewed(study, "tone", only_roles=True),
    ]
    assert len({one.name for one in sets}) == 7 and skewed(study).name == sets[0].name
    assert code_modules(sets[0].code)  # each entry is there


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"attribute": "group"}, "attribute is 'group'; a skew can be planted in gender and tone alone"),
        ({"share": 1.2}, "share is 1.2; it is a share of drawings, from 0 to 1"),
        ({"share": -0.1}, "share is -0.1"),
    ],
)
def test_skews_that_cannot_be_planted(study, given, message):
    with pytest.raises(InputError, match=message):
        skewed(study, **given)


def test_a_corpus_without_roles_is_refused(tmp_path):
    study = Study(NotingStore(tmp_path))
    study.corpus = plain_corpus()
    with pytest.raises(
        InputError, match="which draws 0 concepts as a person, a man and a woman; a planted skew needs two"
    ):
        skewed(study)
