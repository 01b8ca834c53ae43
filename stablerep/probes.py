"""What a frozen encoder knows: linear probe, nearest neighbours, and one-shot recognition across designs."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd
import torch
import torch.nn.functional as F
from torch import Tensor

L2_STRENGTHS = tuple(10.0 ** np.arange(-3.0, 1.01, 1.0))


def standardize(train: Tensor, *others: Tensor) -> tuple[Tensor, ...]:
    """Features of all parts scaled by the mean and deviation of the training part; constant features become zero."""
    mean, deviation = train.mean(0), train.std(0)
    scale = torch.where(deviation > 1e-6, 1 / deviation.clamp_min(1e-6), 0.0)
    return tuple((part - mean) * scale for part in (train, *others))


def fit_logistic(
    features: Tensor, labels: Tensor, classes: int, *, l2: float, start: Tensor | None = None, iterations: int = 100
) -> Tensor:
    """L2-regularized multinomial logistic regression by L-BFGS.

    Minimizes mean cross-entropy + l2/2 * |W|^2 (intercepts are free), scikit-learn's ``LogisticRegression(C=1 / (l2 * N))``;
    of two classes, which scikit-learn gives a single weight vector, it is that with ``C=2 / (l2 * N)``.

    Args:
        features: float [N, D]. labels: int64 [N] below ``classes``.
        start: a solution to start from, e.g. that of a neighbouring ``l2``.

    Returns:
        float [D + 1, classes]; the last row holds the intercepts.
    """
    if not l2 > 0:
        raise ValueError(f"l2 is {l2}; it must be positive.")
    weights = (torch.zeros(features.shape[1] + 1, classes) if start is None else start.clone()).requires_grad_(True)
    optimizer = torch.optim.LBFGS(
        [weights], max_iter=iterations, history_size=20, tolerance_grad=1e-6, tolerance_change=1e-9, line_search_fn="strong_wolfe"
    )

    def closure() -> Tensor:
        optimizer.zero_grad()
        loss = F.cross_entropy(features @ weights[:-1] + weights[-1], labels) + l2 / 2 * weights[:-1].pow(2).sum()
        loss.backward()
        return loss

    optimizer.step(closure)
    return weights.detach()


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
    accuracy, solution, solutions = {}, None, {}
    for l2 in sorted(strengths, reverse=True):
        solution = fit_logistic(train, y["train"], len(known), l2=l2, start=solution)
        solutions[l2] = solution
        scores = validation @ solution[:-1] + solution[-1]
        accuracy[l2] = (scores.argmax(1) == y["validation"]).float().mean().item()
    best = max(accuracy, key=lambda l2: (accuracy[l2], l2))
    both, test = standardize(torch.cat([features["train"], features["validation"]]), features["test"])
    solution = fit_logistic(both, torch.cat([y["train"], y["validation"]]), len(known), l2=best, start=solutions[best])
    prediction = (test @ solution[:-1] + solution[-1]).argmax(1)
    table = pd.DataFrame({"truth": list(labels["test"]), "prediction": [known[i] for i in prediction]})
    table["correct"] = table["truth"] == table["prediction"]
    table.attrs = {"l2": best, "validation": accuracy}
    return table


def knn_probe(
    train: Tensor, train_labels: Sequence, test: Tensor, test_labels: Sequence, *, k: int = 20, temperature: float = 0.07
) -> pd.DataFrame:
    """Weighted nearest neighbours by cosine similarity (Wu et al. 2018): weight exp(similarity / temperature).

    ``k`` larger than the training set uses all of it. Returns one row per test item: ``truth``, ``prediction``, ``correct``.
    """
    if k < 1:
        raise ValueError(f"k is {k}; at least one neighbour is needed.")
    known = sorted(set(train_labels))
    number = {name: i for i, name in enumerate(known)}
    y = torch.tensor([number[v] for v in train_labels])
    similarity = F.normalize(test, dim=1) @ F.normalize(train, dim=1).T
    value, place = similarity.topk(min(k, len(train)), dim=1)
    votes = torch.zeros(len(test), len(known)).scatter_add_(1, y[place], ((value - 1) / temperature).exp())
    table = pd.DataFrame({"truth": list(test_labels), "prediction": [known[i] for i in votes.argmax(1)]})
    table["correct"] = table["truth"] == table["prediction"]
    return table


def one_shot_across_designs(features: Tensor, concepts: Sequence[str], designs: Sequence[str]) -> pd.DataFrame:
    """One-shot recognition of a concept in another design.

    Protocol: one design is the gallery, with one image of each concept; every image of the other designs whose concept is
    in the gallery is a query; its nearest neighbour by cosine similarity must be its concept. Each design is the gallery
    once. Chance is 1 / gallery size.

    Args:
        features: float [N, D]; at most one image per (concept, design).

    Returns:
        One row per (query, gallery): ``concept``, ``design``, ``gallery``, ``gallery_size``, ``correct``.
    """
    keys = pd.DataFrame({"concept": list(concepts), "design": list(designs)})
    if keys.duplicated().any():
        twice = keys[keys.duplicated()].iloc[0]
        raise ValueError(f"{twice['concept']} appears twice in {twice['design']}; one image per concept and design is needed.")
    z, parts = F.normalize(features, dim=1), []
    for gallery in sorted(set(designs)):
        inside = (keys["design"] == gallery).to_numpy(copy=True)  # torch wants it writable
        names = keys["concept"][inside].to_numpy()
        asked = ~inside & keys["concept"].isin(names).to_numpy()
        if len(names) < 2 or not asked.any():
            continue
        nearest = (z[torch.from_numpy(asked)] @ z[torch.from_numpy(inside)].T).argmax(1).numpy()
        part = keys[asked].copy()
        part["gallery"], part["gallery_size"] = gallery, len(names)
        part["correct"] = names[nearest] == part["concept"].to_numpy()
        parts.append(part)
    if not parts:
        raise ValueError(f"designs are {sorted(set(designs))}; two that share at least two concepts are needed.")
    return pd.concat(parts, ignore_index=True)
