"""What the page on composition says, from small tables by hand: told, not told, and where nothing was asked."""

from __future__ import annotations

from math import nan

import pandas as pd

from stablerep.figures import composition_words
from stablerep.figures.composition_words import told_and_gained
from stablerep.figures.solutions import LACKING
from tests.figures.test_composition_tables import SHOWN, accuracy

KINDS = ["skin tone", "order of words"]


def test_the_kind_that_the_text_tells_best_and_those_to_leave_out():
    said = composition_words.told_by_text(accuracy(), SHOWN, KINDS)
    assert said.startswith(
        "CLIP real *order of words*, 90.0 % by the text alone, to which the image adds -15.0 points; CLIP synthetic"
    )
    assert (
        "above chance: *order of words* (CLIP real, 90.0 [89.0, 91.0] %); *order of words* (CLIP synthetic" in said
        and "*skin tone* (" not in said
    )
    none = composition_words.told_by_text(accuracy().assign(text_low=0.4), SHOWN, KINDS)
    assert none.endswith(
        "No text alone prefers the caption by its whole interval, so that none has to be left out for that"
    )
    assert composition_words.told_by_text(accuracy(), "others", KINDS) == LACKING


def test_an_untrained_arm_off_chance_is_a_warning():
    assert (
        composition_words.untrained_sentence(accuracy(), SHOWN, "Untrained CLIP")
        == "Untrained CLIP lies off chance on no kind by its whole interval."
    )
    table = accuracy()
    table.loc[(table["arm"] == "Untrained CLIP") & (table["kind"] == "skin tone"), ["accuracy", "low", "high"]] = (
        0.4,
        0.34,
        0.46,
    )
    said = composition_words.untrained_sentence(table, SHOWN, "Untrained CLIP")
    assert "*skin tone* 40.0 [34.0, 46.0] %. Many" in said and "chance of 10 points" in said
    assert composition_words.untrained_sentence(table, SHOWN, "nobody") == ""


def test_images_that_add_nothing_are_told():
    said = composition_words.no_help_sentence(accuracy(), SHOWN, "Untrained CLIP")
    assert (
        said.startswith("In 2 of the 4 cells of trained arms")
        and "The furthest: CLIP synthetic, order of words of new ones, 70.0 [68.0, 72.0] % with the image and 90.0"
        in said
    )
    alike = accuracy()
    alike.loc[alike["text_alone"] == 0.9, ["text_low", "text_high"]] = 0.9
    assert "90.0 % without" in composition_words.no_help_sentence(alike, SHOWN, "Untrained CLIP")
    assert composition_words.no_help_sentence(accuracy().assign(text_alone=0.1), SHOWN, "Untrained CLIP") == ""


def test_kinds_that_an_arm_tells_and_on_which_another_lies_above_it():
    accuracy = pd.DataFrame(
        [("A", "tone", 0.6), ("A", "gender", 0.55), ("A", "two people", 0.4), ("B", "tone", 0.9), ("A", "one thing", nan)],
        columns=["arm", "kind", "low"],
    ).assign(chance=0.5)  # fmt: skip
    pairs = pd.DataFrame(
        [("tone", 0.04, 0.02, 0.06), ("gender", -0.03, -0.05, -0.01), ("two people", 0.0, -0.1, 0.1), ("one thing", 0.3, nan, nan)],
        columns=["kind", "difference", "low", "high"],
    ).assign(first="C")  # fmt: skip
    assert told_and_gained(accuracy, pairs, "A") == (
        "A prefers the caption more often than chance on tone and gender. "
        "C lies above it on tone (+4.0) and below it on gender (−3.0), each interval by itself."
    )
    assert told_and_gained(accuracy, pairs[2:3], "A").endswith(
        "C lies neither above nor below it on any kind, each interval by itself."
    )
    assert told_and_gained(accuracy[2:3], pairs[:0], "A") == "A prefers the caption more often than chance on no kind."
