"""The honest linear probe: logistic regression whose penalty is chosen on validation items and which is tested once."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
import pandas as pd
import torch
import torch.nn.functional as F
from torch import Tensor

from stablerep.probes.extraction import progress
from stablerep.probes.logistic import LogisticRegression

# Penalties of the summed loss, the inverse of scikit-learn's C: 45 from 1e-6 to 1e5 (Kornblith et al. 2019; the paper, appendix)
L2_STRENGTHS = tuple(10.0 ** np.linspace(-6, 5, 45))


def standardize(train: Tensor, *others: Tensor) -> tuple[Tensor, ...]:
    """Features of all parts scaled by the mean and deviation of the training part; constant features become zero."""
    mean, deviation = train.mean(0), train.std(0)
    scale = torch.where(deviation > 1e-6, 1 / deviation.clamp_min(1e-6), 0.0)
    return tuple((part - mean) * scale for part in (train, *others))


def top_1(truth: Tensor, scores: Tensor) -> float:
    """Share of items whose class has the highest score."""
    return (scores.argmax(1) == truth).float().mean().item()


def mean_per_class(truth: Tensor, scores: Tensor) -> float:
    """Top-1 within each class that occurs, averaged over classes: what sets of unequal classes are scored by."""
    correct = (scores.argmax(1) == truth).float()
    return torch.stack([correct[truth == c].mean() for c in truth.unique()]).mean().item()


def choose_penalty(
    regression: LogisticRegression, count: int, validation: Tensor, strengths: Sequence[float], *, patience: int | None,
    score: Callable[[Tensor], float], loss: Callable[[Tensor], float],
) -> tuple[float, Tensor, dict[float, float]]:  # fmt: skip
    """The strength with the best validation score (the stronger one on ties), its weights, and the scores by strength.

    The log-loss takes part in the decision to stop because scores alone mislead it: under the strongest penalties only intercepts act, and
    several in a row score exactly the same, while the log-loss already falls.

    Args:
        count: items that ``regression`` was given; a strength is of the summed loss.
        validation: float [N, D]. score, loss: of outputs float [N, classes].
    """
    if patience is not None and patience < 1:
        raise ValueError(f"patience is {patience}; it is at least 1, or None for all strengths.")
    by_penalty = {strength / count: strength for strength in strengths}
    scores, best, lowest, idle, kept = {}, None, float("inf"), 0, None
    sweep = regression.sweep(list(by_penalty), tolerance=1e-5)  # enough to choose by
    for l2, weights in progress(sweep, total=len(by_penalty), desc="penalties", unit="penalty"):
        strength, outputs = by_penalty[l2], validation @ weights[:-1] + weights[-1]
        scores[strength], now = score(outputs), loss(outputs)
        better = best is None or scores[strength] > scores[best]
        if better:
            best, kept = strength, weights
        idle = 0 if better or now < lowest else idle + 1
        lowest = min(lowest, now)
        if patience is not None and idle >= patience:
            break
    return best, kept, scores


def linear_probe(
    features: dict[str, Tensor], labels: dict[str, Sequence], *, strengths: Sequence[float] = L2_STRENGTHS, patience: int | None = 5,
    metric: Callable[[Tensor, Tensor], float] = top_1,
) -> pd.DataFrame:  # fmt: skip
    """The honest linear probe on frozen features.

    Protocol: features standardized by the training part; logistic regression by L-BFGS for every L2 strength, warm-started from
    strong to weak; the strength with the best validation score (the stronger one on ties) is refitted on training and
    validation together and tested once. Test items of a class that training never shows are kept and count as wrong.

    Args:
        features: ``train``, ``validation``, ``test``: float [N, D].
        labels: the same keys: class names or numbers.
        strengths: penalties lambda of the summed loss, sum of cross-entropies + lambda/2 |W|^2: the inverse of scikit-learn's C.
        patience: the sweep ends when this many weaker penalties in a row bettered neither the score nor the log-loss on validation: what
            lies beyond is overfitted ever more, and costs most of the time. None fits all of them.
        metric: what validation is scored by: (truth int64 [N], scores float [N, classes]) to a number, more is better; truths of
            unknown classes are -1.

    Returns:
        One row per test item: ``truth``, ``prediction``, ``correct``; ``attrs`` hold ``strength`` and ``validation`` (scores by strength).
    """
    for part in ("train", "validation", "test"):
        if len(features[part]) != len(labels[part]) or not len(labels[part]):
            raise ValueError(
                f"{part} has {len(features[part])} features and {len(labels[part])} labels; it needs as many, above 0."
            )
    known = sorted(set(labels["train"]) | set(labels["validation"]))
    number = {name: i for i, name in enumerate(known)}
    y = {part: torch.tensor([number.get(v, -1) for v in labels[part]]) for part in ("train", "validation", "test")}
    train, validation = standardize(features["train"], features["validation"])
    regression = LogisticRegression(train, y["train"], len(known))
    best, weights, score = choose_penalty(
        regression, len(train), validation, strengths, patience=patience, score=lambda outputs: metric(y["validation"], outputs),
        loss=lambda outputs: F.cross_entropy(outputs, y["validation"]).item(),
    )  # fmt: skip
    both, test = standardize(torch.cat([features["train"], features["validation"]]), features["test"])
    regression = LogisticRegression(both, torch.cat([y["train"], y["validation"]]), len(known))
    solution = regression.fit(best / len(both), start=weights, tolerance=1e-6)
    prediction = (test @ solution[:-1] + solution[-1]).argmax(1)
    table = pd.DataFrame({"truth": list(labels["test"]), "prediction": [known[i] for i in prediction]})
    table["correct"] = table["truth"] == table["prediction"]
    table.attrs = {"strength": best, "validation": score}
    return table
