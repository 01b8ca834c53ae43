"""Why a run is new: told from the records of runs that are much like it."""

from __future__ import annotations

import pytest

from stablerep.study.plans.changes import why_new

MODULES = {"stablerep.losses": "aaaa", "stablerep.views": "bbbb"}


def record(parameters=None, inputs=None, code="0" * 16, modules=MODULES, step="pretraining") -> dict:
    provenance = {"modules": modules} if modules else {}
    whole = {"step": step, "version": 1, "parameters": parameters or {"steps": 3}, "inputs": inputs or {"images": "a"}}
    return whole | {"code": code, "provenance": provenance}


def why(new: dict, *old: dict, modules=MODULES) -> str:
    return why_new(new, modules, old)


def test_changed_code_is_named_by_its_modules():
    now = MODULES | {"stablerep.losses": "cccc"}
    assert why(record(code="1" * 16), record(), modules=now) == "the code of stablerep.losses has changed"
    many = {f"stablerep.m{n}": "x" for n in range(5)}
    assert (
        why(record(code="1" * 16), record(modules=many), modules={})
        == "the code of stablerep.m0, stablerep.m1, stablerep.m2 and 2 more has changed"
    )


def test_modules_that_another_method_calls_have_not_changed():
    """Only what both runs call can have changed between them."""
    new, old = record({"method": "mae"}, code="1" * 16), record({"method": "byol"})
    called = {"stablerep.views": "bbbb", "stablerep.methods.mae": "dddd"}
    assert why(new, old, modules=called) == "method mae instead of byol"
    changed = called | {"stablerep.views": "eeee"}
    assert why(new, old, modules=changed) == "the code of stablerep.views has changed, method mae instead of byol"


def test_changed_parameters_and_inputs_are_named():
    new = record({"steps": 4, "encoder": {"name": "vit"}}, {"images": "b"})
    old = record({"steps": 3, "encoder": {"name": "vit"}})
    assert why(new, old) == "steps 4 instead of 3, other images"
    assert (
        why(record({"steps": 3, "label": "group"}), old | {"parameters": {"steps": 3}}) == "label group instead of None"
    )


def test_the_most_similar_run_is_the_one_compared():
    far, near = record({"steps": 9}, {"images": "z"}), record({"steps": 3}, {"images": "z"})
    assert why(record(), far, near) == "other images"


@pytest.mark.parametrize(
    "old",
    [record(step="evaluation"), record(dict.fromkeys("abcd", 1)), record({"steps": 1, "w": 2, "x": 3, "y": 4})],
)
def test_nothing_is_said_where_nothing_is_alike(old):
    assert why(record(), old) == ""


def test_runs_without_recorded_code():
    assert why(record(), record(code=None, modules=None)) == "its code was not recorded"
