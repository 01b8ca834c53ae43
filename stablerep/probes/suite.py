"""The suite of probes: what every encoder of a comparison is asked about the held-out images of a corpus."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from stablerep.corpus import Corpus
from stablerep.errors import InputError

if TYPE_CHECKING:
    import pandas as pd
    import torch

SIZE = 32  # pixels of the embedded study
COLUMNS = ["probe", "id", "cluster", "design", "truth", "prediction", "correct"]


def evaluate(backbone: torch.nn.Module, corpus: Corpus, size: int = SIZE, *, device: str = "cpu") -> pd.DataFrame:
    """Every probe that a corpus allows, one row per test item.

    The probes are ``linear LABEL`` for every label of the corpus, ``knn LABEL`` for the last one, which is the finest, and
    ``one-shot CLUSTER`` across designs where two or more designs are there (:mod:`stablerep.probes`). Training and validation images fit
    them; a corpus that names no validation part gives some of its training images to it (:func:`stablerep.probes.parts.three_parts`).
    Images without a label take no part in the probes for it.

    Emoji with a skin tone are left out, so that the many variants of people do not outweigh everything else. One-shot recognition takes
    one image per cluster and design: the one whose id is ``DESIGN/CLUSTER``, or else the first by id.

    Args:
        backbone: float [N, 3, size, size] to float [N, D].
        corpus: with ``labels``, ``cluster`` and ``designs`` naming what its table knows.
        size: side of the images in pixels.

    Returns:
        ``probe``, ``id``, ``cluster`` (what belongs together when items are resampled), ``design`` ("" where there is none), ``truth``,
        ``prediction`` ("" in one-shot recognition), ``correct``. Classes are text.

    Raises:
        InputError: the corpus has neither a label nor two designs, or a part that a probe needs is empty.
    """
    import pandas as pd

    from stablerep.probes.extraction import features_of

    if "skin_tone" in corpus.table:
        corpus = corpus.where(corpus.table["skin_tone"] == 0)
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
        results.append(_one_shot(features, about, (table["split"] == "test").to_numpy(), corpus.cluster))
    return pd.concat([found[COLUMNS] for found in results], ignore_index=True)


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


def _one_shot(features, about: pd.DataFrame, test: np.ndarray, cluster: str) -> pd.DataFrame:
    """One-shot recognition of the clusters of the test part across its designs."""
    from stablerep.probes.nearest import one_shot_across_designs

    if not test.any():
        raise InputError("no image belongs to the test part; one-shot recognition needs some.")
    rows = about[test].assign(row=np.flatnonzero(test))
    rows["variant"] = rows["id"] != rows["design"] + "/" + rows["cluster"]
    first = rows.sort_values(["variant", "id"]).drop_duplicates(["cluster", "design"]).sort_values("row")
    shot = one_shot_across_designs(features[first["row"].tolist()], first["cluster"].tolist(), first["design"].tolist())
    shot = shot.rename(columns={"concept": "cluster"})
    shot["id"] = shot["gallery"] + "/" + shot["design"] + "/" + shot["cluster"]
    return shot.assign(probe=f"one-shot {cluster}", truth=shot["cluster"], prediction="")
