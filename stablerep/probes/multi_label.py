"""The linear probe where an image may show several things at once, scored by 11-point mean average precision."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd
import torch
import torch.nn.functional as F
from torch import Tensor

from stablerep.probes.linear import L2_STRENGTHS, choose_penalty, standardize
from stablerep.probes.logistic import LogisticRegression


def eleven_point_precision(truth: np.ndarray, scores: np.ndarray, weights: np.ndarray | None = None) -> np.ndarray:
    """Average precision as the VOC challenge of 2007 defines it (Everingham et al. 2010, section 4.2).

    The mean, over the recalls 0, 0.1, ..., 1, of the best precision at that recall or beyond. Items of equal score are passed in the
    order in which they stand.

    Args:
        truth: bool [N]. scores: float [N]. weights: how often each item counts, [B, N]; once by default.

    Returns:
        float64 [B] (or [1]); NaN where no item is true.
    """
    truth, scores = np.asarray(truth, bool), np.asarray(scores, float)
    if truth.ndim != 1 or truth.shape != scores.shape or not len(truth) or not np.isfinite(scores).all():
        raise ValueError(
            f"truth has shape {truth.shape}, scores {scores.shape}; two [N] with N > 0 and finite scores are needed."
        )
    weights = np.ones((1, len(truth))) if weights is None else np.asarray(weights, float)
    order = np.argsort(-scores, kind="stable")
    counted = weights[:, order]
    hits = np.cumsum(counted * truth[order], axis=1)  # BxN
    with np.errstate(invalid="ignore", divide="ignore"):
        precision = np.nan_to_num(hits / np.cumsum(counted, axis=1))
        recall = hits / hits[:, -1:]
    best = np.maximum.accumulate(precision[:, ::-1], axis=1)[:, ::-1]  # at this place or beyond
    # a recall of 0.3 computed as 0.29999... must still reach 0.3
    first = [(recall < point - 1e-9).sum(axis=1) for point in np.linspace(0, 1, 11)]
    rows = np.arange(len(weights))
    value = np.mean([best[rows, place.clip(max=len(truth) - 1)] for place in first], axis=0)
    return np.where(hits[:, -1] > 0, value, np.nan)


def eleven_point_map(truth: np.ndarray, scores: np.ndarray) -> float:
    """Mean of :func:`eleven_point_precision` over the classes [N, C] of which an item is true."""
    values = [eleven_point_precision(truth[:, c], scores[:, c])[0] for c in range(truth.shape[1])]
    if np.isnan(values).all():
        raise ValueError("no item is true of any class; average precision needs some.")
    return float(np.nanmean(values))


def multi_label_probe(
    features: dict[str, Tensor], labels: dict[str, np.ndarray], classes: Sequence[str], *,
    strengths: Sequence[float] = L2_STRENGTHS, patience: int | None = 5,
) -> pd.DataFrame:  # fmt: skip
    """The honest linear probe for images with several labels.

    Protocol: as :func:`stablerep.probes.linear_probe`, with a logistic regression of its own for every class, one strength for all
    classes, chosen by 11-point mean average precision on validation.

    Args:
        features: ``train``, ``validation``, ``test``: float [N, D].
        labels: the same keys: bool [N, C]. classes: C names.

    Returns:
        One row per test item and class: ``item`` (its place), ``class``, ``truth``, ``score`` (log-odds), ``correct`` (their sign is
        right); ``attrs`` hold ``strength`` and ``validation`` (by strength).
    """
    for part in ("train", "validation", "test"):
        if labels[part].shape != (len(features[part]), len(classes)) or not len(features[part]):
            shape = labels[part].shape
            raise ValueError(
                f"{part} has {len(features[part])} features and labels of shape {shape}; [N, {len(classes)}] is needed."
            )
    y = {part: torch.from_numpy(labels[part].astype(np.float32)) for part in ("train", "validation")}
    train, validation = standardize(features["train"], features["validation"])
    best, weights, score = choose_penalty(
        LogisticRegression(train, y["train"], len(classes)), len(train), validation, strengths, patience=patience,
        score=lambda outputs: eleven_point_map(labels["validation"], outputs.numpy()),
        loss=lambda outputs: F.binary_cross_entropy_with_logits(outputs, y["validation"]).item(),
    )  # fmt: skip
    both, test = standardize(torch.cat([features["train"], features["validation"]]), features["test"])
    regression = LogisticRegression(both, torch.cat([y["train"], y["validation"]]), len(classes))
    weights = regression.fit(best / len(both), start=weights, tolerance=1e-6)
    scores = (test @ weights[:-1] + weights[-1]).numpy()
    table = pd.DataFrame({
        "item": np.repeat(np.arange(len(scores)), len(classes)), "class": np.tile(np.asarray(classes, object), len(scores)),
        "truth": labels["test"].ravel(), "score": scores.ravel(),
    })  # fmt: skip
    table["correct"] = (table["score"] > 0) == table["truth"]
    table.attrs = {"strength": best, "validation": score}
    return table
