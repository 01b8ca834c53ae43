"""The arms of a comparison: a method and the images it learns from."""

from __future__ import annotations

from dataclasses import dataclass

# What no training makes: an encoder of random weights, and the floors of stablerep.probes.floors, by name: to read results needs no torch.
UNTRAINED = ("random", "pixels", "gradients")


@dataclass(frozen=True)
class Arm:
    """One row of a comparison."""

    name: str
    method: str  # of stablerep.methods.METHODS, or one of UNTRAINED
    images: str  # real (one of each caption), reconstructed (those through the generator's autoencoder), designs (every
    # design of a caption) or synthetic
    stored: int | None = None  # synthetic images per caption that it may use; None means all l
    guidance_scale: float | None = None  # of its synthetic images; None takes that of its method
    redrawn: bool = False  # synthetic images are made anew at every seed, instead of once for all seeds

    @property
    def trained(self) -> bool:
        return self.method not in UNTRAINED


ARMS = (
    Arm("Raw pixels", "pixels", "real"),
    Arm("Oriented gradients", "gradients", "real"),
    Arm("Random initialization", "random", "real"),
    Arm("SimCLR real", "simclr", "real"),
    Arm("SimCLR reconstructed", "simclr", "reconstructed"),
    Arm("SimCLR synthetic", "simclr", "synthetic", 1),
    Arm("SimCLR synthetic redrawn", "simclr", "synthetic", 1, redrawn=True),
    Arm("SimCLR all synthetic", "simclr", "synthetic"),
    Arm("SimCLR real designs", "simclr", "designs"),
    Arm("CLIP real", "clip", "real"),
    Arm("CLIP synthetic", "clip", "synthetic", 1),
    Arm("CLIP all synthetic", "clip", "synthetic"),
    Arm("CLIP real designs", "clip", "designs"),
    Arm("StableRep synthetic", "stablerep", "synthetic"),
    Arm("StableRep synthetic redrawn", "stablerep", "synthetic", redrawn=True),
    Arm("StableRep+ synthetic", "stablerep+", "synthetic"),
    Arm("StableRep real designs", "stablerep", "designs"),
    Arm("Supervised real designs", "supervised", "designs"),
)


FLOOR_ARMS = tuple(one.name for one in ARMS if not one.trained)


def arm(name: str) -> Arm:
    return next(one for one in ARMS if one.name == name)
