"""From a figure or table back to what it was made from: the notebook, its runs, their inputs, seeds, versions."""

from __future__ import annotations

import difflib
import json
import re
from dataclasses import asdict, dataclass, field
from pathlib import Path

from stablerep.errors import InputError
from stablerep.study.chapters import CHAPTERS, chapter, schemas
from stablerep.study.root import STORED, project_root
from stablerep.study.store.provenance import hash_file
from stablerep.study.store.runs import RunStore

_HASH = "[0-9a-f]{16}"
# The key of a run, but not two hashes in a row; maybe with the part of it that was read behind, such as "-first1".
_RUN = re.compile(f"((?!{_HASH}-)[a-z][a-z0-9_]*-{_HASH})(?:-(.+))?")


class NotExecutedError(InputError):
    """A chapter of which there is no executed notebook."""


@dataclass
class Link:
    """One run of a chain: its record's ``step``, ``version``, ``parameters`` and ``provenance``.

    Attributes:
        missing: the run is no longer in the store; only its key is known.
        inputs: hashes of what it read that is no run, by name.
        needs: keys of the runs that it read, with what each was: an input, maybe with the part, or ``read within``.
    """

    key: str
    step: str
    missing: bool = False
    version: int | None = None
    parameters: dict = field(default_factory=dict)
    inputs: dict[str, str] = field(default_factory=dict)
    needs: dict[str, str] = field(default_factory=dict)
    provenance: dict = field(default_factory=dict)


@dataclass
class Chain:
    """What a figure, table, chapter or run was made from.

    Attributes:
        what: as it was asked for; ``chapter``, or nothing for a run that is no notebook.
        notebook: the executed notebook; ``about``, its ``metadata.stablerep``; ``execution``, its run, maybe missing.
        first: keys of the runs that nothing else in the chain needs; ``links``: all of them by key.
        stored: the record of the chapter's stored results, which a page is drawn from or compares with.
        wrong: sentences on stored results that are not what their record or the notebook says.
    """

    what: str
    chapter: str = ""
    notebook: dict = field(default_factory=dict)
    about: dict = field(default_factory=dict)
    execution: Link | None = None
    first: list[str] = field(default_factory=list)
    links: dict[str, Link] = field(default_factory=dict)
    stored: dict | None = None
    wrong: list[str] = field(default_factory=list)

    @property
    def live(self) -> bool:
        """Whether the page shows runs; otherwise it shows the stored results."""
        return self.about["parameters"].get("live", True)

    def as_json(self) -> dict:
        """All of it but the notebook as JSON values."""
        return {name: value for name, value in asdict(self).items() if name != "notebook"}


def figure_names(root: Path) -> dict[str, str]:
    """The chapter of each figure, from the committed notebooks."""
    found = {}
    for name in schemas():
        for cell in json.loads((root / "notebooks" / f"{name}.ipynb").read_text())["cells"]:
            if figure := cell["metadata"].get("mystnb", {}).get("figure", {}).get("name"):
                found[figure] = name
    return found


def known_names(store: RunStore) -> dict[str, str]:
    """The chapter of every chapter, figure (``fig-...``) and table (``compare/arms``), stored or left by an execution in the store."""
    found = {name: name for name in schemas()} | figure_names(project_root())
    tables = {name: {chapter(name).HEADLINE.table} for name in schemas()}
    for name, known in tables.items():
        known.update(file.stem for file in (STORED / name).glob("*.parquet"))
    for info in store.records():
        if info["step"] == "notebook" and (known := tables.get(info["parameters"]["name"])) is not None:
            known.update(file.stem for file in (store.root / info["key"] / "tables").glob("*.parquet"))
    return found | {f"{name}/{table}": name for name, known in tables.items() for table in sorted(known)}


def executed_notebook(chapter: str, store: RunStore, folder: Path | None = None) -> dict:
    """The notebook of a chapter as the book has it.

    Args:
        folder: of a book's pages, or of executed notebooks; None takes ``book/chapters``, or else the newest execution
            in the store.

    Raises:
        NotExecutedError: it was not executed by this project.
    """
    top = folder or project_root() / CHAPTERS
    for path in (top / f"{chapter}.ipynb", top / "_sources" / CHAPTERS / f"{chapter}.ipynb"):
        if notebook := _described(path):
            return notebook
    if not folder:
        executed = [one for one in store.records() if one["step"] == "notebook"]
        for info in sorted(executed, key=lambda one: (one["provenance"]["created"], one["key"]), reverse=True):
            run = store.find(info["key"])  # none when its files are not whole
            if run and (notebook := _described(run.folder / f"{chapter}.ipynb")):
                return notebook
    where = f" in {folder}" if folder else ""
    raise NotExecutedError(f"{chapter} was not executed yet{where}, or not by `stablerep`; `stablerep book` does it.")


def _described(path: Path) -> dict | None:
    """A notebook that is there and says from what it was made."""
    try:
        notebook = json.loads(path.read_text())
        return notebook if {"key", "runs", "parameters", "inputs"} <= notebook["metadata"]["stablerep"].keys() else None
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return None


def trace(what: str, store: RunStore | None = None, folder: Path | None = None) -> Chain:
    """The chain behind a figure, a table, a chapter, or a run in the store (whose key may be shortened).

    Args:
        folder: of :func:`executed_notebook`.

    Raises:
        ValueError: nothing of that name (names the nearest), several runs whose keys begin so, or a chapter that was
            not executed.
    """
    store = store or RunStore()
    known = known_names(store)
    name, notebook, run = known.get(what), None, None
    if name:
        notebook = executed_notebook(name, store, folder)
    elif run := store.find(what):
        if run.info["step"] == "notebook":
            name = run.info["parameters"]["name"]
            notebook = _described(run.folder / f"{name}.ipynb")
    else:
        near = difflib.get_close_matches(what, [*known, *(info["key"] for info in store.records())], 1, 0.4)
        nearest = f"the nearest is {near[0]}" if near else f"chapters are {', '.join(schemas())}"
        raise InputError(f"there is no figure, table, chapter or run {what!r}; {nearest}.")
    if notebook:
        about = notebook["metadata"]["stablerep"]
        chain = Chain(what, name, notebook, about, first=list(about["runs"]))
        _add_stored(chain)
    else:
        chain = Chain(what, first=[run.key])
    waiting = list(chain.first)
    while waiting:
        key = waiting.pop()
        if key not in chain.links:
            chain.links[key] = _read_link(key, store)
            waiting += chain.links[key].needs
    needed = {key for link in chain.links.values() for key in link.needs}
    chain.first = [key for key in chain.first if key not in needed]
    if notebook:
        chain.execution = _read_link(about["key"], store)
        chain.execution.parameters, chain.execution.inputs = about["parameters"], about["inputs"]
        chain.execution.needs = dict.fromkeys(chain.first, "asked for")
    return chain


def _add_stored(chain: Chain) -> None:
    """The record of the chapter's stored results, and what is wrong with these."""
    from stablerep.study.notebooks.execution import stored_hash

    name = chain.chapter
    path = STORED / name / "record.json"
    if path.is_file():
        try:
            chain.stored = json.loads(path.read_text())
            sums = dict(chain.stored["sha256"])
        except (ValueError, KeyError, TypeError):
            raise InputError(f"results/{name}/record.json could not be read as the record of stored results.") from None
        for table, digest in sums.items():
            if not path.with_name(table).is_file():
                chain.wrong.append(f"results/{name}/{table} is missing.")
            elif hash_file(path.with_name(table)) != digest:
                chain.wrong.append(f"results/{name}/{table} is not the file that its record names.")
    elif not chain.live:
        chain.wrong.append(f"results/{name}/record.json is missing; `stablerep reference {name}` makes it.")
    if not chain.live and chain.about["inputs"].get("stored") != stored_hash(name):
        chain.wrong.append(
            f"{name} was drawn before results/{name} changed; `stablerep run {name} --no-live` draws it again."
        )


def _read_link(key: str, store: RunStore) -> Link:
    """One run, from its record."""
    run = store.find(key)
    if run is None:
        return Link(key, key[:-17], missing=True)
    info, made = run.info, run.info["provenance"]
    link = Link(key, info["step"], False, info["version"], info["parameters"], provenance=made)
    for name, value in info["inputs"].items():
        if found := _RUN.fullmatch(value):
            link.needs[found[1]] = name + (f" ({found[2]})" if found[2] else "")
        else:
            link.inputs[name] = value
    for other in made.get("uses", ()):
        link.needs.setdefault(other, "read within")
    return link
