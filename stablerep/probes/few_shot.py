"""Few-shot recognition: classes told from a handful of images each, over many fixed episodes."""

from __future__ import annotations

from collections.abc import Sequence

import pandas as pd
import torch
import torch.nn.functional as F
from torch import Tensor

from stablerep.probes.logistic import LogisticRegression
from stablerep.seeding import generator_for
from stablerep.statistics import over_seeds

FEW_SHOT_METHODS = ("class mean", "logistic")


def few_shot_episodes(
    labels: Sequence, *, ways: int = 5, shots: int = 5, queries: int = 15, episodes: int = 600, seed: int = 0
) -> pd.DataFrame:
    """Episodes that depend on the seed and the labels alone, so that every encoder gets the same questions.

    Protocol: each episode draws ``ways`` classes without replacement among those with at least ``shots + 1`` items, then ``shots``
    items of each as support and, of the others, ``queries`` or as many as there are. Episode k is the same whatever the number of episodes.

    Args:
        labels: [N] class names or numbers.

    Returns:
        One row per drawn item: ``episode``, ``item`` (its place among the labels), ``truth``, ``role`` (support or query); ``attrs`` hold
        ``classes`` (how many may be drawn) and ``left_out`` (the classes that are too small).

    Raises:
        ValueError: a number that is too small, or fewer than ``ways`` classes that are large enough.
    """
    for name, value, least in (
        ("ways", ways, 2),
        ("shots", shots, 1),
        ("queries", queries, 1),
        ("episodes", episodes, 1),
    ):
        if value < least:
            raise ValueError(f"{name} is {value}; at least {least} is needed.")
    labels, places = list(labels), {}
    for item, label in enumerate(labels):
        places.setdefault(label, []).append(item)
    names = [name for name in sorted(places) if len(places[name]) > shots]
    if len(names) < ways:
        raise ValueError(
            f"{len(names)} of {len(places)} classes have more than {shots} items; {ways} ways need at least {ways}."
        )
    rows = []
    for episode in range(episodes):
        rng = generator_for(seed, "few-shot", episode)
        for c in torch.randperm(len(names), generator=rng)[:ways].tolist():
            items = places[names[c]]
            order = torch.randperm(len(items), generator=rng)[: shots + queries].tolist()
            rows += [(episode, items[i], names[c], "support" if k < shots else "query") for k, i in enumerate(order)]
    table = pd.DataFrame(rows, columns=["episode", "item", "truth", "role"])
    table.attrs = {"classes": len(names), "left_out": [name for name in sorted(places) if len(places[name]) <= shots]}
    return table


def few_shot_probe(
    features: Tensor, labels: Sequence, *, method: str = "class mean", ways: int = 5, shots: int = 5, queries: int = 15,
    episodes: int = 600, seed: int = 0,
) -> pd.DataFrame:  # fmt: skip
    """Few-shot classification on frozen features.

    Protocol: 5 ways, 5 shots, up to 15 queries a class and 600 episodes, as is usual since Snell et al. (2017, section 3.2); the
    episodes are those of :func:`few_shot_episodes`. Features are normalized, never centred: an episode has no other images to take a
    mean from. ``class mean`` answers with the class whose mean of normalized support features has the highest cosine similarity (Snell et
    al. 2017, equations 1 and 2, with cosine for distance). ``logistic`` fits :class:`LogisticRegression` to the support with
    l2 = 1 / (ways * shots), scikit-learn's C = 1: nothing is tuned, since an episode has no items to tune on. The paper's own few-shot
    settings are not known to us, so numbers are for comparison within this study. Chance is 1 / ways.

    Args:
        features: float [N, D]. labels: [N] class names or numbers.
        method: ``class mean`` or ``logistic``.

    Returns:
        One row per query: ``episode``, ``item``, ``truth``, ``prediction``, ``correct``; the same rows for every encoder and method.
        ``attrs`` hold ``method``, ``ways``, ``shots``, ``queries``, ``seed``, ``classes``, ``left_out``.

    Raises:
        ValueError: features and labels that do not match, an unknown method, or what :func:`few_shot_episodes` refuses.
    """
    if features.ndim != 2 or len(features) != len(labels) or not features.isfinite().all():
        raise ValueError(
            f"features have shape {tuple(features.shape)} and there are {len(labels)} labels; finite [N, D] and N are needed."
        )
    if method not in FEW_SHOT_METHODS:
        raise ValueError(f"method is {method!r}; valid methods are {', '.join(FEW_SHOT_METHODS)}.")
    drawn = few_shot_episodes(labels, ways=ways, shots=shots, queries=queries, episodes=episodes, seed=seed)
    z, tables = F.normalize(features.detach().float(), dim=1), []
    classify = _by_class_mean if method == "class mean" else _by_logistic
    for _, rows in drawn.groupby("episode"):
        support, query = rows[rows["role"] == "support"], rows[rows["role"] == "query"]
        names = support["truth"].tolist()[::shots]  # the support comes class by class
        answers = classify(z[support["item"].tolist()], z[query["item"].tolist()], ways).tolist()
        tables.append(query[["episode", "item", "truth"]].assign(prediction=[names[i] for i in answers]))
    table = pd.concat(tables, ignore_index=True)
    table["correct"] = table["truth"] == table["prediction"]
    table.attrs = {"method": method, "ways": ways, "shots": shots, "queries": queries, "seed": seed, **drawn.attrs}
    return table


def _by_class_mean(support: Tensor, query: Tensor, ways: int) -> Tensor:
    """Class number of each query, int64 [Q]; support [ways * shots, D] comes class by class, all rows are normalized."""
    means = F.normalize(support.unflatten(0, (ways, -1)).mean(1), dim=1)  # ways x D
    return (query @ means.T).argmax(1)


def _by_logistic(support: Tensor, query: Tensor, ways: int) -> Tensor:
    """As :func:`_by_class_mean`, by logistic regression."""
    # Penalized weights lie in the span of the support, so the fit is the same in its few dimensions, and much cheaper.
    basis = torch.linalg.svd(support, full_matrices=False).Vh.T  # D x at most ways * shots
    y = torch.arange(ways, device=support.device).repeat_interleave(len(support) // ways)
    weights = LogisticRegression(support @ basis, y, ways).fit(1 / len(support))
    return (query @ basis @ weights[:-1] + weights[-1]).argmax(1)


def few_shot_accuracy(table: pd.DataFrame, *, level: float = 0.95) -> dict:
    """``mean``, ``low``, ``high`` and ``n`` of the accuracy over episodes, each episode with the same weight; Student-t interval.

    The interval is that of other episodes from the same images; it says nothing about other images or another pre-training.
    """
    return over_seeds(table.groupby("episode")["correct"].mean().to_numpy(), level=level)
