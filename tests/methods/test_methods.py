"""The other methods: each loss against a slow reference, the teacher's average, and what a network may and may not see."""

from __future__ import annotations

import math

import pytest
import torch
import torch.nn.functional as F

from stablerep.encoders import EncoderRecipe, backbone_width, recipe_backbone
from stablerep.methods.base import Batch
from stablerep.methods.byol import BYOL
from stablerep.methods.classification import Classifier
from stablerep.methods.dino import DINO
from stablerep.methods.mae import MAE, normalized_patches
from stablerep.methods.moco import MoCoV3
from stablerep.views import normalize

RESNET = EncoderRecipe(name="test_resnet", stem="published", head_width=32, head_size=16)
VIT = EncoderRecipe(name="test_vit", stem="published", patch_size=8, depth=2, head_width=32, head_size=16)


def views(n: int = 6, seed: int = 0) -> torch.Tensor:
    return torch.rand(n, 3, 32, 32, generator=torch.Generator().manual_seed(seed))


def batch(n: int = 6, labels=None) -> Batch:
    return Batch(views(n), torch.arange(n) if labels is None else labels)


@pytest.fixture(params=[RESNET, VIT], ids=["resnet", "vit"])
def encoder(request) -> EncoderRecipe:
    torch.manual_seed(0)
    return request.param


PAIRS = {"byol": BYOL, "moco-v3": MoCoV3, "dino": DINO}


@pytest.mark.parametrize("name", PAIRS)
def test_the_teacher_starts_as_the_student_and_receives_no_gradient(name, encoder):
    model = PAIRS[name](encoder)
    for mine, slow in ((model.backbone, model.teacher[0]), (model.projector, model.teacher[1])):
        assert all(torch.equal(v, slow.state_dict()[k]) for k, v in mine.state_dict().items())
    model(batch()).backward()
    assert all(p.grad is None for p in model.teacher.parameters())
    trained = [p for p in model.backbone.parameters() if p.requires_grad]
    assert trained and all(p.grad is not None for p in trained)


@pytest.mark.parametrize(("progress", "name"), [(0.0, "byol"), (0.5, "moco-v3"), (1.0, "dino")])
def test_the_teacher_is_an_average_whose_momentum_rises_to_one(progress, name):
    model = PAIRS[name](RESNET, momentum=0.8)
    with torch.no_grad():
        for parameter in model.backbone.parameters():
            parameter.add_(1.0)
    before = [p.clone() for p in model.teacher[0].parameters()]
    model.after_step(progress)
    keep = 1 - 0.2 * (1 + math.cos(math.pi * progress)) / 2
    assert keep == pytest.approx({0.0: 0.8, 0.5: 0.9, 1.0: 1.0}[progress])
    for slow, old, mine in zip(model.teacher[0].parameters(), before, model.backbone.parameters()):
        torch.testing.assert_close(slow, keep * old + (1 - keep) * mine)


def test_byol_is_two_minus_twice_its_loss_in_squared_distance():
    """Grill et al. equation 2, for both orders of the views."""
    torch.manual_seed(1)
    model = BYOL(RESNET)
    x = views()
    loss = model(Batch(x, torch.arange(6)))
    torch.manual_seed(1)
    again = BYOL(RESNET)
    first, second = normalize(x).chunk(2)
    q = [F.normalize(again.predictor(again.projector(again.backbone(v))), dim=1) for v in (first, second)]
    z = [F.normalize(again.teacher(v), dim=1) for v in (first, second)]
    squared = ((q[0] - z[1]).square().sum(1).mean() + (q[1] - z[0]).square().sum(1).mean()) / 2
    assert squared.item() == pytest.approx(2 + 2 * loss.item(), abs=1e-5)


def test_moco_contrasts_each_query_with_all_keys():
    model = MoCoV3(RESNET, temperature=0.3)
    rng = torch.Generator().manual_seed(0)
    q, k = torch.randn(5, 8, generator=rng), torch.randn(5, 8, generator=rng)
    expected = 0.0
    for i in range(5):
        scores = [math.exp(F.cosine_similarity(q[i], k[j], dim=0).item() / 0.3) for j in range(5)]
        expected -= math.log(scores[i] / sum(scores)) / 5
    assert model.contrast(q, k).item() == pytest.approx(2 * 0.3 * expected, abs=1e-5)


def test_moco_does_not_train_the_patch_embedding():
    model = MoCoV3(VIT)
    model(batch()).backward()
    assert all(p.grad is None for p in model.backbone.patch_embed.parameters())
    assert all(p.grad is not None for p in model.backbone.blocks.parameters())


def test_dino_matches_the_other_view_to_the_sharpened_centred_teacher():
    torch.manual_seed(2)
    model = DINO(RESNET, prototypes=20)
    torch.manual_seed(2)
    again = DINO(RESNET, prototypes=20)
    x = views()
    loss = model(Batch(x, torch.arange(6))).item()
    first, second = normalize(x).chunk(2)
    t = [again.teacher(v) for v in (first, second)]
    s = [again.projector(again.backbone(v)) for v in (first, second)]
    terms = []
    for i, j in ((0, 1), (1, 0)):  # the centre starts at zero
        terms.append(-((t[i] / 0.04).softmax(1) * (s[j] / 0.1).log_softmax(1)).sum(1).mean().item())
    assert loss == pytest.approx(sum(terms) / 2, rel=1e-4)
    assert model.match.center.abs().max() > 0  # the centre has moved


def test_dino_holds_its_last_layer_at_first():
    model = DINO(RESNET, frozen=0.5)
    for progress, held in ((0.2, True), (0.7, False)):
        model.zero_grad(set_to_none=True)
        model(batch()).backward()
        model.before_step(progress)
        assert (model.projector.last_layer.weight_v.grad is None) == held


@pytest.mark.parametrize("momentum", [-0.1, 1.5])
def test_a_momentum_that_is_no_average_is_refused(momentum):
    with pytest.raises(ValueError, match=f"momentum is {momentum}"):
        BYOL(RESNET, momentum=momentum)


def test_patches_are_normalized_and_in_the_order_of_the_encoder():
    x = views(2)
    got = normalized_patches(x, 8)
    assert got.shape == (2, 16, 192)
    corner = x[1, :, 8:16, 24:32].permute(1, 2, 0).reshape(-1)  # second row, fourth column: patch 7
    torch.testing.assert_close(got[1, 7], (corner - corner.mean()) / (corner.var() + 1e-6).sqrt())


def test_mae_encodes_the_seen_patches_alone():
    torch.manual_seed(0)
    model = MAE(VIT).eval()
    x = normalize(views(3)).requires_grad_(True)
    seen = torch.tensor([[0, 5, 10, 15]] * 3)
    model.encode(x, seen).square().sum().backward()
    size = x.grad.abs().reshape(3, 3, 4, 8, 4, 8).sum((1, 3, 5)).flatten(1)
    assert ((size > 0).nonzero()[:, 1].reshape(3, 4) == seen).all()


def test_with_nothing_hidden_the_encoding_is_that_of_the_backbone():
    """All patches in their order: the tokens are those that timm's own forward gives."""
    torch.manual_seed(0)
    model = MAE(VIT).eval()
    x = normalize(views(3))
    tokens = model.encode(x, torch.arange(16).expand(3, -1))
    torch.testing.assert_close(tokens, model.backbone.forward_features(x), atol=1e-5, rtol=1e-5)


@pytest.mark.parametrize("name", ["test_vit", "test_vit2", "vit_tiny_patch16_224"])
def test_every_prefix_token_takes_part_and_none_is_painted(name):
    """One class token, registers, positions with and without the prefix: whatever timm's own forward does."""
    torch.manual_seed(0)
    model = MAE(EncoderRecipe(name=name, stem="published", patch_size=8, depth=2)).eval()
    prefix = [p for n, p in model.backbone.named_parameters() if n in ("cls_token", "reg_token")]
    tokens = model.encode(normalize(views(2)), torch.tensor([[3, 1], [0, 15]]))
    assert tokens.shape[:2] == (2, model.backbone.num_prefix_tokens + 2) and len(prefix) >= 1
    assert model.reconstruct(tokens, torch.arange(16).expand(2, -1)).shape == (2, 16, 192)
    tokens.square().sum().backward()
    assert all(p.grad.abs().sum() > 0 for p in prefix)
    assert torch.equal(model.backbone(views(2)), model.backbone(views(2)))  # the backbone itself sees everything again
    assert not [n for n, _ in model.named_modules() if "patch_drop." in n]


def test_painting_teaches_the_token_that_probes_read():
    torch.manual_seed(0)
    model = MAE(VIT)
    kept = []
    model.backbone.norm.register_forward_hook(lambda module, given, tokens: tokens.retain_grad() or kept.append(tokens))
    model(batch(3)).backward()
    prefix = model.backbone.num_prefix_tokens
    assert prefix == 1 and kept[0].grad[:, :prefix].abs().amax() > 1e-6


def test_the_loss_of_mae_by_hand():
    torch.manual_seed(0)
    model = MAE(VIT).eval()
    torch.manual_seed(5)
    loss = model(batch(3)).item()
    torch.manual_seed(5)
    order = torch.rand(3, 16).argsort(1)
    x = normalize(views(3))
    painted, target = model.reconstruct(model.encode(x, order[:, :4]), order), normalized_patches(x, 8)
    errors = [(painted[i, k] - target[i, order[i, k]]).square().mean().item() for i in range(3) for k in range(4, 16)]
    assert model.seen == 4 and loss == pytest.approx(sum(errors) / len(errors), rel=1e-5)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: MAE(RESNET), "MAE hides patches and needs a Vision Transformer"),
        (lambda: MAE(VIT, hidden_share=1.0), "hidden_share is 1.0"),
        (lambda: Classifier(RESNET, 1), "there are 1 classes"),
        (
            lambda: recipe_backbone(EncoderRecipe(name="test_resnet", stem="published", patch_size=8)),
            "test_resnet does not take",
        ),
        (
            lambda: recipe_backbone(EncoderRecipe(name="test_vit", stem="published", patch_size=5)),
            "patch_size is 5; it must divide",
        ),
    ],
)
def test_networks_that_cannot_be_are_refused(make, message):
    with pytest.raises(ValueError, match=message):
        make()


def test_the_width_is_known_without_weights(encoder):
    assert backbone_width(encoder) == recipe_backbone(encoder)(views(2)).shape[1]


def test_a_classifier_is_cross_entropy_of_a_linear_layer(encoder):
    model = Classifier(encoder, 4).eval()
    labels = torch.tensor([0, 3, 1, 1, 2, 0])
    features = model.backbone(normalize(views()))
    scores = features @ model.classifier.weight.T + model.classifier.bias
    expected = -sum(scores[i].log_softmax(0)[c] for i, c in enumerate(labels)) / 6
    assert model(batch(6, labels)).item() == pytest.approx(expected.item(), rel=1e-5)
