"""Sentences and tables of the page on the generator, from small tables by hand."""

from __future__ import annotations

from math import nan

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


def test_generations_have_a_row_each_beside_real_images():
    about = [("real", "", nan), ("generated", "", 0.0), ("generated", "replaced", 1.0)]
    diversity = pd.DataFrame(about, columns=["source", "way", "generation"]).assign(
        mean=0.25, low=0.2, high=0.3, group="all"
    )
    diversity = pd.concat([diversity, diversity.assign(group="people", mean=0.9)])
    metrics = ("kid", "precision", "recall", "density", "coverage")
    sets = pd.DataFrame(
        [(source + ", other concepts" * (source == "real"), way, t, metric, 0.5, 0.4, 0.6) for source, way, t in about for metric in metrics],
        columns=["source", "way", "generation", "metric", "value", "low", "high"],
    )  # fmt: skip
    shares = diversity.assign(measure="top1")
    shares = pd.concat([shares, shares.assign(measure="top10", mean=0.9)])
    shown = generator_tables.generation_measures(sets, diversity, shares)
    assert shown.index.tolist() == ["real", "generation 0", "replaced, generation 1", "real, other concepts"]
    assert shown.columns.tolist() == ["concept first", "distance within captions", *generator_tables.TITLES]
    first = ["25.0 [20.0, 30.0]", "0.25 [0.20, 0.30]", "0.500 [0.400, 0.600]"]
    assert shown.loc["replaced, generation 1"].tolist()[:3] == first
    assert shown.loc["real", "KID"] == "" and shown.loc["real, other concepts", "distance within captions"] == ""
    few = generator_tables.generation_measures(sets[:0], diversity, shares[:0])
    assert len(few) == 3 and (few[["coverage", "concept first"]] == "").all(axis=None)


def test_measures_of_images_and_of_sets_are_two_tables_without_empty_rows():
    columns = ["concept first", "distance within captions", *generator_tables.TITLES]
    table = pd.DataFrame(
        [["5", "0.2", *[""] * 5], ["6", "0.1", *"12345"], ["", "", *"12345"]],
        columns=columns,
        index=["real", "generation 0", "others"],
    )
    assert (
        list(generator_tables.of_images(table).index) == ["real", "generation 0"]
        and generator_tables.of_images(table).shape[1] == 2
    )
    assert (
        list(generator_tables.of_sets(table).index) == ["generation 0", "others"]
        and generator_tables.of_sets(table).shape[1] == 5
    )
