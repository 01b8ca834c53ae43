"""A chapter's results as an archive keeps them: a folder or zip in the layout of RO-Crate 1.1, with a checksum for every file.

    ro-crate-metadata.json        what everything is, and how runs made it (JSON-LD)
    SHA256SUMS                    the checksum of every other file; ``sha256sum -c SHA256SUMS`` checks them without this project
    notebooks/<chapter>.ipynb     the executed notebook
    tables/<chapter>/...          its tables
    reference/<chapter>/...       the stored results that it draws or compares with, and their record
    runs/<key>/run.json, ...      records of all runs behind it, with their tables; weights and shards only when asked for
    LICENSE, CITATION.cff

Nothing in it names a person, a machine or a folder: a value that was a path keeps its last part alone (:mod:`stablerep.study.archive.private_paths`).
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import zipfile
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from stablerep.checkpoint import written_aside
from stablerep.errors import InputError
from stablerep.study.archive.graph import METADATA, SUMS, Crate
from stablerep.study.archive.private_paths import Shortener, holds_path, own_folders
from stablerep.study.archive.trace import Chain, executed_notebook, known_names, trace
from stablerep.study.chapters import schemas
from stablerep.study.notebooks.execution import stored_hash
from stablerep.study.root import STORED, project_root
from stablerep.study.store.provenance import hash_file
from stablerep.study.store.runs import Run, RunStore


@dataclass
class Contents:
    """What goes into an export: ``files`` by name, as bytes or as the path of a file to copy; ``notes``, sentences on what does not."""

    store: RunStore
    weights: bool
    files: dict[str, bytes | Path] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.folders = own_folders(project_root(), self.store.root)
        for name in ("LICENSE", "CITATION.cff"):
            self.files[name] = project_root() / name

    def add_json(self, name: str, content: dict) -> None:
        self.files[name] = (json.dumps(content, indent=1, sort_keys=True, ensure_ascii=False) + "\n").encode()

    def add_chapter(self, chain: Chain, notebook: dict) -> None:
        """The notebook, its tables, and the stored results that it was drawn from or compared with."""
        chapter, about = chain.chapter, chain.about
        shortener = Shortener(self.folders)
        self.add_json(f"notebooks/{chapter}.ipynb", shortener.notebook(notebook))
        self.notes += [f"{chapter}: {sentence}" for sentence in shortener.sentences()]
        if executed := self.store.find(about["key"]):
            self.add_run(executed)
        else:
            self.notes.append(
                f"{chapter}: its execution, {about['key']}, is no longer in the store, and its own tables with it."
            )
        stored = sorted(path for path in (STORED / chapter).glob("*") if path.is_file())
        if stored and about["inputs"].get("stored") != stored_hash(chapter):
            self.notes.append(f"{chapter}: results/{chapter} changed after it was executed, and is left out.")
        elif stored and any(holds_path(path, self.folders) for path in stored):
            self.notes.append(f"{chapter}: results/{chapter} holds the path of a folder and is left out.")
        else:
            self.files |= {f"reference/{chapter}/{path.name}": path for path in stored}

    def add_run(self, run: Run) -> None:
        """The record of a run with its tables, or all its files. The tables of an executed notebook go to ``tables/``.

        Raises:
            ValueError: a file is not the one that was recorded.
        """
        place = f"runs/{run.key}/"
        for name, entry in sorted(run.info["files"].items()):
            of_chapter = run.info["step"] == "notebook"
            if name.endswith(".ipynb") if of_chapter else not (self.weights or name.endswith(".parquet")):
                continue
            path = run.path(name)
            if hash_file(path) != entry["sha256"]:
                raise InputError(
                    f"{run.key} cannot be exported: {name} was altered; `stablerep runs verify {run.key}` says more."
                )
            if holds_path(path, self.folders):
                self.notes.append(f"{run.key}: {name} holds the path of a folder and is left out.")
            else:
                of = f"tables/{run.info['parameters']['name']}/" if of_chapter else place
                self.files[of + (name.removeprefix("tables/") if of_chapter else name)] = path
        shortener = Shortener(self.folders)
        record = shortener.values(run.info)
        if sentences := shortener.sentences():
            self.notes += [f"{run.key}: {sentence}" for sentence in sentences]
            record["shortened"] = sentences  # since it no longer gives the key of the run
        self.add_json(f"{place}run.json", record)


def export(
    output: Path, what: Sequence[str] = (), store: RunStore | None = None, *, folder: Path | None = None, weights: bool = False
) -> list[str]:  # fmt: skip
    """Write an export to a folder, or to a zip when the name ends so.

    Args:
        what: chapters, or figures, tables and runs, of which figures and tables stand for their chapters; every executed chapter for none.
        folder: of a book's pages, or of executed notebooks; see :func:`stablerep.study.archive.trace.executed_notebook`.
        weights: take all files of the runs along, weights and shards too.

    Returns:
        Sentences on what is not in it: runs that are no longer in the store, and paths that were shortened.

    Raises:
        ValueError: something is at ``output``, a name is unknown, a chapter was not executed, or a file was altered.
    """
    output, contents = Path(output), Contents(store or RunStore(), weights)
    if output.exists() or output.is_symlink():
        raise InputError(f"{output} already exists; give another name for the export.")
    chains = _chains(what, contents, folder)
    for key in sorted({key for chain in chains for key in chain.links}):
        if run := contents.store.find(key):
            contents.add_run(run)
        else:
            contents.notes.append(f"{key} is no longer in the store; only its key is known.")
    crate = Crate(_measured(contents.files), Shortener(contents.folders))
    contents.add_json(METADATA, crate.describe(chains))
    sums = sorted((name, digest) for name, (_, digest) in _measured(contents.files).items())
    contents.files[SUMS] = "".join(f"{digest}  {name}\n" for name, digest in sums).encode()
    _write(output, dict(sorted(contents.files.items())))
    return list(dict.fromkeys(contents.notes))


def _chains(what: Sequence[str], contents: Contents, folder: Path | None) -> list[Chain]:
    """The chain of each chapter once, and those of runs; the chapters go into ``contents``."""
    chains: dict[str, Chain] = {}
    known = known_names()
    for name in what or schemas():
        try:
            notebook = executed_notebook(known[name], contents.store, folder) if name in known else {}
        except ValueError as error:
            if what:
                raise
            contents.notes.append(str(error))
            continue
        chain = trace(name, contents.store, folder)
        if chain.wrong:
            raise InputError(f"{chain.chapter} cannot be exported: {chain.wrong[0]}")
        place = chain.chapter or chain.first[0]
        if chain.chapter and place not in chains:
            path = None if notebook else contents.store.find(name).path(f"{chain.chapter}.ipynb")
            contents.add_chapter(chain, notebook or json.loads(path.read_text()))
        elif chain.chapter and chains[place].about["key"] != chain.about["key"]:
            raise InputError(f"{name} is another execution of {chain.chapter}; an export holds one of each chapter.")
        chains[place] = chain
    if not chains:
        raise InputError("no chapter was executed yet; `stablerep book` does it.")
    return list(chains.values())


def _measured(files: dict[str, bytes | Path]) -> dict[str, tuple[int, str]]:
    """Size and SHA-256 of each file."""
    return {
        name: (len(content), hashlib.sha256(content).hexdigest()) if isinstance(content, bytes) else (content.stat().st_size, hash_file(content))
        for name, content in files.items()
    }  # fmt: skip


def _write(output: Path, files: dict[str, bytes | Path]) -> None:
    """All or nothing: a folder is filled beside its place and then renamed."""
    if output.suffix == ".zip":
        with written_aside(output) as aside, zipfile.ZipFile(aside, "w") as archive:
            for name, content in files.items():
                entry = zipfile.ZipInfo(name)  # of no date
                entry.compress_type, entry.external_attr, entry.create_system = zipfile.ZIP_DEFLATED, 0o100644 << 16, 3
                if isinstance(content, bytes):
                    archive.writestr(entry, content)
                else:
                    with (
                        open(content, "rb") as source,
                        archive.open(entry, "w", force_zip64=content.stat().st_size >= 2**31) as target,
                    ):
                        shutil.copyfileobj(source, target, 1 << 20)
        return
    aside = output.with_name(f".{output.name}.{os.getpid()}.part")
    try:
        for name, content in files.items():
            (aside / name).parent.mkdir(parents=True, exist_ok=True)
            if isinstance(content, bytes):
                (aside / name).write_bytes(content)
            else:
                shutil.copyfile(content, aside / name)
        aside.rename(output)
    finally:
        shutil.rmtree(aside, ignore_errors=True)
