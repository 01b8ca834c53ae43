"""``stablerep execute``, ``reference`` and ``notebooks``: notebooks from elsewhere, stored results, our notebooks."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer
from typer import Argument, Option

from stablerep.errors import InputError
from stablerep.study.commands.given import chapter_fields, given_parameters
from stablerep.study.commands.options import Pairs, ParameterFile, Workers

notebooks_app = typer.Typer(no_args_is_help=True, help="The committed notebooks and the schemas of their parameters.")


def execute_command(
    path: Annotated[
        Path, Argument(help="A notebook that is not one of the project's, such as a changed copy of a chapter.")
    ],
    output: Annotated[Path, Option("-o", "--output", help="The executed notebook.")],
    parameter: Pairs = [],
    file: ParameterFile = None,
    trust: Annotated[bool, Option("--trust", help="You have read the notebook: it can do whatever you can.")] = False,
) -> None:
    """Execute a notebook from elsewhere, with the project's checks of parameters and a kernel that knows no secrets."""
    from stablerep.study.notebooks.execution import execute_file, opened_chapter, read_notebook

    chapter = opened_chapter(read_notebook(path))
    given = given_parameters(parameter, file, fields=chapter_fields(chapter) if chapter else {})
    typer.echo(f"Executed notebook: {execute_file(path, given, output, trust=trust)}")


def reference_command(
    name: Annotated[str, Argument(metavar="CHAPTER", help="The chapter whose stored results to make again.")],
    parameter: Pairs = [],
    seeds: Annotated[
        int | None, Option(help="Fewer seeds, as -p seeds=N: their rows are those that the whole reference has.")
    ] = None,
    check: Annotated[
        bool, Option("--check", help="Tell in minutes whether the stored results still hold for the present code.")
    ] = False,
    workers: Workers = 1,
) -> None:
    """Compute a chapter's stored reference (hours on two cores). After an interruption, the same command continues."""
    from stablerep.checkpoint import storing
    from stablerep.study.chapters import resolve
    from stablerep.study.notebooks.reference import check_reference, committed_state, make_reference
    from stablerep.study.plans.planning import plan_chapters
    from stablerep.study.plans.together import compute_together, threads_each
    from stablerep.study.root import STORED

    if seeds is not None:
        parameter = [*parameter, f"seeds={seeds}"]
    if check and parameter:
        raise InputError("--check computes the preset smoke; it takes no parameters.")
    with storing(STORED):
        if check:
            typer.echo(check_reference(name))
        else:
            given = given_parameters(parameter, fields=chapter_fields(name))
            if workers > 1:
                committed_state()
                wanted = {"preset": "reference"} | given
                plans = plan_chapters([(name, resolve(name, wanted))], threads=threads_each(workers))
                compute_together([(name, wanted)], workers, plans)
            written = make_reference(name, given)
            typer.echo(f"results/{name}: {', '.join(written)}")


@notebooks_app.command()
def sync(
    check: Annotated[bool, Option("--check", help="Change nothing; exit status 1 when something differs.")] = False,
) -> None:
    """Write what follows from the chapters: parameters cells of all notebooks, without outputs, and README's list."""
    from stablerep.study.chapters import chapter_names
    from stablerep.study.notebooks.schema import sync_notebook, sync_readme
    from stablerep.study.root import project_root

    root, names = project_root(), [f"notebooks/{chapter}.ipynb" for chapter in chapter_names()]
    differing = [name for name in names if sync_notebook(root / name, check=check)]
    if sync_readme(root / "README.md", check=check):
        differing.append("README.md")
    if differing and check:
        verb = "differ" if len(differing) > 1 else "differs"
        remedy = "`stablerep notebooks sync` writes what follows from them."
        typer.echo(f"{', '.join(differing)} {verb} from the chapters; {remedy}", err=True)
        raise typer.Exit(1)
    typer.echo(f"rewritten: {', '.join(differing)}" if differing else "Notebooks and README agree with the chapters.")


@notebooks_app.command()
def schema(notebook: Annotated[str, Argument(help="A chapter.")]) -> None:
    """Print the JSON Schema of a chapter's parameters."""
    import json

    from stablerep.study.notebooks.schema import json_schema

    typer.echo(json.dumps(json_schema(notebook), indent=1, ensure_ascii=False))
