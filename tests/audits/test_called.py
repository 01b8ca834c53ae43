"""What is called a copy: items, shares by concept, hidden copies, and test drawings that are left out."""

from __future__ import annotations

import io

import numpy as np
import pandas as pd
import pytest
import torch
from PIL import Image

from stablerep.audits.called import TONED, called, comparable, hidden, picture_rows, shares, without_copies
from stablerep.audits.copies import DETECTORS, EMBEDDING, PIXELS, RATIO, RATIO_OTHERS
from stablerep.audits.unseen import UNSEEN, is_counted


def scores(rows: list[dict], seeds: int = 1) -> pd.DataFrame:
    """Rows of ``set``, ``id``, ``concept`` and ``score``, the same for all detectors and seeds."""
    table = pd.DataFrame(rows)
    table = table.assign(
        **dict.fromkeys(DETECTORS, table["score"]), design=table.get("design", ""), toned=table.get("toned", False)
    )
    return pd.concat([table.drop(columns="score").assign(seed=seed) for seed in range(seeds)], ignore_index=True)


def limits(seeds: int = 1, at: float = 0.5) -> pd.DataFrame:
    return pd.DataFrame(
        [{"seed": seed, "detector": name, "threshold": at} for seed in range(seeds) for name in DETECTORS]
    )


def test_what_lies_above_the_threshold_is_called_and_every_concept_counts_the_same():
    rows = [{"set": "s", "id": f"{k}", "concept": "many", "score": 1.0} for k in range(9)]
    rows += [{"set": "s", "id": "x", "concept": "few", "score": 0.5}]  # at the threshold, not above
    items = called(scores(rows, 2), limits(2))
    found = shares(items)
    assert found["detector"].tolist() == list(DETECTORS) and found["share"].tolist() == [0.5] * 4
    assert found[["images", "concepts", "seeds"]].drop_duplicates().to_numpy().tolist() == [[10, 2, 2]]


def test_thresholds_of_a_seed_are_for_that_seed():
    items = called(
        scores([{"set": "s", "id": "x", "concept": "c", "score": 0.7}], 2),
        limits(2).assign(threshold=lambda t: t["seed"].map({0: 0.6, 1: 0.8})),
    )
    assert items.groupby("seed")["correct"].all().tolist() == [True, False]


def test_synthetic_and_unseen_images_are_compared_on_the_same_captions_of_counted_concepts():
    names = [f"c{k}" for k in range(30)]
    rows = [{"set": "generated", "id": name, "concept": name, "score": 1.0} for name in names[:20]]
    rows += [{"set": UNSEEN, "id": name, "concept": name, "score": 0.0} for name in names[10:]]
    rows += [{"set": "other", "id": "z", "concept": "c0", "score": 0.0}]
    found = comparable(called(scores(rows), limits()), ["generated"])
    kept = {name: set(part["id"]) for name, part in found.groupby("arm")}
    expected = {name for name in names[10:20] if is_counted([name])[0]}
    assert expected and kept["generated"] == kept[UNSEEN] == expected and kept["other"] == {"z"}


def test_hidden_copies_are_counted_by_design_and_for_people_in_a_tone():
    rows = [
        {"set": "planted", "id": f"{design}/{k}", "concept": f"c{k}", "design": design, "toned": k == 0, "score": 0.0}
        for design in ("twin", "alone") for k in range(3)
    ]  # fmt: skip
    table = scores(rows)
    table[RATIO], table[RATIO_OTHERS] = (table["design"] == "alone").astype(float), 1.0
    found = hidden(called(table, limits()), "planted").set_index(["kind", "detector"])["share"]
    assert found["twin", RATIO] == 0 and found["alone", RATIO] == 1 and found[TONED, RATIO] == 0.5
    assert (found.xs(RATIO_OTHERS, level="detector") == 1).all() and found.index[-1][0] == TONED


def test_items_go_with_either_of_their_drawings():
    items = pd.DataFrame([
        {"id": f"{gallery}/{design}/{concept}", "design": design, "cluster": concept}
        for concept in "ab" for gallery in ("ink", "oil", "pen") for design in ("ink", "oil", "pen") if design != gallery
    ])  # fmt: skip
    calls = pd.DataFrame([
        {"probe": probe, "cluster": concept, "design": design, "seed": seed, "correct": probe == PIXELS and (concept, design) == ("a", "ink") and seed < hits}
        for probe, hits in ((PIXELS, 2), (EMBEDDING, 0)) for concept in "ab" for design in ("ink", "oil", "pen") for seed in range(4)
    ])  # fmt: skip
    found, share = without_copies(items, calls, (PIXELS, EMBEDDING))
    assert list(found) == ["nothing", PIXELS, EMBEDDING] and len(found["nothing"]) == len(found[EMBEDDING]) == 12
    assert share == {"nothing": 0.0, PIXELS: pytest.approx(1 / 6), EMBEDDING: 0.0}
    left = found[PIXELS]
    assert len(left[left["cluster"] == "b"]) == 6 and left.loc[left["cluster"] == "a", "id"].tolist() == [
        "oil/pen/a",
        "pen/oil/a",
    ]
    calls["correct"] &= calls["seed"] < 1  # at one of four seeds: too few
    assert len(without_copies(items, calls, (PIXELS,))[0][PIXELS]) == 12


def test_pictures_are_of_the_highest_cosines_one_of_each_concept():
    images = torch.arange(4, dtype=torch.uint8)[:, None, None, None].expand(-1, 3, 4, 4)
    learned = (100 + torch.arange(3, dtype=torch.uint8))[:, None, None, None].expand(-1, 3, 4, 4)
    found = pd.DataFrame({
        "caption": ["a", "a too", "b", "c"], "concept": ["a", "a", "b", "c"], EMBEDDING: [0.5, 0.9, 0.7, 0.1], "alike": [0, 1, 2, 0], "nearest": [2, 2, 0, 0],
    })  # fmt: skip
    rows = picture_rows(
        images, found, learned, pd.DataFrame({"caption": ["x", "y", "z"], "design": ["ink", "oil", "pen"]})
    )
    assert [(one["caption"], one["kind"], one["shows"]) for one in rows[:3]] == [
        ("a too", "generated", "a too"), ("a too", "nearest, embedding", "y (oil)"), ("a too", "nearest, pixels", "z (pen)"),
    ]  # fmt: skip
    assert [one["caption"] for one in rows[::3]] == ["a too", "b", "c"]
    assert np.asarray(Image.open(io.BytesIO(rows[1]["png"])))[0, 0].tolist() == [101] * 3
