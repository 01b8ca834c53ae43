"""Files that are whole or absent: written aside and renamed; read without unpickling code."""

from __future__ import annotations

import errno
import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING

from stablerep.errors import StorageError

if TYPE_CHECKING:
    import pandas as pd

REMEDIES = {
    errno.ENOSPC: "free some space", errno.EDQUOT: "free some space", errno.EROFS: "the disk is read-only",
    errno.EACCES: "change its permissions", errno.EPERM: "change its permissions", errno.ENOTDIR: "a part of the path is a file",
    errno.EEXIST: "a part of the path is a file", errno.EISDIR: "it is a folder", errno.ENAMETOOLONG: "the name is too long",
}  # fmt: skip


@contextmanager
def storing(place: Path) -> Iterator[None]:
    """Say in one sentence why ``place``, a file or folder that is written here, cannot be written.

    Raises:
        StorageError: the system refused ``place``, what lies in it, or a folder above it. Errors about other files stay as they are.
    """
    try:
        yield
    except OSError as error:
        if (
            isinstance(error, StorageError)
            or error.errno not in REMEDIES
            or not _concerns(error, Path(place).absolute())
        ):
            raise
        sentence = f"{place} cannot be written ({error.strerror or os.strerror(error.errno)}): {REMEDIES[error.errno]}, or name another place."
        raise StorageError(sentence, error) from error


def _concerns(error: OSError, place: Path) -> bool:
    """Whether an error is about a place. A write to a full disk names no file."""
    if not isinstance(error.filename, (str, os.PathLike)):
        return error.errno in (errno.ENOSPC, errno.EDQUOT)
    named = Path(error.filename).absolute()
    beside = named.parent == place.parent and named.name.startswith(f".{place.name}.")
    return beside or named.is_relative_to(place) or place.is_relative_to(named)


@contextmanager
def written_aside(path: Path) -> Iterator[Path]:
    """Yield a temporary path beside ``path``; rename it to ``path`` when the block ends well, else remove it.

    Raises:
        StorageError: as :func:`storing` does.
    """
    path = Path(path)
    aside = path.with_name(f".{path.name}.{os.getpid()}.part")
    with storing(path):
        path.parent.mkdir(parents=True, exist_ok=True)
        try:
            yield aside
            with open(aside, "rb") as file:
                os.fsync(file.fileno())
            aside.replace(path)
        finally:
            with suppress(OSError):
                aside.unlink(missing_ok=True)


def save_weights(path: Path, weights: dict) -> None:
    """Write named tensors as safetensors, whole or not at all. Raises ``StorageError`` when the disk is full, as every other writer does."""
    from safetensors import SafetensorError
    from safetensors.torch import save_file

    with written_aside(path) as aside:
        try:
            save_file(weights, aside)
        except SafetensorError as error:
            if "No space left" in str(error):
                raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), str(path)) from error
            raise


def save_table(path: Path, table: pd.DataFrame) -> None:
    """Write a table as parquet, whole or not at all. The file is opened here: pandas takes some names of folders for addresses."""
    with written_aside(path) as aside, open(aside, "wb") as file:
        table.to_parquet(file, index=False)


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
