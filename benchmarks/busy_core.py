"""What a busy core costs a training on two threads, in one run: views in a second, and their ratio.

    python benchmarks/busy_core.py [--steps 60] [--repetitions 5] [--views 128]

A SimCLR pre-training takes turns by itself and beside a process that never rests and is kept on the first of the processor's cores. Threads
that wait for each other in a loop lose two thirds of their speed then; :mod:`stablerep` has them sleep (``OMP_WAIT_POLICY``). Of a turn the
median step counts. The ratio is of neighbouring turns: median, least and greatest.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager

import stablerep  # first: OpenMP reads its settings when torch is loaded # isort: skip

import numpy as np
import torch
from pretraining_against_lightly import ours

from stablerep.encoders import EncoderRecipe
from stablerep.study.experiments.study import Study
from stablerep.training import PretrainingRecipe


@contextmanager
def busy_core() -> Iterator[None]:
    """A process that never rests on the first core that this one may use."""
    first = min(os.sched_getaffinity(0))
    code = f"import os; os.sched_setaffinity(0, {{{first}}})\nwhile True: pass"
    process = subprocess.Popen([sys.executable, "-c", code])
    try:
        yield
    finally:
        process.kill()
        process.wait()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--steps", type=int, default=60)
    parser.add_argument("--repetitions", type=int, default=5)
    parser.add_argument("--views", type=int, default=128)
    given = parser.parse_args()
    torch.set_num_threads(2)
    study = Study()
    images = study.real_images(study.captions()).load()
    recipe = PretrainingRecipe(
        method="simclr", steps=given.steps, views_per_step=given.views, head_statistics="per-view",
        encoder=EncoderRecipe(name="test_resnet", stem="published", image_size=study.size),
    )  # fmt: skip
    alone, beside = [], []
    for turn in range(given.repetitions):
        alone.append(given.views / ours(images, recipe))
        with busy_core():
            beside.append(given.views / ours(images, recipe))
        print(f"turn {turn + 1}: alone {alone[-1]:,.0f} views/s, beside a busy core {beside[-1]:,.0f}", flush=True)
    ratios = np.array(beside) / np.array(alone)
    waits = os.environ["OMP_WAIT_POLICY"]
    print(f"stablerep {stablerep.__version__}, OMP_WAIT_POLICY={waits}, two threads, {given.views} views a step")
    print(f"beside a busy core {np.median(ratios):.2f} of the speed ({ratios.min():.2f} to {ratios.max():.2f})")


if __name__ == "__main__":
    main()
