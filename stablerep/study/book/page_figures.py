"""Figures of pages that are no chapters: drawn from stored tables when the book is built, and shown as those of chapters are."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from stablerep.errors import MissingError
from stablerep.study.book.figure_files import KeptFigure
from stablerep.study.chapters import stored_tables

if TYPE_CHECKING:
    from matplotlib.figure import Figure
    from pandas import DataFrame

STRIP, LOSSES = "<!-- strip -->", "<!-- generator-losses -->"  # on the first page, and in the model card
PAGES = {"book/introduction": STRIP, "book/model_card": LOSSES}


def strip_figure(folder: Path) -> str:
    """The strip of the comparison's stored results as a figure in MyST, drawn into a folder, after a sentence that leads to it; empty where there is none."""
    from stablerep.figures import finds

    table = _stored_strip()
    if table is None:
        return ""
    words = (
        "From captions to what an encoder finds: real images of a caption, images that the generator made of it, and, for an encoder that learned from "
        f"generated images alone, what is most alike to the first of them. {finds(table)}"
    )
    lead = "{numref}`fig-strip` shows a few captions with real and synthetic images, and what an encoder that learned from the synthetic ones takes for most alike."
    return f"{lead}\n\n{_placed(drawn(STRIP), folder, 'strip', words)}"


def losses_figure(folder: Path) -> str:
    """The course of the generator's training as a figure in MyST, drawn into a folder."""
    return _placed(drawn(LOSSES), folder, "generator-losses", "The course of both stages of the training.")


def drawn(mark: str) -> KeptFigure | None:
    """The figure that takes the place of a mark; None where its table is not stored."""
    from stablerep import figures
    from stablerep.figures.losses import generator_losses

    if mark == LOSSES:
        return _kept("fig-generator-losses", generator_losses, _losses())
    table = _stored_strip()
    return None if table is None else _kept("fig-strip", figures.strip, table)


def _kept(name: str, draw: Callable[[DataFrame], Figure], table: DataFrame) -> KeptFigure:
    from stablerep.figures.shown import Drawing

    return KeptFigure.of(name, Drawing(draw, table)._repr_mimebundle_())


def _placed(kept: KeptFigure, folder: Path, file: str, words: str) -> str:
    (folder / f"{file}.svg").write_text(kept.wide, encoding="utf-8")
    return f":::{{figure}} {file}.svg\n:alt: {kept.alt}\n:name: {kept.name}\n\n{words}\n:::"


def _stored_strip() -> DataFrame | None:
    try:
        return stored_tables("compare")["strip"]
    except (MissingError, KeyError):
        return None


def _losses() -> DataFrame:
    """``stage``, ``step`` and ``value``, as the record of the generator's training has them."""
    import pandas as pd

    from stablerep.generator import EMBEDDED

    of = {"autoencoder": ("autoencoder-loss.csv", "decibel"), "denoiser": ("denoiser-loss.csv", "loss")}
    parts = []
    for stage, (file, column) in of.items():
        table = pd.read_csv(EMBEDDED / "training" / file)
        parts.append(pd.DataFrame({"stage": stage, "step": table["step"], "value": table[column]}))
    return pd.concat(parts, ignore_index=True)
