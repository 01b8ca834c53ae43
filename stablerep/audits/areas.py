"""How well scores tell copies from other images: the area under the ROC curve with an interval over concepts and seeds, and the curve.

The area is the chance that a copy scores higher than another image, ties counting half. Images of one concept are alike, and one concept may give
copies and other images. So every concept weighs the same, and the interval is that of DeLong et al. (1988) for clusters (Obuchowski 1997): each
concept has a value that says by how much it moves the area, and areas are means of these values, to which the crossed model of
:mod:`stablerep.statistics.crossed` applies.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd

from stablerep.audits.copies import DETECTORS
from stablerep.audits.unseen import thresholds_at, weights_of
from stablerep.errors import InputError
from stablerep.statistics import crossed_mean

ALL = "all"  # copies of every kind together
FALSE_RATES = np.r_[0.0, np.geomspace(0.001, 0.999, 60)]  # at which curves are drawn, densest where few are called


def influence(
    copies: Sequence[float], of_copies: Sequence[str], others: Sequence[float], of_others: Sequence[str]
) -> pd.Series:
    """A value for each concept whose mean is the area, and whose spread is that of the area over concepts.

    With the area A, K concepts in all, and placements V of those with copies (P) and with other images (Q), the value of a concept is
    A + K/P (V_copies - A) + K/Q (V_others - A), a term for each kind that it has.

    Args:
        copies: scores [N]. of_copies: the concept of each. others: scores [M] of images that are no copies. of_others: [M].

    Raises:
        InputError: no copies, or no other images.
    """
    if not len(copies) or not len(others):
        raise InputError(f"there are {len(copies)} copies and {len(others)} other images; an area needs some of both.")
    copies, others = np.asarray(copies, float), np.asarray(others, float)
    below = _share_below(copies, others, weights_of(of_others))
    above = 1 - _share_below(others, copies, weights_of(of_copies))
    parts = [pd.Series(below).groupby(list(of_copies)).mean(), pd.Series(above).groupby(list(of_others)).mean()]
    area = parts[0].mean()
    found = pd.Series(area, index=parts[0].index.union(parts[1].index))
    for part in parts:
        found[part.index] += len(found) / len(part) * (part - area)
    return found


def _share_below(scores: np.ndarray, others: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """For each score the weight of the others that are lower, and half of the weight of equal ones."""
    order = np.argsort(others, kind="stable")
    values, total = others[order], np.r_[0.0, np.cumsum(weights[order])]
    lower, not_higher = (total[np.searchsorted(values, scores, side)] for side in ("left", "right"))
    return (lower + not_higher) / 2


def area_row(influences: Sequence[pd.Series]) -> dict[str, float]:
    """``area``, ``low`` and ``high`` (95 %, over concepts and seeds), ``concepts`` and ``seeds``, from :func:`influence` at each seed."""
    found = crossed_mean(pd.concat(influences, axis=1).T.to_numpy())
    low, high = (min(max(end, 0.0), 1.0) for end in found.interval())
    return {"area": found.mean, "low": low, "high": high, "concepts": found.clusters, "seeds": found.seeds}


def areas(scores: pd.DataFrame, copies: Sequence[str], backgrounds: Sequence[str]) -> pd.DataFrame:
    """The area of each detector, for copies of each kind among real images of each background.

    Args:
        scores: ``set``, ``seed``, ``concept`` and a column for each of ``DETECTORS``. copies, backgrounds: names of sets.

    Returns:
        ``background``, ``copies`` (a set, or ``all``), ``detector`` and the columns of :func:`area_row`.
    """
    rows = []
    for background in backgrounds:
        for kind, sets in ({ALL: list(copies)} | {name: [name] for name in copies}).items():
            for detector in DETECTORS:
                found = [influence(*both) for both in _by_seed(scores, sets, background, detector)]
                rows.append({"background": background, "copies": kind, "detector": detector, **area_row(found)})
    return pd.DataFrame(rows)


def curves(scores: pd.DataFrame, copies: Sequence[str], backgrounds: Sequence[str]) -> pd.DataFrame:
    """The ROC curve of each detector, over copies of all kinds: ``background``, ``detector``, ``false`` (share of real images that may be called
    copies) and ``true`` (share of the copies that are, a mean over seeds). Arguments as of :func:`areas`."""
    parts = []
    for background in backgrounds:
        for detector in DETECTORS:
            found = []
            for planted, of_planted, others, of_others in _by_seed(scores, copies, background, detector):
                lowest = thresholds_at(others, of_others, FALSE_RATES)
                found.append(((planted[None] > lowest[:, None]) * weights_of(of_planted)).sum(1))
            parts.append(
                pd.DataFrame({"background": background, "detector": detector, "false": FALSE_RATES, "true": np.mean(found, 0)})
            )  # fmt: skip
    return pd.concat(parts, ignore_index=True)


def _by_seed(scores: pd.DataFrame, copies: Sequence[str], background: str, detector: str):
    """At each seed: scores and concepts of the copies, scores and concepts of the others."""
    for _, part in scores.groupby("seed", sort=False):
        planted, others = part[part["set"].isin(copies)], part[part["set"] == background]
        yield (
            planted[detector].to_numpy(), planted["concept"].tolist(), others[detector].to_numpy(), others["concept"].tolist()
        )  # fmt: skip
