"""The protocol: what was decided before the numbers, in ``book/protocol.md``, and the mark by which results are held to it."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable

from stablerep.study.root import PROJECT

PAGE = "book/protocol.md"
REMARKS = "<!-- remarks -->"  # what follows explains the protocol and what was known before it, and binds nobody
# Between these marks stand explanations of what is near them: remarks too, where a reader needs them. Results do not depend on them either.
_EXPLAINED = re.compile(r"<!-- explained -->.*?<!-- /explained -->", re.DOTALL)
_ROW = re.compile(
    r"\|\s*(C\d+|`\w+`)\s*\|"
)  # the beginning of a row of the table of claims: of a claim, or of a chapter


def protocol_hash(rows: Iterable[str] = ()) -> str | None:
    """Twelve hexadecimal digits of the page's words up to its remarks and but for explanations, whatever its line breaks; None without a checkout.

    Args:
        rows: claims and chapters whose rows of the table count. The rest of the page counts for all, so that a new row leaves other results valid.
    """
    path, counting = PROJECT / PAGE, set(rows)
    if not path.is_file():
        return None
    lines = _EXPLAINED.sub("", path.read_text(encoding="utf-8").partition(REMARKS)[0]).splitlines()
    of_row = [(line, _ROW.match(line.strip())) for line in lines]
    text = " ".join(line for line, row in of_row if row is None or row[1].strip("`") in counting)
    return hashlib.sha256(" ".join(text.split()).encode()).hexdigest()[:12]


def protocol_sentence(record: dict, rows: Iterable[str]) -> str:
    """Under which protocol stored results were computed, and whether it is today's; ``rows`` as in :func:`protocol_hash`."""
    under, today = record.get("protocol"), protocol_hash(rows)
    if not under:
        return "**It was computed before there was a protocol.**"
    page = f"[protocol](/{PAGE})"
    if under == today:
        return f"It follows the {page} {under}."
    return f"**It follows an earlier {page} ({under}; today's is {today}).**"
