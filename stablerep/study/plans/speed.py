"""How fast this machine is, by a second of training: the rates of steps were measured on another, or on this one with less to do."""

from __future__ import annotations

import functools
from itertools import pairwise

# passes a second of the network below on the machine on which the rates of steps were measured, with nothing else to do
NOMINAL = 7.8
_IMAGES, _SIDE, _CHANNELS = 128, 16, (3, 32, 64, 96)


@functools.cache
def measure_speed(seconds: float = 1.0, *, threads: int | None = None) -> float:
    """How many times as fast as the machine of the rates this one trains now, a GPU where there is one: passes forward and back of a small
    convolutional network, by their median, with torch's own number of threads where none is given. Measured once in a process."""
    import torch
    from torch import nn
    from torch.utils.benchmark import Timer

    device = "cuda" if torch.cuda.is_available() else "cpu"
    parts = [
        nn.Sequential(nn.Conv2d(before, after, 3, padding=1), nn.BatchNorm2d(after), nn.ReLU())
        for before, after in pairwise(_CHANNELS)
    ]
    with torch.random.fork_rng():
        network, images = nn.Sequential(*parts).to(device), torch.rand(_IMAGES, 3, _SIDE, _SIDE, device=device)
    timer = Timer(
        "network(images).mean().backward()",
        globals={"network": network, "images": images},
        num_threads=threads or torch.get_num_threads(),
    )
    return 1 / timer.blocked_autorange(min_run_time=seconds).median / NOMINAL
