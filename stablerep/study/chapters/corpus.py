"""The corpus: how many captions, images, splits, and what the labels say about people."""

from __future__ import annotations

import pandas as pd

from stablerep.corpus import SPLITS, load_corpus
from stablerep.study.experiments.study import Study
from stablerep.study.parameters.base import CorpusParameters

TONES = ("none", "light", "medium-light", "medium", "medium-dark", "dark")


def ask(p: CorpusParameters, study: Study) -> None:
    """The chapter asks for no run."""


def compute(p: CorpusParameters, study: Study) -> dict[str, pd.DataFrame]:
    """Tables: ``designs`` (icons and captions by design), ``splits`` (by part and group), ``people`` (tone by gender), ``examples``."""
    table = load_corpus("emoji", designs=p.designs, flags=p.flags).table
    designs = table.groupby("design").agg(
        images=("id", "size"), captions=("caption", "nunique"), concepts=("concept", "nunique")
    )
    parts = table.groupby(["split", "group"]).agg(
        images=("id", "size"), captions=("caption", "nunique"), concepts=("concept", "nunique")
    )
    captions = table.drop_duplicates("caption")
    people = captions[captions["gender"] != ""]
    people = people.groupby(["skin_tone", "gender"]).size().rename("captions").reset_index()
    people["tone"] = people["skin_tone"].map(dict(enumerate(TONES)))
    parts = parts.reset_index()
    parts["split"] = pd.Categorical(parts["split"], SPLITS, ordered=True)
    per_caption = (
        table.groupby("caption").size().rename("images").value_counts().sort_index().rename("captions").reset_index()
    )
    return {
        "designs": designs.reset_index(),
        "splits": parts.sort_values(["split", "group"], ignore_index=True).astype({"split": str}),
        "people": people,
        "images_per_caption": per_caption,
    }
