"""Devices and precisions."""

from __future__ import annotations

import pytest
import torch

from stablerep.device import HALF_FROM, default_device, training_precision
from stablerep.generator import default_precision


@pytest.fixture(params=[False, True], ids=["no GPU", "GPU"])
def gpu(request, monkeypatch) -> bool:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: request.param)
    return request.param


def test_the_gpu_serves_where_there_is_one(gpu):
    assert default_device() == ("cuda" if gpu else "cpu")


def test_only_larger_images_on_a_gpu_are_learned_from_in_half_precision(gpu):
    assert training_precision(32) == "no" and training_precision(HALF_FROM - 1) == "no"
    assert training_precision(HALF_FROM) == training_precision(224) == ("bf16" if gpu else "no")


def test_the_embedded_generator_draws_in_one_precision_everywhere(gpu):
    assert default_precision("emoji") == default_precision("emoji", "cuda:1") == "float32"
    assert default_precision("some/pipeline") == ("float16" if gpu else "float32")
    assert default_precision("some/pipeline", "cpu") == "float32"
    assert default_precision("some/pipeline", "cuda:1") == "float16"
