"""This run's headline beside the reference's: rows that both have, titles as on the page, and signs of differences."""

from __future__ import annotations

import pandas as pd

from stablerep.study.chapters import Headline
from stablerep.study.notebooks.beside import headline_rows, side_by_side


def headline(keys: list[str], rows: list[dict], *, value: str = "accuracy", unit: str = "accuracy") -> dict:
    return {"keys": keys, "value": value, "unit": unit, "rows": rows}


def row(value: float | None, low: float | None = None, high: float | None = None, **keys) -> dict:
    return {**keys, "value": value, "low": low, "high": high}


def test_columns_have_the_titles_of_other_tables_and_scales_no_needless_digits():
    rows = [row(0.5, 0.4, 0.6, arm="A", guidance_scale=1.0), row(0.25, arm="A", guidance_scale=2.5)]
    mine = headline(["arm", "guidance_scale"], [*rows, row(0.1, arm="real", guidance_scale=None)])
    theirs = headline(["arm", "guidance_scale"], [*rows[:1], row(None, arm="real", guidance_scale=None)])
    table = side_by_side(mine, theirs)
    assert table.index.names == ["arm", "w"] and table.index.tolist() == [("A", "1"), ("real", "–")]
    assert table.columns.tolist() == ["this run (%)", "the reference (%)"]
    assert table.to_numpy().tolist() == [["50.0 [40.0, 60.0]"] * 2, ["10.0", ""]]


def test_differences_are_points_with_their_signs():
    mine = headline(["first"], [row(0.012, -0.0001, 0.02, first="A")], value="difference", unit="accuracy, by group")
    table = side_by_side(mine, mine)
    assert table.iloc[0].tolist() == ["+1.2 [+0.0, +2.0]"] * 2 and table.columns[0] == "this run (points)"


def test_other_units_stay_as_they_are():
    mine = headline(["images_of"], [row(1694.0, images_of="noto")], value="captions", unit="captions")
    table = side_by_side(mine, mine)
    assert table.index.names == ["images of"] and table.iloc[0, 0] == "1,694"


def test_where_nothing_varied_a_share_has_its_exact_bound_or_no_interval():
    table = pd.DataFrame(
        {"arm": ["A", "B", "C"], "accuracy": [1.0, 0.5, 0.0], "low": [1.0, 0.5, 0.0], "high": [1.0, 0.5, 0.0]}
    )

    def shown(table: pd.DataFrame) -> list[str]:
        found = headline_rows(Headline("arms", ("arm",), "accuracy", "accuracy"), {"arms": table})
        return side_by_side(found, found).iloc[:, 0].tolist()

    assert shown(table) == ["100.0", "50.0", "0.0"]  # of how many concepts is not known
    assert shown(table.assign(clusters=20)) == ["100.0 [86.1, 100.0]", "50.0", "0.0 [0.0, 13.9]"]
    assert shown(table.assign(clusters=20, low=[0.9, 0.4, 0.0]))[1] == "50.0 [40.0, 50.0]"
    # of a study of scale, concepts are those of training, and floors have none
    assert shown(table.assign(clusters=20, concepts=0)) == shown(table.assign(clusters=20))
    assert headline_rows(Headline("others", ("arm",), "accuracy", "accuracy"), {"arms": table}) is None


def test_differences_without_a_width_have_no_interval_and_no_bound():
    table = pd.DataFrame({"first": ["A"], "difference": [0.0], "low": [0.0], "high": [0.0], "clusters": [20]})
    found = headline_rows(Headline("pairs", ("first",), "difference", "accuracy"), {"pairs": table})
    assert side_by_side(found, found).iloc[0, 0] == "+0.0"


def test_measures_have_the_names_of_the_tables_above():
    rows = [row(0.5, measure="top1"), row(0.4, measure="another")]
    assert side_by_side(headline(["measure"], rows), headline(["measure"], rows)).index.tolist() == [
        "concept first",
        "another",
    ]
