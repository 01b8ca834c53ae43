"""``stablerep book``: the whole book, with the parameters of a reader's choice."""

from __future__ import annotations

import re
from functools import partial
from pathlib import Path
from typing import Annotated

import typer
from typer import Argument, Option

from stablerep.errors import InputError
from stablerep.study.commands.given import chapter_fields, given_parameters
from stablerep.study.commands.options import AllowedPaths, DryRun, Live, Pairs, ParameterFile, Preset

book_app = typer.Typer(
    invoke_without_command=True, help="Execute every chapter and build the HTML book, or compare two books."
)
WORKERS = "Processes that compute side by side (default: one for each core, at most 4; with a GPU one)."
PAGES = "Folder of the pages (default _build/html, or _build/books/KEY with other parameters)."


@book_app.callback()
def book(
    context: typer.Context,
    parameter: Pairs = [],
    file: ParameterFile = None,
    preset: Preset = None,
    live: Live = None,
    only: Annotated[
        list[str],
        Option(
            "--only", metavar="CHAPTER", help="A chapter to compute, may be repeated; the others show stored results."
        ),
    ] = [],
    title: Annotated[str | None, Option(help="Of the book, on its first page.")] = None,
    output: Annotated[Path | None, Option("-o", "--output", help=PAGES)] = None,
    add: Annotated[
        list[Path],
        Option("--add", metavar="PAGE", help="A page for the end of the book, such as a sweep's summary.md."),
    ] = [],
    execute: Annotated[
        bool, Option("--execute/--no-execute", help="Execute chapters, or build pages of those executed before.")
    ] = True,
    strict: Annotated[
        bool, Option("--strict", help="Fail when a chapter is not what its sources would give now.")
    ] = False,
    allow: AllowedPaths = [],
    workers: Annotated[int | None, Option(help=WORKERS, min=1)] = None,
    dry_run: DryRun = False,
) -> None:
    """Execute every chapter and build the HTML book. With other parameters, each of which counts for every chapter that
    has it, the book has a folder of its own and says so on its pages."""
    if context.invoked_subcommand:
        return
    from stablerep.study.book.build import check_pages
    from stablerep.study.book.whole import build_executed, make_book, plan_text
    from stablerep.study.parameters.paths import allow_paths, anchor_paths

    allow_paths(allow)
    check_pages(add)
    options = {"preset": preset, "live": live}
    given = anchor_paths(given_parameters(parameter, file, fields=chapter_fields(), options=options))
    if dry_run:
        typer.echo(plan_text(given, title, workers, only))
        return
    if (given or only) and not execute:
        raise InputError(
            f"--no-execute builds chapters as they were executed; {', '.join([*given, *only])} would change nothing."
        )
    build = partial(make_book, given, workers=workers, only=only) if execute else build_executed
    typer.echo(f"The book: {build(title=title, output=output, strict=strict, pages=add)}")


@book_app.command("diff")
def diff(
    first: Annotated[str, Argument(help="Folder of a book's pages, or the key of one in _build/books.")],
    second: Annotated[str, Argument(help="Another one.")],
    output: Annotated[
        Path | None, Option("-o", "--output", help="The page (default _build/diff-KEY-KEY.html).")
    ] = None,
) -> None:
    """Compare two books on one page: parameters, headline numbers, figures."""
    from stablerep.study.book.diff import default_page, diff_books

    folders = [_folder(first), _folder(second)]
    typer.echo(f"Both books: {diff_books(*folders, output or default_page(*folders))}")


def _folder(name: str) -> Path:
    """The folder of that name, or of the only book whose key begins so."""
    from stablerep.study.root import project_root

    if not Path(name).exists() and re.fullmatch("[0-9a-f]{1,16}", name):
        kept = list((project_root() / "_build" / "books").glob(f"{name}*"))
        if len(kept) == 1:
            return kept[0]
    return Path(name)
