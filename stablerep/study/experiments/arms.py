"""The arms of a comparison: a method and the images it learns from."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True)
class Arm:
    """One row of a comparison.

    Attributes:
        method: a name in :data:`stablerep.methods.METHODS`, or ``random`` for the untrained encoder.
        images: ``real`` (one image of each caption), ``designs`` (every design of a caption) or ``synthetic``.
        stored: synthetic images per caption that it may use; None means all l.
    """

    name: str
    method: str
    images: str
    stored: int | None = None


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


def possible_arms(designs: Sequence[str], names: Sequence[str] = ()) -> list[Arm]:
    """All arms, or those of some ``names``, without those that need several designs where a corpus has none."""
    wanted = [arm(name) for name in names] if names else ARMS
    return [one for one in wanted if one.images != "designs" or len(designs) > 1]


def left_out_sentence(designs: Sequence[str], names: Sequence[str] = ()) -> str:
    """Which arms a corpus cannot have, and why; empty when it can have all."""
    there = possible_arms(designs, names)
    missing = [one.name for one in (possible_arms(("", "."), names)) if one not in there]
    return (
        f"This corpus has one image of each caption, not several designs, so {' and '.join(missing)} is left out."
        if missing
        else ""
    )
