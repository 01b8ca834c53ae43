"""The networks of the miniature: sizes as documented, shapes as the pipeline needs them."""

from __future__ import annotations

import pytest
import torch

from stablerep.generator.architecture import (
    LATENT_CHANNELS,
    RESOLUTION,
    TEXT_WIDTH,
    new_autoencoder,
    new_denoiser,
    new_noise_schedule,
    new_text_encoder,
)  # fmt: skip
from stablerep.tokenizer import CONTEXT_LENGTH, VOCABULARY


def millions(model) -> float:
    return sum(p.numel() for p in model.parameters()) / 1e6


def test_networks_fit_together():
    images = torch.zeros(2, 3, RESOLUTION, RESOLUTION)
    autoencoder, text, unet = new_autoencoder(), new_text_encoder(50, 49), new_denoiser()
    with torch.no_grad():
        latents = autoencoder.encode(images).latents
        context = text(torch.full((2, CONTEXT_LENGTH), 49)).last_hidden_state
        predicted = unet(latents, 10, context).sample
        decoded = autoencoder.decode(latents).sample
    assert latents.shape == predicted.shape == (2, LATENT_CHANNELS, 8, 8)
    assert context.shape == (2, CONTEXT_LENGTH, TEXT_WIDTH)
    assert decoded.shape == images.shape


@pytest.mark.parametrize("resolution", [16, 24, 64])
def test_networks_fit_together_at_other_sizes(resolution):
    """The weights are those of any size; only the size that is drawn differs."""
    images, autoencoder, unet = torch.zeros(1, 3, resolution, resolution), new_autoencoder(), new_denoiser(resolution)
    with torch.no_grad():
        latents = autoencoder.encode(images).latents
        predicted = unet(latents, 10, torch.zeros(1, CONTEXT_LENGTH, TEXT_WIDTH)).sample
    assert unet.config.sample_size == resolution // 4
    assert latents.shape == predicted.shape == (1, LATENT_CHANNELS, resolution // 4, resolution // 4)
    assert millions(unet) == millions(new_denoiser())


def test_numbers_of_weights_are_those_of_the_documentation():
    assert millions(new_autoencoder()) == pytest.approx(0.7, abs=0.05)
    assert millions(new_text_encoder(VOCABULARY + 2, VOCABULARY + 1)) == pytest.approx(1.6, abs=0.05)
    assert millions(new_denoiser()) == pytest.approx(6.7, abs=0.05)


def test_schedule_is_that_of_stable_diffusion():
    schedule = new_noise_schedule()
    betas = torch.linspace(0.00085**0.5, 0.012**0.5, 1000, dtype=torch.float64) ** 2
    torch.testing.assert_close(schedule.alphas_cumprod.double(), (1 - betas).cumprod(0), rtol=1e-4, atol=1e-6)
    assert schedule.config.prediction_type == "v_prediction"


def test_velocity_is_the_documented_target():
    """v = sqrt(abar) * noise - sqrt(1 - abar) * image (Salimans & Ho 2022)."""
    schedule, rng = new_noise_schedule(), torch.Generator().manual_seed(1)
    image, noise = torch.randn(2, 1, LATENT_CHANNELS, 8, 8, generator=rng)
    kept = schedule.alphas_cumprod[500]
    expected = kept.sqrt() * noise - (1 - kept).sqrt() * image
    torch.testing.assert_close(schedule.get_velocity(image, noise, torch.tensor([500])), expected)
