"""Checking an export on any machine: nothing but the export itself is read, and a zip is not unpacked."""

from __future__ import annotations

import hashlib
import json
import re
import stat
import zipfile
import zlib
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath
from typing import IO, NamedTuple
from urllib.parse import unquote

from stablerep.errors import InputError
from stablerep.study.archive.graph import CRATE, GONE, METADATA, SUMS
from stablerep.study.store.folder import IDENTITY, file_names, identify

# What reading JSON of another form may raise, and what reading a file or a zip that is damaged.
_BROKEN = (KeyError, ValueError, TypeError, AttributeError, RecursionError)
_UNREADABLE = (KeyError, OSError, EOFError, zipfile.BadZipFile, zlib.error, RuntimeError, ValueError)
_PROMISED = {"name", "description", "datePublished", "license", "hasPart"}  # what RO-Crate asks of the root


class File(NamedTuple):
    """A file of an export: its checksum, its size in bytes, and its content where that is looked at."""

    digest: str
    size: int
    content: bytes


@dataclass
class Examination:
    """What the check of an export found.

    Attributes:
        wrong: sentences; empty when it is whole.
        files, runs: how many files it has, and records of runs.
        notes: sentences on what cannot be checked, which its maker said when it was made.
    """

    wrong: list[str] = field(default_factory=list)
    files: int = 0
    runs: int = 0
    notes: list[str] = field(default_factory=list)


def examine_export(path: Path) -> Examination:
    """Check an export, a folder or a zip: every file against two lists of checksums, every record against the key of
    its run, every notebook and stored result against the records, every reference against what it names.

    Raises:
        ValueError: no folder, and no zip that can be read.
    """
    found, files = Examination(), {}
    with _opened(Path(path)) as (names, odd, opened):
        found.files = len(names)
        found.wrong += [f"{name} leads out of the export." for name in names if _points_out(name)]
        found.wrong += [f"{name} occurs {n} times." for name, n in sorted(Counter(names).items()) if n > 1]
        found.wrong += [f"{name} is not a regular file." for name in sorted(odd)]
        if found.wrong:
            return found
        for name in names:
            try:
                with opened(name) as file:
                    files[name] = _read_file(name, file)
            except _UNREADABLE:
                found.wrong.append(f"{name} is damaged.")
    try:
        entities = _entities(files)
        found.wrong += _wrong_metadata(entities)
        found.wrong += _wrong_files(names, files, entities)
    except _BROKEN:
        found.wrong.append(f"{METADATA} is missing or damaged.")
        return found
    actions = {name[1:]: entity for name, entity in entities.items() if entity["@type"] == "CreateAction"}
    records = _read_records(files, found)
    found.runs = len(records)
    for key in sorted(actions.keys() - records.keys()):
        # the execution of a notebook has a record of its own in the notebook
        if actions[key].get("description") == GONE or key.startswith("notebook-"):
            found.notes.append(f"{key} has no record: it was no longer in the store when the export was made.")
        else:
            found.wrong.append(f"the record of {key} is missing.")
    found.wrong += [
        f"runs/{key}/run.json is not described by any action." for key in sorted(records.keys() - actions.keys())
    ]
    for name in sorted(files):
        if name.startswith("notebooks/"):
            found.wrong += _wrong_notebook(name, files, records, actions)
    return found


def _points_out(name: str) -> bool:
    path = PurePosixPath(name)
    return not name or path.is_absolute() or ".." in path.parts or "\\" in name or bool(re.match("[A-Za-z]:", name))


def _read_file(name: str, file: IO[bytes]) -> File:
    digest, size, content = hashlib.file_digest(file, "sha256").hexdigest(), file.tell(), b""
    if name == SUMS or name.endswith((".json", ".ipynb")) or name.startswith("reference/"):
        file.seek(0)
        content = file.read()
    return File(digest, size, content)


def _entities(files: dict[str, File]) -> dict[str, dict]:
    """The entities of the metadata by their names. Raises one of ``_BROKEN`` where there are none."""
    listed = json.loads(files[METADATA].content)["@graph"]
    entities = {unquote(entity["@id"]): entity for entity in listed}
    if len(entities) != len(listed):
        raise InputError("a name is given twice")
    return entities


def _parts(entities: dict[str, dict]) -> set[str]:
    return {unquote(part["@id"]) for part in entities["./"]["hasPart"]}


def _wrong_metadata(entities: dict[str, dict]) -> list[str]:
    """The metadata say what they are, the root has what it must have, and whatever is named is described."""
    wrong, about = [], entities[METADATA]
    if about["@type"] != "CreativeWork" or about["about"]["@id"] != "./" or about["conformsTo"]["@id"] != CRATE:
        wrong.append(f"{METADATA} does not describe a crate of version 1.1.")
    if lacking := sorted(_PROMISED - entities["./"].keys()):
        wrong.append(f"{METADATA} does not say what the export's {' and '.join(lacking)} is.")
    for name, entity in entities.items():
        for key in ("object", "result", "hasPart", "mentions", "instrument", "license", "author", "about"):
            listed = entity.get(key, [])
            for one in listed if isinstance(listed, list) else [listed]:
                if isinstance(one, dict) and unquote(one["@id"]) not in entities:
                    wrong.append(f"{METADATA}: {name} names {one['@id']}, which is not described.")
    described = {name for name, entity in entities.items() if entity["@type"] == "File"}
    if undescribed := sorted(described - _parts(entities)):
        wrong.append(f"{METADATA} describes {', '.join(undescribed)}, which is not among its parts.")
    return wrong


def _wrong_files(names: list[str], files: dict[str, File], entities: dict[str, dict]) -> list[str]:
    """Every file is there, nothing else is, and each has its size and its checksum in both lists."""
    parts = _parts(entities)
    wrong = [f"{name} is missing." for name in sorted(parts - set(names))]
    wrong += [f"{name} is not part of the export." for name in sorted(set(names) - parts - {METADATA})]
    sums = files[SUMS].content if SUMS in files else b""
    lines = [line.partition("  ") for line in sums.decode(errors="replace").splitlines()]
    listed = {name: digest for digest, _, name in lines}
    for name in sorted(files.keys() & (parts | {METADATA}) - {SUMS}):
        digest, size, _ = files[name]
        named = listed.get(name, digest)
        entity = {"sha256": named, "contentSize": str(size)} if name == METADATA else entities[name]
        if (entity["sha256"], entity["contentSize"]) != (digest, str(size)):
            wrong.append(f"{name} was altered: its size or checksum is not the recorded one.")
        elif named != digest:
            wrong.append(f"{SUMS} was altered: it names another checksum of {name}.")
    form = "".join(f"{digest}  {name}\n" for name, digest in sorted(listed.items()))
    if form.encode() != sums or set(listed) != parts - {SUMS} | {METADATA}:
        wrong.append(f"{SUMS} was altered: it is not a list of the checksums of the export's files.")
    return wrong


def _read_records(files: dict[str, File], found: Examination) -> dict[str, dict]:
    """Records by their keys, each of which hashes what determined its run; what is wrong goes into ``found``."""
    records = {}
    for name in sorted(files):
        if not re.fullmatch(r"runs/[^/]+/run\.json", name):
            continue
        key = PurePosixPath(name).parts[1]
        try:
            info = json.loads(files[name].content)
            computed = identify(*(info.get(name) for name in IDENTITY))["key"]
            chapter = info["parameters"]["name"] if info["step"] == "notebook" else None
            sums = {file: entry["sha256"] for file, entry in info["files"].items()}
            of_step = info["key"] == key and key.startswith(f"{info['step']}-")
        except _BROKEN:
            found.wrong.append(f"{name} is damaged.")
            continue
        records[key] = info
        if not of_step or (computed != key and not info.get("shortened")):
            found.wrong.append(f"{name} does not give its own key, {key}.")
        elif info.get("shortened"):
            found.notes.append(f"{key} cannot be checked against its key: a path in its record was shortened.")
        for file, digest in sums.items():
            place = f"tables/{chapter}/{file.removeprefix('tables/')}" if chapter else f"runs/{key}/{file}"
            if place in files and files[place].digest != digest:
                found.wrong.append(f"{place} is not the file that the record of {key} names.")
    return records


def _wrong_notebook(name: str, files: dict[str, File], records: dict, actions: dict) -> list[str]:
    """Its runs are described, it is what its own record says, and the stored results are those that it was given."""
    try:
        about = json.loads(files[name].content)["metadata"]["stablerep"]
        chapter, key = PurePosixPath(name).stem, about["key"]
        wrong = [
            f"{name} asked for {one}, which the export does not describe."
            for one in [key, *about["runs"]]
            if one not in actions
        ]
        if record := records.get(key):
            if record["parameters"] != {"name": chapter, **about["parameters"]} or record["inputs"] != about["inputs"]:
                wrong.append(f"{name} does not have the parameters and inputs of its record, {key}.")
        place = f"reference/{chapter}/"
        stored = {file.removeprefix(place): files[file] for file in sorted(files) if file.startswith(place)}
        whole = b"".join(file.encode() + read.content for file, read in stored.items())
        if stored and hashlib.sha256(whole).hexdigest()[:16] != about["inputs"]["stored"]:
            wrong.append(f"{place} is not what {name} was executed with.")
        if "record.json" in stored:
            for table, digest in json.loads(stored["record.json"].content)["sha256"].items():
                if table not in stored or stored[table].digest != digest:
                    wrong.append(f"{place}{table} is not the file that {place}record.json names.")
        return wrong
    except _BROKEN:
        return [f"{name} does not say what it was made from."]


@contextmanager
def _opened(path: Path) -> Iterator[tuple[list[str], set[str], Callable[[str], IO[bytes]]]]:
    """The names in an export, those that are links or devices, which are never opened, and a way to open the others."""
    if path.is_dir():
        names = file_names(path)
        yield (
            names,
            {name for name in names if not stat.S_ISREG((path / name).lstat().st_mode)},
            lambda name: open(path / name, "rb"),
        )
        return
    try:
        archive = zipfile.ZipFile(path)
    except _UNREADABLE:
        raise InputError(f"{path} is neither a folder nor a readable zip.") from None
    with archive:
        entries = [entry for entry in archive.infolist() if not entry.is_dir() or _points_out(entry.filename)]
        odd = {entry.filename for entry in entries if stat.S_IFMT(entry.external_attr >> 16) not in (0, stat.S_IFREG)}
        yield [entry.filename for entry in entries], odd, archive.open
