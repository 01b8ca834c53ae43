"""What determines one pre-training."""

from __future__ import annotations

import math
from dataclasses import dataclass, field

from stablerep.encoders import EncoderRecipe
from stablerep.errors import InputError
from stablerep.methods import METHODS, Traits, methods_with
from stablerep.methods.base import Settings
from stablerep.views import ViewRecipe

HEAD_STATISTICS = ("joint", "per-view")


@dataclass(frozen=True)
class PretrainingRecipe:
    """One pre-training run. The paper's values stand in brackets (Tian et al. 2023, appendix; the authors' repository).

    Every field determines the numbers of the run, ``chunk`` too: it changes rounding, and what batch normalization sees. So
    ``dataclasses.asdict`` is what names the run.

    Raises:
        InputError: values that do not go together, in one sentence.
    """

    method: str = "stablerep"  # a name in stablerep.methods.METHODS
    steps: int = 400  # optimizer steps [about 110,000]
    views_per_step: int = 256  # augmented images in a step, the same for every method [8192]
    images_per_caption: int = 4  # m: images of a caption in a step, for the StableRep methods [6]
    # views of each drawn image, for the contrastive methods; 0: as the method has it [1 for StableRep]
    crops_per_image: int = 0
    temperature: float = 0.1  # of the multi-positive loss [0.1]; that of images and texts is learned, see EncoderRecipe
    image_weight: float = 1.0  # of StableRep+'s multi-positive loss [1]
    text_weight: float = 1.0  # of its image-text loss, 1/2 (L_i2t + L_t2i) [1]
    # what the head's batch normalization sees at once: all views, or "per-view" [per-view]
    head_statistics: str = "joint"
    # of BYOL, MoCo-v3 and DINO at the start; 0: the method's own. A short run needs a faster teacher.
    teacher_momentum: float = 0.0
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
            raise InputError(f"method is {self.method!r}; valid methods are {', '.join(METHODS)}.")
        if self.steps < 1 or self.views_per_step < 4:
            raise InputError(
                f"steps is {self.steps}, views_per_step {self.views_per_step}; at least 1 and 4 are needed."
            )
        if not 0 < self.temperature < math.inf:
            raise InputError(f"temperature is {self.temperature}; it must be positive.")
        if not 0 <= self.learning_rate < math.inf:
            raise InputError(f"learning_rate is {self.learning_rate}; it is 0 or more.")
        if self.view.size != self.encoder.image_size:
            raise InputError(
                f"views have {self.view.size} pixels a side, the encoder is made for {self.encoder.image_size}; they must agree."
            )
        self._serves("crops_per_image", self.crops_per_image >= 0, "contrastive", "with 1 or more, or 0 for its own")
        self._serves("chunk", self.chunk >= 0, "contrastive", "with a chunk of 1 or more", what="gradient caching")
        self._serves("teacher_momentum", 0 <= self.teacher_momentum < 1, "teacher", "from 0 to below 1")
        self._check_positives()
        self._check_head()
        self._check_weights()

    def _serves(self, name: str, valid: bool, trait: str, how: str, *, what: str = "it") -> None:
        """Refuse an option that is not valid, or is given (it is not 0) to a method without the trait."""
        value = getattr(self, name)
        if not valid or (value and not getattr(self.traits, trait)):
            raise InputError(f"{name} is {value}; {what} serves {', '.join(methods_with(trait))}, {how}.")

    def _check_positives(self) -> None:
        if self.traits.several and (self.images_per_caption < 1 or self.views_per_caption < 2):
            raise InputError(
                f"images_per_caption is {self.images_per_caption}; {self.method} needs at least 2 positives."
            )
        if self.traits.contrastive and self.traits.ids == "image" and self.crops < 2:
            raise InputError(
                f"crops_per_image is {self.crops_per_image}; {self.method} needs at least 2 views of an image."
            )
        if self.views_per_step % self.views_per_caption:
            raise InputError(
                f"views_per_step is {self.views_per_step}; it must be a multiple of {self.views_per_caption}."
            )
        if self.traits.contrastive and self.captions_per_step < 2:
            raise InputError(
                f"views_per_step is {self.views_per_step} with {self.views_per_caption} views of a caption: {self.method} would see "
                f"one caption in a step and have nothing to tell it from; at least {2 * self.views_per_caption} views are needed."
            )

    def _check_head(self) -> None:
        if self.head_statistics not in HEAD_STATISTICS:
            raise InputError(
                f"head_statistics is {self.head_statistics!r}; valid values are {', '.join(HEAD_STATISTICS)}."
            )
        if self.head_statistics == "per-view" and not self.traits.projects:
            raise InputError(
                f"head_statistics is 'per-view'; {self.method} has no projection head that sees views together."
            )

    def _check_weights(self) -> None:
        weights = self.image_weight, self.text_weight
        if not all(0 <= w < math.inf for w in weights) or not any(weights):
            raise InputError(
                f"image_weight is {self.image_weight}, text_weight {self.text_weight}; they are 0 or more, and not both 0."
            )
        if weights != (1, 1) and not (self.traits.projects and self.traits.reads_captions):
            raise InputError(
                f"image_weight is {self.image_weight}, text_weight {self.text_weight}; they weigh the two losses of stablerep+, "
                f"and {self.method} has one."
            )

    @property
    def traits(self) -> Traits:
        return METHODS[self.method].traits

    @property
    def images_drawn(self) -> int:
        """Images of one caption in a step."""
        return self.images_per_caption if self.traits.several else 1

    @property
    def crops(self) -> int:
        """Views of one drawn image in a step."""
        return self.crops_per_image or self.traits.views

    @property
    def views_per_caption(self) -> int:
        return self.images_drawn * self.crops

    @property
    def captions_per_step(self) -> int:
        return self.views_per_step // self.views_per_caption

    @property
    def head_groups(self) -> tuple[int, int]:
        """Crops and images of a caption that the head normalizes apart; see :func:`stablerep.methods.contrastive.project_by_view`."""
        return (self.crops, self.images_drawn) if self.head_statistics == "per-view" else (1, 1)

    def settings(self, **of_the_data: int) -> Settings:
        """What a method is told; ``of_the_data`` are the fields of :class:`Settings` that the images and captions determine."""
        return Settings(
            temperature=self.temperature, image_weight=self.image_weight, text_weight=self.text_weight,
            head_groups=self.head_groups, teacher_momentum=self.teacher_momentum, **of_the_data,
        )  # fmt: skip
