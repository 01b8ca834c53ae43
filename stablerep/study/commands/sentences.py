"""Errors that a user can mend, as one sentence."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import typer

from stablerep.errors import UserError


@contextmanager
def sentences() -> Iterator[None]:
    """Turn errors that a user can mend into one sentence on the error stream and exit status 2; others keep their traceback."""
    try:
        yield
    except UserError as error:
        typer.echo(str(error), err=True)
        raise typer.Exit(2) from None
    except KeyboardInterrupt:
        typer.echo("Stopped. Run the same command again to continue.", err=True)
        raise typer.Exit(130) from None
