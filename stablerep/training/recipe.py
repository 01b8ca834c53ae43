"""What determines one pre-training."""

from __future__ import annotations

import math
from dataclasses import asdict, dataclass, field, fields

from stablerep.encoders import EncoderRecipe
from stablerep.errors import InputError
from stablerep.methods import METHODS, Traits
from stablerep.views import ViewRecipe

CONTRASTIVE = (
    "simclr",
    "clip",
    "stablerep",
    "stablerep+",
    "supcon",
)  # methods that are an encoder, heads and losses of features
MOMENTUM = ("byol", "moco-v3", "dino")  # methods with a teacher
HEAD_STATISTICS = ("joint", "per-view")

# Fields that came after the first stored runs, by the part of the recipe that holds them; see PretrainingRecipe.determining.
_ADDED = {
    "": ("head_statistics", "crops_per_image", "image_weight", "text_weight", "teacher_momentum"),
    "encoder": ("text_temperature_start", "text_scale_limit"),
    "view": ("downsample", "downsample_sizes"),
}


@dataclass(frozen=True)
class PretrainingRecipe:
    """One pre-training run. The paper's values stand in brackets (Tian et al. 2023, appendix; the authors' repository)."""

    method: str = "stablerep"  # a name in stablerep.methods.METHODS
    steps: int = 400  # optimizer steps [about 110,000]
    views_per_step: int = 256  # augmented images in a step, the same for every method [8192]
    images_per_caption: int = 4  # m: images of a caption in a step, for the StableRep methods [6]
    crops_per_image: int = (
        0  # views of each drawn image, for the contrastive methods; 0: as the method has it [1 for StableRep]
    )
    temperature: float = 0.1  # of the multi-positive loss [0.1]; that of images and texts is learned, see EncoderRecipe
    image_weight: float = 1.0  # of StableRep+'s multi-positive loss [1]
    text_weight: float = 1.0  # of its image-text loss, 1/2 (L_i2t + L_t2i) [1]
    head_statistics: str = (
        "joint"  # what the head's batch normalization sees at once: all views, or "per-view" [per-view]
    )
    teacher_momentum: float = (
        0.0  # of BYOL, MoCo-v3 and DINO at the start; 0: the method's own. A short run needs a faster teacher.
    )
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
        if self.crops_per_image < 0 or (self.crops_per_image and self.method not in CONTRASTIVE):
            raise InputError(
                f"crops_per_image is {self.crops_per_image}; it serves {', '.join(CONTRASTIVE)}, with 1 or more, or 0 for the method's own."
            )
        if self.traits.several and (self.images_per_caption < 1 or self.views_per_caption < 2):
            raise InputError(
                f"images_per_caption is {self.images_per_caption}; {self.method} needs at least 2 positives."
            )
        if self.method == "simclr" and self.crops < 2:
            raise InputError(f"crops_per_image is {self.crops_per_image}; simclr needs at least 2 views of an image.")
        if self.steps < 1 or self.views_per_step < 4:
            raise InputError(
                f"steps is {self.steps}, views_per_step {self.views_per_step}; at least 1 and 4 are needed."
            )
        if self.views_per_step % self.views_per_caption:
            raise InputError(
                f"views_per_step is {self.views_per_step}; it must be a multiple of {self.views_per_caption}."
            )
        if self.chunk < 0 or (self.chunk and self.method not in CONTRASTIVE):
            raise InputError(
                f"chunk is {self.chunk}; gradient caching serves {', '.join(CONTRASTIVE)}, with a chunk of 1 or more."
            )
        if not 0 <= self.teacher_momentum < 1 or (self.teacher_momentum and self.method not in MOMENTUM):
            raise InputError(
                f"teacher_momentum is {self.teacher_momentum}; it serves {', '.join(MOMENTUM)}, from 0 to below 1."
            )
        self._check_head()
        self._check_weights()

    def _check_head(self) -> None:
        if self.head_statistics not in HEAD_STATISTICS:
            raise InputError(
                f"head_statistics is {self.head_statistics!r}; valid values are {', '.join(HEAD_STATISTICS)}."
            )
        if self.head_statistics == "per-view":
            if self.method not in CONTRASTIVE or self.method == "clip":
                raise InputError(
                    f"head_statistics is 'per-view'; {self.method} has no projection head that sees views together."
                )
            if self.captions_per_step < 2:
                raise InputError(
                    f"head_statistics is 'per-view' with {self.captions_per_step} caption in a step; at least 2 are needed."
                )

    def _check_weights(self) -> None:
        weights = self.image_weight, self.text_weight
        if not all(0 <= w < math.inf for w in weights) or not any(weights):
            raise InputError(
                f"image_weight is {self.image_weight}, text_weight {self.text_weight}; they are 0 or more, and not both 0."
            )
        if weights != (1, 1) and self.method != "stablerep+":
            raise InputError(
                f"image_weight is {self.image_weight}, text_weight {self.text_weight}; they weigh the two losses of stablerep+, "
                f"and {self.method} has one."
            )

    @property
    def traits(self) -> Traits:
        return METHODS[self.method]

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
        """Crops and images of a caption that the head normalizes apart; see :func:`stablerep.encoders.project_by_view`."""
        return (self.crops, self.images_drawn) if self.head_statistics == "per-view" else (1, 1)

    def determining(self) -> dict:
        """The recipe as what names its run: ``asdict`` without the options that were added later, where they have their default.

        The dictionary is part of the key of stored runs. An option that changes nothing must not change the key, or finished
        runs would not be found again. So the default of a field named in ``_ADDED`` is the behaviour before it was there, forever.
        """
        found = asdict(self)
        for part, names in _ADDED.items():
            recipe, content = (getattr(self, part), found[part]) if part else (self, found)
            for option in fields(recipe):
                if option.name in names and getattr(recipe, option.name) == option.default:
                    del content[option.name]
        return found
