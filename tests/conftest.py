"""Fixtures that several folders of tests share."""

from __future__ import annotations

import os
from pathlib import Path

if "PYTEST_XDIST_WORKER" in os.environ:  # before torch is loaded: several processes share the cores
    os.environ.setdefault("OMP_NUM_THREADS", "1")


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


# Files that take long, the longest first: begun last, one of them would go on in one process while the others have nothing to do.
LONGEST = (
    "study/book/test_whole.py", "study/sweeps/test_workers.py", "study/commands/test_encoders.py", "study/chapters/test_toy_chapter.py",
    "synthesis/test_writing.py", "study/sweeps/test_sweep.py", "training/test_processes.py", "study/book/test_build.py",
)  # fmt: skip


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """The longest files first, the others in their order."""
    here = Path(__file__).parent
    places = {here / name: place for place, name in enumerate(LONGEST)}
    items.sort(key=lambda item: places.get(item.path, len(places)))


TINY_CAPTIONS = (
    "red heart", "grinning face", "dog face", "pizza", "rose", "woman firefighter: dark skin tone", "guitar", "full moon face",
    "house", "airplane", "green apple", "waving hand: medium skin tone", "kiwi fruit", "musical note", "owl", "top hat",
)  # fmt: skip


@pytest.fixture(scope="session")
def tiny_pipeline(tmp_path_factory) -> Path:
    """Folder of an untrained pipeline with the embedded generator's networks, saved in half precision as training saves them."""
    import torch

    from stablerep.generator.architecture import new_autoencoder, new_denoiser, new_text_encoder
    from stablerep.generator.training import assemble
    from stablerep.tokenizer import train_tokenizer

    folder = tmp_path_factory.mktemp("generator")
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        tokenizer = train_tokenizer(TINY_CAPTIONS, folder / "tokenizer")
        autoencoder, unet = new_autoencoder(), new_denoiser()
        text_encoder = new_text_encoder(len(tokenizer), tokenizer.eos_token_id)
    autoencoder.register_to_config(scaling_factor=0.2)  # wide latents: untrained weights would draw almost plain grey
    pipeline = assemble(autoencoder.half(), text_encoder.half(), tokenizer, unet.half())
    pipeline.save_pretrained(folder / "pipeline", safe_serialization=True)
    return folder / "pipeline"


@pytest.fixture(scope="session")
def small_clip(tmp_path_factory):
    """A CLIP model of a few weights in the layout of transformers, and the folder that it lies in."""
    import torch

    from stablerep.torchvision_shim import ensure_torchvision_imports

    ensure_torchvision_imports()
    from transformers import CLIPConfig, CLIPImageProcessor, CLIPModel, CLIPProcessor, CLIPTokenizer

    from stablerep.generator.folders import EMBEDDED

    tokenizer = CLIPTokenizer.from_pretrained(EMBEDDED / "tokenizer")
    size = dict(hidden_size=16, intermediate_size=16, num_hidden_layers=1, num_attention_heads=2)
    end = dict(
        eos_token_id=tokenizer.eos_token_id, bos_token_id=tokenizer.bos_token_id, pad_token_id=tokenizer.eos_token_id
    )
    text = size | end | dict(vocab_size=len(tokenizer), max_position_embeddings=tokenizer.model_max_length)
    torch.manual_seed(0)
    model = CLIPModel(
        CLIPConfig(text_config=text, vision_config=size | dict(image_size=24, patch_size=8), projection_dim=12)
    ).eval()
    images = CLIPImageProcessor(size={"shortest_edge": 24}, crop_size={"height": 24, "width": 24})
    folder = tmp_path_factory.mktemp("clip")
    model.save_pretrained(folder, safe_serialization=True)
    CLIPProcessor(image_processor=images, tokenizer=tokenizer).save_pretrained(folder)
    return model, folder
