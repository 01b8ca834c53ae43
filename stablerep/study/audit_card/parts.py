"""What a card consists of: numbers with what they are held against, and sections of them. The page and the JSON are both written from these."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import Any

COUNTS = ("images", "captions", "pixels", "pairs")  # units of whole numbers
SHARE, GREYS, DISTANCE, COSINE, RATIO = "share", "grey levels", "cosine distance", "cosine", "ratio"


@dataclass(frozen=True)
class Number:
    """A number of a card.

    Attributes:
        name: in the JSON, different for each. title: on the page.
        value: None where it is not known. low, high: its 95 % interval; None where it has none, as a count of all images.
        unit: one of ``COUNTS``, or ``SHARE`` (a part of one, in percent on the page), ``GREYS`` (0 to 255), ``DISTANCE``, ``COSINE`` or ``RATIO``.
        beside: what it is held against, such as the same of real images, or chance.
    """

    name: str
    title: str
    value: float | None
    unit: str
    low: float | None = None
    high: float | None = None
    beside: tuple[Number, ...] = ()

    @property
    def text(self) -> str:
        """The number with its interval, as a page shows it."""
        if self.value is None or math.isnan(self.value):
            return "not known"
        shown, unit = self._shown(self.value), " %" if self.unit == SHARE else ""
        if self.low is None or self.high is None or math.isnan(self.low) or math.isnan(self.high):
            return shown + unit
        return f"{shown}{unit} [{self._shown(self.low)}, {self._shown(self.high)}]"

    def _shown(self, value: float) -> str:
        if self.unit in COUNTS:
            return f"{value:,.0f}"
        if self.unit == SHARE:
            return f"{100 * value:.1f}"
        return f"{value:.1f}" if self.unit == GREYS else f"{value:.3f}"

    @property
    def json(self) -> dict[str, Any]:
        """The same as JSON values; what is not known is null."""
        known = {name: _known(getattr(self, name), self.unit) for name in ("value", "low", "high")}
        return {
            "name": self.name, "title": self.title, **known, "unit": self.unit, "beside": [one.json for one in self.beside],
        }  # fmt: skip


def _known(value: float | None, unit: str) -> float | int | None:
    if value is None or not math.isfinite(value):
        return None
    return int(value) if unit in COUNTS else float(value)


@dataclass(frozen=True)
class Section:
    """A section of a card.

    Attributes:
        name: in the JSON and in addresses within the page. title: its heading.
        how: what was measured and how. opening: what has to be known before the numbers. limits: what it cannot say.
        numbers: in a table. facts: terms and what they are. notes: further sentences. shown: figures and grids, as HTML.
        left_out: why there is nothing else, where that is so.
    """

    name: str
    title: str
    how: str
    limits: str = ""
    numbers: tuple[Number, ...] = ()
    facts: tuple[tuple[str, str], ...] = ()
    notes: tuple[str, ...] = ()
    shown: tuple[str, ...] = field(default=(), repr=False)
    left_out: str = ""
    opening: str = ""

    @property
    def json(self) -> dict[str, Any]:
        """All but the figures."""
        return {
            "title": self.title, "how": self.how, "opening": self.opening, "limits": self.limits, "left_out": self.left_out, "facts": dict(self.facts),
            "notes": list(self.notes), "numbers": [one.json for one in self.numbers],
        }  # fmt: skip
