"""Whether a generator amplifies: directional bias amplification, against what it learned from under all captions and under these very ones.

BiasAmp (Wang and Russakovsky 2021, section 4) goes two ways. From task to attribute, T → A, it asks whether an attribute that goes together with
a task in training goes together with it more often in what is predicted, given the task. Here the task is the role that a caption names, and the attribute what
is read of its images: a caption that names no attribute is the task given. From attribute to task, A → T, would ask which role is drawn
where the attribute is given. A caption that names an attribute and leaves the role open would be needed, and a reader of roles; the
neutral captions all name the role, so that this direction is not measured.

Most apparent amplification vanishes where the texts match (Seshadri, Singh and Elazar 2023): training images stand largely under captions that name the
attribute, and what is asked for does not. So each number is given *raw*, against the training images of the concept under all its captions, and *matched*,
against those of the very caption.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd

from stablerep.audits.bias_measures import counts_by_caption, learned_shares
from stablerep.audits.people import OF_CAPTION, OF_CONCEPT
from stablerep.audits.shares import DRAWS

RAW, MATCHED = "raw, all captions of the concept", "matched, the very caption"
LEAST = 0.01  # BiasAmp, above which a whole interval has to lie for amplification to be shown
TEXTS = {RAW: OF_CONCEPT, MATCHED: OF_CAPTION}
COLUMNS = ["attribute", "guidance_scale", "texts", "value", "least", "most", "low", "high", "associated", "pairs", "captions", "images"]  # fmt: skip


def association(learned: np.ndarray) -> np.ndarray:
    """For each role and class +1 where they go together in training more often than if they were independent, else -1: shares float [T, K], every
    role weighing the same, to [T, K].

    Where both are equal the paper says -1. Here it is 0: which side of equality rounding falls on would decide, and a share that is the same for
    all roles is no association that could be amplified.
    """
    above = learned - learned.mean(0)
    return np.where(np.abs(above) < 1e-9, 0.0, np.sign(above))


def amplified(shares: np.ndarray, learned: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Of each role its part of BiasAmp, T → A, as its mean over roles is the measure, and how much unread images could change it to either side.

    Args:
        shares: of what was read of the images of each role, float [..., T, K + 1], unread the last. learned: float [T, K].
    """
    signs = association(learned)
    parts = (signs * (shares[..., :-1] - learned)).mean(-1)
    return parts, shares[..., -1] * (signs != 0).any(-1) / learned.shape[-1]


def directional(counts: np.ndarray, learned: np.ndarray, *, seed: int, draws: int = DRAWS) -> dict[str, float]:
    """BiasAmp, T → A, with an interval over roles and images.

    Args:
        counts: what was read of the images of each role, [T, K + 1], ``CANNOT_TELL`` the last. learned: shares of the classes in training, float [T, K].

    Returns:
        ``value``, unread images being of no class; ``least`` and ``most``, what it may be whatever they show; ``low`` and ``high``, 95 % of the lowest and of the
        highest of these with other roles and other images of each; ``associated``, how many of the ``pairs`` of role and class go together. All measures
        are NaN where no pair does so more than another: there is nothing to amplify.
    """
    pairs, signs = learned.size, association(learned)
    about = {"associated": int((signs > 0).sum()), "pairs": pairs}
    if not signs.any():
        return dict.fromkeys(("value", "least", "most", "low", "high"), np.nan) | about
    size, rng = counts.sum(1).astype(int), np.random.default_rng(seed)
    shares = counts / size[:, None]
    parts, unread = amplified(shares, learned)
    again, still = amplified(rng.multinomial(size, shares, size=(draws, len(counts))) / size[:, None], learned)
    weights = rng.multinomial(len(counts), np.full(len(counts), 1 / len(counts)), size=draws) / len(counts)
    ends = [((again + side * still) * weights).sum(1) for side in (-1, 1)]
    low, high = np.quantile(ends[0], 0.025), np.quantile(ends[1], 0.975)
    value, around = float(parts.mean()), float(unread.mean())
    return {
        "value": value,
        "least": value - around,
        "most": value + around,
        "low": float(low),
        "high": float(high),
    } | about


def amplification(
    readings: pd.DataFrame, learned: pd.DataFrame, classes: Mapping[str, Sequence[str]], *, seed: int, draws: int = DRAWS
) -> pd.DataFrame:  # fmt: skip
    """:func:`directional`, raw and matched, by attribute and guidance scale; ``COLUMNS``. Captions that nothing was learned of have no rows: every
    role would have the same reference.

    Args:
        readings, learned, classes: of :func:`stablerep.audits.bias_measures.bias_measures`.
    """
    rows = []
    for attribute, names in classes.items():
        for w, part in readings.groupby("guidance_scale", sort=True):
            captions, counts = counts_by_caption(part[attribute].tolist(), part["caption"].tolist(), list(names))
            references = learned_shares(learned, captions, attribute, list(names))
            if OF_CAPTION not in references:
                continue
            about = {"attribute": attribute, "guidance_scale": w, "captions": len(counts), "images": int(counts.sum())}
            for texts, reference in TEXTS.items():
                found = directional(counts, references[reference], seed=seed, draws=draws)
                rows.append(about | {"texts": texts} | found)
    return pd.DataFrame(rows, columns=COLUMNS)
