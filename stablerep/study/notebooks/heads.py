"""What stands at the head of a page: the answers with their words, and whether anything was learned at all."""

from __future__ import annotations

from collections.abc import Callable

import pandas as pd

from stablerep.statistics import WORDS
from stablerep.study.chapters import chapter, probe_of
from stablerep.study.claims import claim_named
from stablerep.study.experiments.answers import Answer, for_want_of_seeds
from stablerep.study.experiments.floors import none_above
from stablerep.study.markdown import badge


def answers_of(name: str, tables: dict[str, pd.DataFrame], seeds: Callable[[], int]) -> list[Answer]:
    """A chapter's answers by some tables; those that want more seeds say so.

    Args:
        seeds: how many are behind the tables, which is asked only where an answer may depend on it.
    """
    answers = chapter(name).verdict(tables)
    if all(one.word != WORDS[-1] for one in answers):
        return answers
    count = int(seeds())
    return [for_want_of_seeds(one, count) for one in answers]


def answered(name: str, answer: Answer) -> str:
    """In Markdown: a chapter's claim with the word on it, the effect on which it rests, and what limits that; why there is no verdict, where there is none."""
    said = answer.reason if answer.word == WORDS[-1] or not answer.effects else answer.sentence
    claim = claim_named(answer.claim).told(name)
    return f"{badge(answer.claim, answer.shown)} {claim} {said[0].upper()}{said[1:]}. {answer.but}".rstrip()


def floors_sentence(name: str, tables: dict[str, pd.DataFrame]) -> str:
    """That no arm of a run lies above the floors by the chapter's primary probe, where that is so; empty without a table of floors."""
    floors = tables.get("floors")
    if floors is None or floors.empty:
        return ""
    found = getattr(chapter(name), "headline_probe", None)
    return none_above(tables, found(tables) if found else _probe_of(floors))


def _probe_of(floors: pd.DataFrame) -> str:
    """The primary probe; of an audit there is one, which has a name of its own."""
    return floors["probe"].iloc[0] if floors["probe"].nunique() == 1 else probe_of(floors)
