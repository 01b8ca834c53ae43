"""First stage of the generator: an autoencoder from images to latents of a quarter of their sides, and back."""

from __future__ import annotations

import csv
import math
import time
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from stablerep.checkpoint import load_checkpoint, save_checkpoint
from stablerep.errors import DivergedError, FailedError
from stablerep.generator.architecture import SHRINKAGE, new_autoencoder
from stablerep.schedule import cosine_rate
from stablerep.seeding import generator_for

if TYPE_CHECKING:
    import torch


@dataclass(frozen=True)
class AutoencoderRecipe:
    """How the autoencoder is trained."""

    epochs: float = 35.0  # passes over the training images
    batch_size: int = 64
    learning_rate: float = 1.5e-3  # peak; 3 % warm-up, then half a cosine to zero
    absolute_weight: float = 0.1  # weight of |error| beside the squared error: keeps thin outlines sharp
    latent_noise: float = (
        0.15  # standard deviation added to latents: the decoder must bear what the denoiser gets wrong
    )
    scale_weight: float = (
        0.25  # of the error of images decoded at half size from latents averaged over 2 x 2: coarse things
    )
    # then live in coarse latents, which a denoiser learns first (scale equivariance, Skorokhodov et al. 2025)
    decoder_epochs: float = (
        14.0  # further passes for the decoder alone, the latents being fixed: sharper images of the same latents
    )
    decoder_learning_rate: float = 1e-3
    decoder_noise: float = 0.05  # takes the place of latent_noise then
    latent_weight: float = 0.01  # pulls each latent channel to mean 0 and deviation 1, the range the denoiser expects
    seed: int = 0


def to_signed(images: torch.Tensor) -> torch.Tensor:
    """uint8 [N, 3, H, W] in 0..255 to float in -1..1, the range of Stable Diffusion's autoencoders."""
    return images.float().div(127.5).sub(1)


def psnr(images: torch.Tensor, other: torch.Tensor) -> torch.Tensor:
    """Peak signal-to-noise ratio in dB of each pair of images in 0..255. Returns float [N]."""
    error = (images.float() - other.float()).flatten(1).pow(2).mean(1).clamp_min(1e-8)
    return 10 * (255.0**2 / error).log10()


def reconstruct(autoencoder, images: torch.Tensor, *, batch_size: int = 256) -> torch.Tensor:
    """Encode and decode uint8 images [N, 3, H, W]; returns uint8 of the same shape.

    Args:
        autoencoder: an ``AutoencoderTiny``, or an ``AutoencoderKL``, of which the mode of the latents is decoded.

    Raises:
        FailedError: a value is not finite; as a pixel it would be black.
    """
    import torch
    from tqdm import tqdm

    some, out = next(autoencoder.parameters()), []
    with torch.no_grad():
        for batch in tqdm(images.split(batch_size), desc="reconstruction", ncols=100, delay=5):
            encoded = autoencoder.encode(to_signed(batch).to(some.device, some.dtype))
            latents = encoded.latents if "latents" in encoded else encoded.latent_dist.mode()
            decoded = autoencoder.decode(latents).sample
            if not (latents.isfinite().all() and decoded.isfinite().all()):
                raise FailedError(
                    f"the autoencoder gives values that are not finite in {str(some.dtype).removeprefix('torch.')}; its weights are "
                    "damaged, or too large for that precision."
                )
            out.append(decoded.float().clamp(-1, 1).add(1).mul(127.5).round().byte().cpu())
    return torch.cat(out)


def train_autoencoder(
    images: torch.Tensor,
    folder: Path,
    recipe: AutoencoderRecipe = AutoencoderRecipe(),
    *,
    device: str = "cpu",
    checkpoint_every: int = 200,
):
    """Train (or go on training) on uint8 images [N, 3, H, W], sides multiples of 8; returns the autoencoder in evaluation mode.

    ``folder`` receives ``checkpoint.pt`` and ``decoder/checkpoint.pt`` (every ``checkpoint_every`` steps and at the end) and ``loss.csv``;
    a run that was cut goes on at its last checkpoint. A loss that is not finite raises ``FloatingPointError`` naming the step.
    """
    import torch

    folder = Path(folder)
    torch.manual_seed(recipe.seed)
    model = new_autoencoder().to(device, memory_format=torch.channels_last).train()
    rows = _train(model, images, folder, recipe, device, checkpoint_every, decoder_only=False)
    if recipe.decoder_epochs:
        model.encoder.requires_grad_(False)
        later = _train(model, images, folder / "decoder", recipe, device, checkpoint_every, decoder_only=True)
        first = _steps(recipe.epochs, images, recipe)
        rows = rows + [[first + step, *rest] for step, *rest in later]
    with open(folder / "loss.csv", "w", newline="") as file:
        csv.writer(file, lineterminator="\n").writerows([["step", "loss", "decibel"], *rows])
    return model.eval()


def _steps(epochs: float, images: torch.Tensor, recipe: AutoencoderRecipe) -> int:
    return max(1, round(epochs * len(images) / recipe.batch_size))


def _train(
    model, images, folder: Path, recipe: AutoencoderRecipe, device: str, checkpoint_every: int, *, decoder_only: bool
) -> list:
    """One stage; returns its rows of step, loss and PSNR."""
    import torch
    from tqdm import tqdm

    epochs, peak = (
        (recipe.decoder_epochs, recipe.decoder_learning_rate) if decoder_only else (recipe.epochs, recipe.learning_rate)
    )
    trained = model.decoder if decoder_only else model
    name = "decoder" if decoder_only else "autoencoder"
    optimizer = torch.optim.AdamW(trained.parameters(), lr=peak, weight_decay=1e-4, fused=True)
    steps = _steps(epochs, images, recipe)
    done, rows, seconds = 0, [], 0.0
    if state := load_checkpoint(folder / "checkpoint.pt"):
        model.load_state_dict(state["model"])
        optimizer.load_state_dict(state["optimizer"])
        done, rows, seconds = state["step"], state["loss"], state["seconds"]
    began = time.monotonic() - seconds
    bar = tqdm(range(done, steps), desc=name, initial=done, total=steps, mininterval=5, ncols=100)
    for step in bar:
        rng = generator_for(recipe.seed, name, step)
        batch = images[torch.randint(len(images), (recipe.batch_size,), generator=rng)]
        mirrored = torch.rand(len(batch), 1, 1, 1, generator=rng) < 0.5
        batch = to_signed(torch.where(mirrored, batch.flip(-1), batch))
        batch = batch.to(device, memory_format=torch.channels_last)
        shape = (len(batch), model.config.latent_channels, *(side // SHRINKAGE for side in batch.shape[2:]))
        noise = torch.randn(shape, generator=rng).to(device)
        for group in optimizer.param_groups:
            group["lr"] = peak * cosine_rate(step, steps, warmup=0.03)
        with torch.autocast(batch.device.type, torch.bfloat16, enabled=batch.device.type != "cpu"):  # slower on a CPU
            loss, error = _loss(model, batch, noise, recipe, decoder_only)
        if not torch.isfinite(loss):
            raise DivergedError(
                f"the autoencoder's loss is {loss.item()} at step {step}; lower learning_rate and go on."
            )
        optimizer.zero_grad(set_to_none=True)
        loss.backward()
        torch.nn.utils.clip_grad_norm_(trained.parameters(), 1.0)
        optimizer.step()
        if step % 20 == 0:
            decibel = 10 * math.log10(4 / max(error, 1e-10))
            rows.append([step, loss.item(), decibel])
            bar.set_postfix_str(f"loss {loss.item():.4f}, {decibel:.1f} dB")
        if (step + 1) % checkpoint_every == 0 or step + 1 == steps:
            state = {"model": model.state_dict(), "optimizer": optimizer.state_dict(), "step": step + 1, "loss": rows}
            state["seconds"] = time.monotonic() - began
            save_checkpoint(folder / "checkpoint.pt", state)
    return rows


def _loss(model, batch, noise, recipe: AutoencoderRecipe, decoder_only: bool) -> tuple[torch.Tensor, float]:
    """The loss of a batch of images in -1..1, and its mean squared error."""
    from torch.nn import functional

    latents = model.encode(batch).latents
    disturbed = latents + (recipe.decoder_noise if decoder_only else recipe.latent_noise) * noise
    error = model.decode(disturbed).sample.float() - batch
    loss = error.pow(2).mean() + recipe.absolute_weight * error.abs().mean()
    if not decoder_only:
        some = slice(0, len(batch) // 2)  # half the batch says enough about scale, at an eighth of the price
        halved = model.decode(functional.avg_pool2d(disturbed[some], 2)).sample.float()
        wide = latents.float()
        spread = wide.mean((0, 2, 3)).pow(2).mean() + (wide.std((0, 2, 3)) - 1).pow(2).mean()
        loss = loss + recipe.latent_weight * spread
        loss = loss + recipe.scale_weight * (halved - functional.avg_pool2d(batch[some], 2)).pow(2).mean()
    return loss, error.pow(2).mean().item()
