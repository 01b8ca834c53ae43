"""Whether an image shows all that its caption says: the concept to a judge, and the tone and gender to readers of people.

The judge and its gallery are those of :mod:`stablerep.audits.equal_galleries`, the readers those of :mod:`stablerep.audits.named_attributes`. Each part of a
caption has an outcome: *right*, *wrong*, or, where a reader is not sure, *cannot tell*. The whole caption is wrong where one part is wrong, right where all
are right, and else it cannot be told.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd
import torch
import torch.nn.functional as F
from torch import Tensor

from stablerep.audits.named_attributes import NAMED
from stablerep.audits.readers import CANNOT_TELL
from stablerep.audits.retrieval import Retrieval
from stablerep.errors import InputError

CONCEPT, WHOLE = "concept", "whole caption"
PARTS = (CONCEPT, *NAMED, WHOLE)
RIGHT, WRONG = "right", "wrong"
TOLD, UNTOLD = ", where told", ", cannot tell"  # behind the name of a part: measures of it
BLOCK = 4096  # images looked up at once
IMAGE = [
    "source",
    "guidance_scale",
    "caption",
    "image",
]  # which image it is; ``image`` is its number among those of the caption


def look_up(retrieval: Retrieval, features: Tensor, concepts: Sequence[str]) -> pd.DataFrame:
    """What a judge finds of images, each compared with the caption prototypes of a gallery.

    Args:
        features: float [N, D] of the images. concepts: [N], what their captions name; the gallery has each of them.

    Returns:
        N rows: ``found``, the caption that is nearest; ``lead``, by how much the cosine to the concept's nearest caption exceeds that to any other
        concept's; ``right``, whether it does. A tie is not right.

    Raises:
        InputError: a concept that the gallery does not have.
    """
    own = pd.Index(retrieval.concepts).get_indexer(list(concepts))
    if (own < 0).any():
        lost = list(concepts)[int(np.argmax(own < 0))]
        raise InputError(
            f"an image shows {lost!r}, which is none of the {len(retrieval.concepts)} concepts of the gallery."
        )
    z, of_caption, names = F.normalize(features, dim=1), torch.from_numpy(retrieval.concept), retrieval.captions.index
    parts = []
    for start in range(0, len(z), BLOCK):
        some = slice(start, start + BLOCK)
        similarity = z[some] @ retrieval.prototypes.T  # N x captions of the gallery
        mine = torch.from_numpy(own[some])[:, None] == of_caption
        lead = similarity.masked_fill(~mine, -2.0).amax(1) - similarity.masked_fill(mine, -2.0).amax(1)
        found = names[similarity.argmax(1).numpy()]
        parts.append(pd.DataFrame({"found": found, "lead": lead.numpy(), "right": (lead > 0).numpy()}))
    return pd.concat(parts, ignore_index=True)


def outcomes(images: pd.DataFrame, asked: pd.DataFrame) -> pd.DataFrame:
    """The outcome of each part of each image's caption.

    Args:
        images: a row per image and judge: ``caption``, ``right`` (the concept, of :func:`look_up`), and of each attribute what was read
            (:func:`stablerep.audits.named_attributes.read_images`); other columns are kept.
        asked: of :func:`stablerep.audits.named_attributes.attributes_asked`, by caption. An attribute that neither table has is never asked.

    Returns:
        The rows with ``concept``, ``tone``, ``gender`` and ``whole caption`` in the place of ``right`` and what was read: ``right``, ``wrong``,
        ``cannot tell``, or "" for a part that is not asked. The whole is not asked where the caption names what no reader reads.
    """
    about = asked.loc[images["caption"]]
    parts = {CONCEPT: np.where(images["right"].to_numpy(bool), RIGHT, WRONG)}
    for name in NAMED:
        if name not in about:
            parts[name] = np.full(len(images), "", object)
            continue
        named, read = about[name].to_numpy(object), images[name].to_numpy(object)
        if unread := [caption for caption, one, other in zip(images["caption"], named, read) if one and not other]:
            raise InputError(
                f"{name} of an image of {unread[0]!r} was not read; its caption names one, so a reader must be asked."
            )
        parts[name] = np.select([named == "", read == CANNOT_TELL, read == named], ["", CANNOT_TELL, RIGHT], WRONG)
    every = pd.DataFrame(parts, dtype=object)
    some = [~about["readable"].to_numpy(bool), (every == WRONG).any(axis=1), (every == CANNOT_TELL).any(axis=1)]
    every[WHOLE] = np.select(some, ["", WRONG, CANNOT_TELL], RIGHT)
    kept = images.drop(columns=["right", *(name for name in NAMED if name in images)])
    return pd.concat([kept.reset_index(drop=True), every], axis=1)


def measured(found: pd.DataFrame, asked: pd.DataFrame, classes: Mapping[str, int]) -> pd.DataFrame:
    """Shares of images by concept, for :func:`stablerep.audits.faithfulness.shares`; captions of a concept count the same.

    Measures are the parts (*cannot tell* is not right); ``..., where told``, without the images of which a reader cannot tell an attribute, whatever else is wrong
    with them; and ``..., cannot tell``, the share of these. A concept counts in a measure where it has a value from every judge, of real images and at every
    guidance scale.

    Args:
        found: of :func:`outcomes`, with ``captions`` (the name of their group), ``gallery``, ``source``, ``guidance_scale``, ``seed`` (of the judge) and
            ``chance`` (of the concept). asked: by caption. classes: how many classes the reader of each attribute tells.

    Returns:
        ``captions``, ``gallery``, ``source``, ``guidance_scale``, ``seed``, ``measure``, ``concept``, ``group``, ``value`` and ``chance`` (NaN of what cannot be told).
    """
    keys = ["captions", "gallery", "source", "guidance_scale", "seed"]
    guess = found["chance"].to_numpy(float)
    of_whole = guess.copy()
    chances = {CONCEPT: guess}
    for name in NAMED:
        chances[name] = np.full(len(found), 1 / classes[name] if name in classes else np.nan)
        of_whole = np.where(found[name] != "", of_whole * chances[name], of_whole)
    chances[WHOLE] = of_whole
    rows = []
    for part in PARTS:
        outcome, read = found[part], [part] if part in NAMED else list(NAMED)
        measures = [(part, outcome != "", outcome == RIGHT, chances[part])]
        if part != CONCEPT:
            untold = (found[read] == CANNOT_TELL).any(axis=1)
            measures += [
                (part + TOLD, (outcome != "") & ~untold, outcome == RIGHT, chances[part]),
                (part + UNTOLD, outcome != "", untold, np.full(len(found), np.nan)),
            ]
        for measure, counts, hits, chance in measures:
            values = found[[*keys, "caption"]].assign(value=hits.astype(float), chance=chance)[counts]
            means = (
                values.groupby([*keys, "caption"], dropna=False, sort=False)[["value", "chance"]].mean().reset_index()
            )
            means[["concept", "group"]] = asked.loc[means["caption"], ["concept", "group"]].to_numpy()
            by = means.groupby([*keys, "concept", "group"], dropna=False, sort=False)[["value", "chance"]].mean()
            rows.append(_in_every_cell(by.reset_index().assign(measure=measure)))
    return pd.concat(rows, ignore_index=True)


def _in_every_cell(values: pd.DataFrame) -> pd.DataFrame:
    """The rows of those concepts that have a value in every source, at every guidance scale and seed."""
    if values.empty:
        return values
    cells = values.groupby("captions")[["source", "guidance_scale", "seed"]].apply(
        lambda one: len(one.drop_duplicates())
    )
    size = values.groupby(["captions", "concept"])["value"].transform("size")
    return values[size == values["captions"].map(cells)]


def extremes(images: pd.DataFrame, asked: pd.DataFrame, count: int) -> pd.DataFrame:
    """The images that a judge finds surest of their concept and those furthest from it, one of a concept: chosen by ``lead`` alone.

    Args:
        images: ``caption``, ``image``, ``found`` and ``lead``, of one judge and one set. asked: by caption. count: of each kind, at most.

    Returns:
        Rows of ``images`` with ``kind`` (*surest* or *furthest*), the extreme ones first.
    """
    ordered = images.assign(concept=asked.loc[images["caption"], "concept"].to_numpy())
    ordered = ordered.sort_values(["lead", "caption", "image"], ascending=[False, True, True], kind="stable")
    kinds = {"surest": ordered, "furthest": ordered.iloc[::-1]}
    parts = [one.drop_duplicates("concept").head(count).assign(kind=kind) for kind, one in kinds.items()]
    return pd.concat(parts, ignore_index=True).drop(columns="concept")


def by_majority(images: pd.DataFrame, asked: pd.DataFrame) -> pd.DataFrame:
    """The outcomes of images by several judges together: the concept is right where more than half of the judges find it.

    Args:
        images: as for :func:`outcomes`, with ``seed``; what was read does not depend on it.

    Returns:
        A row per image: the columns ``IMAGE`` and those of :func:`outcomes`.
    """
    read = [name for name in NAMED if name in images]
    votes = images.groupby(IMAGE, dropna=False, sort=False).agg(
        right=("right", "mean"), **{name: (name, "first") for name in read}
    )
    return outcomes(votes.reset_index().assign(right=lambda table: table["right"] > 0.5), asked)
