"""Executing notebooks: parameters checked first, papermill in the project's folder, results kept in the run store."""

from __future__ import annotations

import errno
import hashlib
import json
import os
import re
import sys
import warnings
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from stablerep.checkpoint import storing, written_aside
from stablerep.errors import FailedError, InputError, readable
from stablerep.study.chapters import chapter, preset_differences, resolve
from stablerep.study.experiments.sources import corpus_options
from stablerep.study.notebooks.chapter import ASKED, RECORD_FOLDER, notebook_path, source_text
from stablerep.study.parameters.base import Parameters
from stablerep.study.parameters.paths import anchor_paths
from stablerep.study.root import project_root
from stablerep.study.store.provenance import installed_version
from stablerep.study.store.runs import Run, RunStore
from stablerep.study.store.step import Step

if TYPE_CHECKING:
    from nbformat import NotebookNode

NOTEBOOK = Step("notebook", 3, lambda p: f"the notebook {p['name']}", seconds=15.0)  # its code is among its inputs
CHANGING = ("torch", "timm", "diffusers")  # libraries that change numbers, by rounding or more


def stored_hash(name: str) -> str:
    """Hash of the stored results that a notebook may draw."""
    digest = hashlib.sha256()
    for file in sorted((project_root() / "results" / name).glob("*")):
        digest.update(file.name.encode() + file.read_bytes())
    return digest.hexdigest()[:16]


def current_inputs(name: str, parameters: Parameters) -> dict[str, str]:
    """Hashes of everything but the parameters that decides what a chapter shows: ``notebook``, ``library``, ``stored`` results,
    ``corpus`` and, where there is one, ``generator``. A page made from others is stale."""
    from stablerep.corpus import emoji_fingerprint
    from stablerep.corpus.summary import summarize
    from stablerep.generator import generator_fingerprint
    from stablerep.study.store.code import library_hash

    source = getattr(parameters, "corpus", "emoji")
    inputs = {
        "notebook": hashlib.sha256(source_text(name)).hexdigest()[:16], "library": library_hash(), "stored": stored_hash(name),
        "corpus": emoji_fingerprint() if source == "emoji" else summarize(source, **corpus_options(parameters)).fingerprint,
    }  # fmt: skip
    if hasattr(parameters, "generator"):
        inputs["generator"] = generator_fingerprint(parameters.generator)
    return inputs


def notebook_identity(name: str, parameters: Parameters, store: RunStore | None = None) -> dict:
    """What names the execution of a notebook in the run store: step, parameters and inputs."""
    (identity,) = notebook_identities([(name, parameters)], store)
    return identity


def notebook_identities(wanted: Iterable[tuple[str, Parameters]], store: RunStore | None = None) -> list[dict]:
    """:func:`notebook_identity` of many executions at one moment; what they read is hashed once for all."""
    inputs: dict[tuple, dict[str, str]] = {}
    accept = (store or RunStore()).accept
    found = []
    for name, p in wanted:
        read = (
            name,
            *(getattr(p, one, None) for one in ("generator", "corpus", "cluster", "split")),
            str(getattr(p, "labels", "")),
        )
        if read not in inputs:
            inputs[read] = current_inputs(name, p) | ({"accepted": ", ".join(accept)} if accept else {})
        found.append({"step": NOTEBOOK, "parameters": {"name": name, **p.model_dump()}, "inputs": inputs[read]})
    return found


def execute_notebook(name: str, given: dict, *, store: RunStore | None = None, log: Callable | None = print) -> Run:
    """Execute a notebook with papermill, or find its execution of the same source, library, data and parameters.

    Returns:
        A run with ``<name>.ipynb`` and ``tables/``, the chapter's tables as parquet. The notebook's metadata ``stablerep`` say what it
        shows: ``chapter``, ``key``, ``preset``, ``changed`` (parameters other than the preset's), ``parameters``, ``inputs``
        (:func:`current_inputs`), ``runs`` (keys of the runs asked for), ``accepted`` (those of earlier code), ``libraries`` (:func:`other_libraries`) and
        ``headline`` (:class:`stablerep.study.chapters.Headline`).

    Raises:
        ParameterError: before anything starts.
        FailedError: a cell failed; the executed part is kept in the store's working folder.
    """
    parameters = resolve(name, given)
    store = store or RunStore()
    identity = notebook_identity(name, parameters, store)
    key = store.key(**identity)

    def compute(folder: Path) -> dict:
        if log:
            log(f"{name}: executing notebooks/{name}.ipynb")
        tables = folder / "tables"
        with _environment({"STABLEREP_RUNS": str(store.root), RECORD_FOLDER: str(tables)}):
            source, target = notebook_path(name), folder / f"{name}.ipynb"
            _run_papermill(source, target, name, parameters.model_dump(), bool(log))
        _describe(folder / f"{name}.ipynb", tables, name, parameters, identity["inputs"], key, store)
        return {}

    return store.obtain(**identity, compute=compute)


def read_notebook(path: Path) -> NotebookNode:
    """A notebook of any version that nbformat knows, upgraded to version 4, with Python's kernel where it names none.

    Raises:
        InputError, MissingError: no file, no notebook, or one in another language than Python.
    """
    import nbformat

    if Path(path).suffix != ".ipynb":
        raise InputError(f"{path} is not a notebook; give the path of an .ipynb file.")
    with readable(path):
        text = Path(path).read_text(encoding="utf-8-sig")
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
    """Execute a notebook that is not the project's own, such as a changed copy of a chapter, and write it to ``output``.

    Parameters are checked first: against the chapter's schema when the notebook opens a chapter, else against its parameters cell.

    Raises:
        InputError, MissingError: not trusted, no notebook, or a parameter that it does not have.
        FailedError: a cell failed; ``output`` is not written, and what was executed is beside it.
        StorageError: ``output`` cannot be written.
    """
    import papermill

    notebook = read_notebook(path)
    if path.resolve().is_relative_to(project_root() / "notebooks"):
        raise InputError(f"{path} is one of the project's notebooks; `stablerep run {path.stem}` executes it.")
    if not trust:
        raise InputError(
            f"{path} is not one of the project's notebooks. A notebook can do whatever you can: read it, then add --trust."
        )
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
        _run_papermill(notebook, partial, path.stem, values, loud)
        _add_metadata(partial, path.name, output.name)
        partial.replace(output)
    return output


def _run_papermill(source: Path | NotebookNode, target: Path, name: str, values: dict, loud: bool) -> None:
    import papermill
    from jupyter_client.kernelspec import NoSuchKernel
    from nbclient.exceptions import DeadKernelError

    try:
        papermill.execute_notebook(
            source, re.sub("[{}]", r"\g<0>\g<0>", str(target)),  # it fills in what braces name
            parameters=values, cwd=str(project_root()), progress_bar=False, log_output=False,
            stderr_file=sys.stderr if loud else None, start_timeout=120, kernel_name="python3",
            kernel_manager_class="stablerep.study.notebooks.kernels.IpcKernelManager",
        )  # fmt: skip
    except papermill.PapermillExecutionError as error:
        raise FailedError(
            f"{name}: cell {error.exec_count} failed with {error.ename}: {error.evalue}; what was executed is {target}."
        ) from error
    except DeadKernelError as error:
        raise FailedError(
            f"{name}: the kernel died; it was killed, or memory ran out. Run the same command again to continue."
        ) from error
    except NoSuchKernel as error:
        raise FailedError(f"{name}: there is no kernel python3; `pip install ipykernel` supplies it.") from error


def _add_metadata(path: Path, source: str, target: str, **metadata: object) -> None:
    """Add metadata to an executed notebook, and leave of the paths in papermill's the names alone: folders are nobody's business."""
    written = json.loads(path.read_text(encoding="utf-8"))
    written["metadata"] |= metadata
    if record := written["metadata"].get("papermill"):
        record |= {"input_path": source, "output_path": target}
    with written_aside(path) as aside:
        aside.write_text(json.dumps(written, indent=1, ensure_ascii=False), encoding="utf-8")


def other_libraries(store: RunStore, keys: Iterable[str]) -> dict[str, list[str]]:
    """Versions of the libraries that change numbers with which runs were made, where they are not those that are installed."""
    found: dict[str, set[str]] = {}
    for key in keys:
        if run := store.find(key):
            for library in CHANGING:
                version = run.info["provenance"]["packages"].get(library)
                if version and version != installed_version(library):
                    found.setdefault(library, set()).add(version)
    return {library: sorted(versions) for library, versions in found.items()}


def _describe(
    path: Path, tables: Path, name: str, parameters: Parameters, inputs: dict[str, str], key: str, store: RunStore
) -> None:  # fmt: skip
    """Write into an executed notebook what it shows and from what."""
    import pandas as pd

    asked = tables / ASKED
    behind = json.loads(asked.read_text()) if asked.exists() else {"runs": [], "accepted": []}
    asked.unlink(missing_ok=True)
    found = {file.stem: pd.read_parquet(file) for file in sorted(tables.glob("*.parquet"))}
    about = {
        "chapter": name, "key": key, "preset": parameters.preset, "changed": {k: v for k, (v, _) in preset_differences(name, parameters).items()},
        "parameters": parameters.model_dump(), "inputs": inputs, **behind, "libraries": other_libraries(store, behind["runs"]),
        "headline": chapter(name).HEADLINE.rows(found),
    }  # fmt: skip
    _add_metadata(path, f"{name}.ipynb", f"{name}.ipynb", stablerep=about)


@contextmanager
def _environment(values: dict[str, str]) -> Iterator[None]:
    """Set variables for the kernel, which works in the project's folder, maybe another than ours; put them back afterwards."""
    earlier = dict(os.environ)
    os.environ.update(values)
    try:
        yield
    finally:
        for name in values:
            if name in earlier:
                os.environ[name] = earlier[name]
            else:
                del os.environ[name]


def place_chapter(run: Run, name: str, folder: Path) -> Path:
    """Copy an executed notebook to where the book reads it."""
    target = folder / f"{name}.ipynb"
    with written_aside(target) as aside:
        aside.write_bytes(run.path(f"{name}.ipynb").read_bytes())
    return target
