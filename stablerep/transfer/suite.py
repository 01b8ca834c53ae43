"""The transfer suite: one call probes an encoder on every set; scores by the sets' metrics, with what is absent named."""

from __future__ import annotations

import difflib
from collections.abc import Callable, Sequence

import numpy as np
import pandas as pd
import torch

from stablerep.errors import InputError
from stablerep.probes import (
    features_of,
    linear_probe,
    mean_per_class,
    multi_label_probe,
    paper_linear_probe,
    top_1,
)
from stablerep.probes.extraction import progress
from stablerep.probes.multi_label import eleven_point_precision
from stablerep.statistics import mean_with_interval
from stablerep.transfer.sets import TRANSFER_SETS, LabelledImages, TransferSet, open_set

PROBES = LINEAR, PAPER = ("linear", "paper")
AT_HAND = tuple(name for name, which in TRANSFER_SETS.items() if which.where != "hub")


def transfer(
    backbone: torch.nn.Module, sets: Sequence[str | TransferSet] = AT_HAND, *, size: int = 32, limit: int = 0, probe: str = LINEAR,
    device: str | None = None,
) -> pd.DataFrame:  # fmt: skip
    """Probe a frozen encoder on several sets.

    Protocol: images at ``size`` pixels, no augmentation; features of the frozen encoder; the honest linear probe
    (:func:`stablerep.probes.linear_probe`, or :func:`stablerep.probes.multi_label_probe` where an image has several labels): up to 45
    penalties, the one with the best validation score by the set's own metric, refit on training and validation, one test (Kornblith et
    al. 2019, appendix; the paper, section 4). Sets are named in :data:`stablerep.transfer.TRANSFER_SETS`; those on the Hub have to be
    asked for.

    Args:
        backbone: float [N, 3, size, size] to float [N, D].
        sets: names, or sets of your own.
        limit: at most so many images of each part, the same for every encoder; 0 takes all.
        probe: ``linear``, or ``paper`` for :func:`stablerep.probes.paper_linear_probe`, to be read beside published numbers: made for ImageNet,
            fitted to training and validation, chosen on the test items. It skips sets whose images have several labels.

    Returns:
        One row per test item (and class, with several labels): ``set``, ``metric``, ``id``, ``cluster``, ``truth``, ``prediction`` or
        ``score``, ``correct``, ``n_train`` (training and validation items). ``attrs["skipped"]`` maps each set that could not be opened
        to its reason.

    Raises:
        ValueError: a name of no set; the message says which name is nearest.
    """
    return over_sets(
        sets, size, limit, lambda which, data: probe_set(backbone, data, which, probe=probe, device=device)
    )


def over_sets(
    sets: Sequence[str | TransferSet],
    size: int,
    limit: int,
    probe: Callable[[TransferSet, LabelledImages], pd.DataFrame],
) -> pd.DataFrame:
    """What ``probe`` gives for each set that can be opened, and that it does not refuse by ``InputError``; see :func:`transfer` for the rest.
    Shows how far it has come."""
    chosen = [_named(which) if isinstance(which, str) else which for which in sets]
    if limit < 0:
        raise InputError(f"limit is {limit}; it is a number of images, or 0 for all.")
    found, skipped = [], {}
    each = {one.name: one for one in chosen}.values()  # a set named twice is probed once
    for which in progress(each, desc="transfer", unit="set", mininterval=0):
        try:
            data = _limited(open_set(which, size), limit)
        except (ValueError, OSError) as error:
            skipped[which.name] = str(error)
            continue
        try:
            found.append(probe(which, data))
        except InputError as error:
            skipped[which.name] = str(error)
    table = (
        pd.concat(found, ignore_index=True)
        if found
        else pd.DataFrame(columns=["set", "metric", "id", "truth", "correct"])
    )
    table.attrs = {"skipped": skipped}
    return table


def probe_set(
    backbone: torch.nn.Module,
    data: LabelledImages,
    which: TransferSet,
    *,
    probe: str = LINEAR,
    device: str | None = None,
) -> pd.DataFrame:
    """The items of one set; see :func:`transfer`."""
    if probe not in PROBES:
        raise ValueError(f"probe is {probe!r}; valid probes are {', '.join(PROBES)}.")
    if data.classes and probe == PAPER:
        raise InputError(f"images of {which.name} have several labels each; the paper's probe needs one.")
    features = features_of(backbone, data.images, device=device, name=f"features of {which.name}")
    place = {part: np.flatnonzero(data.parts == part) for part in ("train", "validation", "test")}
    parts = {part: features[torch.from_numpy(rows)] for part, rows in place.items()}
    if data.classes:
        items = multi_label_probe(parts, {part: data.labels[rows] for part, rows in place.items()}, data.classes)
        rows = place["test"][items["item"].to_numpy()]
    elif probe == PAPER:
        known = torch.cat([parts["train"], parts["validation"]])
        names = data.labels[np.concatenate([place["train"], place["validation"]])].tolist()
        rows = place["test"]
        items = paper_linear_probe(
            {"train": known, "test": parts["test"]}, {"train": names, "test": data.labels[rows].tolist()}, batch_size=min(1024, len(names)),
        )  # fmt: skip
    else:
        metric = mean_per_class if which.metric == "mean per class" else top_1
        items = linear_probe(parts, {part: data.labels[rows].tolist() for part, rows in place.items()}, metric=metric)
        rows = place["test"]
    return items.assign(
        set=which.name, metric=which.metric, id=data.ids[rows], cluster=data.clusters[rows],
        n_train=len(place["train"]) + len(place["validation"]),
    )  # fmt: skip


def transfer_scores(items: pd.DataFrame, *, draws: int = 1000, seed: int = 0) -> pd.DataFrame:
    """The score of each set by its metric, with a 95 % interval by a bootstrap over clusters.

    Returns:
        One row per set: ``set``, ``metric``, ``value``, ``low``, ``high``, ``items``, ``n_train``; and one row per skipped set with NaN and its
        ``reason``.
    """
    rows = []
    for (name, metric), part in items.groupby(["set", "metric"], sort=False):
        if part.duplicated(["id", "class"] if metric == "11-point mAP" else ["id"]).any():
            raise InputError(f"the table has items of {name} more than once; give the items of one encoder at a time.")
        if metric == "top-1":
            found = mean_with_interval(part["correct"], part["cluster"])
            value, low, high = found["mean"], found["low"], found["high"]
        else:
            statistic = _average_precision if metric == "11-point mAP" else _mean_per_class
            one_each = part.drop_duplicates("id")
            numbers = pd.factorize(one_each["cluster"])[0]
            clusters = numbers.max() + 1
            value = statistic(part, np.ones((1, len(one_each))))[0]
            rng, found = np.random.default_rng(seed), []
            for some in np.array_split(
                np.arange(draws), -(-draws // 50)
            ):  # 50 at a time: a draw holds a weight for every item
                picked = rng.multinomial(clusters, np.full(clusters, 1 / clusters), size=len(some))
                found.append(statistic(part, picked[:, numbers]))
            low, high = np.nanquantile(np.concatenate(found), [0.025, 0.975])
        rows.append({
            "set": name, "metric": metric, "value": value, "low": low, "high": high, "items": part["id"].nunique(),
            "n_train": part["n_train"].iloc[0], "reason": "",
        })  # fmt: skip
    for name, reason in items.attrs.get("skipped", {}).items():
        which = TRANSFER_SETS.get(name)
        rows.append({
            "set": name, "metric": which.metric if which else "", "value": np.nan, "low": np.nan, "high": np.nan, "items": 0, "n_train": 0,
            "reason": reason,
        })  # fmt: skip
    return pd.DataFrame(rows)


def transfer_average(scores: dict[str, pd.DataFrame]) -> pd.DataFrame:
    """The mean score of several encoders over the sets that all of them were scored on.

    Args:
        scores: tables of :func:`transfer_scores` by encoder.

    Returns:
        One row per encoder: ``encoder``, ``average``, ``sets`` (how many) and ``left_out`` (the names of the others, with commas): an average is over
        the same sets for everyone, and says which are missing.
    """
    if not scores:
        raise InputError("there are no scores to average.")
    values = pd.DataFrame({name: table.set_index("set")["value"] for name, table in scores.items()})
    common = values.dropna()
    if common.empty:
        raise InputError(f"no set was scored for all of {', '.join(scores)}.")
    left_out = ", ".join(name for name in values.index if name not in common.index)
    return pd.DataFrame([
        {"encoder": name, "average": common[name].mean(), "sets": len(common), "left_out": left_out} for name in scores
    ])  # fmt: skip


def _mean_per_class(part: pd.DataFrame, weights: np.ndarray) -> np.ndarray:
    """Draws [B] for weights [B, N]; a class that a draw misses is left out of its mean."""
    classes = pd.get_dummies(part["truth"]).to_numpy(float)  # NxC
    with np.errstate(invalid="ignore"):
        share = ((weights * part["correct"].to_numpy(float)) @ classes) / (weights @ classes)
    return np.nanmean(share, axis=1)


def _average_precision(part: pd.DataFrame, weights: np.ndarray) -> np.ndarray:
    """Draws [B] of the 11-point mAP for weights [B, N] of the items in the order of their first rows."""
    values = [
        eleven_point_precision(mine["truth"].to_numpy(bool), mine["score"].to_numpy(float), weights)
        for _, mine in part.groupby("class", sort=False)
    ]
    return np.nanmean(values, axis=0)


def _named(name: str) -> TransferSet:
    if name not in TRANSFER_SETS:
        near = difflib.get_close_matches(name, TRANSFER_SETS, 1)
        raise InputError(
            f"set is {name!r}; "
            + (f"did you mean {near[0]!r}?" if near else f"valid sets are {', '.join(TRANSFER_SETS)}.")
        )
    return TRANSFER_SETS[name]


def _limited(data: LabelledImages, limit: int) -> LabelledImages:
    """At most ``limit`` images of each part, evenly spaced in the order of the set."""
    if not limit:
        return data
    kept = []
    for part in ("train", "validation", "test"):
        rows = np.flatnonzero(data.parts == part)
        kept.append(rows if len(rows) <= limit else rows[np.linspace(0, len(rows) - 1, limit).round().astype(int)])
    rows = np.sort(np.concatenate(kept))
    return LabelledImages(
        data.images.only(rows) if data.pixels else data.images[torch.from_numpy(rows)], data.labels[rows], data.parts[rows], data.ids[rows],
        data.clusters[rows], data.classes, data.pixels,
    )  # fmt: skip
