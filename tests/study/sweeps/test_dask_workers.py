"""A real scheduler and real workers, one of which is killed in the middle."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

import pytest

from stablerep.study.sweeps import dask_workers
from stablerep.study.sweeps.workers import THREADS, Task, cores, run_tasks
from tests.study.sweeps.test_workers import FAIL, alive, wait_for, written

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


class Cluster:
    """A scheduler and workers of one thread each, all processes of their own, which meet by a file."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.file, self.processes = folder, folder / "scheduler.json", []
        self.scheduler = self.start("dask_scheduler", "--port", "0", "--host", "127.0.0.1")
        wait_for(lambda: self.file.exists() and self.file.read_text(), 40)

    def start(self, program: str, *options: str) -> subprocess.Popen:
        command = [
            sys.executable,
            "-m",
            f"distributed.cli.{program}",
            "--scheduler-file",
            str(self.file),
            "--no-dashboard",
            *options,
        ]
        self.processes.append(subprocess.Popen(command, stderr=subprocess.DEVNULL, cwd=self.folder))
        return self.processes[-1]

    def add_worker(self) -> None:
        self.start("dask_worker", "--nthreads", "1", "--no-nanny", "--local-directory", str(self.folder))


@pytest.fixture
def empty_cluster(tmp_path):
    (tmp_path / "cluster").mkdir()
    cluster = Cluster(tmp_path / "cluster")
    yield cluster
    for process in cluster.processes:
        process.kill()
        process.wait()


@pytest.fixture
def cluster(empty_cluster):
    for _ in range(2):
        empty_cluster.add_worker()
    return empty_cluster


def test_a_killed_worker_costs_one_attempt_and_no_task(cluster, tmp_path):
    tasks = [Task(f"task {n}", (str(tmp_path / f"mark{n}"), "30" if n == 0 else "0.2")) for n in range(5)]
    found = []
    for finished in run_tasks(tasks, workers=2, cluster=str(cluster.file), program=WORK):
        if not found:
            child, worker = map(int, written(tmp_path / "mark0").split())
            assert worker in [process.pid for process in cluster.processes]
            os.kill(worker, signal.SIGKILL)
            wait_for(lambda: not alive(child))  # it does not go on without its worker
        found.append(finished)
    assert sorted(one.task.name for one in found) == [task.name for task in tasks]
    assert all(one.status == "done" and one.output == "done\n" for one in found)
    attempts = [(tmp_path / f"mark{n}").read_text().split("\n")[:-1] for n in range(5)]
    assert len(attempts[0]) == 2 and sum(map(len, attempts[1:])) in (
        4,
        5,
    )  # 5 when another was about to begin on the worker that was killed
    assert not any(alive(int(line.split()[0])) for lines in attempts for line in lines)


def test_outcomes_come_back_as_they_are(cluster):
    found = {
        one.task.name: one
        for one in run_tasks(
            [Task(n, (n,)) for n in ("good", "thing")], workers=2, cluster=str(cluster.file), program=FAIL
        )
    }
    assert (found["good"].status, found["good"].output, found["good"].error) == ("done", "out\n", "")
    thing = found["thing"]
    assert (thing.status, thing.error, thing.output, thing.attempts) == (
        "failed",
        "first\nno such thing",
        "out\n",
        1,
    ) and thing.seconds > 0


def test_a_task_runs_in_the_client_s_folder_with_the_worker_s_threads(cluster, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    show = (
        sys.executable,
        "-c",
        f"import os; print(os.getcwd(), os.environ['COLOUR'], *(os.environ[name] for name in {THREADS}))",
    )
    (found,) = run_tasks(
        [Task("a", (), {"COLOUR": "red"} | dict.fromkeys(THREADS[1:], "5"))],
        workers=1,
        cluster=str(cluster.file),
        program=show,
    )
    threads = os.environ.get("OMP_NUM_THREADS", cores())  # the workers have our environment
    assert found.output == f"{tmp_path} red {threads} 5 5\n"
    (found,) = run_tasks([Task("help", ("--help",))], workers=1, cluster=str(cluster.file))
    assert found.status == "done" and " sweep " in found.output
    assert dask_workers._run("a", (), {}, str(tmp_path / "absent"), ())[0] == "failed"


def test_workers_that_come_later_are_waited_for_and_used(empty_cluster, tmp_path):
    said = []

    def note(event: str, task: Task) -> None:
        said.append((event, task.name))
        if event == "waiting":
            empty_cluster.add_worker()

    tasks = [Task(n, (n,)) for n in ("good", "thing")]
    assert len(list(run_tasks(tasks, workers=1, cluster=str(empty_cluster.file), program=FAIL, on_event=note))) == 2
    assert said == [("waiting", "good"), ("started", "good"), ("started", "thing")]


def test_leaving_stops_what_runs_on_the_cluster(cluster, tmp_path):
    tasks = [
        Task("long", (str(tmp_path / "long"), "60")),
        Task("short", (str(tmp_path / "short"), "0")),
        Task("never", (str(tmp_path / "n"), "60")),
    ]
    going = run_tasks(tasks, workers=2, cluster=str(cluster.file), program=WORK)
    assert next(going).task.name == "short"
    pid = int(written(tmp_path / "long").split()[0])
    going.close()
    wait_for(lambda: not alive(pid), 15)
    assert not (tmp_path / "n").exists()


DRIVER = """
import sys
from stablerep.study.sweeps.workers import Task, run_tasks
if __name__ == "__main__":
    try:
        for found in run_tasks([Task(name, (name, "60")) for name in {files!r}], workers=1, cluster={cluster!r}, program={program!r}):
            print(found)
    except KeyboardInterrupt:
        sys.exit(130)
    except OSError as error:
        sys.exit(str(error))
"""


def drive(folder: Path, cluster: str) -> tuple[subprocess.Popen, int]:
    """A process that runs two tasks one after the other, and the number of the first task's process, which runs."""
    files = [str(folder / name) for name in ("first", "late")]
    (folder / "driver.py").write_text(DRIVER.format(files=files, cluster=cluster, program=WORK))
    process = subprocess.Popen(
        [sys.executable, str(folder / "driver.py")], stderr=subprocess.PIPE, text=True, start_new_session=True
    )
    return process, int(written(folder / "first").split()[0])


def test_nothing_runs_on_when_the_client_is_killed(empty_cluster, tmp_path):
    empty_cluster.add_worker()
    process, pid = drive(tmp_path, str(empty_cluster.file))
    process.kill()
    process.communicate()
    wait_for(lambda: not alive(pid))
    time.sleep(1)
    assert not (tmp_path / "late").exists()


def test_a_scheduler_that_goes_away_is_one_sentence(empty_cluster, tmp_path):
    empty_cluster.add_worker()
    process, pid = drive(tmp_path, str(empty_cluster.file))
    empty_cluster.scheduler.kill()
    wait_for(lambda: not alive(pid))
    assert f"the dask scheduler at {empty_cluster.file} is gone" in process.communicate(timeout=30)[1].splitlines()[-1]
    assert process.returncode == 1 and not (tmp_path / "late").exists()


def test_ctrl_c_at_a_cluster_on_this_machine_is_quiet_and_leaves_nothing(tmp_path):
    """The terminal sends the signal to all processes of the group, dask's workers included."""
    import psutil

    process, pid = drive(tmp_path, "local")
    family = [psutil.Process(process.pid), *psutil.Process(process.pid).children(recursive=True)]
    assert pid in [one.pid for one in family]
    os.killpg(process.pid, signal.SIGINT)
    assert process.communicate(timeout=30)[1] == "" and process.returncode == 130
    wait_for(lambda: not any(alive(one.pid) for one in family), 5)
    assert not (tmp_path / "late").exists()


@pytest.mark.parametrize(("where", "said"), [
    ("tcp://127.0.0.1:9", "no dask scheduler answered at tcp://127.0.0.1:9 within 2 s."),
    ("tcp://127.0.0.1:SILENT", "no dask scheduler answered at tcp://127.0.0.1:"),
    ("tcp://127.0.0.1", "cluster is 'tcp://127.0.0.1'; give tcp://HOST:PORT, a scheduler file that exists, or local."),
    ("absent.json", "cluster is 'absent.json'; give tcp://HOST:PORT"),
    ("FILE", "leads to no dask scheduler: KeyError: 'address'."),
])  # fmt: skip
def test_a_cluster_that_is_not_there(where, said, monkeypatch, tmp_path):
    (tmp_path / "file.json").write_text("{}")
    monkeypatch.setattr(dask_workers, "REACH", 2)
    with socket.create_server(("127.0.0.1", 0)) as silent:  # accepts, and never says a word
        where = where.replace("SILENT", str(silent.getsockname()[1])).replace("FILE", str(tmp_path / "file.json"))
        began = time.monotonic()
        with pytest.raises(ValueError, match="^[^\n]+$") as error:
            next(run_tasks([Task("a", ())], workers=1, cluster=where))
    assert said in str(error.value) and time.monotonic() - began < 5


def test_without_dask_one_sentence_says_what_to_install(monkeypatch):
    monkeypatch.setitem(sys.modules, "distributed", None)
    with pytest.raises(ValueError, match="pip install"):
        dask_workers.connect("local", 1)
