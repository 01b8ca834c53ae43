"""What a book is, as its folder of pages says: its record, ``book.json``, and the notebooks of its chapters.

What is read may come from anyone: types are checked and unknown names are left out.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Any

from pydantic import BaseModel, Field, FiniteFloat, ValidationError

from stablerep.errors import InputError

RECORD = "book.json"  # beside _config.yml while the pages are built, then in the folder of the pages
TITLE = "StableRep at small scale"


class Record(BaseModel, strict=True, frozen=True):
    """A book's title, its preset, and the parameters that are not the preset's.

    Attributes:
        key: hash of the title and of all that determines the chapters.
        live: whether the chapters were computed, or drawn from stored results.
        changed: by chapter, the parameters other than the preset's.
    """

    title: str
    key: Annotated[str, Field(pattern="^[0-9a-f]{16}$")]
    preset: str
    live: bool
    changed: dict[str, dict[str, Any]]
    chapters: list[Annotated[str, Field(pattern="^[A-Za-z0-9_-]+$")]]  # a name that would lead out of the book is none

    def changes(self) -> str:
        """``guidance_scale = 4 (compare, quality), seed = 1 (all chapters)``; empty for a book at the preset's values."""
        where: dict[str, list[str]] = {}
        for chapter, values in self.changed.items():
            for name, value in values.items():
                where.setdefault(f"{name} = {value}", []).append(chapter)
        return ", ".join(
            f"{change} ({'all chapters' if len(names) == len(self.chapters) else ', '.join(names)})"
            for change, names in where.items()
        )


class Number(BaseModel, strict=True, frozen=True, extra="allow"):
    """A row of a headline: a number with its 95 % interval, None where there is none; its keys are extras."""

    __pydantic_extra__: dict[str, str | int | float | bool | None]
    value: FiniteFloat | None
    low: FiniteFloat | None = None
    high: FiniteFloat | None = None


class Headline(BaseModel, strict=True, frozen=True):
    """The numbers for which a chapter stands (:class:`stablerep.study.chapters.Headline`)."""

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


class About(BaseModel, strict=True, frozen=True):
    """``metadata.stablerep`` of an executed chapter, as far as it is compared."""

    parameters: dict[str, Any]
    inputs: dict[str, str]
    headline: Headline | None


class Figure(BaseModel, strict=True, frozen=True):
    """One figure: its caption, a text for those who cannot see it, and the image as base64 PNG."""

    caption: str
    alt: str
    png: Annotated[str, Field(pattern="^[A-Za-z0-9+/=]+$")]


class Page(BaseModel, strict=True, frozen=True):
    """What one book has of a chapter: ``about`` (None when it does not say) and figures by name."""

    about: About | None
    figures: dict[str, Figure]


def read_record(folder: Path) -> Record:
    """What the book in a folder of pages is. Raises ``InputError``: no book, no record, or one that cannot be read."""
    if not (folder / "index.html").is_file():
        raise InputError(f"{folder} is not a book; give the folder of its pages, such as _build/html.")
    if not (folder / RECORD).is_file():
        raise InputError(
            f"{folder} has no {RECORD}, which says what a book is; `stablerep book` builds the book again."
        )
    return _checked(folder / RECORD, Record.model_validate)


def read_book(folder: Path) -> tuple[Record, dict[str, Page]]:
    """A book and its chapters by name. Raises as :func:`read_record` does, and for a chapter that cannot be read."""
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
        reason = error.strerror
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        reason = f"{type(error).__name__}, {' '.join(str(error).split())}"
    raise InputError(f"{path} could not be read: {reason}. `stablerep book` builds the book again.")


def _page(notebook: dict) -> Page:
    """The record and the figures of an executed notebook; HTML and scripts among its outputs are left out."""
    figures, seen = {}, Counter()
    for cell in notebook["cells"]:
        about = cell["metadata"].get("mystnb", {})
        figure, image = about.get("figure", {}), about.get("image", {})
        for output in cell.get("outputs", ()):
            if png := output.get("data", {}).get("image/png"):
                name = figure.get("name") or "figure"
                seen[name] += 1
                png = "".join("".join(png).split())  # a string or a list of lines
                figures[f"{name} {seen[name]}"] = {
                    "caption": figure.get("caption", ""), "alt": image.get("alt", ""), "png": png,
                }  # fmt: skip
    return Page(about=notebook["metadata"].get("stablerep") or None, figures=figures)
