"""What a run will cost before it exists: seconds, memory and disk, from earlier runs of the same kind or from rates measured once."""

from __future__ import annotations

import math
import statistics
from dataclasses import dataclass

from stablerep.study.store.runs import RunStore

# Measured on two cores of an Intel Xeon with AVX-512, float32, with the embedded generator and the laptop preset's encoder.
MACHINE_GFLOPS = 338.0  # `stablerep doctor`, float32 matrix product
# What a second does: images through the U-Net (one pass a step, two with guidance), views, generated images that are looked at, images.
RATES = {"synthesis": 460.0, "pretraining": 1200.0, "judgement": 500.0, "reading": 500.0, "reconstruction": 200.0}
SECONDS = {  # whatever the amount
    "evaluation": 9.5, "transfer": 1.5, "diagnostics": 3.0, "judgement": 12.0, "reconstruction": 5.0, "reading": 15.0, "people": 8.0,
    "notebook": 15.0,
}  # fmt: skip
MEMORY = 1.5e9  # bytes of one process that trains or evaluates at the laptop preset
IMAGE_BYTES, WEIGHT_BYTES, TABLE_BYTES = (
    2900,
    40e6,
    2e5,
)  # a stored image of 32 pixels, weights of a pre-training, any other run


@dataclass(frozen=True)
class Cost:
    """``seconds`` of computing, peak ``memory`` of the process and ``disk`` in bytes."""

    seconds: float
    memory: float
    disk: float


def amount(step: str, parameters: dict) -> float:
    """How much of what its rate counts a run has: passes of the U-Net, views, images, or 1."""
    p = parameters
    if step == "synthesis":
        return p["captions"] * p["images_per_caption"] * p["steps"] * (1 if p["guidance_scale"] == 1 else 2)
    if step == "pretraining":
        return p["steps"] * p["views_per_step"]
    if step == "judgement":
        return p["captions"] * p["images_per_caption"] * len(p["guidance_scales"])
    if step == "reading":
        return p["neutral_captions"] * p["images_per_neutral_caption"] * len(p["guidance_scales"])
    return float(p["images"]) if step == "reconstruction" else 1.0


def kind(step: str, parameters: dict, inputs: dict) -> tuple:
    """Runs of one kind cost the same for the same :func:`amount`: one network, one method."""
    if step == "pretraining":
        encoder = parameters["encoder"]
        shape = (
            encoder.get("name"),
            encoder.get("stem"),
            encoder.get("image_size"),
            encoder.get("patch_size"),
            encoder.get("depth"),
        )
        return step, parameters["method"], parameters.get("chunk", 0), *shape
    if step == "synthesis":
        return step, inputs["generator"], parameters["precision"]
    return step, round(math.log2(amount(step, parameters)))  # they have a part that does not grow with the amount


class Costs:
    """Estimates from the complete runs of a store, by their median, else from the rates above times the ``speed`` of this machine.

    Attributes:
        known, unknown: how many estimates came from earlier runs, and from the rates.
    """

    def __init__(self, store: RunStore | None = None, *, speed: float = 1.0) -> None:
        self.speed, self.known, self.unknown = speed, 0, 0
        self.history: dict[tuple, list[Cost]] = {}
        for info in store.records() if store else ():
            made, count = info["provenance"], amount(info["step"], info["parameters"])
            size = sum(file["size"] for file in info["files"].values())
            disk = size / (info["summary"].get("images") or 1) if info["step"] == "synthesis" else size
            self.history.setdefault(kind(info["step"], info["parameters"], info["inputs"]), []).append(
                Cost(made["seconds"] / count, made["peak_memory_bytes"], disk)
            )

    def of(self, step: str, parameters: dict, inputs: dict) -> Cost:
        """What a run would cost."""
        count = amount(step, parameters)
        images = parameters["captions"] * parameters["images_per_caption"] if step == "synthesis" else 1
        if past := self.history.get(kind(step, parameters, inputs)):
            self.known += 1
            seconds, memory, disk = (
                statistics.median(values) for values in zip(*((c.seconds, c.memory, c.disk) for c in past))
            )
            return Cost(count * seconds, memory, images * disk)
        self.unknown += 1
        seconds = SECONDS.get(step, 0.0) + (count / RATES[step] if step in RATES else 0.0)
        disk = {"synthesis": images * IMAGE_BYTES, "pretraining": WEIGHT_BYTES}.get(step, TABLE_BYTES)
        return Cost(seconds / self.speed, MEMORY, disk)


def duration(seconds: float) -> str:
    """``12 s``, ``4.5 min`` or ``3.2 h``."""
    if seconds < 100:
        return f"{max(seconds, 1):.0f} s"
    return f"{seconds / 60:.1f} min" if seconds < 6000 else f"{seconds / 3600:.1f} h"


def size(count: float) -> str:
    """``0.2 MB``, ``1.4 GB``."""
    return f"{count / 1e6:.1f} MB" if count < 1e9 else f"{count / 1e9:.1f} GB"
