"""``stablerep sweep``: one notebook at many combinations of parameters."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from stablerep.study.commands.sentences import sentences


def sweep_command(
    notebook: Annotated[str, typer.Argument(help="corpus, generator, methods, compare, scaling or bias")],
    grid: Annotated[
        list[str],
        typer.Option("-g", "--grid", metavar="NAME=VALUES", help="1,2,4 or 0..4; may be repeated, all are combined."),
    ] = [],
    pairs: Annotated[
        bool, typer.Option("--zip", help="Take the first values together, then the second, and so on.")
    ] = False,
    file: Annotated[
        Path | None, typer.Option("--list", help="A .csv, .tsv or YAML file with a combination per row.")
    ] = None,
    parameter: Annotated[
        list[str], typer.Option("-p", "--parameter", metavar="NAME=VALUE", help="The same for all combinations.")
    ] = [],
    preset: Annotated[str | None, typer.Option(help="smoke, laptop, reference, workstation or paper.")] = None,
    workers: Annotated[
        int, typer.Option(help="Notebooks at once; the processor's threads are divided among them.", min=1)
    ] = 1,
    cluster: Annotated[
        str | None, typer.Option(help="tcp://HOST:PORT of a dask scheduler, its scheduler file, or local.")
    ] = None,
    resume: Annotated[bool, typer.Option("--resume", help="Continue a sweep that was begun.")] = False,
    allow: Annotated[
        list[Path],
        typer.Option("--allow-path", metavar="FOLDER", help="A folder outside the project that parameters may name."),
    ] = [],
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Print what would be computed and what it costs; compute nothing.")
    ] = False,
    output: Annotated[
        Path | None, typer.Option("-o", "--output", help="Folder of the sweep (default sweeps/NOTEBOOK-KEY).")
    ] = None,
) -> None:
    """Execute a notebook for every combination of some values. All are checked before the first one starts."""
    with sentences():
        from stablerep.study.commands.run import chapter_fields, given_parameters
        from stablerep.study.parameters.paths import allow_paths
        from stablerep.study.sweeps.combinations import combinations, resolve_all

        allow_paths(allow)
        fields = chapter_fields(notebook)
        swept = combinations(grid, pairs=pairs, file=file, fields=fields)
        fixed = given_parameters(parameter, fields=fields) | ({"preset": preset} if preset else {})
        parameters = resolve_all(notebook, swept, fixed)
        if dry_run:
            from stablerep.study.plans.planning import plan_chapters, summary
            from stablerep.study.store.runs import RunStore

            store = RunStore()
            plans = plan_chapters([(notebook, p) for p in parameters], store)
            for number, (one, plan) in enumerate(zip(swept, plans), 1):
                state = "executed before" if plan.executed else f"{len(plan.missing)} runs of its own to compute"
                typer.echo(f"[{number}/{len(plans)}] {', '.join(f'{k} = {v}' for k, v in one.items())}: {state}")
            typer.echo(summary(plans, store))
            return
        from stablerep.study.sweeps.page import write_results
        from stablerep.study.sweeps.sweep import begin_sweep, run_sweep

        sweep = begin_sweep(notebook, swept, parameters, folder=output, resume=resume)
        table, total = sweep.folder / "table.csv", len(swept)
        typer.echo(f"{total} combinations, table: {table}")
        try:
            run_sweep(sweep, workers=workers, cluster=cluster, log=typer.echo)
        except KeyboardInterrupt:
            left = len(sweep.waiting)
            typer.echo(
                f"Stopped with {left} of {total} combinations to go; the same command with --resume does the rest.",
                err=True,
            )
            raise typer.Exit(130) from None
        page = write_results(sweep)
        typer.echo(f"Results: {sweep.folder / 'results.csv'}; page: {page}")
        if failed := sum(row["status"] == "failed" for row in sweep.rows):
            typer.echo(f"{failed} of {total} combinations failed; {table} says why.", err=True)
            raise typer.Exit(1)
