"""Several processes that compute what chapters ask for."""

from __future__ import annotations

import io
import multiprocessing
import os
import subprocess
import sys
import time
from types import SimpleNamespace

import psutil
import pytest

from stablerep.errors import FailedError
from stablerep.study.chapters import resolve
from stablerep.study.plans import together
from stablerep.study.plans.planning import PlannedRun, plan_chapters
from stablerep.study.plans.together import (
    AgainError,
    Remaining,
    SharingStore,
    WithoutBars,
    compute_together,
    default_workers,
    threads_each,
)
from stablerep.study.store.access import writing
from stablerep.study.store.runs import RunStore
from stablerep.study.store.step import Step

FIRST, SECOND = Step("first"), Step("second")
TINY = {"preset": "smoke", "methods": ["simclr", "supervised"], "captions": 48, "steps": 2}


def test_a_run_that_is_being_computed_elsewhere_is_left_and_so_is_what_needs_it(tmp_path):
    computed, ended = [], []
    store = SharingStore(tmp_path, computed=lambda key, what: ended.append(key))

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
    assert computed == ["other"] and store.awaited == {one.key, two.key} and ended == [other.key]
    store.begin()
    ask()
    assert computed == ["other", "first", "second"] and not store.awaited and len(ended) == 3
    with writing(tmp_path, store.key(FIRST, parameters={}, inputs={"of": "them"})):
        store.obtain(FIRST, parameters={}, inputs={"of": "them"}, compute=None)
    RunStore(tmp_path).obtain(FIRST, parameters={}, inputs={"of": "them"}, compute=lambda folder: None)
    theirs = store.obtain(FIRST, parameters={}, inputs={"of": "them"}, compute=None)
    assert ended[3:] == [theirs.key]  # it is told of too
    ask()
    assert len(computed) == 3


def test_a_walk_that_left_something_begins_again(tmp_path, monkeypatch):
    monkeypatch.setattr(together, "WALK", 0.0)
    store = SharingStore(tmp_path)

    def ask(of: str):
        return store.obtain(FIRST, parameters={}, inputs={"of": of}, compute=lambda folder: None)

    ask("a")  # nothing was left before
    with writing(tmp_path, store.key(FIRST, parameters={}, inputs={"of": "b"})):
        ask("b")
        with pytest.raises(AgainError):
            ask("c")
    store.begin()
    assert all(not isinstance(ask(of), PlannedRun) for of in "abc")


def test_a_run_waits_for_what_it_reads_but_is_not_named_by(tmp_path):
    store = SharingStore(tmp_path)

    def ask():
        return store.obtain(
            SECOND, parameters={}, inputs={}, compute=lambda folder: None,
            needs=lambda: store.obtain(FIRST, parameters={}, inputs={}, compute=lambda folder: None),
        )  # fmt: skip

    with writing(tmp_path, store.key(FIRST, parameters={}, inputs={})):
        assert isinstance(ask(), PlannedRun)
    store.begin()
    assert not isinstance(ask(), PlannedRun)


def planned(*wanted: tuple[str, dict]) -> list:
    return plan_chapters([(name, resolve(name, given)) for name, given in wanted])


@pytest.mark.slow
def test_two_processes_compute_chapters_each_run_once(tmp_path, monkeypatch):
    """Chapters are complete in their order, those without runs at once."""
    monkeypatch.setenv("STABLEREP_RUNS", str(tmp_path))
    monkeypatch.setattr(together, "SAID", 0.0)
    complete, lines = [], []
    wanted = [("corpus", {"preset": "smoke"}), ("methods", TINY), ("scaling", {"preset": "smoke", "live": False})]
    compute_together(
        wanted, 2, planned(*wanted), complete=lambda names: complete.append((names, len(lines))), log=lines.append
    )
    (plan,) = planned(("methods", TINY))
    assert (
        [name for names, _ in complete for name in names] == ["corpus", "methods", "scaling"]
        and complete[0] == (["corpus"], 0)
        and {count for _, count in complete[1:]} == {len(lines)}
        and plan.runs
        and all(run.exists for run in plan.runs)
    )
    records = list(RunStore(tmp_path).records())
    assert {run.key for run in plan.runs} == {record["key"] for record in records}
    assert {record["provenance"]["attempts"] for record in records} == {1}
    assert len(lines) == len(records) and lines[-1].startswith(
        f"{len(records)} of {len(records)} runs, about 1 s left: methods, "
    )


@pytest.mark.slow
def test_what_a_process_says_of_a_wrong_value_ends_all(tmp_path, monkeypatch):
    monkeypatch.setenv("STABLEREP_RUNS", str(tmp_path))
    with pytest.raises(FailedError, match="captions is 100000"):
        compute_together([("methods", TINY | {"captions": 100_000})], 2, planned(("methods", TINY)))
    assert not list(RunStore(tmp_path).records())


@pytest.mark.slow
def test_a_process_that_is_killed_is_told_of(tmp_path, monkeypatch):
    """Not what it computed, which goes on at the next call."""
    monkeypatch.setenv("STABLEREP_RUNS", str(tmp_path))

    def kill(line: str) -> None:
        for child in multiprocessing.active_children():
            child.kill()

    monkeypatch.setattr(together, "SAID", 0.0)
    with pytest.raises(FailedError, match="was killed, or memory ran out"):
        compute_together([("methods", TINY)], 2, planned(("methods", TINY)), log=kill)
    done = {record["key"] for record in RunStore(tmp_path).records()}
    assert done and done < {run.key for run in planned(("methods", TINY))[0].runs}


@pytest.mark.slow
def test_processes_end_with_the_one_that_started_them(tmp_path):
    program = (
        "import os, time\n"
        "from stablerep.study.notebooks.forked import process_context\n"
        "from stablerep.study.plans import together\n"
        "if __name__ == '__main__':\n"
        "    context = process_context()\n"
        "    told = context.Queue()\n"
        "    wanted = [('methods', {'preset': 'smoke'})]\n"
        "    child = context.Process(target=together._work, args=(wanted, told, dict(os.environ)), daemon=True)\n"
        "    child.start()\n"
        "    print(child.pid, flush=True)\n"
        "    time.sleep(60)\n"
    )
    path = tmp_path / "program.py"
    path.write_text(program)
    parent = subprocess.Popen(
        [sys.executable, str(path)], stdout=subprocess.PIPE, text=True, env=os.environ | {"STABLEREP_RUNS": str(tmp_path / "runs")}
    )  # fmt: skip
    child = psutil.Process(int(parent.stdout.readline()))
    while not (tmp_path / "runs").is_dir():  # it computes
        assert child.is_running()
        time.sleep(0.1)
    parent.kill()
    parent.wait()
    _, alive = psutil.wait_procs([child], timeout=10)
    assert not alive


def test_time_left_follows_the_plan_then_the_pace():
    plan = SimpleNamespace(missing=[SimpleNamespace(key=key, cost=SimpleNamespace(seconds=100.0)) for key in "abcd"])
    remaining = Remaining([plan], 2)
    assert remaining.seconds() == 200  # two at a time
    remaining.began -= 30
    # of four equal runs one has ended and another is half done after 30 seconds: 250 of 400 are left
    assert remaining.end("a", "this").startswith("1 of 4 runs, about 50 s left: this")
    assert remaining.end("unknown", "that").startswith("1 of 4 runs")
    remaining.afterwards = lambda: 20.0  # such as to build pages
    assert "about 70 s left" in remaining.end("a", "this")


def test_bars_are_left_out_and_lines_are_kept():
    out = io.StringIO()
    stream = WithoutBars(out)
    print("captions are cut", file=stream)
    stream.write("\rmethods: 10%|#  |")
    stream.write("\rmethods: 100%|###|\n")
    print("the end", file=stream)
    assert out.getvalue() == "captions are cut\nthe end\n"


def test_without_a_gpu_each_core_has_a_process(monkeypatch):
    monkeypatch.setattr(together, "processors", lambda: 3)
    assert default_workers() == 3 and threads_each(2) == 1 and threads_each(8) == 1
    monkeypatch.setattr(together, "processors", lambda: 64)
    assert default_workers() == together.MOST and threads_each(together.MOST) == 16
    monkeypatch.setattr("torch.cuda.is_available", lambda: True)
    assert default_workers() == 1
