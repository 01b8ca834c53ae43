"""Random numbers named by what they are for: the same name gives the same numbers, wherever a run was cut."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import torch


def seed_for(*name: object) -> int:
    """A 63-bit seed from the parts of a name, such as ``seed_for(base_seed, "views", step)``."""
    digest = hashlib.sha256("\x1f".join(map(str, name)).encode()).digest()
    return int.from_bytes(digest[:8], "little") >> 1


def generator_for(*name: object) -> torch.Generator:
    """A CPU generator seeded by :func:`seed_for`. Nothing needs saving when a run stops: step k has its own name."""
    import torch

    return torch.Generator().manual_seed(seed_for(*name))
