"""The protocol: what was decided before the numbers, in ``book/protocol.md``, and the mark by which results are held to it."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable

from stablerep.study.root import PROJECT

PAGE = "book/protocol.md"
_CLAIM = re.compile(r"\|\s*(C\d+)\s*\|")  # the beginning of a row of the table of claims


def protocol_hash(claims: Iterable[str] = ()) -> str | None:
    """Twelve hexadecimal digits of the page's words, whatever its line breaks; None without a checkout.

    Args:
        claims: whose rows of the table count. The rest of the page counts for every claim, so that a new claim leaves the results of others valid.
    """
    path, claims = PROJECT / PAGE, set(claims)
    if not path.is_file():
        return None
    lines = path.read_text(encoding="utf-8").splitlines()
    rows = [(line, _CLAIM.match(line.strip())) for line in lines]
    text = " ".join(line for line, claim in rows if claim is None or claim[1] in claims)
    return hashlib.sha256(" ".join(text.split()).encode()).hexdigest()[:12]


def protocol_sentence(record: dict, claims: Iterable[str]) -> str:
    """Under which protocol stored results on some claims were computed, and whether it is today's."""
    under, today = record.get("protocol"), protocol_hash(claims)
    if not under:
        return "**They were computed before there was a protocol.**"
    page = f"[protocol](/{PAGE})"
    if under == today:
        return f"They follow the {page} {under}."
    return f"**They follow an earlier {page} ({under}; today's is {today}).**"
