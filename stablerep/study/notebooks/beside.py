"""This run's headline numbers beside those of the reference."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pandas as pd

from stablerep.figures.bounded import bounded
from stablerep.figures.canvas import in_percent
from stablerep.figures.generator_tables import MEASURES
from stablerep.study.chapters import Headline

TITLES = {"guidance_scale": "w"}  # of columns, as in other tables of pages; those that are not here are plain words
DIFFERENCE = "difference"  # the column whose numbers are differences of shares, with signs, in points
# columns of the number of independent items, the first that a table has: beside clusters, concepts are those of training
COUNTS = ("clusters", "concepts")
NONE = 1e-9  # width of an interval below which nothing varied


def headline_rows(headline: Headline, tables: Mapping[str, pd.DataFrame]) -> dict | None:
    """The headline's rows of a chapter's tables (:meth:`stablerep.study.chapters.Headline.rows`), as its page shows them: shares of 0 and 1 with their exact
    bound, where the table says of how many concepts they are."""
    if (table := tables.get(headline.table)) is None:
        return None
    count = next((name for name in COUNTS if name in table), None)
    if count and in_percent(headline.unit) and headline.value != DIFFERENCE and {"low", "high"} <= {*table}:
        tables = {**tables, headline.table: bounded(table, count, value=headline.value)}
    return headline.rows(tables)


def side_by_side(mine: Mapping[str, Any], theirs: Mapping[str, Any]) -> pd.DataFrame:
    """Two headlines (:meth:`stablerep.study.chapters.Headline.rows`) as a table of texts: a row for each that both have."""
    keys, unit = mine["keys"], mine["unit"]
    known = {tuple(row[key] for key in keys): row for row in theirs["rows"]}
    rows = [
        [*(_name(key, row[key]) for key in keys), *(_number(one, unit, mine["value"]) for one in (row, known[name]))]
        for row in mine["rows"] if (name := tuple(row[key] for key in keys)) in known
    ]  # fmt: skip
    percent = f" ({'points' if mine['value'] == DIFFERENCE else '%'})" if in_percent(unit) else ""
    names = [TITLES.get(key, key.replace("_", " ")) for key in keys]
    return pd.DataFrame(rows, columns=[*names, f"this run{percent}", f"the reference{percent}"]).set_index(names)


def _name(key: str, value: object) -> str:
    """A key's value as other tables have it; real images, for one, have no guidance scale."""
    if key == "measure":
        return MEASURES.get(value, value)
    if value is None:
        return "–"
    return f"{value:g}" if isinstance(value, float) else str(value)


def _number(row: Mapping[str, Any], unit: str, value: str) -> str:
    if row["value"] is None:
        return ""
    scale, digits = (100, 1) if in_percent(unit) else (1, 0 if float(row["value"]).is_integer() else 3)
    form = f"{'+' if value == DIFFERENCE else ''}z,.{digits}f"
    shown, ends = f"{scale * row['value']:{form}}", [row["low"], row["high"]]
    if None in ends or ends[1] - ends[0] < NONE:  # where nothing varied there is no interval
        return shown
    return f"{shown} [{', '.join(f'{scale * one:{form}}' for one in ends)}]"
