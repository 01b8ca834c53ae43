"""What Holm's method over all claims of the book did to the verdicts of single chapters, in a sentence."""

from __future__ import annotations

import math
from collections import Counter

from stablerep.statistics import WORDS, Verdict


def holm_sentence(own: dict[tuple[str, str], Verdict], together: dict[str, Verdict]) -> str:
    """What Holm's method over all claims did to the verdicts of single chapters.

    Args:
        own: by claim and chapter. together: the same by ``CLAIM in CHAPTER``, as :func:`stablerep.statistics.family` leaves them.
    """
    chapters_of = Counter(claim for claim, _ in own)

    def said_of(claim: str, name: str) -> str:
        return f"{claim} in {name}" if chapters_of[claim] > 1 else claim

    in_order = sorted(own.items(), key=lambda one: int(one[0][0][1:]))
    tested = [said_of(*place) for place, found in in_order if found.word != WORDS[-1]]
    if not tested:
        return (
            "No claim was testable by stored results of the present protocol, so Holm's method had nothing to correct."
        )
    lost = [
        f"{said_of(*place)} (*{found.word}* by itself)"
        for place, found in in_order if found.word != together[" in ".join(place)].word
    ]  # fmt: skip
    said = f"Holm's method at 5 % over the tested claims ({', '.join(tested)}) "
    said += f"makes undecided: {', '.join(lost)}." if lost else "changes no verdict."
    open_words = ("equivalent", "undecided", WORDS[-1])
    without = [said_of(*place) for place, found in in_order if found.word not in open_words and math.isnan(found.p)]
    if without:
        said += f" It cannot correct verdicts whose rule gives no p-value: {', '.join(without)}."
    return said
