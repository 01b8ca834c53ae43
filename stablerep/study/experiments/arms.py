"""The arms of a comparison: a method and the images it learns from."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Arm:
    """One row of a comparison."""

    name: str
    method: str  # of stablerep.methods.METHODS, or random for the untrained encoder
    images: str  # real (one image of each caption), designs (every design of a caption) or synthetic
    stored: int | None = None  # synthetic images per caption that it may use; None means all l


ARMS = (
    Arm("Random initialization", "random", "real"),
    Arm("SimCLR real", "simclr", "real"),
    Arm("SimCLR synthetic", "simclr", "synthetic", 1),
    Arm("CLIP real", "clip", "real"),
    Arm("CLIP synthetic", "clip", "synthetic", 1),
    Arm("StableRep synthetic", "stablerep", "synthetic"),
    Arm("StableRep+ synthetic", "stablerep+", "synthetic"),
    Arm("StableRep real designs", "stablerep", "designs"),
)


def arm(name: str) -> Arm:
    return next(one for one in ARMS if one.name == name)
