"""``stablerep run CHAPTER``: a command for each chapter, its options made from the schema of its parameters."""

from __future__ import annotations

import inspect
import os
from pathlib import Path
from typing import Annotated, Any

import typer
from typer.core import TyperGroup

from stablerep.study.commands.given import chapter_fields, given_parameters
from stablerep.study.commands.options import AllowedPaths, DryRun, Live, Pairs, ParameterFile, Preset


class Chapters(TyperGroup):
    """The chapters as commands, made when one is asked for: their schemas take a second to import."""

    def list_commands(self, context) -> list[str]:
        from stablerep.study.chapters import chapter_names

        return chapter_names()

    def get_command(self, context, name: str):
        if context.resilient_parsing and name not in self.list_commands(context):
            return None  # while the shell completes
        return chapter_command(name)


run_app = typer.Typer(cls=Chapters, no_args_is_help=True, rich_markup_mode=None)


@run_app.callback()
def run() -> None:
    """Execute one chapter with other parameters. Everything is checked before anything starts."""


def chapter_command(name: str):
    """The command of a chapter: an option for each parameter, and those that every chapter has."""
    from stablerep.study.chapters import chapter
    from stablerep.study.parameters.description import describe_schema
    from stablerep.study.parameters.presets import preset_values

    def command(
        *,
        parameter: Pairs = [],
        file: ParameterFile = None,
        preset: Preset = None,
        live: Live = None,
        output: Annotated[
            Path | None, typer.Option("-o", "--output", help="Also copy the executed notebook here.")
        ] = None,
        dry_run: DryRun = False,
        allow: AllowedPaths = [],
        accept: Annotated[
            list[str],
            typer.Option(
                "--accept-old",
                metavar="NAME",
                help="A step or the key of a run: take runs made by earlier code; the page says so.",
            ),
        ] = [],
        **own,
    ) -> None:
        from stablerep.study.store.runs import ACCEPT, RunStore

        options = own | {"preset": preset, "live": live}
        given = given_parameters(parameter, file, fields=chapter_fields(name), options=options)
        if accept:  # in the notebook's process too
            os.environ[ACCEPT] = ",".join(accept)
            RunStore().check_accept()
        execute(name, given, output=output, dry_run=dry_run, allow=allow)

    schema = chapter(name).Parameters
    laptop = preset_values(schema, chapter(name).PRESETS)
    rows = [row for row in describe_schema(schema) if row.name not in ("preset", "live")]
    own = [
        inspect.Parameter(row.name, inspect.Parameter.KEYWORD_ONLY, default=None, annotation=_option(row, laptop))
        for row in rows
    ]
    *common, _ = inspect.signature(command, eval_str=True).parameters.values()
    command.__signature__ = inspect.Signature([*own, *common])
    command.__annotations__ = {one.name: one.annotation for one in (*own, *common)}
    command.__doc__ = f"Execute the chapter {name}. A parameter that is not given comes from the preset."
    app = typer.Typer(add_completion=False, pretty_exceptions_enable=False, rich_markup_mode=None)
    app.command(name)(command)
    return typer.main.get_command(app)


def _option(row, laptop: dict[str, Any]) -> Any:
    """The option of a parameter: its type, and what a reader needs to know of it."""
    default = laptop[row.name]
    shown = ",".join(map(str, default)) if isinstance(default, list) else default
    if len(str(shown)) > 60:
        shown = f"{len(default)} of them"
    unit = f"in {row.unit}" if row.unit and row.unit not in row.help else ""
    cost = f"cost {row.cost}" if row.cost != "none" else ""
    text = f"{row.help}  ({'; '.join(part for part in (row.valid, unit, cost, f'laptop: {shown}') if part)})"

    def complete(incomplete: str) -> list[str]:
        return [choice for choice in row.choices if choice.startswith(incomplete)]

    flag = row.name.replace("_", "-")
    if row.kind == "truth value":
        return Annotated[bool | None, typer.Option(f"--{flag}/--no-{flag}", help=text)]
    kind = "A,B,..." if row.kind.startswith("list") else {"whole number": "N", "number": "X", "text": "TEXT"}[row.kind]
    return Annotated[str | None, typer.Option(f"--{flag}", metavar=kind, help=text, autocompletion=complete)]


def check_plan(name: str, parameters) -> None:
    """Ask for everything that a chapter would need, and compute nothing: what it must refuse, such as a corpus without
    people, is refused before anything starts. So is a page of stored results that are not there."""
    from stablerep.errors import InputError
    from stablerep.study.chapters import has_stored_results, lacking, stored_tables
    from stablerep.study.plans.planning import plan_chapters

    if not parameters.live:
        stored_tables(name)
    elif not (why := lacking(name, parameters)):
        plan_chapters([(name, parameters)])
    elif has_stored_results(name):
        typer.echo(f"{why} The page is drawn from stored results.", err=True)
    else:
        raise InputError(why)


def execute(name: str, given: dict[str, Any], *, output: Path | None, dry_run: bool, allow: list[Path]) -> None:
    """Check, then plan or execute one chapter, and say where it is."""
    from stablerep.checkpoint import written_aside
    from stablerep.study.chapters import is_computed, resolve
    from stablerep.study.parameters.paths import allow_paths, anchor_paths

    allow_paths(allow)
    resolve(name, given)  # the sentences show the values as they were given
    given = anchor_paths(given)
    parameters = resolve(name, given)
    if not (dry_run and is_computed(name, parameters)):  # whose plan asks for the same
        check_plan(name, parameters)
    if dry_run:
        from stablerep.study.plans.planning import describe_plan

        typer.echo(describe_plan(name, parameters))
        return
    from stablerep.study.notebooks import execution

    found = execution.execute_notebook(name, given).path(f"{name}.ipynb")
    if output is not None:
        with written_aside(output) as aside:
            aside.write_bytes(found.read_bytes())
    typer.echo(f"Executed notebook: {output or found}")
