"""``stablerep book``: the whole book, with the parameters of a reader's choice."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from stablerep.errors import InputError
from stablerep.study.commands.sentences import sentences

book_app = typer.Typer(
    invoke_without_command=True, help="Execute every chapter and build the HTML book, or compare two books."
)


@book_app.callback()
def book(
    context: typer.Context,
    parameter: Annotated[
        list[str],
        typer.Option("-p", "--parameter", metavar="NAME=VALUE", help="For every chapter that has it; may be repeated."),
    ] = [],
    file: Annotated[Path | None, typer.Option("-f", "--file", help="YAML file of parameters.")] = None,
    preset: Annotated[str | None, typer.Option(help="smoke, laptop, reference, workstation or paper.")] = None,
    live: Annotated[bool | None, typer.Option("--live/--no-live", help="Compute, or draw from stored results.")] = None,
    title: Annotated[str | None, typer.Option(help="Of the book, on its first page.")] = None,
    output: Annotated[
        Path | None,
        typer.Option(
            "-o",
            "--output",
            help="Folder of the pages (default _build/html, or _build/books/KEY with other parameters).",
        ),
    ] = None,
    add: Annotated[
        list[Path],
        typer.Option("--add", metavar="PAGE", help="A page for the end of the book, such as a sweep's summary.md."),
    ] = [],
    execute: Annotated[
        bool, typer.Option("--execute/--no-execute", help="Execute chapters, or build pages of those executed before.")
    ] = True,
    strict: Annotated[
        bool, typer.Option("--strict", help="Fail when a chapter is not what its sources would give now.")
    ] = False,
    allow: Annotated[
        list[Path],
        typer.Option("--allow-path", metavar="FOLDER", help="A folder outside the project that parameters may name."),
    ] = [],
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Print what would be computed and what it costs; compute nothing.")
    ] = False,
) -> None:
    """Execute every chapter and build the HTML book. With other parameters it has a folder of its own and says so on its pages."""
    if context.invoked_subcommand:
        return
    with sentences():
        from stablerep.study.book.whole import book_parameters, book_record, build_executed, describe_book, make_book
        from stablerep.study.commands.run import given_parameters
        from stablerep.study.parameters.base import allow_paths, anchor_paths

        allow_paths(allow)
        given = anchor_paths(given_parameters(parameter, file))
        given |= {name: value for name, value in (("preset", preset), ("live", live)) if value is not None}
        if dry_run:
            from stablerep.study.store.runs import RunStore

            parameters = book_parameters(given)
            typer.echo("\n".join(describe_book(parameters, book_record(parameters, title), RunStore())))
            return
        if execute:
            typer.echo(f"The book: {make_book(given, title=title, output=output, strict=strict, pages=add)}")
        elif given:
            raise InputError(
                f"--no-execute builds chapters as they were executed; {', '.join(given)} would change nothing."
            )
        else:
            typer.echo(f"The book: {build_executed(title=title, output=output, strict=strict, pages=add)}")


@book_app.command("diff")
def diff(
    first: Annotated[str, typer.Argument(help="Folder of a book's pages, or the key of one in _build/books.")],
    second: Annotated[str, typer.Argument(help="Another one.")],
    output: Annotated[
        Path | None, typer.Option("-o", "--output", help="The page (default _build/diff-KEY-KEY.html).")
    ] = None,
) -> None:
    """Compare two books on one page: parameters, headline numbers, figures."""
    with sentences():
        from stablerep.study.book.diff import default_page, diff_books
        from stablerep.study.root import project_root

        folders = []
        for name in (first, second):
            known = [] if Path(name).exists() else sorted((project_root() / "_build" / "books").glob(f"{name}*"))
            folders.append(known[0] if len(known) == 1 else Path(name))
        typer.echo(f"Both books: {diff_books(*folders, output or default_page(*folders))}")
