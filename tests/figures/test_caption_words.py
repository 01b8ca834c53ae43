"""What the page on whole captions says, from small tables by hand: told, not told, and where a table is lacking."""

from __future__ import annotations

from math import nan

import pandas as pd

from stablerep.figures import caption_words
from stablerep.figures.solutions import LACKING
from tests.figures.test_caption_tables import slopes

GROUP, MADE = "unseen combinations", "generated, w = 2"


def differences(half: float = 0.01, **parts: float) -> pd.DataFrame:
    values = {"concept": -0.04, "tone": 0.1, "gender": 0.0} | parts
    rows = [(GROUP, MADE, part, value) for part, value in values.items()]
    rows += [(GROUP, "generated, w = 8", part, 3 * value) for part, value in values.items()] + [
        ("test concepts", MADE, "concept", 0.3)
    ]
    table = pd.DataFrame(rows, columns=["captions", "second", "measure", "difference"])
    return table.assign(first="real", low=table["difference"] - half, high=table["difference"] + half)


def shares(**right: float) -> pd.DataFrame:
    rows = [
        ("real", nan, part, value) for part, value in ({"concept": 0.28, "tone": 0.75, "gender": 0.45} | right).items()
    ]
    rows += [("real", nan, "concept, cannot tell", 0.55), ("generated", 2.0, "concept, cannot tell", 0.12)]
    return pd.DataFrame(rows, columns=["source", "guidance_scale", "measure", "mean"]).assign(captions=GROUP)


def test_the_costliest_part_is_named_where_it_is_told_with_how_well_it_is_seen():
    said = caption_words.costliest(differences(), shares(), GROUP, MADE)
    assert said.startswith(
        "real minus generated, in points: tone +10.0 [+9.0, +11.0]; gender +0.0 [-1.0, +1.0]; concept -4.0 [-5.0, -3.0]. "
    )
    assert (
        "furthest behind in the tone, the only one where the interval leaves out zero. Is the instrument weakest there? No: it is the one that is seen best"
        in said
    )
    assert said.endswith("of real images are right: concept 28.0 %, gender 45.0 %, tone 75.0 %")
    assert "Yes, it is;" in caption_words.costliest(differences(concept=0.2), shares(), GROUP, MADE)
    assert "No: it is neither" in caption_words.costliest(differences(gender=0.2), shares(), GROUP, MADE)
    assert "that none can be named" in caption_words.costliest(differences(half=0.5), shares(), GROUP, MADE)
    assert caption_words.costliest(differences(), shares(), "none", MADE) == LACKING


def test_faithfulness_depends_only_on_what_an_interval_tells():
    said = caption_words.steepest(slopes(), "training captions", "concept")
    assert said.startswith(
        "by whole intervals it depends on guidance scale w, steepest on guidance scale w (points, with the others held fixed: words of the caption +1.0"
    )
    open_ = slopes().assign(low=-0.1, high=0.2)
    assert caption_words.steepest(open_, "training captions", "concept").startswith(
        "none of the 2 slopes is told from zero"
    )
    one = open_[open_["property"] == "guidance scale w"]
    assert caption_words.steepest(one, "training captions", "concept").startswith("the slope is not told from zero")
    assert caption_words.steepest(slopes(), "test concepts", "concept") == LACKING


def test_parts_in_which_generated_images_are_ahead_are_named_with_what_cannot_be_told():
    said = caption_words.reversed_sentence(differences(), shares(), MADE, ", cannot tell")
    assert said.startswith(
        "Real images are behind in: the concept of unseen combinations (-4.0 [-5.0, -3.0] points; not told are 55 % of the real and 12 % of the generated ones)."
    )
    assert "not told are" not in caption_words.reversed_sentence(
        differences(), shares().iloc[:-1], MADE, ", cannot tell"
    )
    assert caption_words.reversed_sentence(differences(half=0.5), shares(), MADE, ", cannot tell") == ""


def test_what_varies_more_over_guidance_scales_is_said():
    said = caption_words.over_scales(differences(), GROUP, ("tone", "concept"))
    assert said.startswith(
        "real minus generated, in points: tone +10.0 (w = 2), +30.0 (w = 8); concept -4.0 (w = 2), -12.0 (w = 8)."
    )
    assert (
        "matters more for the tone, by up to 20.0 points, than for the concept, by up to 8.0; generated images come nearest in the tone at w = 2"
        in said
    )
    assert caption_words.over_scales(differences(), "test concepts", ("tone", "concept")) == LACKING


def test_a_score_that_does_not_see_a_wrong_concept_is_said():
    scores = pd.DataFrame(
        {
            "captions": "test concepts",
            "source": ["real", "generated"],
            "guidance_scale": [nan, 2.0],
            "mean": [0.57, 0.69],
            "low": 0.5,
            "high": 0.8,
        }
    )
    said = caption_words.score_sentence(scores, differences(), 2.0, MADE)
    assert said.startswith(
        "**CLIPScore does not show that the concept is wrong**: of test concepts, generated images score 0.69 [0.50, 0.80] and real ones 0.57 [0.50, 0.80]"
    )
    assert "more often by +30.0 [+29.0, +31.0] points" in said
    lower = scores.assign(mean=[0.7, 0.6])
    assert caption_words.score_sentence(lower, differences(), 2.0, MADE).endswith("CLIPScore points the same way.")
    assert caption_words.score_sentence(scores, differences(half=0.5), 2.0, MADE) == ""
    assert caption_words.score_sentence(scores, differences(), 8.0, MADE) == ""


def test_whether_an_encoder_knows_is_told_by_its_intervals():
    table = pd.DataFrame(
        {
            "first": "StableRep+",
            "probe": "learned from",
            "second": ["Random weights", "Pixels"],
            "difference": [0.1, 0.05],
            "low": [0.05, 0.01],
            "high": 0.2,
        }
    )
    given = "StableRep+", "learned from"
    said = caption_words.knows_sentence(table, *given)
    assert (
        "? It does (share of pairs ranked rightly, in points, minus that of: Random weights +10.0 [+5.0, +20.0]; Pixels"
        in said
    )
    assert "That cannot be told, as an interval holds zero (" in caption_words.knows_sentence(
        table.assign(low=[0.05, -0.1]), *given
    )
    assert "It does not: something" in caption_words.knows_sentence(table.assign(low=-0.3, high=-0.1), *given)
    assert (
        caption_words.knows_sentence(table, "none", "learned from")
        == caption_words.knows_sentence(table[:0], *given)
        == ""
    )


def test_finds_that_are_not_shown_beside_the_extreme_images_are_counted():
    table = pd.DataFrame(
        {
            "captions": GROUP,
            "kind": "furthest",
            "caption": ["coat", "coat", "rose"],
            "found": ["deaf person", "gorilla", "tulip"],
        }
    )
    assert caption_words.unshown_sentence(table, GROUP).startswith(
        "1 image is left out here: of people or parts of the body"
    )
    assert caption_words.unshown_sentence(table[1:], GROUP) == ""
    assert len(caption_words.extreme_rows(table, GROUP, 2)) == 2 and len(caption_words.extreme_rows(table, "none")) == 3
