"""A row for each of a few captions, with images of several kinds beside each other."""

from __future__ import annotations

import io
from collections.abc import Mapping
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from stablerep.figures.images import image_grid
from stablerep.figures.people_and_things import apart
from stablerep.figures.tables import of_other_captions

if TYPE_CHECKING:
    from matplotlib.figure import Figure


def strip(table: pd.DataFrame) -> Figure:
    """A row for each caption: its real images, generated ones, and what an encoder finds most alike to the first of these among things that it
    has not seen, but for people beside things (:func:`stablerep.figures.people_and_things.apart`).

    Args:
        table: of :func:`stablerep.audits.neighbours.strip`.
    """
    figure = _kinds_side_by_side(
        table, {"real": "real images", "generated": "generated images", "found": "found most alike"}
    )
    captions = list(dict.fromkeys(table["caption"]))
    kept = apart(table)
    found = kept[kept["kind"] == "found"].groupby("caption", sort=False)["shows"].agg(", ".join)
    said = "; ".join(f"for {caption}: {found.get(caption, 'none that is shown')}" for caption in captions)
    figure.set_label(
        f"{len(captions)} captions with real and generated scenes, and what the encoder finds most alike among concepts that it has not seen, {said}."
    )
    return figure


def retrieved(table: pd.DataFrame) -> Figure:
    """A row for each caption: its real images, synthetic ones, and what each way of retrieval gives for it, but for people beside things.

    Args:
        table: ``caption``, ``kind`` (the title of its columns), ``index``, ``shows`` (the caption of the image) and ``png``.
    """
    kinds, captions = list(dict.fromkeys(table["kind"])), list(dict.fromkeys(table["caption"]))
    figure = _kinds_side_by_side(table, {kind: kind.replace(", ", ",\n") for kind in kinds})
    figure.set_label(f"{len(captions)} captions with {', '.join(kinds)}. {of_other_captions(table)}")
    return figure


def _kinds_side_by_side(table: pd.DataFrame, titles: Mapping[str, str]) -> Figure:
    """A row for each caption, empty where it has fewer images of a kind than others, or where people would stand beside things.

    Args:
        table: ``caption``, ``kind``, ``index``, ``shows`` and ``png``. titles: of the kinds, in their order.
    """
    from PIL import Image

    captions = list(dict.fromkeys(table["caption"]))
    most = {kind: int(table.loc[table["kind"] == kind, "index"].max()) + 1 for kind in titles}
    opened = {
        (row.caption, row.kind, row.index): Image.open(io.BytesIO(row.png)).convert("RGBA")
        for row in apart(table).itertuples(index=False)
    }  # fmt: skip
    side = max(one.width for one in opened.values())  # a generator may draw larger images than encoders see
    pictures = {place: np.asarray(one.resize((side, side), Image.Resampling.NEAREST)) for place, one in opened.items()}
    blank = np.zeros_like(next(iter(pictures.values())))  # of no opacity: a page may be dark
    images = [
        [pictures.get((one, kind, place), blank) for kind in titles for place in range(most[kind])] for one in captions
    ]
    return image_grid(np.asarray(images), captions, list(titles.values()), groups=list(most.values()))
