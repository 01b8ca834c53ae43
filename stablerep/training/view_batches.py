"""What one process sees at each step of a pre-training: the views of its share of the captions."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

import torch
from torch import Tensor

from stablerep.captioned_images import CaptionBatches, CaptionedImages
from stablerep.errors import InputError
from stablerep.seeding import generator_for
from stablerep.synthesis import ShardBatches, SyntheticSet
from stablerep.training.recipe import PretrainingRecipe
from stablerep.views import make_views


class ViewBatches:
    """What this process sees at each step: views, their ids, and the captions they are of.

    Raises:
        ValueError: captions that ``processes`` cannot share evenly, or so few that a group of the head has one view; a caption
            without class.
    """

    def __init__(
        self,
        data: CaptionedImages | SyntheticSet,
        recipe: PretrainingRecipe,
        classes: Mapping[str, str] | None,
        process: int,
        processes: int,
    ) -> None:
        captions = recipe.captions_per_step
        if captions % processes:
            raise InputError(f"a batch takes {captions} captions; {processes} processes cannot share them evenly.")
        if recipe.head_statistics == "per-view" and captions < 2 * processes:
            raise InputError(
                f"head_statistics is 'per-view' with {captions // processes} caption in each process; at least 2 are needed."
            )
        kind = CaptionBatches if isinstance(data, CaptionedImages) else ShardBatches
        self.batches = kind(data, captions=captions, images_per_caption=recipe.images_drawn, seed=recipe.seed)
        self.recipe, self.mine = recipe, range(process * captions // processes, (process + 1) * captions // processes)
        # what a process draws depends on its number; one process alone has none
        self.name = (recipe.seed, "views") if processes == 1 else (recipe.seed, "views", process, processes)
        self.view = replace(recipe.view, jitter=0.0, grey=0.0, blur=0.0) if recipe.traits.crops_only else recipe.view
        self.numbers = _numbers(data.captions, recipe, classes)

    @property
    def classes(self) -> int:
        return max(self.numbers.values()) + 1 if self.numbers else 0

    def load(self, step: int, device: torch.device) -> tuple[Tensor, Tensor, list[str]]:
        """Views float [N, 3, H, W] in 0..1, all first crops before all second ones, within each the images of a caption side by side;
        ids int64 [N]; captions in the order of their places."""
        images, places, captions = self.batches.load(step)
        mine = (places >= self.mine.start) & (places < self.mine.stop)
        images, places, captions = (
            images[mine],
            places[mine] - self.mine.start,
            captions[self.mine.start : self.mine.stop],
        )
        if self.recipe.traits.ids == "image":
            ids = torch.arange(len(places)) + self.mine.start
        elif self.numbers:
            ids = torch.tensor([self.numbers[c] for c in captions])[places]
        else:
            ids = places + self.mine.start
        images, ids = images.repeat(self.recipe.crops, 1, 1, 1), ids.repeat(self.recipe.crops)
        return make_views(images.to(device), self.view, generator_for(*self.name, step)), ids.to(device), captions


def _numbers(captions: list[str], recipe: PretrainingRecipe, classes: Mapping[str, str] | None) -> dict[str, int]:
    """The number of each caption's class, for methods that predict or share it, and where classes are to be ids in place of captions;
    empty for the others."""
    if recipe.traits.ids == "caption-number":
        return {caption: number for number, caption in enumerate(sorted(captions))}
    if recipe.traits.ids == "image" or (recipe.traits.ids == "caption" and classes is None):
        return {}
    if recipe.traits.ids == "caption" and recipe.traits.reads_captions:
        raise InputError(f"{recipe.method} reads captions; classes cannot take their place.")
    missing = [c for c in captions if c not in (classes or {})]
    if missing:
        raise InputError(
            f"{recipe.method} learns classes, and caption {missing[0]!r} has none; give classes={{caption: class}} for all."
        )
    names = sorted({classes[c] for c in captions})
    return {caption: names.index(classes[caption]) for caption in captions}
