"""Workers of a real cluster: on this machine, and of a scheduler whose processes are killed in the middle."""

from __future__ import annotations

import asyncio
import os
import signal
import socket
import ssl
import subprocess
import sys
from pathlib import Path

import psutil
import pytest
from dask.system import CPU_COUNT
from distributed import LocalCluster
from distributed.comm import connect

from stablerep.errors import InputError
from stablerep.study.sweeps import workers
from stablerep.study.sweeps.task import PROGRAM, THREADS, Task
from stablerep.study.sweeps.workers import run_tasks
from tests.study.sweeps.programs import FAIL, FAMILY, WORK, alive, notebook, wait_for, written


@pytest.fixture(scope="module")
def here():
    """The address of a scheduler with two workers that last for all tests that do not hurt them."""
    with LocalCluster(n_workers=2, threads_per_worker=1, dashboard_address=None) as cluster:
        yield cluster.scheduler_address


class Cluster:
    """A scheduler and workers of one thread each, all processes of their own, which meet by a file."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.file, self.processes = folder, folder / "scheduler.json", []
        self.scheduler = self.start("dask_scheduler", "--port", "0", "--host", "127.0.0.1")
        written(self.file)

    def start(self, program: str, *options: str) -> subprocess.Popen:
        command = [sys.executable, "-m", f"distributed.cli.{program}", "--scheduler-file", str(self.file), "--no-dashboard"]  # fmt: skip
        self.processes.append(subprocess.Popen([*command, *options], stderr=subprocess.DEVNULL, cwd=self.folder))
        return self.processes[-1]

    def add_worker(self) -> None:
        self.start("dask_worker", "--nthreads", "1", "--no-nanny", "--local-directory", str(self.folder))


@pytest.fixture
def cluster(tmp_path):
    (tmp_path / "cluster").mkdir()
    cluster = Cluster(tmp_path / "cluster")
    yield cluster
    for process in cluster.processes:
        process.kill()
        process.wait()


# What comes back


def test_every_task_ends_and_a_failure_stops_no_other(here):
    tasks = [Task(name, (name,)) for name in ("good", "thing", "good", "place")]
    found = {id(one.task): one for one in run_tasks(tasks, workers=1, cluster=here, program=FAIL)}
    assert [found[id(task)].status for task in tasks] == ["done", "failed", "done", "failed"]
    failed = found[id(tasks[1])]
    assert (failed.error, failed.output, failed.attempts) == ("first\nno such thing", "out\n", 1) and failed.seconds > 0
    assert (found[id(tasks[0])].error, found[id(tasks[0])].output) == ("", "out\n")


def test_at_most_so_many_at_once_and_in_the_order_of_ending(here, tmp_path):
    """The first waits for the third, which must therefore begin when the second has ended."""
    wait = (
        sys.executable, "-c",
        "import os, sys, time\nopen(sys.argv[1], 'w')\nwhile not os.path.exists(sys.argv[2]): time.sleep(0.02)",
    )  # fmt: skip
    names = [str(tmp_path / name) for name in "abc"]
    tasks = [Task(str(n), (names[n], names[other])) for n, other in enumerate((2, 0, 2))]
    said = []
    for found in run_tasks(
        tasks, workers=1, cluster=here, program=wait, on_event=lambda event, task: said.append((event, task.name))
    ):
        said.append((found.status, found.task.name))
    assert said[:4] == [("started", "0"), ("started", "1"), ("done", "1"), ("started", "2")]
    assert sorted(said[4:]) == [("done", "0"), ("done", "2")]


@pytest.mark.parametrize(("count", "number", "asked"), [(9, 1, None), (2, 3, None), (1, 1, "7")])
def test_threads_are_divided_among_the_workers_of_this_machine(monkeypatch, count, number, asked):
    """A single task has the whole processor, however many workers there might be; what was asked for is kept."""
    for name in THREADS:
        monkeypatch.delenv(name, raising=False)
    if asked:
        monkeypatch.setenv(THREADS[0], asked)
    show = (sys.executable, "-c", f"import os; print([os.environ[name] for name in {THREADS}])")
    share = str(max(1, CPU_COUNT // min(count, number)))
    for found in run_tasks([Task(str(n), ()) for n in range(number)], workers=count, program=show):
        assert found.output == f"{[asked or share, share, share]}\n"


def test_a_task_of_a_cluster_runs_in_the_client_s_folder_with_the_worker_s_threads(cluster, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    cluster.add_worker()
    show = (sys.executable, "-c", f"import os; print(os.getcwd(), *(os.environ[name] for name in {THREADS}))")
    (found,) = run_tasks(
        [Task("a", (), dict.fromkeys(THREADS[1:], "5"))], workers=1, cluster=str(cluster.file), program=show
    )
    threads = os.environ.get("OMP_NUM_THREADS", CPU_COUNT)  # the workers have our environment
    assert found.output == f"{tmp_path} {threads} 5 5\n"
    (found,) = run_tasks([Task("help", ("--help",))], workers=1, cluster=str(cluster.file))
    assert found.status == "done" and " sweep " in found.output
    with monkeypatch.context() as patched:
        patched.setattr(workers.os, "getcwd", lambda: str(tmp_path / "absent"))
        (found,) = run_tasks([Task("a", ())], workers=1, cluster=str(cluster.file), program=show)
    assert found.status == "failed" and found.error.endswith("absent; client and workers must share it.")


def test_workers_that_come_later_are_waited_for_and_used(cluster):
    said = []

    def note(event: str, task: Task) -> None:
        said.append((event, task.name))
        if event == "waiting":
            cluster.add_worker()

    tasks = [Task(n, (n,)) for n in ("good", "thing")]
    assert len(list(run_tasks(tasks, workers=1, cluster=str(cluster.file), program=FAIL, on_event=note))) == 2
    assert said == [("waiting", "good"), ("started", "good"), ("started", "thing")]


def test_a_killed_worker_costs_one_attempt_and_no_task(cluster, tmp_path):
    cluster.add_worker()
    cluster.add_worker()
    tasks = [Task(f"task {n}", (str(tmp_path / f"mark{n}"), "60" if n == 0 else "0")) for n in range(5)]
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
    attempts = [(tmp_path / f"mark{n}").read_text().splitlines() for n in range(5)]
    # 5 when another was about to begin on the worker that was killed
    assert len(attempts[0]) == 2 and sum(map(len, attempts[1:])) in (4, 5)
    assert not any(alive(int(line.split()[0])) for lines in attempts for line in lines)


# Leaving in the middle


def test_leaving_the_iteration_stops_what_runs_and_starts_nothing(here, tmp_path):
    tasks = [Task(name, (str(tmp_path / name), seconds)) for name, seconds in (("long", "60"), ("short", "0"), ("never", "60"))]  # fmt: skip
    going = run_tasks(tasks, workers=1, cluster=here, program=WORK)
    assert next(going).task.name == "short"
    pid = int(written(tmp_path / "long").split()[0])
    going.close()
    wait_for(lambda: not alive(pid))
    assert not (tmp_path / "never").exists()


def test_workers_of_this_machine_kill_a_family_before_the_iteration_ends(tmp_path, monkeypatch):
    monkeypatch.setattr(workers, "PATIENCE", 0.3)
    program = (*FAMILY[:2], "import sys\nif sys.argv[1] == 'quick': sys.exit()\n" + FAMILY[2])
    going = run_tasks(
        [Task("family", (str(tmp_path / "pids"), "deaf")), Task("quick", ("quick",))], workers=2, program=program
    )
    assert next(going).task.name == "quick"
    pids = [int(pid) for pid in written(tmp_path / "pids").split()]
    assert len(pids) == 3 and all(map(alive, pids))
    going.close()
    assert not any(map(alive, pids))


def test_all_are_asked_before_any_is_waited_for(here, tmp_path):
    """Each ends in order only if the other was asked too."""
    tidy = (
        sys.executable, "-c",
        "import os, sys, time\nmine, other = sys.argv[1:]\nopen(mine, 'w').write('begun')\n"
        "try: time.sleep(60)\n"
        "except KeyboardInterrupt:\n"
        "    open(mine + ' asked', 'w')\n"
        "    while not os.path.exists(other + ' asked'): time.sleep(0.02)\n"
        "    open(mine, 'w').write('in order')",
    )  # fmt: skip
    names = [str(tmp_path / name) for name in "ab"]
    tasks = [Task("0", (names[0], names[1])), Task("1", (names[1], names[0])), Task("2", ("x", "y"))]

    def note(event: str, task: Task) -> None:
        if task.name == "1":
            written(tmp_path / "a"), written(tmp_path / "b")
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        list(run_tasks(tasks, workers=1, cluster=here, program=tidy, on_event=note))
    for name in names:
        wait_for(lambda: Path(name).read_text() == "in order")


# A process that is interrupted or killed. It can be interrupted, even where we cannot, such as in the background of a script.

DRIVER = """
import signal, sys
from stablerep.errors import FailedError
from stablerep.study.sweeps.workers import Task, run_tasks
if __name__ == "__main__":
    signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        for found in run_tasks([Task("a", {first!r}), Task("b", {late!r})], workers=1, cluster={cluster!r}, program={program!r}):
            print(found)
    except KeyboardInterrupt:
        sys.exit(130)
    except FailedError as error:
        sys.exit(str(error))
"""


def drive(folder: Path, first: tuple, late: tuple, program: tuple, cluster: str = "local") -> subprocess.Popen:
    """A process that runs two tasks one after the other."""
    (folder / "driver.py").write_text(DRIVER.format(first=first, late=late, cluster=cluster, program=program))
    return subprocess.Popen(
        [sys.executable, str(folder / "driver.py")], stderr=subprocess.PIPE, text=True, start_new_session=True
    )


def drive_work(folder: Path, cluster: str = "local") -> tuple[subprocess.Popen, int]:
    """The same for work, and the number of the first task's process, which runs."""
    first, late = ((str(folder / name), "60") for name in ("first", "late"))
    return drive(folder, first, late, WORK, cluster), int(written(folder / "first").split()[0])


def family_of(process: subprocess.Popen) -> list[int]:
    return [process.pid, *(one.pid for one in psutil.Process(process.pid).children(recursive=True))]


@pytest.mark.parametrize("group", [False, True])
def test_ctrl_c_is_quiet_and_leaves_nothing(tmp_path, group):
    """The terminal sends the signal to all processes of the group, dask's workers included."""
    process, pid = drive_work(tmp_path)
    family = family_of(process)
    assert pid in family
    (os.killpg if group else os.kill)(process.pid, signal.SIGINT)
    assert process.communicate(timeout=60)[1] == "" and process.returncode == 130
    wait_for(lambda: not any(map(alive, family)))
    assert not (tmp_path / "late").exists()


def test_nothing_outlives_a_process_that_is_killed(tmp_path):
    process, _ = drive_work(tmp_path)
    family = family_of(process)
    process.kill()
    process.communicate()
    wait_for(lambda: not any(map(alive, family)))
    assert not (tmp_path / "late").exists()


def test_a_second_interruption_kills_at_once(tmp_path):
    """The family is deaf to the first one, and has ten seconds."""
    process = drive(tmp_path, (str(tmp_path / "pids"), "deaf"), (str(tmp_path / "late"), "deaf"), FAMILY)
    pids = [int(pid) for pid in written(tmp_path / "pids").split()]
    os.killpg(process.pid, signal.SIGINT)
    with pytest.raises(subprocess.TimeoutExpired):
        process.wait(1.5)
    assert all(map(alive, pids))
    os.killpg(process.pid, signal.SIGINT)
    assert process.communicate(timeout=60)[1] == "" and process.returncode == 130
    assert not any(map(alive, pids)) and not (tmp_path / "late").exists()


@pytest.mark.slow
@pytest.mark.parametrize("sign", [signal.SIGINT, signal.SIGKILL])
def test_no_kernel_outlives_the_process_that_asked(tmp_path, sign):
    """The kernel computes in a session of its own, below the task's process."""
    mark = tmp_path / "pid"
    source = f"import os\nopen({str(mark)!r}, 'w').write(str(os.getpid()))\nwhile True: pass"
    process = drive(tmp_path, notebook(tmp_path, source), ("--help",), PROGRAM)
    kernel = int(written(mark))
    assert alive(kernel) and os.getsid(kernel) == kernel
    process.send_signal(sign)
    process.communicate(timeout=60)
    assert process.returncode == (130 if sign == signal.SIGINT else -signal.SIGKILL)
    if sign == signal.SIGINT:
        assert not alive(kernel)
    wait_for(lambda: not alive(kernel))


def test_nothing_runs_on_in_a_cluster_when_the_client_is_killed(cluster, tmp_path):
    cluster.add_worker()
    process, pid = drive_work(tmp_path, str(cluster.file))
    process.kill()
    process.communicate()
    wait_for(lambda: not alive(pid))
    assert [one.status for one in run_tasks([Task("next", ("good",))], workers=1, cluster=str(cluster.file), program=FAIL)] == ["done"]  # fmt: skip
    assert not (tmp_path / "late").exists()


def test_a_scheduler_that_goes_away_is_one_sentence(cluster, tmp_path):
    cluster.add_worker()
    process, pid = drive_work(tmp_path, str(cluster.file))
    cluster.scheduler.kill()
    wait_for(lambda: not alive(pid))
    assert f"the dask scheduler at {cluster.file} is gone" in process.communicate(timeout=60)[1].splitlines()[-1]
    assert process.returncode == 1 and not (tmp_path / "late").exists()


# What is refused


def test_workers_of_this_machine_take_nothing_from_others():
    """Who may run processes here may connect to ours; without the credentials, which only we have, nobody is heard."""
    anybody = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    anybody.check_hostname, anybody.verify_mode = False, ssl.CERT_NONE
    client = workers.connect("local", 1)
    try:
        ((worker, about),) = client.scheduler_info()["workers"].items()
        assert client.submit(sum, (1, 2)).result() == 3
        for address in (client.cluster.scheduler_address, worker, about["nanny"]):
            for where, options in [(address, {"ssl_context": anybody}), (address.replace("tls:", "tcp:"), {})]:
                with pytest.raises(OSError):
                    asyncio.run(connect(where, timeout=1, **options))
        with pytest.raises(InputError, match="leads to no dask scheduler"):
            workers.connect(client.cluster.scheduler_address, 1)
    finally:
        client.cluster.close()
        client.close()


@pytest.mark.parametrize(("where", "said"), [
    ("tcp://127.0.0.1:9", "no dask scheduler answered at tcp://127.0.0.1:9 within 0.5 s."),
    ("tcp://127.0.0.1:SILENT", "no dask scheduler answered at tcp://127.0.0.1:"),
    ("tcp://127.0.0.1", "cluster is 'tcp://127.0.0.1'; give tcp://HOST:PORT, a scheduler file that exists, or local."),
    ("absent.json", "cluster is 'absent.json'; give tcp://HOST:PORT"),
    ("FILE", "leads to no dask scheduler: KeyError: 'address'."),
])  # fmt: skip
def test_a_cluster_that_is_not_there(where, said, monkeypatch, tmp_path):
    (tmp_path / "file.json").write_text("{}")
    monkeypatch.setattr(workers, "REACH", 0.5)
    with socket.create_server(("127.0.0.1", 0)) as silent:  # accepts, and never says a word
        where = where.replace("SILENT", str(silent.getsockname()[1])).replace("FILE", str(tmp_path / "file.json"))
        with pytest.raises(ValueError, match="^[^\n]+$") as error:
            next(run_tasks([Task("a", ())], workers=1, cluster=where))
    assert said in str(error.value)


def test_no_worker_is_no_number():
    with pytest.raises(ValueError, match="workers is 0"):
        next(run_tasks([], workers=0))
