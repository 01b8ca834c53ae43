"""``stablerep train-generator`` and ``synthesize``: a generator, and synthetic sets by one process or several."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer
from typer import Argument, Option

from stablerep.errors import FailedError, readable
from stablerep.study.commands.options import Cluster, Workers


def train_generator_command(
    output: Annotated[Path, Argument(help="Folder for checkpoints, samples and the finished pipeline/.")],
    epochs: Annotated[float | None, Option(help="Of the denoiser; the recipe's when left out.")] = None,
    autoencoder_epochs: Annotated[float | None, Option(help="Of the autoencoder; the recipe's when left out.")] = None,
    corpus: Annotated[
        str, Option(help="What to learn from: emoji, a folder or file of captioned images, or hub:owner/name.")
    ] = "emoji",
    image_size: Annotated[
        int | None, Option(help="Side of the images in pixels, a multiple of 8; 32, or that of --start, when left out.")
    ] = None,
    labels: Annotated[
        str, Option(metavar="A,B,...", help="Columns of classes from which captions are made where there are none.")
    ] = "",
    design: Annotated[list[str], Option(help="Emoji designs to learn from; all when left out.")] = [],
    start: Annotated[
        str | None,
        Option(
            help="Go on from emoji or a pipeline/ of this command: its autoencoder is kept, the rest is trained further."
        ),
    ] = None,
    set_: Annotated[
        list[Path], Option("--set", help="Learn from this folder of synthesize, too; may be given several times.")
    ] = [],
    real_share: Annotated[float, Option(help="Share of the corpus's images to learn from beside --set, 0 to 1.")] = 1.0,
    device: Annotated[str | None, Option(help="cpu or cuda; the GPU when there is one.")] = None,
) -> None:
    """Train the miniature Stable Diffusion on the training part of a corpus. After an interruption, the same command
    continues."""
    from dataclasses import replace

    from stablerep.checkpoint import storing
    from stablerep.corpus import load_corpus
    from stablerep.generator.architecture import RESOLUTION
    from stablerep.generator.autoencoder_training import AutoencoderRecipe
    from stablerep.generator.denoiser_training import DenoiserRecipe
    from stablerep.generator.loading import load_generator
    from stablerep.generator.training import train_generator
    from stablerep.synthesis.as_corpus import beside
    from stablerep.synthesis.reading import SyntheticSet
    from stablerep.torchvision_shim import ensure_torchvision_imports

    ensure_torchvision_imports()
    first, second = AutoencoderRecipe(), DenoiserRecipe()
    if autoencoder_epochs is not None:
        share = autoencoder_epochs / first.epochs  # of the decoder's further passes too
        first = replace(first, epochs=autoencoder_epochs, decoder_epochs=first.decoder_epochs * share)
    if epochs is not None:
        second = replace(second, epochs=epochs)
    read = load_corpus(corpus, designs=design or None, **({"labels": labels.split(",")} if labels else {}))
    for note in read.notes:
        typer.echo(note, err=True)
    read = beside(read, [SyntheticSet(folder) for folder in set_], real_share=real_share)
    opened = load_generator(start, device=device, precision="float32") if start else None
    size = image_size or (opened.resolution if opened else RESOLUTION)
    with storing(output):
        made = train_generator(
            read, output, resolution=size, start=opened, autoencoder_recipe=first, denoiser_recipe=second, device=device
        )
    typer.echo(f"Pipeline: {made}")


def synthesize_command(
    context: typer.Context,
    output: Annotated[Path, Argument(help="Folder of the set; an unfinished one is continued.")],
    captions: Annotated[
        str,
        Option(
            help="emoji (training captions), or a file of captions: text with one in each line, .csv, .tsv or .jsonl."
        ),
    ] = "emoji",
    count: Annotated[int, Option(help="Take only the first captions; 0 takes all.", min=0)] = 0,
    images_per_caption: Annotated[int, Option("-l", "--images-per-caption")] = 8,
    guidance_scale: Annotated[float, Option("-w", "--guidance-scale", help="w; 1 is no guidance.")] = 2.0,
    steps: Annotated[int, Option(help="Denoising steps.")] = 12,
    sampler: Annotated[str, Option(help="dpm++ or ddim.")] = "dpm++",
    guidance_interval: Annotated[
        tuple[float, float] | None,
        Option(
            metavar="LOW HIGH", help="Noise levels at which w applies, above LOW up to HIGH; everywhere when left out."
        ),
    ] = None,
    seed: int = 0,
    batch_size: Annotated[int, Option(help="Images in a batch.")] = 64,
    shard_captions: Annotated[int, Option(help="Captions in a shard.")] = 256,
    generator: Annotated[str, Option(help="emoji, a pipeline folder, or a name on the Hugging Face Hub.")] = "emoji",
    precision: Annotated[str | None, Option(help="float32, bfloat16 or float16; by the device when left out.")] = None,
    workers: Workers = 1,
    cluster: Cluster = None,
) -> None:
    """Make a synthetic set: captions x images in webdataset shards, which several processes share. After an
    interruption, the same command continues."""
    if workers > 1 or cluster:
        share_synthesis(**context.params)
        return
    from stablerep.checkpoint import storing

    texts = read_texts(captions, count)
    from stablerep.generator import Sampling, load_generator
    from stablerep.synthesis import SynthesisPlan, synthesize

    plan = SynthesisPlan(
        texts, images_per_caption=images_per_caption, seed=seed, batch_size=batch_size, shard_captions=shard_captions,
        sampling=Sampling(guidance_scale, steps, sampler, guidance_interval),
    )  # fmt: skip
    with storing(output):
        totals = synthesize(plan, load_generator(generator, precision=precision), output).totals
    left = f", {totals['flagged']} left out by the safety checker" if totals["flagged"] else ""
    typer.echo(f"{totals['images']} images of {totals['captions']} captions{left}: {output}")


def read_texts(captions: str, count: int) -> list[str]:
    """The first ``count`` captions (0: all) that ``--captions`` names: those of the emoji, or those of a file.

    Raises:
        InputError, MissingError: no such file, one that cannot be read, or more captions than the emoji have.
    """
    if captions == "emoji":
        from stablerep.study.experiments.study import Study

        return Study().captions(count).texts
    from stablerep.corpus.text_files import read_captions

    with readable(Path(captions)):
        Path(captions).open("rb").close()  # a folder, or a file that may not be read
        return read_captions(Path(captions))[: count or None]


def share_synthesis(output: Path, workers: int, cluster: str | None, **options) -> None:
    """Run the same command in several processes, here or on a cluster. They share nothing but the folder, so one that
    dies is no loss while others work.

    Raises:
        FailedError: the set is not finished, because every process failed; with what the last one said.
    """
    from stablerep.study.sweeps.task import Task
    from stablerep.study.sweeps.workers import run_tasks
    from stablerep.synthesis import SyntheticSet

    arguments, said = ["synthesize", str(output)], ""
    for name, value in options.items():
        if value is not None:
            values = value if isinstance(value, tuple) else (value,)
            arguments += [f"--{name.replace('_', '-')}", *map(str, values)]
    tasks = [Task(f"synthesize {number} of {workers}", tuple(arguments)) for number in range(1, workers + 1)]
    for finished in run_tasks(tasks, workers=workers, cluster=cluster):
        if finished.status == "failed":
            said = finished.error
            typer.echo(f"{finished.task.name} failed: {said.splitlines()[-1]}", err=True)
    if not (output / "set.json").is_file():
        raise FailedError(f"the set is not finished; run the same command again to continue. {said}".strip())
    totals = SyntheticSet(output).totals
    typer.echo(f"{totals['images']} images of {totals['captions']} captions by {workers} processes: {output}")
