"""Explanations of the rows that a table has, so that a page describes no row that its run left out."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence


def explained(names: Iterable[str], sentences: Mapping[str, str], *, lead: str = "") -> str:
    """The sentences whose key is among the names, in their own order, after a lead; empty where none is.

    Args:
        names: of the rows that a table has, such as ``table["arm"]``; repeated ones count once.
        sentences: whole sentences by the name of the row that they explain.
    """
    known = set(names)
    said = [sentence for name, sentence in sentences.items() if name in known]
    return " ".join([lead, *said]).strip() if said else ""


def enumerated(names: Sequence[str]) -> str:
    """``1, 2, 4 and 8``; empty without names."""
    return " and ".join(filter(None, [", ".join(names[:-1]), *names[-1:]]))
