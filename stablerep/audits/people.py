"""People: whom neutral captions show, read by a probe whose errors are known, and how encoders do by group.

Nothing here infers anything about a person: a probe reads the labels of images, and its count is corrected for the errors that it makes on images
whose labels are known.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd
import torch
from torch import Tensor

from stablerep.corpus.emoji import TONES
from stablerep.errors import InputError
from stablerep.probes import linear_probe
from stablerep.statistics import mean_with_interval

FEWEST = 30  # items of a group, below which its accuracy is not given
DRAWS = 300  # of the bootstrap
NEUTRAL = (
    "a photo of a person",
    "a person",
    "a portrait of a person",
    "a photo of a face",
    "a face",
    "a picture of somebody",
)
# sources in the table of shares
TRAINING, BALANCE = "training images of the concepts", "balance"
AS_READ, CORRECTED = "generated, as read", "generated, corrected"
KNOWN_CLASSES = {"gender": ("woman", "man", "person"), "tone": TONES[:-1]}  # of one person, in the order of figures


def classes_of(table: pd.DataFrame, attributes: Sequence[str]) -> dict[str, tuple[str, ...]]:
    """The classes of each attribute: in the order of :data:`KNOWN_CLASSES` for the emoji's, else sorted."""
    found = {}
    for name in attributes:
        there = sorted({str(value) for value in table[name].dropna()} - {""})
        found[name] = KNOWN_CLASSES[name] if set(there) <= set(KNOWN_CLASSES.get(name, ())) else tuple(there)
    return found


def neutral_captions(table: pd.DataFrame, count: int) -> list[str]:
    """Captions of people that name no attribute.

    Of the emoji: training captions that name neither gender nor tone and whose concept is also drawn with all of both, the shortest first.
    Of other corpora, whose captions are about one image each: :data:`NEUTRAL`.
    """
    if not {"concept", "gender", "tone"} <= set(table):
        return list(NEUTRAL[:count])
    table = table[table["split"] == "train"]
    table = table[~table["held_out"]] if "held_out" in table else table
    rich = table.groupby("concept").agg(genders=("gender", "nunique"), tones=("tone", "nunique"))
    rich = rich[(rich["genders"] == 3) & (rich["tones"] >= 6)].index
    plain = table[(table["gender"] == "person") & (table["tone"] == "none") & table["concept"].isin(rich)]
    return sorted(plain["caption"].unique(), key=lambda caption: (len(caption), caption))[:count]


def confusion_shares(truth, predicted, classes: Sequence[str]) -> np.ndarray:
    """P(predicted | truth) as a matrix [truth, predicted]; a class without items is taken as read without error."""
    table = pd.crosstab(pd.Categorical(truth, classes), pd.Categorical(predicted, classes), dropna=False).to_numpy(
        float
    )
    return row_shares(table)


def row_shares(counts: np.ndarray) -> np.ndarray:
    """Each row of a square table of counts as shares; an empty row becomes that of the identity."""
    total = counts.sum(1, keepdims=True)
    return np.where(total > 0, counts / np.maximum(total, 1), np.eye(len(counts)))


def correct_shares(observed: np.ndarray, confusion: np.ndarray) -> np.ndarray:
    """Shares x >= 0 with sum 1 that a reader of this confusion would report as ``observed``: least squares of x @ confusion.

    The adjusted classify-and-count estimator (Forman 2008), kept on the simplex.
    """
    from scipy.optimize import nnls

    heavy = 1e3  # weight of the constraint that shares sum to one
    system = np.vstack([confusion.T, heavy * np.ones(len(confusion))])
    solution, _ = nnls(system, np.append(observed, heavy))
    return solution / solution.sum()


def read_people(
    features: Mapping[str, Tensor], labels: Mapping[str, pd.DataFrame], made: Mapping[float, tuple[Tensor, np.ndarray]],
    classes: Mapping[str, Sequence[str]], trained: pd.DataFrame, *, seed: int,
) -> tuple[pd.DataFrame, pd.DataFrame]:  # fmt: skip
    """Whom generated images show, as read by a linear probe for each attribute, and corrected for its confusion on held-out real images.

    Args:
        features: ``train``, ``validation`` and ``test``, float [N, D], of real images of people.
        labels: the same keys: a column for each attribute, and ``cluster`` in ``test``.
        made: by guidance scale, features float [M, D] of generated images and the number of each one's caption, int [M].
        classes: of each attribute.
        trained: rows of the training images that the shares of generated ones are held against, with a column for each attribute.

    Returns:
        ``shares``: ``attribute``, ``source`` (training images of the concepts; balance; generated, as read; generated, corrected),
        ``guidance_scale``, ``label``, ``share``, ``low``, ``high`` (bootstrap over captions and test clusters). ``confusion``:
        ``attribute``, ``truth``, ``prediction``, ``share``.

    Raises:
        InputError: a label that is none of the classes.
    """
    shares, confusions = [], []
    for attribute, names in classes.items():
        known = {part: labels[part][attribute].astype(str).tolist() for part in ("train", "validation", "test")}
        for part, there in known.items():
            if unknown := sorted(set(there) - set(names)):
                raise InputError(
                    f"{attribute} of a {part} image is {unknown[0]!r}; its classes are {', '.join(names)}."
                )
        # one probe reads the held-out real people (for its confusion) and all generated images
        asked = torch.cat([features["test"], *(found for found, _ in made.values())])
        start = len(known["test"])
        answers = linear_probe(
            {**features, "test": asked}, {**known, "test": known["test"] + [""] * (len(asked) - start)}
        )
        tested = answers.iloc[:start]
        matrix = confusion_shares(tested["truth"], tested["prediction"], names)
        for i, j in np.ndindex(matrix.shape):
            confusions.append(
                {"attribute": attribute, "truth": names[i], "prediction": names[j], "share": matrix[i, j]}
            )
        for label, share in (
            trained[attribute].astype(str).value_counts(normalize=True).reindex(names, fill_value=0).items()
        ):
            shares.append(_row(attribute, TRAINING, np.nan, label, share))
            shares.append(_row(attribute, BALANCE, np.nan, label, 1 / len(names)))
        for w, (_, caption_ids) in made.items():
            read = answers["prediction"].iloc[start : start + len(caption_ids)].to_numpy()
            start += len(caption_ids)
            draws = share_draws(read, caption_ids, tested, labels["test"]["cluster"].to_numpy(), names, seed=seed)
            counted = pd.Series(read).value_counts(normalize=True).reindex(names, fill_value=0).to_numpy()
            fixed = correct_shares(counted, matrix)
            for k, label in enumerate(names):
                for source, values, drawn in ((AS_READ, counted, draws[0]), (CORRECTED, fixed, draws[1])):
                    low, high = np.quantile(drawn[:, k], [0.025, 0.975])
                    shares.append(_row(attribute, source, w, label, values[k], low, high))
    return pd.DataFrame(shares), pd.DataFrame(confusions)


def _row(
    attribute: str, source: str, w: float, label: str, share: float, low: float = np.nan, high: float = np.nan
) -> dict:
    return {
        "attribute": attribute, "source": source, "guidance_scale": w, "label": label, "share": float(share),
        "low": float(low), "high": float(high),
    }  # fmt: skip


def share_draws(
    read, caption_ids, tested: pd.DataFrame, clusters, classes: Sequence[str], *, seed: int, draws: int = DRAWS
):
    """Bootstrap of read and corrected shares: captions are resampled, and so are the test clusters behind the confusion.

    Both come from counts per cluster, so that each draw is a product of multinomial weights with a table of counts.

    Returns:
        Two arrays [draws, classes].
    """
    rng = np.random.default_rng(seed)
    n, cells = len(classes), [f"{a}/{b}" for a in classes for b in classes]
    by_caption = pd.crosstab(caption_ids, pd.Categorical(read, classes), dropna=False).to_numpy(float)
    pair = tested["truth"].astype(str) + "/" + tested["prediction"].astype(str)
    by_cluster = pd.crosstab(clusters, pd.Categorical(pair, cells), dropna=False).to_numpy(float)
    seen, fixed = [], []
    for _ in range(draws):
        counts = rng.multinomial(len(by_caption), np.full(len(by_caption), 1 / len(by_caption))) @ by_caption
        table = (rng.multinomial(len(by_cluster), np.full(len(by_cluster), 1 / len(by_cluster))) @ by_cluster).reshape(
            n, n
        )
        seen.append(counts / counts.sum())
        fixed.append(correct_shares(seen[-1], row_shares(table)))
    return np.array(seen), np.array(fixed)


def group_accuracy(items: pd.DataFrame, classes: Mapping[str, Sequence[str]], *, seed: int) -> pd.DataFrame:
    """Accuracy by group, with a 95 % bootstrap interval over clusters.

    Groups of fewer than ``FEWEST`` = 30 items keep their number and have no accuracy: an interval over a handful of items, all right or all
    wrong, has no width. A group whose items are all of one cluster has no interval. Disparities between small groups are biased upwards
    (Lum, Zhang and Bower 2022).

    Args:
        items: ``id``, ``cluster``, ``correct`` and a column for each attribute; an item may stand in several rows, one for each seed, and
            counts once.
        classes: the groups of each attribute, in order.

    Returns:
        ``attribute``, ``label``, ``accuracy``, ``low``, ``high``, ``items``, ``clusters``. Groups without items are left out.
    """
    rows = []
    for attribute, names in classes.items():
        for label in names:
            mine = items[items[attribute].astype(str) == label]
            count, clusters = mine["id"].nunique(), mine["cluster"].nunique()
            found = {"mean": np.nan, "low": np.nan, "high": np.nan}
            if count >= FEWEST:
                found |= mean_with_interval(mine["correct"], mine["cluster"], seed=seed)
                if clusters < 2:
                    found |= {"low": np.nan, "high": np.nan}
            if count:
                rows.append({
                    "attribute": attribute, "label": label, "accuracy": found["mean"], "low": found["low"], "high": found["high"],
                    "items": count, "clusters": clusters,
                })  # fmt: skip
    return pd.DataFrame(rows, columns=["attribute", "label", "accuracy", "low", "high", "items", "clusters"])


def shifted_labels(shares: pd.DataFrame) -> list[str]:
    """Labels, with their attribute, whose corrected share of the generated images differs from the training images' at every guidance scale."""
    found = []
    for (attribute, label), part in shares.groupby(["attribute", "label"], sort=False):
        trained = part[part["source"] == TRAINING]["share"].iloc[0]
        made = part[part["source"] == CORRECTED]
        if len(made) and ((made["low"] > trained) | (made["high"] < trained)).all():
            found.append(f"{label} ({attribute})")
    return found


def group_gaps(groups: pd.DataFrame) -> pd.DataFrame:
    """By attribute and arm, the group of the lowest accuracy and that of the highest; suppressed groups count for nothing.

    Args:
        groups: of :func:`group_accuracy`, with ``arm``.

    Returns:
        ``attribute``, ``arm``, ``lowest`` and ``low`` (its accuracy), ``highest`` and ``high``, ``gap``, and ``apart``: the two intervals do not
        touch.
    """
    rows = []
    for attribute, part in groups.dropna(subset=["accuracy"]).groupby("attribute", sort=False):
        for arm, some in part.groupby("arm", sort=False):
            low, high = some.loc[some["accuracy"].idxmin()], some.loc[some["accuracy"].idxmax()]
            rows.append({
                "attribute": attribute, "arm": arm, "lowest": low["label"], "low": low["accuracy"], "highest": high["label"],
                "high": high["accuracy"], "gap": high["accuracy"] - low["accuracy"], "apart": bool(low["high"] < high["low"]),
            })  # fmt: skip
    return pd.DataFrame(rows, columns=["attribute", "arm", "lowest", "low", "highest", "high", "gap", "apart"])
