"""An example of a batch, drawn from the embedded emoji: which images are each other's positives."""

from __future__ import annotations

import numpy as np
import pandas as pd


def example_batch(seed: int = 0, size: int = 32) -> tuple[np.ndarray, dict]:
    """Thumbnails and ids of a small batch under four schemes, for :func:`stablerep.figures.positives`.

    Two captions of one subgroup and one of another, in two designs each; SimCLR sees two views of one design of each.
    """
    from stablerep.corpus import load_corpus
    from stablerep.seeding import generator_for
    from stablerep.views import ViewRecipe, make_views

    captions, designs = ("cat face", "dog face", "pizza"), ("noto", "twemoji")
    corpus = load_corpus("emoji", designs=list(designs))
    rows = corpus.table.set_index(["caption", "design"])
    place = {key: number for number, key in enumerate(zip(corpus.table["caption"], corpus.table["design"]))}
    chosen = [(caption, design) for caption in captions for design in designs]
    keep = np.isin(np.arange(len(corpus.table)), [place[key] for key in chosen])
    part = corpus.where(keep)
    order = {key: number for number, key in enumerate(zip(part.table["caption"], part.table["design"]))}
    images = part.images(size)[[order[key] for key in chosen]]
    recipe = ViewRecipe(size=size)
    singles = images[::2].repeat_interleave(2, 0)
    views = make_views(singles, recipe, generator_for(seed, "example", "views"))
    shown = make_views(images, recipe, generator_for(seed, "example", "images"))
    subgroup = pd.factorize(pd.Series([rows.loc[key, "subgroup"] for key in chosen]))[0]
    caption = np.repeat(np.arange(len(captions)), 2)
    return _pixels(shown), {
        "SimCLR: two views of an image": (_pixels(views), caption),
        "StableRep: images of a caption": caption,
        "Supervised contrastive: images of a subgroup": subgroup,
        "Caption as class: the number of the caption": caption,
    }


def _pixels(views) -> np.ndarray:
    """Views float [N, 3, H, W] in 0..1 as uint8 [N, H, W, 3]."""
    return views.mul(255).round().byte().permute(0, 2, 3, 1).numpy()
