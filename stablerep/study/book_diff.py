"""Two books on one page: their parameters, headline numbers and figures side by side. Nothing of them is executed."""

from __future__ import annotations

import hashlib
import json
import math
from dataclasses import dataclass, field
from pathlib import Path

from stablerep.checkpoint import written_aside
from stablerep.study.page_notes import RECORD, WORDS

TEMPLATE = Path(__file__).with_name("book_diff.html")
SHORT = 40  # rows of a table beyond which it is folded


@dataclass(frozen=True)
class Figure:
    """One figure of a chapter: its name, caption, text for those who cannot see it, and the image as base64 PNG."""

    name: str
    caption: str
    alt: str
    png: str


@dataclass
class Page:
    """What one book says in one chapter; ``about`` is the notebook's ``metadata.stablerep``."""

    about: dict
    figures: dict[str, Figure] = field(default_factory=dict)

    @property
    def numbers(self) -> dict[tuple, dict]:
        """Rows of the headline by the values of its keys."""
        found = self.about.get("headline") or {"keys": [], "rows": []}
        return {tuple(row[key] for key in found["keys"]): row for row in found["rows"]}


@dataclass(frozen=True)
class Book:
    """A built book: its record (:func:`stablerep.study.whole_book.book_record`) and its chapters."""

    record: dict
    pages: dict[str, Page]


def read_book(folder: Path) -> Book:
    """Read a folder of pages that this project built.

    Raises:
        ValueError: no book, or one whose files cannot be read.
    """
    folder = Path(folder)
    if not (folder / "index.html").is_file():
        raise ValueError(f"{folder} is no book; give the folder of its pages, such as _build/html.")
    if not (folder / RECORD).is_file():
        raise ValueError(f"{folder} was built before books kept what they are; `stablerep book` builds it anew.")
    try:
        record, pages = json.loads((folder / RECORD).read_text()), {}
        for name in record["chapters"]:
            notebook = json.loads((folder / "_sources" / "book" / "chapters" / f"{name}.ipynb").read_text())
            pages[name] = Page(notebook["metadata"].get("stablerep") or {}, {one.name: one for one in _figures(notebook)})
        return Book(record, pages)
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise ValueError(f"{folder} could not be read as a book: {type(error).__name__}, {str(error).splitlines()[0]}.") from None


def _figures(notebook: dict) -> list[Figure]:
    found = []
    for cell in notebook["cells"]:
        about = cell["metadata"].get("mystnb", {})
        images = [output["data"]["image/png"] for output in cell.get("outputs", ()) if "image/png" in output.get("data", {})]
        if images and "figure" in about:
            png = "".join(images[0]).replace("\n", "")
            found.append(Figure(about["figure"].get("name", ""), about["figure"].get("caption", ""), about.get("image", {}).get("alt", ""), png))
    return found


def compare_chapter(name: str, first: Page | None, second: Page | None) -> dict:
    """What the page shows of one chapter: ``name``, ``missing`` (a sentence, or empty), ``parameters``, ``inputs``, ``keys``, ``rows``, ``figures``.

    Each of ``rows`` has the texts of its ``keys``, of the two numbers and their difference, ``apart`` (the intervals do not overlap) and ``size``
    of the difference.
    """
    if first is None or second is None:
        return {"name": name, "missing": f"Only the {'second' if first is None else 'first'} book has this chapter."}
    a, b = first.about, second.about
    if not a or not b:
        return {"name": name, "missing": "A book does not say how it computed this chapter; `stablerep book` builds it anew."}
    values = [(key, a["parameters"].get(key), b["parameters"].get(key)) for key in a["parameters"] | b["parameters"]]
    inputs = [word.removeprefix("the ") for key, word in WORDS.items() if a["inputs"].get(key) != b["inputs"].get(key)]
    headline = a.get("headline") or b.get("headline")
    rows, unit = [], headline["unit"] if headline else ""
    for key in first.numbers | second.numbers:
        left, right = first.numbers.get(key), second.numbers.get(key)
        rows.append({"keys": [_text(part) for part in key], "left": _number(left, unit), "right": _number(right, unit), **_difference(left, right, unit)})
    names = list(first.figures | second.figures)
    return {
        "name": name, "missing": "", "parameters": [v for v in values if v[1] != v[2]], "equal": [v for v in values if v[1] == v[2]],
        "inputs": inputs, "keys": headline["keys"] if headline else [], "unit": unit, "rows": rows,
        "largest": max((row["size"] for row in rows), default=0.0), "apart": sum(row["apart"] for row in rows),
        "figures": [(first.figures.get(figure), second.figures.get(figure)) for figure in names],
    }  # fmt: skip


def _text(value) -> str:
    return "" if value is None else f"{value:g}" if isinstance(value, float) else str(value)


def _scaled(value: float, unit: str) -> str:
    return f"{value:,.0f}" if unit == "captions" else f"{100 * value:.1f}"


def _number(row: dict | None, unit: str) -> str:
    """``43.2 [41.0, 45.3]``, in percent unless captions are counted; empty where there is none."""
    if row is None or row["value"] is None:
        return ""
    interval = "" if row["low"] is None or row["high"] is None else f" [{_scaled(row['low'], unit)}, {_scaled(row['high'], unit)}]"
    return _scaled(row["value"], unit) + interval


def _difference(left: dict | None, right: dict | None, unit: str) -> dict:
    if not left or not right or left["value"] is None or right["value"] is None:
        return {"difference": "", "apart": False, "size": 0.0}
    change = right["value"] - left["value"]
    ends = [left["low"], left["high"], right["low"], right["high"]]
    apart = None not in ends and (left["high"] < right["low"] or right["high"] < left["low"])
    sign = "+" if change > 0 else ""
    return {"difference": sign + _scaled(change, unit) if not math.isclose(change, 0, abs_tol=1e-12) else "0", "apart": apart, "size": abs(change)}


def diff_books(first: Path, second: Path, page: Path) -> Path:
    """Write one page that needs nothing else, with both books side by side, and return its path.

    Raises:
        ValueError: one of the folders is no book.
    """
    from jinja2 import Environment, FileSystemLoader

    from stablerep.study.whole_book import changed_sentence

    a, b = read_book(first), read_book(second)
    chapters = [compare_chapter(name, a.pages.get(name), b.pages.get(name)) for name in dict.fromkeys([*a.pages, *b.pages])]
    differing = sorted({key for chapter in chapters if not chapter["missing"] for key, _, _ in chapter["parameters"]})
    environment = Environment(loader=FileSystemLoader(TEMPLATE.parent), autoescape=True, trim_blocks=True, lstrip_blocks=True)
    text = environment.get_template(TEMPLATE.name).render(
        first=a.record, second=b.record, differing=differing, chapters=chapters, short=SHORT, sentence=changed_sentence, scaled=_scaled
    )
    with written_aside(page) as aside:
        aside.write_text(text)
    return page


def default_page(first: Path, second: Path) -> Path:
    """Where the comparison of two folders goes unless told: beside them, named by both."""
    name = hashlib.sha256(f"{Path(first).resolve()}\n{Path(second).resolve()}".encode()).hexdigest()[:12]
    return Path("_build") / f"diff-{name}.html"
