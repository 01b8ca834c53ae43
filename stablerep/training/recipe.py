"""What determines one pre-training."""

from __future__ import annotations

from dataclasses import dataclass, field

from stablerep.encoders import EncoderRecipe
from stablerep.methods import METHODS, Traits
from stablerep.views import ViewRecipe

CONTRASTIVE = ("simclr", "clip", "stablerep", "stablerep+", "supcon")  # methods that are an encoder, heads and losses of features


@dataclass(frozen=True)
class PretrainingRecipe:
    """One pre-training run. The paper's values stand in brackets (Tian et al. 2023, appendix; the authors' repository)."""

    method: str = "stablerep"  # a name in stablerep.methods.METHODS
    steps: int = 400  # optimizer steps [about 110,000]
    views_per_step: int = 256  # augmented images in a step, the same for every method [8192]
    images_per_caption: int = 4  # m: images of a caption in a step, for the StableRep methods [6]
    temperature: float = 0.1  # of the multi-positive loss [0.1]
    learning_rate: float = 2e-3  # peak [3.2e-3]
    weight_decay: float = 0.1  # none on norms and biases [0.1]
    betas: tuple[float, float] = (0.9, 0.98)
    warmup: float = 0.05  # share of the steps [about 0.03]
    chunk: int = 0  # views encoded at once, by gradient caching; 0 encodes the whole batch at once
    seed: int = 0
    encoder: EncoderRecipe = field(default_factory=EncoderRecipe)
    view: ViewRecipe = field(default_factory=ViewRecipe)

    def __post_init__(self) -> None:
        if self.method not in METHODS:
            raise ValueError(f"method is {self.method!r}; valid methods are {', '.join(METHODS)}.")
        if self.images_per_caption < 2 and self.traits.several:
            raise ValueError(f"images_per_caption is {self.images_per_caption}; {self.method} needs at least 2 positives.")
        if self.steps < 1 or self.views_per_step < 4:
            raise ValueError(f"steps is {self.steps}, views_per_step {self.views_per_step}; at least 1 and 4 are needed.")
        if self.views_per_step % self.views_per_caption:
            raise ValueError(f"views_per_step is {self.views_per_step}; it must be a multiple of {self.views_per_caption}.")
        if self.chunk < 0 or (self.chunk and self.method not in CONTRASTIVE):
            raise ValueError(f"chunk is {self.chunk}; gradient caching serves {', '.join(CONTRASTIVE)}, with a chunk of 1 or more.")

    @property
    def traits(self) -> Traits:
        return METHODS[self.method]

    @property
    def images_drawn(self) -> int:
        """Images of one caption in a step."""
        return self.images_per_caption if self.traits.several else 1

    @property
    def views_per_caption(self) -> int:
        return self.images_drawn * self.traits.views
