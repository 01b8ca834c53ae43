"""How the text of a built page is set: what belongs together stays on one line, and a minus sign is one."""

from __future__ import annotations

import re
from pathlib import Path

# What is no running text: code, which readers copy, formulas in TeX, and tags.
_APART = re.compile(
    r'(<(?:script|style|pre|code)\b.*?</(?:script|style|pre|code)>|<span class="math.*?</span>|<div class="math.*?</div>|<[^>]*>)', re.DOTALL
)  # fmt: skip
_NUMBER = r"[+−-]?\d[\d.,]*"
_SET = (
    (re.compile(r"(?<![\w.,/–-])-(?=\d)"), "−"),  # not in dates, ranges and names
    (re.compile(rf"(\[{_NUMBER}), ({_NUMBER}\])"), "\\1,\u00a0\\2"),  # an interval
    (re.compile(r"(?<=[\d\]]) %"), "\u00a0%"),
    (
        re.compile(r"\b(\d{4})-(\d\d)-(\d\d)\b(?! \d\d:)"),
        "\\1\u2011\\2\u2011\\3",
    ),  # a date in a sentence: its hyphens end no line
    (re.compile(r"\b(\w+) = (?=[\d−])"), "\\1\u00a0=\u00a0"),  # w = 2
    (re.compile(r"^ = (?=[\d−])"), "\u00a0=\u00a0"),  # after a letter in italics
    (re.compile(r"\b([Tt]able|[Ff]igure) (?=\d)"), "\\1\u00a0"),
    (re.compile(r"(?<=\d) (?=(?:minutes?|hours?|seconds?|threads?|points?|dB|[kMGT]B)\b)"), "\u00a0"),
    (re.compile(r"\bViT-(?=[A-Z]/)"), "ViT\u2011"),
)


def set_text(html: str) -> str:
    """A page with its running text set; tags and code stay as they are."""
    parts = _APART.split(html)
    for place in range(0, len(parts), 2):  # between them stands what is apart
        for pattern, shown in _SET:
            parts[place] = pattern.sub(shown, parts[place])
    return "".join(parts)


def set_page(page: Path) -> None:
    """:func:`set_text` of a built page, in its file."""
    page.write_text(set_text(page.read_text(encoding="utf-8")), encoding="utf-8")
