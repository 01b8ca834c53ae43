"""``stablerep notebooks``: what in the notebooks follows from the schemas of their parameters."""

from __future__ import annotations

from typing import Annotated

import typer

from stablerep.study.commands.sentences import sentences

notebooks_app = typer.Typer(no_args_is_help=True, help="The committed notebooks and the schemas of their parameters.")


@notebooks_app.command()
def sync(
    check: Annotated[
        bool, typer.Option("--check", help="Change nothing; exit status 1 when a notebook differs.")
    ] = False,
) -> None:
    """Write the parameters cells of all notebooks anew from the schemas."""
    with sentences():
        from stablerep.study.notebooks.schema import sync_notebook
        from stablerep.study.parameters.base import SCHEMAS
        from stablerep.study.root import project_root

        differing = [
            name for name in SCHEMAS if sync_notebook(project_root() / "notebooks" / f"{name}.ipynb", check=check)
        ]
        if not differing:
            typer.echo("The parameters cells are as the schemas have them.")
        elif check:
            typer.echo(
                f"{', '.join(differing)}: the parameters cell differs from the schema; `stablerep notebooks sync` writes it anew.",
                err=True,
            )
            raise typer.Exit(1)
        else:
            typer.echo(f"written anew: {', '.join(differing)}")


@notebooks_app.command()
def schema(
    notebook: Annotated[str, typer.Argument(help="corpus, generator, methods, compare, scaling or bias")],
) -> None:
    """Print the JSON Schema of a chapter's parameters."""
    with sentences():
        import json

        from stablerep.study.notebooks.schema import json_schema

        typer.echo(json.dumps(json_schema(notebook), indent=1, ensure_ascii=False))
