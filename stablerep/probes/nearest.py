"""Probes without training: weighted nearest neighbours, and recognition of a concept across designs."""

from __future__ import annotations

from collections.abc import Sequence

import pandas as pd
import torch
import torch.nn.functional as F
from torch import Tensor

from stablerep.errors import InputError

BLOCK = 2**26  # similarities in memory at once: 256 MB


def knn_probe(
    train: Tensor,
    train_labels: Sequence,
    test: Tensor,
    test_labels: Sequence,
    *,
    k: int = 20,
    temperature: float = 0.07,
) -> pd.DataFrame:
    """Weighted nearest neighbours by cosine similarity (Wu et al. 2018): weight exp(similarity / temperature).

    ``k`` larger than the training set uses all of it. Returns one row per test item: ``truth``, ``prediction``, ``correct``.
    Similarities are held for ``BLOCK`` pairs at a time, so that large sets fit into memory.
    """
    if k < 1:
        raise ValueError(f"k is {k}; at least one neighbour is needed.")
    known = sorted(set(train_labels))
    number = {name: i for i, name in enumerate(known)}
    y = torch.tensor([number[v] for v in train_labels])
    z, predictions = F.normalize(train, dim=1), []
    for asked in F.normalize(test, dim=1).split(max(1, BLOCK // len(train))):
        value, place = (asked @ z.T).topk(min(k, len(train)), dim=1)
        votes = torch.zeros(len(asked), len(known)).scatter_add_(1, y[place], ((value - 1) / temperature).exp())
        predictions += votes.argmax(1).tolist()
    table = pd.DataFrame({"truth": list(test_labels), "prediction": [known[i] for i in predictions]})
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
    keys = _one_each(concepts, designs)
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
        raise InputError(f"designs are {sorted(set(designs))}; two that share at least two concepts are needed.")
    return pd.concat(parts, ignore_index=True)


def few_shot_across_designs(features: Tensor, concepts: Sequence[str], designs: Sequence[str]) -> pd.DataFrame:
    """Recognition of a concept in a design from its images in all others.

    Protocol: each design asks once. A concept is known by the mean of its normalized features in the other designs; the known concept
    of the highest cosine similarity must be that of the image. Chance is 1 / gallery size.

    Args:
        features: float [N, D]; at most one image per (concept, design).

    Returns:
        One row per image whose concept another design has too: ``concept``, ``design``, ``gallery_size``, ``correct``.
    """
    keys = _one_each(concepts, designs)
    z, parts = F.normalize(features, dim=1), []
    for design in sorted(set(designs)):
        asks = (keys["design"] == design).to_numpy()
        numbers, names = pd.factorize(keys["concept"][~asks], sort=True)
        known = asks & keys["concept"].isin(names).to_numpy()
        if len(names) < 2 or not known.any():
            continue
        means = torch.zeros(len(names), z.shape[1]).index_add_(0, torch.from_numpy(numbers), z[torch.from_numpy(~asks)])
        nearest = (z[torch.from_numpy(known)] @ F.normalize(means, dim=1).T).argmax(1).numpy()
        part = keys[known].copy()
        part["gallery_size"], part["correct"] = len(names), names.to_numpy()[nearest] == part["concept"].to_numpy()
        parts.append(part)
    if not parts:
        raise InputError(f"designs are {sorted(set(designs))}; two that share at least two concepts are needed.")
    return pd.concat(parts, ignore_index=True)


def _one_each(concepts: Sequence[str], designs: Sequence[str]) -> pd.DataFrame:
    keys = pd.DataFrame({"concept": list(concepts), "design": list(designs)})
    if keys.duplicated().any():
        twice = keys[keys.duplicated()].iloc[0]
        raise ValueError(
            f"{twice['concept']} appears twice in {twice['design']}; one image per concept and design is needed."
        )
    return keys
