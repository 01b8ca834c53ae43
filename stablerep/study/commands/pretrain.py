"""``stablerep pretrain`` and ``stablerep probe``: one encoder in a folder of its own, by as many processes as ``torchrun`` starts.

The run store is left aside here: its locks would have the processes of one training wait for each other.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from stablerep.errors import InputError
from stablerep.study.commands.sentences import sentences

if TYPE_CHECKING:
    from stablerep.captioned_images import CaptionedImages
    from stablerep.synthesis import SyntheticSet
    from stablerep.training import PretrainingRecipe

ABOUT = "pretraining.json"  # the recipe, the images and the number of processes of a folder


def open_images(
    source: str, size: int, *, designs: bool = False, in_memory: bool = False
) -> CaptionedImages | SyntheticSet:
    """The images to learn from: a finished synthetic set, or the training part of a corpus.

    Args:
        source: folder of a synthetic set, or a source of :func:`stablerep.corpus.load_corpus`.
        size: side in pixels at which drawings are made; a synthetic set has its own.
        designs: of the emoji, every design of a caption instead of one.
    """
    from stablerep.captioned_images import CaptionedImages
    from stablerep.corpus import load_corpus
    from stablerep.synthesis import SyntheticSet

    if (Path(source) / "plan.json").is_file():
        made = SyntheticSet(Path(source))
        return made.in_memory() if in_memory else made
    part = load_corpus(source).split("train")
    if source == "emoji" and not designs:
        part = part.one_per_caption()
    return CaptionedImages.from_corpus(part, size)


def claim_folder(folder: Path, recipe: PretrainingRecipe, images: str, processes: int, *, first: bool) -> bool:
    """Write down what is trained in a folder, or refuse one in which something else was.

    Returns:
        Whether this call wrote it, in a folder that was empty or not there.

    Raises:
        ValueError: another recipe, other images, or another number of processes, which changes the views; what differs is named.
    """
    import json
    from dataclasses import asdict

    from stablerep.checkpoint import written_aside

    about = json.loads(json.dumps({"recipe": asdict(recipe), "images": images, "processes": processes}))
    path = folder / ABOUT
    if path.is_file():
        there = json.loads(path.read_text())
        differing = [name for name in ("images", "processes") if there[name] != about[name]]
        differing += [name for name, value in about["recipe"].items() if there["recipe"].get(name) != value]
        if differing:
            name = differing[0]
            old, new = (where[name] if name in where else where["recipe"].get(name) for where in (there, about))
            raise InputError(
                f"{folder} holds a pre-training with {name} {old} instead of {new}; continue that one, or name another folder."
            )
    elif folder.exists() and any(folder.iterdir()) and first:
        raise InputError(f"{folder} holds something else; name a new folder.")
    elif first:
        with written_aside(path) as aside:
            aside.write_text(json.dumps(about, indent=1) + "\n")
        return True
    return False


def release_folder(folder: Path) -> None:
    """Take back the claim of a training that was refused before it learned anything, so that the corrected command may have the folder."""
    import shutil

    (folder / ABOUT).unlink(missing_ok=True)
    shutil.rmtree(folder / "tokenizer", ignore_errors=True)
    if not any(folder.iterdir()):
        folder.rmdir()


def pretrain_command(
    folder: Annotated[Path, typer.Argument(help="Folder of the encoder; an unfinished one is continued.")],
    images: Annotated[
        str, typer.Option(help="Folder of a synthetic set, emoji, or another source of captioned images.")
    ] = "emoji",
    method: Annotated[
        str, typer.Option(help="simclr, clip, stablerep, stablerep+, caption-as-class, mae, byol, moco-v3 or dino.")
    ] = "stablerep",
    steps: Annotated[int, typer.Option(help="Optimizer steps.")] = 400,
    views_per_step: Annotated[int, typer.Option(help="Augmented images in a step, of all processes together.")] = 256,
    positives: Annotated[
        int, typer.Option(help="m: images of a caption in a batch, for StableRep and StableRep+.")
    ] = 4,
    learning_rate: Annotated[float, typer.Option(help="Peak.")] = 2e-3,
    temperature: Annotated[float, typer.Option(help="Of the multi-positive loss.")] = 0.1,
    encoder: Annotated[str, typer.Option(help="Any timm model.")] = "resnet10t",
    stem: Annotated[str, typer.Option(help="published, no-pool or full.")] = "published",
    image_size: Annotated[int, typer.Option(help="Side of the views in pixels.")] = 32,
    crop_min: Annotated[float, typer.Option(help="Smallest share of an image that a crop keeps.")] = 0.2,
    chunk: Annotated[
        int, typer.Option(help="Views encoded at once, by gradient caching, in one process; 0 encodes the whole batch.")
    ] = 0,
    seed: int = 0,
    designs: Annotated[bool, typer.Option("--designs", help="Of the emoji, every design of a caption.")] = False,
    in_memory: Annotated[
        bool, typer.Option("--in-memory", help="Read a synthetic set whole instead of from its shards.")
    ] = False,
    checkpoint_every: Annotated[int, typer.Option(help="Steps between checkpoints.", min=1)] = 100,
) -> None:
    """Pre-train one encoder. Under torchrun or accelerate launch all processes share every batch; killed at any moment, it goes on where it was."""
    with sentences():
        from stablerep.encoders import EncoderRecipe
        from stablerep.training import PretrainingRecipe, pretrain
        from stablerep.views import ViewRecipe

        recipe = PretrainingRecipe(
            method=method, steps=steps, views_per_step=views_per_step, images_per_caption=positives, learning_rate=learning_rate,
            temperature=temperature, chunk=chunk, seed=seed, encoder=EncoderRecipe(name=encoder, stem=stem, image_size=image_size),
            view=ViewRecipe(size=image_size, crop_min=crop_min),
        )  # fmt: skip
        if recipe.traits.ids == "class":
            raise InputError(
                f"method is {method!r}, which learns classes; this command has captions alone: the library's pretrain takes classes."
            )
        first, processes = os.environ.get("RANK", "0") == "0", int(os.environ.get("WORLD_SIZE", "1"))
        data = open_images(images, image_size, designs=designs, in_memory=in_memory)
        claimed = claim_folder(folder, recipe, data.fingerprint, processes, first=first)
        if (folder / "recipe.json").is_file() and not (folder / "checkpoint.pt").is_file():
            typer.echo(f"{folder} holds the finished encoder.")
            return
        try:
            made = pretrain(
                data, recipe, folder, progress="" if not first else method, checkpoint_every=checkpoint_every
            )
        except ValueError:
            if claimed and not (folder / "checkpoint.pt").exists():
                release_folder(folder)
            raise
        if first:
            typer.echo(
                f"{made['views']:,} views by {processes} processes, {made['views_per_second']:,.0f} a second. Encoder: {folder / 'encoder.safetensors'}"
            )
            typer.echo(f"`stablerep probe {folder}` asks what it has learned.")


def score_text(row) -> str:
    """A row of :func:`stablerep.transfer.transfer_scores` in words: the score with its interval, or why there is none."""
    if row.reason:
        return f"skipped: {row.reason}"
    return f"{100 * row.value:5.1f} % [{100 * row.low:.1f}, {100 * row.high:.1f}] {row.metric}, {row.items} items"


def probe_command(
    folder: Annotated[Path, typer.Argument(help="Folder of a pre-trained encoder.")],
    sets: Annotated[
        list[str],
        typer.Option(
            "-s", "--set", help="A transfer set; may be repeated. Without one, the probes of the emoji study."
        ),
    ] = [],
    limit: Annotated[
        int, typer.Option(help="At most so many images of each part of a transfer set; 0 takes all.", min=0)
    ] = 0,
    output: Annotated[
        Path | None, typer.Option("-o", "--output", help="Also write the per-item results here, as parquet.")
    ] = None,
) -> None:
    """Probe the encoder in a folder: on held-out emoji, or on other sets, each by its own metric."""
    with sentences():
        from stablerep.checkpoint import written_aside
        from stablerep.corpus import load_corpus
        from stablerep.probes.suite import evaluate
        from stablerep.statistics import mean_with_interval
        from stablerep.training import load_backbone, load_recipe
        from stablerep.transfer import transfer, transfer_scores

        if not (folder / "encoder.safetensors").is_file():
            raise InputError(f"{folder} holds no pre-trained encoder; `stablerep pretrain {folder}` makes one.")
        backbone, size = load_backbone(folder), load_recipe(folder).encoder.image_size
        if sets:
            items = transfer(backbone, sets, size=size, limit=limit).astype({"truth": str})
            for row in transfer_scores(items).itertuples():
                typer.echo(f"{row.set:18s} {score_text(row)}")
        else:
            items = evaluate(backbone, load_corpus("emoji"), size)
            for probe, part in items.groupby("probe", sort=False):
                found = mean_with_interval(part["correct"], part["concept"])
                typer.echo(
                    f"{probe:18s} {100 * found['mean']:5.1f} % [{100 * found['low']:.1f}, {100 * found['high']:.1f}] {found['n']} items"
                )
        if output is not None:
            with written_aside(output) as aside:
                items.to_parquet(aside, index=False)
