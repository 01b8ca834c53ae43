"""Tables of what a chapter varied, from tables made by hand."""

from __future__ import annotations

import math

import pandas as pd

from stablerep.figures import varied_tables
from tests.figures.test_tables import arms, pairs


def test_accuracies_by_size_are_those_of_one_probe_in_every_panel():
    scaling = pd.concat(
        [arms().assign(captions=count, concepts=count // 5, panel=panel) for panel in "xy" for count in (10, 1000, 0)]
    )
    shown = varied_tables.scaled_accuracies(scaling, "linear")
    assert shown.columns.tolist() == ["no captions", "10 captions, 2 concepts", "1,000 captions, 200 concepts"]
    assert shown.index.tolist() == [
        "b, x",
        "a, x",
        "b, y",
        "a, y",
        "b",
        "a",
    ]  # floors, which learn from none, once and last
    assert shown["no captions"].tolist() == ["", "", "", "", "50.0 [45.0, 55.1]", "12.3"]
    assert shown.loc["b, y", "1,000 captions, 200 concepts"] == "50.0 [45.0, 55.1]"


def test_differences_by_size_have_a_column_for_each_panel():
    table = pd.concat([pairs().query("second == 'r'").assign(panel=panel) for panel in "xy"])
    shown = varied_tables.against_all_captions(table, "linear")
    assert shown.columns.tolist() == ["x", "y"] and shown.loc["b"].tolist() == 2 * ["+30.0 [+20.0, +40.0]"]


def test_rates_of_exchange_have_their_ends_or_say_that_nothing_rises():
    rows = [("x", 1.98, 1.04, 3.5), ("y", math.nan, math.nan, math.nan)]
    table = pd.DataFrame(rows, columns=["panel", "times", "low", "high"]).assign(probe="p", first="A", second="B")
    shown = varied_tables.exchange_rates(table)
    assert shown.loc["A for B, p"].to_dict() == {"x": "2 [1, 3.5]", "y": "no clear rise"}
    open_ended = varied_tables.exchange_rates(table.assign(times=8.0, low=0.0, high=math.inf))
    assert open_ended.loc["A for B, p", "x"] == "8 [0, ∞]"


def test_rises_have_a_row_for_each_group_and_a_column_for_each_arm():
    rows = [("A", "all", 0.01, 40), ("B", "all", 0.02, 40), ("A", "food", -0.01, 9)]
    table = pd.DataFrame(rows, columns=["arm", "group", "difference", "clusters"]).assign(low=-0.05, high=0.05)
    shown = varied_tables.rises_by_group(table)
    assert shown.index.tolist() == ["all (40)", "food (9)"] and shown.loc["all (40)", "B"] == "+2.0 [-5.0, +5.0]"
    assert shown.loc["food (9)"].tolist() == ["-1.0 [-5.0, +5.0]", ""]


def test_accuracies_by_scale_are_in_its_order():
    rows = [("B", "p", 8.0, 0.3), ("B", "p", 1.0, 0.2), ("A", "p", 8.0, 0.1), ("B", "q", 1.0, 0.9)]
    table = pd.DataFrame(rows, columns=["arm", "probe", "guidance_scale", "accuracy"]).assign(low=0.05, high=0.5)
    shown = varied_tables.guided_accuracies(table, "p")
    assert shown.columns.tolist() == ["w = 1", "w = 8"] and shown.loc["B"].tolist() == [
        "20.0 [5.0, 50.0]",
        "30.0 [5.0, 50.0]",
    ]
    assert shown.loc["A", "w = 1"] == ""


def test_numbers_that_were_varied_have_a_column_each_and_their_panels_a_slope():
    rows = [("x", 1, 0.1), ("x", 8, 0.2), ("y", 1, 0.3)]
    table = pd.DataFrame(rows, columns=["panel", "number", "accuracy"]).assign(low=0.05, high=0.5, probe="p")
    shown = varied_tables.counted_accuracies(table, "p")
    assert (
        shown.columns.tolist() == ["1", "8"] and shown.loc["x", "8"] == "20.0 [5.0, 50.0]" and shown.loc["y", "8"] == ""
    )
    fixed = table.assign(panel="l, images of a caption, at a fixed number of images").iloc[:1]
    assert varied_tables.counted_accuracies(fixed, "p").index.tolist() == ["l, images of a caption"]
    found = pd.DataFrame({"panel": ["x"], "difference": [0.01], "low": [-0.002], "high": [0.02], "visible": [0.015]})
    assert varied_tables.slopes(found).loc["x"].tolist() == ["+1.0 [-0.2, +2.0]", "1.5"]


def test_lengths_and_encoders_have_a_column_each_and_leads_a_row():
    rows = [("length", "A", 10, "small", 1e6, 0.1), ("length", "A", 1000, "small", 1e6, 0.2), ("length", "floor", 0, "small", 1e6, 0.05),
            ("size", "A", 10, "large", 2e7, 0.3), ("size", "A", 10, "small", 1e6, 0.1)]  # fmt: skip
    table = pd.DataFrame(rows, columns=["panel", "arm", "steps", "encoder", "weights", "accuracy"])
    table = table.assign(low=0.05, high=0.5, probe="p")
    shown = varied_tables.grown_accuracies(table, "length", "p")
    assert shown.columns.tolist() == ["untrained", "10 steps", "1,000 steps"]
    assert shown.loc["A"].tolist() == ["", "10.0 [5.0, 50.0]", "20.0 [5.0, 50.0]"]
    assert varied_tables.grown_accuracies(table, "size", "p").columns.tolist() == ["small, 1.0 M", "large, 20.0 M"]
    pairs = [
        ("length", 10, "small", "B, 10 steps"),
        ("size", 10, "small", "B, small"),
        ("size", 10, "large", "B, large"),
    ]
    found = pd.DataFrame(pairs, columns=["panel", "steps", "encoder", "second"])
    shown = varied_tables.leads(found.assign(probe="p", difference=0.01, low=-0.01, high=0.03), "p")
    assert shown.index.tolist() == ["small, 10 steps", "large, 10 steps"] and shown.columns.tolist() == ["above B"]
    found = pd.DataFrame({"arm": ["A"], "difference": [0.01], "low": [-0.002], "high": [0.02], "visible": [0.015]})
    assert varied_tables.slopes(found, by="arm").index.tolist() == ["A"]


def test_peaks_are_read_with_what_is_lost_beside_them():
    table = pd.DataFrame(
        {
            "arm": ["A"],
            "best": [2.04],
            "low": [1.0],
            "high": [3.96],
            "bend": [0.012],
            "bend_low": [-0.001],
            "bend_high": [0.025],
        }
    )
    assert varied_tables.peaks(table).loc["A"].tolist() == ["2.0 [1.0, 4.0]", "+1.2 [-0.1, +2.5]"]


def test_generations_have_a_column_each_and_ways_a_row():
    rows = [(way, t, 0.1 * (t + 1)) for way in ("replaced", "only real") for t in (1, 0)]
    table = pd.DataFrame(rows, columns=["way", "generation", "accuracy"]).assign(low=0.05, high=0.5, probe="p")
    shown = varied_tables.generation_accuracies(pd.concat([table, table.assign(probe="q", accuracy=0.9)]), "p")
    assert shown.columns.tolist() == ["generation 0", "generation 1"] and shown.index.tolist() == [
        "replaced",
        "only real",
    ]
    assert shown.loc["only real"].tolist() == ["10.0 [5.0, 50.0]", "20.0 [5.0, 50.0]"]


def test_mixtures_have_a_row_each_with_the_share_that_is_real():
    rows = [("A", "4 real", 4, 0.864, 0.3), ("A", "4 synthetic", 0, 0.0, 0.1), ("B", "4 synthetic", 0, 0.0, 0.2)]
    table = pd.DataFrame(rows, columns=["method", "images", "real", "share", "accuracy"]).assign(low=0.05, high=0.5)
    table = pd.concat([table.assign(probe="p"), table.assign(probe="q", accuracy=0.9)])
    shown = varied_tables.mixed_accuracies(table, "p")
    assert shown.columns.tolist() == ["real images, %", "A", "B"] and shown.index.tolist() == ["4 synthetic", "4 real"]
    assert shown.loc["4 real"].tolist() == ["86", "30.0 [5.0, 50.0]", ""]
    assert shown.loc["4 synthetic"].tolist() == ["0", "10.0 [5.0, 50.0]", "20.0 [5.0, 50.0]"]


def test_guessing_has_a_share_for_each_probe():
    table = pd.DataFrame({"probe": ["known", "new", "seen"], "chance": [0.004, 0.002, 0.0041]})
    said = "Guessing is right in 0.4 % of cases on *known* and *seen*, in 0.2 % of cases on *new*."
    assert varied_tables.chances(table) == said
