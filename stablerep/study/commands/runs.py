"""``stablerep runs``: the run store by command."""

from __future__ import annotations

from typing import Annotated

import typer

from stablerep.errors import InputError

runs_app = typer.Typer(
    no_args_is_help=True, help="The run store: what was computed, from what, and whether it is whole."
)


@runs_app.command("list")
def list_runs() -> None:
    """Every run: key, step, when, seconds, size, and what it is."""
    from stablerep.study.plans.costs import size
    from stablerep.study.store.runs import RunStore

    store = RunStore()
    table = store.list()
    if table.empty:
        typer.echo(f"{store.root} holds no runs yet.")
        return
    typer.echo(table.to_string(index=False, formatters={"size": size, "seconds": "{:.0f}".format}))


@runs_app.command()
def show(key: str) -> None:
    """The record of one run: parameters, inputs, files, provenance. A key may be shortened."""
    import json

    from stablerep.study.store.runs import RunStore

    run = RunStore().find(key)
    if run is None:
        raise InputError(f"there is no complete run {key!r}; `stablerep runs list` lists the runs.")
    typer.echo(json.dumps(run.info, indent=1))


@runs_app.command()
def verify(
    keys: Annotated[list[str] | None, typer.Argument(help="Runs to check; all when left out.")] = None,
) -> None:
    """Compare every file of a run with its checksum; exit status 1 when something is wrong."""
    from stablerep.study.store.runs import RunStore

    store = RunStore()
    # those that were cut off lie elsewhere
    names = keys or [key for key in store.list()["key"] if (store.root / key).is_dir()]
    wrong = 0
    for key in names:
        problems = store.verify(key)
        wrong += bool(problems)
        for problem in problems:
            typer.echo(f"{key}: {problem}")
    typer.echo(f"{len(names) - wrong} of {len(names)} runs are whole.")
    if wrong:
        raise typer.Exit(1)


@runs_app.command()
def remove(keys: list[str]) -> None:
    """Delete runs; what needs them is computed again when asked for."""
    from stablerep.study.store.runs import RunStore

    for key in keys:
        RunStore().remove(key)
        typer.echo(f"removed {key}")
