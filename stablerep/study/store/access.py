"""Writing in a store: one process computes or removes a run at a time, and a sentence says why the system refuses."""

from __future__ import annotations

import errno
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from filelock import FileLock, Timeout

from stablerep.errors import FailedError, StorageError


class BusyError(FailedError):
    """Another process is computing a run."""


_FULL = (errno.ENOSPC, errno.EDQUOT)
_REMEDIES = {
    **dict.fromkeys(_FULL, "free some space"),
    **dict.fromkeys((errno.EACCES, errno.EPERM, errno.EROFS), "change its permissions"),
    errno.ENOTDIR: "move the file in which it lies",
}


@contextmanager
def writing(root: Path, key: str, *, wait: bool = True) -> Iterator[None]:
    """Hold a run's lock, which the system frees when the process dies.

    Raises:
        StorageError: the store in ``root`` is full or closed, where the system would name a file in it.
        BusyError: another process has the lock, and one is not to ``wait`` for it.
    """
    try:
        with _locked(root, key, wait):
            yield
    except OSError as error:
        if isinstance(error.filename, str):
            ours = Path(error.filename).absolute().is_relative_to(root)
        else:
            ours = error.errno in _FULL
        if not ours or error.errno not in _REMEDIES:
            raise
        raise StorageError(
            f"the run store {root} cannot be written ({error.strerror}): {_REMEDIES[error.errno]} "
            "or set STABLEREP_RUNS to another folder."
        ) from error


@contextmanager
def _locked(root: Path, key: str, wait: bool) -> Iterator[None]:
    folder = root / ".locks"
    folder.mkdir(parents=True, exist_ok=True)
    lock = FileLock(folder / f"{key}.lock")
    try:
        held = lock.acquire(timeout=0)
    except Timeout:
        if not wait:
            raise BusyError(f"run {key} is being computed by another process; stop that process first.") from None
        print(f"waiting for another process that is computing {key}", flush=True)
        held = lock.acquire(poll_interval=0.5)
    with held:
        yield
