"""This run's headline numbers beside those of the reference."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pandas as pd

from stablerep.figures.canvas import in_percent
from stablerep.figures.generator_tables import MEASURES

TITLES = {"guidance_scale": "w"}  # of columns, as in other tables of pages; those that are not here are plain words
DIFFERENCE = "difference"  # the column whose numbers are differences of shares, with signs, in points


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
    shown, *ends = (f"{scale * one:{form}}" for one in (row["value"], row["low"], row["high"]) if one is not None)
    return f"{shown} [{', '.join(ends)}]" if ends else shown
