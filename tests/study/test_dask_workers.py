"""A real scheduler and real workers, one of which is killed in the middle."""

from __future__ import annotations

import os
import signal
import subprocess
import sys

import pytest

from stablerep.study import dask_workers
from stablerep.study.workers import Task, run_tasks
from tests.study.test_workers import FAIL, alive, wait_for, written

pytestmark = pytest.mark.slow
pytest.importorskip("distributed", reason="dask.distributed is not installed")

# Writes who it is and below which process, works, and says that it is done. The first attempt takes long, the second not.
WORK = (
    sys.executable, "-c",
    "import os, pathlib, sys, time\n"
    "mark = pathlib.Path(sys.argv[1]); first = not mark.exists()\n"
    "mark.write_text((mark.read_text() if not first else '') + f'{os.getpid()} {os.getppid()}\\n')\n"
    "time.sleep(float(sys.argv[2]) if first else 0)\n"
    "print('done')",
)  # fmt: skip


@pytest.fixture
def cluster(tmp_path):
    """The scheduler file of a scheduler with two workers of one thread each, all processes of their own."""
    file, cli = tmp_path / "scheduler.json", [sys.executable, "-m", "distributed.cli"]
    processes = [subprocess.Popen(
        [*cli[:2], "distributed.cli.dask_scheduler", "--port", "0", "--scheduler-file", str(file), "--no-dashboard", "--host", "127.0.0.1"],
        stderr=subprocess.DEVNULL,
    )]  # fmt: skip
    wait_for(lambda: file.exists() and file.read_text(), 40)
    for _ in range(2):
        command = [*cli[:2], "distributed.cli.dask_worker", "--scheduler-file", str(file), "--nthreads", "1", "--no-nanny", "--no-dashboard"]
        processes.append(subprocess.Popen([*command, "--local-directory", str(tmp_path)], stderr=subprocess.DEVNULL))
    yield str(file)
    for process in processes:
        process.kill()
        process.wait()


def test_a_killed_worker_costs_one_attempt_and_no_task(cluster, tmp_path):
    tasks = [Task(f"task {n}", (str(tmp_path / f"mark{n}"), "4" if n == 0 else "0.2")) for n in range(5)]
    found = []
    for finished in run_tasks(tasks, workers=2, cluster=cluster, program=WORK):
        if not found:
            child, worker = map(int, written(tmp_path / "mark0").split())
            os.kill(worker, signal.SIGKILL)
            wait_for(lambda: not alive(child))  # it does not go on without its worker
        found.append(finished)
    assert {one.task.name for one in found} == {task.name for task in tasks}
    assert all(one.status == "done" and one.output == "done\n" for one in found)
    attempts = [len((tmp_path / f"mark{n}").read_text().splitlines()) for n in range(5)]
    assert attempts[0] == 2 and sum(attempts[1:]) in (4, 5)


def test_failures_come_back_as_they_are(cluster):
    found = {one.task.name: one for one in run_tasks([Task(n, (n,)) for n in ("good", "thing")], workers=2, cluster=cluster, program=FAIL)}
    assert (found["good"].status, found["thing"].status, found["thing"].error) == ("done", "failed", "first\nno such thing")


def test_leaving_stops_what_runs_on_the_cluster(cluster, tmp_path):
    tasks = [Task("long", (str(tmp_path / "long"), "60")), Task("short", (str(tmp_path / "short"), "0")), Task("never", (str(tmp_path / "n"), "60"))]
    for finished in run_tasks(tasks, workers=2, cluster=cluster, program=WORK):
        assert finished.task.name == "short"
        pid = int(written(tmp_path / "long").split()[0])
        break
    wait_for(lambda: not alive(pid), 30)


def test_a_cluster_on_this_machine():
    found = [one.status for one in run_tasks([Task(n, (n,)) for n in ("good", "thing")], workers=2, cluster="local", program=FAIL)]
    assert sorted(found) == ["done", "failed"]


@pytest.mark.parametrize(("where", "said"), [("tcp://127.0.0.1:9", "no dask scheduler answered at tcp://127.0.0.1:9"), ("somewhere", "give tcp://HOST:PORT")])
def test_a_cluster_that_is_not_there(where, said, monkeypatch):
    monkeypatch.setattr(dask_workers, "REACH", 2)
    with pytest.raises(ValueError, match="^[^\n]+$") as error:
        next(run_tasks([Task("a", ())], workers=1, cluster=where))
    assert said in str(error.value)


def test_without_dask_one_sentence_says_what_to_install(monkeypatch):
    monkeypatch.setitem(sys.modules, "distributed", None)
    with pytest.raises(ValueError, match="pip install"):
        dask_workers.connect("local", 1)
