"""Where a result came from: versions, commit, device, memory, and hashes of files and code.

Nothing here names a person or a machine: no paths, users, hosts or environment variables. It can be published.
"""

from __future__ import annotations

import hashlib
import importlib.metadata
import os
import platform
import subprocess
import sys
from pathlib import Path

import stablerep
from stablerep.study.root import PROJECT

PACKAGES = (
    "torch", "torchvision", "timm", "diffusers", "transformers", "accelerate", "papermill", "jupyter-book", "numpy",
    "pandas", "scikit-learn", "resvg-py",
)  # fmt: skip


def gather() -> dict:
    """The circumstances of a computation, as plain JSON values. Torch is asked only where it is loaded."""
    return {
        "stablerep": stablerep.__version__,
        "git": git_state(PROJECT),
        "python": platform.python_version(),
        "platform": " ".join([platform.system(), platform.machine(), *filter(None, platform.libc_ver())]),
        "device": device_name(),
        "threads": thread_count(),
        "packages": {name: installed_version(name) for name in PACKAGES},
    }


def installed_version(name: str) -> str | None:
    """Version of an installed distribution, or None."""
    try:
        return importlib.metadata.version(name)
    except importlib.metadata.PackageNotFoundError:
        return None


def git_state(folder: Path, *, without: str = "") -> dict | None:
    """``{"commit": ..., "dirty": ...}`` of the checkout whose top is ``folder``; None without checkout, commit or git.

    A checkout is dirty when a tracked file differs from the commit or a file is neither tracked nor ignored. What lies
    in the folder ``without`` does not count.
    """
    if not (Path(folder) / ".git").exists():
        return None  # an installed copy may lie inside somebody else's checkout
    # A git hook sets GIT_DIR and its kin for a repository that need not be this one.
    environment = {name: value for name, value in os.environ.items() if not name.startswith("GIT_")}
    # Without the optional lock a status never disturbs a commit made at the same moment.
    git = ["git", "--no-optional-locks", "-C", str(folder)]
    how = dict(env=environment, capture_output=True, text=True, timeout=30, check=True)
    try:
        commit = subprocess.run([*git, "rev-parse", "HEAD"], **how).stdout.strip()
        changed = subprocess.run(
            [*git, "status", "--porcelain", "--", ".", *([f":(exclude){without}"] if without else [])], **how
        ).stdout.strip()
    except (OSError, subprocess.SubprocessError):
        return None
    return {"commit": commit, "dirty": bool(changed)}


def device_name() -> str:
    """The accelerator's name where a loaded torch has one, else the model of the processor."""
    torch = sys.modules.get("torch")
    if torch is not None and torch.cuda.is_available():
        return torch.cuda.get_device_name()
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        lines = []
    models = [line.split(":", 1)[1].strip() for line in lines if line.startswith("model name")]
    return models[0] if models else platform.processor() or platform.machine()


def thread_count() -> int:
    """Threads that one operation of a loaded torch uses, else the processors this process may run on."""
    torch = sys.modules.get("torch")
    if torch is not None:
        return torch.get_num_threads()
    return processors()


def processors() -> int:
    """How many processors this process may run on."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def peak_memory_bytes() -> int:
    """Largest resident memory of this process since it started, in bytes. Worker processes are not counted."""
    import resource

    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak if sys.platform == "darwin" else peak * 1024  # macOS counts bytes, Linux KiB


def hash_file(path: Path | str) -> str:
    """SHA-256 of a file's bytes, 64 hexadecimal digits, in constant memory."""
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
