"""Editing: the closed form against slow solutions of the same equation, and edits of small generators whose answer is known."""

from __future__ import annotations

import math
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from stablerep.audits.editing import (
    Edit,
    correction,
    edit,
    moved,
    pooled_embeddings,
    pooled_map,
    token_maps,
)
from stablerep.errors import InputError
from stablerep.generator import Generator, Sampling, load_generator
from stablerep.generator.architecture import LATENT_CHANNELS, TEXT_WIDTH
from stablerep.generator.embeddings import CaptionEmbeddings
from stablerep.tokenizer import tokenize

TONED, PLAIN = "woman firefighter: dark skin tone", "woman firefighter"
ERASE = [Edit(TONED, {PLAIN: 1.0})]


def numbers(seed: int, *shape: int) -> torch.Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


# The closed form


@pytest.mark.parametrize(("edited", "kept", "preservation"), [(3, 5, 1.0), (30, 4, 0.1), (6, 0, 2.0), (4, 9, 0.0)])
def test_the_closed_form_is_the_least_squares_solution_of_all_wishes(edited, kept, preservation):
    """Stacked as one system: embeddings times M' are the targets, the preserved ones themselves, and, by the ridge, M is one."""
    c, t, p, ridge = numbers(1, edited, 8), numbers(2, edited, 8), numbers(3, kept, 8), 0.3
    left = torch.cat([c, math.sqrt(preservation) * p, math.sqrt(ridge) * torch.eye(8, dtype=torch.float64)])
    right = torch.cat([t, math.sqrt(preservation) * p, math.sqrt(ridge) * torch.eye(8, dtype=torch.float64)])
    expected = np.linalg.lstsq(left.numpy(), right.numpy(), rcond=None)[0].T
    found = correction(c, t, p, preservation=preservation, ridge=ridge)
    np.testing.assert_allclose(found.numpy(), expected, atol=1e-10)


def test_the_edited_map_is_where_the_papers_objective_has_no_slope():
    c, t, p, weight = numbers(1, 12, 6), numbers(2, 12, 6), numbers(3, 7, 6), numbers(4, 5, 6)
    edited = (weight @ correction(c, t, p, preservation=0.7, ridge=0.2)).requires_grad_()
    error = (c @ edited.T - t @ weight.T).pow(2).sum() + 0.7 * (p @ edited.T - p @ weight.T).pow(2).sum()
    (error + 0.2 * (edited - weight).pow(2).sum()).backward()
    assert edited.grad.abs().max() < 1e-9


def test_a_large_weight_on_what_is_preserved_or_a_large_ridge_changes_nothing():
    c, t, p = numbers(1, 4, 6), numbers(2, 4, 6), numbers(3, 9, 6)
    one = torch.eye(6, dtype=torch.float64)
    torch.testing.assert_close(correction(c, t, p, preservation=1e12), one, atol=1e-8, rtol=0)
    torch.testing.assert_close(correction(c, t, p[:0], ridge=1e12), one, atol=1e-8, rtol=0)
    torch.testing.assert_close(correction(c, c, p), one)


def test_without_anything_to_preserve_sources_become_targets_exactly():
    c, t = numbers(1, 4, 6), numbers(2, 4, 6)
    torch.testing.assert_close(c @ correction(c, t, c[:0], ridge=1e-12).T, t, atol=1e-8, rtol=0)


def test_a_dose_moves_the_solution_by_the_same_part():
    c, t, p = numbers(1, 9, 6), numbers(2, 9, 6), numbers(3, 5, 6)
    whole, part = correction(c, t, p), correction(c, c + 0.3 * (t - c), p)
    torch.testing.assert_close(part - torch.eye(6), 0.3 * (whole - torch.eye(6)))


@given(st.integers(0, 10_000), st.integers(1, 12), st.integers(1, 12), st.floats(0.01, 100))
def test_what_is_preserved_moves_no_further_than_the_wishes_were_apart(seed, edited, kept, preservation):
    """The solution is no worse than no edit, of which the whole error is that of the edited embeddings."""
    c, t, p = numbers(seed, edited, 5), numbers(seed + 1, edited, 5), numbers(seed + 2, kept, 5)
    found = correction(c, t, p, preservation=preservation)
    assert preservation * (p @ found.T - p).pow(2).sum() <= (t - c).pow(2).sum() * (1 + 1e-9)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"targets": numbers(1, 3, 6)}, r"sources, targets and preserved have shapes \[\[4, 6\], \[3, 6\], \[2, 6\]\]"),
        ({"preserved": numbers(1, 2, 5)}, "are needed"),
        ({"preservation": -0.1}, "preservation is -0.1; it is a weight, 0 or more"),
        ({"preservation": math.inf}, "preservation is inf"),
        ({"ridge": 0.0}, "ridge is 0.0; it is a number above 0, such as 0.01"),
        ({"ridge": math.nan}, "ridge is nan"),
    ],
)
def test_numbers_from_which_nothing_follows(change, message):
    usual = {"sources": numbers(1, 4, 6), "targets": numbers(2, 4, 6), "preserved": numbers(3, 2, 6)}
    with pytest.raises(InputError, match=message):
        correction(**usual | change)


# Generators


@pytest.fixture
def pipeline(tiny_pipeline):
    """Opened anew, as it is edited in place."""
    return load_generator(str(tiny_pipeline), device="cpu").pipeline


@pytest.fixture
def plain_unet(pipeline):
    """The same text encoder before a small U-Net of Stable Diffusion's kind, which captions enter by cross-attention alone."""
    from diffusers import UNet2DConditionModel

    torch.manual_seed(0)
    pipeline.unet = UNet2DConditionModel(
        sample_size=8, in_channels=LATENT_CHANNELS, out_channels=LATENT_CHANNELS, block_out_channels=(32, 64), layers_per_block=1,
        down_block_types=("CrossAttnDownBlock2D", "DownBlock2D"), up_block_types=("UpBlock2D", "CrossAttnUpBlock2D"),
        cross_attention_dim=TEXT_WIDTH, attention_head_dim=4, norm_num_groups=16,
    ).eval()  # fmt: skip
    return pipeline


def drawn(pipeline, caption: str, w: float = 2.0) -> torch.Tensor:
    """Images of a caption from one noise, whatever the caption."""
    names = [(0, "the same noise", k) for k in range(2)]
    return Generator(pipeline, "tiny", "tiny").sample([caption] * 2, names, Sampling(w, steps=2))[0].int()


def test_the_maps_are_keys_and_values_of_cross_attention_and_the_one_behind_the_pooling(pipeline, plain_unet):
    names = list(token_maps(plain_unet.unet))
    assert len(names) == 2 * sum(name.endswith(".attn2") for name, _ in plain_unet.unet.named_modules()) >= 8
    assert all(name.endswith((".attn2.to_k", ".attn2.to_v")) for name in names) and not pooled_map(plain_unet.unet)


def test_of_the_miniature_the_map_behind_the_pooling_is_one(pipeline):
    names = list(token_maps(pipeline.unet))
    assert len(names) == 2 * sum(name.endswith(".attn2") for name, _ in pipeline.unet.named_modules())
    assert list(pooled_map(pipeline.unet)) == ["add_embedding.proj"]


def test_an_erased_caption_is_drawn_as_the_one_without_its_tone(pipeline):
    """With nothing else to preserve but the empty caption there is room for an exact solution: the images are those of the other caption before."""
    wanted, other = drawn(pipeline, PLAIN), drawn(pipeline, TONED)
    assert (wanted - other).abs().max() > 10
    changed = edit(pipeline, ERASE, [], ridge=1e-7)
    assert (drawn(pipeline, TONED) - wanted).abs().max() <= 2
    assert set(changed) == {*token_maps(pipeline.unet), "add_embedding.proj"}


def test_without_the_pooled_embedding_something_of_the_old_caption_would_be_left(pipeline):
    wanted = drawn(pipeline, PLAIN)
    before = pipeline.unet.add_embedding.proj.weight.clone()
    edit(pipeline, ERASE, [], ridge=1e-7)
    pipeline.unet.add_embedding.proj.weight.copy_(before)
    assert (drawn(pipeline, TONED) - wanted).abs().max() > 2


def test_a_preserved_caption_is_drawn_as_before(pipeline):
    kept = ["red heart", "owl"]
    before = {caption: drawn(pipeline, caption) for caption in [*kept, ""]}
    edit(pipeline, ERASE, kept, ridge=1e-7)
    for caption, images in before.items():
        assert (drawn(pipeline, caption) - images).abs().max() <= 2, caption


def test_maps_of_stable_diffusions_u_net_read_the_caption_as_the_other(plain_unet):
    maps = {name: layer.weight.clone() for name, layer in token_maps(plain_unet.unet).items()}
    source, target, empty = CaptionEmbeddings(plain_unet).of([TONED, PLAIN, ""])
    assert set(edit(plain_unet, ERASE, [], ridge=1e-7)) == set(maps)
    for name, layer in token_maps(plain_unet.unet).items():
        torch.testing.assert_close(source @ layer.weight.T, target @ maps[name].T, atol=1e-3, rtol=1e-3)
        torch.testing.assert_close(empty @ layer.weight.T, empty @ maps[name].T, atol=1e-3, rtol=1e-3)


def test_captions_are_equal_up_to_the_first_token_that_differs(pipeline):
    """What the alignment rests on: the text encoder looks back alone."""
    ids = tokenize(pipeline.tokenizer, [TONED, PLAIN])
    first = int((ids[0] != ids[1]).nonzero()[0])
    source, target = CaptionEmbeddings(pipeline).of([TONED, PLAIN])
    torch.testing.assert_close(source[:first], target[:first], atol=1e-5, rtol=1e-5)
    assert first >= 2 and ((source - target)[first:].abs().amax(1) > 1e-3).all()


def test_a_caption_moves_towards_several_by_their_weights():
    embeddings, place = numbers(1, 3, 4, 5), {"a": 0, "b": 1, "c": 2}
    (found,) = moved(embeddings, place, [Edit("a", {"b": 0.5, "c": -0.25})])
    a, b, c = embeddings
    torch.testing.assert_close(found, 0.75 * a + 0.5 * b - 0.25 * c)


def test_the_pooled_embedding_is_what_the_map_is_given(pipeline):
    embeddings = CaptionEmbeddings(pipeline).of([TONED, PLAIN])
    found, layer = pooled_embeddings(pipeline.unet, embeddings), pipeline.unet.add_embedding
    with torch.no_grad():
        torch.testing.assert_close(layer.norm2(layer.proj(found)), layer(embeddings))
    assert found.shape == (2, TEXT_WIDTH) and not layer.proj._forward_hooks


def test_an_edited_generator_is_saved_and_opened_as_any_other(pipeline, tmp_path):
    edit(pipeline, ERASE, ["owl"])
    pipeline.save_pretrained(tmp_path / "pipeline", safe_serialization=True)
    opened = load_generator(str(tmp_path / "pipeline"), device="cpu").pipeline
    assert torch.equal(drawn(opened, TONED), drawn(pipeline, TONED))


@pytest.mark.parametrize(
    ("edits", "preserved", "message"),
    [
        ([], [], "no caption is to be edited"),
        ([*ERASE, Edit(TONED, {"owl": 1.0})], [], "is to be edited twice"),
        (ERASE, [TONED], "is to be edited and to be preserved; it is one of the two"),
        ([Edit("", {"owl": 1.0})], [], "'' is to be edited and to be preserved"),
        ([Edit(TONED, {})], [], "is moved towards no caption"),
        ([Edit("owl", {"Owl": 1.0})], [], "'owl' and 'Owl' have the same tokens, as far as they are read"),
    ],
)
def test_edits_that_cannot_be_made(pipeline, edits, preserved, message):
    before = {name: value.clone() for name, value in pipeline.unet.state_dict().items()}
    with pytest.raises(InputError, match=message):
        edit(pipeline, edits, preserved)
    assert all(torch.equal(before[name], value) for name, value in pipeline.unet.state_dict().items())


@pytest.mark.parametrize(
    ("config", "message"),
    [
        ({"addition_embed_type": "text_time"}, "captions enter the denoiser by"),
        ({"encoder_hid_dim_type": "text_proj"}, "those of Stable Diffusion 1 and 2 and of the miniature can be edited"),
        ({}, "has no attention that looks at captions"),
    ],
)
def test_denoisers_that_captions_enter_in_another_way(config, message):
    with pytest.raises(InputError, match=message):
        token_maps(SimpleNamespace(config=config, named_modules=list))
