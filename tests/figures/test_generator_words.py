"""What the tables of the page on the generator come to, by hand."""

from __future__ import annotations

import numpy as np
import pandas as pd

from stablerep.audits.equal_galleries import TEST, TRAINING
from stablerep.figures import generator_words


def sets() -> pd.DataFrame:
    rows = [
        ("real, other concepts", np.nan, 0.001, 0.9), ("generated", 1.0, 0.02, 0.92), ("generated", 2.0, 0.003, 0.9), ("generated", 8.0, 0.03, 0.7)
    ]  # fmt: skip
    table = pd.DataFrame(
        [(s, w, m, v) for s, w, kid, cover in rows for m, v in (("kid", kid), ("coverage", cover))],
        columns=["source", "guidance_scale", "metric", "value"],
    )
    return table.assign(low=table["value"] - 0.01, high=table["value"] + 0.01)


def test_the_nearest_set_and_the_fall_of_coverage_stand_beside_real_images():
    assert generator_words.nearest_set(sets()) == (
        "By KID the set at w = 2 lies nearest to the real one: 0.003 [-0.007, 0.013]; the second set of real images has 0.001 [-0.009, 0.011]. "
        "The scales are not compared in pairs, so which of them is nearest is not tested. "
        "Coverage falls from 0.92 at w = 1 to 0.70 at w = 8; the second set of real images has 0.90."
    )


def test_what_a_run_lacks_is_not_said():
    table = sets()
    made = table[table["source"] == "generated"]
    assert "second set" not in generator_words.nearest_set(made)
    assert "Coverage" not in generator_words.nearest_set(made[made["guidance_scale"] == 2])
    assert "Coverage goes" in generator_words.nearest_set(made[made["guidance_scale"] < 8])
    assert generator_words.nearest_set(table[:0]) == ""


def test_people_stand_beside_real_images_and_chance():
    rows = [
        ("tone", "generated", 2.0, 0.4),
        ("tone", "generated", 4.0, 0.9),
        ("tone", "real", np.nan, 0.45),
        ("gender", "generated", 2.0, 0.5),
    ]
    table = pd.DataFrame(rows, columns=["measure", "source", "guidance_scale", "mean"])
    table = table.assign(group="all", captions="x", low=table["mean"] - 0.1, high=table["mean"] + 0.1, chance=0.2)
    assert generator_words.people_beside_real(table, "x", 2.0) == (
        "Of x, at w = 2, these are right: skin tone, 40.0 [30.0, 50.0] % of generated and 45.0 [35.0, 55.0] % of real images (chance 20 %)."
    )
    assert generator_words.people_beside_real(table, "y", 2.0) == ""


def test_decibels_are_levels():
    table = pd.DataFrame({"captions": ["training captions", "test concepts"], "mean": [28.13, 20.0]})
    assert generator_words.loss_in_levels(table) == (
        "As a typical error of a pixel, of 255 levels: training captions 10, test concepts 26."
    )
    assert generator_words.loss_in_levels(table[:0]) == ""


def test_a_product_is_no_reason_to_choose():
    def shares(measure: str, values: dict) -> pd.DataFrame:
        rows = [("training", "all", measure, "generated", w, value) for w, value in values.items()]
        return pd.DataFrame(rows, columns=["captions", "group", "measure", "source", "guidance_scale", "mean"])

    faithful, diverse = shares("top1", {1.0: 0.5, 2.0: 0.8}), shares("distance", {1.0: 0.5, 2.0: 0.2})
    said = generator_words.would_you_choose(faithful, diverse, "training", 2.0)
    assert "largest at w = 1 (" in said and "no reason to choose it" in said and said.endswith("images at w = 2.")
    assert "no scale" in generator_words.would_you_choose(faithful, diverse, "other", 2.0)


def test_scales_that_are_not_told_and_unseen_concepts_stand_beside_the_answer():
    rows = [
        ("C10", TRAINING, 2, 0.03, 0.01, 0.05), ("", TRAINING, 4, 0.01, -0.01, 0.03), ("", TRAINING, 8, 0.05, 0.03, 0.07),
        ("", TEST, 2, 0.26, 0.23, 0.28), ("", TEST, 4, 0.25, 0.23, 0.28),
    ]  # fmt: skip
    table = pd.DataFrame(rows, columns=["claim", "captions", "second", "difference", "low", "high"])
    table["second"] = [f"generated, w = {w}" for w in table["second"]]
    assert generator_words.elsewhere(table) == (
        "Not told from zero at w = 4, +1.0 [-1.0, +3.0] points. "
        "On test concepts, which the generator has not seen, real minus generated: w = 2, +26.0 [+23.0, +28.0] points."
    )
    assert generator_words.elsewhere(table[:1]) == ""
