"""Parameters that name files: which folders they may lead to, and what a relative one means."""

from __future__ import annotations

import json
import os
from contextlib import suppress
from pathlib import Path
from typing import Any

from stablerep.study.root import PROJECT

# folders outside the project that parameters may name, separated as in PATH; or a list in JSON, for names that hold
# what separates them
PATHS = "STABLEREP_PATHS"
DATA = "STABLEREP_DATA"  # the folder of photographs, which corpora may name
NAMING = (
    "generator",
    "corpus",
    "cifar10_generator",
    "fairface_generator",
    "files",
    "clip_model",
)  # parameters that may name a folder


def allow_paths(folders: list[Path]) -> None:
    """Let parameters of this process, and of the notebooks it executes, name what lies in these folders too."""
    if folders:
        named = [*allowed_paths(), *(str(folder.expanduser().resolve()) for folder in folders)]
        separable = not any(os.pathsep in one for one in named)
        os.environ[PATHS] = os.pathsep.join(named) if separable else json.dumps(named)


def allowed_paths() -> list[str]:
    """The folders that ``STABLEREP_PATHS`` names."""
    text = os.environ.get(PATHS, "")
    with suppress(ValueError):
        if text.startswith("["):
            return json.loads(text)
    return [folder for folder in text.split(os.pathsep) if folder]


def outside_path(value: str) -> Path | None:
    """The path that a parameter names, if it lies outside the project, the current folder and those allowed; else None.

    A path is absolute, begins with ``~``, has a part ``.`` or ``..``, follows ``local-dir:``, or exists; other text,
    such as owner/name, is none. Links are followed.
    """
    source, colon, rest = value.partition(":")
    local = bool(colon) and source.strip().lower() == "local-dir"  # timm reads it in any case
    text = os.path.expanduser(rest if local else value)
    names_one = local or text.startswith(("/", "~")) or {".", ".."} & set(text.split("/")) or os.path.exists(text)
    if value == "emoji" or not names_one:
        return None
    allowed = [folder for folder in (*allowed_paths(), os.environ.get(DATA)) if folder]
    inside = (os.getcwd(), PROJECT, *allowed)
    path = Path(os.path.realpath(text))
    return None if any(path.is_relative_to(os.path.realpath(folder)) for folder in inside) else path


def published_paths(given: dict[str, Any]) -> dict[str, Any]:
    """Parameters as a record may show them: a folder is named from the project's on, and one outside by its last part alone."""
    found = {}
    for name in NAMING:
        value = given.get(name)
        if isinstance(value, str) and os.path.isabs(text := os.path.expanduser(value)):
            path = Path(os.path.realpath(text))
            found[name] = str(path.relative_to(PROJECT)) if path.is_relative_to(PROJECT) else path.name
    return given | found


def anchor_paths(given: dict[str, Any]) -> dict[str, Any]:
    """Parameters that mean in the project's folder, where notebooks are executed, what they mean in the current folder.

    A relative folder of a generator or a corpus becomes absolute, and notebooks may read the current folder.
    """
    if os.path.samefile(os.getcwd(), PROJECT):
        return given
    found = {}
    for name in NAMING:
        value = given.get(name)
        if isinstance(value, str) and value != "emoji" and os.path.exists(value):
            allow_paths([Path.cwd()])
            found[name] = os.path.abspath(value)
    return given | found
