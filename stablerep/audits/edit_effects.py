"""What an edit of a generator changed: what is read of its images, how far these moved, and how far apart two genders are in number.

All compare images that a generator drew before the edit with images of the same captions from the same noise after it.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd
from torch import Tensor, nn

from stablerep.audits.colours import look_for
from stablerep.audits.people import classes_of, telling_rows
from stablerep.audits.readers import CANNOT_TELL, Reader, fit_reader
from stablerep.errors import InputError
from stablerep.probes.extraction import features_of
from stablerep.statistics import crossed_mean

GAP_COLUMNS = ["place", "group", "gap", "low", "high", "first", "second", "read", "captions", "seeds"]


def fitted_reader(
    images: Tensor, table: pd.DataFrame, attribute: str
) -> tuple[Reader, type[nn.Module], dict[str, float]]:
    """A reader of an attribute (:func:`stablerep.audits.readers.fit_reader`), what it sees of an image, and how well it reads.

    Args:
        images: real drawings of people, uint8 [N, 3, H, W]. table: their rows, with ``cluster`` and the attribute; those that tell something of it
            count (:func:`stablerep.audits.people.telling_rows`).

    Returns:
        The last: ``read``, the share of drawings that is read, and ``accuracy``, the share of all of them that is read rightly. Both by probes that saw
        nothing of the drawing's cluster; every cluster weighs the same.

    Raises:
        InputError: fewer than two classes, or fewer clusters than cross-fitting needs.
    """
    mine = telling_rows(table, attribute)
    told, look = table.iloc[mine], look_for(attribute)
    ((_, names),) = classes_of(told, [attribute]).items()
    if len(names) < 2:
        raise InputError(f"{attribute} has the classes {list(names)}; reading it needs two at least.")
    truth = told[attribute].astype(str).to_numpy()
    features = features_of(look(), images[mine.tolist()], name="features of people")
    reader = fit_reader(features, truth, told["cluster"], names)
    rows = pd.DataFrame({
        "read": reader.read_of_known != CANNOT_TELL, "accuracy": reader.read_of_known == truth, "cluster": told["cluster"].to_numpy(),
    })  # fmt: skip
    return reader, look, rows.groupby("cluster").mean().mean().to_dict()


def pixel_changes(before: Tensor, after: Tensor, captions: Sequence[str]) -> pd.DataFrame:
    """How far the images of each caption moved.

    Args:
        before, after: uint8 [N, 3, H, W], the k-th of each from the same noise. captions: of each image, [N].

    Returns:
        ``caption``; ``change``, the root mean square difference of an image and its counterpart, in grey levels of 255, averaged over the caption's
        images; ``apart``, the same of two images before the edit that follow each other, from other noise: NaN for a caption with one image.

    Raises:
        InputError: images of different number or size.
    """
    if before.shape != after.shape or len(before) != len(captions):
        raise InputError(
            f"images before and after have shapes {list(before.shape)} and {list(after.shape)}, and there are {len(captions)} captions; each image needs "
            "its counterpart and its caption."
        )
    rows = pd.DataFrame({"caption": list(captions), "change": _distance(before, after), "apart": np.nan})
    following = rows["caption"].to_numpy()[1:] == rows["caption"].to_numpy()[:-1]
    apart = np.where(following, _distance(before[1:], before[:-1]), np.nan)
    rows.loc[rows.index[1:], "apart"] = apart
    return rows.groupby("caption", sort=False).mean().reset_index()


def _distance(one: Tensor, other: Tensor) -> np.ndarray:
    return (one.float() - other.float()).pow(2).flatten(1).mean(1).sqrt().numpy()


def gaps_of(readings: pd.DataFrame, first: str = "man", second: str = "woman") -> pd.DataFrame:
    """By how much more often one class is read than another, among images in which one of both is read.

    Args:
        readings: a row per image: ``place`` (of the generator among those compared), ``group`` (of captions), ``seed`` (of the noise), ``caption``, ``read``.

    Returns:
        A row per place and group: ``gap``, the share of the first class less that of the second, from -1 to 1, every caption weighing the same, with ``low``
        and ``high``, 95 % over captions and seeds; ``first`` and ``second``, the shares of all images; ``read``, the share in which one of both is read;
        ``captions`` (with such an image at every seed) and ``seeds``. The gap is NaN where there is no such caption.
    """
    rows = []
    for (place, group), part in readings.groupby(["place", "group"], sort=False):
        shares = [float((part["read"] == name).mean()) for name in (first, second)]
        either = part[part["read"].isin([first, second])]
        signed = either.assign(value=np.where(either["read"] == first, 1.0, -1.0))
        table = signed.pivot_table(index="seed", columns="caption", values="value")
        table = table.reindex(part["seed"].unique()).dropna(axis=1)
        gap = low = high = np.nan
        if table.shape[1]:
            found = crossed_mean(table.to_numpy())
            gap, (low, high) = found.mean, np.clip(found.interval(), -1, 1)
        rows.append([place, group, gap, low, high, *shares, sum(shares), table.shape[1], part["seed"].nunique()])
    return pd.DataFrame(rows, columns=GAP_COLUMNS)


def worst_concepts(values: pd.DataFrame, before: str, after: str, count: int = 10) -> pd.DataFrame:
    """The concepts that lost most by an edit.

    Args:
        values: ``place``, ``seed``, ``concept`` and ``value``, the share of a concept's images for which it comes first. before, after: places.

    Returns:
        ``concept``, ``before`` and ``after`` (means over seeds) and ``change``, the lowest first; of equal ones the first by name.
    """
    means = values.groupby(["concept", "place"])["value"].mean().unstack().reindex(columns=[before, after])
    found = means.set_axis(["before", "after"], axis=1).dropna()
    found = found.assign(change=found["after"] - found["before"]).reset_index()
    return found.sort_values(["change", "concept"], ignore_index=True).head(count)
