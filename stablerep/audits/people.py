"""People: whom images of neutral captions show, read by a reader whose errors are known, beside what the captions were trained on.

Nothing here infers anything about a person: a reader reads the labels of images, and its count is corrected for the errors that it makes on
images whose labels are known.
"""

from __future__ import annotations

import functools
from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd
from torch import Tensor

from stablerep.audits.colours import look_for
from stablerep.audits.readers import CANNOT_TELL, FOLDS, Reader, fit_reader
from stablerep.audits.shares import Shares, count_shares
from stablerep.corpus.emoji import TONES
from stablerep.errors import InputError
from stablerep.probes.extraction import features_of
from stablerep.statistics import crossed_mean

NEUTRAL = (
    "a photo of a person",
    "a person",
    "a portrait of a person",
    "a photo of a face",
    "a face",
    "a picture of somebody",
)
# sources in the table of shares
OF_CAPTION, OF_CONCEPT, BALANCE = "training images of the caption", "training images of the concepts", "balance"
AS_READ, CORRECTED = "generated, as read", "generated, corrected"
KNOWN_CLASSES = {"gender": ("woman", "man", "person"), "tone": TONES[:-1]}  # of one person, in the order of figures


def classes_of(table: pd.DataFrame, attributes: Sequence[str]) -> dict[str, tuple[str, ...]]:
    """The classes of each attribute that some image shows: in the order of :data:`KNOWN_CLASSES` for the emoji's, else sorted."""
    found = {}
    for name in attributes:
        there = {str(value) for value in table[name].dropna()} - {""}
        order = KNOWN_CLASSES.get(name, ())
        found[name] = tuple(one for one in order if one in there) if there <= set(order) else tuple(sorted(there))
    return found


def neutral_captions(table: pd.DataFrame, count: int) -> list[str]:
    """Captions of people that name no attribute.

    Of the emoji: those that name neither gender nor tone and whose concept is also drawn with all of both, the shortest first. Of other
    corpora, whose captions are about one image each: :data:`NEUTRAL`, at most ``count``.

    Args:
        table: rows that may be learned from.

    Raises:
        InputError: the emoji have fewer.
    """
    if not {"concept", "gender", "tone"} <= set(table):
        return list(NEUTRAL[:count])
    rich = table.groupby("concept").agg(genders=("gender", "nunique"), tones=("tone", "nunique"))
    rich = rich[(rich["genders"] == 3) & (rich["tones"] >= 6)].index
    plain = table[(table["gender"] == "person") & (table["tone"] == "none") & table["concept"].isin(rich)]
    found = sorted(plain["caption"].unique(), key=lambda caption: (len(caption), caption))
    if count > len(found):
        raise InputError(
            f"neutral_captions is {count}; {len(found)} captions of people to learn from name no attribute."
        )
    return found[:count]


def read_people(
    known: tuple[Tensor, pd.DataFrame], held_out: tuple[Tensor, pd.DataFrame], made: Mapping[float, tuple[Tensor, np.ndarray]],
    captions: Sequence[str], attributes: Sequence[str], *, seed: int,
) -> dict[str, pd.DataFrame]:  # fmt: skip
    """Whom generated images of some captions show, by a reader for each attribute (fitted on :func:`telling_rows`).

    Args:
        known: real images of people that the generator may have learned from, uint8 [N, 3, H, W] or what gives such tensors when it is sliced,
            and their rows: ``caption``, ``cluster`` (what belongs together, such as a concept) and a column for each attribute.
        held_out: the same of clusters that no reader has seen; only how well they are read is said. There may be none.
        made: by guidance scale, generated images uint8 [M, 3, H, W] and the number of each one's caption, int [M].

    Returns:
        ``readers``: ``attribute``, ``part``, ``images``, ``clusters``, ``bar``, ``read`` (the share of images that were read), ``accuracy`` (of what
        was read, each cluster with the same weight), ``low``, ``high``. ``confusion``: ``attribute``, ``truth``, ``prediction``, ``share``.
        ``shares``: ``attribute``, ``source``, ``guidance_scale``, ``label``, ``share``, ``low``, ``high``. ``fits``, whether the reader's errors
        explain what was read: ``attribute``, ``guidance_scale``, ``captions``, ``images``, ``effective``, ``distance``, ``p``, ``refused``.
        ``readings``: ``caption``, ``image`` (its number among those of the caption), ``guidance_scale``, and each attribute as it was read.

    Raises:
        InputError: fewer than two classes of an attribute, or fewer clusters than cross-fitting needs.
    """
    table = known[1]
    images = {"known": known[0], "held out": held_out[0]} | {w: drawn for w, (drawn, _) in made.items()}

    @functools.cache  # attributes that are looked at in the same way share what is seen
    def seen(look, which) -> Tensor:
        return features_of(look(), images[which], name="features of people")

    tables = {name: [] for name in ("readers", "confusion", "shares", "fits")}
    cluster = dict(zip(table["caption"], table["cluster"]))
    readings = {
        w: pd.DataFrame({"caption": np.array(captions, object)[ids], "guidance_scale": w})
        for w, (_, ids) in made.items()
    }
    for attribute in attributes:
        look, mine = look_for(attribute), telling_rows(table, attribute)
        told = table.iloc[mine]
        ((_, names),) = classes_of(told, [attribute]).items()
        if len(names) < 2:
            raise InputError(f"{attribute} has the classes {list(names)}; reading it needs two at least.")
        reader = fit_reader(seen(look, "known")[mine], told[attribute].astype(str).to_numpy(), told["cluster"], names)
        parts = {"concepts to learn from, cross-fitted": (reader.read_of_known, told)}
        if len(held_out[1]):
            others = telling_rows(held_out[1], attribute)
            new = held_out[1].iloc[others]
            parts["held-out concepts"] = reader.read(seen(look, "held out")[others], new["cluster"]), new
        tables["readers"] += [
            {"attribute": attribute, "part": part} | _how_well(reader, attribute, *of) for part, of in parts.items()
        ]
        tables["confusion"] += [
            {"attribute": attribute, "truth": t, "prediction": p, "share": share}
            for t, row in zip(names, reader.confusion.mean()) for p, share in zip([*names, CANNOT_TELL], row)
        ]  # fmt: skip
        tables["shares"] += references(table, captions, attribute, names)
        for w, (_, ids) in made.items():
            clusters = [cluster.get(one, one) for one in readings[w]["caption"]]
            readings[w][attribute] = reader.read(seen(look, w), clusters)
            counted = count_shares(readings[w][attribute], ids, reader.confusion, seed=seed)
            tables["shares"] += _rows(attribute, w, names, counted)
            about = {
                name: getattr(counted, name) for name in ("captions", "images", "effective", "distance", "p", "refused")
            }
            tables["fits"].append({"attribute": attribute, "guidance_scale": w} | about)
    every = pd.concat(list(readings.values()), ignore_index=True)
    every.insert(1, "image", every.groupby(["guidance_scale", "caption"]).cumcount())
    return {name: pd.DataFrame(rows) for name, rows in tables.items()} | {"readings": every}


def telling_rows(table: pd.DataFrame, attribute: str) -> np.ndarray:
    """Rows of the clusters that show several classes of an attribute, or all rows where fewer than ``FOLDS`` do, as of single photographs.

    A concept that comes in one class alone says little about it: a zombie is green, and has no tone.
    """
    several = (table.groupby("cluster")[attribute].transform("nunique") > 1).to_numpy()
    return np.flatnonzero(several if table["cluster"][several].nunique() >= FOLDS else np.ones(len(table), bool))


def _how_well(reader: Reader, attribute: str, read: np.ndarray, table: pd.DataFrame) -> dict:
    """How much of some images is read, and how much of that rightly, with its interval over clusters."""
    told = pd.Series(read != CANNOT_TELL, table.index)
    right = pd.Series(read == table[attribute].astype(str).to_numpy(), table.index)
    by_cluster = right[told].astype(float).groupby(table["cluster"][told]).mean()
    low, high, accuracy = np.nan, np.nan, np.nan
    if len(by_cluster):
        found = crossed_mean(by_cluster.to_numpy()[None])
        accuracy, (low, high) = found.mean, np.clip(found.interval(), 0, 1)
    return {
        "images": len(table), "clusters": table["cluster"].nunique(), "bar": reader.bar,
        "read": told.groupby(table["cluster"]).mean().mean(), "accuracy": accuracy, "low": low, "high": high,
    }  # fmt: skip


def references(table: pd.DataFrame, captions: Sequence[str], attribute: str, names: Sequence[str]) -> list[dict]:
    """Rows of the table of shares that those of generated images are held against.

    The training images *of the caption* are what a generator that does as its caption says would draw. Those *of the concepts*, under all
    their captions, are whom it has seen in that role; where no caption is one of the corpus, they are all training images. Every caption,
    or concept, weighs the same.
    """

    def shares(part: pd.DataFrame, by: str) -> pd.Series:
        each = pd.crosstab(part[by], part[attribute].astype(str), normalize="index")
        return each.mean().reindex(names, fill_value=0.0)

    own = table[table["caption"].isin(captions)]
    concepts = table[table["cluster"].isin(own["cluster"])] if len(own) else table
    found = {OF_CAPTION: shares(own, "caption")} if len(own) else {}
    found |= {OF_CONCEPT: shares(concepts, "cluster"), BALANCE: pd.Series(1 / len(names), names)}
    return [_row(attribute, source, np.nan, *one) for source, values in found.items() for one in values.items()]


def _rows(attribute: str, w: float, names: Sequence[str], counted: Shares) -> list[dict]:
    """Rows of the table of shares on generated images at one guidance scale."""
    read = zip([*names, CANNOT_TELL], counted.read, counted.read_low, counted.read_high)
    corrected = zip(names, counted.corrected, counted.corrected_low, counted.corrected_high)
    return [
        _row(attribute, source, w, *one)
        for source, values in ((AS_READ, read), (CORRECTED, corrected))
        for one in values
    ]


def _row(attribute: str, source: str, w: float, label: str, share: float, low=np.nan, high=np.nan) -> dict:
    return {
        "attribute": attribute, "source": source, "guidance_scale": w, "label": label, "share": float(share),
        "low": float(low), "high": float(high),
    }  # fmt: skip
