"""Diagnostics against loops over pairs, Gram matrices and closed forms; and the alarms on features that are known to be ill or well."""

from __future__ import annotations

import itertools
import math

import numpy as np
import pytest
import torch
import torch.nn.functional as F

from stablerep.audits import features as diagnostics
from stablerep.audits.features import (
    MAX_MEAN_COSINE,
    MIN_RANK_SHARE,
    MIN_SPREAD,
    alignment,
    caption_similarity,
    collapse,
    effective_rank,
    uniformity,
)  # fmt: skip

IDS = {
    "two views each": [0, 1, 2, 3, 4, 0, 1, 2, 3, 4],
    "uneven captions": [7, 7, 7, 7, -1, -1, -1, 3, 3, 9],
    "one caption has two": [0, 1, 2, 3, 4, 5, 6, 7, 8, 0],
}


def gaussian(n, d, seed=0):
    return torch.randn(n, d, generator=torch.Generator().manual_seed(seed))


def rotation(d, seed=0):
    return torch.linalg.qr(gaussian(d, d, seed)).Q


def unit_rows(features):
    return [np.array(row) / math.sqrt(sum(v * v for v in row)) for row in features.double().tolist()]


@pytest.fixture(params=[3, 1024])
def rows_in_a_block(request, monkeypatch):
    """Blocks smaller than the ten rows of a test, and larger."""
    blocks = diagnostics._blocks
    monkeypatch.setattr(diagnostics, "_blocks", lambda z: blocks(z, rows=request.param))


@pytest.mark.parametrize("ids", IDS.values(), ids=IDS)
@pytest.mark.parametrize("power", [0.5, 1.0, 2.0])
def test_alignment_equals_a_loop_over_positive_pairs(ids, power, rows_in_a_block):
    features = 3 * gaussian(10, 4)
    rows = unit_rows(features)
    distances = [
        math.dist(rows[i], rows[j]) ** power for i, j in itertools.combinations(range(10), 2) if ids[i] == ids[j]
    ]
    assert alignment(features, torch.tensor(ids), power=power) == pytest.approx(
        sum(distances) / len(distances), abs=1e-7
    )


@pytest.mark.parametrize("t", [0.5, 2.0, 50.0])
def test_uniformity_equals_a_loop_over_pairs(t, rows_in_a_block):
    features = 3 * gaussian(10, 4)
    rows = unit_rows(features)
    terms = [math.exp(-t * math.dist(rows[i], rows[j]) ** 2) for i, j in itertools.combinations(range(10), 2)]
    assert uniformity(features, t=t) == pytest.approx(math.log(sum(terms) / len(terms)), abs=1e-7)


@pytest.mark.parametrize("ids", IDS.values(), ids=IDS)
def test_caption_similarity_equals_a_loop_over_pairs(ids, rows_in_a_block):
    features = gaussian(10, 4) + 0.5
    rows, expected = unit_rows(features), {"within": [], "between": []}
    for i, j in itertools.combinations(range(10), 2):
        expected["within" if ids[i] == ids[j] else "between"].append(float(rows[i] @ rows[j]))
    table = caption_similarity(features, torch.tensor(ids)).set_index("pairs")
    assert list(table.index) == ["within", "between"]
    for name, values in expected.items():
        assert table.loc[name, "count"] == len(values)
        assert table.loc[name, "mean"] == pytest.approx(np.mean(values), abs=1e-7)
        assert table.loc[name, "deviation"] == pytest.approx(np.std(values), abs=1e-6)


@pytest.mark.parametrize(
    ("pair", "expected"),
    [([[2.0, 0.0], [5.0, 0.0]], 0.0), ([[2.0, 0.0], [0.0, 1.0]], 2.0), ([[2.0, 0.0], [-1.0, 0.0]], 4.0)],
)
def test_alignment_of_two_positives_in_closed_form(pair, expected):
    assert alignment(torch.tensor(pair), torch.tensor([1, 1])) == pytest.approx(expected, abs=1e-12)
    assert uniformity(torch.tensor(pair)) == pytest.approx(-2 * expected, abs=1e-12)


def test_views_and_captions_are_two_questions_about_the_same_features():
    """Two images of a caption, at right angles; two views of each, alike."""
    features = torch.eye(4).repeat_interleave(2, 0)
    image, caption = torch.arange(4).repeat_interleave(2), torch.arange(2).repeat_interleave(4)
    assert alignment(features, image) == pytest.approx(0)
    assert alignment(features, caption) == pytest.approx(
        2 * 4 / 6
    )  # four of a caption's six pairs are of different images
    assert caption_similarity(features, caption)["mean"].tolist() == pytest.approx([2 / 6, 0.0])


def test_an_isotropic_gaussian_has_the_uniformity_of_the_sphere():
    """Random unit vectors of many dimensions: |x - y|^2 = 2 - 2 c with c about normal of variance 1/d, so L = -2 t + (2 t)^2 / (2 d)."""
    d, t = 256, 2.0
    assert uniformity(gaussian(2000, d), t=t) == pytest.approx(-2 * t + (2 * t) ** 2 / (2 * d), abs=2e-3)


def test_pairs_within_a_block_and_between_blocks_are_all_counted():
    table = caption_similarity(gaussian(2500, 3), torch.arange(2500) // 5)
    assert table["count"].tolist() == [500 * 10, 2500 * 2499 // 2 - 500 * 10]


@pytest.mark.parametrize("change", ["rotated", "row lengths", "order"])
def test_geometry_of_the_sphere_is_unchanged(change):
    features, ids = gaussian(60, 5) + 0.3, torch.arange(60) % 12
    order = torch.randperm(60, generator=torch.Generator().manual_seed(1))
    other = {
        "rotated": features @ rotation(5),
        "row lengths": features * (gaussian(60, 1, 2).abs() + 0.1),
        "order": features[order],
    }[change]
    other_ids = ids[order] if change == "order" else ids
    assert alignment(other, other_ids) == pytest.approx(alignment(features, ids), abs=1e-5)
    assert uniformity(other) == pytest.approx(uniformity(features), abs=1e-5)
    means = caption_similarity(features, ids)["mean"].tolist()
    assert caption_similarity(other, other_ids)["mean"].tolist() == pytest.approx(means, abs=1e-5)


def slow_effective_rank(features):
    gram = features.double().numpy().T @ features.double().numpy()
    values = np.sqrt(np.linalg.eigvalsh(gram).clip(0))
    share = values / values.sum()
    return math.exp(-sum(p * math.log(p) for p in share if p > 0))


@pytest.mark.parametrize("n", [9, 40])
def test_effective_rank_equals_that_of_the_second_moments(n):
    features = gaussian(n, 6) * torch.logspace(-1, 1, 6) + 4
    assert effective_rank(features, centred=False) == pytest.approx(slow_effective_rank(features), rel=1e-6)
    assert effective_rank(features) == pytest.approx(
        slow_effective_rank(features.double() - features.double().mean(0)), rel=1e-6
    )


def test_effective_rank_in_closed_form():
    assert effective_rank(torch.eye(7), centred=False) == pytest.approx(7)
    assert effective_rank(torch.eye(7)) == pytest.approx(6)  # the mean is one of the seven directions
    assert effective_rank(torch.diag(torch.tensor([3.0, 1.0])), centred=False) == pytest.approx(
        4 / 3**0.75
    )  # exp of H(3/4, 1/4)
    line = torch.linspace(-1, 1, 30)[:, None] * torch.ones(1, 12)
    assert effective_rank(line) == pytest.approx(1)
    assert effective_rank(gaussian(3000, 12)) == pytest.approx(12, rel=1e-2)


def test_effective_rank_knows_neither_scale_nor_rotation():
    features = gaussian(50, 8) * torch.logspace(-1, 1, 8)
    rank = effective_rank(features)
    assert effective_rank(1e-4 * features) == pytest.approx(rank, rel=1e-5)
    assert effective_rank(features @ rotation(8)) == pytest.approx(rank, rel=1e-5)
    assert effective_rank(features + 10) == pytest.approx(rank, rel=1e-4)


@pytest.mark.parametrize("value", [0.0, 0.1, 1e4])
def test_the_rounding_of_constant_features_is_no_rank(value):
    features = torch.full((300, 20), value)
    assert effective_rank(features) == 0
    assert effective_rank(features * (1 + 1e-8 * gaussian(300, 20).double())) == 0


def raised(features):
    table = collapse(features)
    assert table["alarm"].tolist() == ["constant", "dimensions", "alike"]
    return set(table["alarm"][table["raised"]])


def test_each_illness_raises_its_alarm():
    n, d = 400, 64
    healthy, point = gaussian(n, d), gaussian(1, d, 5)
    assert raised(healthy) == set()
    assert raised(point.expand(n, d)) == {"constant", "dimensions", "alike"}
    assert raised(torch.zeros(n, d)) == {"constant", "dimensions"}  # zero rows have no direction to share
    assert raised(point + 1e-3 * healthy) == {"constant", "alike"}  # tiny, but in all dimensions
    assert raised(point + 0.15 * healthy) == {"alike"}
    plane = gaussian(n, 3) @ gaussian(3, d, 6)
    assert raised(plane) == {"dimensions"}


def test_values_of_the_alarms_are_what_the_docstring_says():
    features = gaussian(30, 6) + 0.7
    rows = unit_rows(features)
    z = torch.tensor(np.array(rows))
    value = collapse(features).set_index("alarm")["value"]
    deviations = [np.std([row[k] for row in rows], ddof=1) for k in range(6)]
    assert value["constant"] == pytest.approx(np.mean(deviations) * math.sqrt(6))
    assert value["dimensions"] == pytest.approx(slow_effective_rank(z - z.mean(0)) / 6)
    assert value["alike"] == pytest.approx(np.mean([a @ b for a, b in itertools.combinations(rows, 2)]))
    assert collapse(features)["bound"].tolist() == [MIN_SPREAD, MIN_RANK_SHARE, MAX_MEAN_COSINE]


def test_few_images_are_no_dimensional_collapse():
    """Ten images span nine dimensions, however wide the encoder."""
    table = collapse(gaussian(10, 500)).set_index("alarm")
    assert table.loc["dimensions", "value"] > 0.9 and not table["raised"].any()


def test_an_isotropic_gaussian_has_spread_one():
    assert collapse(gaussian(3000, 32))["value"].tolist() == pytest.approx([1, 1, 0], abs=0.02)


def test_features_are_left_alone_and_gradients_are_not_asked_for():
    features, ids = gaussian(12, 4).requires_grad_(True), torch.arange(12) % 3
    before = features.detach().clone()
    for value in (
        alignment(features, ids),
        uniformity(features),
        effective_rank(features),
    ):
        assert isinstance(value, float)
    assert caption_similarity(features, ids).notna().all(axis=None) and len(collapse(features)) == 3
    assert torch.equal(features.detach(), before) and features.grad is None


CALLS = {
    "alignment": lambda x: alignment(x, torch.zeros(len(x), dtype=torch.long)),
    "uniformity": uniformity,
    "caption similarity": lambda x: caption_similarity(x, torch.arange(len(x)) // 2),
    "effective rank": effective_rank,
    "collapse": collapse,
}


@pytest.mark.parametrize("call", CALLS.values(), ids=CALLS)
def test_bad_features_are_refused(call):
    with pytest.raises(ValueError, match=r"features have shape \(6,\)"):
        call(torch.ones(6))
    with pytest.raises(ValueError, match=r"features have shape \(1, 4\)"):
        call(torch.ones(1, 4))
    with pytest.raises(ValueError, match="type torch.int64"):
        call(torch.ones(6, 4, dtype=torch.long))
    broken = gaussian(6, 4)
    broken[3, 1] = torch.nan
    with pytest.raises(ValueError, match="row 3 are not finite"):
        call(broken)


@pytest.mark.parametrize("name", ["alignment", "uniformity", "caption similarity"])
def test_a_row_without_direction_is_refused(name):
    features = gaussian(6, 4)
    features[2] = 0
    with pytest.raises(ValueError, match="row 2 are all zero"):
        CALLS[name](features)


def test_bad_ids_and_numbers_are_refused():
    features = gaussian(6, 4)
    for call in (alignment, caption_similarity):
        with pytest.raises(ValueError, match=r"ids have shape \(5,\)"):
            call(features, torch.arange(5))
        with pytest.raises(ValueError, match="type torch.float32"):
            call(features, torch.zeros(6))
    with pytest.raises(ValueError, match="ids are 6 different numbers"):
        alignment(features, torch.arange(6))
    with pytest.raises(ValueError, match="pairs within captions"):
        caption_similarity(features, torch.arange(6))
    with pytest.raises(ValueError, match="pairs between captions"):
        caption_similarity(features, torch.zeros(6, dtype=torch.long))
    for value in (0.0, -1.0, float("nan")):
        with pytest.raises(ValueError, match=f"power is {value}"):
            alignment(features, torch.zeros(6, dtype=torch.long), power=value)
        with pytest.raises(ValueError, match=f"t is {value}"):
            uniformity(features, t=value)


def test_a_description_holds_each_measure_of_captioned_images():
    features, captions = gaussian(60, 8), [f"caption {i // 3}" for i in range(60)]
    (row,) = diagnostics.describe(features, captions).to_dict("records")
    ids = torch.arange(60) // 3
    similarity = caption_similarity(features, ids).set_index("pairs")["mean"]
    assert row["alignment"] == alignment(features, ids) and row["uniformity"] == uniformity(features[::3])
    assert (row["within"], row["between"]) == (similarity["within"], similarity["between"])
    assert row["effective_rank"] == effective_rank(features) and row["dimensions"] == 8 and row["alarms"] == "none"
    shuffled = torch.randperm(60, generator=torch.Generator().manual_seed(0)).tolist()
    (again,) = diagnostics.describe(features[shuffled], [captions[i] for i in shuffled]).to_dict("records")
    assert again["alignment"] == pytest.approx(row["alignment"]) and again["between"] == pytest.approx(row["between"])
    alike = torch.ones(60, 8) + 1e-6 * gaussian(60, 8)
    assert diagnostics.describe(alike, captions)["alarms"].item() == "constant, alike"


def test_captions_with_one_image_each_have_no_alignment_and_one_caption_no_uniformity():
    features = gaussian(20, 8)
    cosines = (F.normalize(features, dim=1) @ F.normalize(features, dim=1).T)[~torch.eye(20, dtype=bool)].mean().item()
    (row,) = diagnostics.describe(features, range(20)).to_dict("records")
    assert (
        math.isnan(row["alignment"])
        and math.isnan(row["within"])
        and row["between"] == pytest.approx(cosines, abs=1e-6)
    )
    assert row["uniformity"] == uniformity(features)
    (row,) = diagnostics.describe(features, ["a"] * 20).to_dict("records")
    assert (
        math.isnan(row["uniformity"])
        and math.isnan(row["between"])
        and row["within"] == pytest.approx(cosines, abs=1e-6)
    )
