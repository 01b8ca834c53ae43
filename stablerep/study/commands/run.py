"""``stablerep run CHAPTER``: a command for each chapter, its options made from the schema of its parameters."""

from __future__ import annotations

import inspect
from pathlib import Path
from typing import Annotated, Any

import typer
from typer.core import TyperGroup

from stablerep.errors import InputError, readable
from stablerep.study.commands.sentences import sentences


class Chapters(TyperGroup):
    """The chapters as commands, made when one is asked for: their schemas take a second to import."""

    def list_commands(self, context) -> list[str]:
        from stablerep.study.chapters import chapter_names

        return chapter_names()

    def get_command(self, context, name: str):
        return chapter_command(name) if name in self.list_commands(context) else None

    def resolve_command(self, context, arguments: list[str]):
        if arguments[0] not in self.list_commands(context):
            typer.echo(
                f"there is no chapter {arguments[0]!r}; the book has {', '.join(self.list_commands(context))}.",
                err=True,
            )
            raise typer.Exit(2)
        return super().resolve_command(context, arguments)


run_app = typer.Typer(cls=Chapters, no_args_is_help=True, rich_markup_mode=None)


@run_app.callback()
def run() -> None:
    """Execute one chapter with other parameters. Everything is checked before anything starts."""


def chapter_command(name: str):
    """The click command of a chapter: an option for each parameter, and those that every chapter has."""
    from stablerep.study.chapters import chapter
    from stablerep.study.parameters.description import describe_schema

    described = [row for row in describe_schema(chapter(name).Parameters) if row.name not in ("preset", "live")]
    own = {row.name: _option(name, row) for row in described}

    def command(**options) -> None:
        parameter, file, preset, live, output, dry_run, allow, accept = (options.pop(key) for key in COMMON)
        with sentences():
            fields = chapter_fields(name)
            given = given_parameters(parameter, fields=fields)
            for key, value in (options | {"preset": preset, "live": live}).items():
                if value is not None:
                    _give(given, key, _value(key, value, fields))
            filed = given_parameters([], file, fields=fields)
            execute(name, filed | given, output=output, dry_run=dry_run, allow=allow, accept=accept)

    parameters = own | COMMON
    command.__signature__ = inspect.Signature(
        [
            inspect.Parameter(key, inspect.Parameter.KEYWORD_ONLY, default=default, annotation=kind)
            for key, (kind, default) in parameters.items()
        ]
    )
    command.__annotations__ = {key: kind for key, (kind, _) in parameters.items()}
    command.__doc__ = f"Execute the chapter {name}. A parameter that is not given comes from the preset."
    app = typer.Typer(add_completion=False, pretty_exceptions_enable=False, rich_markup_mode=None)
    app.command(name)(command)
    made = typer.main.get_command(app)
    made.name = name
    return made


def _presets(incomplete: str) -> list[str]:
    from stablerep.study.parameters.presets import PRESETS

    return [name for name in PRESETS if name.startswith(incomplete)]


def _pairs(context: typer.Context, incomplete: str) -> list[str]:
    """``NAME=`` for the chapter's parameters, and their choices behind it."""
    from stablerep.study.chapters import chapter, chapter_names
    from stablerep.study.parameters.description import describe_schema

    known = context.info_name in chapter_names()
    rows = {row.name: row.choices for row in describe_schema(chapter(context.info_name).Parameters)} if known else {}
    name, equals, _ = incomplete.partition("=")
    found = [f"{name}={choice}" for choice in rows.get(name, ())] if equals else [f"{row}=" for row in rows]
    return [one for one in found if one.startswith(incomplete)]


_PAIR = typer.Option(
    "-p", "--parameter", metavar="NAME=VALUE", help="A parameter; may be repeated.", autocompletion=_pairs
)
COMMON: dict[str, tuple[Any, Any]] = {
    "parameter": (Annotated[list[str], _PAIR], []),
    "file": (
        Annotated[
            Path | None, typer.Option("-f", "--file", help="YAML file of parameters; what else is given wins over it.")
        ],
        None,
    ),
    "preset": (
        Annotated[
            str | None, typer.Option(help="smoke, laptop, reference, workstation or paper.", autocompletion=_presets)
        ],
        None,
    ),
    "live": (
        Annotated[bool | None, typer.Option("--live/--no-live", help="Compute, or draw from stored results.")],
        None,
    ),
    "output": (
        Annotated[Path | None, typer.Option("-o", "--output", help="Also copy the executed notebook here.")],
        None,
    ),
    "dry_run": (
        Annotated[
            bool, typer.Option("--dry-run", help="Print what would be computed and what it costs; compute nothing.")
        ],
        False,
    ),
    "allow": (
        Annotated[
            list[Path],
            typer.Option(
                "--allow-path", metavar="FOLDER", help="A folder outside the project that parameters may name."
            ),
        ],
        [],
    ),
    "accept": (
        Annotated[
            list[str],
            typer.Option(
                "--accept-old",
                metavar="NAME",
                help="A step or the key of a run: take runs made by earlier code; the page says so.",
            ),
        ],
        [],
    ),
}


def check_plan(name: str, parameters) -> None:
    """Ask for everything that a chapter would need, and compute nothing: what it must refuse, such as a corpus without people, is
    refused before anything starts."""
    if parameters.live:
        from stablerep.study.plans.planning import plan_chapters

        plan_chapters([(name, parameters)])


def accept_old(names: list[str]) -> None:
    """Let this process, and the notebooks it executes, take runs of some steps, or of some keys, whose code has changed since."""
    import os

    from stablerep.study.store.runs import ACCEPT

    if names:
        os.environ[ACCEPT] = ",".join(names)


def _option(name: str, row) -> tuple[Any, Any]:
    from stablerep.study.chapters import chapter
    from stablerep.study.parameters.presets import preset_values

    default = preset_values(chapter(name).Parameters, chapter(name).PRESETS)[row.name]
    shown = ",".join(map(str, default)) if isinstance(default, list) else default
    if len(str(shown)) > 60:
        shown = f"{len(default)} of them"
    unit = f"in {row.unit}" if row.unit and row.unit not in row.help else ""
    cost = f"cost {row.cost}" if row.cost != "none" else ""
    text = f"{row.help}  ({'; '.join(part for part in (row.valid, unit, cost, f'laptop: {shown}') if part)})"

    def complete(incomplete: str) -> list[str]:
        return [choice for choice in row.choices if choice.startswith(incomplete)]

    flag = f"--{row.name.replace('_', '-')}"
    if row.kind == "truth value":
        return Annotated[bool | None, typer.Option(f"{flag}/--no-{flag[2:]}", help=text)], None
    kind = "A,B,..." if row.kind.startswith("list") else {"whole number": "N", "number": "X", "text": "TEXT"}[row.kind]
    return Annotated[str | None, typer.Option(flag, metavar=kind, help=text, autocompletion=complete)], None


def chapter_fields(*names: str) -> dict[str, Any]:
    """The fields of the parameters of some chapters by name; of all chapters when none is named."""
    from stablerep.study.chapters import schemas

    known = schemas()
    chosen = [known[name] for name in names if name in known] if names else known.values()
    return {name: field for schema in chosen for name, field in schema.model_fields.items()}


def _value(name: str, text: Any, fields: dict[str, Any]) -> Any:
    """The value of an option: as the schema has it, or as papermill does where there is none."""
    from stablerep.study.parameters.text_values import papermill_value, schema_value

    if not isinstance(text, str):
        return text
    try:
        return schema_value(fields[name], text) if name in fields else papermill_value(text)
    except InputError as error:
        raise InputError(f"the value of {name}, {error}") from None


def _give(given: dict, name: str, value: Any) -> None:
    if name in given and given[name] != value:
        raise InputError(f"{name} is given twice, as {given[name]} and as {value}; give it once.")
    given[name] = value


def given_parameters(pairs: list[str], file: Path | None = None, *, fields: dict[str, Any]) -> dict[str, Any]:
    """``["w=4", "seeds=2"]`` and a YAML file to a dictionary; the pairs win.

    Args:
        fields: by name, the fields of the schema (:func:`chapter_fields`); other names get the types that papermill gives them.

    Raises:
        InputError, MissingError: a pair without ``=``, two pairs that contradict each other, or a file that is not a mapping.
    """
    filed, given = {}, {}
    if file is not None:
        filed = _read_mapping(file)
    for pair in pairs:
        name, equals, value = pair.partition("=")
        if not equals or not name:
            raise InputError(f"{pair!r} is not name=value, for example guidance_scale=4.")
        _give(given, name, _value(name, value, fields))
    return filed | given


def _read_mapping(file: Path) -> dict[str, Any]:
    import yaml
    from papermill.iorw import NoDatesSafeLoader  # a date stays the text that was written

    with readable(file):
        text = file.read_text(encoding="utf-8-sig")
    try:
        found = yaml.load(text, NoDatesSafeLoader) or {}
    except (yaml.YAMLError, ValueError) as error:
        raise InputError(f"{file} could not be read as YAML: {str(error).splitlines()[0]}") from None
    if not isinstance(found, dict):
        raise InputError(f"{file} holds a {type(found).__name__}; it must map parameter names to values.")
    return found


def execute(
    name: str, given: dict[str, Any], *, output: Path | None, dry_run: bool, allow: list[Path], accept: list[str]
) -> None:  # fmt: skip
    """Check, then plan or execute one chapter, and say where it is."""
    from stablerep.study.chapters import resolve
    from stablerep.study.parameters.paths import allow_paths, anchor_paths

    allow_paths(allow)
    accept_old(accept)
    resolve(name, given)  # the sentences show the values as they were given
    given = anchor_paths(given)
    parameters = resolve(name, given)
    if dry_run:
        from stablerep.study.plans.planning import describe_plan

        typer.echo(describe_plan(name, parameters))
        return
    check_plan(name, parameters)
    from stablerep.study.notebooks import execution

    found = execution.execute_notebook(name, given).path(f"{name}.ipynb")
    if output is not None:
        from stablerep.checkpoint import written_aside

        with written_aside(output) as aside:
            aside.write_bytes(found.read_bytes())
    typer.echo(f"Executed notebook: {output or found}")
