"""Reading whom images show through a known confusion, and accuracy by group, on inputs whose answer is known."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
import torch
from fairlearn.metrics import MetricFrame
from hypothesis import given
from hypothesis import strategies as st
from sklearn.metrics import accuracy_score

from stablerep.audits.people import (
    CORRECTED,
    FEWEST,
    KNOWN_CLASSES,
    NEUTRAL,
    TONES,
    TRAINING,
    classes_of,
    confusion_shares,
    correct_shares,
    group_accuracy,
    group_gaps,
    neutral_captions,
    read_people,
    share_draws,
    shifted_labels,
)
from stablerep.errors import InputError

GENDERS = ("woman", "man", "person")


def people(emoji) -> pd.DataFrame:
    table = emoji.table[emoji.table["subgroup"].str.startswith("person") & (emoji.table["gender"] != "")]
    return table.assign(tone=[TONES[k] for k in table["skin_tone"]])


# Whom to ask for


def test_classes_of_the_emoji_have_their_order_and_others_are_sorted(emoji):
    assert classes_of(people(emoji), ("gender", "tone")) == KNOWN_CLASSES
    table = pd.DataFrame({"gender": ["woman", "man"], "age": ["3-9", None], "race": ["White", "Black"]})
    found = classes_of(table, ("gender", "age", "race"))
    assert found == {"gender": GENDERS, "age": ("3-9",), "race": ("Black", "White")}
    assert classes_of(pd.DataFrame({"gender": ["Male", "Female"]}), ("gender",)) == {"gender": ("Female", "Male")}


def test_neutral_captions_name_neither_gender_nor_tone(emoji):
    table = people(emoji)
    captions = neutral_captions(table, 48)
    assert len(set(captions)) == len(captions) >= 40
    for caption in captions:
        assert not {"woman", "women", "man", "men", "girl", "boy"} & set(caption.replace(":", " ").split()), caption
        assert "skin tone" not in caption
    assert set(captions) <= set(emoji.split("train").table["caption"])
    assert neutral_captions(table, 5) == captions[:5]
    # their concepts are drawn with both genders and all tones, so that a generator could draw either
    rich = table[table["concept"].isin(table[table["caption"].isin(captions)]["concept"])]
    assert rich.groupby("concept")["gender"].nunique().min() == 3


def test_photographs_are_asked_for_in_captions_of_our_own():
    assert neutral_captions(pd.DataFrame({"caption": ["Female"], "age": ["3-9"]}), 4) == list(NEUTRAL[:4])


# Reading through a confusion


def test_confusion_by_hand():
    truth = ["woman", "woman", "woman", "woman", "man", "man"]
    read = ["woman", "woman", "woman", "man", "man", "person"]
    found = confusion_shares(truth, read, GENDERS)
    np.testing.assert_allclose(
        found, [[0.75, 0.25, 0], [0, 0.5, 0.5], [0, 0, 1]]
    )  # no person asked: read without error


@st.composite
def readings(draw):
    """True shares, and the confusion of a reader that is right more often than not."""
    n = draw(st.integers(2, 6))
    counts = draw(st.lists(st.integers(0, 20), min_size=n, max_size=n).filter(any))
    errors = np.array(
        draw(st.lists(st.lists(st.integers(0, 9), min_size=n, max_size=n), min_size=n, max_size=n)), float
    )
    np.fill_diagonal(errors, 0)
    errors = 0.4 * errors / np.maximum(errors.sum(1, keepdims=True), 1)
    np.fill_diagonal(errors, 1 - errors.sum(1))
    return np.array(counts) / sum(counts), errors


@given(readings())
def test_correction_recovers_the_truth(case):
    truth, confusion = case
    np.testing.assert_allclose(correct_shares(truth @ confusion, confusion), truth, atol=1e-4)


@given(readings(), st.integers(0, 2**32 - 1))
def test_correction_stays_on_the_simplex(case, seed):
    """Also where no shares explain the count, as with a small sample."""
    _, confusion = case
    counted = np.random.default_rng(seed).dirichlet(np.full(len(confusion), 0.3))
    found = correct_shares(counted, confusion)
    assert (found >= 0).all() and found.sum() == pytest.approx(1)


def test_correction_by_hand():
    """A reader that takes a fifth of the women for men, and no man for a woman."""
    confusion = np.array([[0.8, 0.2], [0, 1.0]])
    np.testing.assert_allclose(correct_shares(np.array([0.4, 0.6]), confusion), [0.5, 0.5], atol=1e-6)
    np.testing.assert_allclose(
        correct_shares(np.array([0.9, 0.1]), confusion), [1, 0], atol=1e-4
    )  # more than all: clipped
    np.testing.assert_allclose(correct_shares(np.array([0.2, 0.3, 0.5]), np.eye(3)), [0.2, 0.3, 0.5], atol=1e-9)


def test_draws_of_shares_surround_the_estimate():
    rng = np.random.default_rng(0)
    tested = pd.DataFrame({"truth": rng.choice(GENDERS, 600)})
    wrong = rng.random(600) < 0.2
    tested["prediction"] = np.where(wrong, rng.choice(GENDERS, 600), tested["truth"])
    read, captions = rng.choice(GENDERS, 400, p=[0.5, 0.3, 0.2]), np.repeat(np.arange(40), 10)
    seen, fixed = share_draws(read, captions, tested, np.repeat(np.arange(60), 10), GENDERS, seed=1, draws=200)
    assert seen.shape == fixed.shape == (200, 3)
    np.testing.assert_allclose(seen.sum(1), 1)
    np.testing.assert_allclose(fixed.sum(1), 1)
    counted = pd.Series(read).value_counts(normalize=True).reindex(GENDERS).to_numpy()
    np.testing.assert_allclose(seen.mean(0), counted, atol=0.01)
    estimate = correct_shares(counted, confusion_shares(tested["truth"], tested["prediction"], GENDERS))
    np.testing.assert_allclose(fixed.mean(0), estimate, atol=0.02)
    assert (fixed.std(0) > seen.std(0)).all()  # the reader's own uncertainty comes on top
    again = share_draws(read, captions, tested, np.repeat(np.arange(60), 10), GENDERS, seed=1, draws=200)
    assert np.array_equal(again[1], fixed)


def faces(count: int, shares, rng) -> tuple[torch.Tensor, pd.DataFrame]:
    """Features of people of two attributes, numbers among them: one dimension for each class, with noise."""
    young = rng.choice([0, 1], count, p=shares)
    race = rng.choice(["a", "b", "c"], count)
    codes = np.column_stack([young == 0, young == 1, *(race == name for name in "abc")]).astype(np.float32)
    features = torch.from_numpy(codes + rng.normal(0, 0.15, codes.shape).astype(np.float32))
    return features, pd.DataFrame({"young": young, "race": race, "cluster": [f"c{i}" for i in range(count)]})


def test_people_of_any_classes_are_read():
    """Generated images of which three quarters are of class 1, though the training images were even."""
    rng = np.random.default_rng(0)
    real = {part: faces(count, (0.5, 0.5), rng) for part, count in (("train", 200), ("validation", 80), ("test", 150))}
    made = {w: (faces(240, (0.25, 0.75), rng)[0], np.arange(240) % 12) for w in (1.0, 4.0)}
    features, labels = ({part: some[k] for part, some in real.items()} for k in (0, 1))
    classes = classes_of(labels["train"], ("young", "race"))
    assert classes == {"young": ("0", "1"), "race": ("a", "b", "c")}
    shares, confusion = read_people(features, labels, made, classes, labels["train"], seed=0)
    ones = shares[(shares["label"] == "1") & (shares["source"] == CORRECTED)]
    assert ones["guidance_scale"].tolist() == [1.0, 4.0] and ones["share"].between(0.65, 0.85).all()
    assert (ones["low"] < ones["share"]).all() and (ones["share"] < ones["high"]).all()
    trained = shares[(shares["label"] == "1") & (shares["source"] == TRAINING)]["share"].item()
    assert trained == pytest.approx((labels["train"]["young"] == 1).mean())
    for _, part in shares.groupby(["attribute", "source", "guidance_scale"], dropna=False):
        assert part["share"].sum() == pytest.approx(1)
    assert len(confusion) == 2 * 2 + 3 * 3
    assert set(shifted_labels(shares)) == {"0 (young)", "1 (young)"}
    with pytest.raises(InputError, match="race of a train image is 'c'; its classes are a, b"):
        read_people(features, labels, made, {"race": ("a", "b")}, labels["train"], seed=0)


# Accuracy by group


def answers(groups: dict[str, tuple[int, int, float]], *, seeds: int = 1, attribute: str = "age") -> pd.DataFrame:
    """Of each group: clusters, images of each, and the share of clusters that are answered rightly."""
    rows = [
        {"id": f"{label}/{c}/{k}", "cluster": f"{label}/{c}", attribute: label, "seed": seed, "correct": c < share * clusters}
        for label, (clusters, images, share) in groups.items()
        for seed in range(seeds) for c in range(clusters) for k in range(images)
    ]  # fmt: skip
    return pd.DataFrame(rows).assign(truth="x", prediction=lambda table: np.where(table["correct"], "x", "y"))


def test_groups_have_the_accuracies_of_fairlearn():
    items = answers({"old": (40, 2, 0.25), "young": (60, 1, 0.5)})
    found = group_accuracy(items, {"age": ("young", "old")}, seed=0).set_index("label")
    frame = MetricFrame(
        metrics=accuracy_score, y_true=items["truth"], y_pred=items["prediction"], sensitive_features=items["age"]
    )
    assert found["accuracy"].to_dict() == pytest.approx(frame.by_group.to_dict())
    assert found.index.tolist() == ["young", "old"] and found["items"].tolist() == [60, 80]


def test_an_interval_holds_clusters_not_images():
    """Four images of a cluster are all right or all wrong: the interval is that of 40 clusters, twice as wide as that of 160 images."""
    row = group_accuracy(answers({"old": (40, 4, 0.5)}), {"age": ("old",)}, seed=0).iloc[0]
    assert row["high"] - row["low"] == pytest.approx(2 * 1.96 * 0.5 / 40**0.5, rel=0.1) and row["clusters"] == 40


@pytest.mark.parametrize(("images", "suppressed"), [(1, True), (FEWEST - 1, True), (FEWEST, False)])
def test_small_groups_keep_their_number_and_have_no_accuracy(images, suppressed):
    row = group_accuracy(answers({"old": (images, 1, 1.0)}), {"age": ("old", "nobody")}, seed=0)
    assert len(row) == 1 and row["items"].item() == images  # a group without items is left out
    assert row[["accuracy", "low", "high"]].isna().all(axis=None) == suppressed


def test_an_item_counts_once_however_many_seeds_answered_it():
    """Ten images at three seeds are ten images."""
    row = group_accuracy(answers({"old": (10, 1, 0.5)}, seeds=3), {"age": ("old",)}, seed=0).iloc[0]
    assert row["items"] == 10 and np.isnan(row["accuracy"])
    row = group_accuracy(answers({"old": (40, 1, 0.5)}, seeds=3), {"age": ("old",)}, seed=0).iloc[0]
    assert row["items"] == 40 and row["accuracy"] == 0.5
    assert row["high"] - row["low"] == pytest.approx(2 * 1.96 * 0.5 / 40**0.5, rel=0.1)


def test_one_cluster_has_no_interval():
    row = group_accuracy(answers({"old": (1, 50, 1.0)}), {"age": ("old",)}, seed=0).iloc[0]
    assert row["accuracy"] == 1 and np.isnan(row["low"]) and np.isnan(row["high"])


def test_gaps_pass_over_suppressed_groups():
    groups = group_accuracy(
        answers({"old": (90, 1, 0.2), "young": (90, 1, 0.8), "few": (5, 1, 0.0)}),
        {"age": ("old", "young", "few")},
        seed=0,
    ).assign(arm="a")
    (row,) = group_gaps(groups).to_dict("records")
    assert (row["lowest"], row["highest"], row["apart"]) == ("old", "young", True)
    assert row["gap"] == pytest.approx(0.6)
    assert group_gaps(groups[groups["label"] == "few"]).empty
