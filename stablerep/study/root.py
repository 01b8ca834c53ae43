"""The checkout: the one place that says where the project lies."""

from __future__ import annotations

from pathlib import Path

from stablerep.errors import MissingError

PROJECT = Path(__file__).resolve().parents[2]
STORED = PROJECT / "results"  # the committed reference results, a folder for each chapter


def project_root() -> Path:
    """The folder that holds ``notebooks/`` and ``_config.yml``.

    Raises:
        FileNotFoundError: the library was installed without its checkout.
    """
    if not (PROJECT / "notebooks").is_dir():
        raise MissingError("the notebooks are not here; clone the repository and install it with `pip install -e .`.")
    return PROJECT
