"""A data set on the Hugging Face Hub, read by the optional ``datasets`` library; columns are found as in parquet files."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from stablerep.corpus.captioned import Corpus
from stablerep.corpus.locating import short_name
from stablerep.corpus.options import Options
from stablerep.corpus.parts import BATCH, open_parts
from stablerep.corpus.splits import split_named
from stablerep.errors import InputError

if TYPE_CHECKING:
    import pyarrow as pa


def open_hub(name: str, options: Options) -> Corpus:
    """Open a data set ``owner/name`` or ``owner/name:config`` by the ``datasets`` library.

    Raises ``ValueError`` when ``datasets`` is not installed, and when the data set cannot be found or reached.
    """
    name, _, config = name.partition(":")
    if not name.strip("/"):
        raise InputError("hub: needs the name of a data set, such as hub:owner/name.")
    try:
        import datasets
    except ImportError as error:
        raise InputError(f"hub:{name} needs the package `datasets`; install it with: pip install datasets") from error
    try:
        loaded = datasets.load_dataset(name, config or None)
    # The library raises errors of several others here (HTTP, file system, its own).
    except Exception as error:
        reason = (str(error).strip().splitlines() or [type(error).__name__])[0].rstrip(".")
        raise InputError(
            f"the data set {name!r} could not be opened from the Hub ({reason}); check its name, its config and the network."
        ) from error
    parts = [HubPart(split, data.with_format("arrow")) for split, data in loaded.items()]
    return open_parts(parts, [split_named(part.name) for part in parts], short_name(name, config), options)


@dataclass(frozen=True)
class HubPart:
    """One split of a Hub data set; ``data`` is a ``datasets.Dataset`` that gives Arrow tables."""

    name: str
    data: Any = field(repr=False)

    def __len__(self) -> int:
        return len(self.data)

    def schema(self) -> pa.Schema:
        return self.data.features.arrow_schema

    def columns(self, names: Sequence[str]) -> pa.Table:
        return self.data.select_columns(list(names))[:]

    def batches(self, column: str, wanted: np.ndarray) -> Iterator[tuple[int, pa.Array]]:
        images = self.data.select_columns([column])
        for start in sorted({row - row % BATCH for row in wanted.tolist()}):
            yield start, images[start : start + BATCH].column(0).combine_chunks()

    def image_bytes(self, value: Any) -> bytes | None:
        if not isinstance(value, dict):
            return value
        if value["bytes"] is None and value.get("path"):
            return Path(value["path"]).read_bytes()  # written there by `datasets` when it fetched loose image files
        return value["bytes"]

    def place(self, row: int) -> str:
        return f"{self.name}, row {row + 1}"

    def content(self) -> str:
        """Hash of every value. The fingerprint that ``datasets`` keeps will not do: it depends on the time of a file."""
        digest = hashlib.sha256("\x1f".join(self.data.column_names).encode())
        for start in range(0, len(self.data), BATCH):
            for column in self.data[start : start + BATCH].columns:
                for value in column.to_pylist():
                    data = self._value_bytes(value)
                    digest.update(len(data).to_bytes(8, "little") + data)
        return digest.hexdigest()

    def _value_bytes(self, value: Any) -> bytes:
        if isinstance(value, dict) and "bytes" in value:
            try:
                value = self.image_bytes(value)
            except OSError:
                pass  # drawing it says which row this is
        return value if isinstance(value, bytes) else repr(value).encode("utf-8", "surrogatepass")
