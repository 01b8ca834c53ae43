"""``stablerep trace``, ``export`` and ``verify``: where results come from, for readers and for archives."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer
from typer import Argument, Option

from stablerep.errors import FailedError

PAGES = "Folder of a book's pages (default: the chapters of the last plain book, or the newest in the store)."
Book = Annotated[Path | None, Option("--book", help=PAGES)]


def trace_command(
    what: Annotated[
        str,
        Argument(
            help="A figure (fig-...), a table (compare/arms), a chapter, or the key of a run, which may be shortened."
        ),
    ],
    book: Book = None,
    as_json: Annotated[bool, Option("--json", help="Print everything as JSON.")] = False,
) -> None:
    """Print what a figure, table, chapter or run was made from: notebook, runs, seeds, inputs, versions.

    Exit status 1 when stored results are not what their record or the notebook says.
    """
    import json

    from stablerep.study.archive.trace import trace
    from stablerep.study.archive.trace_text import describe_chain

    chain = trace(what, folder=book)
    typer.echo(json.dumps(chain.as_json(), indent=1) if as_json else describe_chain(chain))
    if chain.wrong:
        raise typer.Exit(1)


def export_command(
    output: Annotated[Path, Argument(help="A new folder, or a file that ends in .zip.")],
    what: Annotated[
        list[str] | None, Argument(help="Chapters, figures, tables or runs; every executed chapter when left out.")
    ] = None,
    book: Book = None,
    weights: Annotated[
        bool, Option("--with-weights", help="Take all files of the runs along, weights and synthetic sets too.")
    ] = False,
) -> None:
    """Export executed chapters with the records of all runs behind them, as an RO-Crate with checksums."""
    from stablerep.study.archive.check import examine_export
    from stablerep.study.archive.export import export

    for note in export(output, what or (), folder=book, weights=weights):
        typer.echo(note, err=True)
    found = examine_export(output)
    if found.wrong:  # as of a disk that keeps other bytes than it was given
        raise FailedError(f"{output} was written but is not whole: {found.wrong[0]}")
    records = "the record" if found.runs == 1 else "records"
    typer.echo(f"{output}: {_count(found.files, 'file')}, {records} of {_count(found.runs, 'run')}")


def verify_command(path: Annotated[Path, Argument(help="An export: a folder or a zip.")]) -> None:
    """Check an export on any machine: files against checksums, runs against their keys. Exit status 1 when something is
    wrong."""
    from stablerep.study.archive.check import examine_export

    found = examine_export(path)
    for note in found.notes:
        typer.echo(note, err=True)
    for sentence in found.wrong:
        typer.echo(sentence)
    if found.wrong:
        raise typer.Exit(1)
    verb = "is" if found.files == found.runs == 1 else "are"
    typer.echo(f"{_count(found.files, 'file')} and {_count(found.runs, 'run')} {verb} whole.")


def _count(number: int, noun: str) -> str:
    return f"{number} {noun}{'' if number == 1 else 's'}"
