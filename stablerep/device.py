"""Where numbers are computed, and how precisely: the GPU when there is one, half precision where it pays."""

from __future__ import annotations

HALF_FROM = 64  # pixels a side


def default_device() -> str:
    """``cuda`` when there is a GPU, else ``cpu``."""
    import torch

    return "cuda" if torch.cuda.is_available() else "cpu"


def training_precision(image_size: int) -> str:
    """``bf16`` or ``no``, as Accelerate names what is computed in half precision, of images of so many pixels a side.

    Half precision pays on a GPU that is busy. At 32 pixels the GPU waits for its next small task, and the casts only add tasks;
    so small images are learned from in float32 on every device, and a GPU repeats a CPU's training but for rounding (of convolutions on recent
    GPUs to ten binary digits, as cuDNN does it unless told otherwise).
    """
    return "bf16" if image_size >= HALF_FROM and default_device() == "cuda" else "no"
