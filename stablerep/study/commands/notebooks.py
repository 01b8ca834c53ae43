"""``stablerep execute``, ``reference`` and ``notebooks``: notebooks from elsewhere, the stored results, and the committed notebooks."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from stablerep.study.commands.sentences import sentences

notebooks_app = typer.Typer(no_args_is_help=True, help="The committed notebooks and the schemas of their parameters.")
Given = Annotated[
    list[str], typer.Option("-p", "--parameter", metavar="NAME=VALUE", help="A parameter; may be repeated.")
]


def execute_command(
    path: Annotated[
        Path, typer.Argument(help="A notebook that is not one of the project's, such as a changed copy of a chapter.")
    ],
    output: Annotated[Path, typer.Option("-o", "--output", help="The executed notebook.")],
    parameter: Given = [],
    file: Annotated[Path | None, typer.Option("-f", "--file", help="YAML file of parameters.")] = None,
    trust: Annotated[
        bool, typer.Option("--trust", help="You have read the notebook: it can do whatever you can.")
    ] = False,
) -> None:
    """Execute a notebook from elsewhere, with the project's checks of its parameters and a kernel that knows no secrets."""
    with sentences():
        from stablerep.study.commands.run import chapter_fields, given_parameters
        from stablerep.study.notebooks.execution import execute_file, opened_chapter, read_notebook

        chapter = opened_chapter(read_notebook(path))
        given = given_parameters(parameter, file, fields=chapter_fields(chapter) if chapter else {})
        typer.echo(f"Executed notebook: {execute_file(path, given, output, trust=trust)}")


def reference_command(
    name: Annotated[str, typer.Argument(metavar="CHAPTER", help="The chapter whose stored results to make again.")],
    parameter: Given = [],
    check: Annotated[
        bool,
        typer.Option("--check", help="Tell in minutes whether the stored results still hold for the present code."),
    ] = False,
) -> None:
    """Compute a chapter's stored reference (hours on two cores). After an interruption, the same command continues."""
    with sentences():
        from stablerep.checkpoint import storing
        from stablerep.errors import InputError
        from stablerep.study.commands.run import chapter_fields, given_parameters
        from stablerep.study.notebooks.reference import check_reference, make_reference
        from stablerep.study.root import STORED

        if check and parameter:
            raise InputError("--check computes the preset smoke; it takes no parameters.")
        with storing(STORED):
            if check:
                typer.echo(check_reference(name))
                return
            written = make_reference(name, given_parameters(parameter, fields=chapter_fields(name)))
        typer.echo(f"results/{name}: {', '.join(written)}")


@notebooks_app.command()
def sync(
    check: Annotated[
        bool, typer.Option("--check", help="Change nothing; exit status 1 when something differs.")
    ] = False,
) -> None:
    """Write what follows from the chapters: the parameters cells of all notebooks, without outputs, and README's list."""
    with sentences():
        from stablerep.study.chapters import chapter_names
        from stablerep.study.notebooks.schema import sync_notebook, sync_readme
        from stablerep.study.root import project_root

        root = project_root()
        differing = [
            f"notebooks/{one}"
            for one in chapter_names()
            if sync_notebook(root / "notebooks" / f"{one}.ipynb", check=check)
        ]
        differing += ["README.md"] if sync_readme(root / "README.md", check=check) else []
        if not differing:
            typer.echo("Notebooks and README agree with the chapters.")
        elif check:
            verb = "differ" if len(differing) > 1 else "differs"
            typer.echo(
                f"{', '.join(differing)} {verb} from the chapters; `stablerep notebooks sync` writes what follows from them.",
                err=True,
            )
            raise typer.Exit(1)
        else:
            typer.echo(f"rewritten: {', '.join(differing)}")


@notebooks_app.command()
def schema(
    notebook: Annotated[str, typer.Argument(help="A chapter.")],
) -> None:
    """Print the JSON Schema of a chapter's parameters."""
    with sentences():
        import json

        from stablerep.study.notebooks.schema import json_schema

        typer.echo(json.dumps(json_schema(notebook), indent=1, ensure_ascii=False))
