"""Readers: which attribute of people a drawing shows, read from its colours or its shape, with errors that are known.

A reader is a linear probe on features made for its attribute. It is fitted on real images whose labels are known, and asked about images
that a generator made of the same concepts. It is cross-fitted over concepts: each image, real or generated, is read by a probe that saw
nothing of its concept, so that the errors on real images are those to expect on generated ones, as far as these look alike. Where a
probe is not sure it says *cannot tell*.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor
from tqdm import tqdm

from stablerep.errors import InputError
from stablerep.probes.linear import L2_STRENGTHS
from stablerep.probes.logistic import LogisticRegression

CANNOT_TELL = "cannot tell"
FOLDS = 5
ERROR = 0.05  # of what is read, when the bar is as high as it needs to be
MOST_UNREAD = 0.5  # share of images that the bar may leave unread
STRENGTHS = L2_STRENGTHS[28::4]  # penalties to choose from, 10 to 100,000


@dataclass(frozen=True)
class Confusion:
    """What a reader says of images whose class is known, by cluster; each cluster weighs the same.

    Attributes:
        classes: K names; ``CANNOT_TELL`` is no class, but stands last among what may be read.
        rates: float [C, K, K + 1], the shares of what was read, of the images of each cluster and class; zeros where there are none.
        shown: bool [C, K], whether the cluster has images of the class; each class has one somewhere.
    """

    classes: tuple[str, ...]
    rates: np.ndarray
    shown: np.ndarray

    @classmethod
    def count(cls, truth: Sequence[str], read: Sequence[str], clusters: Sequence, classes: Sequence[str]) -> Confusion:
        """From N images: their classes, what was read, and what belongs together.

        Raises:
            InputError: a class of which there is no image.
        """
        if lost := sorted(set(classes) - set(truth)):
            raise InputError(f"no image shows the class {lost[0]!r}; a confusion needs images of each class.")
        names = [*classes, CANNOT_TELL]
        codes, found = np.unique(np.asarray(clusters).astype(str), return_inverse=True)
        counts = np.zeros((len(codes), len(classes), len(names)))
        np.add.at(counts, (found, [names.index(t) for t in truth], [names.index(r) for r in read]), 1)
        total = counts.sum(2, keepdims=True)
        return cls(tuple(classes), counts / np.maximum(total, 1), total[:, :, 0] > 0)

    def mean(self, weights: np.ndarray | None = None) -> np.ndarray:
        """P(read | class) as [K, K + 1], over clusters with whole weights [C], such as how often each was drawn; a class that weighs nothing
        keeps its row over all clusters."""
        weights = np.ones(len(self.shown)) if weights is None else weights
        total = weights @ self.shown
        rows = np.einsum("c,ckj->kj", weights, self.rates) / np.maximum(total, 1)[:, None]
        if not total.all():
            rows = np.where(total[:, None] > 0, rows, self.mean())
        return rows


@dataclass(frozen=True)
class Reader:
    """A fitted reader of one attribute: a probe for each fold of clusters, which saw none of them.

    Attributes:
        classes: K names.
        fold: the fold of each cluster, by name.
        probes: float [folds, D + 1, K]; the last row of each holds the intercepts.
        bar: what a probability must reach to be read.
        read_of_known: what was read of the images to learn from, [N] names in their order, each by the probe that saw nothing of its cluster.
        confusion: of that.
    """

    classes: tuple[str, ...]
    fold: dict[str, int]
    probes: Tensor
    bar: float
    read_of_known: np.ndarray
    confusion: Confusion

    def read(self, features: Tensor, clusters: Sequence) -> np.ndarray:
        """The class of each image or ``CANNOT_TELL``, [N] names, by a probe that saw nothing of its cluster, as the confusion has it.

        Args:
            features: float [N, D]. clusters: [N]; one that no probe has seen is read by any of them, chosen by its hash.
        """
        count = len(self.probes)
        fold = torch.tensor([self.fold.get(str(one), int(_hash(one), 16) % count) for one in clusters])
        outputs = torch.zeros(len(features), len(self.classes))
        for k, probe in enumerate(self.probes):
            outputs[fold == k] = features[fold == k] @ probe[:-1] + probe[-1]
        return named(outputs.softmax(1), self.bar, self.classes)


def named(probabilities: Tensor, bar: float, classes: Sequence[str]) -> np.ndarray:
    """The likeliest class of each image, or ``CANNOT_TELL`` where its probability does not reach the bar: float [N, K] to [N] names."""
    top, which = probabilities.max(1)
    return np.where(top.numpy() >= bar, np.array(classes, object)[which.numpy()], CANNOT_TELL)


def _hash(cluster) -> str:
    return hashlib.sha256(f"fold:{cluster}".encode("utf-8", "surrogatepass")).hexdigest()


def folds_of(clusters: Sequence, count: int = FOLDS) -> dict[str, int]:
    """The fold, from 0, of each cluster: they are dealt out in the order of their hashes.

    Raises:
        InputError: fewer clusters than folds.
    """
    names = sorted({str(one) for one in clusters}, key=_hash)
    if len(names) < count:
        raise InputError(
            f"the images to learn from are of {len(names)} clusters; cross-fitting needs at least {count}."
        )
    return {name: i % count for i, name in enumerate(names)}


def cross_fit(features: Tensor, truth: Tensor, fold: Tensor, classes: int) -> tuple[Tensor, Tensor]:
    """A probe for each fold, which saw nothing of it, at the penalty of ``STRENGTHS`` with the smallest log-loss over all folds.

    Args:
        features: float [N, D]. truth, fold: int64 [N].

    Returns:
        Probabilities of each image's classes by the probe of its fold, float [N, K]; the probes, float [folds, D + 1, K].
    """
    outputs = {strength: torch.zeros(len(truth), classes) for strength in STRENGTHS}
    probes = {strength: [] for strength in STRENGTHS}
    for k in tqdm(fold.unique(), desc="reader", ncols=100, delay=5):
        mine = fold == k
        train = features[~mine]
        mean, deviation = train.mean(0), train.std(0)
        varies = (deviation > 1e-6).nonzero().flatten()  # many empty bins would leave no eigenbasis
        scale = 1 / deviation[varies]
        regression = LogisticRegression((train[:, varies] - mean[varies]) * scale, truth[~mine], classes)
        by_penalty = {strength / len(train): strength for strength in STRENGTHS}
        for l2, weights in regression.sweep(list(by_penalty), tolerance=1e-5):
            probe = torch.zeros(features.shape[1] + 1, classes)
            probe[varies] = scale[:, None] * weights[:-1]
            probe[-1] = weights[-1] - mean @ probe[:-1]
            probes[by_penalty[l2]].append(probe)
            outputs[by_penalty[l2]][mine] = features[mine] @ probe[:-1] + probe[-1]
    best = min(STRENGTHS, key=lambda strength: F.cross_entropy(outputs[strength], truth).item())
    return outputs[best].softmax(1), torch.stack(probes[best])


def choose_bar(top: np.ndarray, right: np.ndarray, weights: np.ndarray | None = None) -> float:
    """The lowest bar at which at most ``ERROR`` = 5 % of what is read is wrong, but none that leaves more than ``MOST_UNREAD`` = half unread.

    Args:
        top: float [N], the largest probability of each image. right: bool [N], whether its class is the image's. weights: float [N] of the
            images; all the same by default.
    """
    order = np.argsort(top)
    weights = np.ones(len(top)) if weights is None else weights
    wrong, all_ = (
        np.cumsum(some[order][::-1])[::-1] for some in (weights * ~right, weights)
    )  # of an image and all that are surer
    first = np.append(True, np.diff(top[order]) > 0)  # of several that are as sure, the bar lets all in
    good = first & (wrong <= ERROR * all_ + 1e-9)
    half = float(top[order][all_ >= (1 - MOST_UNREAD) * all_[0] - 1e-9].max())
    return min(float(top[order][good.argmax()]), half) if good.any() else half


def fit_reader(features: Tensor, truth: Sequence[str], clusters: Sequence, classes: Sequence[str]) -> Reader:
    """A reader of one attribute, with its bar and its confusion.

    The penalty and the bar are chosen on the same cross-fitted probabilities as the confusion is counted on: two numbers for all images. For
    the bar and the confusion each cluster weighs the same.

    Args:
        features: float [N, D] of images to learn from. truth: [N] names. clusters: [N], what belongs together, such as concepts.
        classes: K names.

    Raises:
        InputError: a name that is no class, a class without images, or fewer clusters than folds.
    """
    if unknown := sorted(set(truth) - set(classes)):
        raise InputError(f"an image shows {unknown[0]!r}; the classes are {', '.join(classes)}.")
    y = torch.tensor([list(classes).index(name) for name in truth])
    place = folds_of(clusters)
    probabilities, probes = cross_fit(features, y, torch.tensor([place[str(one)] for one in clusters]), len(classes))
    top, which = (part.numpy() for part in probabilities.max(1))
    name, count = np.unique(np.asarray(clusters).astype(str), return_inverse=True, return_counts=True)[1:]
    bar = choose_bar(top, which == y.numpy(), 1 / count[name])
    found = named(probabilities, bar, classes)
    return Reader(tuple(classes), place, probes, bar, found, Confusion.count(truth, found, clusters, classes))
