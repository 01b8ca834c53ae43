"""The command line. Heavy libraries are imported by the commands that need them, so that help is instant."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from stablerep.study.commands.book import book_app
from stablerep.study.commands.notebooks import notebooks_app
from stablerep.study.commands.pretrain import pretrain_command, probe_command, score_text
from stablerep.study.commands.run import given_parameters, run_app
from stablerep.study.commands.runs import runs_app
from stablerep.study.commands.sentences import sentences
from stablerep.study.commands.sweep import sweep_command
from stablerep.study.commands.synthesize import synthesize_command
from stablerep.study.commands.trace import export_command, trace_command, verify_command

app = typer.Typer(
    name="stablerep", no_args_is_help=True, add_completion=True, pretty_exceptions_enable=False, rich_markup_mode=None,
    help="StableRep at small scale: run chapters, make synthetic sets, build the book.",
)  # fmt: skip
app.add_typer(run_app, name="run")
app.add_typer(book_app, name="book")
app.add_typer(notebooks_app, name="notebooks")
app.add_typer(runs_app, name="runs")
app.command("sweep")(sweep_command)
app.command("synthesize")(synthesize_command)
app.command("pretrain")(pretrain_command)
app.command("probe")(probe_command)
app.command("trace")(trace_command)
app.command("export")(export_command)
app.command("verify")(verify_command)

Given = Annotated[
    list[str], typer.Option("-p", "--parameter", metavar="NAME=VALUE", help="A parameter; may be repeated.")
]


@app.command()
def execute(
    path: Annotated[
        Path, typer.Argument(help="A notebook that is not one of the project's, such as a changed copy of a chapter.")
    ],
    output: Annotated[Path, typer.Option("-o", "--output", help="The executed notebook.")],
    parameter: Given = [],
    file: Annotated[Path | None, typer.Option("-f", "--file", help="YAML file of parameters.")] = None,
    trust: Annotated[
        bool, typer.Option("--trust", help="You have read the notebook: it can do whatever you can.")
    ] = False,
) -> None:
    """Execute a notebook from elsewhere, with the project's checks of its parameters and a kernel that knows no secrets."""
    with sentences():
        from stablerep.study.notebooks.execution import execute_file

        typer.echo(f"Executed notebook: {execute_file(path, given_parameters(parameter, file), output, trust=trust)}")


@app.command()
def reference(
    notebook: Annotated[str, typer.Argument(help="The chapter whose stored results to make again.")],
    parameter: Given = [],
) -> None:
    """Compute a chapter's stored reference (hours on two cores); goes on where it was cut."""
    with sentences():
        from stablerep.study.chapters.reference import make_reference

        written = make_reference(notebook, given_parameters(parameter))
        typer.echo(f"results/{notebook}: {', '.join(written)}")


@app.command()
def train_generator(
    output: Annotated[Path, typer.Argument(help="Folder for checkpoints, samples and the finished pipeline/.")],
    epochs: Annotated[float | None, typer.Option(help="Of the denoiser; the recipe's when left out.")] = None,
    autoencoder_epochs: Annotated[
        float | None, typer.Option(help="Of the autoencoder; the recipe's when left out.")
    ] = None,
    corpus: Annotated[
        str, typer.Option(help="What to learn from: emoji, a folder, parquet files, or hub:owner/name.")
    ] = "emoji",
    image_size: Annotated[int, typer.Option(help="Side of the images in pixels, a multiple of 8.")] = 32,
    design: Annotated[list[str], typer.Option(help="Emoji designs to learn from; all when left out.")] = [],
    device: Annotated[str | None, typer.Option(help="cpu or cuda; the GPU when there is one.")] = None,
) -> None:
    """Train the miniature Stable Diffusion on the training part of a corpus; goes on where it was cut."""
    with sentences():
        from dataclasses import replace

        from stablerep.corpus import load_corpus
        from stablerep.torchvision_shim import ensure_torchvision_imports

        ensure_torchvision_imports()
        from stablerep.generator.autoencoder_training import AutoencoderRecipe
        from stablerep.generator.denoiser_training import DenoiserRecipe
        from stablerep.generator.training import train_generator as train

        first, second = AutoencoderRecipe(), DenoiserRecipe()
        if autoencoder_epochs is not None:
            share = autoencoder_epochs / first.epochs  # of the decoder's further passes too
            first = replace(first, epochs=autoencoder_epochs, decoder_epochs=first.decoder_epochs * share)
        if epochs is not None:
            second = replace(second, epochs=epochs)
        read = load_corpus(corpus, designs=design or None)
        made = train(
            read, output, resolution=image_size, autoencoder_recipe=first, denoiser_recipe=second, device=device
        )
        typer.echo(f"Pipeline: {made}")


@app.command()
def transfer(
    keys: Annotated[
        list[str], typer.Argument(help="Pre-training runs; `stablerep runs list` shows them. A key may be shortened.")
    ],
    sets: Annotated[
        list[str], typer.Option("-s", "--set", help="A transfer set; may be repeated. All that are at hand by default.")
    ] = [],
    limit: Annotated[int, typer.Option(help="At most so many images of each part; 0 takes all.", min=0)] = 0,
    output: Annotated[
        Path | None, typer.Option("-o", "--output", help="Also write the per-item results here, as parquet.")
    ] = None,
) -> None:
    """Probe encoders on other sets, each by its own metric; a set that is not there is named with the reason."""
    with sentences():
        import pandas as pd

        from stablerep.study.experiments.study import Study
        from stablerep.transfer import AT_HAND, transfer_average, transfer_scores

        study, scores, items = Study(), {}, []
        for key in keys:
            found, recipe = study.pretrained_run(key)
            part = study.transferred(found, recipe.encoder, recipe.seed, sets or AT_HAND, limit=limit)
            items.append(part.astype({"truth": str}).assign(run=found.key))
            scores[found.key] = transfer_scores(part)
            typer.echo(f"{found.key}: {recipe.method}, {recipe.steps} steps, seed {recipe.seed}")
            for row in scores[found.key].itertuples():
                typer.echo(f"  {row.set:16s} {score_text(row)}")
        for row in transfer_average(scores).itertuples():
            left_out = f"; left out: {row.left_out}" if row.left_out else ""
            typer.echo(f"{row.encoder}: {100 * row.average:.1f} % on average over {row.sets} sets{left_out}")
        if output is not None:
            from stablerep.checkpoint import written_aside

            with written_aside(output) as aside:
                pd.concat(items, ignore_index=True).to_parquet(aside, index=False)


@app.command()
def doctor() -> None:
    """Versions, device, presets' cost on this machine, data and models at hand, and what is missing."""
    with sentences():
        from stablerep.study.commands.doctor import measure_speed, report
        from stablerep.study.plans.planning import preset_costs

        typer.echo(report(preset_costs(measure_speed())))


def main() -> None:
    app()


if __name__ == "__main__":
    main()
