"""The sets that encoders are transferred to: embedded ones, ones at hand by path, and the paper's by name."""

from __future__ import annotations

import functools
import hashlib
import json
import os
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
import torch

from stablerep.corpus.on_demand import OnDemandImages
from stablerep.errors import InputError
from stablerep.probes.parts import three_parts

if TYPE_CHECKING:
    from stablerep.corpus import Corpus

METRICS = ("top-1", "mean per class", "11-point mAP")


@dataclass(frozen=True)
class LabelledImages:
    """What a probe needs of a set.

    Attributes:
        images: uint8 [N, 3, size, size], or what stands for such a tensor and decodes images when they are asked for.
        labels: [N] names, or for several labels an image bool [N, C].
        parts: [N] train, validation or test.
        ids: [N]. clusters: [N], what belongs together when items are resampled (a concept, a drawing's title).
        classes: names of the C columns; empty for single labels.
        pixels: what names the images without decoding them; empty where they are in memory.
    """

    images: torch.Tensor | OnDemandImages
    labels: np.ndarray
    parts: np.ndarray
    ids: np.ndarray
    clusters: np.ndarray
    classes: tuple[str, ...] = ()
    pixels: str = ""

    @functools.cached_property
    def fingerprint(self) -> str:
        """Hash of everything in it, 16 hexadecimal digits."""
        digest = hashlib.sha256(self.pixels.encode() if self.pixels else self.images.contiguous().numpy())
        for column in (self.labels, self.parts, self.ids, self.clusters, np.array(self.classes, object)):
            digest.update("\x1f".join(map(str, column.ravel().tolist())).encode() + b"\x1e")
        return digest.hexdigest()[:16]


@dataclass(frozen=True)
class TransferSet:
    """One set and how it is scored.

    Attributes:
        metric: one of ``METRICS``, the set's own (Kornblith et al. 2019, table 1).
        where: ``embedded``, ``path`` (below the folder named by ``STABLEREP_DATA``) or ``hub``.
        source: for :func:`stablerep.corpus.load_corpus`, or a name in ``READERS``.
        label: column that holds the class.
        cluster: column of what belongs together; the image itself by default.
    """

    name: str
    metric: str
    where: str
    source: str
    label: str = "label"
    cluster: str = "id"
    options: dict = field(default_factory=dict)

    def __post_init__(self) -> None:
        if self.metric not in METRICS:
            raise InputError(f"metric is {self.metric!r}; valid metrics are {', '.join(METRICS)}.")


def _hub(name: str, source: str, metric: str, label: str = "label") -> TransferSet:
    return TransferSet(name, metric, "hub", f"hub:{source}", label, options={"captions": False, "labels": [label]})


def _path(name: str, folder: str, metric: str, label: str = "label", **options) -> TransferSet:
    return TransferSet(name, metric, "path", folder, label, options={"captions": False, **options})


TRANSFER_SETS = {s.name: s for s in (
    TransferSet("emoji group", "top-1", "embedded", "emoji", "group", "concept"),
    TransferSet("emoji subgroup", "mean per class", "embedded", "emoji", "subgroup", "concept"),
    TransferSet("emoji keywords", "11-point mAP", "embedded", "keywords"),
    TransferSet("digits", "top-1", "embedded", "digits"),
    TransferSet("clip art", "mean per class", "embedded", "clip-art", cluster="stem"),
    _path("CIFAR-10", "cifar10", "top-1"),
    _path("Fashion-MNIST", "fashion_mnist", "top-1"),
    # opened alike, so that the images of the three are decoded once
    _path("FairFace gender", "fairface64", "top-1", "gender", labels=["gender", "race", "age"]),
    _path("FairFace race", "fairface64", "mean per class", "race", labels=["gender", "race", "age"]),
    _path("FairFace age", "fairface64", "mean per class", "age", labels=["gender", "race", "age"]),
    # the paper's eleven but CIFAR-10, which is above, and ImageNet
    _hub("CIFAR-100", "uoft-cs/cifar100", "top-1", "fine_label"),
    _hub("Aircraft", "Donghyun99/FGVC-Aircraft", "mean per class"),
    _hub("Cars", "Donghyun99/Stanford-Cars", "top-1"),
    _hub("DTD", "tanganke/dtd", "top-1"),
    _hub("Flowers", "Donghyun99/Oxford-Flower-102", "mean per class"),
    _hub("Pets", "Donghyun99/Oxford-IIIT-Pet", "mean per class"),
    _hub("SUN397", "tanganke/sun397", "top-1"),
    _hub("Caltech-101", "Donghyun99/Caltech-101", "mean per class"),
    _hub("Food-101", "ethz/food101", "top-1"),
    TransferSet("VOC2007", "11-point mAP", "path", "voc2007"),
    _hub("ImageNet", "ILSVRC/imagenet-1k", "top-1"),
)}  # fmt: skip


def open_set(which: TransferSet, size: int) -> LabelledImages:
    """The images of a set at ``size`` pixels with labels and parts.

    Parts that a set does not name are made by :func:`stablerep.probes.parts.three_parts`: FairFace, which has no test part, is tested on its
    validation part.

    Raises:
        ValueError: the set is not there, with the reason and what would bring it.
    """
    if which.where == "path" and not os.environ.get("STABLEREP_DATA"):
        raise InputError(f"{which.name} is read from a folder below STABLEREP_DATA, which is not set.")
    if which.source in READERS:
        return READERS[which.source](size)
    corpus = _opened(which.source, json.dumps(which.options), os.environ.get("STABLEREP_DATA", ""))
    table, images = corpus.table, OnDemandImages(corpus, size)
    kept = table[which.label].notna().to_numpy(copy=True)
    if which.source == "emoji":  # variants in skin tones would outweigh everything else
        kept &= (table["skin_tone"] == 0).to_numpy()
    if not kept.all():  # among them test images of public sets whose labels are kept secret
        table, images = table[kept].reset_index(drop=True), images.only(kept)
    labels, ids = (table[column].astype(str).to_numpy(object) for column in (which.label, "id"))
    clusters = table[which.cluster].astype(str).to_numpy(object)
    parts = three_parts(table["split"].to_numpy(object), labels, ids)
    return LabelledImages(images, labels, parts, ids, clusters, pixels=f"{corpus.fingerprint}-{size}px")


@functools.lru_cache(maxsize=1)
def _opened(source: str, options: str, data: str) -> Corpus:
    """A corpus below the folder ``data``; kept until another is asked for."""
    from stablerep.corpus import load_corpus

    return load_corpus(source, **json.loads(options))


def _keywords(size: int, *, least: int = 60) -> LabelledImages:
    """Emoji with the keywords that at least ``least`` of their drawings carry in training, and some in each other part."""
    from stablerep.corpus import load_corpus

    corpus = load_corpus("emoji")
    corpus = corpus.where(corpus.table["skin_tone"] == 0)
    table = corpus.table
    parts = table["split"].to_numpy(object)
    words = table["keywords"].str.split("|").apply(set)
    carried = (
        pd.DataFrame({"part": parts, "word": words})
        .explode("word")
        .groupby(["word", "part"])
        .size()
        .unstack(fill_value=0)
    )
    kept = carried[(carried["train"] >= least) & (carried["validation"] > 0) & (carried["test"] > 0)].index
    classes = tuple(sorted(word for word in kept if word))
    labels = np.array([[word in mine for word in classes] for mine in words])
    ids = table["id"].to_numpy(object)
    images, clusters = OnDemandImages(corpus, size), table["concept"].to_numpy(object)
    return LabelledImages(images, labels, parts, ids, clusters, classes, pixels=f"{corpus.fingerprint}-{size}px")


@functools.lru_cache(maxsize=1)
def _digits(size: int) -> LabelledImages:
    """Handwritten digits that scikit-learn brings, 8 pixels a side, dark on white here: half for training, a fifth for validation."""
    from sklearn.datasets import load_digits
    from torch.nn.functional import interpolate

    found = load_digits()
    grey = torch.from_numpy(255 - found.images / 16 * 255).float()[:, None]
    images = interpolate(grey, size=(size, size), mode="bilinear").round().byte().expand(-1, 3, -1, -1).contiguous()
    labels, ids = found.target.astype(str).astype(object), np.arange(len(grey)).astype(str).astype(object)
    rank = (
        pd.Series([hashlib.sha256(f"digit {i}".encode()).hexdigest() for i in ids]).groupby(labels).rank(method="first")
    )
    tenth = rank.to_numpy() % 10
    parts = np.where(tenth < 5, "train", np.where(tenth < 7, "validation", "test")).astype(object)
    return LabelledImages(images, labels, parts, ids, ids)


def _voc2007(size: int) -> LabelledImages:
    """VOC2007 as torchvision lays it out below ``STABLEREP_DATA``: the objects of each image.

    Objects marked difficult count as not shown; the challenge's own program leaves such images out of a class's precision.
    """
    from stablerep.torchvision_shim import ensure_torchvision_imports

    ensure_torchvision_imports()
    from torchvision.datasets import VOCDetection

    from stablerep.corpus.decoding import decode_image

    root, images, things, parts, ids = Path(os.environ["STABLEREP_DATA"]).expanduser(), [], [], [], []
    for split, part in (("train", "train"), ("val", "validation"), ("test", "test")):
        try:
            found = VOCDetection(root, year="2007", image_set=split)
        except (RuntimeError, FileNotFoundError) as error:
            raise InputError(
                f"VOC2007 ({split}) is not below STABLEREP_DATA as VOCdevkit/VOC2007; torchvision.datasets.VOCDetection(FOLDER, year='2007', "
                f"image_set='{split}', download=True) fetches it."
            ) from error
        for place, file in enumerate(found.images):
            images.append(decode_image(Path(file).read_bytes(), size))
            marked = found[place][1]["annotation"]["object"]
            things.append({thing["name"] for thing in marked if thing.get("difficult", "0") != "1"})
            parts.append(part)
            ids.append(Path(file).stem)
    classes = tuple(sorted(set().union(*things)))
    labels = np.array([[name in mine for name in classes] for mine in things])
    names = np.array(ids, object)
    return LabelledImages(torch.from_numpy(np.stack(images)), labels, np.array(parts, object), names, names, classes)


READERS: dict[str, Callable[[int], LabelledImages]] = {"keywords": _keywords, "digits": _digits, "voc2007": _voc2007}
