"""``stablerep book``: the whole book, with the parameters of a reader's choice."""

from __future__ import annotations

import re
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
        from stablerep.study.book.build import check_pages
        from stablerep.study.book.whole import build_executed, make_book, plan_text
        from stablerep.study.commands.run import chapter_fields, given_parameters
        from stablerep.study.parameters.paths import allow_paths, anchor_paths

        allow_paths(allow)
        check_pages(add)
        given = anchor_paths(given_parameters(parameter, file, fields=chapter_fields()))
        given |= {name: value for name, value in (("preset", preset), ("live", live)) if value is not None}
        if dry_run:
            typer.echo(plan_text(given, title))
            return
        if execute:
            index = make_book(given, title=title, output=output, strict=strict, pages=add)
        elif given:
            raise InputError(
                f"--no-execute builds chapters as they were executed; {', '.join(given)} would change nothing."
            )
        else:
            index = build_executed(title=title, output=output, strict=strict, pages=add)
        typer.echo(f"The book: {index}")


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

        folders, books = [], project_root() / "_build" / "books"
        for name in (first, second):
            is_key = not Path(name).exists() and re.fullmatch("[0-9a-f]{1,16}", name)
            known = sorted(books.glob(f"{name}*")) if is_key else []
            folders.append(known[0] if len(known) == 1 else Path(name))
        typer.echo(f"Both books: {diff_books(*folders, output or default_page(*folders))}")
