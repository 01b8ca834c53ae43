"""What a book is: its title, its preset, and the parameters that are not the preset's. It lies beside the pages as ``book.json``."""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import BaseModel, Field

RECORD = "book.json"  # beside _config.yml while the pages are built, then in the folder of the pages
TITLE = "StableRep at small scale"


class Record(BaseModel, strict=True, frozen=True):
    """Types are checked and unknown names are left out, because a book may come from anyone.

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
        """``guidance_scale = 4 (compare, scaling, bias), seed = 1 (all chapters)``; empty for a book at the preset's values."""
        where: dict[str, list[str]] = {}
        for chapter, values in self.changed.items():
            for name, value in values.items():
                where.setdefault(f"{name} = {value}", []).append(chapter)
        everywhere = len(self.chapters)
        return ", ".join(
            f"{change} ({'all chapters' if len(names) == everywhere else ', '.join(names)})"
            for change, names in where.items()
        )
