"""Retrieval from a gallery and diversity within captions, on inputs whose answer is known."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
import torch

from stablerep.audits import retrieval
from stablerep.audits.retrieval import Retrieval, within_caption_distance
from stablerep.errors import InputError


def gallery() -> Retrieval:
    """Twelve concepts on the axes of a space of fourteen; the first has a second caption on axis 12."""
    names = [f"c{i}" for i in range(12)]
    table = pd.DataFrame({
        "caption": [f"caption {n}" for n in names] + ["other caption c0"],
        "concept": [*names, "c0"],
        "subgroup": ["even" if i % 2 == 0 else "odd" for i in range(12)] + ["even"],
        "design": "one",
    })  # fmt: skip
    return Retrieval(3 * torch.eye(14)[:13], table)


def test_nearest_prototype_decides():
    asked = gallery().ask(torch.eye(14)[[3, 3, 4, 12]], ["c3", "c5", "c5", "c0"])
    assert asked["top1"].tolist() == [True, False, False, True]  # a concept has all its captions
    assert asked["subgroup"].tolist() == [True, True, False, True]


def test_top_ten_counts_concepts_not_captions():
    """Similarities fall along the axes: the query is nearest to c0 and c1, and c11 is twelfth."""
    query = torch.linspace(1, 0.1, 14)
    query[12] = 1.0  # both captions of c0 come first, as one concept
    asked = gallery().ask(query.expand(3, -1), ["c9", "c10", "c0"])
    assert asked["top10"].tolist() == [True, False, True]
    assert asked["top1"].tolist() == [False, False, True]


def test_small_gallery_has_fewer_than_ten():
    table = pd.DataFrame({"caption": ["a", "b"], "concept": ["a", "b"], "subgroup": ["x", "y"], "design": "one"})
    asked = Retrieval(torch.eye(2), table).ask(torch.tensor([[1.0, 0.2]]), ["b"])
    assert asked.iloc[0].tolist() == [False, True, False]


def test_prototype_is_the_mean_direction_of_designs():
    """Lengths do not count: a design with long features weighs no more than the others."""
    table = pd.DataFrame({
        "caption": ["a", "a", "b"], "concept": ["a", "a", "b"], "subgroup": ["x", "x", "y"], "design": ["one", "two", "one"],
    })  # fmt: skip
    found = Retrieval(torch.tensor([[100.0, 0, 0], [0, 1.0, 0], [0, 0, 5.0]]), table)
    torch.testing.assert_close(found.prototypes, torch.tensor([[0.5**0.5, 0.5**0.5, 0], [0, 0, 1]]))


def test_own_design_is_left_out_of_the_asked_concept_alone():
    """Against a gallery built anew for every query, without the rows of the query's concept and design."""
    rng = np.random.default_rng(0)
    table = pd.DataFrame(
        [(f"caption {c} {v}", f"c{c}", f"s{c % 3}", d) for c in range(15) for v in range(2) for d in ("one", "two", "three") if rng.random() < 0.8],
        columns=["caption", "concept", "subgroup", "design"],
    )  # fmt: skip
    centre = torch.randn(15, 8, generator=torch.Generator().manual_seed(1))
    features = centre[[int(c[1:]) for c in table["concept"]]] + torch.randn(
        len(table), 8, generator=torch.Generator().manual_seed(2)
    )
    retrieval, compared = Retrieval(features, table), 0
    for design in ("one", "two", "three"):
        rows = table.index[(table["design"] == design) & (table.groupby("concept")["design"].transform("nunique") > 1)]
        concepts = table.loc[rows, "concept"].tolist()
        found = retrieval.ask_without_design(features[rows.to_numpy(copy=True)], concepts, design)
        for place, (row, concept) in enumerate(zip(rows, concepts)):
            kept = table.index[~((table["concept"] == concept) & (table["design"] == design))].to_numpy(copy=True)
            slow = Retrieval(features[kept], table.loc[kept].reset_index(drop=True)).ask(features[[row]], [concept])
            assert found.iloc[place].tolist() == slow.iloc[0].tolist()
            compared += 1
    assert compared > 50 and 0 < found["top1"].mean() < 1


def test_a_drawing_is_not_found_by_itself():
    table = pd.DataFrame(
        {"caption": ["a", "a", "b"], "concept": ["a", "a", "b"], "subgroup": "x", "design": ["one", "two", "two"]}
    )
    features = torch.tensor([[1.0, 0, 0], [0, 1, 0], [0.6, 0, 0.8]])
    retrieval = Retrieval(features, table)
    assert retrieval.ask(features[:1], ["a"])["top1"].item()
    assert not retrieval.ask_without_design(features[:1], ["a"], "one")[
        "top1"
    ].item()  # b is nearer than the other designer's a


def test_distance_within_captions_by_hand():
    axes = torch.eye(3)
    features = torch.stack([axes[0], 5 * axes[0], axes[1], axes[0], axes[1], axes[2], axes[2], axes[1], -axes[1]])
    captions = ["two alike, one other"] * 3 + ["two at right angles"] * 2 + ["equal"] * 2 + ["opposed"] * 2
    found = within_caption_distance(torch.cat([features, axes[:1]]), [*captions, "alone"])
    assert found.to_dict() == pytest.approx(
        {"two alike, one other": 2 / 3, "two at right angles": 1, "equal": 0, "opposed": 2}, abs=1e-6
    )


def test_a_concept_that_the_gallery_does_not_have_is_never_found():
    asked = gallery().ask(torch.eye(14)[[3]], ["unknown"])
    assert not asked.to_numpy().any()


def test_a_caption_of_several_concepts_is_refused():
    table = pd.DataFrame({"caption": ["a face", "a face"], "concept": ["old", "young"], "subgroup": ["x", "x"]})
    with pytest.raises(InputError, match="the caption 'a face' show several concepts"):
        Retrieval(torch.eye(2), table)


def test_blocks_of_queries_change_no_answer(monkeypatch):
    query = torch.randn(40, 14, generator=torch.Generator().manual_seed(0))
    concepts = [f"c{i % 12}" for i in range(40)]
    whole = gallery().ask(query, concepts)
    monkeypatch.setattr(retrieval, "BLOCK", 3 * 13)  # three queries at a time
    pd.testing.assert_frame_equal(gallery().ask(query, concepts), whole)


def test_distances_of_many_images_come_from_their_sum(monkeypatch):
    features = torch.randn(60, 5, generator=torch.Generator().manual_seed(0))
    captions = ["a"] * 35 + ["b"] * 25
    whole = within_caption_distance(features, captions)
    monkeypatch.setattr(retrieval, "BLOCK", 100)
    assert within_caption_distance(features, captions).to_dict() == pytest.approx(whole.to_dict(), abs=1e-6)
    assert within_caption_distance(features[:2], ["a", "b"]).empty
