"""The learning rate in closed form, and which weights decay."""

from __future__ import annotations

import math

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import nn

from stablerep.schedule import cosine_rate, decay_groups


def test_warm_up_rises_in_equal_steps_to_the_peak():
    assert [cosine_rate(k, 100, warmup=0.1) for k in range(10)] == pytest.approx([(k + 1) / 10 for k in range(10)])
    assert cosine_rate(10, 100, warmup=0.1) == pytest.approx(1.0)


def test_after_warm_up_follows_half_a_cosine():
    rates = {place: cosine_rate(10 + round(90 * place), 100, warmup=0.1) for place in (0, 1 / 3, 1 / 2, 2 / 3, 1)}
    assert rates == pytest.approx({0: 1, 1 / 3: 0.75, 1 / 2: 0.5, 2 / 3: 0.25, 1: 0}, abs=1e-9)


@given(steps=st.integers(1, 300), warmup=st.floats(0, 0.9))
def test_the_rate_rises_then_falls_and_stays_above_zero(steps, warmup):
    rates = [cosine_rate(k, steps, warmup=warmup) for k in range(steps)]
    peak = rates.index(max(rates))
    assert all(0 < r <= 1 for r in rates) and max(rates) == pytest.approx(1)
    assert rates[: peak + 1] == sorted(rates[: peak + 1]) and rates[peak:] == sorted(rates[peak:], reverse=True)


def test_the_mean_rate_without_warm_up_is_a_half():
    rates = [cosine_rate(k, 10_000, warmup=0) for k in range(10_000)]
    assert math.fsum(rates) / 10_000 == pytest.approx(0.5, abs=1e-3)


def test_norms_biases_and_scalars_do_not_decay():
    model = nn.Sequential(nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4), nn.Flatten(), nn.Linear(4, 2), nn.LayerNorm(2))
    model.register_parameter("scale", nn.Parameter(torch.tensor(2.0)))
    model[4].bias.requires_grad_(False)
    decayed, plain = decay_groups(model, 0.3)
    assert decayed["weight_decay"] == 0.3 and plain["weight_decay"] == 0
    assert {id(p) for p in decayed["params"]} == {id(model[0].weight), id(model[3].weight)}
    expected = [model[0].bias, model[1].weight, model[1].bias, model[3].bias, model[4].weight, model.scale]
    assert {id(p) for p in plain["params"]} == {id(p) for p in expected}  # the frozen bias is in neither
