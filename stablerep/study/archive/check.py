"""Checking an export on any machine: nothing but the export itself is read, and a zip is not unpacked."""

from __future__ import annotations

import hashlib
import json
import re
import stat
import zipfile
import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath
from typing import IO
from urllib.parse import unquote

from stablerep.errors import InputError
from stablerep.study.archive.graph import CRATE, GONE, METADATA, SUMS
from stablerep.study.store.folder import IDENTITY, file_names, identify

# What reading JSON of another form may raise, and what reading a file or a zip that is damaged.
_BROKEN = (KeyError, ValueError, TypeError, AttributeError, RecursionError)
_UNREADABLE = (
    KeyError,
    OSError,
    EOFError,
    zipfile.BadZipFile,
    zlib.error,
    NotImplementedError,
    RuntimeError,
    ValueError,
)
_PROMISED = {"name", "description", "datePublished", "license", "hasPart"}  # what RO-Crate asks of the root


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


def verify_export(path: Path) -> list[str]:
    """What is wrong with an export, a folder or a zip, in sentences; empty when it is whole.

    Raises:
        ValueError: no folder, and no zip that can be read.
    """
    return examine_export(path).wrong


def examine_export(path: Path) -> Examination:
    """:func:`verify_export`, with counts: every file against two lists of checksums, every record against the key of its run, every
    notebook and stored result against the records, every reference of the metadata against what it names."""
    with _opened(Path(path)) as (names, odd, opened):
        found = Examination(files=len(names))
        found.wrong += [f"{name} leads out of the export." for name in names if _points_out(name)]
        found.wrong += [
            f"{name} occurs {names.count(name)} times."
            for name in sorted({name for name in names if names.count(name) > 1})
        ]
        found.wrong += [f"{name} is not a regular file." for name in sorted(odd)]
        if found.wrong:
            return found
        actual: dict[str, tuple[str, int]] = {}  # checksum and size
        small: dict[str, bytes] = {}  # the content of those files that are read
        for name in names:
            try:
                with opened(name) as file:
                    actual[name], content = _measure(
                        file, keep=name == SUMS or name.endswith((".json", ".ipynb")) or name.startswith("reference/")
                    )
            except _UNREADABLE:
                found.wrong.append(f"{name} is damaged.")
            else:
                if content is not None:
                    small[name] = content
    try:
        entities = _entities(small[METADATA])
        parts = {unquote(part["@id"]) for part in entities["./"]["hasPart"]}
        actions = {
            name.removeprefix("#"): entity for name, entity in entities.items() if entity["@type"] == "CreateAction"
        }
        found.wrong += _wrong_metadata(entities, parts)
        found.wrong += _wrong_files(
            names, actual, parts, {unquote(name): entity for name, entity in entities.items()}, small.get(SUMS, b"")
        )
    except _BROKEN:
        found.wrong.append(f"{METADATA} is missing or damaged.")
        return found
    records = {}
    for name in sorted(small):
        if re.fullmatch(r"runs/[^/]+/run\.json", name):
            records |= _read_run(name, small[name], actual, found)
    found.runs = len(records)
    for key in sorted(actions.keys() - records.keys()):
        if actions[key].get("description") == GONE or _is_execution(actions[key]):
            found.notes.append(f"{key} has no record: it was no longer in the store when the export was made.")
        else:
            found.wrong.append(f"the record of {key} is missing.")
    found.wrong += [
        f"runs/{key}/run.json is not described by any action." for key in sorted(records.keys() - actions.keys())
    ]
    for name in sorted(small):
        if name.startswith("notebooks/"):
            found.wrong += _wrong_notebook(name, small, actual, records, actions)
    return found


def _is_execution(action: dict) -> bool:
    """Whether an action executed a notebook, which is its own record."""
    results = action.get("result")
    return isinstance(results, list) and any(
        isinstance(one, dict) and str(one.get("@id")).startswith("notebooks/") for one in results
    )


def _points_out(name: str) -> bool:
    path = PurePosixPath(name)
    return (
        not name or path.is_absolute() or ".." in path.parts or "\\" in name or re.match("[A-Za-z]:", name) is not None
    )


def _measure(file: IO[bytes], *, keep: bool) -> tuple[tuple[str, int], bytes | None]:
    """Checksum and size, and the content where it is wanted."""
    digest, size, kept = hashlib.sha256(), 0, []
    while piece := file.read(1 << 20):
        digest.update(piece)
        size += len(piece)
        if keep:
            kept.append(piece)
    return (digest.hexdigest(), size), b"".join(kept) if keep else None


def _entities(content: bytes) -> dict[str, dict]:
    """The entities of the metadata by their names. Raises one of ``_BROKEN`` for anything else."""
    listed = json.loads(content)["@graph"]
    entities = {entity["@id"]: entity for entity in listed}
    if len(entities) != len(listed):
        raise InputError("a name is given twice")
    return entities


def _wrong_metadata(entities: dict[str, dict], parts: set[str]) -> list[str]:
    wrong = []
    about = entities[METADATA]
    if about["@type"] != "CreativeWork" or about["about"]["@id"] != "./" or about["conformsTo"]["@id"] != CRATE:
        wrong.append(f"{METADATA} does not describe a crate of version 1.1.")
    if lacking := sorted(_PROMISED - entities["./"].keys()):
        wrong.append(f"{METADATA} does not say what the export's {' and '.join(lacking)} is.")
    for name, entity in entities.items():
        for key in ("object", "result", "hasPart", "mentions", "instrument", "license", "author", "about"):
            listed = entity.get(key, [])
            for one in listed if isinstance(listed, list) else [listed]:
                if isinstance(one, dict) and one["@id"] not in entities:
                    wrong.append(f"{METADATA}: {name} names {one['@id']}, which is not described.")
    if undescribed := sorted(
        unquote(n) for n, e in entities.items() if e["@type"] == "File" and unquote(n) not in parts
    ):
        wrong.append(f"{METADATA} describes {', '.join(undescribed)}, which is not among its parts.")
    return wrong


def _wrong_files(
    names: list[str], actual: dict[str, tuple[str, int]], parts: set[str], entities: dict[str, dict], sums: bytes
) -> list[str]:
    """Every file is there, nothing else is, and each has its size and its checksum in both lists."""
    wrong = [f"{name} is missing." for name in sorted(parts - set(names))]
    wrong += [f"{name} is not part of the export." for name in sorted(set(names) - parts - {METADATA})]
    lines = [line.partition("  ") for line in sums.decode(errors="replace").splitlines()]
    listed = {name: digest for digest, _, name in lines}
    for name in sorted(actual.keys() & (parts | {METADATA}) - {SUMS}):
        digest, size = actual[name]
        described = name == METADATA or (entities[name]["sha256"], entities[name]["contentSize"]) == (digest, str(size))
        if not described or (name == METADATA and listed.get(name, digest) != digest):
            wrong.append(f"{name} was altered: its size or checksum is not the recorded one.")
        elif listed.get(name, digest) != digest:
            wrong.append(f"{SUMS} was altered: it names another checksum of {name}.")
    form = "".join(f"{digest}  {name}\n" for name, digest in sorted(listed.items()))
    if form.encode() != sums or set(listed) != parts - {SUMS} | {METADATA}:
        wrong.append(f"{SUMS} was altered: it is not a list of the checksums of the export's files.")
    return wrong


def _read_run(name: str, content: bytes, actual: dict, found: Examination) -> dict[str, dict]:
    """The record of a run by its key, which hashes everything that determined it; what is wrong goes into ``found``."""
    key = PurePosixPath(name).parts[1]
    try:
        info = json.loads(content)
        identity = identify(*(info.get(name) for name in IDENTITY))
        files = {file: entry["sha256"] for file, entry in info["files"].items()}
        if (
            info["key"] != key
            or not key.startswith(f"{info['step']}-")
            or (identity["key"] != key and not info.get("shortened"))
        ):
            found.wrong.append(f"{name} does not give its own key, {key}.")
        elif info.get("shortened"):
            found.notes.append(f"{key} cannot be checked against its key: a path in its record was shortened.")
        chapter = info["parameters"]["name"] if info["step"] == "notebook" else None
    except _BROKEN:
        found.wrong.append(f"{name} is damaged.")
        return {}
    for file, digest in files.items():
        place = f"tables/{chapter}/{file.removeprefix('tables/')}" if chapter else f"runs/{key}/{file}"
        if place in actual and actual[place][0] != digest:
            found.wrong.append(f"{place} is not the file that the record of {key} names.")
    return {key: info}


def _wrong_notebook(name: str, small: dict[str, bytes], actual: dict, records: dict, actions: dict) -> list[str]:
    """A notebook's runs are described, it is what its own record says, and the stored results are those that it was executed with."""
    try:
        about = json.loads(small[name])["metadata"]["stablerep"]
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
        reference = {file: content for file, content in sorted(small.items()) if file.startswith(place)}
        whole = b"".join(file.removeprefix(place).encode() + content for file, content in reference.items())
        if reference and hashlib.sha256(whole).hexdigest()[:16] != about["inputs"]["stored"]:
            wrong.append(f"{place} is not what {name} was executed with.")
        if f"{place}record.json" in reference:
            for table, digest in json.loads(small[f"{place}record.json"])["sha256"].items():
                if actual.get(place + table, ("",))[0] != digest:
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
