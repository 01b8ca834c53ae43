"""Sampling: bounds are named, and equal values are one value."""

from __future__ import annotations

import json

import pytest

from stablerep.errors import InputError
from stablerep.generator.sampling import GUIDANCE_SCALES, SAMPLERS, STEPS, Sampling


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"guidance_scale": 0.5}, "guidance_scale is 0.5; it is at least 1 (no guidance) and at most 30."),
        ({"guidance_scale": float("nan")}, "guidance_scale is nan; it is at least 1 (no guidance) and at most 30."),
        ({"guidance_scale": 31}, "guidance_scale is 31; it is at least 1 (no guidance) and at most 30."),
        ({"steps": 1}, "steps is 1; a sampler takes 2 to 1000 steps."),
        ({"steps": 1001}, "steps is 1001; a sampler takes 2 to 1000 steps."),
        ({"steps": 2.5}, "steps is 2.5; a sampler takes 2 to 1000 steps."),
        ({"sampler": "euler"}, "sampler is 'euler'; valid samplers are dpm++, ddim."),
        *(
            (
                {"guidance_interval": wrong},
                f"guidance_interval is {wrong}; it is two finite noise levels, at least 0, the lower one first.",
            )
            for wrong in [
                (5.0, 0.3),
                (1.0, 1.0),
                (-0.1, 1.0),
                (1.0,),
                (1, 2, 3),
                (0.3, float("inf")),
                (float("nan"), 1.0),
            ]
        ),
    ],
)
def test_values_out_of_bounds_are_named(options, said):
    with pytest.raises(InputError) as error:
        Sampling(**options)
    assert str(error.value) == said


def test_bounds_themselves_are_valid():
    for w in GUIDANCE_SCALES:
        for steps in STEPS:
            for sampler in SAMPLERS:
                assert Sampling(w, steps, sampler).steps == steps


def test_equal_values_have_one_spelling():
    assert repr(Sampling(2, 12.0)) == repr(Sampling(2.0, 12)) == repr(Sampling())
    assert repr(Sampling(guidance_interval=[0, 5])) == repr(Sampling(guidance_interval=(0.0, 5.0)))
    assert Sampling(1, guidance_interval=(0, 5)) == Sampling(1)  # no guidance, wherever


def test_parameters_are_what_json_gives_back():
    plain = {"guidance_scale": 2.0, "steps": 12, "sampler": "dpm++"}
    assert Sampling().parameters == plain  # the names of sets that are guided everywhere
    limited = Sampling(guidance_interval=(0.25, 5)).parameters
    assert json.loads(json.dumps(limited)) == limited == plain | {"guidance_interval": [0.25, 5.0]}


def test_it_is_frozen_and_can_be_a_key():
    assert len({Sampling(), Sampling(2), Sampling(3)}) == 2
    with pytest.raises(AttributeError):
        Sampling().steps = 3
