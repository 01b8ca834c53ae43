"""What a caption of a person names beside its concept, and readers that say whether an image shows it.

A caption may name a skin tone and a gender. These are words of the official label of a drawing. A reader (:mod:`stablerep.audits.readers`) reads the same
labels from drawings, with errors that are known, and says *cannot tell* where it is not sure.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd
from torch import Tensor

from stablerep.audits.colours import look_for
from stablerep.audits.people import classes_of, telling_rows
from stablerep.audits.readers import CANNOT_TELL, Reader, fit_reader
from stablerep.corpus.emoji import TONES
from stablerep.errors import InputError
from stablerep.probes.extraction import features_of
from stablerep.statistics import crossed_mean

NAMED = {"tone": TONES[1:], "gender": ("woman", "man")}  # all other values say that the caption names nothing
CROSS_FITTED = "training concepts, cross-fitted"


def attributes_asked(table: pd.DataFrame, people: pd.DataFrame, attributes: Sequence[str]) -> pd.DataFrame:
    """What readers are asked about the images of each caption.

    An attribute is asked where the caption names it and the concept leaves it open, that is, comes in several classes of it. What a concept has in
    one class alone, such as the gender of a woman with headscarf, is told by the concept.

    Args:
        table: rows of a corpus, with ``caption``, ``concept``, ``group`` and the attributes.
        people: those of them from which an attribute can be read: each shows one person. attributes: some of ``NAMED``.

    Returns:
        By caption: ``concept``, ``group``, ``words`` (of the caption); a column per attribute, what is to be read or "" where nothing is asked; and
        ``readable``: False where the caption names an attribute of what is not among ``people``, such as a hand or a family.

    Raises:
        InputError: an attribute that captions cannot name.
    """
    if unknown := [name for name in attributes if name not in NAMED]:
        raise InputError(f"attributes has {unknown[0]!r}; captions name {' and '.join(NAMED)}.")
    first = table.drop_duplicates("caption").set_index("caption")
    found = first[["concept", "group"]].astype(str)
    found["words"] = [len(caption.split()) for caption in found.index]
    shown, readable = found.index.isin(people["caption"]), np.ones(len(found), bool)
    for name in attributes:
        classes = people.groupby(people["concept"].astype(str))[name].nunique()
        named = first[name].isin(NAMED[name]).to_numpy()
        open_ = found["concept"].isin(classes.index[classes > 1]).to_numpy()
        found[name] = np.where(named & shown & open_, first[name].astype(str), "")
        readable &= ~named | shown
    return found.assign(readable=readable)


def fit_readers(images: Tensor, table: pd.DataFrame, attributes: Sequence[str]) -> tuple[dict[str, Reader], list[dict]]:
    """A reader of each attribute, fitted on the concepts that come in several classes of it (:func:`stablerep.audits.people.telling_rows`).

    Args:
        images: real images to learn from, uint8 [N, 3, H, W]. table: their rows, with ``cluster`` (the concept) and the attributes.

    Returns:
        The readers by attribute; and a row for each on how well it reads these images by cross-fitting: ``attribute``, ``part``, and what
        :func:`how_well` gives.

    Raises:
        InputError: fewer than two classes of an attribute.
    """
    readers, rows = {}, []
    for name in attributes:
        mine = telling_rows(table, name)
        told = table.iloc[mine]
        classes = classes_of(told, [name])[name]
        if len(classes) < 2:
            raise InputError(f"{name} has the classes {list(classes)}; reading it needs two at least.")
        truth, clusters = told[name].astype(str).to_numpy(), told["cluster"].astype(str).to_numpy()
        seen = features_of(look_for(name)(), images[mine], name="features of people")
        reader = readers[name] = fit_reader(seen, truth, clusters, classes)
        rows.append(
            {"attribute": name, "part": CROSS_FITTED, "bar": reader.bar}
            | how_well(reader.read_of_known, truth, clusters)
        )
    return readers, rows


def read_images(
    readers: Mapping[str, Reader], images: Tensor, captions: Sequence[str], asked: pd.DataFrame
) -> pd.DataFrame:
    """What readers read of images, each by a probe that saw nothing of the concept that its caption names.

    Args:
        images: uint8 [N, 3, H, W]. captions: [N]. asked: of :func:`attributes_asked`.

    Returns:
        N rows: ``caption``, ``image`` (its number among those of the caption), and of each attribute the class that was read,
        ``cannot tell``, or "" where it is not asked.
    """
    found = pd.DataFrame({"caption": list(captions)})
    found["image"] = found.groupby("caption").cumcount()
    about = asked.loc[found["caption"]]
    for name, reader in readers.items():
        rows, read = np.flatnonzero((about[name] != "").to_numpy()), np.full(len(found), "", object)
        if len(rows):
            seen = features_of(look_for(name)(), images[rows], name="features of people")
            read[rows] = reader.read(seen, about["concept"].iloc[rows])
        found[name] = read
    return found


def how_well(read: Sequence[str], truth: Sequence[str], clusters: Sequence[str]) -> dict:
    """How much of some images is read, and how much of that rightly, each cluster with the same weight.

    Returns:
        ``images``, ``clusters``, ``read`` (a share), ``accuracy`` (of what is read), ``low`` and ``high`` (95 % over clusters); NaN where nothing is.
    """
    table = pd.DataFrame({"read": list(read), "truth": list(truth), "cluster": list(clusters)})
    told = table["read"] != CANNOT_TELL
    right = (table["read"] == table["truth"])[told].astype(float).groupby(table["cluster"][told]).mean()
    accuracy, low, high = np.nan, np.nan, np.nan
    if len(right):
        found = crossed_mean(right.to_numpy()[None])
        accuracy, (low, high) = found.mean, np.clip(found.interval(), 0, 1)
    return {
        "images": len(table), "clusters": table["cluster"].nunique(),
        "read": float(told.groupby(table["cluster"]).mean().mean()) if len(table) else np.nan,
        "accuracy": accuracy, "low": float(low), "high": float(high),
    }  # fmt: skip
