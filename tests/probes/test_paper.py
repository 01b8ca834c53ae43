"""The paper's probe against one PyTorch optimizer per head, and the bias that its docstring warns of."""

from __future__ import annotations

import copy

import numpy as np
import pandas as pd
import pytest
import torch
import torch.nn.functional as F
from torch import nn

from stablerep.probes import BASE_RATES, paper_linear_probe, train_heads
from stablerep.seeding import generator_for


def clouds(n, classes=4, d=6, spread=1.5, seed=0):
    """Overlapping Gaussian clouds off the origin; labels 0 .. classes - 1, each at least once."""
    rng = torch.Generator().manual_seed(seed)
    centres = torch.randn(classes, d, generator=torch.Generator().manual_seed(99)) + 0.5
    labels = torch.cat([torch.arange(classes), torch.randint(classes, (n - classes,), generator=rng)])
    scales = torch.logspace(-0.5, 0.5, d)
    return (centres[labels] + spread * torch.randn(n, d, generator=rng)) * scales, labels


def separate_heads(features, labels, classes, rates, *, epochs, batch_size, batch_norm, seed):
    """One head after the other with PyTorch's layers, optimizer and schedule. Yields by head its models after each epoch."""
    width, per_epoch = features.shape[1], len(labels) // batch_size
    start = torch.randn(len(rates), width, classes, generator=generator_for(seed, "paper probe", "weights")) * 0.01
    for rate, weights in zip(rates, start):
        linear, after = nn.Linear(width, classes), []
        with torch.no_grad():
            linear.weight.copy_(weights.T)
            linear.bias.zero_()
        model = nn.Sequential(nn.BatchNorm1d(width, affine=False, eps=1e-6) if batch_norm else nn.Identity(), linear)
        optimizer = torch.optim.SGD(model.parameters(), lr=rate * batch_size / 256, momentum=0.9, weight_decay=0)
        schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, epochs * per_epoch, eta_min=0)
        for epoch in range(epochs):
            order = torch.randperm(len(labels), generator=generator_for(seed, "paper probe", "order", epoch))
            for step in range(per_epoch):
                items = order[step * batch_size : (step + 1) * batch_size]
                loss = F.cross_entropy(model(features[items]), labels[items])
                optimizer.zero_grad()
                loss.backward()
                optimizer.step()
                schedule.step()
            after.append(copy.deepcopy(model).eval())
        yield after


@pytest.mark.parametrize("batch_norm", [False, True])
def test_joint_heads_equal_ten_separate_runs(batch_norm):
    x, y = clouds(70)
    asked, _ = clouds(50, seed=1)
    options = {"epochs": 6, "batch_size": 16, "batch_norm": batch_norm, "seed": 3}  # 70 = 4 x 16 + 6 that are left out
    joint = list(train_heads(x, y, 4, **options))
    assert len(BASE_RATES) == 10 and len(joint) == 6 and joint[0].shape == (10, 7, 4)
    moved = []
    for h, models in enumerate(separate_heads(x, y, 4, BASE_RATES, **options)):
        for epoch, model in enumerate(models):
            with torch.no_grad():
                expected = model(asked)
            torch.testing.assert_close(
                asked @ joint[epoch][h, :-1] + joint[epoch][h, -1], expected, atol=2e-4, rtol=2e-4
            )
        moved.append((models[-1][1].weight - models[0][1].weight).norm().item())
    assert np.all(np.diff(moved) > 0)  # every rate leads elsewhere, so equality says something


def test_a_head_learns_the_same_in_other_company():
    x, y = clouds(60)
    options = {"epochs": 5, "batch_size": 20}
    company = list(train_heads(x, y, 4, base_rates=(0.05, 0.5), **options))
    worse = list(train_heads(x, y, 4, base_rates=(0.05, 400.0), **options))
    for one, other in zip(company, worse, strict=True):
        torch.testing.assert_close(one[0], other[0], atol=1e-6, rtol=1e-5)
        assert not torch.allclose(one[1], other[1])


def test_epochs_are_kept_apart():
    """What an epoch yielded does not change when training goes on."""
    x, y = clouds(40)
    training = train_heads(x, y, 4, epochs=3, batch_size=20)
    first = next(training)
    before = first.clone()
    second = next(training)
    assert torch.equal(first, before) and not torch.equal(first, second)


def test_rates_scale_with_the_batch():
    """One full batch: the first step of a fresh head is -rate * batch / 256 * gradient, and half a cosine has not begun."""
    x, y = clouds(64)
    options = {"base_rates": (0.4,), "epochs": 1, "batch_size": 64}
    found = next(train_heads(x, y, 4, **options))[0]
    start = F.pad(torch.randn(1, 6, 4, generator=generator_for(0, "paper probe", "weights")) * 0.01, (0, 0, 0, 1))[
        0
    ].requires_grad_(True)
    F.cross_entropy(x @ start[:-1] + start[-1], y).backward()
    torch.testing.assert_close(found, (start - 0.4 * 64 / 256 * start.grad).detach(), atol=1e-6, rtol=1e-5)


def test_batch_norm_forgets_offsets_and_scales():
    """After 240 updates of the running mean, the predictions on shifted and scaled features are those on the plain ones."""
    x, y = clouds(80)
    moved = x * torch.logspace(-2, 2, 6) + 3
    options = {"epochs": 60, "batch_size": 20, "base_rates": (0.1,)}
    *_, plain = train_heads(x, y, 4, batch_norm=True, **options)
    *_, other = train_heads(moved, y, 4, batch_norm=True, **options)
    torch.testing.assert_close(
        x @ plain[0, :-1] + plain[0, -1], moved @ other[0, :-1] + other[0, -1], atol=2e-2, rtol=2e-2
    )
    *_, without = train_heads(moved, y, 4, **options)
    *_, bare = train_heads(x, y, 4, **options)
    assert not torch.allclose(x @ bare[0, :-1] + bare[0, -1], moved @ without[0, :-1] + without[0, -1], atol=0.5)


def two_parts(spread=1.5, sizes=(90, 60), seed=0):
    names = np.array(["ant", "bee", "cat", "dog"])
    parts = {part: clouds(n, spread=spread, seed=seed + i) for i, (part, n) in enumerate(zip(("train", "test"), sizes))}
    return {part: x for part, (x, _) in parts.items()}, {
        part: names[y.numpy()].tolist() for part, (_, y) in parts.items()
    }


@pytest.mark.parametrize("batch_norm", [False, True])
def test_the_best_of_all_heads_and_evaluations_is_reported(batch_norm):
    features, labels = two_parts(spread=2.5)
    options = {"epochs": 7, "batch_size": 30, "batch_norm": batch_norm, "seed": 2}
    table = paper_linear_probe(features, labels, evaluate_every=3, **options)
    names, candidates = ["ant", "bee", "cat", "dog"], []
    y = torch.tensor([names.index(label) for label in labels["train"]])
    models = list(separate_heads(features["train"], y, 4, BASE_RATES, **options))
    for epoch in (3, 6, 7):
        for rate, after in zip(BASE_RATES, models):
            with torch.no_grad():
                answers = [names[i] for i in after[epoch - 1](features["test"]).argmax(1)]
            accuracy = np.mean([a == b for a, b in zip(answers, labels["test"])])
            candidates.append((accuracy, rate, epoch, answers))
            assert table.attrs["accuracy"][rate][epoch] == pytest.approx(
                accuracy, abs=1.01 / 60
            )  # one item may sit on the border
    assert [list(by_epoch) for by_epoch in table.attrs["accuracy"].values()] == [[3, 6, 7]] * 10
    best = max(accuracy for accuracy, *_ in candidates)
    assert table["correct"].mean() == pytest.approx(best, abs=1.01 / 60)
    assert table["correct"].mean() == max(max(by_epoch.values()) for by_epoch in table.attrs["accuracy"].values())
    rate, epoch = table.attrs["base_rate"], table.attrs["epoch"]
    chosen = next(answers for _, r, e, answers in candidates if (r, e) == (rate, epoch))
    assert np.mean([a == b for a, b in zip(table["prediction"], chosen)]) > 0.98
    assert table["truth"].tolist() == labels["test"]
    assert table["correct"].tolist() == (table["truth"] == table["prediction"]).tolist()


def test_the_earliest_evaluation_and_the_smallest_rate_win_ties():
    features, labels = two_parts(spread=0.01)
    table = paper_linear_probe(features, labels, base_rates=(0.5, 0.2, 0.3), epochs=30, batch_size=30)
    accuracy = table.attrs["accuracy"]
    assert [accuracy[rate][10] for rate in (0.2, 0.3, 0.5)] == [1.0] * 3
    assert (table.attrs["base_rate"], table.attrs["epoch"]) == (0.2, 10)


def test_selection_is_named_on_every_row():
    features, labels = two_parts()
    features["validation"], labels["validation"] = features["test"], labels["test"]
    table = paper_linear_probe(features, labels, evaluated="validation", epochs=2, batch_size=45, batch_norm=True)
    assert (table["selected_on"] == "validation").all() and table["batch_norm"].all()
    assert table.columns.tolist() == [
        "truth",
        "prediction",
        "correct",
        "selected_on",
        "base_rate",
        "epoch",
        "batch_norm",
    ]
    assert (table["base_rate"] == table.attrs["base_rate"]).all() and (table["epoch"] == 2).all()
    assert table.attrs["selected_on"] == "validation"
    other = paper_linear_probe(features, labels, epochs=2, batch_size=45, batch_norm=True)
    assert (other["selected_on"] == "test").all() and other["prediction"].equals(table["prediction"])


def test_selection_on_the_evaluated_items_lifts_noise_above_chance():
    """Labels by lot: any head is right by chance, the best of many is not."""
    rng = torch.Generator().manual_seed(0)
    lifted, fixed = [], []
    for _ in range(10):
        features = {"train": torch.randn(60, 8, generator=rng), "test": torch.randn(60, 8, generator=rng)}
        labels = {part: torch.randint(2, (60,), generator=rng).tolist() for part in features}
        table = paper_linear_probe(features, labels, epochs=20, batch_size=20, evaluate_every=2)
        lifted.append(table["correct"].mean())
        fixed.append(table.attrs["accuracy"][0.1][20])
    # 600 answers: a deviation of 2 points
    assert np.mean(fixed) == pytest.approx(0.5, abs=0.07)
    assert np.mean(lifted) > 0.54 and np.mean(lifted) > np.mean(fixed) + 0.03


def test_runs_repeat_and_seeds_differ():
    features, labels = two_parts()
    options = {"epochs": 4, "batch_size": 16}
    table = paper_linear_probe(features, labels, **options)
    torch.manual_seed(7)
    again = paper_linear_probe(features, labels, **options)
    pd.testing.assert_frame_equal(again, table)
    assert again.attrs == table.attrs
    assert paper_linear_probe(features, labels, seed=1, **options).attrs["accuracy"] != table.attrs["accuracy"]
    y = torch.arange(90) % 4
    one, other = (next(train_heads(features["train"], y, 4, batch_size=30, seed=seed)) for seed in (0, 1))
    assert not torch.equal(one, other)


def test_a_class_never_seen_counts_as_wrong_and_is_kept():
    features, labels = two_parts(spread=0.01)
    labels["test"] = ["eel" if label == "ant" else label for label in labels["test"]]
    table = paper_linear_probe(features, labels, epochs=30, batch_size=30)
    assert table["correct"].mean() == max(max(by_epoch.values()) for by_epoch in table.attrs["accuracy"].values())
    assert len(table) == 60 and (table["correct"] == (table["truth"] != "eel")).all()


def test_constant_features_pass_the_batch_norm():
    features, labels = two_parts(spread=0.01)
    for part in features:
        features[part][:, 0] = 2.0
    assert paper_linear_probe(features, labels, epochs=30, batch_size=30, batch_norm=True)["correct"].all()


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"batch_size": 91}, "batch_size is 91; with 90 training items it goes from 1 to 90"),
        ({"batch_size": 0}, "batch_size is 0"),
        ({"batch_size": 1, "batch_norm": True}, "batch_size is 1; with 90 training items it goes from 2 to 90"),
        ({}, "batch_size is 1024"),
        ({"batch_size": 30, "epochs": 0}, "epochs is 0"),
        ({"batch_size": 30, "evaluate_every": 0}, "evaluate_every is 0"),
        ({"batch_size": 30, "base_rates": ()}, r"base_rates are \[\]"),
        ({"batch_size": 30, "base_rates": (0.1, -0.1)}, r"base_rates are \[0.1, -0.1\]"),
        ({"batch_size": 30, "base_rates": (0.1, 0.1)}, r"base_rates are \[0.1, 0.1\]"),
        ({"batch_size": 30, "evaluated": "validation"}, "validation is missing; features have train, test"),
        ({"batch_size": 30, "evaluated": "train"}, "evaluated is 'train'"),
    ],
)
def test_numbers_that_do_not_fit_are_refused(options, message):
    with pytest.raises(ValueError, match=message):
        paper_linear_probe(*two_parts(), **options)


@pytest.mark.parametrize(("part", "count"), [("train", 5), ("test", 0)])
def test_parts_that_do_not_match_are_refused(part, count):
    features, labels = two_parts()
    labels[part] = labels[part][:count]
    with pytest.raises(ValueError, match=f"{part} has .* and {count} labels"):
        paper_linear_probe(features, labels, batch_size=30)


def test_features_that_do_not_fit_are_refused():
    features, labels = two_parts()
    with pytest.raises(ValueError, match=r"test features have shape \(60, 5\); finite \[N, 6\]"):
        paper_linear_probe({"train": features["train"], "test": features["test"][:, 1:]}, labels, batch_size=30)
    for part in ("train", "test"):
        broken = {name: x.clone() for name, x in features.items()}
        broken[part][1, 1] = torch.inf
        with pytest.raises(ValueError, match="finite"):
            paper_linear_probe(broken, labels, batch_size=30)
    for labels in ([0, 1, 4], [0, -1, 2]):
        with pytest.raises(ValueError, match="labels go from"):
            next(train_heads(torch.ones(3, 2), torch.tensor(labels), 4, batch_size=2))
