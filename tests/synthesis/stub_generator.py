"""A generator without networks for the tests of synthetic sets: images are random numbers named like the noise.

As a program it makes the tests' set in a folder: ``stub_generator.py FOLDER [--stop-after BATCHES]``. It prints ``ready`` and waits
for a line before it starts; with ``--stop-after`` it prints ``stopped`` when it is asked for one batch more and sleeps until it
is killed; at the end it prints how many batches it made.
"""

from __future__ import annotations

import argparse
import signal
import sys
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from stablerep.generator.sampling import Sampling
from stablerep.seeding import seed_for
from stablerep.synthesis import SynthesisPlan, synthesize
from stablerep.tokenizer import Truncation

CAPTIONS = (
    "red heart", "dog face", "pizza", "rose", "owl", "guitar", "house", "airplane", "kiwi fruit", "top hat", "piñata",
)  # fmt: skip
# 11 captions in shards of 4: shards of 12, 12 and 9 images, two batches each
PLAN = SynthesisPlan(CAPTIONS, images_per_caption=3, sampling=Sampling(steps=4), seed=7, batch_size=6, shard_captions=4)
BATCHES = 6


@dataclass
class StubGenerator:
    """Same interface as ``stablerep.generator.Generator``."""

    fingerprint: str = "stub"
    name: str = "stub"
    precision: str = "float32"
    resolution: int = 8
    reads: int = 99
    flagged: Callable[[tuple], bool] = lambda name: False
    before: Callable[[int], None] = lambda number: None  # called with the number of batches made so far
    calls: list = field(default_factory=list)

    def truncated(self, captions) -> Truncation:
        """Captions of more than ``reads`` letters are cut."""
        cut = [caption for caption in captions if len(caption) > self.reads]
        return Truncation(len(cut), (), 0, len(captions), self.reads)

    def sample(self, captions, names, sampling):
        import torch

        self.before(len(self.calls))
        self.calls.append((tuple(captions), tuple(names), sampling))
        size = (3, self.resolution, self.resolution)
        images = [np.random.default_rng(seed_for("stub", *name)).integers(0, 256, size, np.uint8) for name in names]
        return torch.from_numpy(np.stack(images)), [self.flagged(name) for name in names]


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("folder", type=Path)
    parser.add_argument("--stop-after", type=int, default=BATCHES)
    options = parser.parse_args()

    def stop(number: int) -> None:
        if number == options.stop_after:
            print("stopped", flush=True)
            signal.pause()

    import torch  # noqa: F401  so that "ready" means that the work starts at once

    generator = StubGenerator(before=stop)
    print("ready", flush=True)
    sys.stdin.readline()
    synthesize(PLAN, generator, options.folder, progress=False)
    print(len(generator.calls), flush=True)


if __name__ == "__main__":
    main()
