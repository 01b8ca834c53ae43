"""Figures and tables of edits: numbers by hand, in their places."""

from __future__ import annotations

import io

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import pytest
from PIL import Image

from stablerep import figures
from stablerep.figures import edit_tables
from stablerep.figures.canvas import PAGE, PHONE
from stablerep.figures.solutions import LACKING

BEFORE, AFTER = "before the edit", "dose 1"
SHARES = pd.DataFrame([
    {"generator": generator, "measure": measure, "share": share, "low": share - 0.1, "high": share + 0.05, "clusters": 16}
    for generator, values in ((BEFORE, (0.9, 0.8)), (AFTER, (0.2, 0.75))) for measure, share in zip(("named tone", "concept first"), values)
])  # fmt: skip
GAPS = pd.DataFrame([
    {"place": place, "group": group, "gap": gap, "low": gap - 0.1, "high": gap + 0.1, "first": 0.5, "second": 0.2, "read": 0.7, "captions": 9, "seeds": 2}
    for place, gaps in (("before the skew", (0.1, 0.0)), ("skewed", (0.8, 0.7)), (AFTER, (-0.2, np.nan))) for group, gap in zip(("skewed, edited", "left alone"), gaps)
])  # fmt: skip


def grid() -> pd.DataFrame:
    rows = []
    for c, caption in enumerate(("waving hand: dark skin tone", "owl")):
        for k, place in enumerate((BEFORE, AFTER)):
            for index in range(3):
                file = io.BytesIO()
                Image.new("RGB", (8, 8), (60 * c, 60 * k, 60 * index)).save(file, "PNG")
                rows.append({"caption": caption, "place": place, "index": index, "png": file.getvalue()})
    return pd.DataFrame(rows)


CASES = {
    "shares": lambda: figures.edit_shares(SHARES, [BEFORE, AFTER]),
    "gaps": lambda: figures.edit_gaps(GAPS),
    "grid": lambda: figures.edit_grid(grid()),
}


@pytest.fixture(autouse=True)
def close_figures():
    yield
    plt.close("all")


@pytest.mark.parametrize("name", CASES)
def test_a_figure_is_drawn_on_a_page_and_on_a_phone_with_the_same_alt_text(name):
    figure = CASES[name]()
    figure.canvas.draw()
    assert figure.get_size_inches()[0] == PAGE and all(axis.has_data() for axis in figure.axes)
    with figures.for_phones():
        narrow = CASES[name]()
    narrow.canvas.draw()
    assert narrow.get_size_inches()[0] == PHONE and narrow.get_label() == figure.get_label()
    assert figure.get_label().endswith(".") and any(letter.isdigit() for letter in figure.get_label())


def test_shares_stand_at_their_places():
    figure = figures.edit_shares(SHARES, [BEFORE, AFTER])
    shown = [tuple(c.lines[0].get_xydata()[0]) for c in figure.axes[0].containers]
    np.testing.assert_allclose([x for x, _ in shown], [90, 80, 20, 75])
    assert [round(y) for _, y in shown] == [0, 1, 0, 1]
    assert [c.lines[0].get_markerfacecolor() == "white" for c in figure.axes[0].containers] == [
        True,
        True,
        False,
        False,
    ]
    assert "named tone 90.0 [80.0, 95.0] % before the edit, 20.0 [10.0, 25.0] % dose 1" in figure.get_label()


def test_a_gap_that_is_not_known_has_no_mark():
    figure = figures.edit_gaps(GAPS)
    shown = sorted(float(c.lines[0].get_xdata()[0]) for c in figure.axes[0].containers)
    assert (
        shown == pytest.approx([-20, 0, 10, 70, 80])
        and "skewed, skewed, edited +80.0 [+70.0, +90.0]" in figure.get_label()
    )


def test_the_grid_has_the_first_images_of_every_generator():
    label = figures.edit_grid(grid()).get_label()
    assert label.startswith(
        "2 images of each of 2 captions by each of 2 generators, before the edit, dose 1: waving hand"
    )
    assert figures.edit_grid(grid(), each=1).get_label().startswith("1 images of each")


def test_tables_by_hand():
    assert edit_tables.shares(SHARES).loc["named tone"].tolist() == ["90.0 [80.0, 95.0]", "20.0 [10.0, 25.0]"]
    differences = pd.DataFrame([
        {"probe": "named tone", "first": BEFORE, "second": AFTER, "difference": 0.7, "low": 0.6, "high": 0.75},
        {"probe": "concept first", "first": AFTER, "second": BEFORE, "difference": -0.05, "low": -0.1, "high": 0.0},
    ])  # fmt: skip
    assert edit_tables.changes(differences)[AFTER].tolist() == ["-70.0 [-75.0, -60.0]", "-5.0 [-10.0, +0.0]"]
    worst = pd.DataFrame([{"caption": "owl", "concept": "1F989", "before": 0.75, "after": 0.25, "change": -0.5}])
    assert edit_tables.worst(worst).loc["owl"].tolist() == ["75", "25", "-50"]
    assert edit_tables.worst(worst.assign(change=0.0)).empty
    assert edit_tables.lost_sentence(worst, 4).startswith(
        "1 or more concept lost some. There are 4 images of each concept, so that one image is 25 points"
    )
    assert (
        edit_tables.lost_sentence(worst.assign(change=0.0), 2)
        == "No concept lost any, of 2 images of each concept, so that one image is 50 points."
    )
    none = SHARES.assign(share=[0.0, 0.8, 1.0, 0.5], low=[0.0, 0.7, 1.0, 0.4], high=[0.0, 0.9, 1.0, 0.6])
    assert edit_tables.shares(none).loc["named tone"].tolist() == ["0.0 [0.0, 17.1]", "100.0 [82.9, 100.0]"]
    gaps = edit_tables.gaps(GAPS)
    assert (
        gaps.loc["skewed", "skewed, edited"] == "+80.0 [+70.0, +90.0] (70 % read)"
        and gaps.loc[AFTER, "left alone"] == ""
    )
    pixels = pd.DataFrame([
        {"generator": name, "group": group, "change": change, "apart": apart}
        for name, values in ((BEFORE, ((0.0, 30.0), (0.0, np.nan))), (AFTER, ((12.34, 31.0), (5.0, np.nan)))) for group, (change, apart) in zip("ab", values)
    ])  # fmt: skip
    assert edit_tables.pixels(pixels).to_numpy().tolist() == [["12.3", "30.0"], ["5.0", ""]]
    reader = pd.DataFrame([{"attribute": "tone", "read": 0.951, "accuracy": 0.9}])
    assert edit_tables.readers(reader).loc["tone"].tolist() == ["95", "90"]


def test_sentences_by_hand():
    assert (
        edit_tables.fell(SHARES, "named tone", BEFORE, AFTER) == "90.0 [80.0, 95.0] % before, 20.0 [10.0, 25.0] % after"
    )
    assert edit_tables.fell(SHARES, "named tone", BEFORE, "dose 2") == LACKING
    reader = pd.DataFrame([{"attribute": "gender", "read": 0.6, "accuracy": 0.45}])
    said = edit_tables.reached(GAPS, reader)
    assert (
        said.startswith("with the skew +80.0 [+70.0, +90.0] points; nearest to zero: dose 1, -20.0")
        and "tries" not in said
    )
    assert said.endswith("(gender is read rightly in 45 % of the drawings)")
    assert edit_tables.reached(GAPS[:0], reader) == LACKING


def changes(tone: float, concept: float, half: float = 0.1) -> pd.DataFrame:
    """Of two edits, by after minus before of what was not edited: the tone compared before − after, the concept after − before; the edited ones fall."""
    rows = [("edited", BEFORE, AFTER, 0.5), ("tone", BEFORE, AFTER, -tone), ("concept", AFTER, BEFORE, concept)]
    rows += [("tone", BEFORE, "dose 2", 0.9), ("concept", "dose 2", BEFORE, 0.9)]
    table = pd.DataFrame(rows, columns=["probe", "first", "second", "difference"])
    return table.assign(low=table["difference"] - half, high=table["difference"] + half)


def test_what_an_edit_does_to_other_captions_is_told_by_its_intervals():
    both = edit_tables.beyond(changes(-0.6, 0.2), AFTER, "tone", "concept")
    assert (
        "read as a named tone become fewer too, by 60.0 points [50.0, 70.0]. Their concept comes first more often: +20.0 [+10.0, +30.0]"
        in both
    )
    alone = edit_tables.beyond(changes(0.0, -0.2), AFTER, "tone", "concept")
    assert (
        alone == "Of captions that were not edited: their concept comes first less often: -20.0 [-30.0, -10.0] points."
    )
    assert edit_tables.beyond(changes(0.05, 0.05), AFTER, "tone", "concept") == ""
    assert edit_tables.beyond(changes(-0.6, 0.2), "dose 3", "tone", "concept") == ""


@pytest.mark.parametrize(
    ("tone", "said"),
    [(-0.6, "the edit reaches concepts that it was not given"), (0.05, "cannot be told"), (0.4, "The second rises")],
)
def test_whether_an_edit_reaches_other_concepts(tone, said):
    told = edit_tables.reaches(changes(tone, 0.0), AFTER, "edited", "tone")
    assert told.startswith("The edited captions change by -50.0 [-60.0, -40.0] points, the others by") and said in told
    assert edit_tables.reaches(changes(tone, 0.0), AFTER, "edited", "none") == LACKING


def test_groups_of_which_images_are_spoiled_are_named_where_both_intervals_tell_it():
    rows = [
        ("named tone, a", 0.3, 0.1),
        ("tone not told, a", -0.28, 0.1),
        ("named tone, b", 0.3, 0.1),
        ("tone not told, b", -0.05, 0.1),
        ("concept first, a", 0.0, 0.1),
    ]
    table = pd.DataFrame(rows, columns=["probe", "difference", "half"]).assign(first=BEFORE, second=AFTER)
    table = table.assign(low=table["difference"] - table["half"], high=table["difference"] + table["half"])
    said = edit_tables.spoiled(table, AFTER, "named tone", "tone not told")
    assert said == (
        "Fewer images are read as a named tone and more cannot be told, each by its whole interval, in: a (named tone -30.0 [-40.0, -20.0] and tone not told +28.0 [+18.0, +38.0] points)."
    )
    assert edit_tables.spoiled(table, "dose 2", "named tone", "tone not told") == ""
