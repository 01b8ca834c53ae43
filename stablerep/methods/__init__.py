"""The learning methods of the study, by name. The training loop is the same for all; a method is a network and a rule for ids.

| name | what it learns from | module |
|---|---|---|
| ``simclr`` | two views of an image | :mod:`stablerep.encoders`, :mod:`stablerep.losses` |
| ``supcon`` | views of images of one class | the same, ids = class |
| ``stablerep`` | images of one caption | the same, ids = caption |
| ``clip``, ``stablerep+`` | images with their caption | the same, with a text tower |
| ``supervised`` | cross-entropy to the class | :mod:`stablerep.methods.classification` |
| ``caption-as-class`` | cross-entropy to the number of the caption | the same |
| ``mae`` | the hidden patches of an image | :mod:`stablerep.methods.mae` |
| ``byol``, ``moco-v3``, ``dino`` | two views of an image, through a slow copy of the network | one module each |
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Traits:
    """What the training loop must know of a method.

    Attributes:
        ids: what makes two views belong together: ``image``, ``caption`` or ``class``.
        views: augmented views of each drawn image, in one step; a recipe may ask for others with ``crops_per_image``.
        several: whether a caption's m images are drawn in a step, else one.
        reads_captions: whether captions are tokenized for a text tower.
        crops_only: whether a view is a crop and flip without changes of colour.
    """

    title: str = ""
    where: str = "stablerep.encoders:Learner"
    teacher: bool = False
    ids: str = "image"
    views: int = 1
    several: bool = False
    reads_captions: bool = False
    crops_only: bool = False


METHODS: dict[str, Traits] = {
    "simclr": Traits(title="SimCLR", views=2),
    "clip": Traits(title="CLIP", ids="caption", reads_captions=True),
    "stablerep": Traits(title="StableRep", ids="caption", several=True),
    "stablerep+": Traits(title="StableRep+", ids="caption", several=True, reads_captions=True),
    "supcon": Traits(title="Supervised contrastive", ids="class", views=2),
    "supervised": Traits(title="Supervised", ids="class"),
    "caption-as-class": Traits(title="Caption as class", ids="caption"),
    "mae": Traits(title="MAE", crops_only=True),
    "byol": Traits(title="BYOL", teacher=True, views=2),
    "moco-v3": Traits(title="MoCo-v3", teacher=True, views=2),
    "dino": Traits(title="DINO", teacher=True, views=2),
}
