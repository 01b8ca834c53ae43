"""Who judges, what is asked, and of which gallery: chosen so that nothing but its content favours a real or a generated image.

Real images of some captions, and images that a generator made from the same captions, are looked up by one judge in one gallery.

**With designs.** The gallery has the design that nothing learns from. Real images are of the other designs, from which the generator
learned: generated images have their styles, and the gallery's is new to both. The judge learns from these designs too, but from concepts
that nobody is asked about. So neither the gallery nor the judge knows any of the real images, or any drawing in their designs of what they
show: a generator that gave back its training images of a caption would be exactly as faithful as real images are.

**Without designs.** The gallery has half of the held-out images, and the other half are the real images. The judge learns from the training
images, as a generator of this corpus does. So it may know what a generated image is a copy of, but no real image: an advantage of
generated images, which is left.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, replace

import pandas as pd

from stablerep.corpus import Corpus
from stablerep.corpus.emoji import HELD_OUT
from stablerep.errors import InputError

TRAINING, UNSEEN, TEST = "training captions", "unseen combinations", "test concepts"  # groups of captions


@dataclass(frozen=True)
class Asked:
    """A group of captions, and the images that it takes to judge others of them.

    Attributes:
        captions: those that are asked about.
        gallery: real images, in which all others are looked up.
        real: real images of what the captions name, none of them in the gallery.
        about: ``concept`` (what is to be recognized), ``group`` and other columns, by caption, of all captions of ``real`` and ``captions``.
    """

    captions: list[str]
    gallery: Corpus
    real: Corpus
    about: pd.DataFrame

    @property
    def name(self) -> str:
        """The gallery in a few words."""
        designs = sorted(set(self.gallery.table["design"]) - {""})
        return f"{self.gallery.table['concept'].nunique()} concepts, {designs[0] if designs else 'held-out images'}"


def with_concepts(corpus: Corpus) -> Corpus:
    """A corpus whose table has ``concept``, ``subgroup``, ``group`` and ``design``: without designs, what captions name is all three."""
    if corpus.designs:
        return corpus
    what = corpus.table[named_by_captions(corpus.table, corpus.labels)].astype(str)
    return replace(corpus, table=corpus.table.assign(concept=what, subgroup=what, group=what, design=""))


def named_by_captions(table: pd.DataFrame, labels: Sequence[str]) -> str:
    """What captions name: the last of the labels that is the same for all images of a caption, or else the caption itself."""
    for label in reversed(labels):
        if table.groupby("caption")[label].nunique(dropna=False).max() == 1 and table[label].notna().all():
            return label
    return "caption"


def half_of(name: str, purpose: str) -> int:
    """0 or 1, by a hash: halves for different purposes have nothing to do with each other."""
    return hashlib.sha256(f"{purpose}:{name}".encode("utf-8", "surrogatepass")).digest()[0] % 2


def judges_concepts(table: pd.DataFrame) -> set[str]:
    """Half of the training concepts, without those that have unseen combinations. Of a corpus with designs."""
    train = table[table["split"] == "train"]
    combined = train.loc[train["held_out"] & (train["design"] != HELD_OUT), "concept"]
    return {concept for concept in set(train["concept"]) - set(combined) if half_of(concept, "judge")}


def judges_part(corpus: Corpus) -> Corpus:
    """What the judge learns from: of what may be learned from, the concepts that nobody is asked about, or all without designs."""
    part = corpus.to_learn_from()
    return part.where(part.table["concept"].isin(judges_concepts(corpus.table))) if corpus.designs else part


def training_group(corpus: Corpus, captions: Sequence[str]) -> Asked | None:
    """Of some training captions those that the judge can be asked about, in their order; None where there are none."""
    if not corpus.designs:
        with suppress(InputError):  # no held-out images show what a caption names
            return held_out_group(with_concepts(corpus), captions)[TRAINING]
        return None
    whole = caption_groups(corpus)[TRAINING]
    asked = set(whole.captions)
    chosen = [caption for caption in captions if caption in asked]
    real = whole.real.where(whole.real.table["caption"].isin(chosen))
    return replace(whole, captions=chosen, real=real) if chosen else None


def caption_groups(corpus: Corpus, count: int | None = None) -> dict[str, Asked]:
    """Captions of a corpus with designs in three groups, at most ``count`` of each, one concept after the other.

    *Training captions*: the generator learned from them. *Unseen combinations*: captions with another skin tone or gender of training
    concepts, from which nothing learned. *Test concepts*: nothing learned from any image of them. The first two share a gallery, all captions
    of those training concepts that the judge does not know.

    Raises:
        InputError: ``count`` is above the number of training captions that can be asked about.
    """
    table = corpus.table
    known, train, test = table["design"] != HELD_OUT, table["split"] == "train", table["split"] == "test"
    train &= ~table["concept"].isin(judges_concepts(table))
    groups = {}
    for name, part, rows in (
        (TRAINING, train, train & ~table["held_out"]), (UNSEEN, train, train & table["held_out"]), (TEST, test, test),
    ):  # fmt: skip
        gallery = corpus.where(part & ~known)
        rows = rows & known & table["caption"].isin(gallery.table["caption"])
        captions = in_turn(table[rows])
        if name == TRAINING and count and count > len(captions):
            raise InputError(f"captions is {count}; the judge can be asked about {len(captions)} training captions.")
        real = corpus.where(rows & table["caption"].isin(captions[:count]))
        groups[name] = Asked(captions[:count], gallery, real, _about(real.table))
    return {name: group for name, group in groups.items() if group.captions}


def held_out_group(corpus: Corpus, captions: Sequence[str]) -> dict[str, Asked]:
    """Training captions of a corpus without designs, of which held-out images show what they name.

    Args:
        corpus: of :func:`with_concepts`. captions: those that were drawn; those whose concept has fewer than two held-out images are left out.

    Raises:
        InputError: that is all of them.
    """
    about, part = _about(corpus.table), corpus.split("test")
    ranked = part.table.assign(rank=[_rank(name) for name in part.table["id"]]).sort_values("rank")
    turn = ranked.groupby("concept").cumcount().reindex(part.table.index) % 2
    asked = set(about.loc[list(captions), "concept"]) & set(part.table.loc[turn == 1, "concept"])
    if not asked:
        raise InputError(
            f"no two of {len(part)} held-out images show what one of the {len(captions)} captions names; faithfulness is measured against "
            "held-out images of the same classes or captions."
        )
    chosen = [caption for caption in captions if about["concept"][caption] in asked]
    real = part.where((turn == 1) & part.table["concept"].isin(asked))
    return {TRAINING: Asked(chosen, part.where(turn == 0), real, about)}


def in_turn(table: pd.DataFrame) -> list[str]:
    """The captions of a table in a fixed random order: one of each concept, then a second of each that has two, and so on."""
    first = table.drop_duplicates("caption")
    order = first.assign(rank=[_rank(caption) for caption in first["caption"]]).sort_values("rank")
    turn = order.groupby("concept").cumcount()
    return order.loc[turn.sort_values(kind="stable").index, "caption"].tolist()


def _about(table: pd.DataFrame) -> pd.DataFrame:
    return table.drop_duplicates("caption").set_index("caption")


def _rank(text: str) -> str:
    return hashlib.sha256(f"asked:{text}".encode("utf-8", "surrogatepass")).hexdigest()
