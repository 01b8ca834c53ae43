"""A chapter's results as an archive keeps them: a folder or zip in the layout of RO-Crate 1.1, with checksums.

    ro-crate-metadata.json        what everything is, and how runs made it (JSON-LD)
    SHA256SUMS                    the checksum of every other file, for ``sha256sum -c SHA256SUMS``
    notebooks/<chapter>.ipynb     the executed notebook
    tables/<chapter>/...          its tables
    reference/<chapter>/...       the stored results that it draws or compares with, and their record
    runs/<key>/run.json, ...      records of all runs behind it, with their tables; weights and shards when asked for
    LICENSE, CITATION.cff

Nothing in it names a person, a machine or a folder: a value that was a path keeps its last part alone
(:mod:`stablerep.study.archive.private_paths`).
"""

from __future__ import annotations

import json
import os
import shutil
import tempfile
import zipfile
from collections.abc import Sequence
from pathlib import Path

from stablerep.checkpoint import written_aside
from stablerep.errors import InputError
from stablerep.study.archive.graph import METADATA, SUMS, Crate
from stablerep.study.archive.private_paths import Shortener, holds_path, own_folders
from stablerep.study.archive.trace import Chain, NotExecutedError, trace
from stablerep.study.chapters import schemas
from stablerep.study.notebooks.execution import stored_hash
from stablerep.study.root import STORED, project_root
from stablerep.study.store.provenance import hash_file
from stablerep.study.store.runs import Run, RunStore


class Contents:
    """What goes into an export.

    Attributes:
        files: the file to copy, by its name in the export; those that are written for it lie in ``scratch``.
        notes: sentences on what does not go into it.
    """

    def __init__(self, store: RunStore, scratch: Path, *, weights: bool) -> None:
        self.store, self.scratch, self.weights = store, scratch, weights
        self.folders = own_folders(project_root(), store.root)
        self.files = {name: project_root() / name for name in ("LICENSE", "CITATION.cff")}
        self.notes: list[str] = []

    def add_text(self, name: str, text: str) -> None:
        self.files[name] = self.scratch / name
        self.files[name].parent.mkdir(parents=True, exist_ok=True)
        self.files[name].write_text(text, encoding="utf-8")

    def add_json(self, name: str, content: dict) -> None:
        self.add_text(name, json.dumps(content, indent=1, sort_keys=True, ensure_ascii=False) + "\n")

    def add_chapter(self, chain: Chain) -> None:
        """The notebook, its tables, and the stored results that it was drawn from or compared with."""
        chapter, key, shortener = chain.chapter, chain.about["key"], Shortener(self.folders)
        self.add_json(f"notebooks/{chapter}.ipynb", shortener.notebook(chain.notebook))
        self.notes += [f"{chapter}: {sentence}" for sentence in shortener.sentences()]
        if executed := self.store.find(key):
            self.add_run(executed)
        else:
            self.notes.append(
                f"{chapter}: its execution, {key}, is no longer in the store, and its own tables with it."
            )
        stored = sorted(path for path in (STORED / chapter).glob("*") if path.is_file())
        if stored and chain.about["inputs"].get("stored") != stored_hash(chapter):
            self.notes.append(f"{chapter}: results/{chapter} changed after it was executed, and is left out.")
        elif any(holds_path(path, self.folders) for path in stored):
            self.notes.append(f"{chapter}: results/{chapter} holds the path of a folder and is left out.")
        else:
            self.files |= {f"reference/{chapter}/{path.name}": path for path in stored}

    def add_run(self, run: Run) -> None:
        """The record of a run with its tables, or all its files. The tables of an executed notebook go to ``tables/``.

        Raises:
            ValueError: a file is not the one that was recorded.
        """
        for name, entry in sorted(run.info["files"].items()):
            if run.info["step"] == "notebook":
                taken, chapter = name.startswith("tables/"), run.info["parameters"]["name"]
                target = f"tables/{chapter}/{name.removeprefix('tables/')}"
            else:
                taken, target = self.weights or name.endswith(".parquet"), f"runs/{run.key}/{name}"
            if not taken:
                continue
            path = run.path(name)
            if hash_file(path) != entry["sha256"]:
                raise InputError(
                    f"{run.key} cannot be exported: {name} was altered; `stablerep runs verify {run.key}` says more."
                )
            if holds_path(path, self.folders):
                self.notes.append(f"{run.key}: {name} holds the path of a folder and is left out.")
            else:
                self.files[target] = path
        shortener = Shortener(self.folders)
        record = shortener.values(run.info)
        if sentences := shortener.sentences():
            self.notes += [f"{run.key}: {sentence}" for sentence in sentences]
            record["shortened"] = sentences  # since it no longer gives the key of the run
        self.add_json(f"runs/{run.key}/run.json", record)

    def add_chains(self, what: Sequence[str], folder: Path | None) -> list[Chain]:
        """Add what was asked for, each chapter and run once, and what it was made from. Returns the chains."""
        chains: dict[str, Chain] = {}
        for name in what or schemas():
            try:
                chain = trace(name, self.store, folder)
            except NotExecutedError as error:
                if what:
                    raise
                self.notes.append(str(error))
                continue
            if chain.wrong:
                raise InputError(f"{chain.chapter} cannot be exported: {chain.wrong[0]}")
            place = chain.chapter or chain.first[0]
            if chains.setdefault(place, chain).about.get("key") != chain.about.get("key"):
                raise InputError(f"{name} is another execution of {place}; an export holds one of each chapter.")
        if not chains:
            raise InputError("no chapter was executed yet; `stablerep book` does it.")
        for chain in chains.values():
            if chain.chapter:
                self.add_chapter(chain)
        for key in sorted({key for chain in chains.values() for key in chain.links}):
            if run := self.store.find(key):
                self.add_run(run)
            else:
                self.notes.append(f"{key} is no longer in the store; only its key is known.")
        return list(chains.values())


def export(
    output: Path,
    what: Sequence[str] = (),
    store: RunStore | None = None,
    *,
    folder: Path | None = None,
    weights: bool = False,
) -> list[str]:
    """Write an export to a folder, or to a zip when the name ends so.

    Args:
        what: chapters, runs, or figures and tables, which stand for their chapters; none for every executed chapter.
        folder: of :func:`stablerep.study.archive.trace.executed_notebook`.
        weights: take all files of the runs along, weights and shards too.

    Returns:
        Sentences on what is not in it: runs that are no longer in the store, and paths that were shortened.

    Raises:
        ValueError: something is at ``output``, a name is unknown, a chapter was not executed, or a file was altered.
    """
    output = Path(output)
    if output.exists() or output.is_symlink():
        raise InputError(f"{output} already exists; give another name for the export.")
    with tempfile.TemporaryDirectory(prefix="stablerep-export-") as scratch:
        contents = Contents(store or RunStore(), Path(scratch), weights=weights)
        chains = contents.add_chains(what, folder)
        crate = Crate(contents.files, Shortener(contents.folders))
        contents.add_json(METADATA, crate.describe(chains))
        sums = [f"{hash_file(path)}  {name}\n" for name, path in sorted(contents.files.items())]
        contents.add_text(SUMS, "".join(sums))
        _write(output, dict(sorted(contents.files.items())))
    return list(dict.fromkeys(contents.notes))


def _write(output: Path, files: dict[str, Path]) -> None:
    """All or nothing: a zip or a folder is filled beside its place and then renamed."""
    if output.suffix == ".zip":
        with written_aside(output) as aside, zipfile.ZipFile(aside, "w") as archive:
            for name, path in files.items():
                entry = zipfile.ZipInfo(name)  # of no date
                entry.compress_type, entry.external_attr = zipfile.ZIP_DEFLATED, 0o100644 << 16
                with open(path, "rb") as source, archive.open(entry, "w", force_zip64=True) as target:
                    shutil.copyfileobj(source, target, 1 << 20)
        return
    aside = output.with_name(f".{output.name}.{os.getpid()}.part")
    try:
        for name, path in files.items():
            (aside / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(path, aside / name)
        aside.rename(output)
    finally:
        shutil.rmtree(aside, ignore_errors=True)
