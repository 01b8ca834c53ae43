"""The command line. Heavy libraries are imported by the commands that need them, so that help is instant."""

from __future__ import annotations

import typer
from typer.core import TyperGroup

from stablerep.errors import UserError
from stablerep.study.commands.audit import audit_command
from stablerep.study.commands.book import book_app
from stablerep.study.commands.encoders import pretrain_command, probe_command, transfer_command
from stablerep.study.commands.generator import synthesize_command, train_generator_command
from stablerep.study.commands.notebooks import execute_command, notebooks_app, reference_command
from stablerep.study.commands.run import run_app
from stablerep.study.commands.runs import runs_app
from stablerep.study.commands.sweep import sweep_command
from stablerep.study.commands.trace import export_command, trace_command, verify_command


class Sentences(TyperGroup):
    """Errors that a user can mend become one sentence and exit status 2; others keep their traceback."""

    def invoke(self, context: typer.Context) -> object:
        try:
            return super().invoke(context)
        except UserError as error:
            typer.echo(str(error), err=True)
            raise typer.Exit(2) from None
        except KeyboardInterrupt:
            typer.echo("Stopped. Run the same command again to continue.", err=True)
            raise typer.Exit(130) from None


app = typer.Typer(
    name="stablerep",
    cls=Sentences,
    help="StableRep at small scale: run chapters, make synthetic sets, build the book.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
)
GROUPS = {"run": run_app, "book": book_app, "notebooks": notebooks_app, "runs": runs_app}
COMMANDS = {
    "sweep": sweep_command, "execute": execute_command, "reference": reference_command,
    "synthesize": synthesize_command, "train-generator": train_generator_command,
    "audit": audit_command, "pretrain": pretrain_command, "probe": probe_command, "transfer": transfer_command,
    "trace": trace_command, "export": export_command, "verify": verify_command,
}  # fmt: skip
for name, group in GROUPS.items():
    app.add_typer(group, name=name)
for name, command in COMMANDS.items():
    app.command(name)(command)


@app.command()
def doctor() -> None:
    """Versions, device, presets' cost on this machine, data and models at hand, and what is missing."""
    from stablerep.study.commands.doctor import diagnosis

    typer.echo(diagnosis())


def main() -> None:
    app()
