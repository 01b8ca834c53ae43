"""How a page shows a table: each cell as text, numbers aligned at their decimal points, an interval on one line with its value."""

from __future__ import annotations

import re
from typing import Any

import pandas as pd

TABLE = "application/vnd.stablerep.table+json"  # what a notebook keeps of a table beside its picture in HTML
_NUMBER = re.compile(r"(?:< )?[+−]?\d[\d,]*(?:\.\d+)?(?![\w-])")  # and not what begins with digits, as 1F355 or 5-way
_INTERVAL = re.compile(r"[ \u00a0]\[[^]]*\]")
_DIGIT, _COMMA, _UNBROKEN = (
    "\u2007",
    "\u2008",
    "\u00a0",
)  # spaces as wide as a digit and as a comma, and one that no line ends at
_MOST_DIGITS = 3
_LONG = 24  # characters after a number that make a cell a phrase, which may break anywhere
_MANY = 5  # columns, for which a page has no room with intervals on one line with their values


class ShownTable:
    """A table as a notebook keeps it: HTML, and its cells for the built page, which gives it a number and a caption.

    Attributes:
        header: titles of the columns; those of row names come first, "" where they have none. rows: as many texts each, of one line or two.
    """

    def __init__(self, frame: pd.DataFrame) -> None:
        names = [name or "" for name in frame.index.names]
        corner = frame.columns.name or ""  # says what the columns are
        self.header = [*names[:-1], names[-1] or corner, *map(str, frame.columns)]
        columns = [texts_of(frame.index.get_level_values(level)) for level in range(len(names))]
        texts = [texts_of(frame.iloc[:, place]) for place in range(frame.shape[1])]
        many = len(self.header) >= _MANY
        columns += [aligned(column, breaking=many) for column in texts]
        rows = [list(row) for row in zip(*columns, strict=True)]
        above = [[""] * len(self.header), *rows]
        for k, row in enumerate(rows):  # of several row names, those that are as above are left out
            same = next((level for level in range(len(names) - 1) if row[level] != above[k][level]), len(names) - 1)
            rows[k] = [""] * same + row[same:]
        self.rows = rows

    def _repr_mimebundle_(self, include=None, exclude=None) -> dict[str, Any]:
        lines = [[text.replace("\n", " ") for text in row] for row in self.rows]
        plain = pd.DataFrame(lines, columns=self.header)
        return {
            "text/html": plain.to_html(index=False, border=0),
            TABLE: {"header": self.header, "rows": self.rows},
            "text/plain": plain.to_string(index=False),
        }


def show_table(frame: pd.DataFrame) -> None:
    """Display a table in a notebook; its caption and label stand in the metadata of the cell (``stablerep.table``)."""
    from IPython.display import display

    display(ShownTable(frame))


def texts_of(column: pd.Series | pd.Index) -> list[str]:
    """The cells of a column: numbers with the fewest digits that tell what three would, the same for all; yes or no; "" for what is missing."""
    if pd.api.types.is_bool_dtype(column):
        return ["yes" if value else "no" for value in column]
    if not pd.api.types.is_float_dtype(column):
        whole = pd.api.types.is_integer_dtype(column)
        return ["" if pd.isna(value) else f"{value:,}" if whole else str(value) for value in column]
    known = column[~column.isna()]
    digits = next(
        (d for d in range(_MOST_DIGITS) if ((known - known.round(d)).abs() < 0.5 * 10**-_MOST_DIGITS).all()), _MOST_DIGITS
    )  # fmt: skip
    return ["" if pd.isna(value) else f"{value:z,.{digits}f}" for value in column]


def aligned(texts: list[str], *, breaking: bool = False) -> list[str]:
    """Cells that begin with a number, padded so that its decimal points stand below each other, and on one line; others as they are.

    With ``breaking`` every interval stands below its value, so that the values of a column do not move apart. Digits must be equally wide on the page, and a minus sign as wide as a plus sign.
    """
    texts = [re.sub(r"(?<![\w.])-(?=\d)", "−", text) for text in texts]
    numbers = [_NUMBER.match(text) for text in texts]
    if not any(texts) or any(
        not found or len(text) - found.end() > _LONG for found, text in zip(numbers, texts, strict=True) if text
    ):
        return texts
    widest = max(_width(found) for found in numbers if found)
    return [
        (_pad(widest - _width(found)) if found else "") + _unbroken(text, breaking)
        for found, text in zip(numbers, texts, strict=True)
    ]


def _unbroken(text: str, breaking: bool) -> str:
    kept = text.replace(" ", _UNBROKEN)
    return _INTERVAL.sub(lambda found: "\n" + found[0][1:], kept) if breaking else kept


def _width(number: re.Match) -> int:
    """Of what stands before the decimal point: the number of digits and signs, and 100 times that of commas, which are narrower."""
    before = number[0].partition(".")[0]
    return len(before) + 99 * before.count(",")


def _pad(missing: int) -> str:
    return _COMMA * (missing // 100) + _DIGIT * (missing % 100)
