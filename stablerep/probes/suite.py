"""The suite of probes: what every encoder of a comparison is asked about the held-out images of a corpus."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from stablerep.corpus import Corpus
from stablerep.errors import InputError

if TYPE_CHECKING:
    import torch

SIZE = 32  # pixels of the embedded study
COLUMNS = ["probe", "id", "cluster", "design", "truth", "prediction", "correct"]


def evaluate(
    backbone: torch.nn.Module, corpus: Corpus, size: int = SIZE, *, part: str, device: str | None = None
) -> pd.DataFrame:
    """Every probe that a corpus allows, one row per item that is asked for.

    The probes are ``linear LABEL`` for every label of the corpus, ``knn LABEL`` for the last one, which is the finest, and, where two or more
    designs are there, ``one-shot CLUSTER`` and ``few-shot CLUSTER`` across designs (:mod:`stablerep.probes.nearest`). Training images
    fit the first two, and validation images the linear one too, once they have chosen its penalty; a corpus that names no validation part gives some of its training images to it
    (:func:`stablerep.probes.parts.three_parts`). Images without a label take no part in the probes for it, and what is held out
    (``held_out``) fits no probe.

    Where there are designs, each cluster has one image in each of them, so that the many variants of people do not outweigh everything
    else: the one whose id is ``DESIGN/CLUSTER``, or else the first by id, those without skin tone first.

    Args:
        backbone: float [N, 3, size, size] to float [N, D].
        corpus: with ``labels``, ``cluster`` and ``designs`` naming what its table knows.
        size: side of the images in pixels.
        part: ``test``, which a reference alone may ask for, or ``validation``, on which everything is chosen: then the probes' own
            penalties are chosen on a fifth of the training images, and nothing that is held out is seen.

    Returns:
        ``probe``, ``id``, ``cluster`` (what belongs together when items are resampled), ``design`` ("" where there is none), ``truth``,
        ``prediction`` ("" across designs), ``correct``. Classes are text.

    Raises:
        InputError: the corpus has neither a label nor two designs, or a part that a probe needs is empty.
    """
    from stablerep.probes.extraction import features_of

    corpus = open_for(corpus, part)
    if corpus.designs:
        corpus = _one_of_each(corpus)
    corpus = _without_idle(corpus, part)
    table = corpus.table
    several = bool(corpus.designs) and table["design"].nunique() > 1
    if not corpus.labels and not several:
        raise InputError(
            f"the corpus {corpus.name} has no label and fewer than two designs; its probes need labels, a column of classes, or "
            "the same things drawn in at least two designs."
        )
    features = features_of(backbone, corpus.images(size), device=device, name="features for the probes")
    about = pd.DataFrame({
        "id": table["id"], "cluster": table[corpus.cluster].astype(str), "design": table["design"] if corpus.designs else "",
    })  # fmt: skip
    results = [
        found
        for label in corpus.labels
        for found in _of_label(features, table, about, label, label == corpus.labels[-1])
    ]
    if several:
        results += _across_designs(features, about, (table["split"] == part).to_numpy(), corpus.cluster)
    return pd.concat([found[COLUMNS] for found in results], ignore_index=True)


def open_for(corpus: Corpus, part: str) -> Corpus:
    """What probes that ask for a part may look at: all for ``test``; for ``validation`` neither the test part nor what is held out."""
    if part not in ("validation", "test"):
        raise InputError(f"part is {part!r}; it is test or validation.")
    if part == "test":
        return corpus
    kept = corpus.table["split"] != "test"
    return corpus.where(kept & ~corpus.table["held_out"] if "held_out" in corpus.table else kept)


def _of_label(features, table, about, label: str, nearest: bool) -> list[pd.DataFrame]:
    """The linear probe for one label and, with ``nearest``, that by nearest neighbours."""
    from stablerep.probes.linear import linear_probe
    from stablerep.probes.nearest import knn_probe
    from stablerep.probes.parts import three_parts

    known = np.flatnonzero(table[label].notna())
    if not len(known):
        raise InputError(f"no image has a {label}; a probe for it needs labelled images.")
    classes = table[label].iloc[known].astype(str).to_numpy(object)
    named = three_parts(table["split"].iloc[known].to_numpy(object), classes, table["id"].iloc[known].to_numpy(object))
    if "held_out" in table:
        named[table["held_out"].iloc[known].to_numpy() & (named != "test")] = "none"
    parts, labels = {}, {}
    for part in ("train", "validation", "test"):
        mine = named == part
        if not mine.any():
            raise InputError(f"no image of the {part} part has a {label}; a probe for it needs some.")
        parts[part], labels[part] = features[known[mine].tolist()], classes[mine].tolist()
    asked = about.iloc[known[named == "test"]].reset_index(drop=True)
    found = [asked.join(linear_probe(parts, labels)).assign(probe=f"linear {label}")]
    if nearest:
        answers = knn_probe(parts["train"], labels["train"], parts["test"], labels["test"])
        found.append(asked.join(answers).assign(probe=f"knn {label}"))
    return found


def _one_of_each(corpus: Corpus) -> Corpus:
    """One image of each cluster and design."""
    table = corpus.table
    order = pd.DataFrame({
        "toned": table["skin_tone"] != 0 if "skin_tone" in table else False,
        "variant": table["id"] != table["design"] + "/" + table[corpus.cluster],
        "id": table["id"],
    })  # fmt: skip
    first = table.loc[order.sort_values(["toned", "variant", "id"]).index].drop_duplicates([corpus.cluster, "design"])
    return corpus.where(table.index.isin(first.index))


def _without_idle(corpus: Corpus, part: str) -> Corpus:
    """Without what is held out and not asked for: it fits no probe, and its features need not be computed."""
    table = corpus.table
    if "held_out" not in table:
        return corpus
    asked = (
        part if (table["split"] == part).any() else "validation"
    )  # a corpus without a test part is tested on that one
    return corpus.where((table["split"] == asked) | ~table["held_out"])


def _across_designs(features, about: pd.DataFrame, asked: np.ndarray, cluster: str) -> list[pd.DataFrame]:
    """Recognition of the clusters that are asked for across their designs."""
    from stablerep.probes.nearest import few_shot_across_designs, one_shot_across_designs

    if not asked.any():
        raise InputError("no image belongs to the part that is asked for; recognition needs some.")
    rows = about[asked]
    given = features[np.flatnonzero(asked).tolist()], rows["cluster"].tolist(), rows["design"].tolist()
    one = one_shot_across_designs(*given).rename(columns={"concept": "cluster"})
    few = few_shot_across_designs(*given).rename(columns={"concept": "cluster"})
    one["id"] = one["gallery"] + "/" + one["design"] + "/" + one["cluster"]
    few["id"] = few["design"] + "/" + few["cluster"]
    return [
        found.assign(probe=f"{name} {cluster}", truth=found["cluster"], prediction="")
        for name, found in (("one-shot", one), ("few-shot", few))
    ]
