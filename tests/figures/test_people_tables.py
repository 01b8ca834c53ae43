"""Tables and sentences on people, from small tables by hand."""

from __future__ import annotations

import numpy as np
import pandas as pd

from stablerep.figures import people_tables


def test_readers_are_in_percent():
    row = {
        "attribute": "tone", "part": "held-out concepts", "images": 90, "clusters": 8, "bar": 0.5612, "read": 0.875, "accuracy": 0.9,
        "low": 0.8, "high": 1.0,
    }  # fmt: skip
    shown = people_tables.readers(pd.DataFrame([row]))
    assert shown.loc["tone"].tolist() == ["held-out concepts", 90, 8, 0.56, "87.5", "90.0 [80.0, 100.0]"]


def fits(*p: float) -> pd.DataFrame:
    return pd.DataFrame([
        {"attribute": "tone", "guidance_scale": 2.0 * k, "captions": 41, "images": 492, "effective": 100, "distance": 0.0404, "p": one,
         "refused": one <= 0.05}
        for k, one in enumerate(p, 1)
    ])  # fmt: skip


def test_refused_corrections_are_named_with_their_reason():
    table = fits(0.002, 0.4)
    assert people_tables.fits(table)["corrected"].tolist() == ["refused", "yes"]
    assert people_tables.fits(table).iloc[0].tolist() == [2.0, 41, 492, 100, 0.04, "0.002", "refused"]
    said = people_tables.refused_sentence(table)
    assert said.startswith("**No corrected share is given for tone at w = 2 (p = 0.002)**: no shares of the classes")
    assert people_tables.refused_sentence(table[1:]).startswith("No correction was refused")


def test_contrasts_are_in_points():
    row = {
        "attribute": "tone", "label": "dark", "first": "a", "second": "b", "difference": 0.0312, "low": -0.01, "high": 0.07, "visible": 0.055,
        "p": 0.01, "adjusted": 0.09, "seeds": 5, "clusters": 34,
    }  # fmt: skip
    shown = people_tables.contrasts(pd.DataFrame([row]))
    assert shown.loc["tone"].tolist() == ["dark", "a", "b", "+3.1 [-1.0, +7.0]", "5.5", "0.090", 34, 5]
    assert people_tables.contrasts(pd.DataFrame([row])[:0]).empty


def test_labels_by_eye_are_told_once_there_are_some():
    columns = ["attribute", "images", "captions", "both", "agreement", "low", "high"]
    table = pd.DataFrame(
        [["tone", 200, 41, 0.9, 0.85, 0.8, 0.9], ["gender", 200, 41, 0.5, 0.7, 0.6, 0.8]], columns=columns
    )
    said = people_tables.labels_sentence(table)
    assert said.startswith("Of 200 generated images of 41 captions that one labeller saw")
    assert "the reader agrees on **tone** 85.0 [80.0, 90.0] %" in said
    assert "**gender** 70.0 [60.0, 80.0] % (both name a class for 50 % of the images)" in said
    assert people_tables.labels_sentence(table[:0]).startswith("No person has looked at images")


def test_suppressed_groups_are_named_once():
    groups = pd.DataFrame({
        "arm": ["a", "a", "b"], "attribute": "age", "label": ["0-2", "3-9", "0-2"], "accuracy": [np.nan, 0.5, np.nan], "items": [4, 90, 4],
    })  # fmt: skip
    said = people_tables.suppressed_sentence(groups, 30)
    assert said == "Groups with fewer than 30 held-out images have no accuracy: 0-2 (age, 4)."
    assert people_tables.suppressed_sentence(groups[1:2], 30) == "Every group has 30 held-out images or more."


def test_floors_have_a_column_each_with_what_would_be_detected():
    rows = [
        {"first": "A", "second": name, "difference": 0.05, "low": 0.01, "high": 0.09, "visible": 0.08}
        for name in ("pixels", "random")
    ]
    shown = people_tables.against_floors(pd.DataFrame(rows))
    assert shown.columns.tolist() == ["pixels", "random"] and shown.loc["A", "random"] == "+5.0 [+1.0, +9.0], 8.0"


def test_an_interval_that_leaves_out_zero_without_a_corrected_p_is_explained():
    row = {
        "label": "man",
        "first": "a",
        "second": "b",
        "difference": -0.033,
        "low": -0.06,
        "high": -0.007,
        "adjusted": 0.189,
    }
    said = people_tables.holm_sentence(pd.DataFrame([row, row | {"low": -0.1, "high": 0.1}]))
    assert (
        "*man*, a − b, -3.3 [-6.0, -0.7], p 0.189. Of 2 rows one in twenty" in said and "is not told from zero" in said
    )
    assert people_tables.holm_sentence(pd.DataFrame([row | {"adjusted": 0.01}, row | {"high": 0.1}])) == ""


def test_what_an_arm_still_needs_is_by_its_hardest_floor():
    rows = [("A", "pixels", 0.1, 0.09), ("A", "gradients", -0.014, 0.08), ("B", "pixels", 0.2, 0.05)]
    table = pd.DataFrame(rows, columns=["first", "second", "difference", "visible"])
    assert people_tables.still_needed(table) == "A 9.4 points (gradients: -1.4 where 8.0 would be detected); B none"
    rounded = table.assign(
        difference=[0.1, -0.0223, 0.2], visible=[0.09, 0.0884, 0.05]
    )  # 11.07, of numbers that are shown as 8.8 and 2.2
    assert people_tables.still_needed(rounded).startswith("A 11.0 points (gradients: -2.2 where 8.8 would")
