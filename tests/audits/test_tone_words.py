"""Captions with and without a tone: by hand, and over the whole corpus."""

from __future__ import annotations

import pytest

from stablerep.audits.tone_words import NAMED_TONES, SKINNED, WITH_SKIN, names_tone, reworded, tone_named, without_tone

CASES = {
    "waving hand: dark skin tone": ("dark", "waving hand"),
    "woman firefighter: medium-dark skin tone": ("medium-dark", "woman firefighter"),
    "man: light skin tone, red hair": ("light", "man: red hair"),
    "man in manual wheelchair: medium skin tone, facing right": ("medium", "man in manual wheelchair: facing right"),
    "men holding hands: light skin tone, dark skin tone": ("", "men holding hands: light skin tone, dark skin tone"),
    "medium-light skin tone": ("", "medium-light skin tone"),
    "red heart": ("", "red heart"),
}


@pytest.mark.parametrize("caption", CASES)
def test_a_tone_and_the_caption_without_it(caption):
    assert (tone_named(caption), without_tone(caption)) == CASES[caption]
    assert names_tone(caption) == ("skin tone" in caption)


def test_other_wordings_keep_the_thing_and_the_tone():
    caption = "woman firefighter: medium-dark skin tone"
    assert reworded(caption, WITH_SKIN) == "woman firefighter with medium-dark skin"
    assert reworded(caption, SKINNED) == "medium-dark-skinned woman firefighter"


def test_words_and_columns_of_the_corpus_agree(emoji):
    """Of single people a caption names the tone that its column has; without it, nearly all are captions of the corpus."""
    table = emoji.table.drop_duplicates("caption")
    people = table[table["subgroup"].str.startswith("person") & table["tone"].isin(NAMED_TONES)]
    assert (people["caption"].map(tone_named) == people["tone"]).mean() > 0.9
    named = people[people["caption"].map(tone_named) != ""]
    assert (named["caption"].map(tone_named) == named["tone"]).all()
    assert not named["caption"].map(without_tone).map(names_tone).any()
    plain = table[table["tone"] == "none"]
    assert named["caption"].map(without_tone).isin(plain["caption"]).mean() > 0.8
    assert not plain["caption"].map(tone_named).any()
