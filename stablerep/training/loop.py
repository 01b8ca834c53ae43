"""One training loop for every method, on real or synthetic images, in one process or several."""

from __future__ import annotations

import json
import os
import time
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path

import pandas as pd
import torch
from torch import Tensor, nn

from stablerep.captioned_images import CaptionedImages
from stablerep.checkpoint import load_checkpoint, save_checkpoint, save_weights
from stablerep.distributed import gathered_image_text, gathered_multi_positive
from stablerep.encoders import Learner
from stablerep.errors import DivergedError, InputError
from stablerep.schedule import cosine_rate, decay_groups
from stablerep.seeding import seed_for
from stablerep.synthesis import SyntheticSet
from stablerep.tokenizer import tokenize, train_tokenizer
from stablerep.training.gradient_caching import cached_backward
from stablerep.training.recipe import CONTRASTIVE, PretrainingRecipe
from stablerep.training.view_batches import ViewBatches
from stablerep.views import normalize


def new_method(recipe: PretrainingRecipe, *, classes: int = 0, **vocabulary) -> nn.Module:
    """The network of a method with its heads, untrained; its ``backbone`` is what the study keeps."""
    if recipe.method in CONTRASTIVE:
        return Learner(recipe.encoder, head=recipe.method != "clip", head_groups=recipe.head_groups, **vocabulary)
    if recipe.method in ("supervised", "caption-as-class"):
        from stablerep.methods.classification import Classifier

        return Classifier(recipe.encoder, classes)
    if recipe.method == "mae":
        from stablerep.methods.mae import MAE

        return MAE(recipe.encoder)
    from stablerep.methods.byol import BYOL
    from stablerep.methods.dino import DINO
    from stablerep.methods.moco import MoCoV3

    options = {"momentum": recipe.teacher_momentum} if recipe.teacher_momentum else {}
    return {"byol": BYOL, "moco-v3": MoCoV3, "dino": DINO}[recipe.method](recipe.encoder, **options)


def method_loss(
    method: str,
    out: dict,
    ids: torch.Tensor,
    temperature: float,
    *,
    image_weight: float = 1.0,
    text_weight: float = 1.0,
) -> torch.Tensor:
    """The loss of one step of a contrastive method. ``ids`` int64 [N] name what makes two views positives: image, class or caption.

    StableRep+ adds the image-text loss to StableRep's (Tian et al. 2023, section 3.3; their ``--ssl-w1`` and ``--ssl-w2``, both 1):
    ``image_weight`` * L_img + ``text_weight`` * 1/2 (L_i2t + L_t2i). The half is part of :func:`stablerep.losses.image_text`, not of
    the weight. A caption is one text.
    """
    loss = out["head"].new_zeros(()) if "head" in out else out["image"].new_zeros(())
    if "head" in out:
        loss = loss + image_weight * gathered_multi_positive(out["head"], ids, temperature=temperature)
    if "text" in out:
        matching = gathered_image_text(
            out["image"], out["text"], ids, ids.unique(sorted=True), logit_scale=out["scale"]
        )
        loss = loss + text_weight * matching
    return loss


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
    for ``supcon`` and ``supervised``.

    ``folder`` receives ``encoder.safetensors`` (the backbone), ``heads.safetensors`` (heads and text tower), ``recipe.json``, the
    tokenizer of methods that read captions, and ``log.parquet`` (step, loss, learning rate, seconds). A checkpoint is written
    every ``checkpoint_every`` steps; the random numbers of a step depend on (seed, step) alone, so a run that was cut and
    resumed takes the same steps as one that was not.

    Under ``accelerate launch`` or ``torchrun`` the processes share every batch; the first one writes. Their number is part of what
    determines the views.

    Returns:
        A summary: steps, views, last loss, seconds, views per second, number of weights.

    Raises:
        ValueError: a batch larger than the set or not divisible among processes, a caption without class, or ``chunk`` with
            several processes. FloatingPointError: the loss is not finite (step, learning rate and last good checkpoint named).
    """
    from accelerate import Accelerator
    from tqdm import tqdm

    folder = Path(folder)
    gpu = torch.cuda.is_available()
    # Accelerate must be told that several processes share a CPU; or it takes each for the only one, and all train the same and write
    # over each other. Half precision pays on a GPU; on a CPU small convolutions are not faster in it.
    together = int(os.environ.get("WORLD_SIZE", "1")) > 1
    accelerator = Accelerator(cpu=together and not gpu, mixed_precision="bf16" if gpu else "no")
    if recipe.chunk and accelerator.num_processes > 1:
        raise InputError(
            f"chunk is {recipe.chunk} with {accelerator.num_processes} processes; gradient caching serves one."
        )
    batches = ViewBatches(data, recipe, classes, accelerator.process_index, accelerator.num_processes)
    folder.mkdir(parents=True, exist_ok=True)
    vocabulary, tokenizer = {}, None
    if recipe.traits.reads_captions:
        with accelerator.main_process_first():
            tokenizer = train_tokenizer(data.captions, folder / "tokenizer")
        vocabulary = {"vocabulary_size": len(tokenizer), "end_token": tokenizer.eos_token_id}
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed_for(recipe.seed, "weights") % 2**31)
        model = new_method(recipe, classes=batches.classes, **vocabulary).to(memory_format=torch.channels_last)
    if accelerator.num_processes > 1 and accelerator.device.type == "cuda":
        model = nn.SyncBatchNorm.convert_sync_batchnorm(model)
    optimizer = torch.optim.AdamW(
        decay_groups(model, recipe.weight_decay), lr=recipe.learning_rate, betas=recipe.betas, fused=True
    )
    model, optimizer = accelerator.prepare(model, optimizer)
    network = accelerator.unwrap_model(model)
    done, rows, seconds = 0, [], 0.0
    if state := load_checkpoint(folder / "checkpoint.pt"):
        network.load_state_dict(state["model"])
        optimizer.load_state_dict(state["optimizer"])
        done, rows, seconds = state["step"], state["log"], state["seconds"]
    accelerator.wait_for_everyone()
    model.train()
    began = time.monotonic() - seconds
    bar = tqdm(
        range(done, recipe.steps), desc=progress or recipe.method, initial=done, total=recipe.steps,
        mininterval=2, ncols=100, disable=progress == "" or not accelerator.is_main_process,
    )  # fmt: skip
    for step in bar:
        views, ids, captions = batches.load(step, accelerator.device)
        rate = recipe.learning_rate * cosine_rate(step, recipe.steps, warmup=recipe.warmup)
        for group in optimizer.param_groups:
            group["lr"] = rate
        tokens = tokenize(tokenizer, captions).to(accelerator.device) if tokenizer else None
        optimizer.zero_grad(set_to_none=True)
        with torch.random.fork_rng(devices=[]):  # dropout and masks of a step, the same after a resume
            torch.manual_seed(seed_for(*batches.name, "step", step) % 2**31)
            loss = _backward(accelerator, model, recipe, views, ids, tokens)
        if not torch.isfinite(loss):
            raise DivergedError(
                f"the loss is {loss.item()} at step {step} (learning rate {rate:.2g}); the last good checkpoint is of step {done}."
            )
        if hasattr(network, "before_step"):
            network.before_step(step / recipe.steps)
        optimizer.step()
        if hasattr(network, "after_step"):
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
        _write(folder, network, recipe, rows)
    accelerator.wait_for_everyone()
    views = recipe.steps * recipe.views_per_step
    return {
        "steps": recipe.steps, "views": views, "loss": rows[-1][1], "seconds": round(seconds, 2),
        "views_per_second": round(views / max(seconds, 1e-9), 1), "weights": sum(v.numel() for v in network.backbone.state_dict().values()),
    }  # fmt: skip


def _backward(
    accelerator, model: nn.Module, recipe: PretrainingRecipe, views: Tensor, ids: Tensor, tokens: Tensor | None
) -> Tensor:
    """The loss of a step, its gradients added to the weights. Returns the mean over processes, detached."""

    def contrast(out: dict) -> Tensor:
        return method_loss(
            recipe.method, out, ids, recipe.temperature, image_weight=recipe.image_weight, text_weight=recipe.text_weight
        )  # fmt: skip

    if recipe.chunk:
        with accelerator.autocast():
            return cached_backward(
                model.backbone, normalize(views).contiguous(memory_format=torch.channels_last),
                lambda features: contrast(model.project(features, tokens)), chunk=recipe.chunk,
            )  # fmt: skip
    with accelerator.autocast():
        if recipe.method in CONTRASTIVE:
            out = model(views, tokens)
        else:
            out = model(views, ids) if recipe.traits.ids != "image" else model(views)
    loss = contrast(out) if recipe.method in CONTRASTIVE else out
    mean = accelerator.reduce(loss.detach(), "mean")  # before backward, so that all processes stop together
    if torch.isfinite(mean):
        accelerator.backward(loss)
    return mean


def _write(folder: Path, network: nn.Module, recipe: PretrainingRecipe, rows: list) -> None:
    """The finished run: weights of the backbone and of the heads (a teacher is left out), recipe and log."""
    whole = {k: v.contiguous().cpu() for k, v in network.state_dict().items() if not k.startswith("teacher.")}
    backbone = {k.removeprefix("backbone."): v for k, v in whole.items() if k.startswith("backbone.")}
    heads = {k: v for k, v in whole.items() if not k.startswith("backbone.")}
    for name, weights in (("heads", heads), ("encoder", backbone)):
        save_weights(folder / f"{name}.safetensors", weights)
    (folder / "recipe.json").write_text(json.dumps(asdict(recipe), indent=1))
    pd.DataFrame(rows, columns=["step", "loss", "learning_rate", "seconds"]).to_parquet(
        folder / "log.parquet", index=False
    )
    (folder / "checkpoint.pt").unlink(missing_ok=True)
