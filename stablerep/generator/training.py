"""Train the embedded generator from the corpus, stage by stage, and save it as a ``StableDiffusionPipeline``."""

from __future__ import annotations

import json
import shutil
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path

from stablerep.checkpoint import load_checkpoint
from stablerep.corpus import Corpus
from stablerep.errors import InputError
from stablerep.generator.architecture import RESOLUTION, new_noise_schedule
from stablerep.generator.autoencoder_training import AutoencoderRecipe, psnr, reconstruct, train_autoencoder
from stablerep.generator.denoiser_training import DenoiserRecipe, encode_all, train_denoiser
from stablerep.generator.pipeline import Generator
from stablerep.generator.sampling import Sampling
from stablerep.tokenizer import train_tokenizer

SHOWN = (
    "grinning face", "red heart", "firefighter", "woman health worker: dark skin tone", "dog face", "pizza", "automobile",
    "full moon face", "waving hand: medium skin tone", "rose", "guitar", "airplane", "man: beard", "princess: light skin tone",
    "house", "clinking beer mugs",
)  # fmt: skip


def assemble(autoencoder, text_encoder, tokenizer, unet):
    """A ``StableDiffusionPipeline`` of the trained parts with DPM-Solver++ as its sampler and no safety checker."""
    from diffusers import DPMSolverMultistepScheduler, StableDiffusionPipeline

    schedule = new_noise_schedule().config
    return StableDiffusionPipeline(
        vae=autoencoder, text_encoder=text_encoder, tokenizer=tokenizer, unet=unet,
        scheduler=DPMSolverMultistepScheduler.from_config(schedule, algorithm_type="dpmsolver++", solver_order=2),
        safety_checker=None, feature_extractor=None, requires_safety_checker=False,
    )  # fmt: skip


def sample_grid(generator: Generator, captions: Sequence[str], *, columns: int = 4, guidance_scale: float = 2.0):
    """A PIL image: one row per caption, ``columns`` images of it."""
    from PIL import Image

    texts = [c for c in captions for _ in range(columns)]
    names = [(0, c, i) for c in captions for i in range(columns)]
    images, _ = generator.sample(texts, names, Sampling(guidance_scale=guidance_scale))
    n, _, h, w = images.shape
    tiles = images.view(n // columns, columns, 3, h, w).permute(0, 3, 1, 4, 2).reshape(n // columns * h, columns * w, 3)
    return Image.fromarray(tiles.numpy())


def train_generator(
    corpus: Corpus,
    folder: Path,
    *,
    autoencoder_recipe: AutoencoderRecipe = AutoencoderRecipe(),
    denoiser_recipe: DenoiserRecipe = DenoiserRecipe(),
    device: str | None = None,
) -> Path:
    """Train autoencoder, text encoder and U-Net on the training concepts of a corpus; resume what was cut.

    Args:
        corpus: with ``caption``, ``keywords``, ``concept`` and ``split``; only its training part is seen.
        folder: receives ``autoencoder/`` and ``denoiser/`` (checkpoints and losses), ``samples/`` (grids of averaged weights)
            and the finished ``pipeline/`` in half precision, with its recipe and losses in ``pipeline/training/``.

    Returns:
        The pipeline's folder.

    Raises:
        ValueError: the folder holds a training with another recipe or corpus.
    """
    import torch
    from transformers.utils import logging

    logging.disable_progress_bar()
    folder, device = Path(folder), device or ("cuda" if torch.cuda.is_available() else "cpu")
    part = corpus.split("train")
    images = part.images(RESOLUTION)
    recipes = {
        "corpus": part.fingerprint,
        "autoencoder": asdict(autoencoder_recipe),
        "denoiser": asdict(denoiser_recipe),
    }
    _claim(folder, recipes)
    if (folder / "pipeline" / "model_index.json").exists():
        return folder / "pipeline"
    autoencoder = train_autoencoder(images, folder / "autoencoder", autoencoder_recipe, device=device)
    latents = encode_all(autoencoder, images)
    factor = 1 / float(latents.std())
    autoencoder.register_to_config(scaling_factor=factor)
    tokenizer = train_tokenizer(part.table["caption"], folder / "tokenizer")

    def draw(step: int, text_encoder, unet) -> None:
        with torch.random.fork_rng(devices=[]):
            pipeline = assemble(autoencoder, text_encoder, tokenizer, unet)
            pipeline.set_progress_bar_config(disable=True)
            shown = [c for c in SHOWN if c in set(part.table["caption"])] or list(dict.fromkeys(part.table["caption"]))[
                :8
            ]
            grid = sample_grid(Generator(pipeline, "in training", f"step {step}"), shown)
            (folder / "samples").mkdir(exist_ok=True)
            grid.resize((grid.width * 2, grid.height * 2), 0).save(folder / "samples" / f"step-{step:06d}.png")

    text_encoder, unet = train_denoiser(
        latents * factor, part.table, tokenizer, folder / "denoiser", denoiser_recipe, device=device, on_milestone=draw
    )
    stages = ("autoencoder", "denoiser")
    seconds = {
        stage: sum(load_checkpoint(c)["seconds"] for c in (folder / stage).rglob("checkpoint.pt")) for stage in stages
    }
    decibel = {
        split: float(psnr(x := corpus.split(split).images(RESOLUTION), reconstruct(autoencoder, x)).mean())
        for split in ("train", "test")
    }
    record = {
        "corpus": corpus.fingerprint, "images": len(part), "captions": int(part.table["caption"].nunique()),
        "concepts": int(part.table["concept"].nunique()), "autoencoder_recipe": asdict(autoencoder_recipe),
        "denoiser_recipe": asdict(denoiser_recipe), "psnr": decibel, "seconds": seconds,
        "weights": {n: sum(p.numel() for p in m.parameters())
                    for n, m in (("autoencoder", autoencoder), ("text_encoder", text_encoder), ("unet", unet))},
        "torch": torch.__version__.split("+")[0], "device": device, "threads": torch.get_num_threads(),
    }  # fmt: skip
    parts = [part.to("cpu").half() for part in (autoencoder, text_encoder, unet)]  # half precision is for storage
    pipeline = assemble(parts[0], parts[1], tokenizer, parts[2])
    pipeline.save_pretrained(folder / "pipeline.part", safe_serialization=True)
    kept = folder / "pipeline.part" / "training"
    kept.mkdir(exist_ok=True)
    (kept / "training.json").write_text(json.dumps(record, indent=1) + "\n")
    for stage in stages:
        shutil.copyfile(folder / stage / "loss.csv", kept / f"{stage}-loss.csv")
    (folder / "pipeline.part").replace(folder / "pipeline")
    return folder / "pipeline"


def _claim(folder: Path, recipes: dict) -> None:
    """Note what is trained in an empty folder; refuse a folder in which something else was begun."""
    path = folder / "recipes.json"
    if not path.exists():
        folder.mkdir(parents=True, exist_ok=True)
        path.write_text(json.dumps(recipes, indent=1) + "\n")
    elif (there := json.loads(path.read_text())) != recipes:
        parts = ", ".join(name for name in recipes if there.get(name) != recipes[name])
        raise InputError(f"{folder} holds a training with another {parts}; choose another folder or remove it.")
