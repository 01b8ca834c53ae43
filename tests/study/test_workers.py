"""Workers: real processes that do little."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from stablerep.study import workers
from stablerep.study.workers import Task, cores, last_lines, run_tasks

# Each program gets the task's arguments as sys.argv[1:].
SAY = (sys.executable, "-c", "import os, sys; print(sys.argv[1], os.environ.get('OMP_NUM_THREADS'), os.environ.get('COLOUR'))")
FAIL = (sys.executable, "-c", "import sys; print('out'); sys.exit(f'first\\nno such {sys.argv[1]}') if sys.argv[1] != 'good' else None")
SLEEP = (sys.executable, "-c", "import os, sys, time; open(sys.argv[1], 'w').write(str(os.getpid())); time.sleep(float(sys.argv[2]))")
# A parent of a stubborn child, which ignores SIGINT; both write down who they are.
STUBBORN = (
    sys.executable, "-c",
    "import os, signal, subprocess, sys, time\n"
    "signal.signal(signal.SIGINT, signal.SIG_IGN)\n"
    "child = subprocess.Popen([sys.executable, '-c', 'import signal, time; signal.signal(signal.SIGINT, signal.SIG_IGN); time.sleep(60)'])\n"
    "open(sys.argv[1], 'w').write(f'{os.getpid()} {child.pid}')\n"
    "time.sleep(60)",
)  # fmt: skip


def alive(pid: int) -> bool:
    """Whether a process lives; one that only waits to be collected does not."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0] not in "ZX"
    except (FileNotFoundError, ProcessLookupError):
        return False


def wait_for(condition, seconds: float = 20):
    end = time.monotonic() + seconds
    while not (found := condition()):
        assert time.monotonic() < end, "it did not happen"
        time.sleep(0.05)
    return found


def written(path: Path) -> str:
    return wait_for(lambda: path.exists() and path.read_text())


def test_every_task_ends_and_a_failure_stops_no_other():
    tasks = [Task(name, (name,)) for name in ("good", "thing", "good", "place")]
    found = {id(one.task): one for one in run_tasks(tasks, workers=2, program=FAIL)}
    assert [found[id(task)].status for task in tasks] == ["done", "failed", "done", "failed"]
    failed = found[id(tasks[1])]
    assert failed.error == "first\nno such thing" and failed.attempts == 1 and failed.output == "out\n"
    assert found[id(tasks[0])].error == ""


@pytest.mark.parametrize("count", [1, 2])
def test_threads_are_divided(monkeypatch, count):
    monkeypatch.delenv("OMP_NUM_THREADS", raising=False)
    tasks = [Task(str(n), (str(n),), {"COLOUR": "red"}) for n in range(3)]
    outputs = sorted(one.output for one in run_tasks(tasks, workers=count, program=SAY))
    assert outputs == [f"{n} {max(1, cores() // count)} red\n" for n in range(3)]


def test_threads_that_were_asked_for_are_kept(monkeypatch):
    monkeypatch.setenv("OMP_NUM_THREADS", "7")
    assert [one.output for one in run_tasks([Task("a", ("a",))], workers=1, program=SAY)] == ["a 7 None\n"]
    own = Task("a", ("a",), {"OMP_NUM_THREADS": "3"})
    assert [one.output for one in run_tasks([own], workers=1, program=SAY)] == ["a 3 None\n"]


def test_at_most_so_many_at_once_and_in_the_order_of_ending(tmp_path):
    tasks = [Task(str(n), (str(tmp_path / str(n)), seconds)) for n, seconds in enumerate(("1.0", "0.1", "0.1"))]
    started = []
    order = [one.task.name for one in run_tasks(tasks, workers=2, program=SLEEP, on_event=lambda event, task: started.append((event, task.name)))]
    assert order == ["1", "2", "0"]
    assert started == [("started", "0"), ("started", "1"), ("started", "2")]


@pytest.mark.parametrize("words", workers.KERNEL_FAILURES)
def test_a_kernel_that_does_not_start_gets_one_more_attempt(tmp_path, words):
    """The first attempt leaves a mark; with it there, the second succeeds."""
    mark = tmp_path / "mark"
    once = "import pathlib, sys; p = pathlib.Path(sys.argv[1]); there = p.exists(); p.touch(); there or sys.exit(sys.argv[2])"
    (found,) = run_tasks([Task("a", (str(mark), words))], workers=1, program=(sys.executable, "-c", once))
    assert (found.status, found.attempts) == ("done", 2)
    (found,) = run_tasks([Task("a", (words,))], workers=1, program=FAIL)
    assert (found.status, found.attempts) == ("failed", 2)  # and not a third


def test_a_killed_task_says_so(tmp_path):
    suicide = (sys.executable, "-c", "import os, signal; os.kill(os.getpid(), signal.SIGKILL)")
    (found,) = run_tasks([Task("a", ())], workers=1, program=suicide)
    assert found.status == "failed" and "SIGKILL" in found.error


def test_leaving_the_iteration_kills_everything_and_starts_nothing(tmp_path, monkeypatch):
    monkeypatch.setattr(workers, "PATIENCE", 0.5)
    quick = Task("quick", (str(tmp_path / "quick"),))
    program = (sys.executable, "-c", "import sys\nif sys.argv[1].endswith('quick'): open(sys.argv[1], 'w').write('x'); sys.exit()\n" + STUBBORN[2])
    tasks = [Task("stubborn", (str(tmp_path / "pids"),)), quick, Task("late", (str(tmp_path / "late"),))]
    for finished in run_tasks(tasks[:2] + [Task("second", (str(tmp_path / "second"),)), tasks[2]], workers=2, program=program):
        assert finished.task is quick
        pids = [int(pid) for name in ("pids", "second")[:1] for pid in written(tmp_path / name).split()]
        assert all(map(alive, pids))
        break
    wait_for(lambda: not any(map(alive, pids)))
    assert not (tmp_path / "late").exists()


DRIVER = """
import sys
from stablerep.study.workers import Task, run_tasks
program = (sys.executable, "-c", {code!r})
try:
    for found in run_tasks([Task("a", ({pids!r},)), Task("b", ({late!r},))], workers=1, program=program):
        pass
except KeyboardInterrupt:
    sys.exit(130)
"""


@pytest.mark.parametrize("sign", [signal.SIGINT, signal.SIGKILL])
def test_nothing_outlives_the_process_that_asked(tmp_path, sign):
    """Ctrl-C stops in order; even SIGKILL leaves no task behind. (A kernel below a task ends by itself, see the fault drill.)"""
    code = "import os, sys, time; open(sys.argv[1], 'w').write(str(os.getpid())); time.sleep(60)"
    driver = DRIVER.format(code=code, pids=str(tmp_path / "pids"), late=str(tmp_path / "late"))
    process = subprocess.Popen([sys.executable, "-c", driver])
    pid = int(written(tmp_path / "pids"))
    assert alive(pid) and pid != process.pid
    os.kill(process.pid, sign)
    assert process.wait(20) == (130 if sign == signal.SIGINT else -signal.SIGKILL)
    wait_for(lambda: not alive(pid))
    assert not (tmp_path / "late").exists()


def test_progress_bars_are_no_errors():
    text = "loading\rjudge:  5%|#  | 1/20 [00:01<00:20, 1.2it/s]\rjudge: 100%|###| 20/20\nsynthesis: 3.1img/s\n\nno such file\n"
    assert last_lines(text) == "loading\nno such file"
    assert last_lines("\n".join(map(str, range(9)))) == "4\n5\n6\n7\n8"


def test_no_worker_is_no_number():
    with pytest.raises(ValueError, match="workers is 0"):
        next(run_tasks([], workers=0))
