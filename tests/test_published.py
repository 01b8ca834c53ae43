"""The paper's numbers are those of the table, and only rows of the first grade are read as such."""

from __future__ import annotations

import csv

import pytest

from stablerep.published import TABLE, figure_6, read_published


@pytest.fixture(scope="module")
def lines():
    with open(TABLE, newline="") as file:
        return list(csv.DictReader(file))


def test_the_table_is_read_as_it_is_written(lines):
    found = read_published(primary_only=False)
    assert found.columns.tolist() == ["exhibit", "method", "data", "setting", "metric", "value", "evidence", "source"]
    assert found.to_dict("records") == [{**line, "value": float(line["value"])} for line in lines]


def test_rows_of_lower_grades_are_left_out_unless_asked_for(lines):
    assert set(read_published()["evidence"]) == {"primary"}
    assert len(read_published()) == sum(line["evidence"] == "primary" for line in lines) < len(lines)
    assert set(read_published(exhibit="Fig2a", primary_only=False)["exhibit"]) == {"Fig2a"}
    assert read_published(exhibit="Fig2a").empty


def test_every_row_has_a_grade_a_source_and_a_value(lines):
    for line in lines:
        assert line["exhibit"] and line["value"] and line["evidence"] and line["source"], line


def test_figure_6_has_the_primary_rows_of_the_two_methods_without_batch_norm(lines):
    names = {"StableRep+": "StableRep+ synthetic", "CLIP": "CLIP real"}
    expected = set()
    for line in lines:
        if line["exhibit"] == "Fig6" and line["evidence"] == "primary" and line["setting"].endswith("probe without BN"):
            millions = int(line["setting"].split("M ")[0])
            expected.add((names[line["method"]], millions * 10**6, float(line["value"])))
    found = figure_6()
    assert set(found.itertuples(index=False, name=None)) == expected and len(found) == len(expected) == 9
    assert found.equals(found.sort_values(["method", "captions"], ignore_index=True))


def test_figure_6_shows_what_the_article_says_about_it():
    """StableRep+ from 10 million captions is above CLIP from 50 million."""
    accuracy = figure_6().set_index(["method", "captions"])["accuracy"]
    assert accuracy["StableRep+ synthetic", 10_000_000] == 73.5 and accuracy["CLIP real", 50_000_000] == 72.9
    for method in ("StableRep+ synthetic", "CLIP real"):
        assert accuracy[method].is_monotonic_increasing
