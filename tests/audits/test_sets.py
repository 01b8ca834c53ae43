"""Measures of generated sets against loops in float64, closed forms of equal sets, and sets whose faults are known."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch

from stablerep.audits.sets import METRICS, compare_sets, kid, most_neighbours, per_image
from stablerep.torchvision_shim import ensure_torchvision_imports


def gaussian(n, d, seed=0):
    return torch.randn(n, d, generator=torch.Generator().manual_seed(seed))


def means(real, generated, *units, **ks):
    return {name: values.mean() for name, values in per_image(real, generated, *units, **ks).items()}


def slow_kid(x, y, of_x, of_y):
    """The unbiased estimate over all pairs of rows of different units."""
    x, y = x.double().numpy(), y.double().numpy()

    def kernel(a, b):
        return (float(a @ b) / len(a) + 1) ** 3

    def within(z, of):
        pairs = [(i, j) for i in range(len(z)) for j in range(len(z)) if of[i] != of[j]]
        return sum(kernel(z[i], z[j]) for i, j in pairs) / len(pairs)

    return within(x, of_x) + within(y, of_y) - 2 * sum(kernel(a, b) for a in x for b in y) / (len(x) * len(y))


def slow_radius(z, of, i, k):
    return sorted(math.dist(z[i], z[j]) for j in range(len(z)) if of[j] != of[i])[k - 1]


def slow_neighbourhoods(real, generated, of_real, of_generated, k, k_coverage):
    x, y = real.double().tolist(), generated.double().tolist()
    narrow, wide = ([slow_radius(x, of_real, i, number) for i in range(len(x))] for number in (k, k_coverage))
    own = [slow_radius(y, of_generated, j, k) for j in range(len(y))]
    return {
        "precision": np.mean([any(math.dist(a, b) <= r for a, r in zip(x, narrow, strict=True)) for b in y]),
        "recall": np.mean([any(math.dist(a, b) <= r for b, r in zip(y, own, strict=True)) for a in x]),
        "density": sum(math.dist(a, b) <= r for b in y for a, r in zip(x, wide, strict=True)) / (k_coverage * len(y)),
        "coverage": np.mean([any(math.dist(a, b) <= r for b in y) for a, r in zip(x, wide, strict=True)]),
    }


@pytest.mark.parametrize(
    ("n", "m", "d", "shift", "size"), [(2, 2, 1, 0.0, 1), (12, 9, 5, 0.0, 1), (25, 14, 3, 1.5, 1), (24, 15, 3, 0.5, 3)]
)
def test_kid_equals_a_loop_over_pairs(n, m, d, shift, size):
    """Units of one image, as published, and of three."""
    real, generated = gaussian(n, d) + 0.5, 1.3 * gaussian(m, d, 1) + shift
    of_real, of_generated = ([i // size for i in range(count)] for count in (n, m))
    found = kid(real, generated, of_real, of_generated)
    assert found["value"] == pytest.approx(slow_kid(real, generated, of_real, of_generated), abs=1e-12)
    assert size > 1 or kid(real, generated) == found


def test_kid_of_whole_sets_is_that_of_torch_fidelity():
    ensure_torchvision_imports()
    from torch_fidelity.metric_kid import KEY_METRIC_KID_MEAN, kid_features_to_metric

    real, generated = gaussian(80, 6).double(), 1.1 * gaussian(80, 6, 1).double() + 0.2
    theirs = kid_features_to_metric(
        real, generated, kid_kernel="poly", kid_kernel_poly_degree=3, kid_kernel_poly_gamma=None, kid_kernel_poly_coef0=1.0, kid_subsets=1,
        kid_subset_size=80, rng_seed=0, verbose=False,
    )  # fmt: skip
    assert kid(real, generated)["value"] == pytest.approx(theirs[KEY_METRIC_KID_MEAN], abs=1e-10)


def test_kid_in_closed_form():
    """Two pairs of equal rows: k(x, x) + k(y, y) - 2 k(x, y) of 1 and of 3 in one dimension."""
    real, generated = torch.ones(2, 1), torch.full((2, 1), 3.0)
    assert kid(real, generated)["value"] == pytest.approx(2**3 + 10**3 - 2 * 4**3)


def two_sets_of_units(seed, units=30, images=5, d=4):
    """Two draws of units from one population; images of a unit are alike."""
    centres = gaussian(2 * units, d, 2 * seed).repeat_interleave(images, 0)
    features = centres + 0.3 * gaussian(len(centres), d, 2 * seed + 1)
    of = np.repeat(np.arange(2 * units), images)
    half = units * images
    return features[:half], features[half:], of[:half], of[half:]


def test_kid_of_units_of_one_population_is_zero_on_average_and_its_interval_holds_it():
    """With pairs of images of one unit it would be above: the draw of a concept would pass for a difference of generators."""
    found, naive = [], []
    for seed in range(60):
        x, y, of_x, of_y = two_sets_of_units(seed)
        found.append(kid(x, y, of_x, of_y))
        naive.append(kid(x, y)["value"])
    values = np.array([one["value"] for one in found])
    error = values.std() / math.sqrt(len(values))
    assert abs(values.mean()) < 3 * error < np.mean(naive)
    assert np.mean([one["low"] <= 0 <= one["high"] for one in found]) >= 0.85


@pytest.mark.parametrize(("k", "k_coverage"), [(1, 1), (3, 5), (4, 2)])
@pytest.mark.parametrize(("n", "m", "shift", "size"), [(12, 12, 0.0, 1), (40, 30, 0.5, 1), (20, 36, 1.0, 4)])
def test_neighbourhoods_equal_loops(n, m, shift, size, k, k_coverage):
    real, generated = gaussian(n, 3) + 2, 0.8 * gaussian(m, 3, 1) + 2 + shift
    of = [[i // size for i in range(count)] for count in (n, m)]
    expected = slow_neighbourhoods(real, generated, *of, k, k_coverage)
    assert means(real, generated, *of, k=k, k_coverage=k_coverage) == pytest.approx(expected, abs=1e-12)


def test_every_image_has_neighbours_of_other_units():
    assert most_neighbours(["a", "a", "a", "b", "c"]) == 2
    assert most_neighbours(range(5)) == 4


def test_precision_and_recall_equal_those_of_torch_fidelity():
    ensure_torchvision_imports()
    from torch_fidelity.metric_prc import prc_features_to_metric

    real, generated = gaussian(300, 8).double(), 0.9 * gaussian(250, 8, 1).double() + 0.4
    theirs = prc_features_to_metric(generated, real, prc_neighborhood=3, verbose=False)
    ours = means(real, generated)
    assert 0.5 < ours["precision"] < 0.95 and 0.1 < ours["recall"] < 0.95
    assert (ours["precision"], ours["recall"]) == pytest.approx((theirs["precision"], theirs["recall"]), abs=1e-6)


def expected_coverage(n, m, k):
    """Of two samples of one distribution: a ball stays empty when all k nearest of n - 1 + m exchangeable neighbours are real."""
    return 1 - math.prod((n - 1 - j) / (n + m - 1 - j) for j in range(k))


@pytest.mark.parametrize(("n", "m", "k"), [(60, 60, 5), (60, 60, 1), (20, 80, 3), (90, 30, 2)])
def test_density_and_coverage_of_one_distribution_in_closed_form(n, m, k):
    """Averaged over 60 pairs, whose own spread says how near the mean must be."""
    found = [means(gaussian(n, 4, 2 * s), gaussian(m, 4, 2 * s + 1), k_coverage=k) for s in range(60)]
    for name, expected in (("density", 1.0), ("coverage", expected_coverage(n, m, k))):
        values = [one[name] for one in found]
        assert np.mean(values) == pytest.approx(expected, abs=4 * np.std(values) / math.sqrt(len(values)))
    assert expected_coverage(10**6, 10**6, 5) == pytest.approx(1 - 2**-5, abs=1e-5)


def test_one_distribution_is_near_itself():
    table = compare_sets(gaussian(600, 4), gaussian(600, 4, 1)).set_index("metric")
    assert table.loc["kid", "low"] < 0 < table.loc["kid", "high"]
    assert table.loc[["precision", "recall"], "value"].between(0.88, 1).all()
    assert table.loc["density", "value"] == pytest.approx(1, abs=0.1)
    assert table.loc["coverage", "value"] == pytest.approx(expected_coverage(600, 600, 5), abs=0.03)


def test_sets_far_apart_share_nothing():
    table = compare_sets(gaussian(40, 4), gaussian(40, 4, 1) + 50).set_index("metric")
    assert table.loc["kid", "low"] > 1000
    assert (table.loc[list(METRICS[1:]), ["value", "low", "high"]] == 0).all(axis=None)


def test_a_set_and_itself_are_the_same_whatever_rounding_does():
    """The k-th neighbour lies on each ball, and its copy must count as inside: k + 1 of each ball, with its own centre."""
    features = gaussian(70, 30) + 3
    for other in (features, features.flip(0), features * (1 + 1e-7 * gaussian(70, 30, 1).double())):
        assert means(features, other, k_coverage=4) == pytest.approx(
            {"precision": 1, "recall": 1, "density": 5 / 4, "coverage": 1}
        )


def test_a_dropped_mode_lowers_recall_and_coverage_but_not_precision():
    far = torch.tensor([20.0, 0, 0])
    real = torch.cat([gaussian(150, 3), gaussian(150, 3, 1) + far])
    both = torch.cat([gaussian(150, 3, 2), gaussian(150, 3, 3) + far])
    one = torch.cat([gaussian(150, 3, 2), gaussian(150, 3, 4)])
    whole, dropped = means(real, both), means(real, one)
    assert min(whole.values()) > 0.85
    assert dropped["precision"] == pytest.approx(whole["precision"], abs=0.05)
    assert dropped["recall"] < 0.52 and dropped["coverage"] < 0.52
    assert kid(real, one)["value"] > 100 * abs(kid(real, both)["value"])


def test_a_dropped_real_mode_lowers_precision_and_density_but_not_recall():
    far = torch.tensor([20.0, 0, 0])
    real, generated = gaussian(200, 3), torch.cat([gaussian(100, 3, 1), gaussian(100, 3, 2) + far])
    found = means(real, generated)
    assert found["precision"] <= 0.5 and found["density"] < 0.6 and found["recall"] > 0.8


def test_copies_of_one_image_are_precise_and_cover_little():
    real = gaussian(100, 4)
    found = means(real, real[:1].expand(100, 4))
    assert found["precision"] == 1 and found["recall"] == pytest.approx(0.01)
    assert found["coverage"] < 0.2


def test_neither_order_nor_place_and_scale_matter():
    real, generated = gaussian(80, 5), 0.9 * gaussian(80, 5, 1) + 0.3
    expected, distance = means(real, generated), kid(real, generated)["value"]
    order = torch.randperm(80, generator=torch.Generator().manual_seed(1))
    assert means(real[order], generated.flip(0)) == pytest.approx(expected, abs=1e-12)
    assert kid(real[order], generated.flip(0))["value"] == pytest.approx(distance, abs=1e-10)
    assert means(7 * real - 3, 7 * generated - 3) == pytest.approx(expected, abs=1e-12)


def test_real_and_generated_change_places():
    a, b = gaussian(50, 3), 0.7 * gaussian(50, 3, 1)
    there, back = means(a, b), means(b, a)
    assert (there["precision"], there["recall"]) == (back["recall"], back["precision"])
    assert there["precision"] != there["recall"] and kid(a, b)["value"] == pytest.approx(kid(b, a)["value"])


def test_the_table_says_what_its_numbers_are():
    real, generated, of_real, of_generated = two_sets_of_units(0, images=2)
    table = compare_sets(real, generated, of_real, of_generated, k=2, k_coverage=4, seed=3)
    assert (
        table["metric"].tolist() == list(METRICS) and table["n_real"].eq(60).all() and table["n_generated"].eq(60).all()
    )
    assert table["k"].tolist()[1:] == [2, 2, 4, 4] and table["k"].isna().tolist() == [True] + 4 * [False]
    assert table["resampled"].tolist() == ["both", "generated", "real", "generated", "real"]
    rows = table.set_index("metric")
    found = kid(real, generated, of_real, of_generated, seed=3)
    assert rows.loc["kid", ["value", "low", "high"]].to_dict() == found
    for name, one in per_image(real, generated, of_real, of_generated, k=2, k_coverage=4).items():
        value, low, high = rows.loc[name, ["value", "low", "high"]]
        assert value == pytest.approx(one.mean()) and low <= value <= high
        by_unit = one.reshape(-1, 2).mean(1)  # the normal approximation
        assert high - low == pytest.approx(2 * 1.96 * by_unit.std() / math.sqrt(30), rel=0.2)


def test_a_seed_decides_all_that_is_drawn():
    real, generated = gaussian(60, 4), gaussian(90, 4, 1)
    state = torch.get_rng_state(), np.random.get_state()[1].copy()
    one, two, other = (compare_sets(real, generated, seed=s) for s in (0, 0, 1))
    assert one.equals(two) and one["value"].equals(other["value"]) and not one["low"].equals(other["low"])
    assert torch.equal(torch.get_rng_state(), state[0]) and (np.random.get_state()[1] == state[1]).all()


def test_half_precision_and_gradients_are_no_hindrance():
    real, generated = gaussian(20, 4).half().requires_grad_(True), gaussian(20, 4, 1).bfloat16()
    assert compare_sets(real, generated)["value"].notna().all()


CALLS = {
    "kid": kid,
    "per image": lambda x, y: per_image(x, y, k=1, k_coverage=1),
    "compare": lambda x, y: compare_sets(x, y, k=1, k_coverage=1),
}


@pytest.mark.parametrize("call", CALLS.values(), ids=CALLS)
def test_bad_features_are_refused_in_one_sentence(call):
    good, broken = gaussian(6, 4), gaussian(6, 4)
    broken[3, 1] = torch.inf
    for real, generated, message in (
        (torch.ones(6), good, r"real features have shape \(6,\)"),
        (good, torch.ones(1, 4), r"generated features have shape \(1, 4\)"),
        (good.long(), good, "real features .* type torch.int64"),
        (broken, good, "real features of row 3 are not all finite"),
        (good, broken, "generated features of row 3 are not all finite"),
        (good, gaussian(6, 5), "features have 4 and 5 dimensions"),
    ):
        with pytest.raises(ValueError, match=message) as found:
            call(real, generated)
        assert "\n" not in str(found.value)


@pytest.mark.parametrize(
    ("units", "options", "message"),
    [
        ((), {"k": 6}, "k is 6; some image has 5 images of other units in its set: 1 to 5"),
        ((), {"k": 0}, "k is 0"),
        ((), {"k_coverage": 6}, "k_coverage is 6"),
        (([*"aaabbc"], None), {"k": 3, "k_coverage": 4}, "k_coverage is 4; some image has 3 images"),
        (([*"aabb"], None), {"k": 1, "k_coverage": 1}, "6 images have 4 names of 2 units; each needs one"),
        (
            ([*"aaaaaa"], None),
            {"k": 1, "k_coverage": 1},
            "6 images have 6 names of 1 units; each needs one, and a set two",
        ),
    ],
)
def test_neighbours_and_units_that_a_set_does_not_have_are_refused(units, options, message):
    with pytest.raises(ValueError, match=message):
        per_image(gaussian(6, 4), gaussian(9, 4), *units, **options)
