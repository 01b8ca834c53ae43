"""Foils by hand, and that none of them is right."""

from __future__ import annotations

import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from stablerep.audits.foils import (
    COLOUR,
    COLOURS,
    CONTROL,
    GENDER,
    KINDS,
    ORDER,
    PEOPLE,
    TONE,
    colour_foils,
    described,
    foils_of,
    gender_foils,
    order_foil,
    people_foils,
    shown_alike,
    tone_foils,
)
from stablerep.errors import InputError


def test_a_tone_is_exchanged_for_each_other_one():
    found = tone_foils("woman: medium-light skin tone, red hair")
    assert set(found) == {f"woman: {one} skin tone, red hair" for one in ("light", "medium", "medium-dark", "dark")}
    assert tone_foils("woman firefighter") == tone_foils("kiss: dark skin tone, light skin tone") == []
    assert tone_foils("light bulb") == []


@pytest.mark.parametrize(
    ("caption", "foil"),
    [
        ("woman firefighter: dark skin tone", "man firefighter: dark skin tone"),
        ("men wrestling", "women wrestling"),
        ("Mrs. Claus: light skin tone", "Santa Claus: light skin tone"),
        ("Santa Claus", "Mrs. Claus"),
        ("merman", "mermaid"),
        ("kiss: woman, woman", "kiss: man, man"),
        ("princess", "prince"),
    ],
)
def test_a_gender_is_exchanged_for_the_other(caption, foil):
    assert gender_foils(caption) == [foil] and gender_foils(foil) == [caption]


@pytest.mark.parametrize(
    "caption",
    ["firefighter", "kiss: woman, man", "woman and man holding hands", "manual wheelchair", "mango", "men’s room"],
)
def test_what_names_no_gender_or_both_has_no_foil_of_gender(caption):
    assert gender_foils(caption) == []


def test_the_tones_of_two_people_are_exchanged():
    caption = "kiss: woman, man, dark skin tone, medium-light skin tone"
    (foil,) = people_foils(caption)
    assert foil == "kiss: woman, man, medium-light skin tone, dark skin tone" and people_foils(foil) == [caption]
    assert people_foils("kiss: dark skin tone") == people_foils("handshake: dark skin tone, dark skin tone") == []


def test_a_colour_word_is_exchanged_where_there_is_one():
    assert set(colour_foils("red heart")) == {f"{one} heart" for one in COLOURS if one != "red"}
    assert colour_foils("black cat and white cat") == colour_foils("blueberries") == colour_foils("hundred") == []


@given(st.lists(st.sampled_from(["a", "b", "c", "d:"]), min_size=0, max_size=6).map(" ".join))
def test_another_order_has_the_same_words(caption):
    found = order_foil(caption, ())
    if len(set(caption.split())) < 2:
        assert found is None
    elif found is not None:
        assert sorted(found.split()) == sorted(caption.split()) and found != caption
        assert order_foil(caption, ()) == found


def test_an_order_that_is_a_caption_is_none():
    assert order_foil("red heart", ()) == "heart red" and order_foil("red heart", {"heart red"}) is None


READ = pd.DataFrame({
    "caption": ["woman cook: dark skin tone", "woman cook: light skin tone", "man cook: dark skin tone", "red heart", "blue heart", "owl"],
    "cluster": ["cook", "cook", "cook", "red", "blue", "owl"],
})  # fmt: skip


def foils(asked: pd.DataFrame = READ, **options) -> pd.DataFrame:
    return foils_of(asked, READ, captions=set(READ["caption"]), **options)


def test_foils_are_captions_that_were_read():
    found = foils()
    by = {(row.kind, row.caption): row.foil for row in found.itertuples()}
    assert by[TONE, "woman cook: dark skin tone"] == "woman cook: light skin tone"
    assert by[GENDER, "woman cook: dark skin tone"] == "man cook: dark skin tone"
    assert by[COLOUR, "red heart"] == "blue heart" and by[ORDER, "red heart"] == "heart red"
    assert (TONE, "man cook: dark skin tone") not in by and (ORDER, "owl") not in by  # neither has another
    assert set(found["kind"]) == {*KINDS, CONTROL} - {PEOPLE}
    clusters = dict(zip(READ["caption"], READ["cluster"]))
    others = found[found["kind"] == CONTROL]
    assert len(others) == len(READ) and all(clusters[row.caption] != clusters[row.foil] for row in others.itertuples())
    assert (found["caption"] != found["foil"]).all() and (
        READ["caption"].iloc[found["row"]].to_numpy() == found["caption"]
    ).all()


def test_images_of_a_caption_have_one_foil_in_whatever_order_they_are_asked():
    twice = pd.concat([READ, READ[::-1]], ignore_index=True)
    found = foils(twice)
    assert (found.groupby(["kind", "caption"])["foil"].nunique() == 1).all()
    pd.testing.assert_frame_equal(foils(), found[found["row"] < len(READ)].reset_index(drop=True))


def test_what_a_drawing_with_the_same_pixels_shows_is_no_foil():
    """A design that draws both hearts alike."""
    digests = [b"1", b"2", b"3", b"4", b"4", b"5"]
    alike = shown_alike(digests, READ["caption"].tolist())
    assert alike[3] == {"red heart", "blue heart"} and alike[5] == {"owl"}
    found = foils(alike=alike)
    assert found[found["kind"] == COLOUR]["foil"].isna().tolist() == [True, True]
    about = described(found, READ["cluster"].tolist()).set_index("kind")
    assert about.loc[COLOUR, ["images", "clusters", "left_out", "foil"]].tolist() == [0, 0, 2, ""]
    assert about.loc[TONE, ["images", "captions", "clusters", "left_out"]].tolist() == [2, 2, 1, 0]
    assert about.loc[ORDER, ["caption", "foil"]].tolist() == ["blue heart", "heart blue"]


def test_nothing_to_ask_is_an_empty_table():
    none = foils(READ[:0])
    assert none.empty and list(none) == ["kind", "row", "caption", "foil"] and described(none, []).empty
    assert foils_of(READ, READ[:0], captions=(), kinds=[TONE, CONTROL]).empty


def test_bad_input_is_told():
    with pytest.raises(InputError, match="kind of foil 'size' is unknown; valid are skin tone, gender"):
        foils(kinds=["size"])
    with pytest.raises(InputError, match="6 images, and captions of equal ones for 1"):
        foils(alike=[{"owl"}])


def test_no_foil_of_the_emoji_is_true_of_its_image(emoji):
    """Of the held-out design: a foil names another tone, gender or colour than the labels of the image, and never a caption of equal pixels."""
    import hashlib

    design = emoji.where(emoji.table["design"] == "twemoji")
    table = design.table.assign(cluster=design.table["concept"])
    digests = [hashlib.sha256(image.tobytes()).digest() for image in design.images(32).numpy()]
    alike = shown_alike(digests, table["caption"].tolist())
    found = foils_of(table, table.drop_duplicates("caption"), captions=set(emoji.table["caption"]), alike=alike)
    labels = table.drop_duplicates("caption").set_index("caption")
    kept = found.dropna(subset=["foil"])
    assert set(kept["kind"]) == {*KINDS, CONTROL}
    for kind, column in ((TONE, "skin_tone"), (GENDER, "gender")):
        part = kept[kept["kind"] == kind]
        own, other = (labels[column].loc[part[name]].to_numpy() for name in ("caption", "foil"))
        assert (own != other).all() and (
            labels["concept"].loc[part["caption"]].to_numpy() == labels["concept"].loc[part["foil"]].to_numpy()
        ).all()
    genders = labels["gender"].loc[kept[kept["kind"] == GENDER]["caption"]]
    assert set(genders) == {"woman", "man"}
    assert not any(row.foil in alike[row.row] for row in kept.itertuples())
    orders = kept[kept["kind"] == ORDER]
    assert not set(orders["foil"]) & set(emoji.table["caption"])
