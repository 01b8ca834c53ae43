"""What names a corpus: a hash of its files and of the options that shape its table, never a path or a time."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable
from dataclasses import asdict
from pathlib import Path

import numpy as np

from stablerep.corpus.options import Options

WHOLE_FILE = 64 << 20  # bytes; of a larger file samples are hashed
END = 1 << 20  # bytes at the start and at the end of a large file
BLOCKS, BLOCK = 62, 64 << 10  # evenly spaced between them


def content_hash(path: Path) -> str:
    """SHA-256 of a file's bytes; of a file above 64 MiB, of samples: a thousand shards of 1 GiB take seconds.

    The samples are the size, the first and the last MiB (where a tar has its first member and a parquet file its footer) and 62
    evenly spaced blocks of 64 KiB. A change between them that keeps the size goes unseen: a parquet file or a tar that was
    written anew practically always changes its size or its ends, a single pixel altered in place does not.
    """
    size = path.stat().st_size
    with open(path, "rb") as file:
        if size <= WHOLE_FILE:
            return hashlib.file_digest(file, "sha256").hexdigest()
        digest = hashlib.sha256(str(size).encode())
        blocks = np.linspace(END, size - END - BLOCK, BLOCKS).astype(np.int64).tolist()
        for start, length in [(0, END), *((start, BLOCK) for start in blocks), (size - END, END)]:
            file.seek(start)
            digest.update(file.read(length))
        return digest.hexdigest()


def fingerprint(files: Iterable[tuple[str, str]], options: Options) -> str:
    """Hash of the options that shape a table and of ``files``: pairs of a name inside the source and a content hash."""
    shape = {name: value for name, value in asdict(options).items() if name not in ("part", "check")}
    text = json.dumps([shape, sorted(files)])
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()[:16]


def short_hash(text: str) -> int:
    """A whole number from 0 to 2**32 - 1 that depends on ``text`` alone."""
    return int.from_bytes(hashlib.sha256(text.encode("utf-8", "surrogatepass")).digest()[:4])
