"""The probes of the embedded study, together: what every encoder of a comparison is asked."""

from __future__ import annotations

from typing import TYPE_CHECKING

from stablerep.corpus import Corpus

if TYPE_CHECKING:
    import pandas as pd

SIZE = 32  # pixels of the embedded study


def evaluate(backbone, corpus: Corpus, size: int = SIZE) -> pd.DataFrame:
    """Every probe of the embedded study on held-out concepts, one row per item.

    Only emoji without skin tone are used, so that the many variants of people do not outweigh everything else. Training and
    validation concepts fit the probes; test concepts are asked. Images are drawn at ``size`` pixels.

    Returns:
        ``probe`` (linear group, linear subgroup, knn subgroup, one-shot concept), ``id``, ``concept``, ``design``, ``truth``,
        ``prediction``, ``correct``.
    """
    import pandas as pd

    from stablerep.encoders import extract_features
    from stablerep.probes import knn_probe, linear_probe, one_shot_across_designs

    plain = corpus.where(corpus.table["skin_tone"] == 0)
    features = extract_features(backbone, plain.images(size))
    table = plain.table
    place = {split: (table["split"] == split).to_numpy(copy=True) for split in ("train", "validation", "test")}
    parts = {split: features[mask] for split, mask in place.items()}
    asked = table[place["test"]].reset_index(drop=True)[["id", "concept", "design"]]
    results = []
    for label in ("group", "subgroup"):
        found = linear_probe(parts, {split: table[label][mask].tolist() for split, mask in place.items()})
        results.append(asked.join(found).assign(probe=f"linear {label}"))
    found = knn_probe(
        parts["train"],
        table["subgroup"][place["train"]].tolist(),
        parts["test"],
        table["subgroup"][place["test"]].tolist(),
    )
    results.append(asked.join(found).assign(probe="knn subgroup"))
    # one image per concept and design: the emoji whose code points are the concept itself, else the first by code point
    first = asked.assign(emoji=table["emoji"][place["test"]].to_numpy(), row=range(len(asked)))
    first["own"] = first["emoji"] != first["concept"]
    first = first.sort_values(["own", "emoji"]).drop_duplicates(["concept", "design"]).sort_values("row")
    shot = one_shot_across_designs(
        parts["test"][first["row"].to_numpy(copy=True)], first["concept"].tolist(), first["design"].tolist()
    )
    shot["id"] = shot["gallery"] + "/" + shot["design"] + "/" + shot["concept"]
    shot = shot.assign(probe="one-shot concept", truth=shot["concept"], prediction="")
    columns = ["probe", "id", "concept", "design", "truth", "prediction", "correct"]
    return pd.concat([*(r[columns] for r in results), shot[columns]], ignore_index=True)
