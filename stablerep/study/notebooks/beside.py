"""This run's headline numbers beside those of the reference."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pandas as pd

from stablerep.figures.canvas import in_percent


def side_by_side(mine: Mapping[str, Any], theirs: Mapping[str, Any]) -> pd.DataFrame:
    """Two headlines (:meth:`stablerep.study.chapters.Headline.rows`) as a table of texts: a row for each that both have."""
    keys, unit = mine["keys"], mine["unit"]
    known = {tuple(row[key] for key in keys): row for row in theirs["rows"]}
    rows = [
        [*(str(row[key]) for key in keys), _number(row, unit), _number(known[name], unit)]
        for row in mine["rows"] if (name := tuple(row[key] for key in keys)) in known
    ]  # fmt: skip
    percent = " (%)" if in_percent(unit) else ""
    titles = [*keys, f"this run{percent}", f"the reference{percent}"]
    return pd.DataFrame(rows, columns=titles).set_index(keys)


def _number(row: Mapping[str, Any], unit: str) -> str:
    if row["value"] is None:
        return ""
    scale, digits = (100, 1) if in_percent(unit) else (1, 0 if float(row["value"]).is_integer() else 3)
    shown = f"{scale * row['value']:,.{digits}f}"
    return (
        shown
        if row["low"] is None
        else f"{shown} [{scale * row['low']:,.{digits}f}, {scale * row['high']:,.{digits}f}]"
    )
