"""An example of a batch, drawn from the embedded emoji: which images are each other's positives."""

from __future__ import annotations

import numpy as np
import pandas as pd


def example_batch(seed: int = 0, size: int = 32) -> tuple[np.ndarray, dict[str, np.ndarray], list[str]]:
    """The views of a small batch, their ids under three schemes, and their captions, for :func:`stablerep.figures.positives`.

    Two captions of one subgroup and one of another, each with two images, one in either of two designs, and two views of each image.
    """
    from stablerep.corpus import load_corpus
    from stablerep.seeding import generator_for
    from stablerep.views import ViewRecipe, make_views

    captions, designs = ("cat face", "dog face", "pie"), ("noto", "fluent-emoji-flat")
    corpus = load_corpus("emoji", designs=list(designs))
    part = corpus.where(corpus.table["caption"].isin(captions).to_numpy())
    place = {key: number for number, key in enumerate(zip(part.table["caption"], part.table["design"]))}
    images = part.images(size)[[place[caption, design] for caption in captions for design in designs]]
    views = make_views(images.repeat_interleave(2, 0), ViewRecipe(size=size), generator_for(seed, "example", "views"))
    subgroup = part.table.drop_duplicates("caption").set_index("caption")["subgroup"]
    each = np.repeat(np.arange(len(captions)), 4)
    return (
        _pixels(views),
        {
            "SimCLR: two views of an image": np.repeat(np.arange(len(images)), 2),
            "StableRep: images of a caption": each,
            "Supervised contrastive: images of a subgroup": pd.factorize(subgroup[list(captions)])[0][each],
        },
        [captions[k] for k in each],
    )


def _pixels(views) -> np.ndarray:
    """Views float [N, 3, H, W] in 0..1 as uint8 [N, H, W, 3]."""
    return views.mul(255).round().byte().permute(0, 2, 3, 1).numpy()
