"""The page on composition, from small tables by hand."""

from __future__ import annotations

import io

import matplotlib.pyplot as plt
import pandas as pd
import pytest
from PIL import Image

from stablerep import figures
from stablerep.figures import composition_tables
from stablerep.published import read_published

SHOWN, OTHER = "training captions", "new ones"


def accuracy() -> pd.DataFrame:
    rows = [
        {"arm": arm, "images_of": images, "kind": kind, "probe": f"{kind}, {images}", "accuracy": share, "low": share - 0.02, "high": share + 0.02,
         "text_alone": alone, "text_low": alone - 0.01, "text_high": alone + 0.01, "ties": 0.125, "chance": 0.5, "over_groups": alone, "clusters": 9}
        for images in (SHOWN, OTHER) for kind, alone in (("skin tone", 0.5), ("order of words", 0.9))
        for arm, share in (("CLIP real", 0.75), ("CLIP synthetic", 0.7), ("Untrained CLIP", 0.5))
    ]  # fmt: skip
    return pd.DataFrame(rows)


def pairs() -> pd.DataFrame:
    rows = [
        {"claim": claim, "images_of": SHOWN, "kind": kind, "first": first, "second": second, "difference": 0.0312, "low": -0.01, "high": 0.07,
         "visible": 0.055, "clusters": 9}
        for claim, first, second in (("C9", "CLIP synthetic", "CLIP real"), ("more", "StableRep+ synthetic", "CLIP synthetic"))
        for kind in ("skin tone", "order of words")
    ]  # fmt: skip
    return pd.DataFrame(rows)


def test_the_figure_says_its_numbers():
    figure = figures.preferred_captions(accuracy(), pairs(), SHOWN)
    said = figure.get_label()
    assert "CLIP synthetic, skin tone 70.0 [68.0, 72.0] %" in said
    assert (
        "CLIP synthetic minus CLIP real, order of words +3.1 [-1.0, +7.0] points" in said and "StableRep+" not in said
    )
    plt.close(figure)


def test_a_kind_without_an_interval_is_drawn_and_shown_all_the_same():
    ends = ["low", "high", "text_low", "text_high"]
    alone, compared = accuracy(), pairs()
    alone.loc[alone["kind"] == "skin tone", ends] = float("nan")
    compared.loc[compared["kind"] == "skin tone", ["low", "high", "visible"]] = float("nan")
    figure = figures.preferred_captions(alone, compared, SHOWN)
    figure.canvas.draw()
    assert "CLIP real, skin tone 75.0 %" in figure.get_label()
    plt.close(figure)
    assert composition_tables.preferences(alone, SHOWN).loc[("skin tone", "CLIP real")].tolist() == [
        "75.0",
        "50.0",
        "12.5",
    ]
    assert composition_tables.differences(compared, SHOWN).loc["skin tone"].iloc[0] == "+3.1"


def test_preferences_stand_beside_what_the_text_gives_away():
    shown = composition_tables.preferences(accuracy(), SHOWN)
    assert shown.loc[("order of words", "CLIP real")].tolist() == ["75.0 [73.0, 77.0]", "90.0 [89.0, 91.0]", "12.5"]
    assert len(shown) == 6


def test_differences_and_other_images_are_in_rows():
    shown = composition_tables.differences(pairs(), SHOWN)
    assert shown.columns.tolist() == ["CLIP synthetic − CLIP real", "StableRep+ synthetic − CLIP synthetic"]
    assert shown.loc["skin tone"].iloc[0] == "+3.1 [-1.0, +7.0], 5.5"
    other = composition_tables.elsewhere(accuracy(), SHOWN)
    assert other.index.tolist() == [(OTHER, "skin tone"), (OTHER, "order of words")]
    assert other.loc[(OTHER, "order of words"), "CLIP real"] == "75.0 [73.0, 77.0], 90.0"
    assert composition_tables.elsewhere(accuracy().query("images_of == @SHOWN"), SHOWN).empty


def test_foils_stand_with_an_example():
    table = pd.DataFrame([
        {"images_of": part, "kind": "colour word", "images": 40, "captions": 30, "clusters": 12, "left_out": 1, "caption": "red heart", "foil": "blue heart", "row": 3}
        for part in (SHOWN, OTHER)
    ])  # fmt: skip
    assert composition_tables.foils(table, SHOWN).loc["colour word"].tolist() == [40, 12, 1, "red heart", "blue heart"]
    assert len(composition_tables.foils(table)) == 2


def test_files_are_told_with_what_is_missing():
    assert composition_tables.files_sentence({}).startswith("No files were named")
    files = pd.DataFrame([
        {"probe": "VG-Relation", "file": "a.json", "questions": 2000, "missing": 3, "pictures": 1500},
        {"probe": "COCO-Order", "file": "b.json", "questions": 10, "missing": 0, "pictures": 2},
    ])  # fmt: skip
    assert composition_tables.files_sentence({"files": files}) == (
        "VG-Relation (`a.json`): 2,000 questions about 1,500 images, and 3 more whose image is not there were not asked; COCO-Order (`b.json`): 10 "
        "questions about 2 images."
    )
    shown = composition_tables.of_files(
        accuracy().query("images_of == @SHOWN").assign(over_groups=[0.5, float("nan")] * 3)
    )
    assert shown["mean over relations or attributes (%)"].tolist() == ["50.0", ""] * 3 and set(shown["chance (%)"]) == {
        "50.0"
    }


def test_published_numbers_have_their_grade_and_are_said_to_be_lacking():
    assert composition_tables.published_sentence(read_published(primary_only=False)).startswith(
        "The numbers of table 7 on ARO are not in"
    )
    row = {"exhibit": "Table7", "method": "CLIP", "data": "CC12M real", "setting": "", "metric": "ARO relation (%)", "value": 51.2, "evidence": "derived", "source": "x"}  # fmt: skip
    assert "CLIP, CC12M real, ARO relation (%): 51.2 (derived)" in composition_tables.published_sentence(
        pd.DataFrame([row])
    )


def test_what_does_not_vary_has_the_exact_bound_or_no_interval():
    sure = accuracy().assign(accuracy=1.0, low=1.0, high=1.0, text_alone=0.5, text_low=0.5, text_high=0.5)
    assert composition_tables.preferences(sure, SHOWN).loc[("skin tone", "CLIP real")].tolist() == [
        "100.0 [71.7, 100.0]",
        "50.0",
        "12.5",
    ]
    alike = pairs().assign(difference=0.0, low=0.0, high=0.0, visible=0.0)
    assert composition_tables.differences(alike, SHOWN).loc["skin tone"].iloc[0] == "+0.0 (alike on all 9)"
    figure = figures.preferred_captions(sure, alike, SHOWN)
    assert (
        "CLIP real, skin tone 100.0 [71.7, 100.0] %" in figure.get_label()
        and "skin tone +0.0 (alike on all 9) points" in figure.get_label()
    )
    plt.close(figure)


@pytest.mark.parametrize("name", ["foils", "differences"])
def test_a_part_that_was_not_asked_about_is_an_empty_table(name):
    table = pairs() if name == "differences" else pd.DataFrame(
        columns=["images_of", "kind", "images", "captions", "clusters", "left_out", "caption", "foil"]
    )  # fmt: skip
    assert getattr(composition_tables, name)(table, "others").empty


def test_examples_are_those_of_the_part_that_have_an_image():
    picture = io.BytesIO()
    Image.new("RGB", (8, 8), (200, 30, 30)).save(picture, "PNG")
    rows = [
        {"images_of": part, "kind": kind, "caption": "red heart", "foil": "blue heart", "png": picture.getvalue() if kind != "gender" else None}
        for part in (SHOWN, OTHER) for kind in ("colour word", "gender", "order of words", "skin tone", "another concept")
    ]  # fmt: skip
    figure = figures.foil_examples(pd.DataFrame(rows), SHOWN)
    said = figure.get_label()
    assert said.count("red heart, not blue heart") == 4 and "gender" not in said
    assert said.startswith("An image of each of 4 kinds of foils. colour word: ")
    plt.close(figure)
