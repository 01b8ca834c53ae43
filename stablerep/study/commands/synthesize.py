"""``stablerep synthesize``: a synthetic set, by one process or by several that share its shards."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from stablerep.errors import FailedError
from stablerep.study.commands.sentences import sentences


def synthesize_command(
    output: Annotated[Path, typer.Argument(help="Folder of the set; an unfinished one is continued.")],
    captions: Annotated[
        str, typer.Option(help="emoji (training captions), or a text file with one caption per line.")
    ] = "emoji",
    count: Annotated[int, typer.Option(help="Take only the first captions; 0 takes all.", min=0)] = 0,
    images_per_caption: Annotated[int, typer.Option("-l", "--images-per-caption")] = 8,
    guidance_scale: Annotated[float, typer.Option("-w", "--guidance-scale", help="w; 1 is no guidance.")] = 2.0,
    steps: Annotated[int, typer.Option(help="Denoising steps.")] = 12,
    sampler: Annotated[str, typer.Option(help="dpm++ or ddim.")] = "dpm++",
    seed: int = 0,
    batch_size: Annotated[int, typer.Option(help="Images in a batch.")] = 64,
    shard_captions: Annotated[int, typer.Option(help="Captions in a shard.")] = 256,
    generator: Annotated[
        str, typer.Option(help="emoji, a pipeline folder, or a name on the Hugging Face Hub.")
    ] = "emoji",
    precision: Annotated[
        str | None, typer.Option(help="float32, bfloat16 or float16; by the device when left out.")
    ] = None,
    workers: Annotated[
        int,
        typer.Option(help="Processes that share the shards; the processor's threads are divided among them.", min=1),
    ] = 1,
    cluster: Annotated[
        str | None, typer.Option(help="tcp://HOST:PORT of a dask scheduler, its scheduler file, or local.")
    ] = None,
) -> None:
    """Make a synthetic set: captions x images in webdataset shards. Killed at any moment, the same command continues it."""
    with sentences():
        if workers > 1 or cluster:
            own = {
                "captions": captions if captions == "emoji" else Path(captions).resolve(), "count": count, "images-per-caption": images_per_caption,
                "guidance-scale": guidance_scale, "steps": steps, "sampler": sampler, "seed": seed, "batch-size": batch_size,
                "shard-captions": shard_captions, "generator": Path(generator).resolve() if Path(generator).is_dir() else generator,
            } | ({"precision": precision} if precision else {})  # fmt: skip
            share_synthesis(output.resolve(), own, workers, cluster)
            return
        if captions == "emoji":
            from stablerep.study.experiments.study import Study

            texts = Study().captions(count)
        else:
            texts = [line.strip() for line in Path(captions).read_text().splitlines() if line.strip()]
            texts = texts[: count or None]
        from stablerep.generator import load_generator
        from stablerep.synthesis import SynthesisPlan
        from stablerep.synthesis import synthesize as make

        plan = SynthesisPlan(
            texts, images_per_caption=images_per_caption, guidance_scale=guidance_scale, steps=steps, sampler=sampler, seed=seed,
            batch_size=batch_size, shard_captions=shard_captions,
        )  # fmt: skip
        made = make(plan, load_generator(generator, precision=precision), output)
        totals = made.totals
        left = f", {totals['flagged']} left out by the safety checker" if totals["flagged"] else ""
        typer.echo(f"{totals['images']} images of {totals['captions']} captions{left}: {output}")


def share_synthesis(output: Path, options: dict, workers: int, cluster: str | None) -> None:
    """Run the same command in several processes, here or on a cluster. They need nothing of each other but the folder, so one that dies is
    no loss while others work.

    Raises:
        RuntimeError: the set is not finished, because every process failed; with what the last one said.
    """
    from stablerep.study.sweeps.task import Task
    from stablerep.study.sweeps.workers import run_tasks
    from stablerep.synthesis import SyntheticSet

    pairs = tuple(part for name, value in options.items() for part in (f"--{name}", str(value)))
    arguments, said = ("synthesize", str(output), *pairs), ""
    tasks = [Task(f"synthesize {number} of {workers}", arguments) for number in range(1, workers + 1)]
    for finished in run_tasks(tasks, workers=workers, cluster=cluster):
        if finished.status == "failed":
            said = finished.error
            typer.echo(f"{finished.task.name} failed: {said.splitlines()[-1]}", err=True)
    if not (output / "set.json").is_file():
        raise FailedError(f"the set is not finished; run the same command again to continue. {said}".strip())
    totals = SyntheticSet(output).totals
    typer.echo(f"{totals['images']} images of {totals['captions']} captions by {workers} processes: {output}")
