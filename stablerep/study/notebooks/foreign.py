"""Notebooks from elsewhere, such as a changed copy of a chapter: read, checked, and executed when they are trusted."""

from __future__ import annotations

import errno
import os
import re
import warnings
from pathlib import Path

import nbformat
import papermill

from stablerep.checkpoint import storing
from stablerep.errors import InputError, readable
from stablerep.study.chapters import resolve
from stablerep.study.notebooks.kernels import add_metadata, run_papermill
from stablerep.study.parameters.paths import anchor_paths
from stablerep.study.root import project_root


def read_notebook(path: Path) -> nbformat.NotebookNode:
    """A notebook of any version that nbformat knows, upgraded to version 4, with Python's kernel if it names none.

    Raises ``InputError`` or ``MissingError``: no file, no notebook, or one in another language than Python.
    """
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


def opened_chapter(notebook: nbformat.NotebookNode) -> str | None:
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
