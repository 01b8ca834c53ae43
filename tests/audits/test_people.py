"""People: reading through a confusion, shares that are known, neutral captions, and accuracy by group."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from stablerep.audits.people import (
    AS_READ,
    BALANCE,
    CORRECTED,
    FEWEST,
    KNOWN_CLASSES,
    NEUTRAL,
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


def test_perfect_reader_needs_no_correction():
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


# Whom images show


def shown(rng, labels: list[str]) -> torch.Tensor:
    """Features in which a label is plain to see: a corner for each, and a little noise."""
    corners = 4 * np.eye(3, 5)
    return torch.from_numpy(
        corners[[GENDERS.index(label) for label in labels]] + 0.1 * rng.normal(size=(len(labels), 5))
    ).float()


@pytest.fixture(scope="module")
def reading():
    """Shares and confusion of images whose labels an encoder sees without fail."""
    rng = np.random.default_rng(0)
    labels = {
        part: pd.DataFrame({"gender": rng.choice(GENDERS, n)})
        for part, n in (("train", 90), ("validation", 30), ("test", 60))
    }
    labels["test"]["cluster"] = [f"c{k // 2}" for k in range(60)]
    features = {part: shown(rng, table["gender"].tolist()) for part, table in labels.items()}
    drawn = {1.0: ["woman"] * 10 + ["man"] * 30, 4.0: ["woman"] * 40}
    made = {w: (shown(rng, list(some)), np.repeat(np.arange(8), 5)) for w, some in drawn.items()}
    trained = pd.DataFrame({"gender": ["woman"] * 3 + ["man"]})
    return labels, features, made, trained, read_people(features, labels, made, {"gender": GENDERS}, trained, seed=0)


def test_shares_are_those_that_were_drawn(reading):
    shares, confusion = reading[-1]
    assert list(shares.columns) == ["attribute", "source", "guidance_scale", "label", "share", "low", "high"]
    by_source = {
        source: part.set_index(["guidance_scale", "label"])["share"] for source, part in shares.groupby("source")
    }
    assert set(by_source) == {TRAINING, BALANCE, AS_READ, CORRECTED}
    for source in (AS_READ, CORRECTED):
        assert by_source[source].to_dict() == pytest.approx({
            (1.0, "woman"): 0.25, (1.0, "man"): 0.75, (1.0, "person"): 0, (4.0, "woman"): 1, (4.0, "man"): 0, (4.0, "person"): 0,
        }, abs=1e-4)  # fmt: skip
    assert by_source[TRAINING].droplevel(0).to_dict() == {"woman": 0.75, "man": 0.25, "person": 0}
    assert (by_source[BALANCE] == 1 / 3).all()
    made = shares[shares["guidance_scale"].notna()]
    assert (made["low"] <= made["share"] + 1e-4).all() and (made["share"] <= made["high"] + 1e-4).all()
    one = made[(made["source"] == AS_READ) & (made["guidance_scale"] == 1.0) & (made["label"] == "man")].iloc[0]
    assert (
        one["low"] < 0.6 and one["high"] > 0.9
    )  # eight captions, of which six are men: captions are resampled, not images
    matrix = confusion.pivot(index="truth", columns="prediction", values="share").loc[list(GENDERS), list(GENDERS)]
    np.testing.assert_array_equal(matrix, np.eye(3))


def test_a_label_that_is_no_class_is_refused(reading):
    labels, features, made, trained, _ = reading
    broken = labels | {"validation": labels["validation"].replace("man", "king")}
    with pytest.raises(InputError, match="gender of a validation image is 'king'; its classes are woman, man, person"):
        read_people(features, broken, made, {"gender": GENDERS}, trained, seed=0)


def test_labels_that_shift_do_so_at_every_scale(reading):
    shares, _ = reading[-1]
    # women are 75 % of the training images: fewer at w = 1, more at w = 4, but on both sides; there are men at w = 1 alone
    assert shifted_labels(shares) == ["woman (gender)", "man (gender)"]
    one = shares[(shares["label"] == "man") & (shares["source"] == CORRECTED)].index[0]
    assert shifted_labels(shares.assign(low=shares["low"].where(shares.index != one, 0.2))) == ["woman (gender)"]
    assert shifted_labels(shares[shares["guidance_scale"].isna()]) == []  # nothing was drawn


# Labels and captions


def test_classes_have_the_order_of_figures_or_of_the_alphabet(emoji):
    one = emoji.table[emoji.table["tone"] != "mixed"]  # without two people in two tones, who have no tone of their own
    assert len(one) < len(emoji)
    assert classes_of(one, emoji.people) == {name: KNOWN_CLASSES[name] for name in ("tone", "gender")}
    table = pd.DataFrame(
        {"gender": ["Male", "Female", None, ""], "age": [30, 9, 30, None], "tone": ["dark", "light", "", None]}
    )
    found = classes_of(table, ("gender", "age", "tone"))
    assert found["gender"] == ("Female", "Male") and found["age"] == ("30.0", "9.0")
    assert found["tone"] == KNOWN_CLASSES["tone"]  # of the emoji, those too that are not there


def test_neutral_captions_name_neither_gender_nor_tone(emoji):
    people = emoji.where(emoji.table["subgroup"].str.startswith("person")).table
    captions = neutral_captions(people, 48)
    assert len(set(captions)) == len(captions) >= 40
    for caption in captions:
        assert not {"woman", "women", "man", "men", "girl", "boy"} & set(caption.replace(":", " ").split()), caption
        assert "skin tone" not in caption
    assert set(captions) <= set(emoji.to_learn_from().table["caption"])  # which the generator has learned
    assert neutral_captions(people, 5) == captions[:5]
    # their concepts are drawn with both genders and all tones, so that a generator could draw either
    table = people[people["concept"].isin(people[people["caption"].isin(captions)]["concept"])]
    assert table.groupby("concept")["gender"].nunique().min() == 3
    assert table.groupby("concept")["tone"].nunique().min() == 6


def test_photographs_have_captions_of_their_own():
    table = pd.DataFrame({"caption": ["a man of 30"], "gender": ["Male"], "split": ["train"]})
    assert neutral_captions(table, 4) == list(NEUTRAL[:4]) and len(neutral_captions(table, 99)) == len(NEUTRAL)


# Accuracy by group


def answers(**right) -> pd.DataFrame:
    """Items of groups, two of a cluster: how many, and how many of them are answered rightly."""
    rows = [
        {"id": f"{group}/{k}", "cluster": f"{group}{k // 2}", "gender": group, "correct": k < good}
        for group, (count, good) in right.items() for k in range(count)
    ]  # fmt: skip
    return pd.DataFrame(rows)


def test_accuracy_by_group_by_hand():
    found = group_accuracy(answers(woman=(60, 45), man=(40, 40)), {"gender": GENDERS}, seed=0).set_index("label")
    assert found.index.tolist() == ["woman", "man"]  # nobody is a person
    assert found.loc["woman", ["accuracy", "items", "clusters"]].tolist() == [0.75, 60, 30]
    # 30 clusters, not 60 items: a share of 0.75 has deviation 0.079
    assert found.loc["woman", "high"] - found.loc["woman", "low"] == pytest.approx(2 * 1.96 * 0.0791, rel=0.15)
    assert found.loc["man", ["accuracy", "low", "high"]].tolist() == [1, 1, 1]


def test_small_groups_keep_their_number_alone():
    found = group_accuracy(answers(woman=(FEWEST, 3), man=(FEWEST - 1, 3)), {"gender": GENDERS}, seed=0).set_index(
        "label"
    )
    assert found.loc["woman", "accuracy"] == pytest.approx(3 / FEWEST)
    assert found.loc["man", ["accuracy", "low", "high"]].isna().all() and found.loc["man", "items"] == FEWEST - 1


def test_an_item_of_several_seeds_counts_once():
    items = answers(woman=(20, 10))
    found = group_accuracy(pd.concat([items] * 3), {"gender": GENDERS}, seed=0).iloc[0]
    assert found["items"] == 20 and np.isnan(found["accuracy"])  # sixty rows do not make a group of sixty
    large = pd.concat([answers(woman=(40, 20)), answers(woman=(40, 40))])
    found = group_accuracy(large, {"gender": GENDERS}, seed=0).iloc[0]
    assert (found["items"], found["accuracy"]) == (40, 0.75)


def test_a_group_of_one_cluster_has_no_interval():
    found = group_accuracy(answers(woman=(40, 20)).assign(cluster="one"), {"gender": GENDERS}, seed=0).iloc[0]
    assert found["accuracy"] == 0.5 and np.isnan(found["low"]) and np.isnan(found["high"]) and found["clusters"] == 1
    none = group_accuracy(answers(woman=(40, 20)), {"gender": ("man",)}, seed=0)
    assert none.empty and "accuracy" in none


def test_gaps_lie_between_the_lowest_and_the_highest_group():
    rows = [
        ("tone", "a", "dark", 0.2, 0.1, 0.3), ("tone", "a", "light", 0.6, 0.5, 0.7), ("tone", "a", "medium", 0.4, 0.3, 0.5),
        ("tone", "b", "dark", 0.5, 0.4, 0.6), ("tone", "b", "light", 0.55, 0.45, 0.65), ("tone", "b", "medium", np.nan, np.nan, np.nan),
        ("gender", "a", "man", 0.5, np.nan, np.nan), ("gender", "a", "woman", 0.9, 0.8, 1.0),
    ]  # fmt: skip
    gaps = group_gaps(pd.DataFrame(rows, columns=["attribute", "arm", "label", "accuracy", "low", "high"]))
    assert gaps[["attribute", "arm", "lowest", "highest", "apart"]].values.tolist() == [
        ["tone", "a", "dark", "light", True], ["tone", "b", "dark", "light", False], ["gender", "a", "man", "woman", False],
    ]  # fmt: skip
    assert gaps["gap"].tolist() == pytest.approx([0.4, 0.05, 0.4])
    nobody = group_gaps(pd.DataFrame(rows[5:6], columns=["attribute", "arm", "label", "accuracy", "low", "high"]))
    assert nobody.empty and "apart" in nobody
