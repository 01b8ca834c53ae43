"""One training loop for every method: SimCLR, CLIP, StableRep and StableRep+, on real or synthetic images."""

from __future__ import annotations

import json
import time
from dataclasses import asdict, dataclass, field
from pathlib import Path

import pandas as pd
import torch
from torch import nn

from stablerep.batches import CaptionBatches, CaptionedImages
from stablerep.checkpoint import load_checkpoint, save_checkpoint, written_aside
from stablerep.encoders import EncoderRecipe, Learner, new_backbone
from stablerep.losses import image_text, multi_positive
from stablerep.schedule import cosine_rate, decay_groups
from stablerep.seeding import generator_for, seed_for
from stablerep.synthesis import ShardBatches, SyntheticSet
from stablerep.tokenizer import tokenize, train_tokenizer
from stablerep.views import ViewRecipe, make_views

METHODS = ("simclr", "clip", "stablerep", "stablerep+")


@dataclass(frozen=True)
class PretrainingRecipe:
    """One pre-training run. The paper's values stand in brackets (Tian et al. 2023, appendix; the authors' repository)."""

    method: str = "stablerep"
    steps: int = 400  # optimizer steps [about 110,000]
    views_per_step: int = 256  # augmented images in a step, the same for every method [8192]
    images_per_caption: int = 4  # m: images of a caption in a step, for the StableRep methods [6]
    temperature: float = 0.1  # of the multi-positive loss [0.1]
    learning_rate: float = 2e-3  # peak [3.2e-3]
    weight_decay: float = 0.1  # none on norms and biases [0.1]
    betas: tuple[float, float] = (0.9, 0.98)
    warmup: float = 0.05  # share of the steps [about 0.03]
    seed: int = 0
    encoder: EncoderRecipe = field(default_factory=EncoderRecipe)
    view: ViewRecipe = field(default_factory=ViewRecipe)

    def __post_init__(self) -> None:
        if self.method not in METHODS:
            raise ValueError(f"method is {self.method!r}; valid methods are {', '.join(METHODS)}.")
        if self.images_per_caption < 2 and self.method.startswith("stablerep"):
            raise ValueError(f"images_per_caption is {self.images_per_caption}; {self.method} needs at least 2 positives.")
        if self.steps < 1 or self.views_per_step < 4:
            raise ValueError(f"steps is {self.steps}, views_per_step {self.views_per_step}; at least 1 and 4 are needed.")
        if self.views_per_step % self.images_drawn or (self.method == "simclr" and self.views_per_step % 2):
            raise ValueError(f"views_per_step is {self.views_per_step}; it must be a multiple of {self.views_per_caption}.")

    @property
    def images_drawn(self) -> int:
        """Images of one caption in a step."""
        return self.images_per_caption if self.method.startswith("stablerep") else 1

    @property
    def views_per_caption(self) -> int:
        return 2 if self.method == "simclr" else self.images_drawn

    @property
    def reads_captions(self) -> bool:
        return self.method in ("clip", "stablerep+")


def method_loss(method: str, out: dict, ids: torch.Tensor, temperature: float) -> torch.Tensor:
    """The loss of one step. ``ids`` int64 [N] name what makes two views positives: the image for SimCLR, else the caption.

    StableRep+ adds the image-text loss to StableRep's with weight one (section 3.3); a caption is one text.
    """
    loss = out["head"].new_zeros(()) if "head" in out else out["image"].new_zeros(())
    if "head" in out:
        loss = loss + multi_positive(out["head"], ids, temperature=temperature)
    if "text" in out:
        loss = loss + image_text(out["image"], out["text"], ids, ids.unique(sorted=True), logit_scale=out["scale"])
    return loss


def pretrain(
    data: CaptionedImages | SyntheticSet,
    recipe: PretrainingRecipe,
    folder: Path,
    *,
    progress: str | None = None,
    checkpoint_every: int = 100,
) -> dict:
    """Pre-train an encoder (or go on with one that was cut) and write it to ``folder``.

    ``data`` is in memory, or a synthetic set of any size that is read from its shards.

    ``folder`` receives ``encoder.safetensors`` (the backbone), ``heads.safetensors`` (heads and text tower), ``recipe.json``, the
    tokenizer of methods that read captions, and ``log.parquet`` (step, loss, learning rate, seconds). A checkpoint is written
    every ``checkpoint_every`` steps; the random numbers of a step depend on (seed, step) alone, so a run that was cut and
    resumed takes the same steps as one that was not.

    Returns:
        A summary: steps, views, last loss, seconds, views per second, number of weights.

    Raises:
        ValueError: a batch larger than the set. FloatingPointError: the loss is not finite (step and learning rate named).
    """
    from accelerate import Accelerator
    from safetensors.torch import save_file
    from tqdm import tqdm

    folder = Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    # half precision pays on a GPU; on a CPU small convolutions are not faster in it
    accelerator = Accelerator(mixed_precision="bf16" if torch.cuda.is_available() else "no")
    device = accelerator.device
    batches = (CaptionBatches if isinstance(data, CaptionedImages) else ShardBatches)(
        data, captions=recipe.views_per_step // recipe.views_per_caption, images_per_caption=recipe.images_drawn, seed=recipe.seed
    )
    vocabulary = {}
    if recipe.reads_captions:
        tokenizer = train_tokenizer(data.captions, folder / "tokenizer")
        vocabulary = {"vocabulary_size": len(tokenizer), "end_token": tokenizer.eos_token_id}
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed_for(recipe.seed, "weights") % 2**31)
        model = Learner(recipe.encoder, head=recipe.method != "clip", **vocabulary).to(memory_format=torch.channels_last)
    optimizer = torch.optim.AdamW(decay_groups(model, recipe.weight_decay), lr=recipe.learning_rate, betas=recipe.betas, fused=True)
    model, optimizer = accelerator.prepare(model, optimizer)
    done, rows, seconds = 0, [], 0.0
    if state := load_checkpoint(folder / "checkpoint.pt"):
        accelerator.unwrap_model(model).load_state_dict(state["model"])
        optimizer.load_state_dict(state["optimizer"])
        done, rows, seconds = state["step"], state["log"], state["seconds"]
    model.train()
    began = time.monotonic() - seconds
    bar = tqdm(
        range(done, recipe.steps), desc=progress or recipe.method, initial=done, total=recipe.steps,
        mininterval=2, ncols=100, disable=progress == "",
    )  # fmt: skip
    for step in bar:
        images, ids, captions = batches.load(step)
        if recipe.method == "simclr":
            images = images.repeat(2, 1, 1, 1)
            ids = torch.arange(len(ids)).repeat(2)
        views = make_views(images.to(device), recipe.view, generator_for(recipe.seed, "views", step))
        rate = recipe.learning_rate * cosine_rate(step, recipe.steps, warmup=recipe.warmup)
        for group in optimizer.param_groups:
            group["lr"] = rate
        with accelerator.autocast():
            out = model(views, tokenize(tokenizer, captions).to(device) if recipe.reads_captions else None)
        loss = method_loss(recipe.method, out, ids.to(device), recipe.temperature)
        if not torch.isfinite(loss):
            raise FloatingPointError(
                f"the loss is {loss.item()} at step {step} (learning rate {rate:.2g}); the last good checkpoint is of step {done}."
            )
        optimizer.zero_grad(set_to_none=True)
        accelerator.backward(loss)
        optimizer.step()
        seconds = time.monotonic() - began
        rows.append([step, loss.item(), rate, seconds])
        bar.set_postfix_str(f"loss {rows[-1][1]:.3f}, {(step + 1) * recipe.views_per_step / seconds:.0f} views/s", refresh=False)
        if (step + 1) % checkpoint_every == 0 and step + 1 < recipe.steps:
            done = step + 1
            save_checkpoint(folder / "checkpoint.pt", {
                "model": accelerator.unwrap_model(model).state_dict(), "optimizer": optimizer.state_dict(),
                "step": done, "log": rows, "seconds": seconds,
            })  # fmt: skip
    whole = {k: v.contiguous().cpu() for k, v in accelerator.unwrap_model(model).state_dict().items()}
    backbone = {k.removeprefix("backbone."): v for k, v in whole.items() if k.startswith("backbone.")}
    heads = {k: v for k, v in whole.items() if not k.startswith("backbone.")}
    for name, weights in (("heads", heads), ("encoder", backbone)):
        with written_aside(folder / f"{name}.safetensors") as aside:
            save_file(weights, aside)
    (folder / "recipe.json").write_text(json.dumps(asdict(recipe), indent=1))
    pd.DataFrame(rows, columns=["step", "loss", "learning_rate", "seconds"]).to_parquet(folder / "log.parquet", index=False)
    (folder / "checkpoint.pt").unlink(missing_ok=True)
    views = recipe.steps * recipe.views_per_step
    return {
        "steps": recipe.steps, "views": views, "loss": rows[-1][1], "seconds": round(seconds, 2),
        "views_per_second": round(views / max(seconds, 1e-9), 1), "weights": sum(v.numel() for v in backbone.values()),
    }  # fmt: skip


def load_backbone(folder: Path) -> nn.Module:
    """The pre-trained backbone of a finished run, frozen, in evaluation mode."""
    from safetensors.torch import load_file

    folder = Path(folder)
    encoder = json.loads((folder / "recipe.json").read_text())["encoder"]
    backbone = new_backbone(encoder["name"], stem=encoder["stem"], image_size=encoder["image_size"])
    backbone.load_state_dict(load_file(folder / "encoder.safetensors"))
    return backbone.to(memory_format=torch.channels_last).eval().requires_grad_(False)


def random_backbone(recipe: EncoderRecipe, seed: int) -> nn.Module:
    """The same network untrained: the row every comparison is read against."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed_for(seed, "weights") % 2**31)
        backbone = new_backbone(recipe.name, stem=recipe.stem, image_size=recipe.image_size)
    return backbone.to(memory_format=torch.channels_last).eval().requires_grad_(False)
