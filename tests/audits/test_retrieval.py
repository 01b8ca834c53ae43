"""Retrieval from a gallery and diversity within captions, on inputs whose answer is known."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
import torch

from stablerep.audits import retrieval
from stablerep.audits.retrieval import Retrieval, within_caption_distance
from stablerep.errors import InputError

MEASURES = ["top1", "top10", "subgroup"]


def gallery() -> Retrieval:
    """Twelve concepts on the axes of a space of fourteen; the first has a second caption on axis 12, in another tone."""
    names = [f"c{i}" for i in range(12)]
    table = pd.DataFrame({
        "caption": [f"caption {n}" for n in names] + ["other caption c0"],
        "concept": [*names, "c0"],
        "subgroup": ["even" if i % 2 == 0 else "odd" for i in range(12)] + ["even"],
        "tone": ["light"] * 12 + ["dark"],
    })  # fmt: skip
    return Retrieval(3 * torch.eye(14)[:13], table, ["tone"])


def ask(queries: torch.Tensor, concepts: list[str]) -> pd.DataFrame:
    return gallery().ask(queries, concepts, [f"caption {one}" for one in concepts])


def test_nearest_prototype_decides():
    asked = ask(torch.eye(14)[[3, 3, 4, 12]], ["c3", "c5", "c5", "c0"])
    assert asked["top1"].tolist() == [1, 0, 0, 1]  # a concept has all its captions
    assert asked["subgroup"].tolist() == [1, 1, 0, 1]


def test_top_ten_counts_concepts_not_captions():
    """Similarities fall along the axes: the query is nearest to c0 and c1, and c11 is twelfth."""
    query = torch.linspace(1, 0.1, 14)
    query[12] = 1.0  # both captions of c0 come first, as one concept
    asked = ask(query.expand(3, -1), ["c9", "c10", "c0"])
    assert asked["top10"].tolist() == [1, 0, 1] and asked["top1"].tolist() == [0, 0, 1]


def test_small_gallery_has_fewer_than_ten():
    table = pd.DataFrame({"caption": ["a", "b"], "concept": ["a", "b"], "subgroup": ["x", "y"]})
    asked = Retrieval(torch.eye(2), table).ask(torch.tensor([[1.0, 0.2]]), ["b"], ["b"])
    assert asked.iloc[0].tolist() == [0, 1, 0]


def test_prototype_is_the_mean_direction_of_images():
    """Lengths do not count: an image with long features weighs no more than the others."""
    table = pd.DataFrame({"caption": ["a", "a", "b"], "concept": ["a", "a", "b"], "subgroup": ["x", "x", "y"]})
    found = Retrieval(torch.tensor([[100.0, 0, 0], [0, 1.0, 0], [0, 0, 5.0]]), table)
    torch.testing.assert_close(found.prototypes, torch.tensor([[0.5**0.5, 0.5**0.5, 0], [0, 0, 1]]))


def test_attributes_are_compared_within_the_own_concept():
    """The first query is nearest to another concept, and of its own nearer to the dark caption than to the light one."""
    queries = torch.eye(14)[[5, 0, 5]] + 0.1 * torch.eye(14)[[12, 0, 5]]
    captions = ["other caption c0", "other caption c0", "caption c5"]
    asked = gallery().ask(queries, ["c0", "c0", "c5"], captions)
    assert asked["tone"].tolist()[:2] == [1, 0] and np.isnan(asked["tone"][2])  # c5 has one caption: nothing to tell
    assert np.isnan(gallery().ask(queries[:1], ["c0"], ["not in the gallery"])["tone"][0])


def test_chance_is_the_mean_over_random_orders():
    """Random queries in many dimensions rank concepts, and captions of a concept, as good as at random."""
    names = [f"c{i // 2}" for i in range(40)]
    table = pd.DataFrame({
        "caption": [f"caption {i}" for i in range(40)], "concept": names, "subgroup": ["x" if i < 30 else "y" for i in range(40)],
        "tone": ["light", "dark"] * 20,
    })  # fmt: skip
    found = Retrieval(torch.eye(40), table, ["tone"])
    concepts, captions = ["c0"] * 4000 + ["gone"], ["caption 0"] * 4000 + ["gone"]
    chance = found.chance(concepts, captions)
    assert chance.iloc[0].to_dict() == pytest.approx({"top1": 1 / 20, "top10": 1 / 2, "subgroup": 3 / 4, "tone": 1 / 2})
    assert chance.iloc[-1][MEASURES].tolist() == [0, 0, 0]
    queries = torch.randn(4001, 40, generator=torch.Generator().manual_seed(0))
    asked = found.ask(queries, concepts, captions)
    assert asked[:4000].mean().to_dict() == pytest.approx(chance.iloc[0].to_dict(), abs=0.03)
    assert not asked.iloc[-1][MEASURES].any()  # a concept that the gallery does not have is never found


def test_distance_within_captions_by_hand():
    axes = torch.eye(3)
    features = torch.stack([axes[0], 5 * axes[0], axes[1], axes[0], axes[1], axes[2], axes[2], axes[1], -axes[1]])
    captions = ["two alike, one other"] * 3 + ["two at right angles"] * 2 + ["equal"] * 2 + ["opposed"] * 2
    found = within_caption_distance(torch.cat([features, axes[:1]]), [*captions, "alone"])
    assert found.to_dict() == pytest.approx(
        {"two alike, one other": 2 / 3, "two at right angles": 1, "equal": 0, "opposed": 2}, abs=1e-6
    )


def test_a_caption_of_several_concepts_is_refused():
    table = pd.DataFrame({"caption": ["a face", "a face"], "concept": ["old", "young"], "subgroup": ["x", "x"]})
    with pytest.raises(InputError, match="the caption 'a face' show several concepts"):
        Retrieval(torch.eye(2), table)


def test_blocks_of_queries_change_no_answer(monkeypatch):
    query = torch.randn(40, 14, generator=torch.Generator().manual_seed(0))
    concepts = [f"c{i % 12}" for i in range(40)]
    whole = ask(query, concepts)
    monkeypatch.setattr(retrieval, "BLOCK", 3 * 13)  # three queries at a time
    pd.testing.assert_frame_equal(ask(query, concepts), whole)


def test_distances_of_many_images_come_from_their_sum(monkeypatch):
    features = torch.randn(60, 5, generator=torch.Generator().manual_seed(0))
    captions = ["a"] * 35 + ["b"] * 25
    whole = within_caption_distance(features, captions)
    monkeypatch.setattr(retrieval, "BLOCK", 100)
    assert within_caption_distance(features, captions).to_dict() == pytest.approx(whole.to_dict(), abs=1e-6)
    assert within_caption_distance(features[:2], ["a", "b"]).empty
