"""Train a generator on a corpus, stage by stage, and save it as a ``StableDiffusionPipeline``."""

from __future__ import annotations

import copy
import json
import shutil
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING

from stablerep.checkpoint import load_checkpoint
from stablerep.corpus import Corpus
from stablerep.device import default_device
from stablerep.errors import InputError
from stablerep.generator.architecture import RESOLUTION, new_noise_schedule
from stablerep.generator.autoencoder_training import AutoencoderRecipe, psnr, reconstruct, train_autoencoder
from stablerep.generator.denoiser_training import DenoiserRecipe, encode_all, train_denoiser
from stablerep.generator.pipeline import Generator
from stablerep.generator.sampling import Sampling
from stablerep.tokenizer import train_tokenizer, truncated

if TYPE_CHECKING:
    import torch

SMALLEST, LARGEST = 16, 512  # pixels
MEASURED = 16384  # images of a part on which the autoencoder is measured, at most
FEWEST = 8  # captions in a grid of samples
STAGES = ("autoencoder", "denoiser")
AUTOENCODER = "AutoencoderTiny"  # the class of ours
SHOWN = (  # all of the training part
    "smiling face with sunglasses", "black heart", "firefighter", "woman health worker: dark skin tone", "dog face", "red apple",
    "automobile", "crescent moon", "waving hand: light skin tone", "rose", "saxophone", "airplane", "old man", "mermaid",
    "house with garden", "clinking beer mugs",
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
    resolution: int = RESOLUTION,
    start: Generator | None = None,
    autoencoder_recipe: AutoencoderRecipe = AutoencoderRecipe(),
    denoiser_recipe: DenoiserRecipe = DenoiserRecipe(),
    samples: bool = True,
    device: str | None = None,
) -> Path:
    """Train autoencoder, text encoder and U-Net on the training part of a corpus; resume what was cut.

    Captions that the text encoder does not read to their ends are counted once and said in one line.

    Args:
        corpus: any; only what may be learned from is seen (:meth:`Corpus.to_learn_from`), as a whole in memory. ``keywords`` are used where it has them, and images are
            weighted by its clusters.
        folder: receives ``autoencoder/`` and ``denoiser/`` (checkpoints and losses), ``samples/`` (grids of averaged weights)
            and the finished ``pipeline/`` in half precision, with its recipe and losses in ``pipeline/training/``.
        resolution: side of the images in pixels, a multiple of 8. Twice the side takes about four times as long.
        start: a generator of this kind to go on from, of the same resolution: its autoencoder and tokenizer are kept as they are, its text
            encoder and U-Net are trained further, and ``autoencoder_recipe`` is not used.
        samples: whether to draw grids of samples on the way, for people to look at.

    Returns:
        The pipeline's folder.

    Raises:
        InputError: a resolution, a corpus or a start that cannot be learned from, or a folder that holds a training with another recipe,
            corpus or resolution. DivergedError: a loss is not finite.
    """
    import torch
    from transformers.utils import logging

    logging.disable_progress_bar()
    folder, device = Path(folder), device or default_device()
    part = corpus.to_learn_from()
    _check(part, resolution, start)
    first = {"start": start.fingerprint} if start else {"autoencoder": asdict(autoencoder_recipe)}
    recipes = {"corpus": part.fingerprint, "resolution": resolution, **first, "denoiser": asdict(denoiser_recipe)}
    _claim(folder, recipes)
    if (folder / "pipeline" / "model_index.json").exists():
        return folder / "pipeline"
    images, captions = part.images(resolution), part.table["caption"]
    if start:
        autoencoder, tokenizer = copy.deepcopy(start.pipeline.vae).to(device), start.pipeline.tokenizer
        latents, factor = encode_all(autoencoder, images), autoencoder.config.scaling_factor
    else:
        autoencoder = train_autoencoder(images, folder / "autoencoder", autoencoder_recipe, device=device)
        latents = encode_all(autoencoder, images)
        factor = 1 / float(latents.std())
        autoencoder.register_to_config(scaling_factor=factor)
        tokenizer = train_tokenizer(captions, folder / "tokenizer")
    if not (folder / "denoiser" / "checkpoint.pt").exists():
        truncated(tokenizer, captions.unique().tolist()).say()
    shown = shown_captions(captions)

    def draw(step: int, text_encoder, unet) -> None:
        with torch.random.fork_rng(devices=[]):
            pipeline = assemble(autoencoder, text_encoder, tokenizer, unet)
            pipeline.set_progress_bar_config(disable=True)
            grid = sample_grid(Generator(pipeline, "in training", f"step {step}"), shown)
            (folder / "samples").mkdir(exist_ok=True)
            grid.resize((grid.width * 2, grid.height * 2), 0).save(folder / "samples" / f"step-{step:06d}.png")

    cluster = corpus.cluster
    text_encoder, unet = train_denoiser(
        latents * factor, part.table, tokenizer, folder / "denoiser", denoiser_recipe, cluster=cluster, device=device,
        start=(start.pipeline.text_encoder, start.pipeline.unet) if start else None, on_milestone=draw if samples else None,
    )  # fmt: skip
    held_out = corpus.split("test")
    measured = {"train": images} | ({"test": held_out.images(resolution)} if len(held_out) else {})
    record = {
        "corpus": corpus.fingerprint, "learned_from": part.fingerprint, "resolution": resolution, "images": len(part), "captions": int(captions.nunique()),
        "cluster": cluster, "concepts": int(part.table[cluster].nunique()), "start": start.fingerprint if start else None,
        "autoencoder_recipe": None if start else asdict(autoencoder_recipe),
        "denoiser_recipe": asdict(denoiser_recipe), "psnr": {} if start else _decibel(autoencoder, measured),  # what was taken over is not measured again
        "seconds": {
            stage: sum(load_checkpoint(c)["seconds"] for c in (folder / stage).rglob("checkpoint.pt")) for stage in STAGES
        },
        "weights": {n: sum(p.numel() for p in m.parameters())
                    for n, m in (("autoencoder", autoencoder), ("text_encoder", text_encoder), ("unet", unet))},
        "torch": torch.__version__.split("+")[0], "device": device, "threads": torch.get_num_threads(),
    }  # fmt: skip
    parts = [part.to("cpu").half() for part in (autoencoder, text_encoder, unet)]  # half precision is for storage
    for part in (parts[0], parts[2]) if start else ():
        part.register_to_config(_name_or_path="")  # where the start lay: private, and else a part of the fingerprint
    _save(folder, assemble(parts[0], parts[1], tokenizer, parts[2]), record)
    return folder / "pipeline"


def _check(part: Corpus, resolution: int, start: Generator | None) -> None:
    """Refuse what cannot be learned from, before anything is written."""
    if start and start.resolution != resolution:
        raise InputError(
            f"resolution is {resolution}; {start.name}, to go on from, draws {start.resolution} pixels a side."
        )
    if start and type(start.pipeline.vae).__name__ != AUTOENCODER:
        raise InputError(
            f"{start.name} has another autoencoder than ours, {AUTOENCODER}; go on from a generator that train-generator made."
        )
    if resolution % 8 or not SMALLEST <= resolution <= LARGEST:
        raise InputError(f"resolution is {resolution}; it is a multiple of 8 from {SMALLEST} to {LARGEST} pixels.")
    if not len(part):
        raise InputError(f"the corpus {part.name} has no training images.")
    if not part.table["caption"].str.strip().all():
        raise InputError(f"the corpus {part.name} has images without captions; a generator learns from captions.")


def _decibel(autoencoder, parts: Mapping[str, torch.Tensor]) -> dict[str, float]:
    """Mean PSNR of the autoencoder in dB on each part, uint8 images [N, 3, H, W], or on every k-th image of a large one."""
    some = {name: images[:: -(-len(images) // MEASURED)] for name, images in parts.items()}
    return {name: float(psnr(images, reconstruct(autoencoder, images)).mean()) for name, images in some.items()}


def shown_captions(captions: Iterable[str]) -> list[str]:
    """Captions for the sample grids: the familiar ones of the emoji, or the first eight where fewer than that are known."""
    known = dict.fromkeys(captions)
    familiar = [caption for caption in SHOWN if caption in known]
    return familiar if len(familiar) >= FEWEST else list(known)[:FEWEST]


def _save(folder: Path, pipeline, record: dict) -> None:
    """The finished ``pipeline/`` with its record, whole or not at all."""
    pipeline.save_pretrained(folder / "pipeline.part", safe_serialization=True)
    kept = folder / "pipeline.part" / "training"
    kept.mkdir(exist_ok=True)
    (kept / "training.json").write_text(json.dumps(record, indent=1) + "\n")
    for stage in STAGES:
        if (folder / stage).is_dir():  # one that was taken over has no losses here
            shutil.copyfile(folder / stage / "loss.csv", kept / f"{stage}-loss.csv")
    (folder / "pipeline.part").replace(folder / "pipeline")


def _claim(folder: Path, recipes: dict) -> None:
    """Note what is trained in an empty folder; refuse a folder in which something else was begun."""
    path = folder / "recipes.json"
    if not path.exists():
        folder.mkdir(parents=True, exist_ok=True)
        path.write_text(json.dumps(recipes, indent=1) + "\n")
    elif (there := json.loads(path.read_text())) != recipes:
        parts = ", ".join(name for name in recipes | there if recipes.get(name) != there.get(name))
        raise InputError(f"{folder} holds a training with another {parts}; choose another folder or remove it.")
