"""Answers: what a chapter says of a claim, by which rule, and the differences on which that rests."""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from dataclasses import dataclass, field, replace

import pandas as pd

from stablerep.statistics import WORDS, verdict
from stablerep.statistics.verdict import SEEDS
from stablerep.study.experiments.floors import RULE, at_the_floor, held_to_floors, short_of_floors

NO_VERDICT = "no verdict yet"  # shown for the last of WORDS where more seeds or arms would give one: it would read as a finding about the study's size
ABSENT = "not run with these parameters"
_NUMBERS = ("no", "one", "two", "three")
_SAID = re.compile(r",? ?\d+ seeds? (?:was|were) run; the claim needs \d+$")  # as rules of audits say it


@dataclass(frozen=True)
class Effect:
    """A difference that an answer rests on, in shares: 0.01 is a point.

    Attributes:
        what: of what, such as "SimCLR synthetic − SimCLR real". low, high: its 95 % interval.
        visible: the smallest difference that would have been seen with 80 % power.
    """

    what: str
    difference: float
    low: float
    high: float
    visible: float


def effects_of(pairs: pd.DataFrame) -> list[Effect]:
    """Of rows with ``first``, ``second``, ``difference``, ``low``, ``high`` and ``visible``, as :func:`stablerep.statistics.differences` gives them;
    first the one that speaks least for the claim."""
    return [
        Effect(f"{one.first} − {one.second}", one.difference, one.low, one.high, one.visible)
        for one in pairs.sort_values("difference", kind="stable").itertuples()
    ]  # fmt: skip


@dataclass(frozen=True)
class Answer:
    """What a chapter says of a claim: a word of :mod:`stablerep.statistics.verdict`, why, and by which rule."""

    claim: str
    word: str
    why: str
    rule: str = ""
    lines: list[str] = field(default_factory=list)  # further sentences, a point each
    p: float = math.nan  # of a word that a test gave; NaN for others, and for rules without one
    effects: list[Effect] = field(default_factory=list)  # the one to show first
    first: str = "the least favourable"  # which of several that is
    but: str = ""  # a sentence on what else the tables hold that the word does not say; shown wherever the word is
    until: str = ""  # what there is no verdict for want of; of a word that is WORDS' last

    @property
    def shown(self) -> str:
        """The word as readers see it."""
        return NO_VERDICT if self.until else self.word

    @property
    def reason(self) -> str:
        """Why there is that word, with what is lacking for one first, in sentences without the last full stop."""
        return ". ".join(f"{one[:1].upper()}{one[1:]}" for one in (self.until, self.why) if one)

    @property
    def effect(self) -> str:
        """The first of the effects, in points, with its interval and the smallest difference that would have been seen; empty without any."""
        more = len(self.effects) - 1
        return f"{self._first()}{f'; {more} more' if more > 0 else ''}"

    @property
    def sentence(self) -> str:
        """:attr:`effect` as it is said where no title of a column has the unit."""
        every = f"; of {len(self.effects)} differences {self.first}" if len(self.effects) > 1 else ""
        return f"{self._first(' points')}{every}"

    def _first(self, unit: str = "") -> str:
        if not self.effects:
            return ""
        one = self.effects[0]
        interval = f" [{100 * one.low:+z.1f}, {100 * one.high:+z.1f}]" if one.low == one.low else ""
        return f"{one.what}: {100 * one.difference:+z.1f}{interval}{unit}, smallest detectable {100 * one.visible:.1f}"

    @property
    def markdown(self) -> str:
        rule = f" (Rule: {self.rule}.)" if self.rule else ""
        points = "".join(f"\n- {line.removesuffix('.')}." for line in self.lines)
        return f"**{self.claim}: {self.shown}.** {self.reason}.{rule}" + (f"\n{points}" if points else "")


def answer_by_pairs(
    claim: str, probe: str, differences: pd.DataFrame, floors: pd.DataFrame, rule: str, *,
    needed: int, lacking: str, lines: Sequence[str] = (), degraded: bool = False, but: str = "",
) -> Answer:  # fmt: skip
    """The answer on a claim by its pairs of arms on one probe, held to the floors.

    Args:
        differences, floors: tables of :func:`stablerep.statistics.differences` and :func:`stablerep.study.experiments.floors.against_floors`.
        rule: as it is printed. needed: pairs without which nothing is decided. lacking: what was not run, where there are fewer.
        lines: further sentences. degraded: the claim is that the second of each pair is the worse for what was done to it, so that only the first
            has to lie above the floors.
        but: what the word does not say (:attr:`Answer.but`).
    """
    mine = differences[(differences["claim"] == claim) & (differences["probe"] == probe)]
    if len(mine) < needed:
        return Answer(claim, WORDS[-1], f"{probe}: {lacking}", rule, list(lines), until=ABSENT)
    said = held_to_floors(verdict(mine), mine[["first"]] if degraded else mine, floors, probe)
    return Answer(claim, said.word, f"{probe}: {said.sentence}", rule, list(lines), said.p, effects_of(mine), but=but)


def for_want_of_seeds(answer: Answer, seeds: int) -> Answer:
    """The answer of a run; where it has too few seeds for a verdict, whatever they show, the answer says that."""
    if answer.word != WORDS[-1] or seeds >= SEEDS:
        return answer
    until = f"{_NUMBERS[seeds]} seed{' was' if seeds == 1 else 's were'} run; a verdict needs {_NUMBERS[SEEDS]}"
    why = "" if _SAID.search(answer.why) else answer.why
    lines = [_SAID.sub("", line).replace(WORDS[-1], NO_VERDICT) for line in answer.lines]
    return replace(answer, until=until, why=why, lines=lines)


def answer_by_contrasts(
    claim: str, probe: str, pairs: Sequence[tuple[str, str]], contrasts: pd.DataFrame, floors: pd.DataFrame
) -> Answer:
    """The answer on a claim about groups of people, by the contrasts of the first pair of arms; those of the others stand beside.

    Args:
        pairs: first and second arm. contrasts: of :func:`stablerep.audits.groups.group_contrasts`, on one probe.
        floors: of :func:`stablerep.study.experiments.floors.against_floors`. An arm at the floor decides nothing.
    """
    from stablerep.audits.groups import judge_contrasts

    said = []
    for first, second in pairs:
        mine = contrasts[(contrasts["first"] == first) & (contrasts["second"] == second)]
        word, why = judge_contrasts(mine)
        if len(mine) and mine["adjusted"].min() >= 1:  # then none is the clearest
            why = why.partition("; the smallest p has")[0]
        if low := at_the_floor(floors, probe, (first, second)):
            word, why = (
                WORDS[-1],
                f"not clearly above the floors on people: {short_of_floors(floors, probe, low)} ({why})",
            )
        said.append((f"{first} against {second}", word, why, mine))
    (name, word, why, mine), *others = said
    p, effects = mine["adjusted"].min(), [] if word == WORDS[-1] else [
        Effect(f"{one.label} ({one.attribute})", one.difference, one.low, one.high, one.visible)
        for one in mine.sort_values("adjusted").itertuples()
    ]  # fmt: skip
    rule = (
        "reproduced when what synthetic images change in some group differs from what they change in the other groups of its attribute, "
        f"by Holm over all groups at 5 %; equivalent when every interval lies within a point; else undecided; {RULE}"
    )
    lines = [f"Beside it, {pair}: {what}, {reason}" for pair, what, reason, _ in others]
    return Answer(
        claim, word, f"{name}: {why}", rule, lines, p if word == "reproduced" else math.nan, effects, "the clearest"
    )
