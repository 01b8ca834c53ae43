"""Captions against foils: a slow reference, closed forms, ties, texts that give themselves away, and the word on kinds of foils."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
import torch

from stablerep.audits.composition import TIE, accuracies, encoded, judge_kinds, over_groups, preferred, untrained_space
from stablerep.audits.foils import colour_foils
from stablerep.errors import InputError
from stablerep.probes.extraction import features_of
from stablerep.statistics import Pair, differences
from stablerep.training import pretrain
from stablerep.training.joint_space import load_joint_space
from tests.training.toys import recipe_of, toy_pictures

ARMS = ("synthetic", "real")


def random_questions(count: int = 60, images: int = 20, texts: int = 30, seed: int = 0) -> pd.DataFrame:
    """Questions with one to four foils."""
    rng = np.random.default_rng(seed)
    rows = []
    for _ in range(count):
        own, *foils = rng.permutation(texts)[: 2 + rng.integers(4)].tolist()
        rows.append(
            {"image": int(rng.integers(images)), "caption": own, "foils": foils, "group": "ab"[rng.integers(2)]}
        )
    return pd.DataFrame(rows)


def slow(images: np.ndarray, texts: np.ndarray, questions: pd.DataFrame) -> list[tuple[float, float]]:
    """One question at a time, in NumPy."""

    def cosine(a, b):
        return float(a @ b / np.linalg.norm(a) / np.linalg.norm(b))

    def credit(image, row):
        own = cosine(image, texts[row.caption])
        others = [cosine(image, texts[one]) for one in row.foils]
        if any(one > own + TIE for one in others):
            return 0.0
        return 1 / (1 + sum(abs(one - own) <= TIE for one in others))

    means = {}
    for group, part in questions.groupby("group"):
        some = images[sorted(set(part["image"]))]
        means[group] = (some / np.linalg.norm(some, axis=1, keepdims=True)).mean(0)
    return [(credit(images[row.image], row), credit(means[row.group], row)) for row in questions.itertuples()]


def test_answers_equal_a_loop():
    draw = torch.Generator().manual_seed(0)
    images, texts = 3 * torch.randn(20, 6, generator=draw), torch.randn(30, 6, generator=draw)
    texts[7] = 2 * texts[3]  # the same direction
    questions = random_questions()
    found = preferred(images, texts, questions)
    expected = slow(images.double().numpy(), texts.double().numpy(), questions)
    np.testing.assert_allclose(found[["correct", "text_alone"]], expected, atol=1e-6)
    assert found["chance"].tolist() == [1 / (1 + len(foils)) for foils in questions["foils"]]
    shuffled = questions.sample(frac=1, random_state=0)
    pd.testing.assert_frame_equal(
        preferred(images, texts, shuffled).set_axis(shuffled.index).sort_index(), found
    )  # whatever their order and index


def test_a_tie_counts_one_half_and_among_several_foils_less():
    images, texts = torch.eye(2), torch.tensor([[1.0, 0.0], [2.0, 0.0], [3.0, 0.0], [0.0, 1.0]])
    rows = [(0, 0, [1]), (0, 0, [1, 2]), (0, 0, [1, 3]), (1, 0, [1, 3]), (0, 0, [3])]
    questions = pd.DataFrame(rows, columns=["image", "caption", "foils"]).assign(group="all")
    found = preferred(images, texts, questions)
    assert found["correct"].tolist() == pytest.approx([1 / 2, 1 / 3, 1 / 2, 0, 1])
    assert found["tie"].tolist() == [True, True, True, False, False]  # where a foil lies closer there is none


def test_random_features_are_at_chance():
    draw = torch.Generator().manual_seed(1)
    images, texts = torch.randn(4000, 16, generator=draw), torch.randn(8000, 16, generator=draw)
    for k in (1, 4):
        questions = pd.DataFrame({
            "image": range(1600), "caption": range(1600), "foils": [[1600 + 4 * i + j for j in range(k)] for i in range(1600)], "group": "all",
        })  # fmt: skip
        found = preferred(images, texts, questions)
        deviation = math.sqrt(k) / (k + 1) / 40
        assert abs(found["correct"].mean() - 1 / (k + 1)) < 4 * deviation


def test_foils_that_are_wrong_for_every_image_are_told_by_the_text_alone():
    """All images and captions share a direction that foils lack: nothing is seen, and all is right. Where captions are foils of each other, the
    mean image tells half of them."""
    images = torch.tensor([[1.0, 0.5, 0.0], [1.0, -0.5, 0.0]])
    texts = torch.tensor([[1.0, 0.4, 0.0], [1.0, -0.4, 0.0], [0.0, 0.0, 1.0]])
    improbable = pd.DataFrame({"image": [0, 1], "caption": [0, 1], "foils": [[2], [2]], "group": "order"})
    fair = pd.DataFrame({"image": [0, 1], "caption": [0, 1], "foils": [[1], [0]], "group": "tone"})
    assert preferred(images, texts, improbable)[["correct", "text_alone"]].mean().tolist() == [1, 1]
    assert preferred(images, texts, fair)[["correct", "text_alone"]].mean().tolist() == [1, 0.5]
    both = preferred(images, texts, pd.concat([improbable, fair], ignore_index=True))
    assert both["text_alone"].tolist() == [1, 1, 0.5, 0.5]  # each group has its own mean


def test_an_image_that_is_asked_often_counts_once_in_the_mean():
    images = torch.tensor([[1.0, 0.0], [0.0, 1.0]])
    questions = pd.DataFrame(
        {"image": [0, 0, 0, 1], "caption": [0, 0, 0, 1], "foils": [[1]] * 3 + [[0]], "group": "all"}
    )
    assert preferred(images, images, questions)["text_alone"].tolist() == [0.5] * 4


@pytest.mark.parametrize(
    ("images", "texts", "foils", "said"),
    [
        (torch.zeros(2, 3), torch.zeros(4, 2), [[1]], "shape .2, 3. and texts .4, 2."),
        (torch.zeros(3), torch.zeros(4, 3), [[1]], "is needed|are needed"),
        (torch.full((2, 3), math.nan), torch.zeros(4, 3), [[1]], "not all finite"),
        (torch.zeros(2, 3), torch.zeros(4, 3), [[]], "question 0 has no foil"),
    ],
)
def test_bad_input_is_told(images, texts, foils, said):
    with pytest.raises(InputError, match=said):
        preferred(images, texts, pd.DataFrame({"image": [0], "caption": [0], "foils": foils, "group": "a"}))


# Over concepts and seeds


def items(
    shares: dict[str, tuple[float, float]], *, seeds: int = 5, concepts: int = 80, noise: float = 0.0
) -> pd.DataFrame:
    """Answers by kind: what share both arms have right, synthetic first; each concept has ten questions."""
    rng, rows = np.random.default_rng(0), []
    for kind, both in shares.items():
        for arm, share in zip(ARMS, both):
            for seed in range(seeds):
                for concept in range(concepts):
                    right = round(10 * min(max(share + noise * rng.normal(), 0), 1))
                    rows += [
                        {"arm": arm, "seed": seed, "views": 1, "probe": kind, "kind": kind, "id": f"{concept}/{k}", "cluster": f"c{concept}",
                         "correct": float(k < right), "text_alone": 0.5, "tie": False, "chance": 0.5}
                        for k in range(10)
                    ]  # fmt: skip
    return pd.DataFrame(rows)


def judged(shares: dict[str, tuple[float, float]], **options):
    some = items(shares, **options)
    arms = accuracies(some).assign(kind=lambda table: table["probe"])
    pairs = differences(some, [Pair("C9", *ARMS)]).assign(kind=lambda table: table["probe"])
    return judge_kinds(pairs, arms)


def test_accuracies_stand_beside_text_ties_and_chance():
    some = items({"tone": (0.8, 0.6)}, seeds=2)
    some.loc[some["arm"] == "real", "text_alone"] = 0.75
    some.loc[(some["arm"] == "real") & (some["seed"] == 0), "tie"] = True
    found = accuracies(some).set_index("arm")
    assert found.loc["synthetic", ["accuracy", "text_alone", "ties", "chance", "clusters"]].tolist() == pytest.approx(
        [0.8, 0.5, 0, 0.5, 80]
    )
    assert found.loc["real", ["accuracy", "text_alone", "text_low", "text_high", "ties"]].tolist() == pytest.approx(
        [0.6, 0.75, 0.75, 0.75, 0.5]
    )


def test_every_concept_weighs_the_same():
    some = items({"tone": (0.8, 0.6)}, concepts=2, seeds=1)
    some = some[
        (some["cluster"] == "c0") | (some["id"] == "1/9")
    ]  # a wrong answer is all that is left of the second concept
    assert accuracies(some).set_index("arm")["accuracy"].to_dict() == pytest.approx({"synthetic": 0.4, "real": 0.3})


def test_every_relation_weighs_the_same():
    some = items({"tone": (0.8, 0.6)}, seeds=1, concepts=2)
    some["group"] = np.where(some["id"].str.endswith("/9"), "on", "below")  # wrong for both arms: 1 of 10
    found = over_groups(some).set_index("arm")
    assert found.loc["synthetic", ["groups", "over_groups"]].tolist() == pytest.approx([2, (0 + 8 / 9) / 2])
    nameless = over_groups(some.assign(group="")).set_index("arm")
    assert nameless.loc["real", "groups"] == 0 and math.isnan(nameless.loc["real", "over_groups"])


@pytest.mark.parametrize(
    ("shares", "noise", "word"),
    [
        ({"tone": (0.8, 0.6), "gender": (0.6, 0.8), "order": (0.7, 0.7)}, 0.1, "reproduced"),
        ({"tone": (0.6, 0.8), "gender": (0.8, 0.6), "order": (0.7, 0.7)}, 0.1, "reproduced"),
        ({"tone": (0.8, 0.6), "gender": (0.9, 0.7)}, 0.1, "contradicted"),
        ({"tone": (0.6, 0.8), "gender": (0.7, 0.9)}, 0.1, "contradicted"),
        ({"tone": (0.8, 0.8), "gender": (0.7, 0.7)}, 0.0, "equivalent"),
        ({"tone": (0.8, 0.6), "gender": (0.7, 0.7)}, 0.1, "undecided"),
        ({"tone": (0.8, 0.8), "gender": (0.7, 0.7)}, 0.3, "undecided"),
        ({"tone": (0.8, 0.6), "gender": (0.5, 0.5)}, 0.2, "not testable at this scale"),  # one kind above chance
    ],
)  # fmt: skip
def test_the_word_follows_the_directions(shares, noise, word):
    found = judged(shares, noise=noise)
    assert found.word == word and not found.why.endswith(".")
    assert math.isnan(found.p) == (word not in ("reproduced", "contradicted"))
    if not math.isnan(found.p):
        assert 0 <= found.p <= 0.05


def test_kinds_at_chance_do_not_count_whatever_their_difference():
    """Both arms below chance, on opposite sides of each other: only what can be told counts."""
    found = judged({"tone": (0.8, 0.6), "gender": (0.9, 0.7), "people": (0.3, 0.5)}, noise=0.1)
    assert found.word == "contradicted" and found.kinds["kind"].tolist() == ["tone", "gender"]
    assert found.why.endswith("neither arm is above chance on people")
    one = judged({"tone": (0.5, 0.8), "gender": (0.9, 0.7)}, noise=0.1)
    assert one.word == "reproduced" and len(one.kinds) == 2  # one arm above chance is enough


def test_a_kind_that_one_concept_shows_has_no_interval_and_does_not_count():
    """However well it is told, and whatever lies on its side."""
    apart = items({"tone": (0.8, 0.6), "gender": (0.9, 0.7)}, noise=0.1)
    alone = items({"people": (0.7, 0.9)}, concepts=1)
    some = pd.concat([apart, alone], ignore_index=True)
    arms, pairs = (one.assign(kind=one["probe"]) for one in (accuracies(some), differences(some, [Pair("C9", *ARMS)])))
    found = judge_kinds(pairs, arms)
    assert found.word == "contradicted" and found.why.endswith("neither arm is above chance on people")
    assert arms[arms["kind"] == "people"]["low"].isna().all() and found.kinds["kind"].tolist() == ["tone", "gender"]


def test_holm_is_over_the_kinds_that_count():
    found = judged({"tone": (0.8, 0.6), "gender": (0.71, 0.7), "order": (0.7, 0.705), "people": (0.2, 0.3)}, noise=0.3)
    p = found.kinds.set_index("kind")["p"].sort_values()
    expected, highest = {}, 0.0
    for rank, (kind, value) in enumerate(p.items()):
        highest = max(highest, min(1.0, (len(p) - rank) * value))
        expected[kind] = highest
    assert len(p) == 3 and found.kinds.set_index("kind")["adjusted"].to_dict() == pytest.approx(expected)


def test_two_seeds_and_single_concepts_are_not_testable():
    apart = {"tone": (0.8, 0.6), "gender": (0.6, 0.8)}
    assert judged(apart, seeds=2).word == judged(apart, concepts=1).word == "not testable at this scale"
    assert "2 seeds were run" in judged(apart, seeds=2).why
    none = judge_kinds(differences(items(apart), []).assign(kind=""), accuracies(items(apart)).assign(kind=""))
    assert none.word == "not testable at this scale" and none.kinds.empty


def test_no_difference_is_seldom_taken_for_mixed_directions():
    """Of 30 studies of two kinds in which nothing is to be seen, one at most says so: both sides must be told at once."""
    rng, frame = np.random.default_rng(0), items({"tone": (0.8, 0.8), "gender": (0.8, 0.8)}, concepts=12, seeds=3)
    words = []
    for _ in range(30):
        some = frame.assign(correct=(rng.random(len(frame)) < 0.8).astype(float))
        arms = accuracies(some).assign(kind=lambda table: table["probe"])
        pairs = differences(some, [Pair("C9", *ARMS)]).assign(kind=lambda table: table["probe"])
        words.append(judge_kinds(pairs, arms).word)
    assert words.count("reproduced") + words.count("contradicted") <= 1


# Trained and untrained spaces


def test_a_trained_space_tells_colours_and_an_untrained_one_knows_nothing(tmp_path):
    """Toy pictures of a colour and a shape: CLIP learns which word belongs to which, and its first weights are the same however long it learns."""
    data = toy_pictures()
    still = replace(recipe_of("clip", learning_rate=3e-3).view, crop_min=0.9, flip=0.0, jitter=0.0, grey=0.0)
    for steps in (1, 150):
        pretrain(
            data, recipe_of("clip", steps=steps, learning_rate=3e-3, view=still), tmp_path / str(steps), progress=""
        )
    start, other = (untrained_space(tmp_path / steps) for steps in ("150", "1"))
    captions = list(data.captions)
    assert torch.equal(start.texts(captions), other.texts(captions))
    trained = load_joint_space(tmp_path / "150")
    assert not torch.allclose(start.texts(captions), trained.texts(captions))
    own = [captions[number] for number in data.caption_ids.tolist()]
    foils = [[captions.index(one) for one in colour_foils(caption) if one in captions] for caption in own]
    questions = pd.DataFrame(
        {"image": range(len(own)), "caption": data.caption_ids.tolist(), "foils": foils, "group": "colour"}
    )
    shares = {}
    for name, space in (("trained", trained), ("untrained", start)):
        images = space.images(features_of(space.backbone, data.images)).cpu()
        found = preferred(images, encoded(space, captions).cpu(), questions)
        shares[name] = found["correct"].mean(), found["text_alone"].mean()
    assert shares["trained"][0] > 0.8 and shares["trained"][1] < 0.5
    assert shares["untrained"][0] < 0.6


def test_making_an_untrained_space_leaves_random_numbers_as_they_were(tmp_path):
    pretrain(toy_pictures(), recipe_of("clip", steps=1), tmp_path, progress="")
    before = torch.random.get_rng_state()
    untrained_space(tmp_path)
    assert torch.equal(before, torch.random.get_rng_state())
