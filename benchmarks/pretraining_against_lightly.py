"""A step of SimCLR pre-training here against lightly's recipe, in one run: milliseconds, and their ratio.

    python benchmarks/pretraining_against_lightly.py [--steps 5] [--repetitions 7] [--views 256] [--encoder resnet10t]

Both make two views of each image of 32 pixels, encode them with the same timm model and take a step of their optimizer, on one thread.
Here: :func:`stablerep.training.pretrain` as the study runs it (views of a whole batch at once, projection head of three layers, AdamW).
There: lightly's example of SimCLR (``SimCLRTransform`` on PIL images through ``MultiViewCollate`` and a ``DataLoader`` without workers, ``SimCLRProjectionHead`` of two layers, ``NTXentLoss``, SGD), with the strengths of crops and colours of this study.
Its images are decoded before, so nothing is counted that this study does not do.

They take turns, as many steps each; of a turn the median step counts, the first being left out. The ratio is of neighbouring turns:
median, least and greatest.
"""

from __future__ import annotations

import argparse
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pandas as pd
import torch
from torch import Tensor, nn
from torch.utils.data import DataLoader, Dataset

from stablerep.captioned_images import CaptionedImages
from stablerep.encoders import EncoderRecipe, recipe_backbone
from stablerep.study.experiments.study import Study
from stablerep.torchvision_shim import ensure_torchvision_imports
from stablerep.training import PretrainingRecipe, pretrain


def ours(images: CaptionedImages, recipe: PretrainingRecipe) -> float:
    """Seconds of the median step of a short training."""
    with tempfile.TemporaryDirectory() as folder:
        pretrain(images, recipe, Path(folder), progress="")
        ended = pd.read_parquet(Path(folder) / "log.parquet")["seconds"].to_numpy()
    return float(np.median(np.diff(ended)))


class Pictures(Dataset):
    """Views, label and name of each picture, as lightly's collating function takes them."""

    def __init__(self, pictures: list, transform: Callable) -> None:
        self.pictures, self.transform = pictures, transform

    def __len__(self) -> int:
        return len(self.pictures)

    def __getitem__(self, place: int) -> tuple[list[Tensor], int, str]:
        return self.transform(self.pictures[place]), 0, str(place)


class Theirs:
    """lightly's example of SimCLR; a training that goes on from turn to turn."""

    def __init__(self, images: Tensor, recipe: PretrainingRecipe) -> None:
        ensure_torchvision_imports()
        from lightly.data import MultiViewCollate
        from lightly.loss import NTXentLoss
        from lightly.models.modules.heads import SimCLRProjectionHead
        from lightly.transforms import SimCLRTransform
        from PIL import Image

        view, encoder = recipe.view, recipe.encoder
        transform = SimCLRTransform(
            view.size, cj_prob=view.jitter, cj_bright=view.brightness, cj_contrast=view.contrast, cj_sat=view.saturation,
            cj_hue=view.hue, min_scale=view.crop_min, random_gray_scale=view.grey, gaussian_blur=view.blur,
            sigmas=tuple(view.size / 224 * sigma for sigma in view.blur_sigma), hf_prob=view.flip,
        )  # fmt: skip
        pictures = [Image.fromarray(image.permute(1, 2, 0).numpy()) for image in images]
        self.loader = DataLoader(
            Pictures(pictures, transform), recipe.views_per_step // 2, shuffle=True, drop_last=True, collate_fn=MultiViewCollate()
        )  # fmt: skip
        backbone = recipe_backbone(encoder)
        width = backbone.head_hidden_size
        self.model = nn.Sequential(backbone, SimCLRProjectionHead(width, encoder.head_width, encoder.head_size))
        self.loss = NTXentLoss(temperature=recipe.temperature)
        self.optimizer = torch.optim.SGD(self.model.parameters(), lr=0.06)  # as in the example
        self.batches = self._batches()

    def _batches(self) -> Iterator[list[Tensor]]:
        while True:
            for views, _, _ in self.loader:
                yield views

    def __call__(self, steps: int) -> float:
        """Seconds of the median step of a turn, its first one left out."""
        self.model.train()
        ended = []
        for _ in range(steps):
            first, second = next(self.batches)
            loss = self.loss(self.model(first), self.model(second))
            loss.backward()
            self.optimizer.step()
            self.optimizer.zero_grad()
            ended.append(time.perf_counter())
        return float(np.median(np.diff(ended)))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--steps", type=int, default=5, help="of a turn")
    parser.add_argument("--repetitions", type=int, default=7)
    parser.add_argument("--views", type=int, default=256, help="in a step, two of each image")
    parser.add_argument("--encoder", default="resnet10t")
    options = parser.parse_args()
    if options.steps < 2:
        parser.error(f"--steps is {options.steps}; a turn has at least 2, of which the first is left out.")
    torch.set_num_threads(1)
    study = Study()
    images = study.real_images(study.captions()).load()
    recipe = PretrainingRecipe(
        method="simclr", steps=options.steps, views_per_step=options.views, head_statistics="per-view",
        encoder=EncoderRecipe(name=options.encoder, stem="published", image_size=study.size),
    )  # fmt: skip
    theirs = Theirs(images.images, recipe)
    turns = np.array([(ours(images, recipe), theirs(options.steps)) for _ in range(options.repetitions)])
    here, there = 1000 * np.median(turns, axis=0)
    ratios = turns[:, 1] / turns[:, 0]
    print(
        f"a step of {options.views} views, {options.encoder}, one thread: {here:.0f} ms here, {there:.0f} ms by lightly's recipe; "
        f"ratio {np.median(ratios):.2f} ({ratios.min():.2f} to {ratios.max():.2f}, {options.repetitions} turns of {options.steps} steps)"
    )


if __name__ == "__main__":
    main()
