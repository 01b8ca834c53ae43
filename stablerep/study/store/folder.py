"""What one run's folder holds: its identity, its record ``run.json``, and the attempts that filled it."""

from __future__ import annotations

import fnmatch
import hashlib
import json
import math
import os
import re
import shutil
import time
from collections.abc import Callable
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path, PurePath

from stablerep.checkpoint import written_aside
from stablerep.errors import InputError
from stablerep.study.store.provenance import gather, hash_file, peak_memory_bytes

RECORD = "run.json"
_ATTEMPTS = ".attempts.json"
_STEP = re.compile(r"[a-z][a-z0-9_-]*")
IDENTITY = ("step", "version", "parameters", "inputs", "code")  # what names a run
_FIELDS = {"key", "step", "version", "parameters", "inputs", "summary", "files", "provenance"}


def identify(step: str, version: int, parameters: dict, inputs: dict[str, str], code: str | None = None) -> dict:
    """``key``, ``step``, ``version``, ``parameters``, ``inputs`` and ``code`` in their one canonical form.

    ``code`` is the hash of the code that the run can call (:mod:`stablerep.study.store.code`), of steps that have any.
    Raises ``ValueError`` naming what JSON does not have, or what cannot name a run.
    """
    if not isinstance(step, str) or not _STEP.fullmatch(step):
        raise ValueError(f"step is {step!r}; it must be a lower-case letter, then such letters, digits, '-' and '_'.")
    if not isinstance(version, int) or isinstance(version, bool) or version < 0:
        raise ValueError(f"version is {version!r}; it must be an integer of 0 or more.")
    whole = {"step": step, "version": version}
    whole |= {"parameters": plain(parameters, "parameter"), "inputs": plain(inputs, "input")}
    for name, value in inputs.items():
        if not isinstance(value, str) or not value:
            raise ValueError(f"input {name!r} is {value!r}; it must be the hash or the key of what the step reads.")
    if code:
        whole["code"] = code
    text = json.dumps(whole, sort_keys=True, separators=(",", ":"), allow_nan=False)
    return {"key": f"{step}-{hashlib.sha256(text.encode()).hexdigest()[:16]}", **whole}


def plain(value: object, kind: str, place: str = "", *, scalars: bool = False) -> object:
    """``value`` as JSON gives it back: lists for tuples, and 2 for 2.0, which JSON does not tell apart reliably.

    ``scalars`` takes numbers of NumPy and tensors without dimensions for Python's. Raises ``ValueError`` for a value
    that JSON does not have, or a name that is no text, called by ``kind`` and ``place``: ``parameter 'views.crop[0]'``.
    """
    if scalars and getattr(value, "ndim", None) == 0 and hasattr(value, "item"):
        value = value.item()
    if value is None or isinstance(value, (bool, str)):
        return value
    if isinstance(value, int):
        return int(value)  # of an enumeration, its number
    if isinstance(value, float) and math.isfinite(value):
        return int(value) if value.is_integer() and abs(value) <= 2**53 else float(value)
    if isinstance(value, (list, tuple)):
        return [plain(item, kind, f"{place}[{i}]", scalars=scalars) for i, item in enumerate(value)]
    if isinstance(value, dict):
        for name in value:
            if not isinstance(name, str):
                where = f"{kind} {place!r} holds" if place else f"a {kind} has"
                raise InputError(f"{where} the name {name!r}; names must be text.")
        return {name: plain(item, kind, f"{place}.{name}".lstrip("."), scalars=scalars) for name, item in value.items()}
    valid = "text, a finite number, a truth value, None, a list or a dictionary"
    raise InputError(f"{kind} {place!r} is {value!r}; it must be {valid}.")


def read_record(folder: Path, key: str) -> dict | None:
    """The content of ``run.json`` if it is that of ``key`` and its parameters still give that key; else None."""
    try:
        info = json.loads((folder / RECORD).read_text())
        whole = _FIELDS <= info.keys() and all({"sha256", "size"} <= entry.keys() for entry in info["files"].values())
        named = whole and identify(*(info.get(name) for name in IDENTITY))["key"]
    except (OSError, ValueError, AttributeError):
        return None
    return info if named and named == info["key"] == key else None


def damaged_files(folder: Path, files: dict[str, dict], *, by_content: bool) -> dict[str, str]:
    """A sentence for each file that is missing or altered, by size alone or ``by_content``."""
    found = {}
    for name, entry in files.items():
        path = folder / name
        if not path.is_file():
            found[name] = f"{name} is missing."
        elif (size := path.stat().st_size) != entry["size"]:
            found[name] = f"{name} was altered: it has {size} bytes, not {entry['size']}."
        elif by_content and hash_file(path) != entry["sha256"]:
            found[name] = f"{name} was altered: its checksum is not the recorded one."
    return found


def file_names(folder: Path) -> list[str]:
    """Files and links under a folder, sorted, as POSIX paths relative to it."""
    paths = (Path(top, name) for top, folders, files in os.walk(folder) for name in files + folders)
    return sorted(p.relative_to(folder).as_posix() for p in paths if p.is_symlink() or not p.is_dir())


def file_stats(folder: Path) -> list[os.stat_result]:
    """What the system knows of each file under a folder, which a process may be changing at this moment."""
    found = []
    for name in file_names(folder):
        with suppress(FileNotFoundError):
            found.append((folder / name).lstat())
    return found


def serves_resume(name: str) -> bool:
    """Whether a file is of use only to an attempt that goes on: hidden, in a hidden folder, or ``checkpoint*.pt``."""
    parts = PurePath(name).parts
    return any(part.startswith(".") for part in parts) or fnmatch.fnmatchcase(parts[-1], "checkpoint*.pt")


def drop_resume_files(folder: Path) -> None:
    """Delete what :func:`serves_resume`, and the folders that stay empty."""
    for name in filter(serves_resume, file_names(folder)):
        (folder / name).unlink()
    for top, _, _ in os.walk(folder, topdown=False):
        with suppress(OSError):  # not empty
            os.rmdir(top)


def working_folder(final: Path, partial: Path) -> Path:
    """The folder of a run to be computed. A damaged run is moved there; only its altered files are made again."""
    if final.is_dir() and not partial.exists() and (info := read_record(final, final.name)):
        partial.parent.mkdir(exist_ok=True)
        os.replace(final, partial)
        for name in damaged_files(partial, info["files"], by_content=True):
            (partial / name).unlink(missing_ok=True)
    elif final.is_dir():
        shutil.rmtree(final)
    partial.mkdir(parents=True, exist_ok=True)
    return partial


def fill(folder: Path, identity: dict, compute: Callable[[Path], dict | None], about: dict) -> None:
    """Let ``compute`` fill the folder, then record it: every byte is on disk before ``run.json`` appears.

    ``about`` goes into the record's provenance; ``compute`` may still add to it. Raises ``ValueError`` when the summary
    is not a dictionary of JSON values, or the step wrote ``run.json`` or a link.
    """
    attempts = [*read_attempts(folder), {"began": time.time(), "seconds": None}]
    write_json(folder / _ATTEMPTS, attempts)
    clock = time.monotonic()
    try:
        summary = compute(folder)
    finally:
        attempts[-1] |= {"seconds": time.monotonic() - clock, "peak_memory_bytes": peak_memory_bytes()}
        with suppress(OSError):  # a full disk must not hide why the computation ended
            write_json(folder / _ATTEMPTS, attempts)
    what = f"step {identity['step']!r}"
    if not isinstance(summary, dict | None):
        raise InputError(f"{what} returned {summary!r}; it must return a dictionary or None.")
    provenance = gather() | about
    provenance |= {
        "created": datetime.now(UTC).isoformat(timespec="seconds"),
        "seconds": round(sum(attempt["seconds"] for attempt in attempts), 3),
        "attempts": len(attempts),
        "peak_memory_bytes": max(attempt.get("peak_memory_bytes", 0) for attempt in attempts),
    }
    record = {
        "summary": plain(summary or {}, f"{what}: summary value", scalars=True),
        "files": {name: _kept(folder, name, what) for name in file_names(folder) if not serves_resume(name)},
        "provenance": provenance,
    }
    write_json(folder / RECORD, identity | record)


def _kept(folder: Path, name: str, what: str) -> dict:
    """The entry of one file in the record, once it is on disk."""
    path = folder / name
    if name == RECORD or path.is_symlink():
        raise InputError(f"{what} wrote {name}; a run holds plain files, and {RECORD} is written by the store.")
    sync(path)
    return {"sha256": hash_file(path), "size": path.stat().st_size}


def read_attempts(folder: Path) -> list[dict]:
    """Attempts at a run that is not complete. One that was killed lasted until its last file was written."""
    try:
        attempts = json.loads((folder / _ATTEMPTS).read_text())
    except (OSError, ValueError):
        return []
    for attempt in attempts:
        if attempt["seconds"] is None:
            written = [stat.st_mtime for stat in file_stats(folder)]
            attempt["seconds"] = max(0.0, max(written, default=0.0) - attempt["began"])
    return attempts


def sync(path: Path) -> None:
    """Have the system write a file, or the entries of a folder, to the disk now."""
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def write_json(path: Path, content: object) -> None:
    """A file of JSON, whole or not at all."""
    with written_aside(path) as aside:
        aside.write_text(json.dumps(content, indent=1, allow_nan=False) + "\n")
