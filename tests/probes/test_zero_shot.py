"""Zero-shot classification against loops, with text encoders made of tables."""

from __future__ import annotations

import hashlib

import numpy as np
import pandas as pd
import pytest
import torch

from stablerep.probes import EMOJI_TEMPLATES, PHOTOGRAPH_TEMPLATES, class_text_features, zero_shot_probe

NAMES = {"animals-nature": "animal", "food-drink": "dish", "objects": "thing", 3: "number three"}


def encode(captions, d=6):
    """A feature of any length for any caption, from its hash."""
    seeds = [int.from_bytes(hashlib.sha256(caption.encode()).digest()[:4], "little") for caption in captions]
    return torch.stack([3 * torch.randn(d, generator=torch.Generator().manual_seed(seed)) for seed in seeds])


def images(n=40, d=6, seed=0):
    labels = [
        list(NAMES)[i] for i in torch.randint(len(NAMES), (n,), generator=torch.Generator().manual_seed(seed)).tolist()
    ]
    return 5 * torch.randn(n, d, generator=torch.Generator().manual_seed(seed + 1)), labels


def slow_directions(templates):
    """One caption at a time, in NumPy."""
    found = []
    for name in NAMES.values():
        rows = [encode([template.format(name)])[0].double().numpy() for template in templates]
        mean = sum(row / np.linalg.norm(row) for row in rows) / len(rows)
        found.append(mean / np.linalg.norm(mean))
    return np.stack(found)


@pytest.mark.parametrize("templates", [EMOJI_TEMPLATES, PHOTOGRAPH_TEMPLATES, ("{}",), ("{} on a plate", "two of {}")])
def test_text_features_equal_a_loop(templates):
    found = class_text_features(encode, list(NAMES.values()), templates=templates)
    np.testing.assert_allclose(found.numpy(), slow_directions(templates), atol=1e-6)


@pytest.mark.parametrize("templates", [EMOJI_TEMPLATES, PHOTOGRAPH_TEMPLATES])
def test_predictions_and_ranks_equal_a_loop(templates):
    features, labels = images()
    table = zero_shot_probe(features, labels, encode, NAMES, templates=templates)
    directions, known = slow_directions(templates), list(NAMES)
    for row, x, label in zip(table.itertuples(), features.double().numpy(), labels, strict=True):
        scores = [float(direction @ x) for direction in directions]
        assert row.truth == label and row.prediction == known[int(np.argmax(scores))]
        assert row.correct == (row.truth == row.prediction)
        assert row.rank == 1 + sum(score > scores[known.index(label)] for score in scores)
    assert table.columns.tolist() == ["truth", "prediction", "correct", "rank"]
    assert table.attrs == {"classes": 4, "templates": list(templates)}
    assert 0 < table["correct"].sum() < len(table)


def test_normalizing_comes_before_the_mean():
    """A template with long features has no more say than one with short ones."""
    table = {"far a": [100.0, 0.0], "near a": [0.0, 1.0], "far b": [1.0, 0.0], "near b": [-1.0, 0.1]}
    found = class_text_features(
        lambda captions: torch.tensor([table[c] for c in captions]), ["a", "b"], templates=("far {}", "near {}")
    )
    torch.testing.assert_close(found[0], torch.tensor([0.5, 0.5]).sqrt())
    torch.testing.assert_close(found.norm(dim=1), torch.ones(2))


def test_images_of_their_names_are_recognized_whatever_their_length():
    directions = class_text_features(encode, list(NAMES.values()))
    table = zero_shot_probe(directions * torch.tensor([[0.01], [1.0], [7.0], [900.0]]), list(NAMES), encode, NAMES)
    assert table["correct"].all() and (table["rank"] == 1).all()


def test_one_class_more_can_take_images_away_but_is_never_the_truth():
    features, labels = images(200)
    known = dict(list(NAMES.items())[:3])
    keep = [i for i, label in enumerate(labels) if label in known]
    features, labels = features[keep], [labels[i] for i in keep]
    few, more = (zero_shot_probe(features, labels, encode, names) for names in (known, NAMES))
    taken = more["prediction"] == 3
    assert taken.any() and not more["correct"][taken].any()
    assert few["prediction"][~taken].tolist() == more["prediction"][~taken].tolist()
    assert ((more["rank"] - few["rank"]).isin([0, 1])).all()


def test_order_of_images_and_of_classes_does_not_matter():
    features, labels = images()
    table = zero_shot_probe(features, labels, encode, NAMES)
    order = torch.randperm(len(labels), generator=torch.Generator().manual_seed(4)).tolist()
    again = zero_shot_probe(features[order], [labels[i] for i in order], encode, dict(reversed(NAMES.items())))
    pd.testing.assert_frame_equal(again, table.iloc[order].reset_index(drop=True))


def test_a_tie_goes_to_the_class_named_first_and_rank_agrees():
    same = {f"c{k}": [1.0, 0.0] for k in range(50)} | {
        "opposite": [-1.0, 0.0]
    }  # so many that an unstable sort mixes them
    names = {name: name for name in same}
    features = torch.tensor([[1.0, 0.2]] * 51)
    table = zero_shot_probe(
        features, list(same), lambda captions: torch.tensor([same[c] for c in captions]), names, templates=("{}",)
    )
    assert table["prediction"].tolist() == ["c0"] * 51 and table["rank"].tolist() == list(range(1, 52))
    assert ((table["rank"] == 1) == table["correct"]).all()


def test_the_encoder_gets_one_caption_of_each_class_at_a_time():
    calls = []

    def listening(captions):
        calls.append(captions)
        return encode(captions)

    class_text_features(listening, ["owl", "top hat"], templates=("{}", "a drawing of {}"))
    assert calls == [["owl", "top hat"], ["a drawing of owl", "a drawing of top hat"]]


def test_other_braces_are_taken_literally():
    calls = []
    class_text_features(
        lambda captions: calls.append(captions) or encode(captions), ["{0} and {}", "b"], templates=("{big} {}",)
    )
    assert calls == [["{big} {0} and {}", "{big} b"]]


@pytest.mark.parametrize("templates", [EMOJI_TEMPLATES, PHOTOGRAPH_TEMPLATES])
def test_the_lists_of_templates_are_fit_for_use(templates):
    assert len(set(templates)) == len(templates) and all(template.count("{}") == 1 for template in templates)


@pytest.mark.parametrize(
    ("names", "templates", "message"),
    [
        ([], ("{}",), "0 names and 1 templates"),
        (["a"], (), "1 names and 0 templates"),
        (["a", "b", "a"], ("{}",), "name 'a' occurs 2 times"),
        (["a", " "], ("{}",), "name ' ' occurs"),
        (["a"], ("a photo",), "template 'a photo' has 0 places"),
        (["a"], ("{} and {}",), "has 2 places"),
    ],
)
def test_names_and_templates_that_make_no_captions_are_refused(names, templates, message):
    with pytest.raises(ValueError, match=message):
        class_text_features(encode, names, templates=templates)


@pytest.mark.parametrize("wrong", [lambda c: encode(c)[0], lambda c: encode(c)[:1], lambda c: encode(c) * torch.nan])
def test_an_encoder_that_gives_something_else_is_refused(wrong):
    with pytest.raises(ValueError, match="encode_text gave shape .* for 2 captions"):
        class_text_features(wrong, ["a", "b"])


def test_images_that_do_not_fit_are_refused():
    features, labels = images()
    with pytest.raises(ValueError, match="there are 39 labels"):
        zero_shot_probe(features, labels[1:], encode, NAMES)
    with pytest.raises(ValueError, match="there are 0 labels"):
        zero_shot_probe(features[:0], [], encode, NAMES)
    with pytest.raises(ValueError, match="label 'flags' has no name; names has animals-nature"):
        zero_shot_probe(features, [*labels[1:], "flags"], encode, NAMES)
    with pytest.raises(ValueError, match="images have 6 dimensions, texts 9"):
        zero_shot_probe(features, labels, lambda captions: encode(captions, d=9), NAMES)
    features[0, 0] = torch.nan
    with pytest.raises(ValueError, match="finite"):
        zero_shot_probe(features, labels, encode, NAMES)
