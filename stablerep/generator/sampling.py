"""How images are drawn from a generator, and the only place where the bounds of these choices stand."""

from __future__ import annotations

import math
from dataclasses import asdict, dataclass
from typing import Any

from stablerep.errors import InputError

GUIDANCE_SCALES = (1, 30)  # w; 1 is no guidance
STEPS = (2, 1000)  # of denoising
SAMPLERS = ("dpm++", "ddim")


@dataclass(frozen=True)
class Sampling:
    """Guidance, denoising steps and sampler: what determines an image beside generator, caption and noise.

    Attributes:
        guidance_scale: the paper's w, eps = w * eps(caption) + (1 - w) * eps(empty) (Tian et al. 2023, section 3.1).
        steps: 12 with DPM-Solver++ here; the paper takes DDIM with 50.
        sampler: ``dpm++`` or ``ddim``; both are deterministic given the noise.
        guidance_interval: (low, high), the noise levels low < sigma <= high at which there is guidance; at all others w is 1, which
            takes one pass of the denoiser instead of two (Kynkäänniemi et al. 2024, arXiv 2404.07724). sigma =
            sqrt((1 - alpha_bar) / alpha_bar), about 0.03 to 15 in Stable Diffusion. None is guidance everywhere, as in the paper.

    Raises:
        InputError: a value outside the bounds above.
    """

    guidance_scale: float = 2.0
    steps: int = 12
    sampler: str = "dpm++"
    guidance_interval: tuple[float, float] | None = None

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
        if (interval := self.guidance_interval) is not None:
            if len(interval) != 2 or not 0 <= interval[0] < interval[1] < math.inf:
                raise InputError(
                    f"guidance_interval is {tuple(interval)}; it is two finite noise levels, at least 0, the lower one first."
                )
            # without guidance the interval changes nothing
            one = None if self.guidance_scale == 1 else (float(interval[0]), float(interval[1]))
            object.__setattr__(self, "guidance_interval", one)
        # equal values have one spelling, so that 2 and 2.0 do not make two sets
        object.__setattr__(self, "guidance_scale", float(self.guidance_scale))
        object.__setattr__(self, "steps", int(self.steps))

    @property
    def parameters(self) -> dict[str, Any]:
        """What names a set and is stored beside it, as JSON gives it back; guidance everywhere has no entry."""
        given = {name: value for name, value in asdict(self).items() if value is not None}
        return {name: list(value) if isinstance(value, tuple) else value for name, value in given.items()}
