"""Figures and tables on the bias of a generator, from small tables by hand."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from stablerep import figures
from stablerep.audits import bias_measures, people
from stablerep.audits.amplification import MATCHED, RAW
from stablerep.figures import bias, bias_tables
from stablerep.figures.bias import set_name

REFERENCES = ("balance", "training images of the caption")


def measures() -> pd.DataFrame:
    rows = []
    for w in (1.0, 4.0):
        for reference in REFERENCES:
            row = {
                "attribute": "tone",
                "guidance_scale": w,
                "reference": reference,
                "unread": 0.1,
                "captions": 4,
                "images": 40,
            }
            row |= {
                "over": "all captions together",
                "least": 0.3,
                "low": 0.2 if w == 4 else 0.01,
                "high": 0.6,
                "chance": np.nan,
            }
            rows.append(row | {"measure": "total variation", "value": 0.4})
            rows.append(row | {"measure": "largest skew", "value": 0.7, "low": -np.inf, "high": 1.1})
            if reference == "balance":
                rows.append(row | {"measure": "deviation from balance", "value": 0.2})
            rows.append(row | {"over": "each caption", "measure": "total variation", "value": 0.5, "chance": 0.25})
    return pd.DataFrame(rows)


def amplification(**planted) -> pd.DataFrame:
    row = {
        "attribute": "tone",
        "guidance_scale": 2.0,
        "least": 0.0,
        "most": 0.1,
        "associated": 3,
        "pairs": 12,
        "captions": 4,
        "images": 8,
    }
    return pd.DataFrame([
        row | planted | {"texts": RAW, "value": 0.05, "low": -0.01, "high": 0.11},
        row | planted | {"texts": MATCHED, "value": np.nan, "low": np.nan, "high": np.nan},
    ])  # fmt: skip


def planted() -> pd.DataFrame:
    rows = []
    for share in (np.nan, 0.5, 0.9):
        for group in ("skewed roles", "roles left alone"):
            for source in ("generated, as read", "generated, corrected"):
                for w in (1.0, 2.0):
                    learned = 0.0 if np.isnan(share) or group != "skewed roles" else share
                    kept = not (source.endswith("corrected") and w == 1)
                    rows.append({
                        "planted": share, "group": group, "guidance_scale": w, "source": source, "label": "dark", "learned": learned,
                        "share": 0.8 * learned if kept else np.nan, "low": 0.7 * learned if kept else np.nan, "high": learned if kept else np.nan,
                        "p": 0.5, "unread": 0.1, "captions": 8, "images": 64, "seeds": 1,
                    })  # fmt: skip
    return pd.DataFrame(rows)


def slopes() -> pd.DataFrame:
    columns = ["group", "guidance_scale", "source", "slope", "low", "high"]
    return pd.DataFrame([
        ["skewed roles", 1.0, "generated, as read", 1.4, 1.2, 1.6], ["skewed roles", 2.0, "generated, as read", 0.5, 0.3, 0.7],
        ["skewed roles", 2.0, "generated, corrected", 1.0, 0.95, 1.05], ["roles left alone", 2.0, "generated, corrected", 0.3, 0.2, 0.4],
    ], columns=columns)  # fmt: skip


def test_names_are_those_of_the_audits():
    """Which the module of figures does not import, as they take seconds."""
    assert (bias.TOGETHER, bias.VARIATION) == (bias_measures.TOGETHER, bias_measures.VARIATION)
    assert (bias.AS_READ, bias.CORRECTED) == (people.AS_READ, people.CORRECTED)


def test_distances_say_their_numbers_and_mark_the_least():
    figure = figures.distances(measures())
    assert "at w = 4: tone, to balance 40.0 [20.0, 60.0] %" in figure.get_label()
    strokes = [line for line in figure.axes[0].lines if line.get_marker() == "|" and line.get_markersize() == 9]
    assert [line.get_xdata()[0] for line in strokes] == [30.0] * 4
    assert [label.get_text() for label in figure.axes[0].get_yticklabels()] == [f"tone, to {one}" for one in REFERENCES]


def test_planted_shares_have_a_line_of_what_was_learned_and_no_mark_where_the_correction_was_refused():
    figure = figures.planted_shares(planted())
    assert len(figure.axes) == 2 and "w = 2, learned 90 %: 72.0 [63.0, 90.0] %" in figure.get_label()
    for axis, sources in zip(figure.axes, ((3, 0, 3), (3, 3, 3))):
        assert axis.lines[0].get_xdata().tolist() == axis.lines[0].get_ydata().tolist() == [0, 100]
        marks = [container.lines[0].get_xdata() for container in axis.containers]
        assert tuple(len(one) for one in marks) == sources
    assert figure.axes[1].containers[2].lines[0].get_xdata() == pytest.approx(
        [0, 50, 90]
    )  # the control, at what the others learned
    with figures.for_phones():
        assert len(figures.planted_shares(planted()).axes) == 2


def test_measures_in_percent_with_what_was_not_told():
    shown = bias_tables.measures(measures())
    assert len(shown) == 4 and shown.iloc[0].tolist() == [
        "1", "balance", "40.0 [1.0, 60.0]", "30.0", "20.0 [1.0, 60.0]", "0.70 [−∞, 1.10]", "10.0",
    ]  # fmt: skip
    assert shown.iloc[1]["deviation from balance (points)"] == ""
    assert bias_tables.of_captions(measures()).iloc[0].tolist() == ["1", "balance", "50.0 [1.0, 60.0]", "25.0"]


def test_amplification_is_in_points_and_says_where_there_is_nothing_to_amplify():
    shown = bias_tables.amplification(amplification())
    assert shown.loc["tone, w = 2"].tolist() == ["+5.0 [-1.0, +11.0] (3 of 12)", "nothing to amplify"]
    both = pd.concat([amplification(planted=np.nan), amplification(planted=0.9)])
    assert bias_tables.amplification(both).index.tolist() == ["tone, w = 2, before", "tone, w = 2, 90 % dark"]


def test_planted_shares_and_their_slopes():
    shown = bias_tables.planted(planted())
    assert shown.loc["w = 2, 90 % dark"].tolist()[:3] == ["90.0", "72.0 [63.0, 90.0]", "72.0 [63.0, 90.0]"]
    assert shown.loc["w = 1, 90 % dark", "skewed roles, corrected"] == "refused"
    assert bias_tables.slopes(slopes()).loc["skewed roles, w = 2"].tolist() == [
        "0.50 [0.30, 0.70]",
        "1.00 [0.95, 1.05]",
    ]


def test_classifiers_in_percent_and_points():
    row = {
        "planted": 0.9,
        "seen_by": "pixels",
        "frequent": 0.5,
        "rare": 0.4,
        "gap": 0.1,
        "low": -0.05,
        "high": 0.25,
        "roles": 8,
        "seeds": 1,
    }
    assert bias_tables.heads(pd.DataFrame([row])).loc["pixels, 90 % dark"].tolist() == [
        "50.0",
        "40.0",
        "+10.0 [-5.0, +25.0]",
        8,
        1,
    ]
    assert set_name(np.nan) == "before"


def test_occupations_have_a_column_per_class_and_one_for_what_could_not_be_told():
    rows = [
        ["a photo of a nurse", 2.0, label, share, 8]
        for label, share in (("woman", 0.5), ("man", 0.25), ("cannot tell", 0.25))
    ]
    shown = bias_tables.occupations(
        pd.DataFrame(rows, columns=["caption", "guidance_scale", "label", "share", "images"])
    )
    assert shown.loc["a photo of a nurse, w = 2"].to_dict() == {"woman": "50", "man": "25", "cannot tell": "25"}


def test_what_was_not_computed_is_said_and_never_fails():
    """A page of stored results of before there were these tables, and one of a run that planted nothing."""
    for tables in ({}, {"planted": planted()[:0]}):
        said = bias_tables.not_computed(tables, "planted", "The planted skew has")
        assert said.startswith("The planted skew has not been computed") and "`planted_shares`" in said
    assert bias_tables.not_computed({"planted": planted()}, "planted", "The planted skew has") == ""
