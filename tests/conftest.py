"""Fixtures that several folders of tests share."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import settings

from stablerep.corpus import Corpus, load_corpus

# The same examples on every machine, and none that fails for being slow on a busy one.
settings.register_profile("stablerep", derandomize=True, deadline=None, max_examples=50)
settings.load_profile("stablerep")


@pytest.fixture(scope="session")
def emoji() -> Corpus:
    """The embedded corpus as the study uses it: six designs, no flags."""
    return load_corpus()


TINY_CAPTIONS = (
    "red heart", "grinning face", "dog face", "pizza", "rose", "woman firefighter: dark skin tone", "guitar", "full moon face",
    "house", "airplane", "green apple", "waving hand: medium skin tone", "kiwi fruit", "musical note", "owl", "top hat",
)  # fmt: skip


@pytest.fixture(scope="session")
def tiny_pipeline(tmp_path_factory) -> Path:
    """Folder of an untrained pipeline with the embedded generator's networks, saved in half precision as training saves them."""
    from stablerep.torchvision_shim import ensure_torchvision_imports

    ensure_torchvision_imports()
    from stablerep.generator.training import untrained_pipeline

    folder = tmp_path_factory.mktemp("generator")
    pipeline = untrained_pipeline(TINY_CAPTIONS)
    for part in (pipeline.vae, pipeline.text_encoder, pipeline.unet):
        part.half()
    pipeline.save_pretrained(folder / "pipeline", safe_serialization=True)
    return folder / "pipeline"
