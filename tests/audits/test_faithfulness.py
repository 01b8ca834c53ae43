"""Faithfulness, diversity and sets, on features in which every image shows plainly what it is."""

from __future__ import annotations

import io

import numpy as np
import pandas as pd
import pytest
import torch
import torch.nn.functional as F
from PIL import Image

from stablerep.audits.faithfulness import (
    FEWEST_IN_A_SET,
    HELD_OUT,
    KNOWN_DESIGNS,
    NEW_DESIGN,
    OTHER_DESIGNS,
    OTHER_IMAGES,
    compared,
    judge_images,
    known_designs,
    named_by_captions,
    picture_grid,
    sets_of_concepts,
    two_real_sets,
    with_intervals,
)
from stablerep.audits.retrieval import Retrieval
from stablerep.errors import InputError


def test_shares_by_group_have_their_own_concepts():
    about = pd.DataFrame({"concept": ["a", "a", "b", "c"], "group": ["people", "people", "people", "food"]})
    asked = pd.DataFrame({"top1": [True, False, True, False], "top10": True, "subgroup": True})
    rows = pd.DataFrame(with_intervals(asked, about, source="generated", w=2.0))
    top = rows[rows["measure"] == "top1"].set_index("group")
    assert top["mean"].to_dict() == pytest.approx({"all": 0.5, "people": 2 / 3, "food": 0})
    assert top["concepts"].to_dict() == {"all": 3, "people": 2, "food": 1}
    assert top["n"].to_dict() == {"all": 4, "people": 3, "food": 1}


def test_answers_are_resampled_by_cluster_or_else_by_concept():
    about = pd.DataFrame({"concept": ["a"] * 50 + ["b"] * 50, "group": "g"})
    asked = pd.DataFrame({"top1": [True] * 50 + [False] * 50, "top10": True, "subgroup": True})
    by_concept = pd.DataFrame(with_intervals(asked, about, source="", w=1.0)).iloc[0]
    assert (by_concept["low"], by_concept["high"]) == (0, 1)  # two concepts, one of which is found
    one_by_one = pd.DataFrame(with_intervals(asked, about.assign(cluster=range(100)), source="", w=1.0)).iloc[0]
    assert one_by_one["high"] - one_by_one["low"] == pytest.approx(2 * 1.96 * 0.05, rel=0.15)
    assert by_concept["mean"] == one_by_one["mean"] == 0.5


def test_two_real_sets_show_the_same_concepts_in_two_designs():
    rows = [
        (f"caption {c} {v}", f"c{c}", d)
        for c in range(30)
        for v in range(2)
        for d in ("one", "two", "three")[: 1 + c % 3]
    ]
    table = pd.DataFrame(rows, columns=["caption", "concept", "design"])
    captions = sorted(set(table["caption"]))[:-10] + ["not drawn"]
    chosen, first, second = two_real_sets(table, captions, seed=0)
    drawn = table[table["caption"].isin(captions)].groupby("concept")["design"].nunique()
    assert {table.set_index("caption")["concept"][c].iloc[0] for c in chosen} == set(drawn.index[drawn > 1])
    assert len(chosen) == drawn.gt(1).sum()  # one caption of each
    for rows in (first, second):
        assert table["caption"].iloc[rows].tolist() == chosen
    assert (table["design"].iloc[first].to_numpy() != table["design"].iloc[second].to_numpy()).all()
    assert two_real_sets(table, captions, seed=0) == (chosen, first, second) != two_real_sets(table, captions, seed=1)


def test_sets_without_designs_have_as_many_of_each_concept_as_all_can():
    table = pd.DataFrame({"concept": ["a"] * 9 + ["b"] * 6 + ["c"] * 1 + ["d"] * 4})
    made = [["a"] * 5 + ["b"] * 2 + ["c"] * 3, ["b"] * 7 + ["a"] * 3 + ["c"] * 3]
    first, second, places = sets_of_concepts(table, made, seed=0)
    assert not set(first) & set(second) and len(set(first)) == len(first)
    for concepts in (
        table["concept"].iloc[first],
        table["concept"].iloc[second],
        *(pd.Series(m)[p] for m, p in zip(made, places)),
    ):
        # nine of a halve to four, but three were made; one of c makes no two sets; of d nothing was made
        assert concepts.value_counts().to_dict() == {"a": 3, "b": 2}
    assert places[0] == [0, 1, 2, 5, 6]  # the first of each


def test_set_measures_name_what_they_compare():
    features = torch.randn(40, 6, generator=torch.Generator().manual_seed(0))
    found = compared(features, features, source="generated", w=2.0, seed=0).set_index("metric")
    assert found.loc[["precision", "recall", "coverage"], "value"].eq(1).all()  # a set against itself
    assert found["guidance_scale"].eq(2).all() and found["n"].eq(40).all() and found["subset_size"].eq(20).all()
    small = compared(features[:4], features[4:8], source="generated", w=2.0, seed=0)
    assert small["k"].dropna().eq(3).all()  # four images have three others


def test_captions_name_the_finest_label_that_their_images_share():
    table = pd.DataFrame({
        "caption": ["a dog", "a dog", "a cat"], "kind": ["animal"] * 3, "species": ["dog", "dog", "cat"], "breed": ["pug", "poodle", "manx"],
    })  # fmt: skip
    assert named_by_captions(table, ("kind", "species", "breed")) == "species"
    assert (
        named_by_captions(table, ("kind",)) == "kind"
        and named_by_captions(table, ()) == named_by_captions(table, ("breed",)) == "caption"
    )
    assert named_by_captions(table.assign(species=["dog", None, "cat"]), ("species",)) == "caption"  # not known of all


def test_the_grid_has_the_first_images_of_the_first_captions():
    images = torch.arange(60, dtype=torch.uint8)[:, None, None, None].expand(60, 3, 4, 4)
    rows = picture_grid(images, torch.arange(60) % 10, [f"caption {c}" for c in range(10)], 3.0)
    assert [(row["caption"], row["index"]) for row in rows] == [(f"caption {c}", i) for c in range(8) for i in range(4)]
    shown = [int(np.asarray(Image.open(io.BytesIO(row["png"])))[0, 0, 0]) for row in rows]
    assert shown == [c + 10 * i for c in range(8) for i in range(4)] and {row["guidance_scale"] for row in rows} == {
        3.0
    }


# The whole judgement


def seen(concepts, seed: int, noise: float = 0.05) -> torch.Tensor:
    """Features: a direction for each of twelve concepts, and a little noise."""
    directions = F.normalize(torch.randn(12, 16, generator=torch.Generator().manual_seed(99)), dim=1)
    rows = directions[[int(str(one).removeprefix("c")) for one in concepts]]
    return rows + noise * torch.randn(rows.shape, generator=torch.Generator().manual_seed(seed))


def drawn(designs, count: int = 12, times: int = 1) -> pd.DataFrame:
    """A caption for each concept, in every design; the concepts are of three groups."""
    rows = [
        (f"caption {c}", f"c{c}", f"s{c % 3}", f"g{c % 3}", d)
        for c in range(count)
        for d in designs
        for _ in range(times)
    ]
    return pd.DataFrame(rows, columns=["caption", "concept", "subgroup", "group", "design"])


CAPTIONS = [f"caption {c}" for c in range(10)]


def written(count: int = 2) -> list[str]:
    return [caption for caption in CAPTIONS for _ in range(count)]


def test_designs_are_judged_against_new_and_known_ones():
    table, held = drawn(("ink", "chalk")), drawn(("wood",), 10)
    right, wrong = seen([f"c{caption.split()[1]}" for caption in written()], 3), seen(["c11"] * 20, 4)
    gallery = seen(table["concept"], 1), table
    tables = judge_images(
        gallery, (seen(held["concept"], 2), held), {1.0: (right, written()), 4.0: (wrong, written())}, CAPTIONS, seed=0
    )
    every = tables["faithfulness"]
    top = every[(every["measure"] == "top1") & (every["group"] == "all")].set_index(["source", "guidance_scale"])[
        "mean"
    ]
    assert (
        top[NEW_DESIGN].item() == top[KNOWN_DESIGNS].item() == top["generated"][1.0] == 1 and top["generated"][4.0] == 0
    )
    assert set(every["group"]) == {"all", "g0", "g1", "g2"} and set(every["source"]) == {
        NEW_DESIGN,
        KNOWN_DESIGNS,
        "generated",
    }
    known = every[(every["source"] == KNOWN_DESIGNS) & (every["group"] == "all")]
    assert set(known["n"]) == {20}  # ten captions in two designs
    diverse = tables["diversity"].set_index("guidance_scale")
    assert tables["diversity"]["source"].tolist() == ["real designs", "generated", "generated"]
    assert (diverse["mean"] > 0).all() and (diverse["mean"] < 0.1).all()
    sets = tables["sets"].set_index(["source", "guidance_scale", "metric"])["value"]
    assert set(tables["sets"]["source"]) == {OTHER_DESIGNS, "generated"} and (tables["sets"]["n"] == 10).all()
    assert sets["generated"][1.0]["kid"] < sets["generated"][4.0]["kid"]


def test_a_known_design_is_found_by_the_other_ones_alone():
    """Two designs draw a concept, a third another: its images cannot be found without itself, and are not asked for."""
    table = pd.concat([drawn(("ink", "chalk"), 3), drawn(("ink",), 4)[3:]], ignore_index=True)
    features = seen(table["concept"], 1)
    answers, about = known_designs(Retrieval(features, table), features, table, ["caption 0", "caption 3"])
    assert about["caption"].tolist() == ["caption 0"] * 2 and set(about["design"]) == {"ink", "chalk"}
    assert len(answers) == 2 and answers["top1"].all()
    # the two drawings of the first concept have nothing in common, and a trace of the second concept: only its own drawing is like either
    apart = torch.eye(8)[[0, 7, 1, 1, 2, 2, 3]]
    apart[:2, 1] = 0.1
    answers, _ = known_designs(Retrieval(apart, table), apart, table, ["caption 0"])
    assert not answers["top1"].any()


def test_images_without_designs_are_judged_against_held_out_ones():
    table, held = drawn(("",), 10, times=4), drawn(("",), 12, times=2)
    held = held.assign(
        caption="new " + held["caption"]
    )  # the last two concepts are in no gallery: they cannot be found, nor asked for
    gallery = seen(table["concept"], 1), table
    made = {2.0: (seen([f"c{caption.split()[1]}" for caption in written(3)], 3), written(3))}
    tables = judge_images(gallery, (seen(held["concept"], 2), held), made, CAPTIONS, seed=0)
    every = tables["faithfulness"].query("group == 'all' and measure == 'top1'").set_index("source")
    assert (
        every.index.tolist() == [HELD_OUT, "generated"]
        and every["mean"].tolist() == [1, 1]
        and every["n"].tolist() == [20, 30]
    )
    assert tables["diversity"]["source"].tolist() == ["real images", "generated"]
    assert (
        set(tables["sets"]["source"]) == {OTHER_IMAGES, "generated"} and (tables["sets"]["n"] == 20).all()
    )  # two of each concept


def test_sets_of_a_handful_are_not_compared():
    table, held = drawn(("ink", "chalk"), FEWEST_IN_A_SET - 1), drawn(("wood",), FEWEST_IN_A_SET - 1)
    some = CAPTIONS[: FEWEST_IN_A_SET - 1]
    made = {1.0: (seen(table["concept"].unique(), 3), some)}
    tables = judge_images((seen(table["concept"], 1), table), (seen(held["concept"], 2), held), made, some, seed=0)
    assert tables["sets"].empty and {"metric", "value", "source"} <= set(tables["sets"])
    assert np.isnan(tables["diversity"].set_index("source").loc["generated", "mean"])  # one image of each caption


def test_held_out_images_of_other_things_are_refused():
    table = drawn(("ink", "chalk"), 4)
    held = drawn(("wood",), 8)[4:]
    with pytest.raises(InputError, match="none of 4 held-out images shows what the 8 training images show"):
        judge_images((seen(table["concept"], 1), table), (seen(held["concept"], 2), held), {}, CAPTIONS[:4], seed=0)
