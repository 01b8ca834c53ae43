"""How far groups lie apart, for pages: tables and sentences by hand, and what figures say of themselves."""

from __future__ import annotations

import pandas as pd
import pytest

from stablerep import figures
from stablerep.audits.disparity import ARM_COLUMNS, PAIR_COLUMNS
from stablerep.figures import disparity_tables
from stablerep.published import read_published

ROW = {
    "attribute": "tone", "groups": 6, "suppressed": 1, "mean": 0.4, "low": 0.3, "high": 0.5, "best": "dark", "most": 0.5, "worst": "none",
    "least": 0.35, "range": 0.15, "chance": 0.05, "chance_high": 0.1, "p": 0.012, "naive": 0.0025, "variance": 0.0016, "variance_low": -0.0001,
    "variance_high": 0.0036, "items": 600, "clusters": 36, "seeds": 5,
}  # fmt: skip


@pytest.fixture
def arms() -> pd.DataFrame:
    return pd.DataFrame([ROW | {"arm": name} for name in ("Raw pixels", "SimCLR synthetic")])[ARM_COLUMNS]


@pytest.fixture
def gains() -> pd.DataFrame:
    rows = [
        ROW | {"first": "SimCLR 50 % real", "second": "SimCLR real", "synthetic": 0.5, "variance_low": 0.0004},
        ROW | {"first": "SimCLR synthetic", "second": "SimCLR real", "synthetic": 1.0, "variance": -0.0004},
        ROW | {"first": "StableRep synthetic", "second": "SimCLR real", "synthetic": float("nan")},
    ]  # fmt: skip
    return pd.DataFrame(rows)[[*PAIR_COLUMNS, "synthetic"]]


@pytest.fixture
def contrasts() -> pd.DataFrame:
    row = {"attribute": "tone", "second": "SimCLR real", "low": -0.02, "high": 0.04, "visible": 0.03}
    return pd.DataFrame([
        row | {"label": label, "first": f"SimCLR {share}", "synthetic": share, "difference": 0.01}
        for share in (0.5, 1.0) for label in ("dark", "none")
    ])  # fmt: skip


def test_mean_best_and_worst(arms):
    shown = disparity_tables.best_and_worst(arms)
    assert shown.index.tolist() == ["tone", "tone"]
    assert shown.iloc[1].tolist() == ["SimCLR synthetic", 6, "40.0 [30.0, 50.0]", "50.0 dark", "35.0 none", "15.0", "5.0 (95 %: 10.0)", "0.012"]  # fmt: skip
    assert disparity_tables.best_and_worst(arms[:0]).empty


def test_a_variance_below_zero_is_no_deviation(arms, gains):
    assert disparity_tables.spreads(arms)["without bias"].tolist() == ["4.0 [0.0, 6.0]"] * 2
    shown = disparity_tables.spreads(gains)
    assert shown["first"].tolist()[1] == "SimCLR synthetic" and shown["without bias"].tolist()[1] == "0.0 [0.0, 6.0]"
    assert shown["as estimated"].tolist() == ["5.0"] * 3 and shown["suppressed"].tolist() == [1] * 3


def test_a_distance_is_told_only_beyond_chance(arms):
    said = disparity_tables.beyond_chance_sentence(arms.assign(p=[0.03, 0.4]), ["none"])
    assert (
        said.startswith("Of 2 distances of best and worst, 1 are larger than chance makes one in twenty: ")
        and "(p = 0.030)" in said
    )
    assert disparity_tables.beyond_chance_sentence(arms.assign(p=0.4), []).startswith("None of 2 distances")
    assert disparity_tables.beyond_chance_sentence(arms, list(arms["arm"])) == "No arm was trained."


def test_amplified_over_shares(gains, contrasts):
    said = disparity_tables.amplified_sentence(gains)
    assert "4.0 [2.0, 6.0] at 50 % synthetic images, 0.0 [0.0, 6.0] at 100 % synthetic images" in said
    assert said.endswith("above zero by the whole interval at 50 %.") and "StableRep" not in said
    shown = disparity_tables.replaced(contrasts)
    assert shown.columns.tolist() == ["50 % synthetic", "100 % synthetic"] and shown.index.tolist() == [
        "dark (tone)",
        "none (tone)",
    ]
    assert shown.iloc[0, 0] == "+1.0 [-2.0, +4.0]"


def test_published_numbers_have_their_grade():
    said = disparity_tables.published_sentence(read_published(primary_only=False))
    assert "0.3 (secondary" in said and "10.0 (secondary" in said
    assert "none stand beside ours" in disparity_tables.published_sentence(read_published())


def test_figures_say_their_numbers(arms, gains, contrasts):
    figure = figures.disparities(arms)
    assert figure.get_label() == "Best less worst group, in points: SimCLR synthetic, tone 15.0 (by chance up to 10.0)."
    with figures.for_phones():
        figure = figures.replaced(contrasts, gains)
    assert (
        "dark +1.0 [-2.0, +4.0]" in figure.get_label() and "tone 4.0 at 50 %; tone 0.0 at 100 %" in figure.get_label()
    )
    assert figures.disparities(arms[:0]) and figures.replaced(contrasts[:0], gains[:0])
