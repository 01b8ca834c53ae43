"""What stands at the place that a source names: metadata, tars or parquet files, and what beside them is not read."""

from __future__ import annotations

import difflib
import os
import re
from dataclasses import dataclass
from pathlib import Path

from stablerep.errors import InputError

METADATA = ("metadata.csv", "metadata.jsonl")
IMAGES = (
    ".png", ".jpg", ".jpeg", ".jfif", ".webp", ".gif", ".bmp", ".tif", ".tiff", ".avif", ".jp2", ".ppm", ".pgm", ".heic", ".heif", ".jxl",
)  # fmt: skip
PACKED = (".gz", ".tgz", ".bz2", ".xz", ".zst", ".zip", ".7z", ".rar")  # never looked into


@dataclass(frozen=True)
class Found:
    """A source on disk.

    Attributes:
        kind: ``folder`` (metadata beside images), ``tar`` or ``parquet``.
        root: resolved path of the folder, or of the only file.
        files: what is read: metadata files, tars or parquet files, in the order of their names.
        images: loose images below ``root``.
        notes: what is there and not read.
    """

    kind: str
    root: Path
    files: tuple[Path, ...]
    images: tuple[Path, ...] = ()
    notes: tuple[str, ...] = ()


def locate(source: str) -> Found:
    """Look at a path, or at one below the folder named by ``STABLEREP_DATA``. Hidden files and folders do not count.

    Raises:
        InputError: nothing of the name, or nothing in it that can be read; the message says what would be valid.
    """
    if not source.strip():
        raise InputError(_unknown(source))
    try:
        path = Path(source).resolve()
        if not path.exists():
            path = Path(source).expanduser().resolve()
        if not path.exists() and (data := os.environ.get("STABLEREP_DATA")):
            path = (Path(data).expanduser() / source).resolve()
        there = path.exists()
    except (
        OSError,
        RuntimeError,
        ValueError,
    ):  # no possible name: too long, a null character, a home that is not known
        there = False
    if not there:
        raise InputError(_unknown(source))
    if path.is_dir():
        return _in_folder(path, source)
    if path.suffix in (".parquet", ".tar"):
        return Found(path.suffix[1:], path, (path,))
    raise InputError(
        f"{source} is no .parquet or .tar file; for images, give the folder that holds {' or '.join(METADATA)}."
    )


def _in_folder(root: Path, source: str) -> Found:
    by_kind: dict[str, list[Path]] = {"folder": [], "tar": [], "parquet": [], "image": [], "packed": []}
    for folder, folders, names in os.walk(root):
        folders[:] = [name for name in folders if not name.startswith(".")]
        for name in names:
            if name.startswith("."):
                continue
            suffix = os.path.splitext(name)[1].lower()
            kind = "folder" if name in METADATA else "image" if suffix in IMAGES else suffix[1:]
            kind = "packed" if suffix in PACKED else kind
            if kind in by_kind:
                by_kind[kind].append(Path(folder, name))
    images = tuple(sorted(by_kind.pop("image")))
    tars = {path.with_suffix("") for path in by_kind["tar"]}
    by_kind["parquet"] = [
        path for path in by_kind["parquet"] if path.with_suffix("") not in tars
    ]  # else a tar's sidecar
    kind = next((kind for kind, files in by_kind.items() if files and kind != "packed"), None)
    if kind is None:
        among = f" ({len(images)} images lie there, but nothing says what they show)" if images else ""
        if packed := by_kind["packed"]:
            among += f" ({len(packed)} packed files lie there, such as {min(packed).relative_to(root)}; unpack them)"
        raise InputError(f"{source} holds neither {' nor '.join(METADATA)} nor any .parquet or .tar file{among}.")
    notes = [
        f"{len(files)} {other} files below {root.name} are not read, such as {min(files).relative_to(root)}."
        for other, files in by_kind.items()
        if other != kind and files
    ]
    if kind != "folder" and images:
        notes.append(
            f"{len(images)} loose images below {root.name} are not read, such as {images[0].relative_to(root)}."
        )
    return Found(kind, root, tuple(sorted(by_kind[kind])), images, tuple(notes))


def short_name(*parts: str) -> str:
    """A name for titles and files, made of letters, digits, dots and hyphens."""
    return re.sub(r"[^\w.]+", "-", "-".join(part for part in parts if part)).strip("-") or "images"


def _unknown(source: str) -> str:
    data = Path(os.environ.get("STABLEREP_DATA") or os.devnull)
    there = sorted(p.name for p in data.iterdir() if p.is_dir()) if data.is_dir() else []
    try:
        parent = Path(source).parent
        beside = sorted(str(parent / p.name) for p in parent.iterdir()) if parent.is_dir() else []
    except (OSError, ValueError):
        beside = []
    near = difflib.get_close_matches(source, ["emoji", "clip-art", *there, *beside], n=1)
    return (
        f"unknown source {source!r}{f' (did you mean {near[0]!r}?)' if near else ''}; valid are emoji, clip-art, a folder of "
        f"images with {' or '.join(METADATA)}, a .parquet file or a folder of them, a folder of .tar shards, and hub:owner/name"
        f"{'; STABLEREP_DATA holds ' + ', '.join(there) if there else ''}."
    )
