"""Synthetic sets, and other captioned images, as a corpus that a generator can learn from."""

from __future__ import annotations

import functools
import hashlib
from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace

import numpy as np
import pandas as pd
from torch import Tensor

from stablerep.captioned_images import CaptionedImages
from stablerep.corpus import Corpus
from stablerep.corpus.on_demand import OnDemandImages
from stablerep.errors import InputError
from stablerep.synthesis.reading import SyntheticSet
from stablerep.variants import resized

SOURCE = "source"  # column of a mixture: which of its corpora a row is from


def corpus_of(made: SyntheticSet, like: Corpus) -> Corpus:
    """The images of a synthetic set, all to learn from, with what a corpus says of their captions.

    Args:
        made: at most as large as memory allows; its images are read when they are drawn first.
        like: gives a row of each caption its cluster, keywords and labels; a caption that it does not have is a cluster of its own.
    """
    index = made.index()
    captions = index["caption"].repeat(index["images"])
    pixels = functools.cache(lambda: made.in_memory().images)
    return _corpus(captions, pixels, made.fingerprint, like, name=f"{made.folder.name}, synthetic")


def learned_from(data: CaptionedImages, like: Corpus) -> Corpus:
    """Captioned images, real or synthetic, all to learn from, with what a corpus says of their captions.

    Args:
        like: as for :func:`corpus_of`.
    """
    captions = [data.captions[place] for place in data.caption_ids.tolist()]
    return _corpus(captions, lambda: data.images, data.fingerprint, like, name=f"images of captions of {like.name}")


def _corpus(
    captions: Iterable[str], pixels: Callable[[], Tensor | OnDemandImages], fingerprint: str, like: Corpus, *, name: str
) -> Corpus:
    """A corpus of images that are read when they are drawn first: the caption of each, and ``pixels``, which gives uint8 [N, 3, H, W] in their order."""
    captions = pd.Series(list(captions))
    places = captions.groupby(captions, sort=False).ngroup(), captions.groupby(captions).cumcount()
    ids = [f"{fingerprint[:16]}/{row}-{k}" for row, k in zip(*places)]
    table = pd.DataFrame({"id": ids, "caption": captions, "split": "train", "row": range(len(captions))})
    known = like.table.drop_duplicates("caption").set_index("caption")
    kept = [one for one in ("keywords", like.cluster, *like.labels) if one in known and one not in table]
    for one in kept:
        table[one] = captions.map(known[one])
    if like.cluster in kept:
        table[like.cluster] = table[like.cluster].fillna(captions)

    def draw(rows: pd.DataFrame, size: int) -> np.ndarray:
        return resized(pixels()[rows["row"].tolist()], size).numpy()

    return replace(like, table=table, name=name, fingerprint=fingerprint, draw=draw, designs=(), people=(), notes=())


def beside(corpus: Corpus, sets: Sequence[SyntheticSet], *, real_share: float = 1.0) -> Corpus:
    """A corpus whose training part is a share of its real images, and all images of some synthetic sets.

    Args:
        real_share: of the images that may be learned from, picked by a hash of their ids; 0 takes none, 1 all. Other parts stay.

    Raises:
        InputError: a share outside 0 to 1, or nothing to learn from.
    """
    if not 0 <= real_share <= 1:
        raise InputError(f"real_share is {real_share:g}; it is a share, from 0 to 1.")
    if not sets and not real_share:
        raise InputError("real_share is 0 and no synthetic set is given, so that there is nothing to learn from.")
    if not sets and real_share == 1:
        return corpus
    known = set(corpus.to_learn_from().table["id"])
    real = corpus.where(
        [
            split != "train" or _falls(one, real_share, known)
            for one, split in zip(corpus.table["id"], corpus.table["split"])
        ]
    )
    parts = [real, *(corpus_of(made, corpus) for made in sets)]
    tables = [part.table.assign(**{SOURCE: k}) for k, part in enumerate(parts)]
    table = pd.concat(tables, ignore_index=True)
    if "held_out" in table:
        table["held_out"] = table["held_out"].fillna(False).astype(bool)

    def draw(rows: pd.DataFrame, size: int) -> np.ndarray:
        images = np.empty((len(rows), 3, size, size), np.uint8)
        sources = rows[SOURCE].to_numpy()
        for k in np.unique(sources):
            images[sources == k] = parts[k].draw(rows[sources == k], size)
        return images

    names = ":".join(part.fingerprint for part in parts)
    digest = hashlib.sha256(f"beside:{real_share}:{names}".encode()).hexdigest()[:16]
    return replace(
        corpus, table=table, name=f"{corpus.name} and {len(sets)} synthetic sets", fingerprint=digest, draw=draw
    )


def _falls(name: str, share: float, known: set[str]) -> bool:
    """Whether an image that may be learned from falls into a share of them."""
    digest = hashlib.sha256(f"real:{name}".encode("utf-8", "surrogatepass")).digest()
    return name in known and int.from_bytes(digest[:8], "big") < share * 2**64
