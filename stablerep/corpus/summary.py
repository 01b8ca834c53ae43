"""How large a source is and what it has, from footers and statistics alone: for plans over more rows than memory holds."""

from __future__ import annotations

import json
import os
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from stablerep.corpus.captioned import Corpus
from stablerep.corpus.columns import Columns
from stablerep.corpus.hashing import fingerprint
from stablerep.corpus.locating import Found, locate
from stablerep.corpus.options import Options, read_options
from stablerep.corpus.parquet import ParquetPart, parquet_parts
from stablerep.corpus.parts import contents, describe
from stablerep.corpus.rows import templates_for
from stablerep.corpus.sources import EMBEDDED, load_corpus
from stablerep.corpus.splits import CARVED, SHARES, SPLIT_NAMES, trusted
from stablerep.corpus.tars import TarPart, tar_parts
from stablerep.errors import InputError


@dataclass(frozen=True)
class Summary:
    """What a source has.

    Attributes:
        name, fingerprint, labels, cluster, people, designs: as of the opened :class:`~stablerep.corpus.Corpus`.
        images: number of rows.
        captions: number of different captions; an upper bound unless ``exact``.
        train: images to train on; an estimate (shares of the split by hash) unless ``exact_train``.
        train_captions: captions among them; an upper bound unless ``exact``.
    """

    name: str
    fingerprint: str
    images: int
    captions: int
    train: int
    train_captions: int
    labels: tuple[str, ...]
    cluster: str
    people: tuple[str, ...] = ()
    designs: tuple[str, ...] = ()
    drawings: bool = False
    exact: bool = False
    exact_train: bool = False
    notes: tuple[str, ...] = ()


def summarize(source: str | os.PathLike, **options) -> Summary:
    """What a source has; parquet files and tar shards are not opened as a whole.

    Their rows are counted in footers, in ``00000_stats.json`` or in the sidecar of a shard, and by the headers of a tar only where
    it has neither: seconds for a thousand shards, in constant memory. Rows are not checked; opening does that. Other sources are
    opened, and their numbers are exact.

    Args:
        source, options: as of :func:`stablerep.corpus.load_corpus`, without ``part`` and ``check``.

    Raises:
        InputError: as :func:`stablerep.corpus.load_corpus`, or for an option that only opening understands.
    """
    source = os.fspath(source)
    if strange := sorted({"part", "check"} & set(options)):
        raise InputError(f"{strange[0]} is an option of opening a source; a summary is of the whole.")
    found = None if source in EMBEDDED or source.startswith("hub:") else locate(source)
    if found is None or found.kind == "folder":
        return _of_opened(load_corpus(source, **options))
    return _of_parts(found, read_options(options))


def _of_opened(corpus: Corpus) -> Summary:
    train = corpus.table["split"] == "train"
    return Summary(
        corpus.name, corpus.fingerprint, len(corpus), corpus.table["caption"].nunique(), int(train.sum()),
        corpus.table["caption"][train].nunique(), corpus.labels, corpus.cluster, corpus.people,
        corpus.designs, exact=True, exact_train=True, notes=corpus.notes,
    )  # fmt: skip


def _of_parts(found: Found, options: Options) -> Summary:
    parts, splits, name = parquet_parts(found) if found.kind == "parquet" else tar_parts(found)
    _, columns, kinds, names = describe(parts[0], options)
    counts = [len(part) if isinstance(part, ParquetPart) else _images_of(part) for part in parts]
    images = sum(counts)
    if not images:
        raise InputError(f"{name} has no rows.")
    train, exact = _train(parts, counts, splits, columns, options)
    captions = min(images, _captions(columns, kinds, names, options) or images)
    return Summary(
        name, fingerprint(contents(parts), options), images, captions, train,
        min(train, captions), columns.labels, columns.cluster, columns.people, exact_train=exact, notes=found.notes,
    )  # fmt: skip


def _images_of(part: TarPart) -> int:
    """Images of a shard: from its statistics, else from its sidecar, else from its headers."""
    stats = Path(part.path).with_name(f"{Path(part.path).stem}_stats.json")
    try:
        return int(json.loads(stats.read_text(encoding="utf-8"))["successes"])
    except (OSError, ValueError, KeyError, TypeError):
        pass
    if not part.sidecar:
        return len(part)
    sidecar = part.sidecar_part()
    if "status" not in sidecar.schema().names:
        return len(sidecar)
    return _values(sidecar, "status")["success"]


def _values(part: ParquetPart, column: str) -> Counter[object]:
    """How often each value of a column occurs, read a batch of rows at a time."""
    import pyarrow.compute as pc

    counts: Counter[object] = Counter()
    for batch in part.values(column):
        for pair in pc.value_counts(batch).to_pylist():
            counts[pair["values"]] += pair["counts"]
    return counts


def _train(
    parts: Sequence[ParquetPart | TarPart],
    counts: list[int],
    splits: Sequence[str | None],
    columns: Columns,
    options: Options,
) -> tuple[int, bool]:
    """Images to train on, and whether that number is exact. A validation part that opening takes from train is subtracted."""
    by_split: Counter[str | None] = Counter()
    if columns.split is not None:
        for part in parts:
            source = part if isinstance(part, ParquetPart) else part.sidecar_part() if part.sidecar else None
            if source is None:
                return round(SHARES["train"] * sum(counts)), False
            for value, count in _values(source, columns.split).items():
                by_split[SPLIT_NAMES.get(str(value).strip().lower())] += count
    elif not options.resplit and trusted([split for split, count in zip(splits, counts) if count])[0]:
        for split, count in zip(splits, counts):
            by_split[split] += count
    else:
        return round(SHARES["train"] * sum(counts)), False
    if by_split["train"] and by_split["test"] and not by_split["validation"]:
        return round((1 - CARVED) * by_split["train"]), False
    return by_split["train"], True


def _captions(columns: Columns, kinds: dict[str, str], names: dict[str, list[str]], options: Options) -> int | None:
    """An upper bound of the number of captions, or None where only the number of images bounds it."""
    if not options.captions:
        return 1
    if columns.caption is not None:
        return None
    named = [name for name in columns.labels if name in names or kinds[name] == "text"]
    templates = templates_for(columns, named, options)
    if not templates:
        return 1
    if not set(named) <= set(names):
        return None
    return len(templates) * int(np.prod([len(names[name]) for name in named]))
