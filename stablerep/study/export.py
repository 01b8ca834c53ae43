"""A chapter's results as an archive keeps them: a folder or zip in the layout of RO-Crate 1.1, with a checksum for every file.

    ro-crate-metadata.json        what everything is, and how runs made it (JSON-LD)
    notebooks/<chapter>.ipynb     the executed notebook
    tables/<chapter>/...          its tables
    runs/<key>/run.json, ...      records of all runs behind it, with their tables; weights and shards only when asked for
    LICENSE, CITATION.cff

Nothing in it names a person, a machine or a folder. A parameter that was the path of a folder keeps the folder's name alone.
"""

from __future__ import annotations

import hashlib
import json
import zipfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path, PurePosixPath

import stablerep
from stablerep.checkpoint import written_aside
from stablerep.study.chapters import STORED
from stablerep.study.notebooks import project_root
from stablerep.study.planning import describe_run
from stablerep.study.run_folder import identify
from stablerep.study.runs import RunStore
from stablerep.study.trace import Chain, executed_notebook, trace

METADATA = "ro-crate-metadata.json"
CRATE = "https://w3id.org/ro/crate/1.1"
FORMATS = {".ipynb": "application/x-ipynb+json", ".json": "application/json", ".parquet": "application/vnd.apache.parquet"}


def export(
    output: Path, chapters: Sequence[str], store: RunStore | None = None, *, folder: Path | None = None, weights: bool = False
) -> list[str]:
    """Write an export of some chapters to a folder, or to a zip when the name ends so.

    Args:
        folder: of a book's pages, or of executed notebooks; ``book/chapters`` by default.
        weights: take weights and shards along too.

    Returns:
        Sentences on what is not in it: runs that are no longer in the store, and parameters that were shortened.

    Raises:
        ValueError: something is at ``output``, or a chapter was not executed.
    """
    output, store = Path(output), store or RunStore()
    if output.exists():
        raise ValueError(f"{output} exists; an export goes to a new place.")
    chains = [trace(chapter, store, folder) for chapter in chapters]
    files, notes = _contents(chains, store, folder, weights)
    graph = _graph(chains, files)
    files[METADATA] = (json.dumps({"@context": f"{CRATE}/context", "@graph": graph}, indent=1, sort_keys=True, ensure_ascii=False) + "\n").encode()
    if output.suffix == ".zip":
        with written_aside(output) as aside, zipfile.ZipFile(aside, "w", zipfile.ZIP_DEFLATED) as archive:
            for name, content in sorted(files.items()):
                archive.writestr(zipfile.ZipInfo(name), content, zipfile.ZIP_DEFLATED)  # of no date
    else:
        for name, content in sorted(files.items(), key=lambda pair: pair[0] == METADATA):  # last, so that half an export is none
            with written_aside(output / name) as aside:
                aside.write_bytes(content)
    return notes


def _contents(chains: list[Chain], store: RunStore, folder: Path | None, weights: bool) -> tuple[dict[str, bytes], list[str]]:
    files, notes = {}, []
    for name in ("LICENSE", "CITATION.cff"):
        files[name] = (project_root() / name).read_bytes()
    for chain in chains:
        notebook, shortened = _without_paths(executed_notebook(chain.chapter, folder))
        notes += [f"{chain.chapter}: {sentence}" for sentence in shortened]
        files[f"notebooks/{chain.chapter}.ipynb"] = (json.dumps(notebook, indent=1, ensure_ascii=False) + "\n").encode()
        if chain.stored:
            for path in sorted((STORED / chain.chapter).iterdir()):
                files[f"tables/{chain.chapter}/{path.name}"] = path.read_bytes()
        elif executed := store.find(chain.about["key"]):
            for name in sorted(executed.info["files"]):
                if name.startswith("tables/"):
                    files[f"tables/{chain.chapter}/{name.removeprefix('tables/')}"] = executed.path(name).read_bytes()
        for key, link in chain.links.items():
            if link.missing:
                notes.append(f"{key} is no longer in the store; what is known of it is its key.")
                continue
            run = store.find(key)
            for name in sorted(run.info["files"]):
                if weights or name.endswith((".parquet", ".json")):
                    files[f"runs/{key}/{name}"] = run.path(name).read_bytes()
            record, shortened = _without_paths(run.info)
            notes += [f"{key}: {sentence}" for sentence in shortened]
            record |= {"shortened": shortened} if shortened else {}  # which then no longer gives the key of the run
            files[f"runs/{key}/run.json"] = (json.dumps(record, indent=1, sort_keys=True) + "\n").encode()
    return files, list(dict.fromkeys(notes))


def _without_paths(content, place: str = "") -> tuple[object, list[str]]:
    """JSON values in which absolute paths, and what lies under the home folder, keep their last part alone; and a sentence for each."""
    home = str(Path.home())
    if isinstance(content, str) and len(content) < 4096 and "\n" not in content:
        local = content.removeprefix("local-dir:")
        if local.startswith(("~/", f"{home}/")) or (local.startswith("/") and local.count("/") > 1 and " " not in local and "//" not in local):
            last = PurePosixPath(local).name
            return last, [f"{place or 'a value'} was the path of {last}, of which only the name is kept."]
        return content, []
    if isinstance(content, dict):
        pairs = {key: _without_paths(value, f"{place}.{key}".lstrip(".")) for key, value in content.items() if key not in ("outputs", "source")}
        kept = {key: pairs[key][0] if key in pairs else content[key] for key in content}
        return kept, [sentence for _, found in pairs.values() for sentence in found]
    if isinstance(content, list):
        items = [_without_paths(value, f"{place}[{number}]") for number, value in enumerate(content)]
        return [value for value, _ in items], [sentence for _, found in items for sentence in found]
    return content, []


def _graph(chains: list[Chain], files: dict[str, bytes]) -> list[dict]:
    """The entities of the crate: itself, its files, the software, and an action for each run and notebook."""
    links = {key: link for chain in chains for key, link in chain.links.items()}
    created = [link.provenance["created"] for link in links.values() if link.provenance] + [c.stored["provenance"]["created"] for c in chains if c.stored]
    names = [chain.chapter for chain in chains]
    graph = [
        {"@id": METADATA, "@type": "CreativeWork", "conformsTo": {"@id": CRATE}, "about": {"@id": "./"}},
        {
            "@id": "./", "@type": "Dataset", "name": f"StableRep at small scale: {', '.join(names)}", "license": {"@id": "LICENSE"},
            "description": "Executed notebooks, their tables, and the records of the runs behind them.",
            "datePublished": max(created, default="1970-01-01")[:10], "hasPart": [{"@id": name} for name in sorted(files)],
            "mentions": [{"@id": f"#{key}"} for key in [*sorted(links), *(chain.about["key"] for chain in chains)]],
        },
        {"@id": "#stablerep", "@type": "SoftwareApplication", "name": "stablerep", "softwareVersion": stablerep.__version__},
    ]  # fmt: skip
    for name, content in sorted(files.items()):
        about = {"@id": name, "@type": "File", "name": name, "contentSize": str(len(content)), "sha256": hashlib.sha256(content).hexdigest()}
        suffix = PurePosixPath(name).suffix
        graph.append(about | ({"encodingFormat": FORMATS[suffix]} if suffix in FORMATS else {}))
    outside: dict[str, dict] = {}

    def action(key: str, title: str, parameters: dict, inputs: dict[str, str], needs: list[str], result: list[str], ended: str | None) -> None:
        for name, value in inputs.items():
            outside[f"#{name}-{value}"] = {"@id": f"#{name}-{value}", "@type": "CreativeWork", "name": name, "identifier": value}
        values = [{"@id": f"#{key}/{name}", "@type": "PropertyValue", "name": name, "value": json.dumps(value)} for name, value in sorted(parameters.items())]
        objects = [f"#{need}" for need in needs] + [f"#{name}-{value}" for name, value in inputs.items()] + [value["@id"] for value in values]
        made = {
            "@id": f"#{key}", "@type": "CreateAction", "name": title, "instrument": {"@id": "#stablerep"},
            "object": [{"@id": one} for one in objects], "result": [{"@id": one} for one in result],
        }  # fmt: skip
        graph.extend([made | ({"endTime": ended} if ended else {}), *values])

    for key, link in sorted(links.items()):
        parameters, _ = _without_paths(link.parameters)
        mine = sorted(name for name in files if name.startswith(f"runs/{key}/"))
        title = f"{link.step}: {describe_run(link.step, parameters)}" if not link.missing else f"{link.step}, of which only the key is known"
        action(key, title, parameters, link.inputs, link.needs, mine, link.provenance.get("created"))
    for chain in chains:
        parameters, _ = _without_paths(chain.about["parameters"])
        mine = [f"notebooks/{chain.chapter}.ipynb", *sorted(name for name in files if name.startswith(f"tables/{chain.chapter}/"))]
        action(chain.about["key"], f"executing the notebook {chain.chapter}", parameters, chain.about["inputs"], chain.first, mine, None)
    return graph + [outside[name] for name in sorted(outside)]


@contextmanager
def _opened(path: Path) -> Iterator[tuple[list[str], Callable[[str], bytes]]]:
    """The names in an export, and a way to read one; a zip is not unpacked."""
    if path.is_dir():
        yield sorted(p.relative_to(path).as_posix() for p in path.rglob("*") if p.is_file() or p.is_symlink()), lambda name: (path / name).read_bytes()
        return
    try:
        archive = zipfile.ZipFile(path)
    except (OSError, zipfile.BadZipFile):
        raise ValueError(f"{path} is neither a folder nor a zip that can be read.") from None
    with archive:
        yield [name for name in archive.namelist() if not name.endswith("/")], archive.read


def verify_export(path: Path) -> tuple[list[str], int, int]:
    """Check an export on any machine: nothing but itself is read.

    Returns:
        Sentences on what is wrong (empty when it is whole), the number of files, and the number of runs recorded.

    Raises:
        ValueError: no folder or zip.
    """
    with _opened(Path(path)) as (names, read):
        wrong = [f"{name} points out of the export." for name in names if PurePosixPath(name).is_absolute() or ".." in PurePosixPath(name).parts]
        wrong += [f"{name} is there twice." for name in sorted({name for name in names if names.count(name) > 1})]
        if wrong:
            return wrong, len(names), 0
        try:
            graph = {entity["@id"]: entity for entity in json.loads(read(METADATA))["@graph"]}
            parts = [part["@id"] for part in graph["./"]["hasPart"]]
            actions = {key for key, entity in graph.items() if entity["@type"] == "CreateAction"}
            if graph[METADATA]["about"]["@id"] != "./" or graph[METADATA]["conformsTo"]["@id"] != CRATE:
                wrong.append(f"{METADATA} does not describe a crate of version 1.1.")
        except (KeyError, ValueError, TypeError, OSError, zipfile.BadZipFile):
            return [f"{METADATA} is missing or damaged."], len(names), 0
        contents: dict[str, bytes] = {}
        for name in sorted(set(parts) - {METADATA}):
            try:
                contents[name] = read(name)
            except (KeyError, OSError, zipfile.BadZipFile, zipfile.zlib.error, NotImplementedError, RuntimeError):
                wrong.append(f"{name} is missing or damaged.")
                continue
            entity = graph.get(name, {})
            if entity.get("sha256") != hashlib.sha256(contents[name]).hexdigest() or entity.get("contentSize") != str(len(contents[name])):
                wrong.append(f"{name} was altered: its size or checksum is not the recorded one.")
        wrong += [f"{name} is not part of the export." for name in sorted(set(names) - set(parts) - {METADATA})]
    records = [name for name in contents if name.startswith("runs/") and name.endswith("/run.json")]
    for name in records:
        wrong += _wrong_record(name, contents[name], actions)
    for name in (name for name in contents if name.startswith("notebooks/")):
        try:
            about = json.loads(contents[name])["metadata"]["stablerep"]
            wrong += [f"{name} asked for {key}, which the export does not describe." for key in [about["key"], *about["runs"]] if f"#{key}" not in actions]
        except (KeyError, ValueError, TypeError):
            wrong.append(f"{name} does not say what it was made from.")
    return wrong, len(names), len(records)


def _wrong_record(name: str, content: bytes, actions: set[str]) -> list[str]:
    """What is wrong with the record of a run: it must give its own key, which hashes everything that determined it."""
    key = PurePosixPath(name).parts[1]
    try:
        info = json.loads(content)
        found = key if info.get("shortened") else identify(info["step"], info["version"], info["parameters"], info["inputs"])["key"]
    except (KeyError, ValueError, TypeError, AttributeError):
        return [f"{name} is damaged."]
    wrong = [] if found == info.get("key") == key else [f"{name} does not give its own key, {key}."]
    return wrong + ([] if f"#{key}" in actions else [f"{name} is described by no action."])
