"""Peak memory of a process that takes one StableRep step, plain and with gradient caching, for growing batches.

    python benchmarks/gradient_caching_memory.py [--chunk 64] [--views 128 256 512 1024] [--encoder resnet10t]

Every step runs in a process of its own, whose peak is what the operating system counted; a process that loads everything and takes a step of one
chunk is the base that is subtracted.
"""

from __future__ import annotations

import argparse
import subprocess
import sys

STEP = """
import resource, sys
import torch
from stablerep.encoders import EncoderRecipe
from stablerep.methods.base import Batch
from stablerep.methods.contrastive import Contrastive
from stablerep.training.gradient_caching import cached_backward
encoder, views, chunk = sys.argv[1], int(sys.argv[2]), int(sys.argv[3])
torch.manual_seed(0)
model = Contrastive(EncoderRecipe(name=encoder, stem="published")).train()
ids = torch.arange(views // 4).repeat(4)
images = torch.rand(views, 3, 32, 32)
batch = Batch(images, ids)
if chunk:
    cached_backward(model.backbone, images, lambda f: model.features_loss(f, batch), chunk=chunk)
else:
    model.features_loss(model.backbone(images), batch).backward()
print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024)
"""


def peak(encoder: str, views: int, chunk: int) -> float:
    """Peak resident memory in MiB (on Linux, where the unit is KiB) of a process with one step."""
    done = subprocess.run(
        [sys.executable, "-c", STEP, encoder, str(views), str(chunk)], stdout=subprocess.PIPE, text=True, check=True
    )
    return float(done.stdout)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--chunk", type=int, default=64)
    parser.add_argument("--views", type=int, nargs="+", default=[128, 256, 512, 1024, 2048])
    parser.add_argument("--encoder", default="resnet10t")
    options = parser.parse_args()
    base = peak(options.encoder, options.chunk, 0)
    print(
        f"base: {base:.0f} MiB, a plain step of {options.chunk} views\n{'views':>6} {'plain':>8} {'cached':>8}   MiB above the base",
        flush=True,
    )
    for views in options.views:
        plain, cached = (peak(options.encoder, views, chunk) - base for chunk in (0, options.chunk))
        print(f"{views:6d} {plain:8.0f} {cached:8.0f}", flush=True)


if __name__ == "__main__":
    main()
