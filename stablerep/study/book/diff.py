"""Two books on one page: their parameters, headline numbers and figures side by side. Nothing of them is executed."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from stablerep.checkpoint import written_aside
from stablerep.errors import InputError
from stablerep.figures.canvas import in_percent
from stablerep.study.book.notes import WORDS
from stablerep.study.book.record import Figure, Headline, Number, Page, read_book, read_record

TEMPLATE = Path(__file__).with_name("diff.html")
SHORT = 40  # rows of a table beyond which it is folded
FEW = 6  # parameters whose values the first sentence still names


@dataclass(frozen=True)
class Row:
    """A headline number in two books. ``change`` is the second minus the first, ``apart`` whether their intervals have
    no value in common; both are None where that cannot be said."""

    keys: tuple
    left: Number | None
    right: Number | None

    @property
    def change(self) -> float | None:
        if None in (self.left, self.right) or None in (self.left.value, self.right.value):
            return None
        return round(self.right.value - self.left.value, 12)  # so that equal changes are equal

    @property
    def apart(self) -> bool | None:
        if self.change is None or None in (self.left.low, self.left.high, self.right.low, self.right.high):
            return None
        return self.left.high < self.right.low or self.right.high < self.left.low


@dataclass(frozen=True)
class Comparison:
    """A chapter in two books: sentences (``notes``), parameters (name, left, right), rows, pairs of figures."""

    name: str
    notes: list[str]
    different: list[tuple[str, str, str]] = field(default_factory=list)
    equal: list[tuple[str, str, str]] = field(default_factory=list)
    headline: Headline | None = None
    rows: list[Row] = field(default_factory=list)
    figures: list[tuple[Figure | None, Figure | None]] = field(default_factory=list)

    @property
    def compared(self) -> list[Row]:
        return [row for row in self.rows if row.change is not None]

    @property
    def largest(self) -> list[Row]:
        """The rows of the largest change; none when nothing changed."""
        size = max((abs(row.change) for row in self.compared), default=0.0)
        return [row for row in self.compared if size and abs(row.change) == size]


def compare_chapter(name: str, first: Page | None, second: Page | None) -> Comparison:
    """Compare a chapter in two books, either of which may lack it."""
    if not first or not second:
        return Comparison(name, [f"Only the {'first' if first else 'second'} book has this chapter."])
    figures = [(first.figures.get(one), second.figures.get(one)) for one in first.figures | second.figures]
    if silent := _lacking(first.about, second.about):
        note = f"{silent} no record of how this chapter was computed; `stablerep book` builds the book again."
        return Comparison(name, [note], figures=figures)
    a, b, notes = first.about, second.about, []
    different, equal = [], []
    for one in a.parameters | b.parameters:
        x, y = a.parameters.get(one), b.parameters.get(one)
        (equal if x == y else different).append((one, _shown(x), _shown(y)))
    if inputs := [WORDS.get(one, one) for one in WORDS | a.inputs | b.inputs if a.inputs.get(one) != b.inputs.get(one)]:
        notes.append(f"This chapter was made from different versions of {', '.join(inputs)}.")
    if lacking := _lacking(a.headline, b.headline):
        notes.append(f"{lacking} no headline numbers here.")
    headline, other = a.headline or b.headline, b.headline or a.headline
    if headline and (headline.keys, headline.value, headline.unit) != (other.keys, other.value, other.unit):
        kinds = [f"{one.value} ({one.unit}) by {', '.join(one.keys)}" for one in (headline, other)]
        notes.append(f"Headline numbers are not compared: the first book has {kinds[0]}, the second {kinds[1]}.")
        headline = None
    left, right = (page.headline.numbers() if page.headline and headline else {} for page in (a, b))
    rows = [Row(tuple(map(_shown, key[:-1])), left.get(key), right.get(key)) for key in left | right]
    return Comparison(name, notes, different, equal, headline, rows, figures)


def _lacking(first, second) -> str:
    """Which of two books has no such thing, as the start of a sentence; empty when both have it."""
    if first and second:
        return ""
    return "The first book has" if second else "The second book has" if first else "Both books have"


def _shown(value: Any) -> str:
    """A value of a parameter or key as a reader writes it; empty where there is none."""
    if value is None:
        return ""
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)


def number_text(value: float, unit: str, *, signed: bool = False) -> str:
    """``43.2`` for the share 0.432, ``1,530`` for a count; signed, ``+1.5``, and ``0`` for exactly zero alone."""
    if signed and value == 0:
        return "0"
    text = f"{100 * value:.1f}" if in_percent(unit) else f"{value:,.0f}" if value.is_integer() else f"{value:,.6g}"
    if not text.strip("-0."):
        return text.removeprefix("-")
    return f"+{text}" if signed and value > 0 else text


def parameter_sentence(chapters: list[Comparison]) -> str:
    """``The books differ in guidance_scale (2 and 4 in compare, quality).``; without values when many differ."""
    where: dict[tuple[str, str, str], list[str]] = {}
    for chapter in chapters:
        for found in chapter.different:
            where.setdefault(found, []).append(chapter.name)
    if not where:
        return "No parameter differs between the books."
    texts = [f"{one} ({a or 'none'} and {b or 'none'} in {', '.join(names)})" for (one, a, b), names in where.items()]
    if len(where) > FEW:
        texts = list(dict.fromkeys(name for name, _, _ in where))
    return f"The books differ in {', '.join(texts)}."


def diff_books(first: Path, second: Path, page: Path) -> Path:
    """Write one page that needs nothing else, with both books side by side, and return its path. Raises as
    :func:`read_book` does, and ``ValueError`` for a ``page`` that is a folder."""
    from jinja2 import Environment, FileSystemLoader, StrictUndefined

    if page.is_dir():
        raise InputError(f"{page} is a folder; give the path of the page to write, such as {page / 'diff.html'}.")
    (a, left), (b, right) = read_book(first), read_book(second)
    chapters = [compare_chapter(name, left.get(name), right.get(name)) for name in left | right]
    environment = Environment(
        loader=FileSystemLoader(TEMPLATE.parent), autoescape=True, undefined=StrictUndefined, trim_blocks=True
    )
    text = environment.get_template(TEMPLATE.name).render(
        books=(a, b), sentence=parameter_sentence(chapters), same=left == right,
        chapters=chapters, short=SHORT, in_percent=in_percent, number=number_text,
    )  # fmt: skip
    with written_aside(page) as aside:
        aside.write_text(text, encoding="utf-8", errors="replace")
    return page


def default_page(first: Path, second: Path) -> Path:
    """Where a comparison goes unless told: ``_build/diff-KEY-KEY.html``. Raises as :func:`read_record` does."""
    return Path("_build") / f"diff-{read_record(first).key}-{read_record(second).key}.html"
