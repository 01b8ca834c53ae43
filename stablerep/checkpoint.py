"""Files that are whole or absent: written aside and renamed; read without unpickling code."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


@contextmanager
def written_aside(path: Path) -> Iterator[Path]:
    """Yield a temporary path beside ``path``; rename it to ``path`` when the block ends well, else remove it."""
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    aside = path.with_name(f".{path.name}.{os.getpid()}.part")
    try:
        yield aside
        with open(aside, "rb") as file:
            os.fsync(file.fileno())
        aside.replace(path)
    finally:
        aside.unlink(missing_ok=True)


def save_weights(path: Path, weights: dict) -> None:
    """Write named tensors as safetensors, whole or not at all. Raises ``OSError`` when the disk is full, as every other writer does."""
    import errno

    from safetensors import SafetensorError
    from safetensors.torch import save_file

    try:
        with written_aside(path) as aside:
            save_file(weights, aside)
    except SafetensorError as error:
        if "No space left" in str(error):
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), str(path)) from error
        raise


def save_checkpoint(path: Path, state: dict) -> None:
    """Write a training state (nested dictionaries of tensors and numbers) so that a reader sees all of it or none."""
    import torch

    with written_aside(path) as aside:
        torch.save(state, aside)


def load_checkpoint(path: Path) -> dict | None:
    """Read a training state, or None when there is none or it is damaged. Only tensors and plain types are loaded."""
    import pickle
    import zipfile

    import torch

    if not Path(path).exists():
        return None
    try:
        return torch.load(path, map_location="cpu", weights_only=True)
    except (RuntimeError, EOFError, zipfile.BadZipFile, pickle.UnpicklingError):
        return None
