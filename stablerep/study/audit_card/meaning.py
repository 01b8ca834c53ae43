"""What is computed of sampled images with the captions and labels of a corpus: whether they show what they are called, and whom they show."""

from __future__ import annotations

import hashlib
from pathlib import Path

import numpy as np
import pandas as pd
import torch

from stablerep.audits.groups import FEWEST
from stablerep.audits.own_caption import FEWEST as FEWEST_SHARED
from stablerep.audits.own_caption import own_first, two_halves, what_is_named
from stablerep.checkpoint import save_table
from stablerep.corpus.on_demand import OnDemandImages
from stablerep.errors import InputError
from stablerep.probes.extraction import features_of
from stablerep.study.audit_card.against import Against, Features
from stablerep.study.audit_card.comparing import SIDE, seen, small
from stablerep.study.experiments.people_images import people_in, with_clusters
from stablerep.study.store.runs import Run

MOST_READ = 6000  # images of people from which a reader learns, at most
FEWEST_READ = 10  # images of people, below which no shares are given
AUDITED, REAL = "audited", "real"  # sources in the table of what comes first


def own_caption(against: Against, features: Features, images: Run, diversity: Run, folder: Path) -> dict:
    """How often what a caption names comes first, where the corpus has the captions too; else why that is not said."""
    corpus, captions = against.corpus, images.table("sample")["caption"].tolist()
    shared = set(captions) & set(corpus.table["caption"])
    if len(shared) < FEWEST_SHARED:
        return {
            "left_out": f"{against.name} has {len(shared)} of the {len(set(captions))} captions; {FEWEST_SHARED} are needed."
        }
    column = what_is_named(corpus)
    names = dict(zip(corpus.table["caption"], corpus.table[column].astype(str)))
    gallery, others = two_halves(corpus, sorted(shared))
    if gallery.table["caption"].nunique() < FEWEST_SHARED:
        return {"left_out": f"half of the images of {against.name} have fewer than {FEWEST_SHARED} of the captions."}
    backbone = features.open()
    looked = {
        name: (features_of(backbone, OnDemandImages(part, features.size)), part.table["caption"].tolist())
        for name, part in (("gallery", gallery), (REAL, others))
        if len(part)
    }
    asked = {AUDITED: (seen(diversity), captions)} | {name: looked[name] for name in (REAL,) if name in looked}
    found = own_first(looked["gallery"], asked, names)
    if AUDITED not in set(found["source"]):
        return {"left_out": f"no sampled image has a caption of that half of the images of {against.name}."}
    save_table(folder / "own.parquet", found)
    return {"named": column, "shared": len(shared)}


def to_read(against: Against, captions: list[str]) -> tuple[np.ndarray, np.ndarray]:
    """Which images of people of the corpus a reader learns from, whole clusters by hash, and which of some captions are of people: truth values."""
    corpus = people_in(against.corpus)
    clusters = with_clusters(corpus)["cluster"]
    sizes = clusters.value_counts()
    order = sorted(sizes.index, key=_rank)
    whole = sizes.loc[order].cumsum() <= MOST_READ
    learned = clusters.isin(whole[whole].index).to_numpy()
    if len(corpus) == len(against.corpus):
        return learned, np.ones(len(captions), bool)
    return learned, pd.Series(captions).isin(set(corpus.table["caption"])).to_numpy()


def _rank(name: str) -> str:
    return hashlib.sha256(f"people:{name}".encode("utf-8", "surrogatepass")).hexdigest()


def people(against: Against, images: Run, seed: int, folder: Path) -> dict:
    """Whom the sampled images show, as far as readers that learned from the corpus can tell; else why that is not said."""
    from stablerep.audits.people import read_people

    captions = images.table("sample")["caption"]
    learned, mine = to_read(against, captions.tolist())
    if mine.sum() < FEWEST_READ:
        how = f"{int(mine.sum())} of the {len(mine)} sampled images have a caption of people in {against.name}"
        return {"left_out": f"{how}; {FEWEST_READ} are needed."}
    known = people_in(against.corpus).where(learned)
    rows = with_clusters(known)
    asked = captions[mine].tolist()
    ids, names = pd.factorize(pd.Series(asked))
    if few := len(names) < FEWEST:  # too few captions to resample: every image stands for itself
        ids, names = np.arange(len(asked)), asked
    drawn = small(images, SIDE)[torch.from_numpy(np.flatnonzero(mine))]
    try:
        found = read_people(
            (known.images(SIDE), rows), (None, rows[:0]), {0.0: (drawn, ids)}, list(names), against.corpus.people, seed=seed
        )  # fmt: skip
    except InputError as error:
        return {"left_out": f"no reader can learn from {against.name}: {error}"}
    for name, table in found.items():
        save_table(folder / f"{name}.parquet", table)
    return {
        "images": len(asked),
        "captions": len(set(asked)),
        "learned": len(known),
        "over": "images" if few else "captions",
    }
