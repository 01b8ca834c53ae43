"""Numbers as a page and as JSON have them, and pieces of HTML that hold what they are given and nothing else."""

from __future__ import annotations

import json
import math

import numpy as np
import pytest
from bs4 import BeautifulSoup

from stablerep.png import png_of
from stablerep.study.audit_card.drawing import grid, intervals, outlines, pairs, shortened
from stablerep.study.audit_card.parts import Number, Section

PNG = png_of(np.zeros((3, 4, 4), np.uint8))


@pytest.mark.parametrize(
    ("number", "text"),
    [
        (Number("n", "t", 12345, "images"), "12,345"),
        (Number("n", "t", 0.1234, "share", 0.1, 0.15), "12.3 % [10.0, 15.0]"),
        (Number("n", "t", 0.1234, "share", math.nan, math.nan), "12.3 %"),
        (Number("n", "t", 17.26, "grey levels"), "17.3"),
        (Number("n", "t", 0.5, "cosine distance", 0.25, 0.75), "0.500 [0.250, 0.750]"),
        (Number("n", "t", math.nan, "share", 0.1, 0.2), "not known"),
        (Number("n", "t", None, "pixels"), "not known"),
    ],
)
def test_a_number_is_shown_in_its_unit_with_its_interval(number, text):
    assert number.text == text


def test_what_is_not_known_is_null_in_json():
    chance = Number("c", "chance", math.inf, "share")
    found = Number("n", "t", math.nan, "share", None, 0.5, (chance,)).json
    assert found["value"] is None and found["low"] is None and found["high"] == 0.5
    assert found["beside"][0]["value"] is None
    json.dumps(found, allow_nan=False)
    assert Number("n", "t", np.int64(3), "images").json["value"] == 3


def test_a_section_is_written_without_its_figures():
    section = Section(
        "what", "What", "How.", "Limits.", (Number("n", "t", 1, "images"),), (("term", "text"),), ("note",), ("<svg/>",)
    )
    assert section.json == {
        "title": "What", "how": "How.", "opening": "", "limits": "Limits.", "left_out": "", "facts": {"term": "text"}, "notes": ["note"],
        "numbers": [{"name": "n", "title": "t", "value": 1, "low": None, "high": None, "unit": "images", "beside": []}],
    }  # fmt: skip


def test_captions_are_text_whatever_they_hold():
    caption = '<script>alert("1")</script> & co'
    for html in (grid([PNG], [caption]), pairs("Pairs", [(PNG, caption, PNG, caption, caption)])):
        page = BeautifulSoup(html, "html.parser")
        assert page.find("script") is None and caption in page.get_text()
        assert all(
            caption in one["alt"] and one["src"].startswith("data:image/png;base64,") for one in page.find_all("img")
        )
    rows = [(caption, "one", 0.5, 0.4, 0.6, caption)]
    assert BeautifulSoup(intervals(caption, rows), "html.parser").find("script") is None


def test_long_and_empty_captions():
    assert shortened("a  b\nc") == "a b c" and shortened(" ") == "(no caption)"
    assert len(shortened("x" * 500)) == 110 and shortened("x" * 500).endswith("…")


def test_a_share_that_is_refused_has_no_mark():
    page = BeautifulSoup(intervals("t", [("a", "one", math.nan, math.nan, math.nan, "refused"), ("b", "two", 0.25, math.nan, math.nan, "25.0 %")]), "html.parser")  # fmt: skip
    first, second = page.select(".row")
    assert first.select("circle") == [] and "refused" in first.get_text()
    assert [one["cx"] for one in second.select("circle")] == ["25.00%"] and second.select(".range") == []


def test_outlines_hold_all_values_and_those_that_are_not_finite_do_not_count():
    series = {"one & two": np.array([0.0, 1.0, 1.0, np.inf]), "real": np.array([0.5])}
    page = BeautifulSoup(outlines("t", series, [0.75, np.nan], "cosine", "alt text"), "html.parser")
    assert page.svg["aria-label"] == "alt text" and len(page.select("polyline")) == 2
    assert [line["x1"] for line in page.select("line.bar")] == ["75.00"]
    assert "one & two" in page.get_text() and "bars" in page.get_text()
    tops = [min(float(point.split(",")[1]) for point in one["points"].split()) for one in page.select("polyline")]
    assert tops == pytest.approx([40 - 38 * 2 / 3, 2], abs=0.01)  # two of three values in one bin, one of one
    assert outlines("t", {"none": np.array([np.nan])}, [], "cosine", "alt") == ""
    assert "polyline" in outlines("t", {"same": np.zeros(4)}, [], "cosine", "alt")
