"""A stub generator, its plan, and the set that it makes without any interruption."""

from __future__ import annotations

import hashlib
import importlib.util
import sys
from pathlib import Path

import pytest

from stablerep.synthesis import SyntheticSet, synthesize

STUB = Path(__file__).with_name("stub_generator.py")


@pytest.fixture(scope="session")
def stub():
    """The module of the stub generator, which tests also start as a program."""
    spec = importlib.util.spec_from_file_location("stub_generator", STUB)
    module = importlib.util.module_from_spec(spec)
    sys.modules["stub_generator"] = module  # dataclasses look their module up
    spec.loader.exec_module(module)
    return module


@pytest.fixture(scope="session")
def whole(stub, tmp_path_factory) -> SyntheticSet:
    """The stub's set, made in one go. Tests copy it before they change anything."""
    return synthesize(stub.PLAN, stub.StubGenerator(), tmp_path_factory.mktemp("whole"), progress=False)


@pytest.fixture(scope="session")
def digests():
    """A function: every visible file of a set with the hash of its bytes."""

    def of(folder: Path) -> dict[str, str]:
        files = [file for file in Path(folder).iterdir() if not file.name.startswith(".")]
        return {file.name: hashlib.sha256(file.read_bytes()).hexdigest() for file in files}

    return of
