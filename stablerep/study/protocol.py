"""The protocol: what was decided before the numbers, in ``book/protocol.md``, and the mark by which results are held to it."""

from __future__ import annotations

import hashlib

from stablerep.study.root import PROJECT

PAGE = "book/protocol.md"


def protocol_hash() -> str | None:
    """Twelve hexadecimal digits of the page's words, whatever its line breaks; None without a checkout."""
    path = PROJECT / PAGE
    if not path.is_file():
        return None
    return hashlib.sha256(" ".join(path.read_text(encoding="utf-8").split()).encode()).hexdigest()[:12]


def protocol_sentence(record: dict) -> str:
    """Under which protocol stored results were computed, and whether it is today's."""
    under, today = record.get("protocol"), protocol_hash()
    if not under:
        return "**They were computed before there was a protocol.**"
    page = f"[protocol](/{PAGE})"
    if under == today:
        return f"They follow the {page} {under}."
    return f"**They follow an earlier {page} ({under}; today's is {today}).**"
