"""Synthesis as the study does it against the pipeline as the authors of StableRep call it, in one run: images a second, and how far images are apart.

    python benchmarks/synthesis_speed.py [--captions 16] [--images-per-caption 8] [--repetitions 5] [--interval 0.28 5.42]

The embedded generator draws the same captions from the same noise in the same batches, on one thread:

- the authors' way: DDIM, 50 steps, the pipeline of diffusers called with the prompts of each batch (Tian et al. 2023);
- ours: DPM-Solver++, 12 steps, each caption embedded once;
- ours with guidance in an interval of noise levels alone (Kynkäänniemi et al. 2024), by default theirs for Stable Diffusion XL.

They take turns, and every repetition begins without embeddings. Ratios are of neighbours within a repetition: median, least and
greatest. Speed is not bought blindly: the mean absolute difference to 50 steps of the same sampler and guidance says what the fewer steps
cost, that to 50 steps of DPM-Solver++ guided everywhere what sampler and interval change on top.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pandas as pd
import torch

from stablerep.generator import Generator, Sampling, load_generator
from stablerep.generator.schedulers import guided_steps, new_scheduler
from stablerep.study.experiments.study import Study
from stablerep.synthesis import SynthesisPlan

MANY = 50  # steps


def ours(generator: Generator, plan: SynthesisPlan, sampling: Sampling) -> torch.Tensor:
    """uint8 [N, 3, H, W] of a plan's captions, no caption being embedded yet."""
    generator.embeddings.kept.clear()
    return torch.cat([generator.sample(captions, names, sampling)[0] for captions, names in batches(plan)])


def theirs(generator: Generator, plan: SynthesisPlan, sampling: Sampling) -> torch.Tensor:
    """The same by calls with prompts."""
    pipeline = generator.pipeline
    pipeline.scheduler = new_scheduler(sampling.sampler, generator.schedule)
    images = []
    for captions, names in batches(plan):
        out = pipeline(
            prompt=captions, num_inference_steps=sampling.steps, guidance_scale=sampling.guidance_scale,
            latents=generator.noise(names), output_type="pt",
        )  # fmt: skip
        images.append(out.images.clamp(0, 1).mul(255).round().byte())
    return torch.cat(images)


def batches(plan: SynthesisPlan) -> list[tuple[list[str], list[tuple]]]:
    """Captions and noise names of every call of the generator."""
    found = []
    for batch in (batch for shard in range(plan.shards) for batch in plan.batches(shard)):
        captions = [plan.caption(c) for c, _ in batch.items]
        found.append((captions, [(plan.seed, caption, i) for caption, (_, i) in zip(captions, batch.items)]))
    return found


def timed(work: Callable[[], torch.Tensor]) -> tuple[float, torch.Tensor]:
    began = time.perf_counter()
    images = work()
    return time.perf_counter() - began, images


def ratio(base: list[float], others: list[float]) -> str:
    """Of seconds in the same repetitions: median (least to greatest)."""
    found = np.array(base) / np.array(others)
    return f"{np.median(found):.2f} ({found.min():.2f} to {found.max():.2f})"


def apart(images: torch.Tensor, others: torch.Tensor) -> float:
    """Mean absolute difference in grey levels."""
    return (images.int() - others.int()).abs().float().mean().item()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--captions", type=int, default=16)
    parser.add_argument("--images-per-caption", type=int, default=8)
    parser.add_argument("--batch-size", type=int, default=64)
    parser.add_argument("--repetitions", type=int, default=5)
    parser.add_argument("--guidance-scale", type=float, default=2.0)
    parser.add_argument("--steps", type=int, default=12, help="ours; the authors' way has 50")
    parser.add_argument("--interval", type=float, nargs=2, default=(0.28, 5.42), metavar=("LOW", "HIGH"))
    options = parser.parse_args()
    torch.set_num_threads(1)
    generator = load_generator("emoji", device="cpu", precision="float32")
    captions = Study().captions(options.captions).texts
    plan = SynthesisPlan(captions, images_per_caption=options.images_per_caption, batch_size=options.batch_size)
    everywhere = Sampling(options.guidance_scale, options.steps, "dpm++")
    ways = {
        "DDIM, prompts": (theirs, replace(everywhere, steps=MANY, sampler="ddim")),
        "DPM-Solver++": (ours, everywhere),
        "DPM-Solver++, interval": (ours, replace(everywhere, guidance_interval=tuple(options.interval))),
    }
    for way, sampling in ways.values():  # the first call of a process is slower
        way(generator, plan, replace(sampling, steps=2))
    seconds, images = {name: [] for name in ways}, {}
    for _ in range(options.repetitions):
        for name, (way, sampling) in ways.items():
            took, images[name] = timed(lambda: way(generator, plan, sampling))
            seconds[name].append(took)
    exact = {
        name: images[name] if sampling.steps == MANY else way(generator, plan, replace(sampling, steps=MANY))
        for name, (way, sampling) in ways.items()
    }
    authors, plain = list(ways)[:2]
    rows = {
        name: {
            "passes": sampling.steps + sum(guided_steps(sampling, generator.schedule)),
            "images/s": f"{plan.total / np.median(seconds[name]):.1f}",
            f"times {authors}": ratio(seconds[authors], seconds[name]),
            f"times {plain}": ratio(seconds[plain], seconds[name]),
            f"grey levels from {MANY} steps": f"{apart(images[name], exact[name]):.2f}",
            f"from {MANY} of {plain}": f"{apart(images[name], exact[plain]):.2f}",
        }
        for name, (_, sampling) in ways.items()
    }
    print(
        f"{plan.total} images, batches of {plan.batch_size}, w = {options.guidance_scale:g}, {options.repetitions} repetitions"
    )
    print(pd.DataFrame(rows).T.to_string())


if __name__ == "__main__":
    main()
