"""Networks: stems, sizes, and what a frozen backbone gives."""

from __future__ import annotations

import math
from dataclasses import replace

import pytest
import torch
from torch import nn

from stablerep.encoders import (
    EncoderRecipe,
    Learner,
    extract_features,
    new_backbone,
    project_by_view,
    projection_head,
    text_tower,
)
from stablerep.tokenizer import CONTEXT_LENGTH
from stablerep.views import normalize


def images(n=5, size=32, seed=0):
    return torch.randint(0, 256, (n, 3, size, size), generator=torch.Generator().manual_seed(seed), dtype=torch.uint8)


def places(backbone, size=32):
    """Width of the last feature map."""
    with torch.inference_mode():
        return backbone.eval().forward_features(torch.zeros(1, 3, size, size)).shape[-1]


@pytest.mark.parametrize("name", ["test_resnet", "resnet10t"])
def test_stems_keep_more_places_of_small_images(name):
    widths = {stem: places(new_backbone(name, stem=stem)) for stem in ("published", "no-pool", "full")}
    assert widths["no-pool"] == 2 * widths["published"] and widths["full"] == 2 * widths["no-pool"]


def test_stems_do_not_change_the_weights():
    states = [new_backbone("test_resnet", stem=s).state_dict() for s in ("published", "no-pool", "full")]
    shapes = [{k: v.shape for k, v in state.items()} for state in states]
    assert shapes[0] == shapes[1] == shapes[2]


@pytest.mark.parametrize("name", ["test_resnet", "test_convnext", "test_vit", "test_mambaout", "deit_tiny_patch16_224"])
def test_any_timm_model_gives_one_row_of_features_for_each_small_image(name):
    backbone = new_backbone(name, image_size=32)
    features = extract_features(backbone, images(3))
    assert features.shape == (3, backbone.head_hidden_size) and features.dtype == torch.float32
    assert features.isfinite().all()


def test_a_transformer_is_built_for_its_image_size():
    assert extract_features(new_backbone("test_vit", image_size=48), images(2, 48)).shape == (2, 64)


def test_a_name_that_timm_does_not_know_is_refused_with_names_that_are_near():
    with pytest.raises(ValueError, match=r"encoder is 'resnet10x'; timm has no such model \(near: .*resnet10"):
        new_backbone("resnet10x")
    with pytest.raises(ValueError, match=r"encoder is 'qqqqqqqq'; timm has no such model\.$|no such model$"):
        new_backbone("qqqqqqqq")


@pytest.mark.parametrize("stem", ["no-pool", "full"])
def test_a_stem_without_pooling_cannot_lose_it(stem):
    with pytest.raises(ValueError, match=f"stem is '{stem}', but test_convnext has no pooling"):
        new_backbone("test_convnext", stem=stem)


def test_an_unknown_stem_is_refused():
    with pytest.raises(ValueError, match="stem is 'wide'; valid stems are published, no-pool, full"):
        EncoderRecipe(stem="wide")


def test_the_projection_head_is_three_layers_with_norms_after_the_first_two():
    head = projection_head(10, 16, 4)
    assert [type(layer) for layer in head] == [
        nn.Linear,
        nn.BatchNorm1d,
        nn.ReLU,
        nn.Linear,
        nn.BatchNorm1d,
        nn.ReLU,
        nn.Linear,
    ]
    assert [layer.out_features for layer in head if isinstance(layer, nn.Linear)] == [16, 16, 4]
    assert head(torch.randn(6, 10)).shape == (6, 4)


def test_the_state_at_the_end_mark_reads_the_caption_and_not_the_padding():
    recipe = EncoderRecipe(text_width=64, text_layers=1)
    tower = text_tower(100, 99, recipe).eval()
    tokens = torch.full((3, CONTEXT_LENGTH), 99)
    tokens[:, :4] = torch.tensor([98, 5, 6, 99])
    tokens[1, 2] = 7  # another word before the end mark
    tokens[2, 10:] = 50  # other tokens after it
    with torch.inference_mode():
        states = tower(tokens).pooler_output
    assert states.shape == (3, 64)
    assert (states[0] - states[1]).abs().max() > 1e-3
    torch.testing.assert_close(states[0], states[2], atol=1e-5, rtol=0)


SMALL = EncoderRecipe(name="test_resnet", head_width=24, head_size=8, text_width=64, text_layers=1, joint_size=12)


@pytest.mark.parametrize("backbone", ["test_resnet", "test_mambaout"])
@pytest.mark.parametrize(("head", "text"), [(True, False), (False, True), (True, True)])
def test_a_learner_gives_what_its_method_needs(backbone, head, text):
    stem = "no-pool" if backbone == "test_resnet" else "published"
    recipe = EncoderRecipe(
        name=backbone, stem=stem, head_width=24, head_size=8, text_width=64, text_layers=1, joint_size=12
    )
    learner = Learner(recipe, head=head, vocabulary_size=100 if text else 0, end_token=99 if text else 0)
    tokens = torch.full((2, CONTEXT_LENGTH), 99) if text else None
    out = learner(torch.rand(4, 3, 32, 32), tokens)
    shapes = {"head": (4, 8)} if head else {}
    shapes |= {"image": (4, 12), "text": (2, 12), "scale": ()} if text else {}
    assert {k: tuple(v.shape) for k, v in out.items()} == shapes


def test_the_scale_starts_at_that_of_clip_and_is_capped():
    learner = Learner(SMALL, head=False, vocabulary_size=100, end_token=99)
    tokens, views = torch.full((2, CONTEXT_LENGTH), 99), torch.rand(2, 3, 32, 32)
    assert learner(views, tokens)["scale"].item() == pytest.approx(1 / 0.07, rel=1e-5)
    with torch.no_grad():
        learner.log_scale.fill_(math.log(500))
    assert learner(views, tokens)["scale"].item() == pytest.approx(100)


def test_another_start_and_limit_of_the_scale():
    recipe = replace(SMALL, text_temperature_start=0.2, text_scale_limit=30.0)
    learner = Learner(recipe, head=False, vocabulary_size=100, end_token=99)
    tokens, views = torch.full((2, CONTEXT_LENGTH), 99), torch.rand(2, 3, 32, 32)
    assert learner(views, tokens)["scale"].item() == pytest.approx(5, rel=1e-5)
    with torch.no_grad():
        learner.log_scale.fill_(math.log(40))
    assert learner(views, tokens)["scale"].item() == pytest.approx(30)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"text_temperature_start": 0.0}, "text_temperature_start is 0.0; it must be positive"),
        ({"text_temperature_start": -1.0}, "text_temperature_start is -1.0"),
        ({"text_temperature_start": math.nan}, "text_temperature_start is nan"),
        (
            {"text_scale_limit": 10.0},
            "text_scale_limit is 10.0; it must be above the scale at the start, 1/0.07 = 14.29",
        ),
        (
            {"text_temperature_start": 0.01},
            "text_scale_limit is 100.0; it must be above the scale at the start, 1/0.01 = 100",
        ),
        ({"text_scale_limit": math.inf}, "text_scale_limit is inf"),
    ],
)
def test_a_scale_that_cannot_be_learned_is_refused(change, message):
    with pytest.raises(ValueError, match=message):
        EncoderRecipe(**change)


def slow_head(head, rows):
    """A projection head in training mode, written out: batch statistics of ``rows`` alone."""
    for linear, norm in ((head[0], head[1]), (head[3], head[4])):
        rows = rows @ linear.weight.T
        rows = (rows - rows.mean(0)) / (rows.var(0, unbiased=False) + norm.eps).sqrt() * norm.weight + norm.bias
        rows = rows.clamp_min(0)
    return rows @ head[6].weight.T + head[6].bias


@pytest.mark.parametrize(("crops", "images"), [(1, 4), (2, 1), (2, 3), (1, 1)])
def test_each_view_of_the_captions_is_projected_with_its_own_statistics(crops, images):
    captions = 5
    names = [(crop, caption, image) for crop in range(crops) for caption in range(captions) for image in range(images)]
    x = torch.randn(len(names), 10, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    head = projection_head(10, 16, 4).double()
    expected = torch.empty(len(names), 4, dtype=torch.float64)
    for view in {(crop, image) for crop, _, image in names}:
        rows = [row for row, (crop, _, image) in enumerate(names) if (crop, image) == view]
        assert len(rows) == captions
        expected[rows] = slow_head(head, x[rows])
    torch.testing.assert_close(project_by_view(head, x, crops=crops, images=images), expected)
    assert torch.allclose(head(x), expected) == (crops * images == 1)  # statistics of all views are others


def test_statistics_of_the_head_leave_images_and_texts_alone():
    torch.manual_seed(0)
    learners = [
        Learner(SMALL, head=True, head_groups=groups, vocabulary_size=100, end_token=99) for groups in ((1, 1), (1, 2))
    ]
    learners[1].load_state_dict(learners[0].state_dict())
    tokens, features = torch.full((3, CONTEXT_LENGTH), 99), torch.randn(6, learners[0].backbone.head_hidden_size)
    joint, apart = (learner.project(features, tokens) for learner in learners)
    assert [k for k in joint if torch.equal(joint[k], apart[k])] == ["image", "text", "scale"]
    expected = torch.stack([learners[0].head(features[0::2]), learners[0].head(features[1::2])], 1).flatten(0, 1)
    torch.testing.assert_close(apart["head"], expected)


def test_features_are_those_of_the_normalized_images_in_evaluation_mode_whatever_the_batch():
    backbone, x = new_backbone("test_resnet", stem="no-pool").train(), images(7)
    features = extract_features(backbone, x, batch_size=3)
    assert not backbone.training
    torch.testing.assert_close(features, extract_features(backbone, x, batch_size=512), atol=1e-5, rtol=1e-4)
    with torch.no_grad():
        expected = backbone(normalize(x.float() / 255))
    torch.testing.assert_close(features, expected, atol=1e-5, rtol=1e-4)


def test_features_can_be_learned_from():
    """Tensors of inference mode could not take part in a probe's gradient."""
    features = extract_features(new_backbone("test_resnet"), images(4))
    weights = torch.zeros(features.shape[1], 2, requires_grad=True)
    (features @ weights).sum().backward()
    torch.testing.assert_close(weights.grad[:, 0], features.sum(0))
