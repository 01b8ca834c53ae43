"""Networks: stems, sizes, and what a frozen backbone gives."""

from __future__ import annotations

import math

import pytest
import torch

from stablerep.encoders import EncoderRecipe, extract_features, new_backbone
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
