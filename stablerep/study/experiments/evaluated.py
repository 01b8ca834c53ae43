"""What was asked of an arm: its pre-training and its probes, and what they cost."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import pandas as pd

from stablerep.study.store.runs import Run


@dataclass(frozen=True)
class Evaluated:
    """One arm and seed of a comparison: its pre-training (None for an untrained encoder) and its probes, as runs."""

    arm: str
    seed: int
    pretraining: Run | None
    evaluation: Run
    captions: int = 0

    def items(self) -> pd.DataFrame:
        """Results of :func:`stablerep.probes.suite.evaluate`, with arm, seed, captions and :func:`cost_of`."""
        about = {"arm": self.arm, "seed": self.seed, "captions": self.captions}
        return self.evaluation.table().assign(**about, **cost_of(self.pretraining))


def cost_of(run: Run | None) -> dict[str, float]:
    """``views`` seen, ``weights`` of the encoder and ``seconds`` of a pre-training; zeros where there was none.

    Seconds are the median step times the number of steps, so that a pause in the middle of a run does not count.
    """
    if run is None:
        return {"views": 0, "weights": 0, "seconds": 0.0}
    summary, taken = run.info["summary"], run.table("log")["seconds"]
    seconds = float(taken.diff().fillna(taken).median() * len(taken))
    return {"views": summary["views"], "weights": summary["weights"], "seconds": seconds}


def items_of(evaluated: Iterable[Evaluated]) -> pd.DataFrame:
    """The items of several arms and seeds in one table."""
    return pd.concat([one.items() for one in evaluated], ignore_index=True)
