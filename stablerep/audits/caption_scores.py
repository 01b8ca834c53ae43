"""How well images and captions fit to the eyes of a network that has read captions, and whether it ranks right images of a caption above wrong ones."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Protocol

import numpy as np
import pandas as pd
import torch
import torch.nn.functional as F
from torch import Tensor

from stablerep.device import default_device
from stablerep.errors import InputError
from stablerep.methods import method_class
from stablerep.probes.extraction import features_of
from stablerep.seeding import seed_for
from stablerep.torchvision_shim import ensure_torchvision_imports
from stablerep.training.backbones import load_recipe
from stablerep.training.joint_space import JointSpace, load_joint_space

WEIGHT = 2.5  # of CLIPScore (Hessel et al. 2021, section 3)
DEPICTS = "A photo depicts "  # before captions of photographs (Hessel et al. 2021, section 3)
BATCH = 64  # images of a CLIP model of transformers at once


class CaptionSpace(Protocol):
    """A space in which the cosine of an image and a caption says how well they fit (Radford et al. 2021, section 2.3)."""

    def embed_images(self, images: Tensor) -> Tensor:
        """uint8 [N, 3, H, W] to float [N, D], on the CPU."""

    def embed_captions(self, captions: Sequence[str]) -> Tensor:
        """N texts to float [N, D], on the CPU."""


class TrainedSpace:
    """The joint space of a finished pre-training."""

    def __init__(self, space: JointSpace) -> None:
        self.space = space

    @classmethod
    def of(cls, folder: Path) -> TrainedSpace:
        """Raises ``InputError`` for a method that reads no captions."""
        return cls(load_joint_space(folder))

    def embed_images(self, images: Tensor) -> Tensor:
        return self.space.images(features_of(self.space.backbone, images)).cpu()

    def embed_captions(self, captions: Sequence[str]) -> Tensor:
        return self.space.texts(captions).cpu()


def untrained_space(folder: Path, seed: int) -> TrainedSpace:
    """The networks of a finished pre-training with its tokenizer and random weights: what a joint space shows without learning."""
    ensure_torchvision_imports()
    from transformers import CLIPTokenizer

    recipe, tokenizer = load_recipe(folder), CLIPTokenizer.from_pretrained(Path(folder) / "tokenizer")
    settings = recipe.settings(classes=0, vocabulary_size=len(tokenizer), end_token=tokenizer.eos_token_id)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed_for(seed, "weights") % 2**31)
        network = method_class(recipe.method).new(recipe.encoder, settings)
    network = network.to(memory_format=torch.channels_last).eval().requires_grad_(False)
    return TrainedSpace(JointSpace(network, tokenizer))


class NamedSpace:
    """A CLIP model in the layout of transformers.

    Args:
        model: a ``CLIPModel``. processor: its ``CLIPProcessor``. prefix: before every caption.
    """

    def __init__(self, model, processor, prefix: str = "") -> None:
        self.model, self.processor, self.prefix = model, processor, prefix

    @torch.no_grad()
    def embed_images(self, images: Tensor) -> Tensor:
        found = []
        for batch in torch.as_tensor(images[:]).split(BATCH):
            pixels = self.processor.image_processor(images=list(batch), return_tensors="pt")["pixel_values"]
            seen = self.model.vision_model(pixel_values=pixels.to(self.model.device)).pooler_output
            found.append(self.model.visual_projection(seen).float().cpu())
        return torch.cat(found)

    @torch.no_grad()
    def embed_captions(self, captions: Sequence[str]) -> Tensor:
        texts = [self.prefix + caption for caption in captions]
        tokens = self.processor.tokenizer(texts, padding=True, truncation=True, return_tensors="pt").to(
            self.model.device
        )
        read = self.model.text_model(input_ids=tokens["input_ids"], attention_mask=tokens["attention_mask"])
        return self.model.text_projection(read.pooler_output).float().cpu()


def open_clip_model(name: str, *, prefix: str = "") -> NamedSpace:
    """A CLIP model of transformers.

    Args:
        name: a folder, or a name on the Hugging Face Hub such as ``openai/clip-vit-base-patch32``. prefix: before every caption.

    Raises:
        InputError: no such model, or one that is no CLIP model.
    """
    ensure_torchvision_imports()
    from safetensors import SafetensorError
    from transformers import AutoConfig, CLIPModel, CLIPProcessor

    local = Path(name).is_dir()
    try:
        kind = AutoConfig.from_pretrained(name, local_files_only=local).model_type
        if kind != "clip":
            raise InputError(
                f"clip_model is {name!r}, a model of the type {kind}; a CLIP model of transformers is needed."
            )
        model = CLIPModel.from_pretrained(name, local_files_only=local, use_safetensors=True)
        processor = CLIPProcessor.from_pretrained(name, local_files_only=local)
    except InputError:
        raise
    except (OSError, ValueError, RuntimeError, SafetensorError) as error:
        raise InputError(f"clip_model {name} could not be loaded: {str(error).splitlines()[0]}") from error
    return NamedSpace(model.to(default_device()).eval().requires_grad_(False), processor, prefix)


def cosines(images: Tensor, captions: Sequence[str], space: CaptionSpace) -> Tensor:
    """Cosine of each image and its caption: uint8 [N, 3, H, W] and N texts to float [N].

    Raises:
        InputError: another number of captions than of images, or none.
    """
    if len(images) != len(captions) or not len(captions):
        raise InputError(f"{len(images)} images have {len(captions)} captions; each image needs one.")
    texts = list(dict.fromkeys(captions))
    place = {caption: number for number, caption in enumerate(texts)}
    read = space.embed_captions(texts)[[place[caption] for caption in captions]]
    return F.cosine_similarity(space.embed_images(images), read, dim=1)


def clip_score(images: Tensor, captions: Sequence[str], space: CaptionSpace) -> Tensor:
    """CLIPScore, 2.5 max(cos, 0), of each image and its caption (Hessel et al. 2021, section 3): float [N] from 0 to 2.5.

    Args:
        images: uint8 [N, 3, H, W]. captions: [N]. space: whose cosine it is; scores of different spaces cannot be compared.
    """
    return WEIGHT * cosines(images, captions, space).clamp_min(0)


def nearness(images: Tensor, captions: Sequence[str], real: Tensor, captions_of_real: Sequence[str]) -> Tensor:
    """How near each image is to the mean of its caption's real images: minus the distance of their pixels, float [N]. It needs no learning.

    Args:
        images, real: uint8 [N, 3, H, W] and [M, 3, H, W]. captions, captions_of_real: of each; every caption of an image has a real one.
    """
    groups = pd.Series(range(len(captions_of_real))).groupby(list(captions_of_real)).indices
    means = {caption: real[torch.from_numpy(rows.copy())].float().mean(0) for caption, rows in groups.items()}
    if lost := [caption for caption in captions if caption not in means]:
        raise InputError(f"caption {lost[0]!r} has no real image; nearness needs one of each caption.")
    return torch.stack([-(image.float() - means[caption]).norm() for image, caption in zip(images, captions)])


def ranked_rightly(scores: np.ndarray, right: np.ndarray) -> float:
    """The share of pairs of a right and a wrong image in which the right one has the higher score, a tie being one half: the area under the curve of true
    against false positives (Hanley and McNeil 1982). NaN without images of both kinds; 0.5 by chance.

    Args:
        scores: float [N]. right: bool [N].
    """
    above, below = scores[right], scores[~right]
    if not len(above) or not len(below):
        return np.nan
    apart = above[:, None] - below
    return float((apart > 0).mean() + (apart == 0).mean() / 2)


def ranking(scores: pd.DataFrame, truth: pd.DataFrame, concepts: pd.Series) -> pd.DataFrame:
    """:func:`ranked_rightly` within each caption, then the mean of a concept's captions.

    Args:
        scores: ``arm``, ``seed``, ``source``, ``caption``, ``image`` and ``score``. truth: ``source``, ``caption``, ``image`` and ``right``
            (bool); images that are not there count as neither. concepts: by caption.

    Returns:
        ``arm``, ``seed``, ``source``, ``concept``, ``value`` and ``captions``, how many of them have images of both kinds.
    """
    keys = ["source", "caption", "image"]
    both = scores.merge(truth, on=keys) if len(scores) and len(truth) else scores[:0].assign(right=False)
    rows = [
        [*key, concepts[key[-1]], ranked_rightly(part["score"].to_numpy(float), part["right"].to_numpy(bool))]
        for key, part in both.groupby(["arm", "seed", "source", "caption"], sort=False)
    ]
    table = pd.DataFrame(rows, columns=["arm", "seed", "source", "caption", "concept", "value"])
    table = table.astype({"value": float}).dropna(subset="value")
    means = table.groupby(["arm", "seed", "source", "concept"], sort=False)["value"].agg(value="mean", captions="size")
    return means.reset_index()
