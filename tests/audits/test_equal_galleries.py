"""Who judges and what is asked, on the embedded emoji and on a corpus without designs."""

from __future__ import annotations

import pandas as pd
import pytest

from stablerep.audits.equal_galleries import (
    TEST,
    TRAINING,
    UNSEEN,
    caption_groups,
    half_of,
    held_out_group,
    in_turn,
    judges_concepts,
    judges_part,
    named_by_captions,
    with_concepts,
)
from stablerep.corpus.emoji import HELD_OUT
from stablerep.errors import InputError
from tests.study.stand_ins import plain_corpus


@pytest.fixture(scope="module")
def groups(emoji):
    return caption_groups(emoji, 500)


def test_the_judge_knows_no_concept_that_it_is_asked_about(emoji, groups):
    part = judges_part(emoji)
    learned, may = set(part.table["id"]), set(emoji.to_learn_from().table["id"])
    assert learned < may and part.table["concept"].nunique() > 300
    for group in groups.values():
        assert not set(part.table["concept"]) & {*group.gallery.table["concept"], *group.real.table["concept"]}


def test_no_design_of_the_gallery_is_asked_about_and_no_style_is_missing(emoji, groups):
    for group in groups.values():
        assert set(group.gallery.table["design"]) == {HELD_OUT}
        assert (
            set(group.real.table["design"])
            == set(emoji.designs) - {HELD_OUT}
            == set(judges_part(emoji).table["design"])
        )
        assert set(group.real.table["caption"]) == set(group.captions) <= set(group.gallery.table["caption"])
        assert set(group.about.index) == set(group.captions)


def test_groups_are_what_the_generator_knows_knows_in_part_and_does_not_know(emoji, groups):
    learned = emoji.to_learn_from().table
    of = {name: group.real.table for name, group in groups.items()}
    assert list(groups) == [TRAINING, UNSEEN, TEST]
    assert set(of[TRAINING]["caption"]) <= set(learned["caption"])
    assert not set(of[UNSEEN]["caption"]) & set(learned["caption"])
    assert set(of[UNSEEN]["concept"]) <= set(learned["concept"])
    assert not set(of[TEST]["concept"]) & set(learned["concept"])
    held = emoji.table.query("split == 'train' and held_out and design != @HELD_OUT")
    assert len(groups[UNSEEN].captions) == held["caption"].nunique()  # all there are
    assert groups[TRAINING].gallery.fingerprint == groups[UNSEEN].gallery.fingerprint
    assert groups[TRAINING].name.endswith(f"concepts, {HELD_OUT}")
    assert len(groups[TRAINING].captions) == len(groups[TEST].captions) == 500


def test_fewer_captions_are_the_first_of_more_and_of_as_many_concepts(emoji, groups):
    fewer = caption_groups(emoji, 60)
    for name, group in fewer.items():
        assert group.captions == groups[name].captions[: len(group.captions)]
    assert fewer[TRAINING].real.table["concept"].nunique() == 60
    with pytest.raises(InputError, match=r"captions is 9999; the judge can be asked about \d+ training captions"):
        caption_groups(emoji, 9999)


def test_captions_come_in_turn():
    table = pd.DataFrame({"caption": [f"a{i}" for i in range(5)] + ["b0", "b0", "c0", "c1"], "concept": [*"aaaaabbcc"]})
    order = in_turn(table)
    assert sorted(order) == sorted(set(table["caption"]))
    assert [sorted(one[0] for one in part) for part in (order[:3], order[3:5])] == [["a", "b", "c"], ["a", "c"]]
    assert order == in_turn(table.iloc[::-1].reset_index(drop=True))


def test_halves_of_different_purposes_are_independent(emoji):
    names = sorted(set(emoji.table["concept"]))
    both = pd.crosstab([half_of(name, "judge") for name in names], [half_of(name, "sets") for name in names])
    assert (both / len(names)).stack().between(0.2, 0.3).all()
    train = set(emoji.split("train").table["concept"])
    assert 0.4 < len(judges_concepts(emoji.table)) / len(train) < 0.5  # half, less those with unseen combinations


def test_captions_name_the_finest_label_that_their_images_share():
    table = pd.DataFrame({
        "caption": ["a dog", "a dog", "a cat"], "kind": ["animal"] * 3, "species": ["dog", "dog", "cat"], "breed": ["pug", "poodle", "manx"],
    })  # fmt: skip
    assert named_by_captions(table, ("kind", "species", "breed")) == "species"
    assert named_by_captions(table, ("kind",)) == "kind"
    assert named_by_captions(table, ()) == named_by_captions(table, ("breed",)) == "caption"
    assert named_by_captions(table.assign(species=["dog", None, "cat"]), ("species",)) == "caption"  # not known of all


def test_without_designs_held_out_images_are_halved():
    corpus = with_concepts(plain_corpus(12, 3))
    captions = sorted(set(corpus.split("train").table["caption"]))[:4]
    (group,) = held_out_group(corpus, captions).values()
    gallery, real = set(group.gallery.table["id"]), set(group.real.table["id"])
    assert not gallery & real and gallery | real == set(corpus.split("test").table["id"])
    assert group.captions == captions and group.name == "3 concepts, held-out images"
    counts = group.gallery.table["concept"].value_counts() - group.real.table["concept"].value_counts()
    assert counts.abs().max() <= 1
    assert group.about.loc[captions, "concept"].str.startswith("kind").all()
    assert judges_part(corpus).table["split"].eq("train").all()


def test_captions_of_which_no_held_out_images_tell_are_refused():
    corpus = with_concepts(plain_corpus(12, 3, labels=()))  # each caption names itself
    with pytest.raises(InputError, match="no two of 36 held-out images show what one of the 2 captions names"):
        held_out_group(corpus, ["train caption 1", "train caption 2"])
