"""The learning methods of the study, by name. The training loop is the same for all; a method is a file here and a line below.

| name | what it learns from | module |
|---|---|---|
| ``simclr`` | two views of an image | :mod:`stablerep.methods.contrastive` |
| ``supcon`` | views of images of one class | the same, ids = class |
| ``stablerep`` | images of one caption | the same, ids = caption |
| ``clip``, ``stablerep+`` | images with their caption | the same, with a text tower |
| ``supervised`` | cross-entropy to the class | :mod:`stablerep.methods.classification` |
| ``caption-as-class`` | cross-entropy to the number of the caption | the same |
| ``mae`` | the hidden patches of an image | :mod:`stablerep.methods.mae` |
| ``byol``, ``moco-v3``, ``dino`` | two views of an image, through a slow copy of the network | one module each |

The lines name their modules as text, so that reading them loads no network and no method is part of another's code.
"""

from __future__ import annotations

import importlib
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from stablerep.methods.base import Method


@dataclass(frozen=True)
class Traits:
    """What the training loop must know of a method.

    Attributes:
        ids: what makes two views belong together: ``image``, ``caption``, ``class``, or ``caption-number``, the place of the caption
            among all captions instead of those of the step.
        views: augmented views of each drawn image, in one step; a recipe may ask for others with ``crops_per_image``.
        several: whether a caption's m images are drawn in a step, else one.
        reads_captions: whether captions are tokenized for a text tower.
        crops_only: whether a view is a crop and flip without changes of colour.
        contrastive: whether the loss is one of features, which others in the step are told from: gradients can be cached, more crops
            drawn, and a step needs at least two captions.
        projects: whether a contrastive method compares views with views, behind a projection head.
        teacher: whether it learns from a slow copy of its network.
        patches: whether it hides patches, and needs a Vision Transformer.
    """

    ids: str = "image"
    views: int = 1
    several: bool = False
    reads_captions: bool = False
    crops_only: bool = False
    contrastive: bool = False
    projects: bool = False
    teacher: bool = False
    patches: bool = False


@dataclass(frozen=True)
class MethodEntry:
    """A line of the registry.

    Attributes:
        title: what tables and figures call the method.
        colour: its colour in figures; methods of one family share one.
        where: ``module:Class`` of its :class:`stablerep.methods.base.Method`.
    """

    name: str
    title: str
    colour: str
    where: str
    traits: Traits


# Colours of the families: near Okabe and Ito's, and each with a contrast of 3 or more on white paper and on the dark page.
VIEWS, CAPTIONS, LANGUAGE, BOTH, LABELS, PATCHES, TEACHER = (
    "#0072B2", "#009E73", "#C04A00", "#A4389E", "#A88900", "#8A6A5C", "#4A9CC4",
)  # fmt: skip
_CONTRASTIVE = "stablerep.methods.contrastive:Contrastive"
_CLASSIFIER = "stablerep.methods.classification:Classifier"

METHODS: dict[str, MethodEntry] = {entry.name: entry for entry in (
    MethodEntry("simclr", "SimCLR", VIEWS, _CONTRASTIVE, Traits(views=2, contrastive=True, projects=True)),
    MethodEntry("clip", "CLIP", LANGUAGE, "stablerep.methods.contrastive:CLIP", Traits("caption", reads_captions=True, contrastive=True)),
    MethodEntry("stablerep", "StableRep", CAPTIONS, _CONTRASTIVE, Traits("caption", several=True, contrastive=True, projects=True)),
    MethodEntry("stablerep+", "StableRep+", BOTH, _CONTRASTIVE, Traits("caption", several=True, reads_captions=True, contrastive=True, projects=True)),
    MethodEntry("supcon", "Supervised contrastive", LABELS, _CONTRASTIVE, Traits("class", views=2, contrastive=True, projects=True)),
    MethodEntry("supervised", "Supervised", LABELS, _CLASSIFIER, Traits("class")),
    MethodEntry("caption-as-class", "Caption as class", LABELS, _CLASSIFIER, Traits("caption-number")),
    MethodEntry("mae", "MAE", PATCHES, "stablerep.methods.mae:MAE", Traits(crops_only=True, patches=True)),
    MethodEntry("byol", "BYOL", TEACHER, "stablerep.methods.byol:BYOL", Traits(views=2, teacher=True)),
    MethodEntry("moco-v3", "MoCo-v3", TEACHER, "stablerep.methods.moco:MoCoV3", Traits(views=2, teacher=True)),
    MethodEntry("dino", "DINO", TEACHER, "stablerep.methods.dino:DINO", Traits(views=2, teacher=True)),
)}  # fmt: skip


def methods_with(trait: str) -> list[str]:
    """Names of the methods that have a trait, such as ``contrastive``, in the order of the registry."""
    return [name for name, entry in METHODS.items() if getattr(entry.traits, trait)]


def method_class(name: str) -> type[Method]:
    """The class of a method; its module is imported here. Raises ``KeyError`` for a name that is not in ``METHODS``."""
    module, _, thing = METHODS[name].where.partition(":")
    return getattr(importlib.import_module(module), thing)
