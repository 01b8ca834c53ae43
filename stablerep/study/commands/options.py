"""Options that several commands have."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

from typer import Context, Option


def _presets(incomplete: str) -> list[str]:
    from stablerep.study.parameters.presets import PRESETS

    return [name for name in PRESETS if name.startswith(incomplete)]


def _pairs(context: Context, incomplete: str) -> list[str]:
    """``NAME=`` for the parameters of the chapter whose command it is, and their choices behind it."""
    from stablerep.study.chapters import chapter, chapter_names
    from stablerep.study.parameters.description import describe_schema

    known = context.info_name in chapter_names()
    rows = {row.name: row.choices for row in describe_schema(chapter(context.info_name).Parameters)} if known else {}
    name, equals, _ = incomplete.partition("=")
    found = [f"{name}={choice}" for choice in rows.get(name, ())] if equals else [f"{row}=" for row in rows]
    return [one for one in found if one.startswith(incomplete)]


Pairs = Annotated[
    list[str],
    Option("-p", "--parameter", metavar="NAME=VALUE", help="A parameter; may be repeated.", autocompletion=_pairs),
]
ParameterFile = Annotated[
    Path | None, Option("-f", "--file", help="YAML file of parameters; what else is given wins over it.")
]
Preset = Annotated[str | None, Option(help="smoke, laptop, reference, workstation or paper.", autocompletion=_presets)]
Live = Annotated[bool | None, Option("--live/--no-live", help="Compute, or draw from stored results.")]
DryRun = Annotated[bool, Option("--dry-run", help="Print what would be computed and what it costs; compute nothing.")]
AllowedPaths = Annotated[
    list[Path], Option("--allow-path", metavar="FOLDER", help="A folder outside the project that parameters may name.")
]
Workers = Annotated[int, Option(help="Processes at once; the processor's threads are divided among them.", min=1)]
Cluster = Annotated[str | None, Option(help="tcp://HOST:PORT of a dask scheduler, its scheduler file, or local.")]
