"""What a judge says of generated images beside real ones, with designs and without, on features whose answer is known."""

from __future__ import annotations

import io

import numpy as np
import pandas as pd
import pytest
import torch
from PIL import Image

from stablerep.audits.faithfulness import (
    HELD_OUT,
    KNOWN_DESIGNS,
    NEW_DESIGN,
    OTHER_DESIGNS,
    OTHER_IMAGES,
    compared,
    judge_images,
    named_by_captions,
    picture_grid,
    sets_of_concepts,
    two_real_sets,
    with_intervals,
)
from stablerep.errors import InputError


def noise(*shape, seed=0):
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed))


def test_shares_by_group_have_their_own_concepts():
    about = pd.DataFrame({"concept": ["a", "a", "b", "c"], "group": ["people", "people", "people", "food"]})
    asked = pd.DataFrame({"top1": [True, False, True, False], "top10": True, "subgroup": True})
    rows = pd.DataFrame(with_intervals(asked, about, source="generated", w=2.0))
    top = rows[rows["measure"] == "top1"].set_index("group")
    assert top["mean"].to_dict() == pytest.approx({"all": 0.5, "people": 2 / 3, "food": 0})
    assert top["concepts"].to_dict() == {"all": 3, "people": 2, "food": 1}
    assert top["n"].to_dict() == {"all": 4, "people": 3, "food": 1}


def test_answers_are_resampled_by_cluster_where_there_is_one():
    about = pd.DataFrame({"concept": "a", "group": "g"}, index=range(100))
    asked = pd.DataFrame({"top1": np.arange(100) < 50, "top10": True, "subgroup": True})
    by_concept = pd.DataFrame(with_intervals(asked, about, source="s", w=1.0)).iloc[0]
    by_image = pd.DataFrame(with_intervals(asked, about.assign(cluster=range(100)), source="s", w=1.0)).iloc[0]
    assert by_concept["low"] == by_concept["high"] == 0.5  # one concept cannot be resampled
    assert by_image["high"] - by_image["low"] == pytest.approx(2 * 1.96 * 0.05, rel=0.1) and by_image["concepts"] == 1


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


def test_sets_of_concepts_have_as_many_images_of_each():
    real = pd.DataFrame({"concept": ["cat"] * 9 + ["dog"] * 40 + ["owl"] * 10})
    made = [["dog"] * 7 + ["cat"] * 20, ["cat"] * 20 + ["dog"] * 12]
    first, second, places = sets_of_concepts(real, made, seed=0)
    counts = {"cat": 4, "dog": 7}  # half of nine cats, the fewest generated dogs, no generated owls
    for rows in (first, second):
        assert real["concept"].iloc[rows].value_counts().to_dict() == counts
    assert not set(first) & set(second)
    for written, mine in zip(made, places):
        assert pd.Series(written).iloc[mine].value_counts().to_dict() == counts and len(set(mine)) == len(mine)


def test_set_measures_name_what_they_compare():
    features = noise(40, 6)
    found = compared(features, features, source="generated", w=2.0, seed=0).set_index("metric")
    assert found.loc[["precision", "recall", "coverage"], "value"].eq(1).all()  # a set against itself
    assert found["guidance_scale"].eq(2).all() and found["n"].eq(40).all() and found["subset_size"].eq(20).all()
    small = compared(features[:4], features[4:8], source="generated", w=2.0, seed=0)
    assert small["k"].dropna().eq(3).all()  # four images have three others


def drawings(concepts=20, designs=("ink", "chalk", "wood"), spread=0.2):
    """Features and rows of drawings: a direction for each concept, with noise."""
    rows = [(f"caption {c}", f"c{c}", f"s{c % 4}", f"g{c % 2}", d) for c in range(concepts) for d in designs]
    table = pd.DataFrame(rows, columns=["caption", "concept", "subgroup", "group", "design"])
    codes = noise(concepts, 32, seed=1).repeat_interleave(len(designs), 0)
    return codes + spread * noise(len(table), 32, seed=2), table


def test_drawings_are_judged_beside_a_new_design_and_the_known_ones():
    features, table = drawings()
    new = (table["design"] == "wood").to_numpy(copy=True)
    captions = [f"caption {c}" for c in range(20)]
    written = [caption for caption in captions for _ in range(3)]
    right = features[table.index[table["design"] == "ink"].to_numpy(copy=True)].repeat_interleave(3, 0)
    made = {1.0: (noise(60, 32, seed=5), written), 4.0: (right + 0.1 * noise(60, 32, seed=6), written)}
    gallery = features[torch.from_numpy(~new)], table[~new].reset_index(drop=True)
    held_out = features[torch.from_numpy(new)], table[new].reset_index(drop=True)
    tables = judge_images(gallery, held_out, made, captions, seed=0)
    top = tables["faithfulness"].query("measure == 'top1' and group == 'all'").set_index(["source", "guidance_scale"])
    assert top.index.get_level_values(0).unique().tolist() == [NEW_DESIGN, KNOWN_DESIGNS, "generated"]
    assert top.loc[("generated", 4.0), "mean"] == 1 > top.loc[("generated", 1.0), "mean"]
    assert (top["concepts"] == 20).all()
    assert set(tables["faithfulness"]["group"]) == {"all", "g0", "g1"}
    spread = tables["diversity"].set_index("source")["mean"]
    assert spread.loc["real designs"] < spread.loc["generated"].iloc[0] and len(tables["diversity"]) == 3
    sets = tables["sets"]
    assert sets["source"].unique().tolist() == [OTHER_DESIGNS, "generated"] and (sets["n"] == 20).all()
    kid = sets[sets["metric"] == "kid"].set_index("guidance_scale")["value"]
    assert kid[4.0] < kid[1.0]


def photographs(per_class=30, classes=("cat", "dog", "owl"), seed=1, spread=0.2, own=False):
    """Features and rows of photographs, whose caption is their class or, with ``own``, one of their own."""
    label = np.repeat(np.asarray(classes, object), per_class)
    captions = [f"{name}, photograph {k}" for k, name in enumerate(label)] if own else [f"a {name}" for name in label]
    table = pd.DataFrame({
        "caption": captions, "concept": label, "subgroup": label, "group": label, "design": "",
        "cluster": [f"{seed}-{k}" for k in range(len(label))],
    })  # fmt: skip
    codes = torch.eye(8)[: len(classes)].repeat_interleave(per_class, 0)
    return codes + spread * noise(len(table), 8, seed=seed), table


@pytest.mark.parametrize("own", [False, True])
def test_photographs_are_judged_beside_held_out_ones_of_the_same_classes(own):
    gallery, held_out = photographs(own=own), photographs(20, seed=2, own=own)
    captions = gallery[1]["caption"].drop_duplicates().tolist()
    images = 2 if own else 10
    written = [caption for caption in captions for _ in range(images)]
    shown = gallery[1].drop_duplicates("caption").set_index("caption")["concept"].loc[written]
    place = torch.tensor([("cat", "dog", "owl").index(name) for name in shown])
    made = {3.0: (torch.eye(8)[place] + 0.1 * noise(len(written), 8, seed=3), written)}
    tables = judge_images(gallery, held_out, made, captions, seed=0)
    top = tables["faithfulness"].query("measure == 'top1' and group == 'all'").set_index("source")
    assert top.index.tolist() == [HELD_OUT, "generated"] and (top["mean"] > 0.9).all() and (top["concepts"] == 3).all()
    assert top["n"].tolist() == [60, len(written)]
    sets = tables["sets"]
    assert sets["source"].unique().tolist() == [OTHER_IMAGES, "generated"]
    assert sets["n"].unique().tolist() == [3 * (15 if own else 10)]
    real = tables["diversity"].set_index("source").loc["real images"]
    assert real.isna()[["mean", "low", "high"]].all() == own  # a caption of its own has one image


def test_classes_with_one_caption_each_are_not_resampled():
    """A judge that fails on one class of three: the interval is that of images, for there are no other classes."""
    gallery, held_out = photographs(), photographs(20, seed=2)
    captions = ["a cat", "a dog", "a owl"]
    written = [caption for caption in captions for _ in range(40)]
    place = torch.tensor([0] * 40 + [1] * 40 + [0] * 40)  # owls are drawn as cats
    tables = judge_images(gallery, held_out, {1.0: (torch.eye(8)[place], written)}, captions, seed=0)
    row = tables["faithfulness"].query("source == 'generated' and measure == 'top1' and group == 'all'").iloc[0]
    assert row["mean"] == pytest.approx(2 / 3)
    assert row["high"] - row["low"] == pytest.approx(2 * 1.96 * (2 / 9 / 120) ** 0.5, rel=0.1)


def test_held_out_images_of_other_things_are_refused_and_left_out():
    gallery, held_out = photographs(), photographs(20, seed=2)
    strange = held_out[1].assign(concept="fish")
    made = {1.0: (torch.eye(8)[:3], ["a cat", "a dog", "a owl"])}
    with pytest.raises(InputError, match="none of 60 held-out images shows what the 90 training images show"):
        judge_images(gallery, (held_out[0], strange), made, ["a cat"], seed=0)
    some = held_out[1].assign(concept=held_out[1]["concept"].replace("owl", "fish"))
    found = judge_images(gallery, (held_out[0], some), made, ["a cat"], seed=0)
    assert found["faithfulness"].query("source == @HELD_OUT")["n"].iloc[0] == 40
    assert found["sets"].empty and {"metric", "value", "source"} <= set(found["sets"])  # three images are no set


def test_what_captions_name_is_the_finest_label_that_they_determine():
    table = pd.DataFrame({
        "caption": ["a cat", "a cat", "a dog"], "kind": ["animal"] * 3, "animal": ["cat", "cat", "dog"], "age": ["old", "young", "old"],
    })  # fmt: skip
    assert named_by_captions(table, ("kind", "animal")) == "animal"
    assert named_by_captions(table, ("kind", "age")) == "kind"
    assert named_by_captions(table, ("age",)) == named_by_captions(table, ()) == "caption"
    assert named_by_captions(table.assign(animal=["cat", "cat", None]), ("animal",)) == "caption"


def test_the_grid_shows_the_first_images_of_the_first_captions():
    images = torch.randint(0, 256, (30, 3, 8, 8), dtype=torch.uint8)
    ids = torch.arange(30) % 10
    rows = picture_grid(images, ids, [f"caption {k}" for k in range(10)], 2.0)
    assert [(row["caption"], row["index"]) for row in rows[:4]] == [
        ("caption 0", 0), ("caption 0", 1), ("caption 0", 2), ("caption 1", 0),
    ]  # fmt: skip
    assert len(rows) == 8 * 3
    read = np.asarray(Image.open(io.BytesIO(rows[3]["png"])))
    assert np.array_equal(read, images[1].permute(1, 2, 0).numpy())
