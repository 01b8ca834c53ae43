"""Whole captions: what a judge finds against the audit of the generator's chapter, outcomes and shares by hand, extremes, and votes of judges."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
import torch
import torch.nn.functional as F

from stablerep.audits import whole_captions
from stablerep.audits.faithfulness import gaps, shares
from stablerep.audits.readers import CANNOT_TELL
from stablerep.audits.retrieval import Retrieval
from stablerep.audits.whole_captions import (
    CONCEPT,
    RIGHT,
    TOLD,
    UNTOLD,
    WHOLE,
    WRONG,
    by_majority,
    extremes,
    look_up,
    measured,
    outcomes,
)
from stablerep.errors import InputError

GALLERY = pd.DataFrame({
    "caption": ["cat", "cat face", "dog", "pie"], "concept": ["cat", "cat", "dog", "pie"], "subgroup": "s",
})  # fmt: skip


def gallery() -> Retrieval:
    return Retrieval(torch.eye(4), GALLERY)


def test_what_is_found_by_hand():
    features = torch.tensor([[0.1, 0.9, 0.3, 0], [0.2, 0, 0.9, 0.1], [0.5, 0, 0.5, 0]])
    found = look_up(gallery(), features, ["cat", "cat", "cat"])
    z = F.normalize(features, dim=1)
    np.testing.assert_allclose(found["lead"], [z[0, 1] - z[0, 2], z[1, 0] - z[1, 2], 0], atol=1e-6)
    assert found["right"].tolist() == [True, False, False]  # a tie is not right
    assert found["found"].tolist()[:2] == ["cat face", "dog"]


def test_the_concept_is_that_of_the_generators_chapter(monkeypatch):
    """Also where images are looked up in several blocks."""
    rng = torch.Generator().manual_seed(0)
    prototypes, queries = torch.randn(60, 8, generator=rng), torch.randn(50, 8, generator=rng)
    table = pd.DataFrame(
        {"caption": [f"c{k}" for k in range(60)], "concept": [f"k{k // 2}" for k in range(60)], "subgroup": "s"}
    )
    retrieval, concepts = Retrieval(prototypes, table), [f"k{k % 30}" for k in range(50)]
    found = look_up(retrieval, queries, concepts)
    known = retrieval.ask(queries, concepts, [f"c{2 * (k % 30)}" for k in range(50)])
    assert found["right"].tolist() == (known["top1"] == 1).tolist() and 0 < found["right"].sum() < 50
    monkeypatch.setattr(whole_captions, "BLOCK", 7)
    pd.testing.assert_frame_equal(look_up(retrieval, queries, concepts), found)


def test_a_concept_that_the_gallery_lacks_is_refused():
    with pytest.raises(InputError, match="an image shows 'owl', which is none of the 3 concepts of the gallery"):
        look_up(gallery(), torch.ones(2, 4), ["cat", "owl"])


ASKED = pd.DataFrame(
    [("pilot", "people", "dark", "woman", True), ("pilot", "people", "", "", True), ("fist", "people", "", "", False), ("apple", "food", "", "", True)],
    columns=["concept", "group", "tone", "gender", "readable"], index=["woman pilot: dark", "pilot", "fist: dark", "apple"],
)  # fmt: skip


def seen(rows: list[tuple], **more) -> pd.DataFrame:
    """Rows of caption, concept right, tone and gender as read."""
    table = pd.DataFrame(rows, columns=["caption", "right", "tone", "gender"])
    table["image"] = table.groupby("caption").cumcount()
    words = {"captions": "unseen", "gallery": "g", "source": "real", "guidance_scale": np.nan, "seed": 0, "chance": 0.1}
    return table.assign(**words | more)


IMAGES = [
    ("woman pilot: dark", True, "dark", "woman"), ("woman pilot: dark", True, "dark", CANNOT_TELL), ("woman pilot: dark", False, "dark", CANNOT_TELL),
    ("woman pilot: dark", True, "light", "woman"), ("pilot", True, "", ""), ("fist: dark", True, "", ""), ("apple", False, "", ""),
]  # fmt: skip


def test_outcomes_by_hand():
    found = outcomes(seen(IMAGES), ASKED)
    assert found[WHOLE].tolist() == [RIGHT, CANNOT_TELL, WRONG, WRONG, RIGHT, "", WRONG]
    assert found["tone"].tolist() == [RIGHT, RIGHT, RIGHT, WRONG, "", "", ""]
    assert found["gender"].tolist() == [RIGHT, CANNOT_TELL, CANNOT_TELL, RIGHT, "", "", ""]
    assert found[CONCEPT].tolist() == [RIGHT, RIGHT, WRONG, RIGHT, RIGHT, RIGHT, WRONG]
    assert "right" not in found and found["caption"].tolist() == [one[0] for one in IMAGES]


def test_without_readers_the_whole_caption_is_the_concept():
    plain = seen(IMAGES).drop(columns=["tone", "gender"])
    found = outcomes(plain, ASKED.drop(columns=["tone", "gender"]).assign(readable=True))
    assert (found[WHOLE] == found[CONCEPT]).all() and (found["tone"] == "").all()


def test_an_image_that_was_not_read_is_refused():
    with pytest.raises(InputError, match="tone of an image of 'woman pilot: dark' was not read"):
        outcomes(seen([("woman pilot: dark", True, "", "woman")]), ASKED)


def test_shares_by_hand():
    """Captions of a concept count the same, whatever the number of their images."""
    values = measured(outcomes(seen(IMAGES), ASKED), ASKED, {"tone": 6, "gender": 3}).set_index(["measure", "concept"])
    assert values.loc[(CONCEPT, "pilot"), "value"] == (3 / 4 + 1) / 2
    assert values.loc[(WHOLE, "pilot"), "value"] == (1 / 4 + 1) / 2
    assert values.loc[(WHOLE + TOLD, "pilot"), "value"] == (1 / 2 + 1) / 2
    assert values.loc[(WHOLE + UNTOLD, "pilot"), "value"] == (2 / 4 + 0) / 2
    assert values.loc[("gender", "pilot"), "value"] == 2 / 4 and values.loc[("gender" + TOLD, "pilot"), "value"] == 1
    assert values.loc[("gender" + UNTOLD, "pilot"), "value"] == 1 / 2
    assert (WHOLE, "fist") not in values.index and values.loc[(CONCEPT, "fist"), "value"] == 1
    assert values.loc[(WHOLE, "pilot"), "chance"] == pytest.approx((0.1 / 18 + 0.1) / 2)
    assert values.loc[(WHOLE, "apple"), "chance"] == pytest.approx(0.1) and values.loc[
        ("tone", "pilot"), "chance"
    ] == pytest.approx(1 / 6)
    assert values.loc[(WHOLE + UNTOLD, "pilot"), "chance"] != values.loc[(WHOLE + UNTOLD, "pilot"), "chance"]


def study(
    seeds: int = 3, concepts: int = 30, better: float = 0.9, worse: float = 0.5, lost: bool = False
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Real images whose concept is right with one probability, generated ones with another; every caption names a tone that is read rightly."""
    rng, parts = np.random.default_rng(0), []
    asked = pd.DataFrame({"concept": [f"k{k}" for k in range(concepts)], "group": "people", "tone": "dark", "gender": "", "readable": True},
                         index=[f"c{k}" for k in range(concepts)])  # fmt: skip
    for seed in range(seeds):
        for source, w, share in (("real", np.nan, better), ("generated", 2.0, worse), ("generated", 8.0, worse)):
            rows = [(caption, rng.random() < share, "dark", "") for caption in asked.index for _ in range(4)]
            parts.append(seen(rows, source=source, guidance_scale=w, seed=seed))
    images = pd.concat(parts, ignore_index=True)
    if lost:  # of one concept no reader can tell the tone in the images of one scale
        images.loc[(images["caption"] == "c0") & (images["guidance_scale"] == 8), "tone"] = CANNOT_TELL
    return images, asked


def test_a_known_difference_is_found_and_the_claim_stands_in_one_row():
    images, asked = study()
    values = measured(outcomes(images, asked), asked, {"tone": 6})
    found = gaps(values, "C10", 2.0, "unseen", WHOLE)
    assert found["claim"].tolist() == ["C10", ""] and found["difference"].to_numpy() == pytest.approx(0.4, abs=0.05)
    assert (found["low"] < 0.4).all() and (0.4 < found["high"]).all() and found["clusters"].tolist() == [30, 30]
    table = shares(values)
    real = table.query("source == 'real' and group == 'all'").set_index("measure")["mean"]
    assert real[WHOLE] == real[WHOLE + TOLD] == real[CONCEPT] == pytest.approx(0.9, abs=0.03) and real["tone"] == 1


def test_a_concept_of_which_nothing_is_told_somewhere_is_left_out_of_that_measure_alone():
    images, asked = study(lost=True)
    values = measured(outcomes(images, asked), asked, {"tone": 6})
    count = values.groupby("measure")["concept"].nunique()
    assert count["tone"] == count[CONCEPT] == 30 and count["tone" + TOLD] == 29
    every = values.groupby(["measure", "concept"])["value"].size()
    assert (every == 9).all()  # three seeds of three sets


def test_nobody_who_is_asked_leaves_a_measure_without_rows():
    images, asked = study()
    values = measured(outcomes(images.assign(tone=""), asked.assign(tone="")), asked, {"tone": 6})
    assert set(values["measure"]) == {CONCEPT, WHOLE, WHOLE + TOLD, WHOLE + UNTOLD}


def test_extremes_are_chosen_by_the_lead_one_of_a_concept():
    table = pd.DataFrame({
        "caption": ["a", "a", "b", "c", "d"], "image": [0, 1, 0, 0, 0], "found": list("aabcd"), "lead": [0.9, 0.8, 0.1, -0.3, -0.5],
    })  # fmt: skip
    asked = pd.DataFrame({"concept": ["x", "y", "z", "z"]}, index=list("abcd"))
    found = extremes(table, asked, 2)
    assert found["kind"].tolist() == ["surest", "surest", "furthest", "furthest"]
    assert found["caption"].tolist() == ["a", "b", "d", "b"] and found["lead"].tolist() == [0.9, 0.1, -0.5, 0.1]
    same = extremes(table.assign(lead=0.0), asked, 9)  # ties do not depend on the order of rows
    pd.testing.assert_frame_equal(same, extremes(table.assign(lead=0.0)[::-1], asked, 9))


def test_judges_vote_and_half_of_them_are_not_enough():
    rows = [("woman pilot: dark", True, "dark", "woman"), ("pilot", True, "", "")]
    judges = [seen(rows), seen([(*rows[0][:1], False, "dark", "woman"), rows[1]], seed=1)]
    two = by_majority(pd.concat(judges), ASKED).set_index("caption")[WHOLE]
    assert two.to_dict() == {"woman pilot: dark": WRONG, "pilot": RIGHT}
    three = by_majority(pd.concat([*judges, seen(rows, seed=2)]), ASKED).set_index("caption")[WHOLE]
    assert three.to_dict() == {"woman pilot: dark": RIGHT, "pilot": RIGHT}


def test_what_cannot_be_told_is_left_out_whatever_the_judge_finds():
    """Else wrong images would stay and right ones go: a reader that is silent at random changes no share of what is told."""
    rng, images = np.random.default_rng(1), study(seeds=1, concepts=400, better=0.6)[0]
    asked = study(concepts=400)[1]
    silent = rng.random(len(images)) < 0.25
    values = measured(outcomes(images.assign(tone=np.where(silent, CANNOT_TELL, "dark")), asked), asked, {"tone": 6})
    means = values[values["source"] == "real"].groupby("measure")["value"].mean()
    assert means[WHOLE + TOLD] == pytest.approx(means[CONCEPT], abs=0.03) and means[WHOLE + UNTOLD] == pytest.approx(
        0.25, abs=0.03
    )
    assert means[WHOLE] == pytest.approx(0.75 * means[CONCEPT], abs=0.03)
