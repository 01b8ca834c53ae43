"""One training loop for every method, on real or synthetic images, in one process or several."""

from __future__ import annotations

import json
import os
import time
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING

import pandas as pd
import torch
from torch import Tensor, nn

from stablerep.captioned_images import CaptionedImages
from stablerep.checkpoint import load_checkpoint, save_checkpoint, save_table, save_weights
from stablerep.device import default_device, training_precision
from stablerep.errors import DivergedError, InputError
from stablerep.methods import method_class
from stablerep.methods.base import Batch, Method, ready
from stablerep.schedule import cosine_rate, decay_groups
from stablerep.seeding import seed_for
from stablerep.synthesis import SyntheticSet
from stablerep.tokenizer import tokenize, train_tokenizer, truncated
from stablerep.training.gradient_caching import cached_backward
from stablerep.training.recipe import PretrainingRecipe
from stablerep.training.view_batches import ViewBatches

if TYPE_CHECKING:
    from accelerate import Accelerator


def pretrain(
    data: CaptionedImages | SyntheticSet,
    recipe: PretrainingRecipe,
    folder: Path,
    *,
    classes: Mapping[str, str] | None = None,
    progress: str | None = None,
    checkpoint_every: int = 100,
) -> dict:
    """Pre-train an encoder (or go on with one that was cut) and write it to ``folder``.

    ``data`` is in memory, or a synthetic set of any size that is read from its shards. ``classes`` names the class of every caption,
    for ``supcon`` and ``supervised``, and for ``stablerep`` where images of a class, in the same batches, are to be its positives. Captions that a text tower does not read to their ends are counted at the start and said in one line.

    ``folder`` receives ``encoder.safetensors`` (the backbone), ``heads.safetensors`` (heads and text tower), ``recipe.json``, the
    tokenizer of methods that read captions, and ``log.parquet`` (step, loss, learning rate, seconds). A checkpoint is written
    every ``checkpoint_every`` steps; the random numbers of a step depend on (seed, step) alone, so a run that was cut and
    resumed takes the same steps as one that was not.

    Under ``accelerate launch`` or ``torchrun`` the processes share every batch; the first one writes. Their number is part of what
    determines the views. The number of torch's threads changes how sums are rounded: runs are equal bit for bit with as many.

    Returns:
        A summary: steps, views, last loss, seconds, views per second, number of weights, threads.

    Raises:
        InputError: a batch larger than the set or not divisible among processes, a caption without class, or ``chunk`` with
            several processes. DivergedError: the loss is not finite (step, learning rate and last good checkpoint named).
    """
    from tqdm import tqdm

    folder = Path(folder)
    accelerator = new_accelerator(recipe)
    batches = ViewBatches(data, recipe, classes, accelerator.process_index, accelerator.num_processes)
    folder.mkdir(parents=True, exist_ok=True)
    tokenizer = None
    if recipe.traits.reads_captions:
        with accelerator.main_process_first():
            tokenizer = train_tokenizer(data.captions, folder / "tokenizer")
    model, optimizer = accelerator.prepare(*new_model(recipe, batches.classes, tokenizer, accelerator))
    network = accelerator.unwrap_model(model)
    done, rows, seconds = 0, [], 0.0
    if state := load_checkpoint(folder / "checkpoint.pt"):
        network.load_state_dict(state["model"])
        optimizer.load_state_dict(state["optimizer"])
        done, rows, seconds = state["step"], state["log"], state["seconds"]
    elif tokenizer and progress != "" and accelerator.is_main_process:
        truncated(tokenizer, data.captions).say()
    accelerator.wait_for_everyone()
    model.train()
    began = time.monotonic() - seconds
    bar = tqdm(
        range(done, recipe.steps), desc=progress or recipe.method, initial=done, total=recipe.steps,
        mininterval=2, ncols=100, disable=progress == "" or not accelerator.is_main_process,
    )  # fmt: skip
    for step in bar:
        views, ids, captions = batches.load(step, accelerator.device)
        tokens = tokenize(tokenizer, captions, padding="longest").to(accelerator.device) if tokenizer else None
        rate = recipe.learning_rate * cosine_rate(step, recipe.steps, warmup=recipe.warmup)
        for group in optimizer.param_groups:
            group["lr"] = rate
        optimizer.zero_grad(set_to_none=True)
        with torch.random.fork_rng(devices=[]):  # dropout and masks of a step, the same after a resume
            torch.manual_seed(seed_for(*batches.name, "step", step) % 2**31)
            loss = add_gradients(accelerator, model, Batch(views, ids, tokens), chunk=recipe.chunk)
        if not torch.isfinite(loss):
            raise DivergedError(
                f"the loss is {loss.item()} at step {step} (learning rate {rate:.2g}); the last good checkpoint is of step {done}."
            )
        network.before_step(step / recipe.steps)
        optimizer.step()
        network.after_step((step + 1) / recipe.steps)
        seconds = time.monotonic() - began
        rows.append([step, loss.item(), rate, seconds])
        bar.set_postfix_str(
            f"loss {rows[-1][1]:.3f}, {(step + 1) * recipe.views_per_step / seconds:.0f} views/s", refresh=False
        )
        if (step + 1) % checkpoint_every == 0 and step + 1 < recipe.steps:
            done = step + 1
            if accelerator.is_main_process:
                save_checkpoint(folder / "checkpoint.pt", {
                    "model": network.state_dict(), "optimizer": optimizer.state_dict(), "step": done, "log": rows, "seconds": seconds,
                })  # fmt: skip
            accelerator.wait_for_everyone()
    if accelerator.is_main_process:
        write_run(folder, network, recipe, rows)
    accelerator.wait_for_everyone()
    views = recipe.steps * recipe.views_per_step
    return {
        "steps": recipe.steps, "views": views, "loss": rows[-1][1], "seconds": round(seconds, 2),
        "views_per_second": round(views / max(seconds, 1e-9), 1), "weights": sum(v.numel() for v in network.backbone.state_dict().values()),
        "threads": torch.get_num_threads(),
    }  # fmt: skip


def new_accelerator(recipe: PretrainingRecipe) -> Accelerator:
    """Device, precision and processes of a training."""
    from accelerate import Accelerator

    # Accelerate must be told that several processes share a CPU; or it takes each for the only one, and all train the same and write
    # over each other.
    together = int(os.environ.get("WORLD_SIZE", "1")) > 1
    accelerator = Accelerator(
        cpu=together and default_device() == "cpu", mixed_precision=training_precision(recipe.encoder.image_size)
    )
    if recipe.chunk and accelerator.num_processes > 1:
        raise InputError(
            f"chunk is {recipe.chunk} with {accelerator.num_processes} processes; gradient caching serves one."
        )
    return accelerator


def new_model(
    recipe: PretrainingRecipe, classes: int, tokenizer, accelerator: Accelerator
) -> tuple[nn.Module, torch.optim.Optimizer]:
    """The untrained network of a method, the same for a seed, and its optimizer."""
    vocabulary = {"vocabulary_size": len(tokenizer), "end_token": tokenizer.eos_token_id} if tokenizer else {}
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed_for(recipe.seed, "weights") % 2**31)
        model = method_class(recipe.method).new(recipe.encoder, recipe.settings(classes=classes, **vocabulary))
    model = model.to(memory_format=torch.channels_last)
    if accelerator.num_processes > 1 and accelerator.device.type == "cuda":
        model = nn.SyncBatchNorm.convert_sync_batchnorm(model)
    return model, torch.optim.AdamW(
        decay_groups(model, recipe.weight_decay), lr=recipe.learning_rate, betas=recipe.betas, fused=True
    )


def add_gradients(accelerator: Accelerator, model: nn.Module, batch: Batch, *, chunk: int) -> Tensor:
    """The loss of a step, its gradients added to the weights. Returns the mean over processes, detached."""
    with accelerator.autocast():
        if chunk:
            return cached_backward(
                model.backbone, ready(batch.views), lambda features: model.features_loss(features, batch), chunk=chunk
            )
        loss = model(batch)
    mean = accelerator.reduce(loss.detach(), "mean")  # before backward, so that all processes stop together
    if torch.isfinite(mean):
        accelerator.backward(loss)
    return mean


def write_run(folder: Path, network: Method, recipe: PretrainingRecipe, rows: list) -> None:
    """The finished run: weights of the backbone and of the heads (a teacher is left out), recipe and log."""
    whole = {k: v.contiguous().cpu() for k, v in network.state_dict().items() if not k.startswith("teacher.")}
    backbone = {k.removeprefix("backbone."): v for k, v in whole.items() if k.startswith("backbone.")}
    heads = {k: v for k, v in whole.items() if not k.startswith("backbone.")}
    for name, weights in (("heads", heads), ("encoder", backbone)):
        save_weights(folder / f"{name}.safetensors", weights)
    (folder / "recipe.json").write_text(json.dumps(asdict(recipe), indent=1))
    save_table(folder / "log.parquet", pd.DataFrame(rows, columns=["step", "loss", "learning_rate", "seconds"]))
    (folder / "checkpoint.pt").unlink(missing_ok=True)
