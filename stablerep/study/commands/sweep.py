"""``stablerep sweep``: one notebook at many combinations of parameters."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from typer import Argument, Option

from stablerep.study.commands.given import chapter_fields, given_parameters
from stablerep.study.commands.options import AllowedPaths, Cluster, DryRun, Pairs, Preset, Workers

if TYPE_CHECKING:
    from stablerep.study.parameters.base import Parameters


def sweep_command(
    notebook: Annotated[str, Argument(help="Name of a chapter; `stablerep run --help` lists them.")],
    grid: Annotated[
        list[str],
        Option("-g", "--grid", metavar="NAME=VALUES", help="1,2,4 or 0..4; may be repeated, all are combined."),
    ] = [],
    pairs: Annotated[bool, Option("--zip", help="Take the first values together, then the second, and so on.")] = False,
    file: Annotated[Path | None, Option("--list", help="A .csv, .tsv or YAML file with a combination per row.")] = None,
    parameter: Pairs = [],
    preset: Preset = None,
    workers: Workers = 1,
    cluster: Cluster = None,
    resume: Annotated[bool, Option("--resume", help="Continue a sweep that was begun.")] = False,
    allow: AllowedPaths = [],
    dry_run: DryRun = False,
    output: Annotated[
        Path | None, Option("-o", "--output", help="Folder of the sweep (default sweeps/NOTEBOOK-KEY).")
    ] = None,
) -> None:
    """Execute a notebook for every combination of some values. What -p gives is the same for all. All are checked
    before the first one starts."""
    from stablerep.study.parameters.paths import allow_paths
    from stablerep.study.sweeps.combinations import combinations, resolve_all

    allow_paths(allow)
    fields = chapter_fields(notebook)
    swept = combinations(grid, pairs=pairs, file=file, fields=fields)
    fixed = given_parameters(parameter, fields=fields, options={"preset": preset})
    parameters = resolve_all(notebook, swept, fixed)
    if dry_run:
        typer.echo(_plan(notebook, swept, parameters))
        return
    from stablerep.study.sweeps.page import write_results
    from stablerep.study.sweeps.sweep import begin_sweep, run_sweep

    sweep = begin_sweep(notebook, swept, parameters, folder=output, resume=resume)
    table, total = sweep.folder / "table.csv", len(swept)
    typer.echo(f"{total} combinations, table: {table}")
    try:
        run_sweep(sweep, workers=workers, cluster=cluster, log=typer.echo)
    except KeyboardInterrupt:
        left = f"{len(sweep.waiting)} of {total} combinations to go"
        typer.echo(f"Stopped with {left}; the same command with --resume does the rest.", err=True)
        raise typer.Exit(130) from None
    page = write_results(sweep)
    typer.echo(f"Results: {sweep.folder / 'results.csv'}; page: {page}")
    if failed := sum(row["status"] == "failed" for row in sweep.rows):
        typer.echo(f"{failed} of {total} combinations failed; {table} says why.", err=True)
        raise typer.Exit(1)


def _plan(notebook: str, swept: list[dict], parameters: list[Parameters]) -> str:
    """A line for each combination, and the sum."""
    from stablerep.study.plans.planning import plan_chapters, summary
    from stablerep.study.store.runs import RunStore
    from stablerep.study.sweeps.combinations import shown

    store = RunStore()
    plans = plan_chapters([(notebook, one) for one in parameters], store)
    lines = []
    for number, (one, plan) in enumerate(zip(swept, plans), 1):
        state = "executed before" if plan.executed else f"{len(plan.missing)} runs of its own to compute"
        lines.append(f"[{number}/{len(plans)}] {shown(one)}: {state}")
    return "\n".join([*lines, summary(plans, store)])
