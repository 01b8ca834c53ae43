"""Whether an image shows what its caption names, as far as features tell: is its own caption's prototype the nearest of all?

Prototypes are made of one half of a corpus's images of each caption, by a hash of their ids; the other half are the real images that are asked about
beside. So no real image is in the prototype that it is held against.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd
from torch import Tensor

from stablerep.audits.equal_galleries import half_of, named_by_captions
from stablerep.audits.retrieval import Retrieval
from stablerep.audits.shares import kept_off_the_boundary
from stablerep.corpus import Corpus
from stablerep.statistics import crossed_mean

FEWEST = 10  # shared captions, below which nothing is said
EACH = 8  # images of a caption in a prototype, and as many that are asked about


def what_is_named(corpus: Corpus) -> str:
    """The column that says what an image shows: the last label that captions name, as where they are made from classes, else the caption itself.

    Of drawings in several designs it is the caption: their labels are groups of many captions.
    """
    return "caption" if corpus.designs else named_by_captions(corpus.table, corpus.labels)


def two_halves(corpus: Corpus, captions: Sequence[str]) -> tuple[Corpus, Corpus]:
    """Images of some captions for prototypes, and others to ask about, at most ``EACH`` of a caption in either, by hash."""
    mine = corpus.where(corpus.table["caption"].isin(set(captions)))
    half = np.array([half_of(name, "own caption") for name in mine.table["id"]], int)
    rank = pd.Series([_rank(name) for name in mine.table["id"]])
    ranked = pd.DataFrame({"caption": mine.table["caption"], "half": half, "rank": rank}).sort_values("rank")
    turn = ranked.groupby(["caption", "half"]).cumcount().sort_index().to_numpy()
    first, second = (mine.where((half == which) & (turn < EACH)) for which in (0, 1))
    return first, second


def _rank(name: str) -> str:
    return hashlib.sha256(f"own caption:{name}".encode("utf-8", "surrogatepass")).hexdigest()


def own_first(
    gallery: tuple[Tensor, Sequence[str]], asked: Mapping[str, tuple[Tensor, Sequence[str]]], names: Mapping[str, str]
) -> pd.DataFrame:
    """How often what an image's caption names comes first among all that the gallery has.

    Args:
        gallery: features float [G, D] and captions [G] of the images of prototypes.
        asked: the same of images that are asked about, by source. Those whose name the gallery lacks are left out.
        names: what each caption names.

    Returns:
        Rows ``source``, ``share``, ``low`` and ``high`` (95 % over what is named, of which each weighs the same), ``chance``, ``images``, ``names`` (how many
        different ones were asked about) and ``among`` (how many the gallery has). A source without images has no row.
    """
    features, captions = gallery
    named = [names[caption] for caption in captions]
    retrieval = Retrieval(features, pd.DataFrame({"caption": list(captions), "concept": named, "subgroup": named}))
    known, rows = set(named), []
    for source, (queries, written) in asked.items():
        kept = [k for k, caption in enumerate(written) if names.get(caption) in known]
        if not kept:
            continue
        mine = [written[k] for k in kept]
        concepts = [names[caption] for caption in mine]
        right = retrieval.ask(queries[kept], concepts, mine)["top1"]
        by_name = right.groupby(pd.Series(concepts)).mean().to_numpy()
        found = crossed_mean(by_name[None])
        low, high = np.nan, np.nan
        if len(by_name) > 1:
            low, high = map(float, kept_off_the_boundary(found.mean, *found.interval(), len(by_name)))
        rows.append({
            "source": source, "share": found.mean, "low": low, "high": high, "chance": 1 / len(known), "images": len(kept),
            "names": len(by_name), "among": len(known),
        })  # fmt: skip
    columns = ["source", "share", "low", "high", "chance", "images", "names", "among"]
    return pd.DataFrame(rows, columns=columns)
