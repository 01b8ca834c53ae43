"""The error of parameters that cannot be used."""

from __future__ import annotations

from stablerep.errors import InputError


class ParameterError(InputError):
    """One sentence for each wrong parameter."""
