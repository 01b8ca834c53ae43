"""Toy pictures and the finished runs that several files of this folder look at, each made once."""

from __future__ import annotations

from pathlib import Path

import pytest

from stablerep.captioned_images import CaptionedImages
from stablerep.training import pretrain

from .toys import classes_of, recipe_of, toy_pictures


@pytest.fixture(scope="session")
def data() -> CaptionedImages:
    return toy_pictures()


@pytest.fixture(scope="session")
def finished(data, tmp_path_factory):
    """One uninterrupted run of each method, made when first asked for: its folder and summary."""
    made: dict[str, tuple[Path, dict]] = {}

    def get(method: str) -> tuple[Path, dict]:
        if method not in made:
            folder = tmp_path_factory.mktemp("run")
            made[method] = folder, pretrain(data, recipe_of(method), folder, classes=classes_of(method), progress="")
        return made[method]

    return get
