"""Few-shot recognition: what the episodes promise, and both classifiers against loops and scikit-learn."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
import torch
from scipy import stats
from sklearn import linear_model

from stablerep.probes import FEW_SHOT_METHODS, few_shot_accuracy, few_shot_episodes, few_shot_probe

COUNTS = {"ant": 30, "bee": 21, "cat": 20, "dog": 9, "eel": 6, "fox": 5, "gnu": 1, "hen": 40}


def named(counts=COUNTS, seed=0):
    labels = [name for name, count in counts.items() for _ in range(count)]
    order = torch.randperm(len(labels), generator=torch.Generator().manual_seed(seed)).tolist()
    return [labels[i] for i in order]


def clouds(labels, d=12, spread=1.5, seed=0):
    """A Gaussian cloud around a random centre for each label."""
    names = sorted(set(labels))
    centres = torch.randn(len(names), d, generator=torch.Generator().manual_seed(99))
    noise = torch.randn(len(labels), d, generator=torch.Generator().manual_seed(seed))
    return centres[[names.index(label) for label in labels]] + spread * noise


def test_an_episode_is_what_it_promises():
    labels = named()
    table = few_shot_episodes(labels, episodes=80)
    assert set(table["episode"]) == set(range(80))
    assert table["truth"].tolist() == [labels[i] for i in table["item"]]
    assert not table.duplicated(["episode", "item"]).any()
    for _, episode in table.groupby("episode"):
        sizes = episode.groupby(["truth", "role"]).size().unstack()
        assert len(sizes) == 5 and (sizes["support"] == 5).all()
        assert sizes["query"].to_dict() == {name: min(15, COUNTS[name] - 5) for name in sizes.index}
    assert set(table["truth"]) == {"ant", "bee", "cat", "dog", "eel", "hen"}
    assert table.attrs == {"classes": 6, "left_out": ["fox", "gnu"]}


def test_every_class_and_every_item_gets_its_turn():
    labels = named({f"c{k}": 25 for k in range(8)})
    table = few_shot_episodes(labels, episodes=400)
    supports = table[table["role"] == "support"]
    # 2000 draws of 8 classes: 250 each with a deviation of about 10; 10000 supports of 200 items: 50 each, deviation 7
    assert (supports.groupby("truth").size() / 5).between(200, 300).all()
    assert supports.groupby("item").size().reindex(range(200), fill_value=0).between(20, 90).all()


def test_episodes_depend_on_seed_and_labels_alone():
    labels = named()
    table = few_shot_episodes(labels, episodes=20)
    torch.manual_seed(5)
    pd.testing.assert_frame_equal(few_shot_episodes(np.array(labels), episodes=20), table)
    pd.testing.assert_frame_equal(few_shot_episodes(labels, episodes=7), table[table["episode"] < 7])
    assert not few_shot_episodes(labels, episodes=20, seed=1)["item"].equals(table["item"])
    drawn = [
        few_shot_probe(clouds(labels, d=d, seed=d), labels, method=m, episodes=4)
        for d in (3, 9)
        for m in FEW_SHOT_METHODS
    ]
    for other in drawn[1:]:
        pd.testing.assert_frame_equal(other[["episode", "item", "truth"]], drawn[0][["episode", "item", "truth"]])
    asked = table[(table["role"] == "query") & (table["episode"] < 4)]
    assert drawn[0]["item"].tolist() == asked["item"].tolist() and drawn[0]["truth"].tolist() == asked["truth"].tolist()


def cosine(a, b):
    return sum(u * v for u, v in zip(a, b)) / np.sqrt(sum(u * u for u in a) * sum(v * v for v in b))


@pytest.mark.parametrize(("ways", "shots"), [(5, 5), (2, 1), (6, 3)])
def test_the_class_mean_equals_a_loop(ways, shots):
    labels = named()
    features = 4 * clouds(labels)
    options = {"ways": ways, "shots": shots, "queries": 6, "episodes": 15, "seed": 3}
    table = few_shot_probe(features, labels, **options)
    rows = [np.array(row) / np.linalg.norm(row) for row in features.double().numpy()]
    expected = []
    for _, episode in few_shot_episodes(labels, **options).groupby("episode"):
        support = episode[episode["role"] == "support"]
        means = {name: sum(rows[i] for i in part["item"]) / shots for name, part in support.groupby("truth")}
        for i in episode["item"][episode["role"] == "query"]:
            expected.append(max(means, key=lambda name: cosine(means[name], rows[i])))
    assert table["prediction"].tolist() == expected
    assert table["correct"].tolist() == (table["truth"] == table["prediction"]).tolist()
    assert 1 / ways < table["correct"].mean() < 1


@pytest.mark.parametrize("d", [4, 60])  # fewer and more dimensions than the 25 of the support
def test_logistic_equals_that_of_scikit_learn(d):
    labels = named()
    features = clouds(labels, d=d, spread=2.5) + 0.5
    table = few_shot_probe(features, labels, method="logistic", episodes=12)
    rows = np.stack([row / np.linalg.norm(row) for row in features.double().numpy()])
    expected = []
    for _, episode in few_shot_episodes(labels, episodes=12).groupby("episode"):
        support, query = (episode[episode["role"] == role] for role in ("support", "query"))
        model = linear_model.LogisticRegression(C=1, max_iter=5000, tol=1e-10).fit(
            rows[support["item"]], support["truth"]
        )
        expected += model.predict(rows[query["item"]]).tolist()
    same = np.mean([a == b for a, b in zip(table["prediction"], expected)])
    assert same > 0.995  # of some 700, a few may sit on the border
    assert 0.3 < table["correct"].mean() < 0.99


@pytest.mark.parametrize("method", FEW_SHOT_METHODS)
def test_clear_classes_are_recognized_and_noise_is_not(method):
    labels = named({f"c{k}": 22 for k in range(9)})
    assert few_shot_probe(clouds(labels, spread=0.01), labels, method=method, episodes=10)["correct"].all()
    noise = torch.randn(len(labels), 8, generator=torch.Generator().manual_seed(0))
    table = few_shot_probe(noise, labels, method=method, episodes=60)
    # 4500 queries of 198 images: items come again, so their deviation is nearer to 2 points than to 0.6
    assert table["correct"].mean() == pytest.approx(0.2, abs=0.06)


@pytest.mark.parametrize("method", FEW_SHOT_METHODS)
def test_lengths_and_rotations_do_not_matter_and_runs_repeat(method):
    labels = named()
    features = clouds(labels, spread=3.0)
    table = few_shot_probe(features, labels, method=method, episodes=10)
    pd.testing.assert_frame_equal(few_shot_probe(features, labels, method=method, episodes=10), table)
    lengths = torch.rand(len(labels), 1, generator=torch.Generator().manual_seed(1)) + 0.1
    turn = torch.linalg.qr(torch.randn(12, 12, generator=torch.Generator().manual_seed(2))).Q
    for other in (features * lengths, features @ turn):
        again = few_shot_probe(other, labels, method=method, episodes=10)
        assert (again["prediction"] == table["prediction"]).mean() > 0.995


def test_numbers_are_names_too_and_settings_travel_with_the_table():
    labels = [{"ant": 10, "bee": 2}.get(label, 7 + len(label) * ord(label[0])) for label in named()]
    table = few_shot_probe(clouds(labels), labels, ways=3, shots=2, queries=3, episodes=3, seed=8)
    assert set(table["prediction"]) <= set(labels) and len(table) == 3 * 3 * 3
    assert {k: table.attrs[k] for k in ("method", "ways", "shots", "queries", "seed")} == {
        "method": "class mean", "ways": 3, "shots": 2, "queries": 3, "seed": 8,
    }  # fmt: skip
    assert table.attrs["classes"] == 7 and len(table.attrs["left_out"]) == 1


def test_accuracy_is_the_mean_over_episodes_with_student_t():
    table = pd.DataFrame({"episode": [0, 0, 1, 1, 1, 1, 2], "correct": [True, False, True, True, True, False, False]})
    each = np.array([0.5, 0.75, 0.0])
    half = stats.t.ppf(0.975, 2) * each.std(ddof=1) / np.sqrt(3)
    found = few_shot_accuracy(table)
    assert found == pytest.approx({"mean": each.mean(), "low": each.mean() - half, "high": each.mean() + half, "n": 3})
    assert few_shot_accuracy(table, level=0.5)["high"] < found["high"]


@pytest.mark.parametrize(("name", "value"), [("ways", 1), ("shots", 0), ("queries", 0), ("episodes", 0)])
def test_numbers_that_are_too_small_are_refused(name, value):
    with pytest.raises(ValueError, match=f"{name} is {value}"):
        few_shot_episodes(named(), **{name: value})


def test_what_does_not_fit_is_refused():
    labels = named()
    features = clouds(labels)
    with pytest.raises(ValueError, match="6 of 8 classes have more than 5 items; 7 ways need"):
        few_shot_probe(features, labels, ways=7)
    with pytest.raises(ValueError, match="4 of 8 classes have more than 19 items"):
        few_shot_probe(features, labels, shots=19)
    with pytest.raises(ValueError, match="method is 'nearest'; valid methods are class mean, logistic"):
        few_shot_probe(features, labels, method="nearest")
    with pytest.raises(ValueError, match=f"there are {len(labels) - 1} labels"):
        few_shot_probe(features, labels[1:])
    features[4, 0] = torch.inf
    with pytest.raises(ValueError, match="finite"):
        few_shot_probe(features, labels)
