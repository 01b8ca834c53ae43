"""Thresholds above which an image is called a copy, from real drawings that a generator never saw.

A score says how much an image is like something that was learned. How much is too much, only real images can say that are no copies: at the
threshold one in a hundred of them is called one. Two kinds are at hand. Drawings of training captions in the *unseen design* set the threshold with
half of the concepts and are counted with the other half. Drawings of *unseen combinations* are in known designs, of captions with a tone that was
held out. The nearest training drawing of most is the same person in another tone: they look like copies, and none is one.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from stablerep.audits.copies import DETECTORS, EMBEDDING, GAP, PIXELS
from stablerep.audits.equal_galleries import half_of
from stablerep.corpus import Corpus
from stablerep.corpus.emoji import HELD_OUT
from stablerep.errors import InputError

RATE = 0.01  # of real drawings that were never seen, how many are called copies at the threshold
UNSEEN, COMBINATIONS = "unseen design", "unseen combinations"  # real drawings that are no copies


@dataclass(frozen=True)
class Drawings:
    """Parts of a corpus with designs: what generators learn from, and real drawings of training concepts that none of them saw.

    Attributes:
        learned: what may be learned from.
        unseen: a drawing of each of the same captions in the design from which nothing learns.
        combinations: of each caption with a held-out tone one drawing in a known design, picked by hash.
    """

    learned: Corpus
    unseen: Corpus
    combinations: Corpus


def drawings_of(corpus: Corpus) -> Drawings:
    """The parts of a corpus. Raises ``InputError`` where it has no unseen design of what may be learned from."""
    table = corpus.table
    if HELD_OUT not in corpus.designs:
        raise InputError(
            f"the corpus {corpus.name} has no design {HELD_OUT}; copies are told by real drawings of the same captions in a design from which nothing learned."
        )
    learned, train = corpus.to_learn_from(), table["split"] == "train"
    same = table["caption"].isin(learned.table["caption"])
    unseen = corpus.where(train & (table["design"] == HELD_OUT) & same)
    if not len(unseen):
        raise InputError(f"no training caption of the corpus {corpus.name} is drawn in the design {HELD_OUT}.")
    combinations = corpus.where(train & (table["design"] != HELD_OUT) & table["held_out"] & ~same)
    return Drawings(learned, unseen.one_per_caption(), combinations.one_per_caption())


def is_counted(concepts: Sequence[str]) -> np.ndarray:
    """Which concepts belong to the half on which shares are counted; the other half sets the thresholds. bool [N]"""
    return np.array([half_of(str(one), "copies") == 1 for one in concepts], bool)


def weights_of(concepts: Sequence[str]) -> np.ndarray:
    """A weight for each image, so that every concept weighs the same: float [N], adding up to 1."""
    sizes = pd.Series(list(concepts)).groupby(list(concepts)).transform("size").to_numpy(float)
    return 1 / (sizes * len(set(concepts)))


def thresholds_at(scores: Sequence[float], concepts: Sequence[str], rates: Sequence[float]) -> np.ndarray:
    """For each rate the lowest score above which no more than that share of some images lies, every concept weighing the same.

    Args:
        scores: finite [N], of real images that are no copies. concepts: [N]. rates: from 0 to below 1.

    Raises:
        InputError: no images, scores that are not finite, or a rate out of range.
    """
    scores, rates = np.asarray(scores, float), np.asarray(rates, float)
    if not len(scores) or not np.isfinite(scores).all():
        raise InputError(f"a threshold needs finite scores of at least one image; there are {len(scores)}.")
    if ((rates < 0) | (rates >= 1)).any():
        raise InputError(f"rates go from {rates.min():g} to {rates.max():g}; they are shares, from 0 to below 1.")
    values, which = np.unique(scores, return_inverse=True)
    at = np.bincount(which, weights_of(concepts), len(values))
    above = 1 - np.cumsum(at)  # falls with the value, to zero at the largest
    # rounding may add up a little beside what a rate allows
    return values[np.argmax(above[None] <= rates[:, None] + 1e-9, axis=1)]


def thresholds_of(scores: pd.DataFrame, rate: float = RATE) -> pd.DataFrame:
    """The threshold of each detector at each seed: those of gap ratios are fixed, others come from half of the unseen design.

    Args:
        scores: ``set``, ``seed``, ``concept`` and the columns of :func:`stablerep.audits.copies.score`.

    Returns:
        ``seed``, ``detector`` and ``threshold``.

    Raises:
        InputError: no drawing of the unseen design is of a concept that sets thresholds.
    """
    known = scores[scores["set"] == UNSEEN]
    known = known[~is_counted(known["concept"])]
    if known.empty:
        raise InputError(f"no drawing of the {UNSEEN} is of a concept that sets thresholds; more captions are needed.")
    rows = [
        {
            "seed": seed, "detector": name,
            "threshold": thresholds_at(part[name], part["concept"], [rate])[0] if name in (PIXELS, EMBEDDING) else -GAP,
        }
        for seed, part in known.groupby("seed", sort=False) for name in DETECTORS
    ]  # fmt: skip
    return pd.DataFrame(rows)
