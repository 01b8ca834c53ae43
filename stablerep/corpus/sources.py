"""A corpus by name: embedded, or a reader's own captioned images behind the same interface.

| source | what is read |
|---|---|
| ``emoji``, ``clip-art`` | the embedded corpora, see :mod:`.embedded` |
| a folder | images with ``metadata.csv`` or ``metadata.jsonl`` (the ``imagefolder`` convention), see :mod:`.folder` |
| a ``.parquet`` file, or a folder of them | the layout of the ``datasets`` library, see :mod:`.parquet` |
| a ``.tar`` file, or a folder of them | shards in the layout of ``img2dataset``, see :mod:`.tars` |
| ``hub:owner/name``, ``hub:owner/name:config`` | a data set on the Hugging Face Hub, see :mod:`.hub` |

A relative path that does not exist is looked up below the folder named by ``STABLEREP_DATA``. Rows are counted from 1.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import replace

from stablerep.corpus.captioned import Corpus
from stablerep.corpus.embedded import open_clip_art, open_emoji
from stablerep.corpus.folder import open_folder
from stablerep.corpus.hub import open_hub
from stablerep.corpus.locating import locate
from stablerep.corpus.options import Options, read_options
from stablerep.corpus.parquet import open_parquet
from stablerep.corpus.tars import open_tars
from stablerep.errors import InputError

EMBEDDED = ("emoji", "clip-art")


def load_corpus(
    source: str | os.PathLike = "emoji", *, designs: Sequence[str] | None = None, flags: bool = False, **options
) -> Corpus:
    """Open a corpus by name.

    The table has ``id``, ``caption``, ``split`` and the source's further columns (nested columns and those whose name is
    taken are left out). Class labels become categories in the order of their codes. What was decided and what was not read
    stands in ``corpus.notes``.

    Captions: without a column for them, captions are made from labels that have names, by a few templates such as "a photo of
    a {}" (see :mod:`.templates`), or are "" when only numbers of classes are known.

    Splits: the column ``split`` (or the one named by the option), or the names of files and folders (``train``,
    ``val2017``, ``test-00000-of-00002``), say where a row belongs; names only if every row has one. Where nothing says it, or
    with ``resplit``, clusters are ranked by hash, and 70 % of them train, 10 % validate and 20 % test. A cluster is wholly on
    one side, and the order of rows never matters. If the cluster is a label that shall be probed, its captions (or images,
    where there are no captions) are ranked within each class instead, since a class unseen in training could not be probed. A
    source with training and test part alone gets its validation part as a tenth of the former, chosen in the same way.

    The fingerprint hashes every file that is read, its name inside the source, and the options, never a path or a time: a copy
    elsewhere is the same corpus. Of large files samples are hashed, see :func:`stablerep.corpus.hashing.content_hash`. Of a
    Hub data set it hashes every value.

    Args:
        source: see the table above.
        designs: emoji designs to keep (all six by default).
        flags: keep flags among the emoji; out by default, since their names say little about their shapes.
        options: the fields of :class:`stablerep.corpus.options.Options`: ``labels``, ``cluster``, ``split`` (a column),
            ``people``, ``image_column``, ``caption_column``, ``templates``, ``captions``, ``part`` (keep it alone),
            ``resplit``, ``check`` (decode every image now). Of these only ``part`` means something for embedded corpora.

    Raises:
        InputError: an unknown source, design or option, a missing column, or a row with an empty caption, a missing or damaged
            image, a path that leaves the folder, or an id that was there before; the message names the row.
    """
    source = os.fspath(source)
    if source != "emoji" and (designs is not None or flags):
        raise InputError(f"designs and flags choose among the emoji; they mean nothing for the source {source!r}.")
    if source in EMBEDDED:
        if strange := sorted(set(options) - {"part"}):
            what = "emoji corpus" if source == "emoji" else "clip art"
            raise InputError(f"unknown option for the {what}: {', '.join(strange)}.")
        corpus = open_emoji(designs, flags) if source == "emoji" else open_clip_art()
    chosen = read_options(options)
    if source not in EMBEDDED:
        corpus = _open(source, chosen)
    if chosen.check:
        _decode_all(corpus)
    if chosen.part is None:
        return corpus
    if not (corpus.table["split"] == chosen.part).any():
        raise InputError(f"{source} has no {chosen.part} part; it has {', '.join(sorted(set(corpus.table['split'])))}.")
    return corpus.split(chosen.part)


def _open(source: str, options: Options) -> Corpus:
    if source.startswith("hub:"):
        corpus = open_hub(source.removeprefix("hub:"), options)
    else:
        found = locate(source)
        corpus = {"folder": open_folder, "tar": open_tars, "parquet": open_parquet}[found.kind](found, options)
    designs = corpus.table["design"].dropna() if "design" in corpus.table else ()
    return replace(corpus, designs=tuple(sorted({str(name) for name in designs})))


def _decode_all(corpus: Corpus, *, rows: int = 1024) -> None:
    from tqdm import tqdm

    for start in tqdm(range(0, len(corpus), rows), desc="decoding every image", delay=5, ncols=90):
        corpus.draw(corpus.table[start : start + rows], 8)
