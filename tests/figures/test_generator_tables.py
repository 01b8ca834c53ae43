"""Sentences and tables of the page on the generator, from small tables by hand."""

from __future__ import annotations

import pandas as pd

from stablerep.figures import generator_tables


def test_distances_within_a_caption_stand_beside_those_of_designs():
    rows = [("real", None, 0.246), ("generated", 2.0, 0.165), ("generated", 1.0, 0.261)]
    table = pd.DataFrame([
        {"captions": "training captions", "group": "all", "source": source, "guidance_scale": w, "mean": mean} for source, w, mean in rows
    ])  # fmt: skip
    said = generator_tables.diversity_sentence(table)
    assert (
        said
        == "Two generated images of a training caption lie 0.26 at w = 1, 0.17 at w = 2 apart; two real designs of it lie 0.25 apart."
    )
    assert "designs" not in generator_tables.diversity_sentence(table[1:])
