"""Errors that a user can mend. The command line shows their sentence alone; any other error is a bug of ours and keeps its traceback."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path


class UserError(Exception):
    """Base of the errors whose message is one sentence (or one for each problem) for the user: the value, and what would be valid."""

    def _render_traceback_(self) -> list[str]:
        """What a notebook shows: the sentences, not the way to them."""
        return str(self).splitlines()


class InputError(UserError, ValueError):
    """A value, a file or a combination of them that cannot be used."""


class MissingError(UserError, FileNotFoundError):
    """Something that a command needs is not there; the message names what supplies it."""


class FailedError(UserError, RuntimeError):
    """Something that was started did not come to its end for a reason outside our code, and the message says how to go on."""


class StorageError(UserError, OSError):
    """A place that cannot be written: full, closed, read-only, or a file where a folder is needed.

    ``errno``, ``strerror`` and ``filename`` are those of the system's error where there is one.
    """

    def __init__(self, sentence: str, cause: OSError | None = None) -> None:
        super().__init__(sentence)
        if cause is not None:
            self.errno, self.strerror, self.filename = cause.errno, cause.strerror, cause.filename

    def __str__(self) -> str:
        return str(self.args[0])  # OSError would write its number before the sentence


class DivergedError(UserError, FloatingPointError):
    """A training whose loss is no longer finite."""


@contextmanager
def readable(path: Path) -> Iterator[None]:
    """What the system says about a file that is read here, as a sentence: missing, a folder, closed, or no text in UTF-8."""
    try:
        yield
    except FileNotFoundError:
        raise MissingError(f"there is no file {path}.") from None
    except UnicodeDecodeError as error:
        raise InputError(
            f"{path} is not text in UTF-8: byte {error.start} is {error.object[error.start]:#04x}."
        ) from None
    except OSError as error:
        raise InputError(f"{path} cannot be read: {(error.strerror or str(error)).lower()}.") from None


def nearest(name: str, known: Iterable[str], *, cutoff: float = 0.6) -> str:
    """``did you mean guidance_scale?`` for the most similar known name; empty when none is similar enough (0 to 1)."""
    import difflib

    near = difflib.get_close_matches(str(name), list(known), n=1, cutoff=cutoff)
    return f"did you mean {near[0]}?" if near else ""
