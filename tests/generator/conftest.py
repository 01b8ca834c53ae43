"""The untrained pipeline, opened."""

from __future__ import annotations

import pytest

from stablerep.generator import Generator, load_generator


@pytest.fixture(scope="session")
def generator(tiny_pipeline) -> Generator:
    """Shared by tests that leave it as it is; it runs on the CPU in float32 everywhere."""
    return load_generator(str(tiny_pipeline), device="cpu")
