"""Several processes that compute what chapters ask for."""

from __future__ import annotations

import pytest

from stablerep.errors import FailedError
from stablerep.study.chapters import resolve
from stablerep.study.plans.planning import PlannedRun, plan_chapters
from stablerep.study.plans.together import SharingStore, compute_together
from stablerep.study.store.access import writing
from stablerep.study.store.runs import RunStore
from stablerep.study.store.step import Step

FIRST, SECOND = Step("first"), Step("second")
TINY = {"preset": "smoke", "methods": ["simclr", "supervised"], "captions": 48, "steps": 2}


def test_a_run_that_is_being_computed_elsewhere_is_left_and_so_is_what_needs_it(tmp_path):
    store, computed = SharingStore(tmp_path), []

    def ask() -> tuple:
        one = store.obtain(FIRST, parameters={}, inputs={}, compute=lambda folder: computed.append("first"))
        two = store.obtain(
            SECOND, parameters={}, inputs={"of": f"{one.key}-seen"}, compute=lambda folder: computed.append("second")
        )
        other = store.obtain(
            SECOND, parameters={}, inputs={"of": "corpus"}, compute=lambda folder: computed.append("other")
        )
        return one, two, other

    key = store.key(FIRST, parameters={}, inputs={})
    with writing(tmp_path, key):
        one, two, other = ask()
    assert isinstance(one, PlannedRun) and isinstance(two, PlannedRun) and not isinstance(other, PlannedRun)
    assert computed == ["other"] and store.awaited == {one.key, two.key} and store.computed == 1
    store.awaited.clear()
    ask()
    assert computed == ["other", "first", "second"] and not store.awaited and store.computed == 3
    ask()
    assert len(computed) == 3


def test_a_run_waits_for_what_it_reads_but_is_not_named_by(tmp_path):
    store = SharingStore(tmp_path)

    def ask():
        return store.obtain(
            SECOND, parameters={}, inputs={}, compute=lambda folder: None,
            needs=lambda: store.obtain(FIRST, parameters={}, inputs={}, compute=lambda folder: None),
        )  # fmt: skip

    with writing(tmp_path, store.key(FIRST, parameters={}, inputs={})):
        assert isinstance(ask(), PlannedRun)
    store.awaited.clear()
    assert not isinstance(ask(), PlannedRun)


@pytest.mark.slow
def test_two_processes_compute_a_chapter_each_run_once(tmp_path, monkeypatch):
    monkeypatch.setenv("STABLEREP_RUNS", str(tmp_path))
    compute_together([("methods", TINY)], 2)
    (plan,) = plan_chapters([("methods", resolve("methods", TINY))])
    assert plan.runs and all(run.exists for run in plan.runs)
    records = list(RunStore(tmp_path).records())
    assert {run.key for run in plan.runs} == {record["key"] for record in records}
    assert {record["provenance"]["attempts"] for record in records} == {1}
    assert {record["provenance"]["threads"] for record in records if record["step"] == "pretraining"} == {1}


@pytest.mark.slow
def test_what_a_process_says_of_a_wrong_value_is_said_and_ends_all(tmp_path, monkeypatch, capfd):
    monkeypatch.setenv("STABLEREP_RUNS", str(tmp_path))
    with pytest.raises(FailedError, match="goes on where it stopped"):
        compute_together([("methods", TINY | {"captions": 100_000})], 2)
    assert "captions is 100000" in capfd.readouterr().err
    assert not list(RunStore(tmp_path).records())
