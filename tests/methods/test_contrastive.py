"""The network of the contrastive methods: its heads, its text tower and scale, and the loss of what they give."""

from __future__ import annotations

import math
from dataclasses import replace

import pytest
import torch
from torch import nn

from stablerep.encoders import EncoderRecipe
from stablerep.losses import image_text, multi_positive
from stablerep.methods.base import Batch, Settings, ready
from stablerep.methods.contrastive import (
    CLIP,
    Contrastive,
    contrastive_loss,
    project_by_view,
    projection_head,
    text_tower,
)  # fmt: skip
from stablerep.tokenizer import CONTEXT_LENGTH


def network_out(model, views, tokens=None):
    return model.project(model.backbone(ready(views)), tokens)


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
def test_a_network_gives_what_its_method_needs(backbone, head, text):
    stem = "no-pool" if backbone == "test_resnet" else "published"
    recipe = EncoderRecipe(
        name=backbone, stem=stem, head_width=24, head_size=8, text_width=64, text_layers=1, joint_size=12
    )
    model = Contrastive(recipe, head=head, vocabulary_size=100 if text else 0, end_token=99 if text else 0)
    tokens = torch.full((2, CONTEXT_LENGTH), 99) if text else None
    out = network_out(model, torch.rand(4, 3, 32, 32), tokens)
    shapes = {"head": (4, 8)} if head else {}
    shapes |= {"image": (4, 12), "text": (2, 12), "scale": ()} if text else {}
    assert {k: tuple(v.shape) for k, v in out.items()} == shapes


def test_the_scale_starts_at_that_of_clip_and_is_capped():
    model = Contrastive(SMALL, head=False, vocabulary_size=100, end_token=99)
    tokens, views = torch.full((2, CONTEXT_LENGTH), 99), torch.rand(2, 3, 32, 32)
    assert network_out(model, views, tokens)["scale"].item() == pytest.approx(1 / 0.07, rel=1e-5)
    with torch.no_grad():
        model.log_scale.fill_(math.log(500))
    assert network_out(model, views, tokens)["scale"].item() == pytest.approx(100)


def test_another_start_and_limit_of_the_scale():
    recipe = replace(SMALL, text_temperature_start=0.2, text_scale_limit=30.0)
    model = Contrastive(recipe, head=False, vocabulary_size=100, end_token=99)
    tokens, views = torch.full((2, CONTEXT_LENGTH), 99), torch.rand(2, 3, 32, 32)
    assert network_out(model, views, tokens)["scale"].item() == pytest.approx(5, rel=1e-5)
    with torch.no_grad():
        model.log_scale.fill_(math.log(40))
    assert network_out(model, views, tokens)["scale"].item() == pytest.approx(30)


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
    models = [
        Contrastive(SMALL, head=True, head_groups=groups, vocabulary_size=100, end_token=99)
        for groups in ((1, 1), (1, 2))
    ]
    models[1].load_state_dict(models[0].state_dict())
    tokens, features = torch.full((3, CONTEXT_LENGTH), 99), torch.randn(6, models[0].backbone.head_hidden_size)
    joint, apart = (model.project(features, tokens) for model in models)
    assert [k for k in joint if torch.equal(joint[k], apart[k])] == ["image", "text", "scale"]
    expected = torch.stack([models[0].head(features[0::2]), models[0].head(features[1::2])], 1).flatten(0, 1)
    torch.testing.assert_close(apart["head"], expected)


def test_the_loss_of_stablerep_plus_is_the_sum_of_both_with_texts_in_the_order_of_their_ids():
    rng = torch.Generator().manual_seed(0)
    ids = torch.tensor([7, 7, 2, 2, 5, 5])
    out = {
        "head": torch.randn(6, 8, generator=rng), "image": torch.randn(6, 4, generator=rng),
        "text": torch.randn(3, 4, generator=rng), "scale": torch.tensor(5.0),
    }  # fmt: skip
    contrast = multi_positive(out["head"], ids, temperature=0.2)
    matching = image_text(out["image"], out["text"], ids, torch.tensor([2, 5, 7]), logit_scale=5.0)
    torch.testing.assert_close(contrastive_loss(out, ids, temperature=0.2), contrast + matching)
    torch.testing.assert_close(contrastive_loss({"head": out["head"]}, ids, temperature=0.2), contrast)
    torch.testing.assert_close(
        contrastive_loss({k: out[k] for k in ("image", "text", "scale")}, ids, temperature=0.2), matching
    )


def test_the_loss_of_a_batch_is_that_of_its_features_with_the_weights_of_the_settings():
    torch.manual_seed(0)
    settings = Settings(temperature=0.3, image_weight=0.5, text_weight=2.0, vocabulary_size=100, end_token=99)
    model = Contrastive.new(SMALL, settings).eval()
    batch = Batch(torch.rand(4, 3, 32, 32), torch.tensor([0, 0, 1, 1]), torch.full((2, CONTEXT_LENGTH), 99))
    out = network_out(model, batch.views, batch.tokens)
    expected = 0.5 * multi_positive(out["head"], batch.ids, temperature=0.3)
    expected = expected + 2 * image_text(
        out["image"], out["text"], batch.ids, torch.arange(2), logit_scale=out["scale"]
    )
    torch.testing.assert_close(model(batch), expected)


def test_clip_has_no_projection_head():
    model = CLIP.new(SMALL, Settings(vocabulary_size=100, end_token=99))
    tokens = torch.full((2, CONTEXT_LENGTH), 99)
    assert model.head is None and set(network_out(model, torch.rand(2, 3, 32, 32), tokens)) == {
        "image",
        "text",
        "scale",
    }
