"""Figures and tables on copies: drawn to the end, with the right contents and the tables left as they were."""

from __future__ import annotations

import io
import re

import matplotlib

matplotlib.use("Agg")

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import pytest
from matplotlib.figure import Figure
from PIL import Image

from stablerep import figures
from stablerep.audits.copies import DETECTORS, EMBEDDING
from stablerep.figures import copies_tables
from stablerep.figures.canvas import PAGE, PHONE

SETS = ("generated, w = 2", "unseen design", "planted, noise")
BACKGROUNDS = ("unseen design", "unseen combinations")


@pytest.fixture(autouse=True)
def close_figures():
    yield
    plt.close("all")


def shares() -> pd.DataFrame:
    return pd.DataFrame([
        {"set": name, "detector": one, "share": 0.1 * k + 0.01 * n, "low": 0.1 * k, "high": 0.1 * k + 0.05, "images": 1000, "concepts": 30, "seeds": 3}
        for k, name in enumerate(SETS) for n, one in enumerate(DETECTORS)
    ])  # fmt: skip


def curves() -> pd.DataFrame:
    grid = np.r_[0.0, np.geomspace(0.001, 0.999, 9)]
    return pd.concat([
        pd.DataFrame({"background": where, "detector": one, "false": grid, "true": grid ** (1 / (n + 1))})
        for where in BACKGROUNDS for n, one in enumerate(DETECTORS)
    ], ignore_index=True)  # fmt: skip


def picture(level: int) -> bytes:
    file = io.BytesIO()
    Image.fromarray(np.full((8, 8, 3), level, np.uint8)).save(file, "PNG")
    return file.getvalue()


def pictures() -> pd.DataFrame:
    kinds = ("generated", "nearest, embedding", "nearest, pixels")
    return pd.DataFrame([
        {"caption": caption, "kind": kind, "shows": f"{caption} {k} (ink)", "png": picture(40 * k)} for caption in ("rose", "owl") for k, kind in enumerate(kinds)
    ])  # fmt: skip


def duplicates() -> pd.DataFrame:
    return pd.DataFrame([
        {"times": times, "detector": one, "area": 0.5 + 0.008 * times, "low": 0.4, "high": 0.95, "called": 0.01 * times, "seen": 0.3 * times, "concepts": 9, "seeds": 3}
        for times in (0, 1, 50) for one in DETECTORS
    ])  # fmt: skip


def sizes() -> pd.DataFrame:
    return pd.DataFrame([
        {"set_size": count, "steps": steps, "measure": measure, "value": 0.1 + steps / 1e4, "low": 0.05, "high": 0.3, "images": 128}
        for count in (8, 32) for steps in (0, 100, 300) for measure in ("kernel distance", EMBEDDING)
    ])  # fmt: skip


CASES = {
    "copies": (figures.copies, shares), "copy_curves": (lambda t: figures.copy_curves(t, 0.01), curves), "copy_pictures": (figures.copy_pictures, pictures),
    "planted_duplicates": (figures.planted_duplicates, duplicates), "set_sizes": (figures.set_sizes, sizes),
}  # fmt: skip


@pytest.mark.parametrize("name", CASES)
def test_a_figure_is_drawn_to_the_end_and_leaves_its_table_alone(name):
    draw, table = CASES[name][0], CASES[name][1]()
    before = table.copy(deep=True)
    figure = draw(table)
    assert isinstance(figure, Figure)
    figure.canvas.draw()
    pd.testing.assert_frame_equal(table, before)
    assert all(axis.has_data() for axis in figure.axes) and figure.get_size_inches()[0] == PAGE
    assert figure.get_label().endswith(".") and re.search(r"\d", figure.get_label())
    with figures.for_phones():
        stacked = draw(table)
    stacked.canvas.draw()
    assert stacked.get_size_inches()[0] == PHONE and stacked.get_label() == figure.get_label()
    assert len(stacked.axes) == len(figure.axes)


def test_each_detector_has_a_panel_in_which_synthetic_images_alone_are_filled():
    table = shares()
    figure = figures.copies(table)
    assert [axis.get_title() for axis in figure.axes] == list(DETECTORS)
    for axis, one in zip(figure.axes, DETECTORS):
        part = table[table["detector"] == one]
        shown = [container.lines[0].get_xydata()[0] for container in axis.containers]
        np.testing.assert_allclose(np.array(shown)[:, 0], 100 * part["share"])
        assert [container.lines[0].get_markerfacecolor() == "white" for container in axis.containers] == [
            False,
            True,
            True,
        ]
    assert "embedding: generated, w = 2 1.0 [0.0, 5.0] %" in figure.get_label() and "planted" not in figure.get_label()


def test_a_curve_is_read_where_the_rate_is():
    label = figures.copy_curves(curves(), 0.01).get_label()
    assert label.startswith(
        "Planted copies found where 1 % of real drawings are called copies: pixels 1 % among unseen design"
    )


def test_tables_have_a_column_for_each_detector():
    shown = copies_tables.shares(shares())
    assert shown.index.tolist() == list(SETS) and shown.columns.tolist() == ["images", "concepts", *DETECTORS]
    assert shown.loc["unseen design"].tolist()[:3] == ["1,000", "30", "10.0 [10.0, 15.0]"]
    areas = pd.DataFrame([
        {"background": where, "copies": kind, "detector": one, "area": 0.9, "low": 0.8, "high": 1.0}
        for where in BACKGROUNDS for kind in ("all", "planted, noise") for one in DETECTORS
    ])  # fmt: skip
    table = copies_tables.areas(areas)
    assert table.index.tolist() == [f"{kind}, among {where}" for where in BACKGROUNDS for kind in ("all", "noise")]
    assert set(table.to_numpy().flat) == {"0.900 [0.800, 1.000]"}
    by_design = copies_tables.hidden(shares().rename(columns={"set": "kind"}))
    assert by_design.loc["planted, noise", EMBEDDING] == "21.0 [20.0, 25.0]"


def test_contamination_says_what_is_left_out():
    rows = [("nothing", 0.0, 0.02), ("pixels", 0.125, 0.03)]
    table = pd.DataFrame(rows, columns=["left_out", "drawings", "difference"])
    table = table.assign(
        synthetic=0.25, real=0.23, low=0.01, high=0.05, first="StableRep synthetic", second="SimCLR real"
    )
    shown = copies_tables.contamination(table)
    assert shown.index.tolist() == ["nothing", "called copies by pixels"]
    assert shown.iloc[1].tolist() == ["12.5", "25.0", "23.0", "+3.0 [+1.0, +5.0]"]


def test_duplicates_have_a_row_for_each_number_of_times():
    shown = copies_tables.duplicates(duplicates())
    assert shown.index.tolist() == ["planted 0 times", "planted 1 times", "planted 50 times"]
    assert shown.loc["planted 50 times", ["shown", EMBEDDING]].tolist() == ["15.0", "0.900 [0.400, 0.950]; 50.0 %"]
