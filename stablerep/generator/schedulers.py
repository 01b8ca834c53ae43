"""The samplers. What determines images is stated here; a pipeline's folder decides its noise schedule and nothing else.

A folder may hold any configuration of a scheduler, such as an ``algorithm_type`` that draws fresh noise at every step, and two
sets of the same plan would then differ. So every setting is written out, and defaults of the library decide nothing either.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from stablerep.errors import InputError
from stablerep.generator.folders import generator_folder
from stablerep.generator.sampling import Sampling
from stablerep.torchvision_shim import ensure_torchvision_imports

# What a denoiser was trained with; a sampler has to follow it.
NOISE_SCHEDULE = ("num_train_timesteps", "beta_schedule", "beta_start", "beta_end", "trained_betas", "prediction_type")
BETA_SCHEDULES = ("linear", "scaled_linear", "squaredcos_cap_v2")
PREDICTION_TYPES = ("epsilon", "sample", "v_prediction")

# Of Stable Diffusion 1 and 2
_STABLE_DIFFUSION = {
    "num_train_timesteps": 1000,
    "beta_schedule": "scaled_linear",
    "beta_start": 0.00085,
    "beta_end": 0.012,
}

# Times are spaced evenly over the whole schedule with both of its ends. `thresholding` is for pixels, not for latents.
_SPACING = {"timestep_spacing": "linspace", "steps_offset": 0}
_NO_THRESHOLD = {"thresholding": False, "dynamic_thresholding_ratio": 0.995, "sample_max_value": 1.0}

SETTINGS: dict[str, dict[str, Any]] = {
    # Lu et al. 2022, "DPM-Solver++: Fast Solver for Guided Sampling", algorithm 2 (2M), the ordinary equation without noise
    "dpm++": {
        "algorithm_type": "dpmsolver++",
        "solver_order": 2,
        "solver_type": "midpoint",
        "lower_order_final": True,
        "euler_at_final": False,
        "final_sigmas_type": "zero",
        "lambda_min_clipped": -float("inf"),
        "variance_type": None,
        "use_karras_sigmas": False,
        "use_exponential_sigmas": False,
        "use_beta_sigmas": False,
        "use_lu_lambdas": False,
        "use_flow_sigmas": False,
        "flow_shift": 1.0,
        "use_dynamic_shifting": False,
        "time_shift_type": "exponential",
        **_SPACING,
        **_NO_THRESHOLD,
    },
    # Song et al. 2021, "Denoising Diffusion Implicit Models", equation 12 with sigma = 0 (the pipeline's eta is 0 by default)
    "ddim": {"clip_sample": False, "clip_sample_range": 1.0, "set_alpha_to_one": True, **_SPACING, **_NO_THRESHOLD},
}


def noise_schedule(scheduler: Any) -> dict[str, Any]:
    """The noise schedule of a pipeline's scheduler of any class.

    Raises:
        InputError: the scheduler has none of the kind that both samplers can follow; names what it has instead.
    """
    config, name = scheduler.config, type(scheduler).__name__
    absent = [key for key in NOISE_SCHEDULE if key not in config and key != "trained_betas"]
    if absent:
        raise InputError(f"the scheduler {name} has no {', '.join(absent)}; dpm++ and ddim follow a schedule of betas.")
    for key, valid in (("beta_schedule", BETA_SCHEDULES), ("prediction_type", PREDICTION_TYPES)):
        if config[key] not in valid and not (key == "beta_schedule" and config.get("trained_betas") is not None):
            raise InputError(f"the scheduler's {key} is {config[key]!r}; valid ones are {', '.join(valid)}.")
    found = {key: config.get(key) for key in NOISE_SCHEDULE}
    return found | {"rescale_betas_zero_snr": bool(config.get("rescale_betas_zero_snr", False))}


def new_scheduler(sampler: str, schedule: Mapping[str, Any]):
    """A fresh scheduler of diffusers for ``dpm++`` or ``ddim`` on a noise schedule; it carries no state of an earlier call."""
    ensure_torchvision_imports()
    from diffusers import DDIMScheduler, DPMSolverMultistepScheduler

    kind = {"dpm++": DPMSolverMultistepScheduler, "ddim": DDIMScheduler}[sampler]
    return kind(**schedule, **SETTINGS[sampler])


def noise_levels(sampler: str, steps: int, schedule: Mapping[str, Any]) -> list[float]:
    """sigma = sqrt((1 - alpha_bar) / alpha_bar) at each step of a sampler, from the largest to the smallest."""
    made = new_scheduler(sampler, schedule)
    made.set_timesteps(steps)
    alpha_bar = made.alphas_cumprod[made.timesteps].double()
    return ((1 - alpha_bar) / alpha_bar).sqrt().tolist()


def guided_steps(sampling: Sampling, schedule: Mapping[str, Any]) -> list[bool]:
    """Whether there is guidance, and with it a second pass of the denoiser, at each step."""
    if sampling.guidance_interval is None:
        return [sampling.guidance_scale != 1] * sampling.steps
    low, high = sampling.guidance_interval
    return [low < sigma <= high for sigma in noise_levels(sampling.sampler, sampling.steps, schedule)]


def schedule_of(name: str) -> dict[str, Any]:
    """The noise schedule of a generator that is not opened. A name on the Hub, whose files may not be here yet, gives Stable Diffusion's.

    Raises:
        InputError: no such generator, or its scheduler cannot be read or followed.
    """
    ensure_torchvision_imports()
    import diffusers

    if (folder := generator_folder(name)) is None:
        return noise_schedule(diffusers.DDIMScheduler(**_STABLE_DIFFUSION))
    try:
        config = diffusers.DDIMScheduler.load_config(folder, subfolder="scheduler")
        kind = getattr(diffusers, config["_class_name"])
        return noise_schedule(kind.from_config(config))
    except (OSError, KeyError, AttributeError) as error:
        raise InputError(f"generator {name} has no scheduler that can be read: {str(error).splitlines()[0]}") from error
