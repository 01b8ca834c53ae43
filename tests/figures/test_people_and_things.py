"""No picture of people stands beside a thing or an animal, nor the other way round, whatever an encoder finds."""

from __future__ import annotations

import io

import numpy as np
import pandas as pd
import pytest
from PIL import Image

from stablerep import figures
from stablerep.figures import tables
from stablerep.figures.images import pixels_of
from stablerep.figures.people_and_things import apart, finds, left_out, names_people
from stablerep.study.chapters import stored_tables


def found(*pairs: tuple[str, str]) -> pd.DataFrame:
    return pd.DataFrame([{"caption": one, "kind": "found", "index": 0, "shows": other} for one, other in pairs])


@pytest.mark.parametrize(
    ("caption", "people"),
    [
        ("deaf person", True), ("woman health worker", True), ("thumbs down: medium-dark skin tone", True), ("tongue", True), ("man genie", True),
        ("dog face", False), ("rose", False), ("see-no-evil monkey", False), ("pie", False), ("mannequin shop", False),
        ("a photo of two children on a beach", True), ("an old man", True), ("A face of a Black woman", True), ("a photo of a frog", False),
    ],
)  # fmt: skip
def test_captions_of_people_are_told_from_others_by_their_group_or_their_words(caption, people):
    assert names_people(caption) is people


def test_people_are_shown_in_rows_of_people_alone_and_nothing_else_there():
    table = found(
        ("dog face", "deaf person"), ("dog face", "cat face"), ("woman health worker", "office worker"),
        ("woman health worker", "gorilla"), ("rose", "rose"),
    )  # fmt: skip
    assert apart(table)["shows"].tolist() == ["cat face", "office worker", "rose"]
    assert left_out(table).startswith(
        "2 images are left out here: of people or parts of the body for an animal or a thing or of animals or things for people. "
    )
    assert left_out(table[:2]).startswith(
        "1 image is left out here: of people or parts of the body for an animal or a thing. "
    )
    assert left_out(table[2:4]).startswith("1 image is left out here: of animals or things for people. ")
    assert left_out(table[1:3]) == ""


def test_the_stored_strip_shows_no_people_beside_things():
    """What the comparison's encoder found for a dog's face were human ones."""
    table = stored_tables("compare")["strip"]
    shown = apart(table)
    assert (
        not shown[shown["kind"] == "found"]
        .query("caption in ['dog face', 'automobile', 'rose']")["shows"]
        .map(names_people)
        .any()
    )
    figure = figures.strip(table)
    for caption, hidden in table[~table.index.isin(shown.index)][["caption", "shows"]].itertuples(index=False):
        assert hidden not in figure.get_label(), caption
    assert "for dog face: none that is shown" in figure.get_label()


def test_finds_are_counted_by_group_and_what_is_left_out_is_said():
    table = found(("dog face", "cat face"), ("dog face", "deaf person"), ("rose", "pie"))
    assert finds(table).startswith(
        "1 of the 3 images that were found are of the same broad group of emoji as their caption; "
    )
    assert "1 image is left out" in finds(table)
    assert finds(found(("a photo of a frog", "a photo of a truck"))) == ""  # captions of another corpus have no group
    assert finds(table.assign(kind="real")) == ""


def test_what_is_retrieved_follows_the_rule_in_picture_and_words():
    file = io.BytesIO()
    Image.fromarray(np.zeros((8, 8, 3), np.uint8)).save(file, "PNG")
    table = found(("dog face", "deaf person"), ("dog face", "cat face")).assign(png=file.getvalue(), index=[0, 1])
    table["kind"] = "by likeness"
    assert tables.of_other_captions(table).startswith(
        "Images of other captions, by their captions. For dog face: by likeness (cat face). 1 image is"
    )
    assert "deaf" not in figures.retrieved(table).get_label()


def shade(level: int) -> bytes:
    file = io.BytesIO()
    Image.new("RGB", (8, 8), (level,) * 3).save(file, "PNG")
    return file.getvalue()


def columns_of(figure, rows: int) -> list[list[bool]]:
    """Of each row of a grid of images, which are there."""
    mosaic = figure.axes[0].images[0].get_array()[..., 3]
    height = len(mosaic) // rows
    lines = [mosaic[place * height : (place + 1) * height] for place in range(rows)]
    return [[bool(line[:, start : start + 8].any()) for start in range(0, 27, 9)] for line in lines]


def test_what_looks_like_a_copy_shows_no_people_beside_things():
    kinds = ("generated", "nearest, embedding", "nearest, pixels")
    rows = [
        ("dog face", ("dog face", "deaf person (noto)", "cat face (noto)")),
        ("man", ("man", "man (noto)", "gorilla (noto)")),
    ]
    table = pd.DataFrame([
        {"caption": caption, "kind": kind, "shows": shows, "png": shade(90)} for caption, several in rows for kind, shows in zip(kinds, several)
    ])  # fmt: skip
    figure = figures.copy_pictures(table)
    assert columns_of(figure, 2) == [[True, False, True], [True, True, False]]
    assert figure.get_label().endswith("Nearest by the embedding, for dog face: none that is shown; man: man (noto).")


def test_extreme_images_have_no_find_of_people_beside_things():
    table = pd.DataFrame(
        {
            "captions": "some",
            "kind": "furthest",
            "caption": ["coat", "rose"],
            "found": ["deaf person", "tulip"],
            "lead": -0.5,
        }
    )
    table = table.assign(png=shade(90), png_named=shade(120), png_found=shade(150))
    figure = figures.extremes(table, "some")
    assert columns_of(figure, 2) == [[True, True, False], [True, True, True]]
    assert "coat, its find is not shown (-0.50); rose, found tulip (-0.50)" in figure.get_label()


def test_a_picture_is_opaque_where_that_is_asked_for():
    assert pixels_of(shade(90)).shape == (8, 8, 3)
    assert (pixels_of(shade(90), "RGBA")[..., 3] == 255).all()
