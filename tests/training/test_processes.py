"""Real processes: two that share a training, and some that are killed."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

import pytest
import torch

from stablerep.captioned_images import CaptionedImages
from stablerep.training import pretrain, view_batches
from stablerep.views import make_views

from .toys import SMALL_VIT, Cut, assert_same_run, losses, recipe_of

OPTIONS = {"plain": {}, "options": {"head_statistics": "per-view", "images_per_caption": 2, "crops_per_image": 2}}


def train_in_a_process(number: int, folder: str, port: int) -> None:
    """One of two gloo processes: for every set of options a whole run, one that is cut after three steps, and the rest of that one."""
    os.environ |= {
        "RANK": str(number), "LOCAL_RANK": str(number), "WORLD_SIZE": "2", "MASTER_ADDR": "127.0.0.1", "ACCELERATE_USE_CPU": "true",
        "MASTER_PORT": str(port),
    }  # fmt: skip
    torch.set_num_threads(1)
    rng = torch.Generator().manual_seed(0)
    images = torch.randint(256, (32, 3, 32, 32), generator=rng, dtype=torch.uint8)
    captions = CaptionedImages(images, torch.arange(32) // 4, [f"caption {i}" for i in range(8)], "toy")

    def train(name: str, place: str, steps_before_cut: int = 0) -> None:
        calls = []

        def views(*arguments):
            calls.append(1)
            if steps_before_cut and len(calls) > steps_before_cut:
                raise Cut
            return make_views(*arguments)

        view_batches.make_views = views
        recipe = recipe_of("stablerep+", encoder=SMALL_VIT, steps=6, **OPTIONS[name])
        try:
            pretrain(captions, recipe, Path(folder) / name / place, progress="", checkpoint_every=2)
        except Cut:
            assert (Path(folder) / name / place / "checkpoint.pt").exists()
        assert len(calls) == (steps_before_cut + 1 if steps_before_cut else 4 if place == "cut" else 6)

    for name in OPTIONS:
        train(name, "whole")
        train(name, "cut", 3)
        assert not (Path(folder) / name / "cut" / "encoder.safetensors").exists()
        torch.distributed.barrier()
        train(name, "cut")
    torch.distributed.destroy_process_group()


@pytest.fixture(scope="module")
def two_processes(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("processes")
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    torch.multiprocessing.spawn(train_in_a_process, args=(str(folder), port), nprocs=2)
    return folder


@pytest.mark.parametrize("name", OPTIONS)
def test_two_processes_that_were_cut_take_the_same_steps(name, two_processes):
    assert_same_run(two_processes / name / "whole", two_processes / name / "cut")
    assert losses(two_processes / name / "whole").shape == (6,)


KILLED = """
import sys, torch
from pathlib import Path
import accelerate, pandas, tqdm, transformers
from stablerep.captioned_images import CaptionedImages
from stablerep.encoders import EncoderRecipe
from stablerep.training import PretrainingRecipe, pretrain
torch.set_num_threads(1)
images = torch.randint(256, (128, 3, 32, 32), generator=torch.Generator().manual_seed(0), dtype=torch.uint8)
words = [f"{first}{last}" for first in "bdfgklmnprst" for last in "aeiouy"][:64]  # merges that are equally frequent
encoder = EncoderRecipe(name="test_resnet", stem="published", head_width=64, head_size=32, text_width=64, text_layers=1, joint_size=32)
recipe = PretrainingRecipe(method="stablerep+", steps=30, views_per_step=16, encoder=encoder)
input()  # everything is loaded; the turn of this process comes
pretrain(CaptionedImages(images, torch.arange(128) // 2, words, "toy"), recipe, Path(sys.argv[1]), progress="", checkpoint_every=3)
"""


@pytest.mark.slow
def test_a_process_killed_twice_ends_as_one_that_was_not(tmp_path):
    """SIGKILL, and a new process each time, whose hash tables and memory are others: vocabulary, order and views are the same.

    The processes load their libraries side by side and learn one after the other.
    """
    whole, *cut = (
        subprocess.Popen([sys.executable, "-c", KILLED, str(tmp_path / name)], stdin=subprocess.PIPE)
        for name in ("whole", "cut", "cut", "cut")
    )
    try:
        checkpoint, seen = tmp_path / "cut" / "checkpoint.pt", 0.0
        whole.communicate(b"\n")
        for process in cut[:2]:
            process.stdin.write(b"\n")
            process.stdin.flush()
            while process.poll() is None and (not checkpoint.exists() or checkpoint.stat().st_mtime == seen):
                time.sleep(0.01)
            process.kill()
            assert process.wait() == -signal.SIGKILL, "the run ended before it could be killed; give it more steps"
            seen = checkpoint.stat().st_mtime
        cut[2].communicate(b"\n")
        assert (whole.returncode, cut[2].returncode) == (0, 0)
        assert_same_run(tmp_path / "whole", tmp_path / "cut")
    finally:
        for process in (whole, *cut):
            process.kill()
            process.wait()
            process.stdin.close()
