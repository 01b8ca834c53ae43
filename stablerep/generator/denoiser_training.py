"""Second stage of the generator: the text encoder and the U-Net that turn noise into latents under a caption."""

from __future__ import annotations

import copy
import csv
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from stablerep.checkpoint import load_checkpoint, save_checkpoint
from stablerep.errors import DivergedError
from stablerep.generator.architecture import SHRINKAGE, new_denoiser, new_noise_schedule, new_text_encoder
from stablerep.generator.autoencoder_training import to_signed
from stablerep.schedule import cosine_rate, decay_groups
from stablerep.seeding import generator_for
from stablerep.tokenizer import tokenize

if TYPE_CHECKING:
    import pandas as pd
    import torch


@dataclass(frozen=True)
class DenoiserRecipe:
    """How the text encoder and the U-Net are trained."""

    epochs: float = 80.0  # draws, in multiples of the number of training images
    batch_size: int = 64
    learning_rate: float = 1e-3  # peak; 2 % warm-up, then half a cosine to zero
    weight_decay: float = 0.01
    caption_dropout: float = 0.1  # share of captions replaced by the empty one: the unconditional model of guidance
    keyword_share: float = 0.25  # share of captions extended by one to three keywords
    average_decay: float = 0.999  # of the exponential moving average of the weights, which is what is kept
    concept_power: float = (
        0.5  # a concept with k images is drawn in proportion to k^(1 - power): tones do not crowd out things
    )
    seed: int = 0


def image_weights(concepts: pd.Series, power: float) -> torch.Tensor:
    """Sampling weight of each image, float64 [N], summing to one: ``k^-power`` for a concept with k images."""
    import torch

    counts = concepts.map(concepts.value_counts())
    weights = torch.from_numpy(counts.to_numpy("float64")).pow(-power)
    return weights / weights.sum()


def keywords_of(table: pd.DataFrame) -> list[str]:
    """The keywords of each row, parted by ``|``; empty where a corpus has none."""
    if "keywords" not in table:
        return [""] * len(table)
    return [words if isinstance(words, str) else "" for words in table["keywords"]]


def written_captions(
    captions: Sequence[str], keywords: Sequence[str], recipe: DenoiserRecipe, rng: torch.Generator
) -> list[str]:
    """The captions of one batch as the text encoder sees them: some empty, some extended by keywords."""
    import torch

    chance = torch.rand(len(captions), generator=rng).tolist()
    written = []
    for caption, words, p in zip(captions, keywords, chance):
        if p < recipe.caption_dropout:
            caption = ""
        elif p < recipe.caption_dropout + (1 - recipe.caption_dropout) * recipe.keyword_share and words:
            words = words.split("|")
            order = torch.randperm(len(words), generator=rng).tolist()
            some = int(torch.randint(1, 4, (1,), generator=rng))
            caption = ", ".join([caption, *(words[i] for i in order[:some])])
        written.append(caption)
    return written


def encode_all(autoencoder, images: torch.Tensor, batch_size: int = 512) -> torch.Tensor:
    """Latents float [N, C, H/4, W/4] of uint8 images [N, 3, H, W], before scaling."""
    import torch
    from tqdm import tqdm

    device = next(autoencoder.parameters()).device
    with torch.no_grad():
        batches = tqdm(images.split(batch_size), desc="latents", ncols=100, delay=5)
        return torch.cat([autoencoder.encode(to_signed(b).to(device)).latents.cpu() for b in batches])


def train_denoiser(
    latents: torch.Tensor,
    table: pd.DataFrame,
    tokenizer,
    folder: Path,
    recipe: DenoiserRecipe = DenoiserRecipe(),
    *,
    start: tuple[torch.nn.Module, torch.nn.Module] | None = None,
    cluster: str = "concept",
    device: str = "cpu",
    on_milestone: Callable | None = None,
    milestone_every: int = 500,
    checkpoint_every: int = 200,
):
    """Train (or go on training) text encoder and U-Net; returns the averaged ``(text_encoder, unet)``.

    Args:
        latents: scaled latents of the training images, float [N, C, h, w].
        start: a text encoder and a U-Net to go on from, which stay as they are; new ones when left out.
        table: their rows, with ``caption``, the column ``cluster`` and perhaps ``keywords`` (parted by ``|``).
        cluster: the column whose groups of images are weighted against each other by ``concept_power``.
        folder: receives ``checkpoint.pt`` and ``loss.csv``; a run that was cut goes on at its last checkpoint.
        on_milestone: called as ``on_milestone(step, text_encoder, unet)`` with the averaged models, e.g. to draw samples.

    Raises:
        DivergedError: the loss is not finite; names the step.
    """
    import torch
    from torch.optim.swa_utils import AveragedModel
    from tqdm import tqdm

    folder = Path(folder)
    torch.manual_seed(recipe.seed)
    text, unet = start or (
        new_text_encoder(len(tokenizer), tokenizer.eos_token_id), new_denoiser(latents.shape[-1] * SHRINKAGE),
    )  # fmt: skip
    models = torch.nn.ModuleDict({"text": copy.deepcopy(text), "unet": copy.deepcopy(unet)})
    models.to(device, torch.float32, memory_format=torch.channels_last).requires_grad_(True).train()
    schedule = new_noise_schedule()

    def average(mean, value, count):  # a short memory at first, so that early weights are forgotten
        return mean.lerp(value, 1 - min(recipe.average_decay, (1 + int(count)) / (10 + int(count))))

    averaged = AveragedModel(models, avg_fn=average)
    optimizer = torch.optim.AdamW(
        decay_groups(models, recipe.weight_decay), lr=recipe.learning_rate, betas=(0.9, 0.99), fused=True,
    )  # fmt: skip
    steps = max(1, round(recipe.epochs * len(latents) / recipe.batch_size))
    done, rows, seconds, mean_loss = 0, [], 0.0, None
    if state := load_checkpoint(folder / "checkpoint.pt"):
        models.load_state_dict(state["models"])
        averaged.load_state_dict(state["averaged"])
        optimizer.load_state_dict(state["optimizer"])
        done, rows, seconds, mean_loss = state["step"], state["loss"], state["seconds"], state.get("mean_loss")
    weights = image_weights(table[cluster], recipe.concept_power)
    captions, keywords = table["caption"].tolist(), keywords_of(table)
    began = time.monotonic() - seconds
    bar = tqdm(range(done, steps), desc="denoiser", initial=done, total=steps, mininterval=5, ncols=100)
    for step in bar:
        rng = generator_for(recipe.seed, "denoiser", step)
        rows_drawn = torch.multinomial(weights, recipe.batch_size, replacement=True, generator=rng)
        clean = latents[rows_drawn].to(device)
        texts = written_captions([captions[i] for i in rows_drawn], [keywords[i] for i in rows_drawn], recipe, rng)
        ids = tokenize(tokenizer, texts).to(device)
        noise = torch.randn(clean.shape, generator=rng).to(device)
        times = torch.randint(schedule.config.num_train_timesteps, (len(clean),), generator=rng).to(device)
        noisy = schedule.add_noise(clean, noise, times).contiguous(memory_format=torch.channels_last)
        target = schedule.get_velocity(clean, noise, times)
        for group in optimizer.param_groups:
            group["lr"] = recipe.learning_rate * cosine_rate(step, steps, warmup=0.02)
        with torch.autocast(clean.device.type, torch.bfloat16, enabled=clean.device.type != "cpu"):  # slower on a CPU
            context = models["text"](ids).last_hidden_state
            predicted = models["unet"](noisy, times, context).sample
        loss = (predicted.float() - target).pow(2).mean()
        if not torch.isfinite(loss):
            raise DivergedError(f"the denoiser's loss is {loss.item()} at step {step}; lower learning_rate and go on.")
        optimizer.zero_grad(set_to_none=True)
        loss.backward()
        torch.nn.utils.clip_grad_norm_(models.parameters(), 1.0)
        optimizer.step()
        averaged.update_parameters(models)
        mean_loss = loss.item() if mean_loss is None else 0.98 * mean_loss + 0.02 * loss.item()
        if step % 20 == 0:
            rows.append([step, mean_loss])
            bar.set_postfix_str(
                f"loss {mean_loss:.4f}, {(step + 1) * recipe.batch_size / (time.monotonic() - began):.0f} img/s"
            )
        if (step + 1) % checkpoint_every == 0 or step + 1 == steps:
            save_checkpoint(folder / "checkpoint.pt", {
                "models": models.state_dict(), "averaged": averaged.state_dict(), "optimizer": optimizer.state_dict(),
                "step": step + 1, "loss": rows, "mean_loss": mean_loss, "seconds": time.monotonic() - began,
            })  # fmt: skip
        if on_milestone and ((step + 1) % milestone_every == 0 or step + 1 == steps):
            on_milestone(step + 1, averaged.module["text"].eval(), averaged.module["unet"].eval())
    with open(folder / "loss.csv", "w", newline="") as file:
        csv.writer(file, lineterminator="\n").writerows([["step", "loss"], *rows])
    return averaged.module["text"].eval(), averaged.module["unet"].eval()
