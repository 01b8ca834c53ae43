"""``stablerep trace``, ``export`` and ``verify``: where results come from, for readers and for archives."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from stablerep.study.sentences import sentences

Book = Annotated[Path | None, typer.Option("--book", help="Folder of a book's pages (default: the chapters of the last plain book).")]


def trace_command(
    what: Annotated[str, typer.Argument(help="A figure (fig-...), a table (compare/arms), a chapter, or the key of a run.")],
    book: Book = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print everything as JSON.")] = False,
) -> None:
    """Print what a figure, table or chapter was made from: notebook, runs, seeds, inputs, versions."""
    with sentences():
        import json

        from stablerep.study.trace import describe_chain, trace

        chain = trace(what, folder=book)
        typer.echo(json.dumps(chain.as_json(), indent=1) if as_json else describe_chain(chain))
        if chain.wrong:
            raise typer.Exit(1)


def export_command(
    output: Annotated[Path, typer.Argument(help="A new folder, or a file that ends in .zip.")],
    chapters: Annotated[list[str] | None, typer.Argument(help="Chapters to export; all when left out.")] = None,
    book: Book = None,
    weights: Annotated[bool, typer.Option("--with-weights", help="Take weights and synthetic sets along.")] = False,
) -> None:
    """Export executed chapters with the records of all runs behind them, as an RO-Crate with checksums."""
    with sentences():
        from stablerep.study.export import export, verify_export
        from stablerep.study.parameters import SCHEMAS

        for note in export(output, chapters or list(SCHEMAS), folder=book, weights=weights):
            typer.echo(note, err=True)
        _, files, runs = verify_export(output)
        typer.echo(f"{output}: {files} files, records of {runs} runs")


def verify_command(path: Annotated[Path, typer.Argument(help="An export: a folder or a zip.")]) -> None:
    """Check an export on any machine: files against checksums, runs against their keys. Exit status 1 when something is wrong."""
    with sentences():
        from stablerep.study.export import verify_export

        wrong, files, runs = verify_export(path)
        for sentence in wrong:
            typer.echo(sentence)
        if wrong:
            raise typer.Exit(1)
        typer.echo(f"{files} files and {runs} runs are whole.")
