"""A paired difference of two arms in words: which one is better and by how much, or that the interval covers zero and does not tell."""

from __future__ import annotations

from dataclasses import dataclass

import pandas as pd

NOT_TOLD = ", which is not told from zero"


@dataclass(frozen=True)
class Paired:
    """A difference, ``first`` less ``second``, in shares: 0.01 is a point.

    Attributes:
        low, high: its 95 % interval.
    """

    first: str
    second: str
    difference: float
    low: float
    high: float

    @property
    def told(self) -> bool:
        """Whether the interval leaves zero out."""
        return self.low > 0 or self.high < 0

    @property
    def better(self) -> str:
        """The arm that lies above the other, told from zero or not."""
        return self.first if self.difference > 0 else self.second

    @property
    def size(self) -> str:
        """How far apart they lie, with the interval seen from the better one: ``1.0 points [0.3, 1.8]``."""
        ends = (self.low, self.high) if self.difference > 0 else (-self.high, -self.low)
        return f"{100 * abs(self.difference):.1f} points [{', '.join(f'{100 * end:z.1f}' for end in ends)}]".replace(
            "-", "−"
        )

    @property
    def sentence(self) -> str:
        """Without a full stop: ``A lies 1.0 points [0.3, 1.8] above B``."""
        where = "above" if self.difference > 0 else "below"
        return f"{self.first} lies {self.size} {where} {self.second}{self.doubt}"

    @property
    def doubt(self) -> str:
        """An ending that says that the interval covers zero, or all but touches it; empty where it leaves zero out."""
        if not self.told:
            return NOT_TOLD
        return ", only just told from zero" if min(abs(self.low), abs(self.high)) < 0.0005 else ""


def paired(pairs: pd.DataFrame, probe: str, first: str, second: str) -> Paired | None:
    """The difference of two arms on a probe, whichever of them the table has first; None where they were not compared.

    Args:
        pairs: of :func:`stablerep.statistics.differences`.
    """
    mine = pairs[pairs["probe"] == probe]
    for a, b, sign in ((first, second, 1), (second, first, -1)):
        row = mine[(mine["first"] == a) & (mine["second"] == b)]
        if len(row):
            middle, *ends = (sign * float(row.iloc[0][name]) for name in ("difference", "low", "high"))
            if middle == middle:
                return Paired(first, second, middle, min(ends), max(ends))
    return None
