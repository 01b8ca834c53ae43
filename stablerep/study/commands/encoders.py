"""``stablerep pretrain``, ``probe`` and ``transfer``: an encoder in a folder of its own, by as many processes as
``torchrun`` starts, and what encoders have learned.

The run store is left aside by ``pretrain``: its locks would have the processes of one training wait for each other.
"""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer
from typer import Argument, Option

from stablerep.checkpoint import save_table, storing, written_aside
from stablerep.errors import InputError, readable

if TYPE_CHECKING:
    import pandas as pd

    from stablerep.captioned_images import CaptionedImages
    from stablerep.synthesis import SyntheticSet
    from stablerep.training import PretrainingRecipe

ABOUT = "pretraining.json"  # the recipe, the images and the number of processes of a folder
Probe = Annotated[
    Literal["linear", "paper"],
    Option(
        help="For sets. paper is that of the authors' code, made for ImageNet and chosen on the test images: for comparing with published numbers alone."
    ),
]
Limit = Annotated[int, Option(help="At most so many images of each part of a transfer set; 0 takes all.", min=0)]
CAMERA = "How far scenes differ from drawings: 0 not at all, 1 in full. "
Items = Annotated[Path | None, Option("-o", "--output", help="Also write the per-item results here, as parquet.")]


def open_images(
    source: str, size: int, *, designs: bool = False, in_memory: bool = False, camera: float | None = None
) -> CaptionedImages | SyntheticSet:
    """The images to learn from: a finished synthetic set, or the training part of a corpus.

    Args:
        source: folder of a synthetic set, or a source of :func:`stablerep.corpus.load_corpus`.
        size: side in pixels at which drawings are made; a synthetic set has its own.
        designs: of the emoji, every design of a caption instead of one.
        camera: strength of the :class:`stablerep.camera.Camera`; by default 1 for a corpus of drawings, 0 for all others.

    Raises:
        InputError: a camera for a synthetic set that is read from its shards.
    """
    from stablerep.camera import Camera
    from stablerep.captioned_images import CaptionedImages
    from stablerep.corpus import load_corpus
    from stablerep.corpus.sources import EMBEDDED
    from stablerep.synthesis import SyntheticSet

    finished = (Path(source) / "plan.json").is_file()
    if finished and source in EMBEDDED:
        typer.echo(
            f"{source} is the embedded corpus; the synthetic set in the folder of this name is ./{source}.", err=True
        )
    elif finished:
        made = SyntheticSet(Path(source))
        if camera and not in_memory:
            raise InputError(f"camera is {camera}; it makes scenes of a synthetic set with --in-memory alone.")
        return made.in_memory().through(Camera.of_strength(camera or 0)) if in_memory else made
    corpus = load_corpus(source)
    for note in corpus.notes:
        typer.echo(note, err=True)
    part = corpus.to_learn_from()
    if source == "emoji" and not designs:
        part = part.one_per_caption()
    seen = Camera.of_strength(float(corpus.drawings) if camera is None else camera)
    return CaptionedImages.from_corpus(part, size, in_memory=None if seen.still else True).through(seen)


@contextmanager
def claimed(folder: Path, recipe: PretrainingRecipe, images: str, processes: int, *, first: bool) -> Iterator[None]:
    """Write down what is trained in a folder here. A training that is refused before it has learned anything takes that
    back, so that the corrected command may have the folder.

    Raises:
        InputError: other images, another recipe or number of processes, which changes the views; what differs is named.
        StorageError: the folder cannot be written.
    """
    path = folder / ABOUT
    about = json.loads(json.dumps({"images": images, "processes": processes, **asdict(recipe)}))
    new = first and not path.is_file()
    if path.is_file():
        with readable(path):
            text = path.read_text(encoding="utf-8")
        try:
            there = dict(json.loads(text))
        except (ValueError, TypeError):
            raise InputError(f"{path} is damaged; name another folder.") from None
        if name := next((name for name in about if there.get(name) != about[name]), None):
            other = f"{name} {there.get(name)} instead of {about[name]}"
            raise InputError(f"{folder} holds a pre-training with {other}; continue that one, or name another folder.")
    if new:
        if folder.is_dir() and any(folder.iterdir()):
            raise InputError(f"{folder} holds something else; name a new folder.")
        with written_aside(path) as aside:
            aside.write_text(json.dumps(about, indent=1) + "\n")
    try:
        yield
    except ValueError:
        if new and not (folder / "checkpoint.pt").exists():
            path.unlink(missing_ok=True)
            shutil.rmtree(folder / "tokenizer", ignore_errors=True)
            if not any(folder.iterdir()):
                folder.rmdir()
        raise


def pretrain_command(
    folder: Annotated[Path, Argument(help="Folder of the encoder; an unfinished one is continued.")],
    images: Annotated[
        str,
        Option("--images", "--corpus", help="Folder of a synthetic set, emoji, or another source of captioned images."),
    ] = "emoji",
    method: Annotated[
        str, Option(help="simclr, clip, stablerep, stablerep+, caption-as-class, mae, byol, moco-v3 or dino.")
    ] = "stablerep",
    steps: Annotated[int, Option(help="Optimizer steps.")] = 500,
    views_per_step: Annotated[int, Option(help="Augmented images in a step, of all processes together.")] = 128,
    positives: Annotated[int, Option(help="m: images of a caption in a batch, for StableRep and StableRep+.")] = 4,
    learning_rate: Annotated[float, Option(help="Peak.")] = 2e-3,
    temperature: Annotated[float, Option(help="Of the multi-positive loss.")] = 0.1,
    encoder: Annotated[str, Option(help="Any timm model.")] = "test_resnet",
    stem: Annotated[str, Option(help="published, no-pool or full.")] = "published",
    image_size: Annotated[int, Option(help="Side of the views in pixels.")] = 32,
    crop_min: Annotated[float, Option(help="Smallest share of an image that a crop keeps.")] = 0.35,
    chunk: Annotated[
        int, Option(help="Views encoded at once, by gradient caching, in one process; 0 encodes the whole batch.")
    ] = 0,
    seed: int = 0,
    designs: Annotated[bool, Option("--designs", help="Of the emoji, every design of a caption.")] = False,
    in_memory: Annotated[
        bool, Option("--in-memory", help="Read a synthetic set whole instead of from its shards.")
    ] = False,
    camera: Annotated[
        float | None, Option(help=CAMERA + "By default 1 for drawings; for synthetic sets 0, and --in-memory for more.")
    ] = None,
    checkpoint_every: Annotated[int, Option(help="Steps between checkpoints.", min=1)] = 100,
) -> None:
    """Pre-train one encoder. Under torchrun or accelerate launch all processes share every batch. After an
    interruption, the same command continues."""
    from stablerep.encoders import EncoderRecipe
    from stablerep.training import PretrainingRecipe, pretrain
    from stablerep.views import ViewRecipe

    recipe = PretrainingRecipe(
        method=method, steps=steps, views_per_step=views_per_step, images_per_caption=positives, seed=seed,
        learning_rate=learning_rate, temperature=temperature, chunk=chunk,
        encoder=EncoderRecipe(name=encoder, stem=stem, image_size=image_size),
        view=ViewRecipe(size=image_size, crop_min=crop_min),
    )  # fmt: skip
    if recipe.traits.ids == "class":
        told = "which learns classes; this command has captions alone, so choose another method."
        raise InputError(f"method is {method!r}, {told}")
    first, processes = os.environ.get("RANK", "0") == "0", int(os.environ.get("WORLD_SIZE", "1"))
    data = open_images(images, image_size, designs=designs, in_memory=in_memory, camera=camera)
    with claimed(folder, recipe, data.fingerprint, processes, first=first), storing(folder):
        if (folder / "recipe.json").is_file() and not (folder / "checkpoint.pt").is_file():
            typer.echo(f"{folder} holds the finished encoder.")
            return
        progress = method if first else ""
        made = pretrain(data, recipe, folder, progress=progress, checkpoint_every=checkpoint_every)
    if first:
        speed = f"{made['views']:,} views by {processes} processes, {made['views_per_second']:,.0f} a second"
        typer.echo(f"{speed}. Encoder: {folder / 'encoder.safetensors'}")
        typer.echo(f"`stablerep probe {folder}` tests what it has learned.")


def probe_command(
    folder: Annotated[Path, Argument(help="Folder of a pre-trained encoder.")],
    sets: Annotated[
        list[str],
        Option("-s", "--set", help="A transfer set; may be repeated. Without one, the probes of the emoji study."),
    ] = [],
    limit: Limit = 0,
    probe: Probe = "linear",
    camera: Annotated[float, Option(help=CAMERA + "Sets are shown as they are.")] = 1.0,
    output: Items = None,
) -> None:
    """Probe the encoder in a folder: on scenes of held-out emoji, or on other sets, each by its own metric."""
    from stablerep.camera import Camera
    from stablerep.corpus import load_corpus
    from stablerep.probes.suite import evaluate
    from stablerep.statistics import mean_with_interval
    from stablerep.training import load_backbone, load_recipe
    from stablerep.transfer import transfer, transfer_scores

    if not (folder / "encoder.safetensors").is_file():
        raise InputError(f"{folder} holds no pre-trained encoder; `stablerep pretrain {folder}` makes one.")
    backbone, size = load_backbone(folder), load_recipe(folder).encoder.image_size
    if sets:
        items = transfer(backbone, sets, size=size, limit=limit, probe=probe)
        for row in transfer_scores(items).itertuples():
            typer.echo(f"{row.set:18s} {_score(row)}")
    else:
        items = evaluate(backbone, Camera.of_strength(camera).through(load_corpus("emoji")), size, part="test")
        for asked, part in items.groupby("probe", sort=False):
            found = mean_with_interval(part["correct"], part["cluster"])
            typer.echo(
                f"{asked:18s} {_share(found['mean'], found['low'], found['high'], found['n'])} {found['n']} items"
            )
    _keep(items, output)


def transfer_command(
    keys: Annotated[
        list[str], Argument(help="Pre-training runs; `stablerep runs list` shows them. A key may be shortened.")
    ],
    sets: Annotated[
        list[str], Option("-s", "--set", help="A transfer set; may be repeated. All that are at hand by default.")
    ] = [],
    limit: Limit = 0,
    probe: Probe = "linear",
    output: Items = None,
) -> None:
    """Probe encoders on other sets, each by its own metric; a set that is not there is named with the reason."""
    import pandas as pd

    from stablerep.study.experiments.study import Study
    from stablerep.transfer import AT_HAND, transfer_average, transfer_scores

    study, scores, items = Study(), {}, []
    for key in keys:
        found, recipe = study.pretrained_run(key)
        part = study.transferred(found, recipe.encoder, recipe.seed, sets or AT_HAND, limit=limit, probe=probe)
        items.append(part.assign(run=found.key))
        scores[found.key] = transfer_scores(part)
        typer.echo(f"{found.key}: {recipe.method}, {recipe.steps} steps, seed {recipe.seed}")
        for row in scores[found.key].itertuples():
            typer.echo(f"  {row.set:16s} {_score(row)}")
    for row in transfer_average(scores).itertuples():
        left_out = f"; left out: {row.left_out}" if row.left_out else ""
        over = f"on average over {row.sets} sets" if row.sets > 1 else "on its one set"
        typer.echo(f"{row.encoder}: {100 * row.average:.1f} % {over}{left_out}")
    _keep(pd.concat(items, ignore_index=True), output)


def _score(row) -> str:
    """A row of ``transfer_scores`` in words: the score with its interval, or why there is none."""
    if row.reason:
        return f"skipped: {row.reason}"
    return f"{_share(row.value, row.low, row.high, row.items)} {row.metric}, {row.items} items"


def _share(value: float, low: float, high: float, items: int) -> str:
    """A share in percent with its interval; from few items, of which all may be right, an interval says more than is known."""
    from stablerep.audits.groups import FEWEST

    return f"{100 * value:5.1f} %" + (
        f" [{100 * low:.1f}, {100 * high:.1f}]" if items >= FEWEST else " (too few for an interval)"
    )


def _keep(items: pd.DataFrame, output: Path | None) -> None:
    """Write the results of a probe, a row an item, where the user wants them; a class is a number or a name."""
    if output is not None:
        save_table(output, items.astype({"truth": str}))
