"""What is computed of sampled images beside those of a corpus: how varied they are, and which look too much like one of the corpus."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
from torch import Tensor

from stablerep.audits.pixels import levels
from stablerep.audits.resemblance import MostAlike, call_copies
from stablerep.audits.scan import picked
from stablerep.audits.spread import FEATURES, PIXELS, directions, near_duplicates, spread
from stablerep.checkpoint import load_checkpoint, save_checkpoint, save_table, save_weights
from stablerep.corpus import Corpus
from stablerep.corpus.on_demand import OnDemandImages
from stablerep.encoders import extract_features
from stablerep.png import png_of
from stablerep.probes.extraction import features_of, progress
from stablerep.study.audit_card.against import Against, Features
from stablerep.study.store.runs import Run

SIDE = 32  # pixels, at which pixels are compared and people are read
BLOCK, KEPT = 2048, 2  # images of a corpus that pass at once; blocks after which a checkpoint is written
PAIRS = 6  # pairs that are shown, by each way of comparing


def small(run: Run, size: int) -> Tensor:
    """The sampled images of a run at a side in pixels, uint8 [n, 3, size, size]."""
    from safetensors.torch import load_file

    return load_file(run.path("sample.safetensors"))[str(size)]


def seen(run: Run) -> Tensor:
    """The features of the sampled images of a run, float [n, D]."""
    from safetensors.torch import load_file

    return load_file(run.path("features.safetensors"))["features"]


def varied(images: Run, features: Features, seed: int, folder: Path) -> dict:
    """Features of the sampled images, and how varied these are."""
    captions = images.table("sample")["caption"].tolist()
    found = features_of(features.open(), small(images, features.size))
    save_weights(folder / "features.safetensors", {"features": found})
    save_table(folder / "spread.parquet", spread(found, captions, seed=seed))
    save_table(folder / "near.parquet", near_duplicates(found, small(images, SIDE), captions))
    return {"images": len(captions)}


def background(against: Against, features: Features, sample: int, seed: int, folder: Path) -> dict:
    """The same of a sample of the corpus."""
    corpus = against.corpus
    rows = np.sort(picked(corpus.table["id"].tolist(), corpus.table["caption"].tolist(), sample))
    captions = corpus.table["caption"].iloc[rows].tolist()
    pixels = {str(size): OnDemandImages(corpus, size)[rows] for size in sorted({SIDE, features.size})}
    found = features_of(features.open(), pixels[str(features.size)])
    save_weights(folder / "sample.safetensors", pixels)
    save_weights(folder / "features.safetensors", {"features": found})
    table = pd.DataFrame({"row": rows, "caption": captions, "half": against.halves[rows]})
    save_table(folder / "sample.parquet", table)
    save_table(folder / "spread.parquet", spread(found, captions, seed=seed))
    save_table(folder / "near.parquet", near_duplicates(found, pixels[str(SIDE)], captions))
    return {"images": len(captions)}


def copies(against: Against, features: Features, images: Run, diversity: Run, beside: Run, folder: Path) -> dict:
    """Which sampled images look too much like one of the corpus, which passes block by block."""
    corpus, halves = against.corpus, against.halves
    asked, known = (
        {PIXELS: MostAlike(levels(small(one, SIDE)), PIXELS), FEATURES: MostAlike(directions(seen(two)), FEATURES)}
        for one, two in ((images, diversity), (beside, beside))
    )
    pixels = OnDemandImages(corpus, SIDE)
    let_pass(corpus, features, halves, [*asked.values(), *known.values()], folder / "checkpoint.pt")
    half = beside.table("sample")["half"].to_numpy()
    table, others, summary = images.table("sample"), pd.DataFrame({"half": half}), {}
    for by, finder in asked.items():
        calls = call_copies(finder, known[by], half)
        found = {"called": calls.called, "likeness": calls.likeness, "place": calls.place}
        found |= {f"half {k}": finder.likeness[k].numpy() for k in (0, 1)}
        table = table.assign(**{f"{by}, {name}": values for name, values in found.items()})
        others[f"{by}, likeness"] = np.where(half == 1, *(known[by].likeness[k].numpy() for k in (0, 1)))
        bars = [bar if np.isfinite(bar) else None for bar in calls.bars]
        summary |= {f"{by}, bars": bars, f"{by}, background": calls.background}
    save_table(folder / "copies.parquet", table)
    save_table(folder / "background.parquet", others)
    save_table(folder / "pairs.parquet", pairs(table, small(images, SIDE), pixels, corpus.table["caption"]))
    return summary


def let_pass(
    corpus: Corpus, features: Features, halves: np.ndarray, finders: list[MostAlike], checkpoint: Path
) -> None:
    """Show a corpus to finders block by block; what was cut goes on from the checkpoint."""
    backbone, state = features.open(), load_checkpoint(checkpoint)
    for finder, stored in zip(finders, state["finders"] if state else ()):
        finder.resume(stored)
    pixels, drawn = OnDemandImages(corpus, SIDE), OnDemandImages(corpus, features.size)
    start = state["next"] if state else 0
    with progress(total=len(corpus), initial=start, desc="the corpus passes", unit="image") as bar:
        for first in range(start, len(corpus), BLOCK):
            some = slice(first, first + BLOCK)
            block = pixels[some]
            looked = extract_features(backbone, block if features.size == SIDE else drawn[some])
            passing = {PIXELS: levels(block), FEATURES: directions(looked)}
            for finder in finders:
                finder.see(passing[finder.by], first, halves[some])
            bar.update(len(block))
            if first // BLOCK % KEPT == KEPT - 1:
                now = {"next": first + BLOCK, "finders": [finder.state for finder in finders]}
                save_checkpoint(checkpoint, now)


def pairs(table: pd.DataFrame, images: Tensor, corpus: OnDemandImages, captions: pd.Series) -> pd.DataFrame:
    """The images that are most like one of the corpus, by each way of comparing, with that one: no two of the same caption, or of the same image there."""
    rows = []
    for by in (PIXELS, FEATURES):
        ranked = table.sort_values(f"{by}, likeness", ascending=False, kind="stable")
        ranked = ranked[ranked[f"{by}, place"] >= 0].drop_duplicates("caption").drop_duplicates(f"{by}, place")
        for at in ranked.index[:PAIRS]:
            place = int(table.loc[at, f"{by}, place"])
            rows.append({
                "by": by, "caption": table.loc[at, "caption"], "of": captions.iloc[place], "likeness": table.loc[at, f"{by}, likeness"],
                "called": bool(table.loc[at, f"{by}, called"]), "png": png_of(images[at].numpy()), "png there": png_of(corpus[place].numpy()),
            })  # fmt: skip
    return pd.DataFrame(rows)
