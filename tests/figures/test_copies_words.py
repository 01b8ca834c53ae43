"""What the page on copies says, from small tables by hand: told, and where a set or a table is lacking."""

from __future__ import annotations

import pandas as pd

from stablerep.audits.copies import EMBEDDING
from stablerep.figures import copies_tables, copies_words
from stablerep.figures.solutions import LACKING
from tests.figures.test_copies import SETS, duplicates, shares

NOBODY = SETS[1]  # a set of real drawings
MOVED = SETS[2]


def test_shares_of_two_sets_stand_beside_each_other():
    assert (
        copies_words.gap(shares(), EMBEDDING, SETS[0], SETS[1])
        == "generated, w = 2 1.0 [0.0, 5.0] %, unseen design 11.0 [10.0, 15.0] %"
    )
    assert copies_words.gap(shares(), EMBEDDING, SETS[0], "others") == LACKING


def test_a_share_of_nothing_has_the_exact_bound():
    none = shares().assign(share=0.0, low=0.0, high=0.0)
    assert copies_words.called(none, EMBEDDING, SETS[0]) == "0.0 [0.0, 9.5] %"
    assert set(copies_tables.shares(none)[EMBEDDING]) == {"0.0 [0.0, 9.5]"}


def test_an_excess_is_held_against_what_has_no_advantage_and_against_the_detector():
    pairs = pd.DataFrame(
        {
            "claim": ["beside", "C11"],
            "probe": EMBEDDING,
            "difference": [-0.18, 0.05],
            "low": [-0.3, 0.0],
            "high": [-0.1, 0.1],
        }
    )
    tables = {"differences": pairs, "shares": shares()}
    said = copies_words.limits(tables, EMBEDDING, "beside", NOBODY, MOVED)
    assert said == (
        "With both sides in known designs the difference is -18.0 [-30.0, -10.0] points. The embedding calls 11.0 [10.0, 15.0] % of real test drawings copies and "
        "finds 21.0 [20.0, 25.0] % of the copies that were moved by one pixel."
    )
    assert copies_words.limits(tables, EMBEDDING, "none", "none", MOVED).startswith("The embedding finds 21.0")
    assert copies_words.limits(tables, EMBEDDING, "none", "none", "none") == ""


def test_detectors_are_told_with_what_they_miss():
    said = copies_words.detectors_sentence(shares(), NOBODY, MOVED)
    assert (
        "moved by one pixel they find: pixels 20.0 [20.0, 25.0] %; embedding 21.0" in said
        and "they call copies: pixels 10.0" in said
    )
    assert copies_words.detectors_sentence(shares(), NOBODY, "none") == ""


def test_duplicates_are_told_where_some_were_planted():
    said = copies_words.duplicates_sentence(duplicates(), EMBEDDING)
    assert said.startswith(
        "On this page it is: planted 1 times, 0.508 [0.400, 0.950] with 1.0 % called copies; planted 50 times"
    )
    assert "nothing was planted" in copies_words.duplicates_sentence(pd.DataFrame(), EMBEDDING)


def test_groups_of_nearly_identical_images_are_counted():
    table = pd.DataFrame({"share": [1.0, 0.6, 0.1], "copied": [True, False, True], "images": 64})
    said = copies_words.extraction_sentence(table)
    assert (
        said.startswith("Of 3 captions with 64 images each, 2 have a group")
        and "in 1 of these groups" in said
        and "100 % of a caption's images, the median 60 %" in said
    )
    assert copies_words.extraction_sentence(table[:0]).startswith("This run looks for no groups")


def near(*captions: str) -> pd.DataFrame:
    """Pictures of a dog's face, and the drawings that are nearest: by embedding, and by pixels."""
    kinds = ("generated", "nearest, embedding", "nearest, pixels")
    shows = ("dog face", *(f"{one} (noto)" for one in captions))
    return pd.DataFrame({"caption": "dog face", "kind": kinds[: len(shows)], "shows": shows})


def test_nearest_drawings_of_an_image_s_own_caption_are_counted_and_people_left_out():
    said = copies_words.pictures_sentence(near("dog face", "deaf person"))
    assert said.startswith(
        "Of 1 images, 1 by embedding and 0 by pixels are nearest to a drawing of their own caption. 1 image is left out here: of people"
    )
    assert copies_words.pictures_sentence(near("dog face", "cat face")).endswith("of their own caption.")
    assert copies_words.pictures_sentence(near()) == ""
