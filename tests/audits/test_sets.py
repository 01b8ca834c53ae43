"""Measures of generated sets against loops in float64, closed forms of equal sets, and sets whose faults are known."""

from __future__ import annotations

import math
import urllib.error

import numpy as np
import pytest
import torch
import torch.nn.functional as F

from stablerep.audits import sets as generated_sets
from stablerep.audits.sets import DINOV2, SIDES, compare_images, compare_sets, kid, named_extractor, per_image
from stablerep.encoders import EncoderRecipe, extract_features
from stablerep.torchvision_shim import ensure_torchvision_imports
from stablerep.training import random_backbone

METRICS = ["kid", "precision", "recall", "density", "coverage"]


def gaussian(n, d, seed=0):
    return torch.randn(n, d, generator=torch.Generator().manual_seed(seed))


def means(real, generated, **ks):
    return {name: values.mean() for name, values in per_image(real, generated, **ks).items()}


@pytest.fixture
def small_blocks(monkeypatch):
    """Blocks of a few rows."""
    monkeypatch.setattr(generated_sets, "BLOCK", 100)


def slow_kid(x, y):
    """The unbiased estimate over all pairs of different rows."""
    x, y = x.double().numpy(), y.double().numpy()

    def kernel(a, b):
        return (float(a @ b) / len(a) + 1) ** 3

    def within(z):
        n = len(z)
        return sum(kernel(z[i], z[j]) for i in range(n) for j in range(n) if i != j) / (n * (n - 1))

    return within(x) + within(y) - 2 * sum(kernel(a, b) for a in x for b in y) / (len(x) * len(y))


def slow_radius(z, i, k):
    return sorted(math.dist(z[i], z[j]) for j in range(len(z)) if j != i)[k - 1]


def slow_neighbourhoods(real, generated, k, k_coverage):
    x, y = real.double().tolist(), generated.double().tolist()
    narrow, wide = ([slow_radius(x, i, number) for i in range(len(x))] for number in (k, k_coverage))
    own = [slow_radius(y, j, k) for j in range(len(y))]
    return {
        "precision": np.mean([any(math.dist(a, b) <= r for a, r in zip(x, narrow, strict=True)) for b in y]),
        "recall": np.mean([any(math.dist(a, b) <= r for b, r in zip(y, own, strict=True)) for a in x]),
        "density": sum(math.dist(a, b) <= r for b in y for a, r in zip(x, wide, strict=True)) / (k_coverage * len(y)),
        "coverage": np.mean([any(math.dist(a, b) <= r for b in y) for a, r in zip(x, wide, strict=True)]),
    }


@pytest.mark.parametrize(("n", "d", "shift"), [(2, 1, 0.0), (12, 5, 0.0), (25, 3, 1.5)])
def test_kid_of_whole_sets_equals_a_loop_over_pairs(n, d, shift):
    real, generated = gaussian(n, d) + 0.5, 1.3 * gaussian(n, d, 1) + shift
    found = kid(real, generated, subset_size=n, subsets=3)
    assert found["mean"] == pytest.approx(slow_kid(real, generated), abs=1e-12)
    assert found["deviation"] == pytest.approx(0, abs=1e-12)


def test_kid_in_closed_form():
    """Two pairs of equal rows: k(x, x) + k(y, y) - 2 k(x, y) of 1 and of 3 in one dimension."""
    real, generated = torch.ones(2, 1), torch.full((2, 1), 3.0)
    assert kid(real, generated, subset_size=2, subsets=1)["mean"] == pytest.approx(2**3 + 10**3 - 2 * 4**3)


def test_the_mean_over_subsets_estimates_what_the_whole_sets_give():
    real, generated = gaussian(200, 6), gaussian(200, 6, 1) + 0.7
    found, whole = kid(real, generated, subset_size=50, subsets=200), kid(real, generated, subset_size=200, subsets=1)
    assert found["mean"] == pytest.approx(whole["mean"], abs=4 * found["deviation"] / math.sqrt(200))


@pytest.mark.parametrize(("k", "k_coverage"), [(1, 1), (3, 5), (4, 2), (11, 11)])
@pytest.mark.parametrize(("n", "m", "shift"), [(12, 12, 0.0), (40, 30, 0.5), (13, 25, 1.0)])
def test_neighbourhoods_equal_loops(n, m, shift, k, k_coverage, small_blocks):
    real, generated = gaussian(n, 3) + 2, 0.8 * gaussian(m, 3, 1) + 2 + shift
    expected = slow_neighbourhoods(real, generated, k, k_coverage)
    assert means(real, generated, k=k, k_coverage=k_coverage) == pytest.approx(expected, abs=1e-12)


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
    table = compare_sets(gaussian(600, 4), gaussian(600, 4, 1), subset_size=200, subsets=50).set_index("metric")
    assert table.loc["kid", "low"] < 0 < table.loc["kid", "high"]
    assert table.loc[["precision", "recall"], "value"].between(0.88, 1).all()
    assert table.loc["density", "value"] == pytest.approx(1, abs=0.1)
    assert table.loc["coverage", "value"] == pytest.approx(expected_coverage(600, 600, 5), abs=0.03)


def test_sets_far_apart_share_nothing():
    table = compare_sets(gaussian(40, 4), gaussian(40, 4, 1) + 50, subset_size=20).set_index("metric")
    assert table.loc["kid", "low"] > 1000
    assert (table.loc[METRICS[1:], ["value", "low", "high"]] == 0).all(axis=None)


def test_a_set_and_itself_are_the_same_whatever_rounding_does(small_blocks):
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
    assert kid(real, one, subset_size=100)["mean"] > 100 * abs(kid(real, both, subset_size=100)["mean"])


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


def test_neither_order_nor_blocks_nor_place_and_scale_matter(monkeypatch):
    real, generated = gaussian(80, 5), 0.9 * gaussian(80, 5, 1) + 0.3
    expected, distance = means(real, generated), kid(real, generated, subset_size=80, subsets=1)["mean"]
    order = torch.randperm(80, generator=torch.Generator().manual_seed(1))
    assert means(real[order], generated.flip(0)) == pytest.approx(expected, abs=1e-12)
    assert kid(real[order], generated.flip(0), subset_size=80, subsets=1)["mean"] == pytest.approx(distance, abs=1e-10)
    assert means(7 * real - 3, 7 * generated - 3) == pytest.approx(expected, abs=1e-12)
    for block in (1, 333, 2**20):
        monkeypatch.setattr(generated_sets, "BLOCK", block)
        assert means(real, generated) == pytest.approx(expected, abs=1e-12)


def test_real_and_generated_change_places():
    a, b = gaussian(50, 3), 0.7 * gaussian(50, 3, 1)
    there, back = means(a, b), means(b, a)
    assert (there["precision"], there["recall"]) == (back["recall"], back["precision"]) and there["precision"] != there[
        "recall"
    ]
    assert kid(a, b, subset_size=50)["mean"] == pytest.approx(kid(b, a, subset_size=50)["mean"])


def test_the_table_says_what_its_numbers_are():
    real, generated = gaussian(60, 4), gaussian(60, 4, 1) + 0.3
    table = compare_sets(real, generated, k=2, k_coverage=4, subset_size=30, subsets=20, seed=3)
    assert table["metric"].tolist() == METRICS
    assert (
        table["k"].tolist()[1:] == [2, 2, 4, 4]
        and table["subset_size"].tolist()[:1] == [30]
        and table["subsets"].tolist()[:1] == [20]
    )
    assert table[["subset_size", "subsets"]][1:].isna().all(axis=None) and table["k"].isna().tolist() == [True] + 4 * [
        False
    ]
    assert table["interval"].str.contains("generated").tolist() == [False, True, False, True, False]
    rows = table.set_index("metric")
    found = kid(real, generated, subset_size=30, subsets=20, seed=3)
    expected = [found["mean"], found["mean"] - found["deviation"], found["mean"] + found["deviation"]]
    assert rows.loc["kid", ["value", "low", "high"]].tolist() == pytest.approx(expected)
    values = per_image(real, generated, k=2, k_coverage=4)
    for name, one in values.items():
        value, low, high = rows.loc[name, ["value", "low", "high"]]
        assert value == pytest.approx(one.mean()) and low <= value <= high
        assert high - low == pytest.approx(2 * 1.96 * one.std() / math.sqrt(60), rel=0.2)  # the normal approximation
    assert {len(one) for one in values.values()} == {60}


def test_a_single_subset_has_no_interval():
    real, generated = gaussian(30, 4), gaussian(30, 4, 1)
    for options in ({"subset_size": 30}, {"subset_size": 20, "subsets": 1}):
        row = compare_sets(real, generated, **options).iloc[0]
        assert math.isfinite(row["value"]) and math.isnan(row["low"]) and math.isnan(row["high"])


def test_a_seed_decides_all_that_is_drawn():
    real, generated = gaussian(60, 4), gaussian(90, 4, 1)
    state = torch.get_rng_state(), np.random.get_state()[1].copy()
    one, two, other = (compare_sets(real, generated, subset_size=20, subsets=5, seed=s) for s in (0, 0, 1))
    assert one.equals(two) and not one["value"].equals(other["value"])
    assert len({kid(real, generated, subset_size=20, subsets=5, seed=s)["mean"] for s in range(3)}) == 3
    assert torch.equal(torch.get_rng_state(), state[0]) and (np.random.get_state()[1] == state[1]).all()


@pytest.mark.parametrize("larger", ["real", "generated"])
def test_the_larger_set_is_cut_to_the_smaller(larger):
    sets = {"real": gaussian(40, 3), "generated": gaussian(40, 3, 1)}
    sets[larger] = gaussian(100, 3, 2)
    table = compare_sets(**sets, subset_size=10, subsets=2)
    assert table[f"n_{larger}"].unique().tolist() == [100] and table["n"].unique().tolist() == [40]
    cut = dict(zip(("real", "generated"), generated_sets._equal(*sets.values(), 0), strict=True))
    kept = {tuple(row) for row in cut[larger].tolist()}
    assert len(kept) == 40 and kept <= {tuple(row) for row in sets[larger].tolist()}
    untouched = "generated" if larger == "real" else "real"
    assert cut[untouched] is sets[untouched]
    assert table["value"].tolist()[1:] == pytest.approx(list(means(**cut).values()))


def test_half_precision_and_gradients_are_no_hindrance():
    real, generated = gaussian(20, 4).half().requires_grad_(True), gaussian(20, 4, 1).bfloat16()
    assert compare_sets(real, generated, subset_size=10, subsets=2)["value"].notna().all()


CALLS = {
    "kid": lambda x, y: kid(x, y, subset_size=2),
    "per image": lambda x, y: per_image(x, y, k=1, k_coverage=1),
    "compare": lambda x, y: compare_sets(x, y, k=1, k_coverage=1, subset_size=2),
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
    ("options", "message"),
    [
        ({"k": 6}, "k is 6; with 6 images in the smaller set it must be from 1 to 5"),
        ({"k": 0}, "k is 0"),
        ({"k_coverage": 6}, "k_coverage is 6"),
        ({"subset_size": 7}, "subset_size is 7; with 6 images in the smaller set it must be from 2 to 6"),
        ({"subset_size": 1}, "subset_size is 1"),
        ({"subsets": 0}, "subsets is 0"),
    ],
)
def test_neighbours_and_subsets_that_a_set_does_not_have_are_refused(options, message):
    options = {"subset_size": 4} | options
    with pytest.raises(ValueError, match=message):
        compare_sets(gaussian(6, 4), gaussian(9, 4), **options)

    def extractor(images):
        raise AssertionError("features are not extracted for a comparison that cannot be made")

    with pytest.raises(ValueError, match=message):
        compare_images(images(6), images(9), extractor, **options)


def images(n, height=32, width=32, seed=0):
    return torch.randint(
        0, 256, (n, 3, height, width), dtype=torch.uint8, generator=torch.Generator().manual_seed(seed)
    )


@pytest.fixture(scope="module")
def backbone():
    return random_backbone(EncoderRecipe(name="test_vit", stem="published", patch_size=8, depth=2), 0)


OPTIONS = {"k": 2, "k_coverage": 2, "subset_size": 6, "subsets": 3}


def test_images_pass_through_our_own_encoder(backbone):
    real, generated = images(12), images(12, seed=1)
    table = compare_images(real, generated, backbone, name="untrained", batch_size=5, **OPTIONS)
    expected = compare_sets(extract_features(backbone, real), extract_features(backbone, generated), **OPTIONS)
    assert table["value"].tolist() == pytest.approx(expected["value"].tolist(), abs=1e-6)
    assert set(table["extractor"]) == {"untrained"} and set(table["resize"]) == {"none"}
    assert set(compare_images(real, generated, backbone, **OPTIONS)["extractor"]) == {"VisionTransformer"}


def test_both_sets_are_resized_alike(backbone):
    real, generated = images(12, 64, 64), images(20, 48, 90, seed=1)
    seen = []
    hook = backbone.register_forward_pre_hook(lambda _, args: seen.append(args[0].shape[1:]))
    table = compare_images(real, generated, backbone, size=32, **OPTIONS)
    hook.remove()
    assert set(seen) == {(3, 32, 32)}
    assert table["resize"].str.startswith("to 32 x 32, bilinear with antialiasing").all()
    assert table[["n_real", "n_generated", "n"]].drop_duplicates().values.tolist() == [[12, 20, 12]]
    small = F.interpolate(real.float(), size=(32, 32), mode="bilinear", antialias=True).round().to(torch.uint8)
    mine, other = (compare_images(x, generated, backbone, size=32, **OPTIONS) for x in (real, small))
    assert mine.equals(other) and mine.equals(table)  # an image that has the size is left as it is


def test_antialiasing_averages_what_plain_sampling_would_skip():
    board = (255 * (torch.arange(64) % 2)).to(torch.uint8).expand(1, 3, 64, 64)
    inner = generated_sets._resized(board, 16)[..., 1:-1]
    assert ((inner.int() - 127).abs() <= 1).all()


def test_bad_images_are_refused(backbone):
    for bad in (images(6).float(), images(6)[:, :1], images(6)[0], images(1)):
        with pytest.raises(ValueError, match=r"real images have shape"):
            compare_images(bad, images(6), backbone)
        with pytest.raises(ValueError, match=r"generated images have shape"):
            compare_images(images(6), bad, backbone)
    options = {**OPTIONS, "subset_size": 4}
    with pytest.raises(ValueError, match="size is None for images of"):
        compare_images(images(6), images(6, 32, 40), backbone, **options)
    with pytest.raises(ValueError, match="size is 0"):
        compare_images(images(6), images(6), backbone, size=0, **options)


def test_unknown_names_are_refused():
    with pytest.raises(
        ValueError, match="extractor is 'vgg'; valid names are inception, dinov2-small, dinov2-base, dinov2-large"
    ):
        named_extractor("vgg")


def test_names_are_models_of_timm_with_weights_and_sides_are_whole_patches():
    ensure_torchvision_imports()
    import timm

    assert set(DINOV2.values()) <= set(timm.list_models(pretrained=True))
    assert all(SIDES[name] % 14 == 0 for name in DINOV2)


@pytest.mark.parametrize(
    "error", [urllib.error.URLError("no name"), OSError("no name. Try\nagain."), KeyError("no name")]
)
def test_weights_that_cannot_be_had_are_one_sentence_and_nothing_takes_their_place(error, monkeypatch):
    ensure_torchvision_imports()

    def fail(*_, **__):
        raise error

    monkeypatch.setattr("torch_fidelity.feature_extractor_inceptionv3.load_state_dict_from_url", fail)
    monkeypatch.setattr("timm.create_model", fail)
    for name in SIDES:
        with pytest.raises(ValueError, match=f"the weights of {name} are not in the cache .*no name[^.]*\\.$") as found:
            compare_images(images(6), images(6), name, **{**OPTIONS, "subset_size": 4})
        assert found.value.__cause__ is error and "\n" not in str(found.value)


def test_dinov2_reads_both_sets_at_its_own_size(monkeypatch):
    ensure_torchvision_imports()
    import timm

    asked, create = [], timm.create_model

    def tiny(name, *, pretrained, **options):
        asked.append((name, pretrained))
        return create("test_vit", pretrained=False, **options, patch_size=56)

    monkeypatch.setattr(timm, "create_model", tiny)
    table = compare_images(images(8), images(8, 64, 64, seed=1), "dinov2-small", **OPTIONS)
    assert asked == [("vit_small_patch14_dinov2.lvd142m", True)]
    assert set(table["extractor"]) == {"dinov2-small"} and table["resize"].str.startswith("to 224 x 224").all()
    with pytest.raises(ValueError, match="size is 64; dinov2-small reads images of 224 pixels a side"):
        compare_images(images(8), images(8), "dinov2-small", size=64, **OPTIONS)


def test_inception_gives_2048_features_at_its_own_size(monkeypatch):
    """The real network with random weights: its download is replaced, and nothing else."""
    ensure_torchvision_imports()
    from torch_fidelity.feature_extractor_inceptionv3 import FeatureExtractorInceptionV3

    monkeypatch.setattr("torch_fidelity.feature_extractor_inceptionv3.load_state_dict_from_url", lambda *_, **__: {})
    monkeypatch.setattr(FeatureExtractorInceptionV3, "load_state_dict", lambda *_: None)
    features = named_extractor("inception")(images(2, 299, 299))
    assert features.shape == (2, 2048) and features.dtype == torch.float32 and not features.requires_grad
    table = compare_images(
        images(4), images(4, 64, 64, seed=1), "inception", k=1, k_coverage=1, subset_size=3, subsets=2
    )
    assert table["value"].notna().all() and table["resize"].str.startswith("to 299 x 299").all()
