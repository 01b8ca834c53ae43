"""Executing notebooks: parameters checked first, papermill in the project's folder, results kept in the run store."""

from __future__ import annotations

import errno
import hashlib
import json
import os
import re
import warnings
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import pandas as pd

from stablerep.checkpoint import storing, written_aside
from stablerep.errors import InputError, readable
from stablerep.study.chapters import chapter, preset_differences, resolve
from stablerep.study.experiments.sources import corpus_options
from stablerep.study.notebooks.chapter import ASKED, RECORD_FOLDER, notebook_path, source_text
from stablerep.study.parameters.base import Parameters
from stablerep.study.parameters.paths import NAMING, anchor_paths
from stablerep.study.root import STORED, project_root
from stablerep.study.store.provenance import installed_version
from stablerep.study.store.runs import Run, RunStore
from stablerep.study.store.step import Step

if TYPE_CHECKING:
    from nbformat import NotebookNode

NOTEBOOK = Step(
    "notebook", 3, lambda p: f"the notebook {p['name']}", seconds=6.0, announced=False
)  # its code is among its inputs
NOTHING = hashlib.sha256().hexdigest()[:16]  # the hash of no stored results
CHANGING = ("torch", "timm", "diffusers")  # libraries that change numbers, by rounding or more


def stored_hash(name: str) -> str:
    """Hash of the stored results that a notebook may draw; ``NOTHING`` where there are none."""
    digest = hashlib.sha256()
    for file in sorted((STORED / name).glob("*")):
        digest.update(file.name.encode() + file.read_bytes())
    return digest.hexdigest()[:16]


def current_inputs(name: str, parameters: Parameters) -> dict[str, str]:
    """Hashes of all but the parameters that decides what a chapter shows: ``notebook``, ``library``, ``stored``
    results, ``corpus`` and, where there is one, ``generator``. A page made from others is stale."""
    from stablerep.corpus import emoji_fingerprint
    from stablerep.corpus.summary import summarize
    from stablerep.generator import generator_fingerprint
    from stablerep.study.store.code import library_hash

    source, options = getattr(parameters, "corpus", "emoji"), corpus_options(parameters)
    inputs = {
        "notebook": hashlib.sha256(source_text(name)).hexdigest()[:16],
        "library": library_hash(),
        "stored": stored_hash(name),
        "corpus": emoji_fingerprint() if source == "emoji" else summarize(source, **options).fingerprint,
    }
    if hasattr(parameters, "generator"):
        inputs["generator"] = generator_fingerprint(parameters.generator)
    return inputs | getattr(chapter(name), "sources", lambda p: {})(parameters)


def notebook_identity(name: str, parameters: Parameters, store: RunStore | None = None) -> dict:
    """What names the execution of a notebook in the run store: step, parameters and inputs."""
    (identity,) = notebook_identities([(name, parameters)], store)
    return identity


def notebook_identities(wanted: Iterable[tuple[str, Parameters]], store: RunStore | None = None) -> list[dict]:
    """:func:`notebook_identity` of many executions at one moment; what they read is hashed once for all."""
    accept = (store or RunStore()).accept
    inputs, found = {}, []
    for name, p in wanted:
        about = p.model_dump()
        read = (name, *(str(about.get(one)) for one in (*NAMING, "labels", "cluster", "split")))
        if read not in inputs:
            inputs[read] = current_inputs(name, p) | ({"accepted": ", ".join(accept)} if accept else {})
        found.append({"step": NOTEBOOK, "parameters": {"name": name, **about}, "inputs": inputs[read]})
    return found


def execute_notebook(
    name: str, given: dict, *, store: RunStore | None = None, log: Callable | None = print, forked: bool = False
) -> Run:
    """Execute a notebook with papermill, or find its execution of the same source, library, data and parameters.

    Args:
        forked: the kernel begins with what it needs imported (:mod:`.forked`).

    Returns:
        A run with ``<name>.ipynb`` and ``tables/``, the chapter's tables as parquet. The notebook's metadata
        ``stablerep`` say what it shows: ``chapter``, ``key``, ``preset``, ``changed`` (parameters other than the
        preset's), ``parameters``, ``inputs`` (:func:`current_inputs`), ``runs`` (keys of the runs asked for),
        ``accepted`` (those of earlier code), ``libraries`` (:func:`other_libraries`) and ``headline``.

    Raises ``ParameterError`` before anything starts, and ``FailedError`` when a cell failed; what was executed is kept.
    """
    from stablerep.study.notebooks.kernels import add_metadata, run_papermill

    parameters = resolve(name, given)
    store = store or RunStore()
    identity = notebook_identity(name, parameters, store)

    def compute(folder: Path) -> dict:
        if log:
            log(f"{name}: executing notebooks/{name}.ipynb")
        target, tables = folder / f"{name}.ipynb", folder / "tables"
        with environment({"STABLEREP_RUNS": str(store.root), RECORD_FOLDER: str(tables)}):
            run_papermill(
                notebook_path(name),
                target,
                name,
                parameters.model_dump(),
                bool(log),
                save_each_cell=False,
                forked=forked,
            )
        about = {
            "chapter": name, "key": store.key(**identity), "preset": parameters.preset,
            "changed": {k: value for k, (value, _) in preset_differences(name, parameters).items()},
            "parameters": parameters.model_dump(), "inputs": identity["inputs"], **_left_by_kernel(name, tables, store),
        }  # fmt: skip
        add_metadata(target, target.name, target.name, stablerep=about)
        return {}

    return store.obtain(**identity, compute=compute)


def _left_by_kernel(name: str, tables: Path, store: RunStore) -> dict:
    """``runs``, ``accepted``, ``libraries`` and ``headline``, from the folder that an executed chapter fills."""
    asked, behind = tables / ASKED, {"runs": [], "accepted": []}
    if asked.exists():
        behind = json.loads(asked.read_text())
        asked.unlink()
    found = {file.stem: pd.read_parquet(file) for file in tables.glob("*.parquet")}
    behind["libraries"] = other_libraries(store, behind["runs"])
    return behind | {"headline": chapter(name).HEADLINE.rows(found)}


def other_libraries(store: RunStore, keys: Iterable[str]) -> dict[str, list[str]]:
    """Versions of the libraries that change numbers with which runs were made, other than those that are installed."""
    found: dict[str, set[str]] = {}
    for run in filter(None, map(store.find, keys)):
        for library in CHANGING:
            version = run.info["provenance"]["packages"].get(library)
            if version and version != installed_version(library):
                found.setdefault(library, set()).add(version)
    return {library: sorted(versions) for library, versions in found.items()}


@contextmanager
def environment(values: dict[str, str]) -> Iterator[None]:
    """Variables for the processes that start within, such as a kernel in the project's folder, maybe another than ours; put back afterwards."""
    earlier = {name: os.environ.get(name) for name in values}
    os.environ.update(values)
    try:
        yield
    finally:
        for name, value in earlier.items():
            if value is None:
                del os.environ[name]
            else:
                os.environ[name] = value


def place_chapter(run: Run, name: str, folder: Path) -> Path:
    """Copy an executed notebook to where the book reads it."""
    target = folder / f"{name}.ipynb"
    with written_aside(target) as aside:
        aside.write_bytes(run.path(f"{name}.ipynb").read_bytes())
    return target


def read_notebook(path: Path) -> NotebookNode:
    """A notebook of any version that nbformat knows, upgraded to version 4, with Python's kernel if it names none.

    Raises ``InputError`` or ``MissingError``: no file, no notebook, or one in another language than Python.
    """
    import nbformat

    from stablerep.corpus.text_files import read_text

    if Path(path).suffix != ".ipynb":
        raise InputError(f"{path} is not a notebook; give the path of an .ipynb file.")
    with readable(path):
        text = read_text(Path(path))
    try:
        with warnings.catch_warnings(action="ignore"):  # of cells without ids, which the upgrade gives them
            notebook = nbformat.from_dict(nbformat.reads(text, as_version=4))
            nbformat.validate(notebook)
    except (ValueError, KeyError, TypeError, AttributeError, nbformat.ValidationError):
        raise InputError(f"{path} could not be read as a notebook.") from None
    about = notebook.metadata
    language = about.get("kernelspec", {}).get("language") or about.get("language_info", {}).get("name") or "python"
    if language.lower() != "python":
        raise InputError(f"{path} is written in {language}; only notebooks in Python are executed.")
    about |= {"kernelspec": {"name": "python3", "display_name": "Python 3", "language": "python"}}
    about |= {"language_info": {**about.get("language_info", {}), "name": "python"}}
    return nbformat.from_dict(notebook)


def opened_chapter(notebook: NotebookNode) -> str | None:
    """The chapter that a notebook opens, whose schema then has its parameters; None when it opens none."""
    source = "\n".join(cell.source for cell in notebook.cells if cell.cell_type == "code")
    found = re.search(r"open_chapter\(\s*[\"'](\w+)[\"']", source)
    return found[1] if found else None


def execute_file(path: Path, given: dict, output: Path, *, trust: bool = False, loud: bool = True) -> Path:
    """Execute a notebook from elsewhere and write it to ``output``.

    Parameters are checked first: by the chapter's schema when it opens a chapter, else by its parameters cell.

    Raises:
        InputError, MissingError: not trusted, no notebook, or a parameter that it does not have.
        FailedError: a cell failed; ``output`` is not written, and what was executed is beside it.
        StorageError: ``output`` cannot be written.
    """
    import papermill

    from stablerep.study.notebooks.kernels import add_metadata, run_papermill

    notebook = read_notebook(path)
    if path.resolve().is_relative_to(project_root() / "notebooks"):
        raise InputError(f"{path} is one of the project's notebooks; `stablerep run {path.stem}` executes it.")
    if not trust:
        careful = "A notebook can do whatever you can: read it, then add --trust."
        raise InputError(f"{path} is not one of the project's notebooks. {careful}")
    output = Path(output).absolute()  # papermill works in the project's folder, and takes other text for an address
    if opened := opened_chapter(notebook):
        values = resolve(opened, anchor_paths(given)).model_dump()
    else:
        values, known = given, papermill.inspect_notebook(notebook)
        if unknown := sorted(set(given) - set(known)):
            raise InputError(f"{path.name} has no parameter {unknown[0]!r}; it has {', '.join(known) or 'none'}.")
    partial = output.with_name(f".{output.stem}.part.ipynb")
    with storing(output):
        if output.is_dir():
            raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR), str(output))
        output.parent.mkdir(parents=True, exist_ok=True)
        run_papermill(notebook, partial, path.stem, values, loud)
        add_metadata(partial, path.name, output.name)
        partial.replace(output)
    return output
