"""What a card is held against, a corpus of real images, and what looks at both: an encoder, or oriented gradients."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np

from stablerep.audits.resemblance import halves_of
from stablerep.corpus import Corpus, load_corpus
from stablerep.errors import InputError
from stablerep.study.experiments.people_images import with_clusters
from stablerep.study.experiments.sources import embedded
from stablerep.study.experiments.study import Study

if TYPE_CHECKING:
    from torch.nn import Module

NONE = "none"
GRADIENTS = "gradients"


@dataclass(frozen=True)
class Against:
    """The images of a corpus that may be learned from.

    Attributes:
        corpus: that part. whole: the fingerprint of all of it.
        asked_for: whether somebody named it; else it is what the embedded generator learned from.
    """

    corpus: Corpus
    whole: str
    asked_for: bool

    @property
    def name(self) -> str:
        return self.corpus.name

    @cached_property
    def halves(self) -> np.ndarray:
        """The half, 0 or 1, of each image, by what belongs together."""
        return halves_of(with_clusters(self.corpus)["cluster"].tolist())

    def some_captions(self, count: int) -> list[str]:
        """The first of its captions in the order of their hashes; all for 0."""
        captions = sorted(set(self.corpus.table["caption"]), key=_rank)
        return captions[: count or None]


def _rank(text: str) -> str:
    return hashlib.sha256(f"caption:{text}".encode("utf-8", "surrogatepass")).hexdigest()


def open_against(source: str | None, by_embedded: bool, people: list[str]) -> Against | None:
    """The corpus of a name; for no name the emoji where the embedded generator drew the images, else nothing, as for ``none``.

    Args:
        people: columns with attributes of people, of a corpus that is read from files.

    Raises:
        InputError: as :func:`stablerep.corpus.load_corpus` does; or a corpus without images that may be learned from.
    """
    name = source or ("emoji" if by_embedded else NONE)
    if name == NONE:
        if people:
            raise InputError(
                f"people is {','.join(people)}, but nothing names the corpus whose columns these are; --against does."
            )
        return None
    options = {"people": people} if people else {}
    whole = embedded() if name == "emoji" and not options else load_corpus(name, **options)
    part = whole.to_learn_from()
    if not len(part):
        raise InputError(f"{name} has no images that may be learned from; a card is held against those.")
    return Against(part, whole.fingerprint, source is not None)


@dataclass(frozen=True)
class Features:
    """What images are compared by, beside pixels.

    Attributes:
        key: in the keys of runs. title: on the card. size: side of its images in pixels. open: gives float [N, 3, H, W] to float [N, D].
    """

    key: str
    title: str
    size: int
    open: Callable[[], Module] = field(repr=False)

    @property
    def weak(self) -> bool:
        """Whether nothing was learned."""
        return self.key == GRADIENTS


def open_features(run: str | None, study: Study) -> Features:
    """The encoder of a pre-training run by its key, which may be shortened; oriented gradients where none is named.

    Raises:
        InputError: there is no such run.
    """
    from stablerep.probes.floors import floor_backbone

    if run is None:
        return Features(GRADIENTS, "oriented gradients", 32, lambda: floor_backbone(GRADIENTS))
    found, recipe = study.pretrained_run(run)
    title = f"the encoder of {found.key} ({recipe.method}, {recipe.encoder.name}, {recipe.steps:,} steps)"
    return Features(found.key, title, recipe.encoder.image_size, lambda: study.backbone(found, recipe.encoder, 0))
