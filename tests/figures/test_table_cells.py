"""Tables as a page shows them: digits, alignment, rows and their names."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from stablerep.figures.table_cells import TABLE, ShownTable, aligned, texts_of

DIGIT, COMMA = "\u2007", "\u2008"


@pytest.mark.parametrize(
    ("values", "texts"),
    [
        ([1.0, 12.0, np.nan], ["1", "12", ""]),
        ([0.5, 12.25], ["0.50", "12.25"]),
        ([1 / 3, 2.0], ["0.333", "2.000"]),
        ([102400, 26], ["102,400", "26"]),
        (["a", None], ["a", ""]),
        ([-0.0, 0.25], ["0.00", "0.25"]),
        ([-0.0001, 1 / 3], ["0.000", "0.333"]),
        ([True, False], ["yes", "no"]),
    ],
)
def test_numbers_have_the_fewest_digits_that_tell_what_three_would(values, texts):
    assert texts_of(pd.Series(values)) == texts


def points_of(text: str) -> list[int]:
    """Where the decimal points stand, or the ends of whole numbers."""
    return [place for place, mark in enumerate(text) if mark == "."]


def test_in_many_columns_every_interval_stands_below_its_value():
    few = pd.DataFrame({f"p{k}": ["30.8 [27.6, 34.0]"] for k in range(3)}, index=["A"])
    assert all(" " not in cell for cell in ShownTable(few).rows[0])
    many = ShownTable(few.assign(p3="1.0 [0.5, 1.5]")).rows[0]
    assert [cell.replace("\u00a0", "_") for cell in many[1:]] == ["30.8\n[27.6,_34.0]"] * 3 + ["1.0\n[0.5,_1.5]"]
    assert "30.8 [27.6" in ShownTable(few.assign(p3="1.0"))._repr_mimebundle_()["text/plain"]


def test_a_phrase_that_begins_with_a_number_may_break_anywhere():
    phrases = ["35 epochs of a large transformer, weak views", "3 epochs"]
    assert aligned(phrases) == phrases


def test_decimal_points_stand_below_each_other_and_intervals_are_unbroken():
    shown = aligned(["+1.2 [-0.3, +2.8]", "-12.5 [-20.0, +3.1]", "+3.0", ""])
    assert {points_of(text)[0] for text in shown if text} == {3}
    assert all(" " not in text and "-" not in text for text in shown) and shown[3] == ""
    assert [text.replace(DIGIT, "").replace("\u00a0", " ").replace("−", "-") for text in shown[:2]] == [
        "+1.2 [-0.3, +2.8]", "-12.5 [-20.0, +3.1]",
    ]  # fmt: skip


def test_thousands_leave_room_for_their_comma():
    assert aligned(["1,694", "26"]) == ["1,694", f"{COMMA}{DIGIT * 2}26"]
    assert aligned(["< 0.001", "0.250"])[1] == f"{DIGIT * 2}0.250"


def test_what_only_begins_with_digits_is_no_number():
    assert aligned(["1F355", "2764"]) == ["1F355", "2764"]
    assert aligned(["5-way 5-shot"]) == ["5-way 5-shot"]  # which may break at its space


def test_columns_of_words_stay_as_they_are():
    words = ["laptop", "160, 320", "12 to 20"]
    assert aligned(words) == words and aligned(["", ""]) == ["", ""]


def test_a_table_keeps_row_names_titles_and_what_the_columns_are():
    frame = pd.DataFrame({"value": [1.5, 2.0]}, index=pd.Index(["a", "b"], name=None)).rename_axis(columns="%")
    shown = ShownTable(frame)
    assert shown.header == ["%", "value"] and shown.rows == [["a", "1.5"], ["b", "2.0"]]
    data = shown._repr_mimebundle_()
    assert data[TABLE] == {"header": shown.header, "rows": shown.rows}
    assert "<th>%</th>" in data["text/html"] and "2.0" in data["text/plain"]


def test_a_table_without_rows_has_its_titles():
    shown = ShownTable(pd.DataFrame(columns=["a", "b"]))
    assert shown.header == ["", "a", "b"] and shown.rows == []


def test_names_that_are_as_above_are_left_out():
    index = pd.MultiIndex.from_tuples(
        [("x", "p", "1"), ("x", "p", "2"), ("x", "q", "2"), ("y", "q", "2")], names=["a", "b", "c"]
    )
    rows = ShownTable(pd.DataFrame({"n": [1, 2, 3, 4]}, index=index)).rows
    assert rows == [["x", "p", "1", "1"], ["", "", "2", "2"], ["", "q", "2", "3"], ["y", "q", "2", "4"]]
