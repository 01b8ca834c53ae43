"""The honest linear probe: logistic regression whose penalty is chosen on validation items and which is tested once."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd
import torch
from torch import Tensor

from stablerep.probes.logistic import LogisticRegression

L2_STRENGTHS = tuple(10.0 ** np.arange(-3.0, 1.01, 1.0))


def standardize(train: Tensor, *others: Tensor) -> tuple[Tensor, ...]:
    """Features of all parts scaled by the mean and deviation of the training part; constant features become zero."""
    mean, deviation = train.mean(0), train.std(0)
    scale = torch.where(deviation > 1e-6, 1 / deviation.clamp_min(1e-6), 0.0)
    return tuple((part - mean) * scale for part in (train, *others))


def linear_probe(
    features: dict[str, Tensor], labels: dict[str, Sequence], *, strengths: Sequence[float] = L2_STRENGTHS
) -> pd.DataFrame:
    """The honest linear probe on frozen features.

    Protocol: features standardized by the training part; logistic regression for every L2 strength, warm-started from
    strong to weak; the strength with the best validation accuracy (the stronger one on ties) is refitted on training and
    validation together and tested once. Test items of a class that training never shows are kept and count as wrong.

    Args:
        features: ``train``, ``validation``, ``test``: float [N, D].
        labels: the same keys: class names or numbers.

    Returns:
        One row per test item: ``truth``, ``prediction``, ``correct``; ``attrs`` hold ``l2`` and ``validation`` (accuracies by strength).
    """
    for part in ("train", "validation", "test"):
        if len(features[part]) != len(labels[part]) or not len(labels[part]):
            raise ValueError(f"{part} has {len(features[part])} features and {len(labels[part])} labels; it needs as many, above 0.")
    known = sorted(set(labels["train"]) | set(labels["validation"]))
    number = {name: i for i, name in enumerate(known)}
    y = {part: torch.tensor([number.get(v, -1) for v in labels[part]]) for part in ("train", "validation", "test")}
    train, validation = standardize(features["train"], features["validation"])
    regression = LogisticRegression(train, y["train"], len(known))
    accuracy, solution, solutions = {}, None, {}
    for l2 in sorted(strengths, reverse=True):
        solution = regression.fit(l2, start=solution, tolerance=1e-5)  # enough to choose by
        solutions[l2] = solution
        scores = validation @ solution[:-1] + solution[-1]
        accuracy[l2] = (scores.argmax(1) == y["validation"]).float().mean().item()
    best = max(accuracy, key=lambda l2: (accuracy[l2], l2))
    both, test = standardize(torch.cat([features["train"], features["validation"]]), features["test"])
    regression = LogisticRegression(both, torch.cat([y["train"], y["validation"]]), len(known))
    solution = regression.fit(best, start=solutions[best])
    prediction = (test @ solution[:-1] + solution[-1]).argmax(1)
    table = pd.DataFrame({"truth": list(labels["test"]), "prediction": [known[i] for i in prediction]})
    table["correct"] = table["truth"] == table["prediction"]
    table.attrs = {"l2": best, "validation": accuracy}
    return table
