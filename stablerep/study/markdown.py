"""Words that several pages and sentences are written with: tables in Markdown, and lists that may be long."""

from __future__ import annotations

from collections.abc import Iterable, Sequence


def markdown_table(header: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """A table of texts, which must hold no unescaped ``|``."""
    return "\n".join("| " + " | ".join(line) + " |" for line in [header, ["---"] * len(header), *rows])


def captioned(caption: str, table: str, name: str = "") -> str:
    """A Markdown table as a numbered one of MyST, with a caption and, to be referred to by, a label."""
    label = f":name: {name}\n" if name else ""
    return f":::{{table}} {caption}\n{label}\n{table}\n:::"


def some_of(names: Sequence[str], count: int = 3, *, between: str = ", ") -> str:
    """``a, b, c and 2 more``: at most ``count`` of some names, with something else ``between`` them where names have commas."""
    return between.join(names[:count]) + (f" and {len(names) - count} more" if len(names) > count else "")


def badge(claim: str, word: str, *, named: bool = True) -> str:
    """The word on a claim as a badge, in HTML that Markdown takes."""
    return f'<span class="verdict verdict-{word.split()[0]}">{f"{claim}: " if named else ""}{word}</span>'
