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
    notebook: Annotated[str, typer.Argument(help="The chapter whose stored results to make again.")],
    parameter: Given = [],
) -> None:
    """Compute a chapter's stored reference (hours on two cores). After an interruption, the same command continues."""
    with sentences():
        from stablerep.checkpoint import storing
        from stablerep.study.chapters.reference import make_reference
        from stablerep.study.commands.run import chapter_fields, given_parameters
        from stablerep.study.root import STORED

        with storing(STORED):
            written = make_reference(notebook, given_parameters(parameter, fields=chapter_fields(notebook)))
        typer.echo(f"results/{notebook}: {', '.join(written)}")


@notebooks_app.command()
def sync(
    check: Annotated[
        bool, typer.Option("--check", help="Change nothing; exit status 1 when a notebook differs.")
    ] = False,
) -> None:
    """Write the parameters cells of all notebooks from the schemas."""
    with sentences():
        from stablerep.study.notebooks.schema import sync_notebook
        from stablerep.study.parameters.base import SCHEMAS
        from stablerep.study.root import project_root

        folder = project_root() / "notebooks"
        differing = [name for name in SCHEMAS if sync_notebook(folder / f"{name}.ipynb", check=check)]
        if not differing:
            typer.echo("The parameters cells agree with the schemas.")
        elif check:
            typer.echo(
                f"{', '.join(differing)}: the parameters cell differs from the schema; `stablerep notebooks sync` writes it.",
                err=True,
            )
            raise typer.Exit(1)
        else:
            typer.echo(f"rewritten: {', '.join(differing)}")


@notebooks_app.command()
def schema(
    notebook: Annotated[str, typer.Argument(help="corpus, generator, methods, compare, scaling or bias")],
) -> None:
    """Print the JSON Schema of a chapter's parameters."""
    with sentences():
        import json

        from stablerep.study.notebooks.schema import json_schema

        typer.echo(json.dumps(json_schema(notebook), indent=1, ensure_ascii=False))
