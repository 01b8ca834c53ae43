"""A built book, read back: its record and, by chapter, what the executed notebook says. What is read may come from anyone."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Any

from pydantic import BaseModel, Field, FiniteFloat, ValidationError

from stablerep.errors import InputError
from stablerep.study.book.record import RECORD, Record


class _Read(BaseModel, strict=True, frozen=True):
    """Types are checked and unknown names are left out, because a book may come from anyone."""


class Number(_Read, extra="allow"):
    """A row of a headline: a number with its 95 % interval, None where there is none; the values of its keys are extras."""

    __pydantic_extra__: dict[str, str | int | float | bool | None]
    value: FiniteFloat | None
    low: FiniteFloat | None = None
    high: FiniteFloat | None = None


class Headline(_Read):
    """The numbers for which a chapter stands (:func:`stablerep.study.chapters.headline`)."""

    keys: list[str]
    value: str
    unit: str
    rows: list[Number]

    def numbers(self) -> dict[tuple, Number]:
        """Rows by the values of their keys and how often these came before, so that no row hides another."""
        found, seen = {}, Counter()
        for row in self.rows:
            key = tuple(row.model_extra.get(name) for name in self.keys)
            found[*key, seen[key]] = row
            seen[key] += 1
        return found


class About(_Read):
    """``metadata.stablerep`` of an executed chapter, as far as it is compared."""

    parameters: dict[str, Any]
    inputs: dict[str, str]
    headline: Headline | None


class Figure(_Read):
    """One figure: its caption, a text for those who cannot see it, and the image as base64 PNG."""

    caption: str
    alt: str
    png: Annotated[str, Field(pattern="^[A-Za-z0-9+/=]+$")]


class Page(_Read):
    """What one book has of a chapter: ``about`` (None when it does not say) and figures by name."""

    about: About | None
    figures: dict[str, Figure]


def read_record(folder: Path) -> Record:
    """Read what the book in a folder of pages is. Raises ``InputError``: not a book, without a record, or one that cannot be read."""
    if not (folder / "index.html").is_file():
        raise InputError(f"{folder} is not a book; give the folder of its pages, such as _build/html.")
    if not (folder / RECORD).is_file():
        raise InputError(
            f"{folder} has no {RECORD}, which says what a book is; `stablerep book` builds the book again."
        )
    return _checked(folder / RECORD, Record.model_validate)


def read_book(folder: Path) -> tuple[Record, dict[str, Page]]:
    """Read a book and, by name, its chapters. Raises as :func:`read_record` does, and for a chapter that cannot be read."""
    record, sources = read_record(folder), folder / "_sources" / "book" / "chapters"
    return record, {name: _checked(sources / f"{name}.ipynb", _page) for name in record.chapters}


def _checked(path: Path, read: Callable[[Any], Any]) -> Any:
    try:
        # NaN stands for a number that is missing
        return read(json.loads(path.read_text(encoding="utf-8"), parse_constant=lambda _: None))
    except ValidationError as error:
        first = error.errors()[0]
        reason = f"{'.'.join(map(str, first['loc']))}: {first['msg']}".removeprefix(": ")
    except OSError as error:
        reason = error.strerror or type(error).__name__
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        reason = f"{type(error).__name__}, {' '.join(str(error).split())}"
    raise InputError(f"{path} could not be read: {reason}. `stablerep book` builds the book again.")


def _page(notebook: dict) -> Page:
    """The record and the figures of an executed notebook; HTML and scripts among its outputs are left out."""
    figures, seen = {}, Counter()
    for cell in notebook["cells"]:
        about = cell["metadata"].get("mystnb", {})
        name = about.get("figure", {}).get("name") or "figure"
        for output in cell.get("outputs", ()):
            if "image/png" in output.get("data", {}):
                seen[name] += 1
                png = "".join("".join(output["data"]["image/png"]).split())  # a string or a list of lines
                caption, alt = about.get("figure", {}).get("caption", ""), about.get("image", {}).get("alt", "")
                figures[f"{name} {seen[name]}"] = {"caption": caption, "alt": alt, "png": png}
    return Page(about=notebook["metadata"].get("stablerep") or None, figures=figures)
