"""Answers to exercises on other images, by hand, on each of their branches."""

from __future__ import annotations

import pandas as pd
import pytest

from stablerep.figures import image_set_answers as answers
from tests.figures.test_paired import pairs

UP, DOWN, OPEN = (0.02, 0.01, 0.03), (-0.02, -0.03, -0.01), (0.01, -0.01, 0.03)


def test_the_kind_that_is_worse_is_given_up_first():
    both = (("both", "made", *OPEN), ("both", "real", *UP))
    told = answers.given_up(pairs(*both, ("made", "real", *UP)), "p", "both", "made", "real")
    assert told.startswith(
        "Without the real images it loses 1.0 points [−1.0, 3.0], which is not told from zero; without the synthetic"
    )
    assert told.endswith("So give up the real images first.")
    assert answers.given_up(pairs(*both, ("made", "real", *DOWN)), "p", "both", "made", "real").endswith(
        "So give up the synthetic images first."
    )
    assert answers.given_up(pairs(*both, ("made", "real", *OPEN)), "p", "both", "made", "real").endswith(
        "So which kind to give up first cannot be told."
    )
    assert "cannot be told: this run does not compare" in answers.given_up(pairs(*both), "p", "both", "made", "real")
    assert answers.given_up(pairs(), "p", "both", "made", "real").startswith("This run has no mixture")


@pytest.mark.parametrize(
    ("rows", "end"),
    [
        (
            [("A", "B", *UP)],
            "So yes, where a difference is told from zero: the way with the higher share has the better encoder.",
        ),
        (
            [("A", "B", *DOWN)],
            "So no, where a difference is told from zero: not always the way with the higher share has the better encoder.",
        ),
        ([("A", "B", *OPEN)], "So no: a higher share does not show in the encoder here."),
        ([], "cannot be told: this run does not compare them."),
    ],
)
def test_ways_of_retrieval_are_compared_by_their_encoders(rows, end):
    found = pd.DataFrame({"way": ["b", "a"], "caption": [0.1, 0.5], "concept": [0.2, 0.25]})
    told = answers.ways_compared(found, pairs(*rows), "p", {"a": "A", "b": "B"})
    assert told.startswith(
        "The concept is right for these shares of the images: a 75.0 %; b 30.0 %."
    ) and told.endswith(end)
    assert "nothing to compare" in answers.ways_compared(found[:1], pairs(*rows), "p", {"b": "B"})


def test_leaving_out_is_held_against_the_prediction():
    assert answers.left_out(pairs(("all", "few", *UP)), "p", "all", "few").endswith("below all: as predicted.")
    assert answers.left_out(pairs(("all", "few", *DOWN)), "p", "all", "few").endswith(
        "above all: against the prediction."
    )
    assert answers.left_out(pairs(("all", "few", *OPEN)), "p", "all", "few").endswith("not told from zero.")
    assert answers.left_out(pairs(), "p", "all", "few").startswith("This page's run has no images without")


@pytest.mark.parametrize(
    ("parts", "end"),
    [
        ((OPEN, OPEN), "Which part is larger cannot be told, because the interval of each covers zero."),
        ((OPEN, DOWN), "Only content is told from zero."),
        (
            (UP, (-0.03, -0.04, -0.02)),
            "Both parts are told from zero, and content is the larger; whether by more than chance the table does not say.",
        ),
    ],
)
def test_methods_that_were_run_have_a_gap_and_its_parts(parts, end):
    gaps = pairs(("real", "made", *OPEN), ("real", "again", *parts[0]), ("again", "made", *parts[1])).assign(
        method="StableRep"
    )
    told = answers.parts_of_gaps(gaps, "p")
    assert (
        told.startswith("StableRep: real lies 1.0 points")
        and "So there is no clear gap." in told
        and told.endswith(end)
    )
    assert (
        "SimCLR" not in told
        and answers.parts_of_gaps(gaps[:0], "p") == "This run has no method on both real and synthetic images."
    )


def test_costs_are_of_what_was_run():
    told = answers.costs_of(pairs(("sharp", "16", *UP)), "p", "sharp", {"16 pixels": "16", "8 pixels": "8"})
    assert told == "In the numbers of this page, 16 pixels: 16 lies 2.0 points [1.0, 3.0] below sharp."
    assert answers.costs_of(pairs(), "p", "sharp", {"8 pixels": "8"}) == ""


@pytest.mark.parametrize(
    ("rows", "said"),
    [
        (
            [("first", "last", *UP)],
            "last lies 2.0 points [1.0, 3.0] below first. What more training alone does cannot be told",
        ),
        ([("first", "last", *DOWN)], "It does not lie below: last lies 2.0 points [1.0, 3.0] above first."),
        (
            [("first", "last", *UP), ("alone", "first", *DOWN)],
            "So more training alone costs as much as 2.0 points [1.0, 3.0].",
        ),
        ([("first", "last", *UP), ("alone", "first", *UP)], "So more training alone costs nothing."),
        (
            [("first", "last", *UP), ("alone", "first", *OPEN)],
            "So up to 1.0 points could be due to more training alone, or none.",
        ),
        ([], "This run does not have *replaced*."),
    ],
)
def test_what_a_generation_loses_is_held_against_training_alone(rows, said):
    assert said in answers.worse_than_first(pairs(*rows), "p", "first", "last", "alone")


def test_images_of_a_caption_move_apart_or_together():
    rows = [("generated", "", 0, 0.1), ("generated", "only real", 1, 0.2), ("real", "", None, 0.3)]
    table = pd.DataFrame(rows, columns=["source", "way", "generation", "mean"])
    table = table.assign(group="all", low=table["mean"] - 0.05, high=table["mean"] + 0.05)
    told = answers.spread_after(table, "only real", 1)
    assert "further apart: 0.20 [0.15, 0.25] after 0.10 [0.05, 0.15]" in told
    assert "does not have *mixed*" in answers.spread_after(table, "mixed", 1)
    same = table.assign(mean=0.1, low=0.05, high=0.15)
    assert answers.spread_after(same, "only real", 1).endswith("as far apart as in generation 0: 0.10 [0.05, 0.15].")


@pytest.mark.parametrize(
    ("named", "seen", "said"),
    [
        (OPEN, OPEN, "Neither is told from zero"), (UP, OPEN, "Only the first is told from zero: real knows better what things are called"),
        (OPEN, DOWN, "Only the second is told from zero: made knows better what things look like"), (UP, UP, "point the same way"),
        (UP, DOWN, "they disagree: real knows better what things are called, made what they look like"),
    ],
)  # fmt: skip
def test_names_and_looks_agree_or_not(named, seen, said):
    table = pd.concat([pairs(("real", "made", *named)), pairs(("real", "made", *seen)).assign(probe="q")])
    text = answers.named_and_seen(table, ("p", "q"), "real", "made")
    assert said in text and ", which is not told" not in text
    assert answers.named_and_seen(table, ("p", "none"), "real", "made") == "This run does not have both arms."


def test_two_scales_stand_beside_each_other_where_they_were_run():
    table = pd.DataFrame(
        {
            "arm": "CLIP",
            "probe": "p",
            "guidance_scale": [1.0, 8.0],
            "accuracy": [0.2, 0.1],
            "low": [0.15, 0.05],
            "high": [0.25, 0.15],
        }
    )
    assert "CLIP 20.0 [15.0, 25.0] % at w = 1 and 10.0 [5.0, 15.0] % at w = 8." in answers.two_scales(table, "p", 1, 8)
    assert answers.two_scales(table, "p", 1, 4).startswith("This page's run does not have both scales")


def test_without_words_the_same_arms_may_not_differ():
    table = pairs(("real", "made", *OPEN))
    assert (
        answers.without_words(table, "none", table.iloc[0]) == "The interval covers zero: who names more is not told."
    )
    told = pairs(("real", "made", *UP)).iloc[0]
    said = answers.without_words(table, "p", told)
    assert said.startswith("Without words, real lies ") and said.endswith("made, which is not told from zero.")
    assert answers.without_words(table, "none", told) == ""
