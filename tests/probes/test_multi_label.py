"""Several labels an image: average precision against the definition, logistic regressions against scikit-learn's."""

from __future__ import annotations

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from sklearn import linear_model

from stablerep.probes import LogisticRegression, eleven_point_map, multi_label_probe, standardize
from stablerep.probes.multi_label import eleven_point_precision


def by_definition(truth, scores):
    """VOC 2007 in words: for each recall level the best precision among cuts that reach it."""
    order = sorted(range(len(scores)), key=lambda i: -scores[i])
    cuts = []
    for n in range(1, len(order) + 1):
        hits = sum(truth[i] for i in order[:n])
        cuts.append((hits / sum(truth), hits / n))
    return sum(max((p for r, p in cuts if r >= level - 1e-12), default=0) for level in [k / 10 for k in range(11)]) / 11


@pytest.mark.parametrize("seed", range(8))
def test_average_precision_follows_the_definition(seed):
    rng = np.random.default_rng(seed)
    truth, scores = rng.random(37) < 0.3, rng.normal(size=37)
    truth[0] = True
    assert eleven_point_precision(truth, scores)[0] == pytest.approx(by_definition(truth, scores))


def test_average_precision_in_closed_form():
    assert eleven_point_precision([1, 1, 0, 0], [4.0, 3.0, 2.0, 1.0])[0] == 1  # all true ones first
    assert eleven_point_precision([0, 0, 0, 1], [4.0, 3.0, 2.0, 1.0])[0] == pytest.approx(1 / 4)  # the only one last
    # true, false, true: precision 1 up to recall 0.5 (six levels), then 2/3 (five)
    assert eleven_point_precision([1, 0, 1], [3.0, 2.0, 1.0])[0] == pytest.approx((6 + 5 * 2 / 3) / 11)
    assert np.isnan(eleven_point_precision([0, 0], [1.0, 2.0])[0])


def test_weights_say_how_often_an_item_counts():
    """Zero leaves an item out; the same weight for all changes nothing; of copies, only the last ends a step."""
    rng = np.random.default_rng(3)
    truth, scores, chosen = rng.random(20) < 0.4, rng.normal(size=20), rng.random((5, 20)) < 0.7
    chosen[:, :3], truth[:3] = True, True
    subsets = [eleven_point_precision(truth[mask], scores[mask])[0] for mask in chosen]
    np.testing.assert_allclose(eleven_point_precision(truth, scores, chosen), subsets)
    assert np.ptp(subsets) > 0.01
    assert eleven_point_precision(truth, scores, np.full((1, 20), 3))[0] == pytest.approx(
        eleven_point_precision(truth, scores)[0]
    )
    # the only true item comes second and counts twice: precision 2 of 3, not 1 of 2
    assert eleven_point_precision([0, 1], [2.0, 1.0], [[1, 2]])[0] == pytest.approx(2 / 3)


def test_the_mean_leaves_out_classes_that_nothing_shows():
    truth = np.array([[1, 0, 1], [0, 0, 1], [1, 0, 0]], bool)
    scores = np.array([[3.0, 1, 1], [2, 2, 3], [1, 3, 2]])
    expected = np.mean([by_definition(truth[:, c], scores[:, c]) for c in (0, 2)])
    assert eleven_point_map(truth, scores) == pytest.approx(expected)
    with pytest.raises(ValueError, match="no item is true"):
        eleven_point_map(truth[:, 1:2], scores[:, 1:2])


@pytest.mark.parametrize(("truth", "scores"), [([True], [1.0, 2.0]), ([], []), ([True, False], [np.nan, 1.0])])
def test_scores_that_do_not_fit_are_refused(truth, scores):
    with pytest.raises(ValueError, match="finite scores are needed"):
        eleven_point_precision(truth, scores)


def shown(n, seed=0, d=6, classes=3, noise=1.0):
    """Features and the things that an image shows: each on its own, from a linear rule with noise."""
    rng = torch.Generator().manual_seed(seed)
    rule = torch.randn(d, classes, generator=torch.Generator().manual_seed(77))
    x = torch.randn(n, d, generator=rng)
    return x, (x @ rule + noise * torch.randn(n, classes, generator=rng) > 0.5).numpy()


@pytest.mark.parametrize("l2", [1e-3, 0.1, 2.0])
def test_each_class_is_the_binary_regression_of_scikit_learn(l2):
    x, y = shown(180)
    ours = LogisticRegression(x, torch.from_numpy(y).float(), 3).fit(l2)
    for c in range(3):
        theirs = linear_model.LogisticRegression(C=1 / (l2 * len(x)), max_iter=2000, tol=1e-8).fit(
            x.double().numpy(), y[:, c]
        )
        np.testing.assert_allclose(
            (x @ ours[:-1] + ours[-1])[:, c].sigmoid().numpy(),
            theirs.predict_proba(x.double().numpy())[:, 1],
            atol=3e-3,
        )
        target = torch.from_numpy(y[:, c]).float()
        reference = F.binary_cross_entropy_with_logits(
            torch.from_numpy(theirs.decision_function(x.double().numpy())).float(), target
        )
        assert F.binary_cross_entropy_with_logits((x @ ours[:-1] + ours[-1])[:, c], target).item() == pytest.approx(
            reference.item(), abs=1e-3
        )


def test_labels_of_another_kind_are_refused():
    x, y = shown(10)
    for wrong in (torch.from_numpy(y).float()[:, :2], torch.from_numpy(y).float() * 2):
        with pytest.raises(ValueError, match=r"0 and 1 in \[N, 3\]"):
            LogisticRegression(x, wrong, 3)


def three_parts(noise=1.0):
    parts = {
        part: shown(n, seed, noise=noise)
        for seed, (part, n) in enumerate({"train": 150, "validation": 60, "test": 70}.items())
    }
    return {k: x for k, (x, _) in parts.items()}, {k: y for k, (_, y) in parts.items()}


def test_the_probe_chooses_by_validation_and_keeps_every_item():
    features, labels = three_parts()
    strengths = (0.1, 10.0, 1000.0)
    table = multi_label_probe(features, labels, ("hat", "dog", "sun"), strengths=strengths)
    train, validation = standardize(features["train"], features["validation"])
    for strength in strengths:
        weights = LogisticRegression(train, torch.from_numpy(labels["train"]).float(), 3).fit(strength / 150)
        expected = eleven_point_map(labels["validation"], (validation @ weights[:-1] + weights[-1]).numpy())
        assert table.attrs["validation"][strength] == pytest.approx(expected, abs=0.02)
    chosen = table.attrs["validation"]
    assert table.attrs["strength"] == max(chosen, key=lambda s: (chosen[s], s))
    assert len(table) == 210 and table["class"].tolist()[:3] == ["hat", "dog", "sun"]
    assert (table["truth"].to_numpy().reshape(70, 3) == labels["test"]).all()
    assert (table["correct"] == ((table["score"] > 0) == table["truth"])).all()
    scores = table["score"].to_numpy().reshape(70, 3)
    assert eleven_point_map(labels["test"], scores) > eleven_point_map(labels["test"], scores[::-1]) + 0.1


def test_the_test_part_has_no_say():
    features, labels = three_parts(noise=3.0)
    first = multi_label_probe(features, labels, ("a", "b", "c"))
    features["test"], labels["test"] = features["test"][:5] * 9, ~labels["test"][:5]
    assert multi_label_probe(features, labels, ("a", "b", "c")).attrs == first.attrs


def test_parts_that_do_not_match_are_refused():
    features, labels = three_parts()
    labels["validation"] = labels["validation"][:, :2]
    with pytest.raises(ValueError, match=r"validation has 60 features and labels of shape \(60, 2\)"):
        multi_label_probe(features, labels, ("a", "b", "c"))
