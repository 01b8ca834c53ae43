"""Faithfulness, diversity and sets, on features in which every image shows plainly what it is."""

from __future__ import annotations

import io

import numpy as np
import pandas as pd
import pytest
import torch
import torch.nn.functional as F
from PIL import Image

from stablerep.audits.equal_galleries import TEST, TRAINING
from stablerep.audits.faithfulness import (
    GRID_CAPTIONS,
    GRID_IMAGES,
    OTHER_CONCEPTS,
    OTHER_IMAGES,
    compared,
    diverse,
    gaps,
    judged,
    over_seeds,
    picture_grid,
    shares,
)
from stablerep.statistics import crossed_mean

COUNT = 24  # concepts, of three groups; the first has a second caption in another tone
ABOUT = pd.DataFrame({
    "caption": [f"caption {c}" for c in range(COUNT)] + ["caption 0, dark"],
    "concept": [f"c{c}" for c in range(COUNT)] + ["c0"],
    "subgroup": [f"s{c % 6}" for c in range(COUNT)] + ["s0"], "group": [f"g{c % 3}" for c in range(COUNT)] + ["g0"],
    "tone": ["light"] * COUNT + ["dark"],
}).set_index("caption")  # fmt: skip
GALLERY = ABOUT.reset_index()


def seen(captions, seed: int, noise: float = 0.05) -> torch.Tensor:
    """Features: a direction for each caption, near its concept's, and a little noise."""
    rng = torch.Generator().manual_seed(99)
    of_concept, of_caption = (F.normalize(torch.randn(COUNT + 1, 32, generator=rng), dim=1) for _ in range(2))
    place = {caption: number for number, caption in enumerate(ABOUT.index)}
    rows = [int(ABOUT["concept"][caption][1:]) for caption in captions]
    clean = of_concept[rows] + 0.2 * of_caption[[place[caption] for caption in captions]]
    return clean + noise * torch.randn(clean.shape, generator=torch.Generator().manual_seed(seed))


def queries(count: int = COUNT + 1, times: int = 2, seed: int = 1, noise: float = 0.05):
    captions = [caption for caption in ABOUT.index[:count] for _ in range(times)]
    return seen(captions, seed, noise), captions


def wrong(times: int = 2):
    """Images of every caption that show the concept of the next one of the same subgroup."""
    captions = [caption for caption in ABOUT.index[:COUNT] for _ in range(times)]
    return seen([f"caption {(int(caption.split()[1]) + 6) % COUNT}" for caption in captions], 5), captions


def answers(made, seeds: int = 3) -> pd.DataFrame:
    real = queries(COUNT)
    parts = [
        judged((seen(ABOUT.index, 0), GALLERY), real, made, ABOUT, ["tone"]).assign(captions=name, gallery="g", seed=seed)
        for seed in range(seeds) for name in (TRAINING, TEST)
    ]  # fmt: skip
    return pd.concat(parts, ignore_index=True)


def test_a_generator_that_gives_back_real_images_is_exactly_as_faithful():
    """Whatever the judge sees in them: nothing of the query but its features counts."""
    real = queries(noise=0.6)
    found = judged((seen(ABOUT.index, 0), GALLERY), real, {2.0: real}, ABOUT, ["tone"])
    one, other = (
        found[found["source"] == source].drop(columns=["source", "guidance_scale"]) for source in ("real", "generated")
    )
    pd.testing.assert_frame_equal(one.reset_index(drop=True), other.reset_index(drop=True))
    assert 0.1 < one.loc[one["measure"] == "top1", "value"].mean() < 0.9


def test_captions_of_a_concept_count_the_same():
    """One of two captions of c0 is right in all of its nine images, the other is wrong in its one image."""
    features = torch.cat([seen(["caption 0"] * 9, 1), seen(["caption 7"], 1)])
    made = {2.0: (features, ["caption 0"] * 9 + ["caption 0, dark"])}
    found = judged((seen(ABOUT.index, 0), GALLERY), queries(), made, ABOUT, ["tone"])
    row = found.query("source == 'generated' and concept == 'c0'").set_index("measure")
    assert row.loc["top1", "value"] == 0.5 and row.loc["top1", "chance"] == pytest.approx(1 / COUNT)
    assert row.loc["tone", "chance"] == 0.5
    tones = found[found["measure"] == "tone"]
    assert set(tones["concept"]) == {"c0"}  # the only one that has two
    assert tones.loc[tones["source"] == "real", "value"].item() == 1


def test_shares_are_over_concepts_and_seeds():
    table = answers({1.0: queries(COUNT, seed=3), 4.0: wrong()})
    found = shares(table)
    every = found.query("group == 'all' and captions == @TRAINING and measure == 'top1'").set_index("guidance_scale")
    assert every["mean"].tolist() == [1, 1, 0] and every["seeds"].eq(3).all() and every["concepts"].eq(COUNT).all()
    assert found.query("measure == 'subgroup' and guidance_scale == 4 and group == 'all'")["mean"].eq(1).all()
    assert set(found["group"]) == {"all", "g0", "g1", "g2"}
    assert found.query("group == 'g1' and measure == 'top1'")["concepts"].eq(COUNT / 3).all()
    values = np.random.default_rng(0).random((3, COUNT)).ravel()
    some = table.query("captions == @TEST and measure == 'top1' and guidance_scale == 4").assign(value=values)
    row = shares(some).iloc[0]
    expected = crossed_mean(values.reshape(3, COUNT))
    assert (row["mean"], row["low"], row["high"]) == pytest.approx((expected.mean, *expected.interval()))


def test_gaps_are_paired_and_one_of_them_is_the_claims():
    table = answers({1.0: queries(COUNT, seed=3), 4.0: wrong()})
    found = gaps(table, "C10", 4.0, TRAINING)
    assert found["claim"].tolist() == ["", "C10", "", ""] and found["captions"].tolist() == [TRAINING] * 2 + [TEST] * 2
    assert found["difference"].tolist() == [0, 1, 0, 1] and found["seeds"].eq(3).all()
    assert found["second"].tolist() == ["generated, w = 1", "generated, w = 4"] * 2


def test_a_concept_without_images_somewhere_is_left_out_everywhere():
    """As when a safety checker takes all images of a caption at one seed."""
    table = answers({1.0: queries(COUNT, seed=3)})
    lost = table.drop(
        table.query("seed == 1 and source == 'generated' and concept == 'c5' and captions == @TEST").index
    )
    found = shares(lost).query("group == 'all' and measure == 'top1'")
    assert found.groupby("captions")["concepts"].unique().map(list).to_dict() == {TRAINING: [COUNT], TEST: [COUNT - 1]}
    assert gaps(lost, "C10", 1.0, TRAINING)["clusters"].tolist() == [COUNT, COUNT - 1]


def test_diversity_is_a_distance_by_concept():
    same = seen(ABOUT.index[:COUNT], 1).repeat_interleave(2, 0)
    captions = [caption for caption in ABOUT.index[:COUNT] for _ in range(2)]
    found = diverse(queries(COUNT, noise=0.3), {2.0: (same, captions)}, ABOUT).assign(
        captions=TRAINING, gallery="none", seed=0
    )
    means = shares(found).query("group == 'all'").set_index("source")["mean"]
    assert means["real"] > 0.1 and means["generated"] == pytest.approx(0, abs=1e-6)
    alone = diverse((seen(ABOUT.index, 1), list(ABOUT.index)), {2.0: (same, captions)}, ABOUT)
    assert set(alone["source"]) == {"generated"}  # captions with one image have none


def cloud(concepts: int, times: int, seed: int, shift: float = 0.0):
    """Images of concepts that are spread as widely as the images of one."""
    rng = torch.Generator().manual_seed(seed)
    centres = torch.randn(concepts, 6, generator=rng).repeat_interleave(times, 0)
    captions = [f"{seed}/{c}" for c in range(concepts) for _ in range(times)]
    return centres + torch.randn(centres.shape, generator=rng) + shift, captions


def test_sets_have_no_concept_in_common_and_one_size():
    real, made = cloud(200, 4, 1), cloud(200, 3, 1)
    about = pd.DataFrame({"concept": sorted(set(real[1]))}, index=sorted(set(real[1])))
    found = compared(real, {2.0: made, 4.0: (made[0] + 2, made[1])}, about, by_concept=True, seed=0)
    sizes = found[["n_real", "n_generated"]].drop_duplicates()
    assert len(sizes) == 1 and sizes["n_real"].item() == sizes["n_generated"].item() and sizes["n_real"].item() > 200
    value = found.set_index(["source", "guidance_scale", "metric"])["value"].sort_index()
    assert set(found["source"]) == {OTHER_CONCEPTS, "generated"}
    assert value["generated", 4.0]["kid"] > 10 * abs(value["generated", 2.0]["kid"])
    # images of the first half, returned as generated ones, are not compared: with the same features of all captions nothing changes
    again = compared(real, {2.0: real}, about, by_concept=True, seed=0)
    kid = again[again["metric"] == "kid"]
    assert (kid["low"] < 0).all() and (kid["high"] > 0).all()


def test_without_designs_images_are_units():
    real, made = cloud(5, 40, 1), cloud(5, 20, 1)
    about = pd.DataFrame({"concept": sorted(set(real[1]))}, index=sorted(set(real[1])))
    found = compared(real, {2.0: made}, about, by_concept=False, seed=0)
    assert set(found["source"]) == {OTHER_IMAGES, "generated"} and (found["units"] == found["n_real"]).all()
    assert found["n_real"].between(80, 100).all()  # half of the real images, or all generated ones


def test_sets_of_a_handful_are_not_compared():
    captions = list(ABOUT.index[:2])
    few = compared((seen(captions, 1), captions), {2.0: (seen(captions, 2), captions)}, ABOUT, by_concept=True, seed=0)
    assert few.empty and over_seeds(few.assign(captions=TRAINING, seed=0)).empty


def test_sets_are_averaged_over_seeds():
    real = cloud(60, 4, 1)
    about = pd.DataFrame({"concept": sorted(set(real[1]))}, index=sorted(set(real[1])))
    each = [
        compared(real, {2.0: real}, about, by_concept=True, seed=s).assign(captions=TRAINING, seed=s) for s in (0, 1)
    ]
    found = over_seeds(pd.concat(each, ignore_index=True))
    assert len(found) == 10 and found["seeds"].eq(2).all() and found["metric"].tolist()[:2] == ["kid", "kid"]
    row = found.query("metric == 'density' and source == 'generated'").iloc[0]
    for name in ("value", "low", "high"):
        pair = [one.query("metric == 'density' and source == 'generated'")[name].item() for one in each]
        assert row[name] == pytest.approx(np.mean(pair)) and pair[0] != pair[1]


def test_the_grid_has_the_first_images_of_the_first_captions_of_each_group():
    images = torch.arange(60, dtype=torch.uint8)[:, None, None, None].expand(60, 3, 4, 4)
    captions = [f"caption {c}" for c in range(10)]
    groups = {caption: TRAINING if number < 5 else TEST for number, caption in enumerate(captions[:-1])}
    rows = picture_grid(images, torch.arange(60) % 10, captions, groups, 3.0)
    expected = [0, 1, 2, 5, 6, 7]
    assert GRID_CAPTIONS == 3 and [row["caption"] for row in rows[::GRID_IMAGES]] == [f"caption {c}" for c in expected]
    shown = [int(np.asarray(Image.open(io.BytesIO(row["png"])))[0, 0, 0]) for row in rows]
    assert shown == [c + 10 * i for c in expected for i in range(GRID_IMAGES)]
    assert {(row["captions"], row["guidance_scale"]) for row in rows} == {(TRAINING, 3.0), (TEST, 3.0)}
