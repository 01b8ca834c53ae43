"""Errors that a user can mend. The command line shows their sentence alone; any other error is a bug of ours and keeps its traceback."""

from __future__ import annotations


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
    """A disk is full or closed."""


class DivergedError(UserError, FloatingPointError):
    """A training whose loss is no longer finite."""
