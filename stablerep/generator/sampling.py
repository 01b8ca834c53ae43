"""How images are drawn from a generator, and the only place where the bounds of these choices stand."""

from __future__ import annotations

from dataclasses import dataclass

from stablerep.errors import InputError

GUIDANCE_SCALES = (1, 30)  # w; 1 is no guidance
STEPS = (2, 1000)  # of denoising
SAMPLERS = ("dpm++", "ddim")


@dataclass(frozen=True)
class Sampling:
    """Guidance scale w, denoising steps and sampler: what determines an image beside generator, caption and noise.

    Attributes:
        guidance_scale: the paper's w, eps = w * eps(caption) + (1 - w) * eps(empty) (Tian et al. 2023, section 3.1).
        steps: 12 with DPM-Solver++ here; the paper takes DDIM with 50.
        sampler: ``dpm++`` or ``ddim``; both are deterministic given the noise.

    Raises:
        InputError: a value outside the bounds above.
    """

    guidance_scale: float = 2.0
    steps: int = 12
    sampler: str = "dpm++"

    def __post_init__(self) -> None:
        low, high = GUIDANCE_SCALES
        if not low <= self.guidance_scale <= high:
            raise InputError(
                f"guidance_scale is {self.guidance_scale}; it is at least {low} (no guidance) and at most {high}."
            )
        low, high = STEPS
        if not low <= self.steps <= high or self.steps != int(self.steps):
            raise InputError(f"steps is {self.steps}; a sampler takes {low} to {high} steps.")
        if self.sampler not in SAMPLERS:
            raise InputError(f"sampler is {self.sampler!r}; valid samplers are {', '.join(SAMPLERS)}.")
        # equal values have one spelling, so that 2 and 2.0 do not make two sets
        object.__setattr__(self, "guidance_scale", float(self.guidance_scale))
        object.__setattr__(self, "steps", int(self.steps))
