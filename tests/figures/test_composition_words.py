"""What the page on composition says, from small tables by hand: told, not told, and where nothing was asked."""

from __future__ import annotations

from stablerep.figures import composition_words
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
    assert none.endswith("No text alone tells a kind by its whole interval, so that none has to be left out for that")
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
        said.startswith("In 2 of 4 cells the text alone")
        and "The furthest: CLIP synthetic, order of words of new ones, 70.0 [68.0, 72.0] % with the image and 90.0"
        in said
    )
    assert composition_words.no_help_sentence(accuracy().assign(text_alone=0.1), SHOWN, "Untrained CLIP") == ""
