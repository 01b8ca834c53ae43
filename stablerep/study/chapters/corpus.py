"""The corpus: how many captions, images, splits, and what the labels say about people."""

from __future__ import annotations

import pandas as pd

from stablerep.corpus import SPLITS, Corpus, load_corpus
from stablerep.study.chapters import Headline
from stablerep.study.experiments.answers import Answer
from stablerep.study.experiments.study import Study
from stablerep.study.parameters import base
from stablerep.study.parameters.base import Design, knob
from stablerep.study.parameters.presets import FEW_DESIGNS

QUESTION = "What are the captions and images, and what is known about the people in them?"
CLAIMS = ()
HEADLINE = Headline("designs", ("design",), "captions", "captions")


class Parameters(base.Parameters):
    designs: list[Design] = knob("emoji designs to show", min_length=1)
    flags: bool = knob("count flags too")
    size: int = knob("side of the drawn images", unit="pixels", ge=16, le=256)


PRESETS = {
    "laptop": dict(designs=list(base.DESIGNS), flags=False, size=64),
    "smoke": dict(designs=FEW_DESIGNS, size=32),
}


def ask(p: Parameters, study: Study) -> Corpus:
    """The chapter asks for no run: it reads the emoji themselves."""
    return load_corpus("emoji", designs=p.designs, flags=p.flags)


def compute(p: Parameters, asked: Corpus) -> dict[str, pd.DataFrame]:
    """Tables: ``designs`` (images and captions by design), ``splits`` (by part and group), ``people`` (tone by gender),
    and ``images_per_caption``."""
    table = asked.table
    counts = dict(images=("id", "size"), captions=("caption", "nunique"), concepts=("concept", "nunique"))
    parts = table.groupby(["split", "group"]).agg(**counts).reset_index()
    parts["split"] = pd.Categorical(parts["split"], SPLITS, ordered=True)
    captions = table.drop_duplicates("caption")
    people = captions[captions["gender"] != ""].groupby(["skin_tone", "tone", "gender"]).size()
    per_caption = table.groupby("caption").size().rename("images").value_counts().sort_index()
    return {
        "designs": table.groupby("design").agg(**counts).reset_index(),
        "splits": parts.sort_values(["split", "group"], ignore_index=True).astype({"split": str}),
        "people": people.rename("captions").reset_index(),
        "images_per_caption": per_caption.rename("captions").reset_index(),
    }


def verdict(tables: dict[str, pd.DataFrame]) -> list[Answer]:
    """The chapter tests no claim."""
    return []
