"""Probes against scikit-learn, loops and closed forms; and the protocol that their docstrings promise."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
import torch
import torch.nn.functional as F
from sklearn import linear_model

from stablerep.errors import InputError
from stablerep.probes import (
    LogisticRegression,
    knn_probe,
    linear_probe,
    mean_per_class,
    nearest,
    one_shot_across_designs,
    standardize,
)
from stablerep.probes.nearest import few_shot_across_designs


def clouds(n, classes=4, d=6, spread=1.2, seed=0):
    """Overlapping Gaussian clouds around fixed centres; labels 0 .. classes - 1, each at least once."""
    rng = torch.Generator().manual_seed(seed)
    centres = 1.5 * torch.randn(classes, d, generator=torch.Generator().manual_seed(99))
    labels = torch.cat([torch.arange(classes), torch.randint(classes, (n - classes,), generator=rng)])
    return centres[labels] + spread * torch.randn(n, d, generator=rng), labels


def objective(x, y, weights, l2):
    return (F.cross_entropy(x @ weights[:-1] + weights[-1], y) + l2 / 2 * weights[:-1].pow(2).sum()).item()


@pytest.mark.parametrize("l2", [1e-4, 1e-3, 1e-2, 0.3, 5.0])
@pytest.mark.parametrize("classes", [2, 4])
def test_logistic_regression_equals_that_of_scikit_learn(l2, classes):
    x, y = clouds(150, classes)
    ours = LogisticRegression(x, y, classes).fit(l2)
    # of two classes scikit-learn keeps one weight vector, whose penalty is twice that of two opposite halves
    theirs = linear_model.LogisticRegression(C=(2 if classes == 2 else 1) / (l2 * len(x)), max_iter=2000, tol=1e-6)
    theirs.fit(x.double().numpy(), y.numpy())
    coefficients = np.vstack([-theirs.coef_, theirs.coef_]) / 2 if classes == 2 else theirs.coef_
    intercepts = np.array([-theirs.intercept_[0], theirs.intercept_[0]]) / 2 if classes == 2 else theirs.intercept_
    weights = torch.from_numpy(np.vstack([coefficients.T, intercepts])).float()
    assert objective(x, y, ours, l2) == pytest.approx(objective(x, y, weights, l2), abs=1e-3)
    probability = (x @ ours[:-1] + ours[-1]).softmax(1)
    np.testing.assert_allclose(probability.numpy(), theirs.predict_proba(x.double().numpy()), atol=5e-3)


def test_a_warm_start_reaches_the_same_solution_and_is_left_alone():
    x, y = clouds(120)
    start = LogisticRegression(x, y, 4).fit(0.3)
    before = start.clone()
    warm, cold = LogisticRegression(x, y, 4).fit(0.01, start=start), LogisticRegression(x, y, 4).fit(0.01)
    assert torch.equal(start, before)
    assert objective(x, y, warm, 0.01) == pytest.approx(objective(x, y, cold, 0.01), abs=1e-4)


def test_intercepts_are_not_penalized():
    """With features that say nothing and a heavy penalty, what is left are the shares of the classes."""
    y = torch.tensor([0] * 70 + [1] * 20 + [2] * 10)
    weights = LogisticRegression(torch.randn(100, 3, generator=torch.Generator().manual_seed(0)), y, 3).fit(1e4)
    np.testing.assert_allclose(weights[-1].softmax(0).numpy(), [0.7, 0.2, 0.1], atol=1e-2)
    assert weights[:-1].abs().max() < 1e-2


@pytest.mark.parametrize("l2", [0.0, -1.0, float("nan")])
def test_a_penalty_that_is_not_positive_is_refused(l2):
    x, y = clouds(20)
    with pytest.raises(ValueError, match=f"l2 is {l2}"):
        LogisticRegression(x, y, 4).fit(l2)


@pytest.mark.parametrize("together", [1, 5])
def test_a_sweep_of_45_penalties_agrees_with_scikit_learn(together):
    """Log-losses to 1e-3, from penalties that allow nothing to those that forbid nothing."""
    x, y = clouds(200, d=10, spread=2.0)
    strengths = 10 ** np.linspace(-6, 5, 45)
    found = list(LogisticRegression(x, y, 4).sweep(strengths / len(x), together=together))
    assert [l2 for l2, _ in found] == sorted(strengths / len(x), reverse=True)
    for (l2, weights), strength in zip(found[::4], sorted(strengths, reverse=True)[::4]):
        theirs = linear_model.LogisticRegression(C=1 / strength, max_iter=20000, tol=1e-9).fit(
            x.double().numpy(), y.numpy()
        )
        other = torch.from_numpy(np.vstack([theirs.coef_.T, theirs.intercept_])).float()
        assert objective(x, y, weights, l2) == pytest.approx(objective(x, y, other, l2), abs=1e-3)
        ours, reference = (F.cross_entropy(x @ w[:-1] + w[-1], y).item() for w in (weights, other))
        assert ours == pytest.approx(reference, abs=1e-3)


def test_the_gradient_of_the_sweep_is_that_of_autograd():
    """At the minimum of several penalties at once, the gradient of each objective is zero: in double precision, where rounding is nothing."""
    x, y = clouds(150)
    x = x.double()
    for l2, weights in LogisticRegression(x, y, 4).sweep([1e-3, 1e-2, 0.1], together=3, tolerance=1e-12):
        w = weights.requires_grad_()
        (F.cross_entropy(x @ w[:-1] + w[-1], y) + l2 / 2 * w[:-1].pow(2).sum()).backward()
        assert w.grad.abs().max() < 1e-5


@pytest.mark.parametrize(
    ("penalties", "together", "message"), [([1.0, 0.0], 1, "l2 is 0.0"), ([1.0], 0, "together is 0")]
)
def test_a_sweep_that_cannot_run_is_refused(penalties, together, message):
    x, y = clouds(20)
    with pytest.raises(ValueError, match=message):
        next(LogisticRegression(x, y, 4).sweep(penalties, together=together))


@pytest.mark.parametrize("l2", [1e-3, 0.1])
def test_the_minimum_is_reached_in_badly_scaled_features(l2):
    """Directions whose sizes differ a thousandfold, against L-BFGS in double precision, which is told the sizes and so needs few steps."""
    x, y = clouds(200, d=5)
    sizes = torch.logspace(-1.5, 1.5, 5)
    x = x * sizes
    ours = LogisticRegression(x, y, 4).fit(l2)
    scaled = torch.zeros(6, 4, dtype=torch.double, requires_grad=True)
    exact = torch.optim.LBFGS(
        [scaled], max_iter=5000, tolerance_grad=1e-9, tolerance_change=1e-14, line_search_fn="strong_wolfe"
    )

    def closure():
        exact.zero_grad()
        weights = scaled[:-1] / sizes.double()[:, None]
        loss = F.cross_entropy(x.double() @ weights + scaled[-1], y) + l2 / 2 * weights.pow(2).sum()
        loss.backward()
        return loss

    exact.step(closure)
    assert scaled.grad.abs().max() < 1e-6
    assert objective(x, y, ours, l2) - closure().item() < 1e-4


@pytest.mark.parametrize(("labels", "classes"), [([0, 1, 4], 4), ([0, -1, 2], 4), ([0, 1], 4), ([], 4)])
def test_labels_that_do_not_fit_are_refused(labels, classes):
    with pytest.raises(ValueError, match="labels"):
        LogisticRegression(torch.randn(3 if labels else 0, 5), torch.tensor(labels, dtype=torch.long), classes)


def test_standardized_features_have_mean_zero_and_deviation_one_where_training_varies():
    train, _ = clouds(50)
    train[:, 2] = 4.0
    other = train[:7] + 1
    one, two = standardize(train, other)
    varied = [0, 1, 3, 4, 5]
    torch.testing.assert_close(one.mean(0), torch.zeros(6), atol=1e-5, rtol=0)
    torch.testing.assert_close(one.std(0)[varied], torch.ones(5))
    assert (one[:, 2] == 0).all() and (two[:, 2] == 0).all()
    torch.testing.assert_close(two[:, varied], one[:7, varied] + 1 / train.std(0)[varied])


def three_parts(spread=1.2, seed=0, sizes=(120, 60, 80)):
    parts = {
        k: clouds(n, spread=spread, seed=seed + i)
        for i, (k, n) in enumerate(zip(("train", "validation", "test"), sizes))
    }
    names = np.array(["ant", "bee", "cat", "dog"])
    return {k: x for k, (x, _) in parts.items()}, {k: names[y.numpy()].tolist() for k, (_, y) in parts.items()}


def test_the_probe_follows_its_protocol():
    features, labels = three_parts(spread=2.5)
    strengths = (0.01, 1.0, 100.0, 3000.0)
    table = linear_probe(features, labels, strengths=strengths)
    accuracy = {}
    names = sorted(set(labels["train"]))
    for strength in strengths:  # cold starts and scikit-learn: another way to the same numbers
        x, v = standardize(features["train"], features["validation"])
        model = linear_model.LogisticRegression(C=1 / strength, max_iter=5000, tol=1e-8).fit(
            x.double().numpy(), labels["train"]
        )
        accuracy[strength] = model.score(v.double().numpy(), labels["validation"])
    assert table.attrs["validation"] == pytest.approx(accuracy, abs=1.01 / 60)  # one item may sit on the border
    chosen = table.attrs["validation"]
    assert table.attrs["strength"] == max(s for s in strengths if chosen[s] == max(chosen.values()))
    both, test = standardize(torch.cat([features["train"], features["validation"]]), features["test"])
    y = torch.tensor([names.index(v) for v in labels["train"] + labels["validation"]])
    weights = LogisticRegression(both, y, 4).fit(table.attrs["strength"] / len(both))
    expected = [names[i] for i in (test @ weights[:-1] + weights[-1]).argmax(1)]
    assert table["prediction"].tolist() == expected and table["truth"].tolist() == labels["test"]
    assert table["correct"].tolist() == [a == b for a, b in zip(expected, labels["test"])]


def test_on_ties_the_stronger_penalty_is_taken_and_clear_classes_are_learned():
    features, labels = three_parts(spread=0.01)
    table = linear_probe(features, labels, strengths=(0.1, 10.0, 1.0))
    assert set(table.attrs["validation"].values()) == {1.0} and table.attrs["strength"] == 10.0
    assert table["correct"].all()


def test_features_that_say_nothing_give_the_largest_class():
    features, labels = three_parts()
    labels["train"] = ["bee"] * 80 + ["cat"] * 40
    table = linear_probe({k: torch.full_like(x, 3.0) for k, x in features.items()}, labels)
    assert set(table["prediction"]) == {"bee"}
    assert table["correct"].mean() == pytest.approx(labels["test"].count("bee") / 80)


def test_a_test_item_of_a_class_never_seen_counts_as_wrong_and_is_kept():
    features, labels = three_parts(spread=0.01)
    labels["test"] = ["eel" if v == "dog" else v for v in labels["test"]]
    table = linear_probe(features, labels, strengths=(1.0,))
    assert len(table) == 80 and (table["correct"] == (table["truth"] != "eel")).all()


def test_a_class_that_only_validation_has_is_learned_by_the_refit():
    features, labels = three_parts(spread=0.01)
    kept = torch.tensor([v != "dog" for v in labels["train"]])
    features["train"], labels["train"] = features["train"][kept], [v for v in labels["train"] if v != "dog"]
    table = linear_probe(features, labels, strengths=(0.1,))
    assert table.attrs["validation"][0.1] == pytest.approx(1 - labels["validation"].count("dog") / 60)
    assert table["correct"].all()


def test_the_test_part_has_no_say_in_the_choice():
    features, labels = three_parts(spread=2.5)
    table = linear_probe(features, labels)
    features["test"], labels["test"] = features["test"][:9] * 50, ["ant"] * 9
    other = linear_probe(features, labels)
    assert table.attrs == other.attrs


def test_a_sweep_that_gets_no_better_ends_and_changes_no_choice():
    features, labels = three_parts(spread=3.0)
    short, whole = (linear_probe(features, labels, patience=patience) for patience in (5, None))
    tried, best = short.attrs["validation"], short.attrs["strength"]
    assert len(whole.attrs["validation"]) == 45 > len(tried)
    assert tried.items() <= whole.attrs["validation"].items()
    assert (
        len([s for s in tried if s < best]) >= 5
        and max(tried, key=lambda s: (tried[s], s)) == best == whole.attrs["strength"]
    )
    with pytest.raises(ValueError, match="patience is 0"):
        linear_probe(features, labels, patience=0)


@pytest.mark.parametrize("seed", range(4))
def test_penalties_that_all_give_the_largest_class_do_not_end_the_sweep(seed):
    """Two classes 70 to 30 in many weak features: the strongest penalties score alike, and the best lies far behind them."""
    rng = torch.Generator().manual_seed(seed)
    features, labels = {}, {}
    for part, n in (("train", 600), ("validation", 300), ("test", 300)):
        y = (torch.rand(n, generator=rng) < 0.3).long()
        features[part] = torch.randn(n, 32, generator=rng) + 0.6 * y[:, None] * torch.randn(
            32, generator=torch.Generator().manual_seed(5)
        )
        labels[part] = y.tolist()
    table, whole = linear_probe(features, labels), linear_probe(features, labels, patience=None)
    scores = list(table.attrs["validation"].values())
    assert len(set(scores[:6])) == 1  # a plateau longer than the patience
    assert table.attrs["strength"] == whole.attrs["strength"] < 1e4 and table["correct"].mean() > 0.9


def test_validation_is_scored_by_the_metric_asked_for():
    features, labels = three_parts(spread=2.5)
    labels["validation"] = ["ant" if v != "dog" else v for v in labels["validation"]]
    table = linear_probe(features, labels, metric=mean_per_class, strengths=(1.0, 100.0))
    names, x = sorted(set(labels["train"])), standardize(features["train"], features["validation"])
    y = torch.tensor([names.index(v) for v in labels["train"]])
    truth = np.array(labels["validation"])
    for strength, found in table.attrs["validation"].items():
        weights = LogisticRegression(x[0], y, 4).fit(strength / 120)
        said = np.array(names)[(x[1] @ weights[:-1] + weights[-1]).argmax(1)]
        assert found == pytest.approx(np.mean([(said == truth)[truth == c].mean() for c in ("ant", "dog")]), abs=0.02)


@pytest.mark.parametrize(("part", "count"), [("train", 5), ("validation", 0), ("test", 3)])
def test_parts_that_do_not_match_are_refused(part, count):
    features, labels = three_parts()
    labels[part] = labels[part][:count]
    with pytest.raises(ValueError, match=f"{part} has .* and {count} labels"):
        linear_probe(features, labels)


@pytest.mark.parametrize("k", [1, 3, 20, 500])
def test_nearest_neighbours_equal_a_loop(k):
    (train, y), (test, truth) = clouds(60, seed=1), clouds(25, seed=2)
    names = ["ant", "bee", "cat", "dog"]
    table = knn_probe(train, [names[i] for i in y], test, [names[i] for i in truth], k=k, temperature=0.2)
    for row, x in zip(table.itertuples(), test.double()):
        near = sorted(
            ((F.cosine_similarity(x, t.double(), dim=0).item(), int(c)) for t, c in zip(train, y)), reverse=True
        )[:k]
        votes = [sum(np.exp(s / 0.2) for s, c in near if c == i) for i in range(4)]
        assert row.prediction == names[int(np.argmax(votes))]
        assert row.correct == (row.truth == row.prediction)
    assert table["truth"].tolist() == [names[i] for i in truth]


def test_blocks_of_similarities_change_no_answer(monkeypatch):
    train, test = (torch.randn(n, 5, generator=torch.Generator().manual_seed(n)) for n in (50, 30))
    labels, truth = [i % 4 for i in range(50)], [i % 4 for i in range(30)]
    whole = knn_probe(train, labels, test, truth)
    monkeypatch.setattr(nearest, "BLOCK", 120)  # two queries at a time
    pd.testing.assert_frame_equal(knn_probe(train, labels, test, truth), whole)


def test_a_nearer_neighbour_outweighs_two_farther_ones():
    train = torch.tensor([[1.0, 0.0], [0.0, 1.0], [0.0, 1.0]])
    test = torch.tensor([[1.0, 0.2]])
    assert knn_probe(train, ["near", "far", "far"], test, ["near"], k=3)["correct"].all()
    assert not knn_probe(train, ["near", "far", "far"], test, ["near"], k=3, temperature=100)["correct"].any()


def test_no_neighbours_are_refused():
    with pytest.raises(ValueError, match="k is 0"):
        knn_probe(torch.ones(2, 2), [0, 1], torch.ones(1, 2), [0], k=0)


def grid(concepts, designs):
    return [c for c in concepts for _ in designs], list(designs) * len(concepts)


def test_features_of_the_concept_alone_recognize_every_design():
    concepts, designs = grid([f"c{i}" for i in range(10)], ["x", "y", "z"])
    table = one_shot_across_designs(torch.eye(10).repeat_interleave(3, 0), concepts, designs)
    assert table["correct"].all() and len(table) == 3 * 20
    assert (table["gallery_size"] == 10).all() and (table["design"] != table["gallery"]).all()


def test_features_of_the_design_alone_recognize_one_concept_of_each_gallery():
    """All images of a gallery look the same, so every query gets the first."""
    concepts, designs = grid([f"c{i}" for i in range(10)], ["x", "y"])
    table = one_shot_across_designs(torch.eye(2).repeat(10, 1), concepts, designs)
    assert table["correct"].mean() == pytest.approx(0.1)
    assert set(table["concept"][table["correct"]]) == {"c0"}


def test_random_features_recognize_by_chance():
    concepts, designs = grid([f"c{i}" for i in range(20)], "abcdefgh")
    z = torch.randn(160, 24, generator=torch.Generator().manual_seed(0))
    table = one_shot_across_designs(z, concepts, designs)
    # 1120 queries at 1/20: a standard deviation of about 0.7 points
    assert table["correct"].mean() == pytest.approx(1 / 20, abs=0.025)


def test_only_concepts_that_the_gallery_has_are_asked_for():
    concepts = ["a", "b", "c", "a", "b", "d", "a"]
    designs = ["x", "x", "x", "y", "y", "y", "z"]
    table = one_shot_across_designs(torch.eye(7) + 0.1, concepts, designs)
    asked = {(r.gallery, r.design, r.concept) for r in table.itertuples()}
    assert asked == {
        ("x", "y", "a"), ("x", "y", "b"), ("x", "z", "a"), ("y", "x", "a"), ("y", "x", "b"), ("y", "z", "a"),
    }  # fmt: skip  # z has one concept: no gallery
    assert dict(zip(table["gallery"], table["gallery_size"])) == {"x": 3, "y": 3}


def test_the_nearest_is_by_angle_and_order_does_not_matter():
    z = torch.tensor([[1.0, 0.0], [0.0, 1.0], [50.0, 20.0], [0.1, 0.3]])
    concepts, designs = ["a", "b", "a", "b"], ["x", "x", "y", "y"]
    assert one_shot_across_designs(z, concepts, designs)["correct"].all()
    order = [3, 0, 2, 1]
    again = one_shot_across_designs(z[order], [concepts[i] for i in order], [designs[i] for i in order])
    keys = ["gallery", "design", "concept"]
    table = one_shot_across_designs(z, concepts, designs)
    pd.testing.assert_frame_equal(
        again.sort_values(keys, ignore_index=True), table.sort_values(keys, ignore_index=True)
    )


def test_one_image_per_concept_and_design_is_needed():
    with pytest.raises(ValueError, match="a appears twice in x"):
        one_shot_across_designs(torch.eye(3), ["a", "b", "a"], ["x", "x", "x"])


@pytest.mark.parametrize(
    ("concepts", "designs"), [(["a", "b"], ["x", "x"]), (["a", "b", "c", "d"], ["x", "x", "y", "y"])]
)
def test_designs_that_share_nothing_are_refused(concepts, designs):
    with pytest.raises(ValueError, match="two that share at least two concepts"):
        one_shot_across_designs(torch.eye(len(concepts)), concepts, designs)


# Recognition from all other designs


def test_few_shots_are_those_of_a_slow_reference():
    rng = torch.Generator().manual_seed(3)
    keys = [
        (c, d)
        for c in "abcdef"
        for d in ("ink", "oil", "chalk")
        if (c, d) not in {("a", "ink"), ("b", "oil"), ("b", "chalk")}
    ]
    features = torch.randn(len(keys), 5, generator=rng)
    found = few_shot_across_designs(features, [c for c, _ in keys], [d for _, d in keys])
    answers = {(row.concept, row.design): (row.correct, row.gallery_size) for row in found.itertuples()}
    unit = {key: v / v.norm() for key, v in zip(keys, features)}
    expected = {}
    for concept, design in keys:
        known = {}
        for other, elsewhere in keys:
            if elsewhere != design:
                known.setdefault(other, []).append(unit[other, elsewhere])
        if concept in known:
            means = {name: torch.stack(some).mean(0) for name, some in known.items()}
            scores = {name: float(unit[concept, design] @ (mean / mean.norm())) for name, mean in means.items()}
            expected[concept, design] = (max(scores, key=scores.get) == concept, len(known))
    assert answers == expected and ("b", "ink") not in answers


def test_few_shots_of_distinct_concepts_are_all_right_and_of_noise_at_chance():
    concepts, designs = [f"c{i}" for i in range(40)] * 3, [d for d in "xyz" for _ in range(40)]
    perfect = torch.eye(40).repeat(3, 1)
    assert few_shot_across_designs(perfect, concepts, designs)["correct"].all()
    noise = torch.randn(120, 16, generator=torch.Generator().manual_seed(0))
    assert few_shot_across_designs(noise, concepts, designs)["correct"].mean() < 0.1


def test_few_shots_need_two_designs_that_share_concepts():
    with pytest.raises(InputError, match="two that share at least two concepts are needed"):
        few_shot_across_designs(torch.eye(4), list("abcd"), ["ink", "ink", "oil", "oil"])
    with pytest.raises(ValueError, match="a appears twice in ink"):
        few_shot_across_designs(torch.eye(2), ["a", "a"], ["ink", "ink"])
