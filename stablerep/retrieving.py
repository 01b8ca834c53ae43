"""Real images that captions ask for, from a set that is known as a whole, such as what a generator learned from: by their words, or by likeness to
synthetic images (Geng et al. 2024, who retrieve from the training set of Stable Diffusion)."""

from __future__ import annotations

import hashlib
import re
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from stablerep.audits.neighbours import nearest
from stablerep.captioned_images import CaptionedImages
from stablerep.corpus import Corpus
from stablerep.corpus.on_demand import OnDemandImages
from stablerep.errors import InputError

WORD = r"(?u)\b\w+\b"  # letters that stand alone count: they tell the A from the B of blood types
DECIMALS = 9  # of a similarity; what lies beyond is rounding
BLOCK = 2**24  # similarities in memory at once
BATCH = 1024  # images in memory at once
# In place of the similarity of a caption to itself: before the same words in another order, or not at all.
FIRST, LEFT_OUT = 2.0, -1.0


@dataclass(frozen=True)
class Retrieved:
    """What was retrieved for some captions.

    Attributes:
        upstream: what could be retrieved, G images.
        captions: C captions that asked.
        caption_ids: int64 [N], the place of the caption for which each image was retrieved.
        places: int64 [N], its row in ``upstream``.
    """

    upstream: Corpus
    captions: Sequence[str]
    caption_ids: Tensor
    places: Tensor

    def images(self, size: int, fingerprint: str) -> CaptionedImages:
        """The images under the captions that asked for them, ``size`` pixels a side; one that several captions ask for stands under each."""
        used, which = self.places.unique(return_inverse=True)
        part = self.upstream.where(np.isin(np.arange(len(self.upstream)), used.numpy()))
        return CaptionedImages(part.images(size)[which], self.caption_ids, list(self.captions), fingerprint)

    def captions_for(self, caption: str) -> list[str]:
        """The captions of the images that were retrieved for one."""
        mine = self.places[self.caption_ids == list(self.captions).index(caption)]
        return self.upstream.table["caption"].iloc[mine.numpy()].tolist()

    def described(self, concept_of: Mapping[str, str]) -> dict[str, float]:
        """Numbers of ``images``, of ``distinct`` ones among them and in the ``upstream`` set; and shares of the images: with the ``caption`` that
        asked, with another caption of the same ``concept``, of ``other`` concepts; and those whose caption has ``no_word`` of the one that asked.

        Args:
            concept_of: the concept of each caption.
        """
        asked = [self.captions[number] for number in self.caption_ids.tolist()]
        shown = self.upstream.table["caption"].to_numpy()[self.places.numpy()]
        own = np.array([one == other for one, other in zip(asked, shown)])
        alike = np.array([concept_of[one] == concept_of[other] for one, other in zip(asked, shown)]) & ~own
        strange = [words_of(one).isdisjoint(words_of(other)) for one, other in zip(asked, shown)]
        return {
            "images": len(shown), "distinct": len(self.places.unique()), "upstream": len(self.upstream), "caption": own.mean(),
            "concept": alike.mean(), "other": (~own & ~alike).mean(), "no_word": np.mean(strange),
        }  # fmt: skip


def words_of(caption: str) -> set[str]:
    """The words by which a caption is compared with others."""
    return set(re.findall(WORD, caption.lower()))


def upstream_of(corpus: Corpus, size: int) -> Corpus:
    """What may be learned from, without images that are pixel for pixel, at ``size`` pixels a side, one of validation or test."""
    part = corpus.to_learn_from()
    asked = corpus.where(corpus.table["split"] != "train")
    return part.where(~same_pixels(OnDemandImages(part, size), OnDemandImages(asked, size)).numpy())


def same_pixels(images: Tensor | OnDemandImages, others: Tensor | OnDemandImages) -> Tensor:
    """Which images, uint8 [N, 3, H, W], are pixel for pixel one of some others, uint8 [M, 3, H, W]: bool [N]."""
    known = set(_digests(others))
    return torch.tensor([digest in known for digest in _digests(images)], dtype=torch.bool)


def _digests(images: Tensor | OnDemandImages) -> Iterator[bytes]:
    for start in range(0, len(images), BATCH):
        for image in images[start : start + BATCH].numpy():
            yield hashlib.sha256(image.tobytes()).digest()


def by_words(captions: Sequence[str], upstream: Corpus, count: int, *, own: bool = True) -> Retrieved:
    """For each caption the ``count`` images whose captions have the most words in common with it: the highest cosine of TF-IDF vectors, in which words
    that few captions have weigh more.

    A caption's own images come before all others, or with ``own=False`` not at all. Of images that are alike, a hash of caption and id decides: the one
    by which :meth:`stablerep.corpus.Corpus.some_per_caption` takes real images.

    Raises:
        InputError: a caption has fewer images to choose from, or no caption has a word.
    """
    from sklearn.feature_extraction.text import TfidfVectorizer

    table = upstream.table
    names, caption_of = np.unique(table["caption"].to_numpy(str), return_inverse=True)
    if not any(map(words_of, names)):
        raise InputError(f"images are to be retrieved by words, of which the {len(names)} captions have none.")
    vectors = TfidfVectorizer(token_pattern=WORD)
    known = vectors.fit_transform(names)
    asking, ids, places = vectors.transform(captions), table["id"].tolist(), []
    step = max(1, BLOCK // len(names))
    for start in range(0, len(captions), step):
        similarity = (asking[start : start + step] @ known.T).toarray().round(DECIMALS)
        for caption, row in zip(captions[start : start + step], similarity):
            row[names == caption] = FIRST if own else LEFT_OUT
            places += _highest(row[caption_of], caption, ids, count)
    return Retrieved(
        upstream, captions, torch.arange(len(captions)).repeat_interleave(count), torch.tensor(places, dtype=torch.long)
    )


def _highest(scores: np.ndarray, caption: str, ids: Sequence[str], count: int) -> list[int]:
    """Places of the ``count`` images with the highest scores, [G]; of equal ones the first by hash."""
    available = int((scores > LEFT_OUT).sum())
    if available < count:
        raise InputError(f"{count} images are to be retrieved for the caption {caption!r}; there are {available}.")
    least = np.partition(scores, -count)[-count]

    def rank(place: int) -> tuple[float, str]:
        name = f"real:{caption}:{ids[place]}".encode("utf-8", "surrogatepass")
        return -scores[place], hashlib.sha256(name).hexdigest()

    return sorted(np.flatnonzero(scores >= least).tolist(), key=rank)[:count]


def by_likeness(synthetic: CaptionedImages, upstream: Corpus, size: int) -> Retrieved:
    """For each synthetic image the image of ``upstream`` that is most alike to it by oriented gradients (:func:`most_alike`), ``size`` pixels a side."""
    places = most_alike(gradients_of(synthetic.images), synthetic.caption_ids, gradients_of(OnDemandImages(upstream, size)))  # fmt: skip
    return Retrieved(upstream, synthetic.captions, synthetic.caption_ids, places)


def gradients_of(images: Tensor | OnDemandImages) -> Tensor:
    """Oriented gradients (:class:`stablerep.probes.floors.OrientedGradients`) of images uint8 [N, 3, H, W]: float [N, D], D the same from 16 pixels a side on."""
    from stablerep.probes.extraction import features_of
    from stablerep.probes.floors import floor_backbone

    return features_of(floor_backbone("gradients"), images, name="gradients")


def most_alike(asking: Tensor, caption_ids: Tensor, gallery: Tensor) -> Tensor:
    """For each image that asks the most alike one of a gallery by cosine; no image twice for a caption.

    The images of a caption ask in turn, and each takes the best of what those before it have left. So every one has a counterpart, and what is
    retrieved varies as they do. By the best similarity to any of them, one of them could choose all.

    Args:
        asking: features float [Q, D]. caption_ids: int64 [Q]. gallery: features float [G, D].

    Returns:
        int64 [Q], places in the gallery.

    Raises:
        InputError: a caption has more images than the gallery.
    """
    most = int(torch.bincount(caption_ids).max())
    if most > len(gallery):
        raise InputError(f"{most} images are to be retrieved for a caption; there are {len(gallery)}.")
    taken, places = defaultdict(set), []
    for some, ids in zip(*(part.split(max(1, BLOCK // len(gallery))) for part in (asking, caption_ids))):
        for caption, ranked in zip(ids.tolist(), nearest(some, gallery, most).tolist()):
            places.append(next(place for place in ranked if place not in taken[caption]))
            taken[caption].add(places[-1])
    return torch.tensor(places)
