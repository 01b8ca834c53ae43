"""What detectors call copies: by image, in shares of sets, where near duplicates hide them, among what encoders are tested on, and to look at."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd
from torch import Tensor

from stablerep.audits.copies import DETECTORS, EMBEDDING, RATIO, RATIO_OTHERS
from stablerep.audits.unseen import UNSEEN, is_counted
from stablerep.png import png_of
from stablerep.statistics.arms import summarize

PICTURED = 8  # images that look most like copies, kept to look at
TONED = "people in a tone"


def called(scores: pd.DataFrame, thresholds: pd.DataFrame) -> pd.DataFrame:
    """Which images are called copies, as an item table of :mod:`stablerep.statistics.arms`: the set is the arm, the detector the probe, and *correct*
    means called a copy.

    Args:
        scores: ``set``, ``seed``, ``id``, ``concept``, ``design``, ``toned`` and a column for each of ``DETECTORS``.
        thresholds: of :func:`stablerep.audits.unseen.thresholds_of`.
    """
    about = ["set", "seed", "id", "concept", "design", "toned"]
    long = scores.melt(about, list(DETECTORS), "detector", "score")
    long = long.merge(thresholds, on=["seed", "detector"], validate="many_to_one")
    items = long.rename(columns={"set": "arm", "detector": "probe", "concept": "cluster"})
    return items.assign(correct=items["score"] > items["threshold"], views=0)


def comparable(items: pd.DataFrame, compared: Sequence[str]) -> pd.DataFrame:
    """The items, those of the unseen design and of some sets cut to captions that all of these have, of concepts that set no threshold.

    Args:
        items: of :func:`called`. compared: names of sets whose ``id`` is a caption, as in the unseen design.
    """
    sets = [UNSEEN, *compared]
    captions = set.intersection(*(set(items.loc[items["arm"] == name, "id"]) for name in sets))
    mine = items["arm"].isin(sets)
    return items[~mine | (items["id"].isin(captions) & is_counted(items["cluster"]))]


def shares(items: pd.DataFrame) -> pd.DataFrame:
    """The share of every set that each detector calls copies, every concept weighing the same.

    Returns:
        ``set``, ``detector``, ``share``, ``low`` and ``high`` (95 %, over concepts and seeds), ``images``, ``concepts`` and ``seeds``.
    """
    names = {"arm": "set", "probe": "detector", "accuracy": "share", "items": "images", "clusters": "concepts"}
    return summarize(items).rename(columns=names).drop(columns="views")


def hidden(items: pd.DataFrame, copies: str) -> pd.DataFrame:
    """Planted copies that the gap ratio finds and misses, by the design that they are copies of, and of people in a tone.

    Args:
        items: of :func:`called`. copies: the name of a set of planted copies.

    Returns:
        :func:`shares` of both gap ratios, with ``kind``, a design or ``TONED``, in place of ``set``.
    """
    mine = items[(items["arm"] == copies) & items["probe"].isin([RATIO, RATIO_OTHERS])]
    parts = [mine.assign(arm=mine["design"]), mine[mine["toned"].astype(bool)].assign(arm=TONED)]
    found = shares(pd.concat(parts, ignore_index=True)).rename(columns={"set": "kind"})
    last = found["kind"] == TONED
    return pd.concat([found[~last].sort_values("kind", kind="stable"), found[last]], ignore_index=True)


def without_copies(
    items: pd.DataFrame, calls: pd.DataFrame, detectors: Sequence[str]
) -> tuple[dict[str, pd.DataFrame], dict[str, float]]:
    """Items of one-shot recognition with all test drawings, and without those that a detector calls copies of training drawings.

    A drawing counts as a copy where it is called one at half of the seeds or more. An item goes with either of its two drawings.

    Args:
        items: ``id``, which begins with the design of the gallery and a slash, ``design`` and ``cluster``.
        calls: rows of :func:`called` of the test drawings, one of each concept and design.

    Returns:
        The items by what was left out, *nothing* first; and the share of the test drawings that was.
    """
    gallery = items["id"].str.partition("/")[0]
    found, left_out = {"nothing": items}, {"nothing": 0.0}
    for name in detectors:
        share = calls[calls["probe"] == name].groupby(["cluster", "design"])["correct"].mean()
        bad = set(share.index[share >= 0.5])
        touched = [
            (concept, design) in bad or (concept, other) in bad
            for concept, design, other in zip(items["cluster"], items["design"], gallery)
        ]
        found[name], left_out[name] = items[~np.array(touched, bool)], len(bad) / len(share)
    return found, left_out


def picture_rows(images: Tensor, found: pd.DataFrame, learned: Tensor, about: pd.DataFrame) -> list[dict]:
    """The images that the embedding finds most like a training drawing, one of each concept, with the nearest drawings by embedding and by pixels.

    Args:
        images: uint8 [N, 3, H, W]. found: their rows, with ``caption``, ``concept`` and the columns of :func:`stablerep.audits.copies.score`.
        learned: training drawings uint8 [G, 3, H, W]. about: their ``caption`` and ``design``.

    Returns:
        Rows of ``caption``, ``kind`` (*generated*, *nearest, embedding* or *nearest, pixels*), ``shows`` (caption and design) and ``png``.
    """
    top = found.sort_values(EMBEDDING, ascending=False, kind="stable").drop_duplicates("concept").head(PICTURED)
    rows = []
    for place, one in zip(top.index, top.itertuples()):
        rows.append({"caption": one.caption, "kind": "generated", "shows": one.caption, "png": png_of(images[place])})
        for kind, at in (("nearest, embedding", one.alike), ("nearest, pixels", one.nearest)):
            shows = f"{about['caption'].iloc[at]} ({about['design'].iloc[at]})"
            rows.append({"caption": one.caption, "kind": kind, "shows": shows, "png": png_of(learned[at])})
    return rows
