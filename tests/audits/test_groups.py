"""Groups of people: accuracy with its interval, contrasts within concepts, and the word on them."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from stablerep.audits.groups import FEWEST, group_accuracy, group_contrasts, in_blocks, judge_contrasts

CLASSES = {"gender": ("woman", "man", "person")}
PAIR = ("synthetic", "real")


def answers(arm="a", seeds=1, **right) -> pd.DataFrame:
    """Items of groups, two of a cluster: how many, and how many of them are answered rightly."""
    rows = [
        {"arm": arm, "seed": seed, "id": f"{group}/{k:03d}", "cluster": f"{group}{k // 2}", "gender": group, "correct": k < good}
        for seed in range(seeds) for group, (count, good) in right.items() for k in range(count)
    ]  # fmt: skip
    return pd.DataFrame(rows)


def test_accuracy_by_group_by_hand():
    found = group_accuracy(answers(woman=(60, 45), man=(40, 40)), CLASSES).set_index("label")
    assert found.index.tolist() == ["woman", "man"]  # nobody is a person
    assert found.loc["woman", ["accuracy", "items", "clusters", "seeds"]].tolist() == [0.75, 60, 30, 1]
    # 30 clusters, not 60 items: a share of 0.75 has deviation 0.079
    assert found.loc["woman", "high"] - found.loc["woman", "low"] == pytest.approx(2 * 2.05 * 0.0791, rel=0.05)
    assert found.loc["man", "low"] == pytest.approx(0.05 ** (1 / 20)) and found.loc["man", "high"] == 1


def test_every_cluster_weighs_the_same():
    items = answers(woman=(40, 20))
    items.loc[items["correct"], "cluster"] = "one"
    assert group_accuracy(items, CLASSES)["accuracy"].item() == pytest.approx(1 / 11)


def test_small_groups_keep_their_number_alone():
    found = group_accuracy(answers(woman=(FEWEST, 3), man=(FEWEST - 1, 3)), CLASSES).set_index("label")
    assert not np.isnan(found.loc["woman", "accuracy"])
    assert found.loc["man", ["accuracy", "low", "high"]].isna().all() and found.loc["man", "items"] == FEWEST - 1


def test_items_of_several_seeds_count_once_and_seeds_widen_the_interval():
    alike = answers(seeds=3, woman=(40, 20))
    apart = alike.assign(correct=alike["id"] < alike["seed"].map({0: "woman/010", 1: "woman/020", 2: "woman/030"}))
    few = group_accuracy(answers(seeds=3, woman=(20, 10)), CLASSES).iloc[0]
    assert few["items"] == 20 and np.isnan(few["accuracy"])  # sixty rows do not make a group of sixty
    one, other = (group_accuracy(items, CLASSES).iloc[0] for items in (alike, apart))
    assert one["accuracy"] == other["accuracy"] == 0.5 and one["seeds"] == 3
    assert other["high"] - other["low"] > 1.5 * (one["high"] - one["low"])


def test_a_group_of_one_cluster_has_no_interval():
    found = group_accuracy(answers(woman=(40, 20)).assign(cluster="one"), CLASSES).iloc[0]
    assert found["accuracy"] == 0.5 and np.isnan(found["low"]) and np.isnan(found["high"]) and found["clusters"] == 1


def compared(change: dict[str, float], *, seeds: int = 3, concepts: int = 60, noise: float = 0.0) -> pd.DataFrame:
    """Both arms on concepts that show each gender ten times; the synthetic arm has ``change`` more of a gender right."""
    rng, parts = np.random.default_rng(0), []
    for arm in PAIR:
        for seed in range(seeds):
            for concept in range(concepts):
                for gender in CLASSES["gender"]:
                    share = 0.5 + change.get(gender, 0.0) * (arm == "synthetic") + noise * rng.normal()
                    parts += [
                        {"arm": arm, "seed": seed, "id": f"{concept}/{gender}/{k}", "cluster": concept, "gender": gender,
                         "correct": k < round(10 * share)}
                        for k in range(10)
                    ]  # fmt: skip
    return pd.DataFrame(parts)


def test_contrasts_by_hand():
    found = group_contrasts(compared({"woman": 0.3, "man": 0.1}), [PAIR], CLASSES).set_index("label")
    assert found["difference"].tolist() == pytest.approx([0.3 - 0.05, 0.1 - 0.15, 0.0 - 0.2])
    assert (found["clusters"] == 60).all() and (found["seeds"] == 3).all() and (found["first"] == "synthetic").all()
    assert found["adjusted"].tolist() == pytest.approx([0, 0, 0], abs=1e-9)  # every concept says the same


def test_what_is_gained_by_all_is_no_contrast():
    found = group_contrasts(compared(dict.fromkeys(CLASSES["gender"], 0.2)), [PAIR], CLASSES)
    assert found["difference"].tolist() == pytest.approx([0, 0, 0]) and (found["p"] == 1).all()
    assert judge_contrasts(found)[0] == "equivalent"


def test_only_concepts_that_show_both_sides_count():
    items = compared({"woman": 0.3}, concepts=20)
    some = items[(items["cluster"] < 12) | (items["gender"] == "woman")]  # eight concepts show women alone
    found = group_contrasts(some, [PAIR], CLASSES).set_index("label")
    assert found.loc["woman", "clusters"] == 12 and found.loc["woman", "difference"] == pytest.approx(0.3)
    alone = group_contrasts(items.assign(cluster=items["id"]), [PAIR], CLASSES)
    assert alone.empty and "difference" in alone and judge_contrasts(alone)[0] == "not testable at this scale"


def test_arms_of_a_pair_answer_the_same_items():
    items = compared({}, concepts=4)
    with pytest.raises(ValueError, match="synthetic and real answered different items or seeds"):
        group_contrasts(items.drop(index=items.index[items["id"] == "0/woman/0"][:3]), [PAIR], CLASSES)
    with pytest.raises(ValueError, match="'0/woman/0' has no answer in some seed"):
        group_contrasts(items.drop(index=0), [PAIR], CLASSES)
    assert group_contrasts(items[items["arm"] == "real"], [PAIR], CLASSES).empty


@pytest.mark.parametrize(
    ("change", "noise", "seeds", "word"),
    [
        ({"woman": 0.2}, 0.1, 3, "reproduced"),
        ({"woman": -0.2}, 0.1, 3, "reproduced"),  # to the harm of a group, too
        ({}, 0.1, 3, "undecided"),
        ({}, 0.0, 3, "equivalent"),
        ({"woman": 0.2}, 0.1, 2, "not testable at this scale"),
    ],
)
def test_the_word_on_contrasts(change, noise, seeds, word):
    found, why = judge_contrasts(group_contrasts(compared(change, noise=noise, seeds=seeds), [PAIR], CLASSES))
    assert found == word and not why.endswith(".")
    assert ("woman (gender)" in why) == (word == "reproduced" or ("smallest p" in why and "woman" in why))


def test_no_effect_is_seldom_taken_for_one():
    """In one of twenty studies at most, though the groups' contrasts depend on each other: of 25, more than 4 in one of 140 cases."""
    rng, frame = np.random.default_rng(0), compared({}, concepts=10)
    words = [
        judge_contrasts(group_contrasts(frame.assign(correct=rng.random(len(frame)) < 0.5), [PAIR], CLASSES))[0]
        for _ in range(25)
    ]
    assert words.count("reproduced") <= 4 and set(words) <= {"reproduced", "undecided"}


def about(**sizes) -> pd.DataFrame:
    """Items of two attributes by id: so many of each gender, half of them old."""
    genders = [gender for gender, size in sizes.items() for _ in range(size)]
    ages = [("young", "old")[k % 2] for k in range(len(genders))]
    return pd.DataFrame({"gender": genders, "age": ages}, index=[f"i{k}" for k in range(len(genders))])


def test_blocks_are_alike_in_their_groups():
    items = about(woman=60, man=140)
    blocks = in_blocks(items, ["gender", "age"], 20)
    assert set(blocks.index) == set(items.index) and blocks.nunique() == 20
    shown = items.assign(block=blocks).groupby(["block", "gender"]).size().unstack()
    assert set(shown["woman"]) == {3} and set(shown["man"]) == {7}
    by_age = items.assign(block=blocks).groupby(["block", "age"]).size()
    assert by_age.max() - by_age.min() <= 2
    assert in_blocks(items.sample(frac=1, random_state=0), ["gender", "age"], 20).to_dict() == blocks.to_dict()


def test_there_are_no_more_blocks_than_the_smallest_group_can_fill():
    assert in_blocks(about(woman=FEWEST, man=200), ["gender", "age"], 50).nunique() == FEWEST
    assert in_blocks(about(woman=FEWEST - 1, man=200), ["gender"], 50).nunique() == 50  # a group that is not shown
    assert in_blocks(about(), ["gender"], 50).empty


def test_groups_of_single_items_are_compared_within_blocks():
    """What no cluster of one item could say, and with the true difference within the interval in nearly all of many studies."""
    items, missed, studies = about(woman=100, man=100), 0, 60
    blocks = in_blocks(items, ["gender", "age"], 50)
    for number in range(studies):
        rng = np.random.default_rng(number)
        rows = []
        for arm, gain in zip(PAIR, (0.15, 0.0)):
            share = 0.5 + gain * (items["gender"] == "woman").to_numpy()
            rows += [
                items.assign(arm=arm, seed=seed, id=items.index, correct=rng.random(len(items)) < share)
                for seed in range(3)
            ]
        answered = pd.concat(rows, ignore_index=True)
        classes = {"gender": ("woman", "man")}
        assert group_contrasts(answered.assign(cluster=answered["id"]), [PAIR], classes).empty
        found = (
            group_contrasts(answered.assign(cluster=answered["id"].map(blocks)), [PAIR], classes)
            .set_index("label")
            .loc["woman"]
        )
        missed += not found["low"] <= 0.15 <= found["high"]
    assert missed <= 6
