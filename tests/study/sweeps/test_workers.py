"""Workers: real processes that do little."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from stablerep.study.sweeps import workers
from stablerep.study.sweeps.workers import (
    GONE,
    NOT_STARTED,
    THREADS,
    Task,
    cores,
    last_lines,
    run_tasks,
    synthesis_tasks,
)

# Each program gets the task's arguments as sys.argv[1:].
SAY = (
    sys.executable,
    "-c",
    "import os, sys; print(sys.argv[1], os.environ.get('OMP_NUM_THREADS'), os.environ.get('COLOUR'))",
)
FAIL = (
    sys.executable,
    "-c",
    "import sys; print('out'); sys.exit(f'first\\nno such {sys.argv[1]}') if sys.argv[1] != 'good' else None",
)
SLEEP = (
    sys.executable,
    "-c",
    "import os, sys, time; open(sys.argv[1], 'w').write(str(os.getpid())); time.sleep(float(sys.argv[2]))",
)
# A process with two below it, one of which has a session of its own, as a kernel has. The file says who they are. Those below ignore SIGINT,
# and so does the one on top when it is told to.
FAMILY = (
    sys.executable, "-c",
    "import os, signal, subprocess, sys, time\n"
    "deaf = 'import signal, time; signal.signal(signal.SIGINT, signal.SIG_IGN); print(flush=True); time.sleep(60)'\n"
    "below = [subprocess.Popen([sys.executable, '-c', deaf], stdout=subprocess.PIPE, start_new_session=new) for new in (False, True)]\n"
    "[one.stdout.readline() for one in below]\n"
    "if sys.argv[2] == 'deaf': signal.signal(signal.SIGINT, signal.SIG_IGN)\n"
    "with open(sys.argv[1] + '.part', 'w') as file: file.write(' '.join(map(str, [os.getpid(), *(one.pid for one in below)])))\n"
    "os.rename(sys.argv[1] + '.part', sys.argv[1])\n"
    "time.sleep(60)",
)  # fmt: skip
# Executes a notebook of one cell as the study does, and ends as the command line does.
NOTEBOOK = (
    sys.executable, "-c",
    "import pathlib, sys, nbformat\n"
    "from stablerep.study import commands, execution\n"
    "@commands.app.command()\n"
    "def cell(folder: pathlib.Path, source: str):\n"
    "    with commands.sentences():\n"
    "        kernel = {'kernelspec': {'name': 'python3', 'language': 'python', 'display_name': 'Python 3'}}\n"
    "        cells = [nbformat.v4.new_code_cell(source)]\n"
    "        nbformat.write(nbformat.v4.new_notebook(cells=cells, metadata=kernel), folder / 'in.ipynb')\n"
    "        execution._run_papermill(folder / 'in.ipynb', folder / 'out.ipynb', 'cell', {}, True)\n"
    "sys.argv.insert(1, 'cell')\n"
    "commands.main()",
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
    assert found[id(tasks[0])].error == "" and all(
        one.task is task for task, one in zip(tasks, map(found.get, map(id, tasks)))
    )


@pytest.mark.parametrize("count", [1, 2])
def test_threads_are_divided(monkeypatch, count):
    monkeypatch.delenv("OMP_NUM_THREADS", raising=False)
    tasks = [Task(str(n), (str(n),), {"COLOUR": "red"}) for n in range(3)]
    outputs = sorted(one.output for one in run_tasks(tasks, workers=count, program=SAY))
    assert outputs == [f"{n} {max(1, cores() // count)} red\n" for n in range(3)]


def test_threads_of_every_library(monkeypatch):
    for name in THREADS:
        monkeypatch.delenv(name, raising=False)
    show = (sys.executable, "-c", f"import os; print([os.environ[name] for name in {THREADS}])")
    (found,) = run_tasks([Task("a", ())], workers=9, program=show)
    assert (
        found.output == f"{[str(cores())] * 3}\n"
    )  # a single task has the whole processor, however many workers there might be


def test_threads_that_were_asked_for_are_kept(monkeypatch):
    monkeypatch.setenv("OMP_NUM_THREADS", "7")
    assert [one.output for one in run_tasks([Task("a", ("a",))], workers=1, program=SAY)] == ["a 7 None\n"]
    own = Task("a", ("a",), {"OMP_NUM_THREADS": "3"})
    assert [one.output for one in run_tasks([own], workers=1, program=SAY)] == ["a 3 None\n"]


def test_at_most_so_many_at_once_and_in_the_order_of_ending(tmp_path):
    tasks = [Task(str(n), (str(tmp_path / str(n)), seconds)) for n, seconds in enumerate(("1.0", "0.1", "0.1"))]
    started = []
    order = [
        one.task.name
        for one in run_tasks(
            tasks, workers=2, program=SLEEP, on_event=lambda event, task: started.append((event, task.name))
        )
    ]
    assert order == ["1", "2", "0"]
    assert started == [("started", "0"), ("started", "1"), ("started", "2")]


@pytest.mark.parametrize("words", [*NOT_STARTED, *GONE])
def test_a_kernel_that_does_not_start_gets_one_more_attempt(tmp_path, words):
    """The first attempt leaves a mark; with it there, the second succeeds."""
    mark = tmp_path / "mark"
    once = "import pathlib, sys; p = pathlib.Path(sys.argv[1]); there = p.exists(); p.touch(); there or sys.exit(sys.argv[2])"
    (found,) = run_tasks([Task("a", (str(mark), words))], workers=1, program=(sys.executable, "-c", once))
    assert (found.status, found.attempts, found.error) == ("done", 2, "")
    (found,) = run_tasks([Task("a", (words,))], workers=1, program=FAIL)
    assert (found.status, found.attempts) == ("failed", 2)  # and not a third


def test_a_kernel_that_is_lost_later_gets_no_other_attempt(monkeypatch):
    """It was there, so it started; one that never answered is known only after minutes."""
    monkeypatch.setattr(workers, "SOON", 0)
    assert [one.attempts for words in GONE for one in run_tasks([Task("a", (words,))], workers=1, program=FAIL)] == [
        1
    ] * len(GONE)
    assert [
        one.attempts for words in NOT_STARTED for one in run_tasks([Task("a", (words,))], workers=1, program=FAIL)
    ] == [2] * len(NOT_STARTED)


def test_the_words_are_those_of_the_libraries():
    import jupyter_client.client
    import nbclient.client

    said = Path(jupyter_client.client.__file__).read_text()
    assert all(words in said for words in NOT_STARTED)
    assert all(words in Path(nbclient.client.__file__).read_text() for words in GONE[:2])
    assert os.strerror(98) == GONE[2] if sys.platform == "linux" else True


@pytest.mark.slow
def test_a_real_kernel_that_dies_at_once_is_started_again(tmp_path):
    (found,) = run_tasks([Task("a", (str(tmp_path), "import os; os._exit(1)"))], workers=1, program=NOTEBOOK)
    assert (found.status, found.attempts) == ("failed", 2) and any(
        words in found.error.splitlines()[-1] for words in GONE
    )
    (found,) = run_tasks([Task("a", (str(tmp_path), "1 / 0"))], workers=1, program=NOTEBOOK)
    assert (found.status, found.attempts) == ("failed", 1) and "ZeroDivisionError" in found.error.splitlines()[-1]


@pytest.mark.parametrize(("code", "said"), [
    ("import os, signal; os.kill(os.getpid(), signal.SIGKILL)", "it was killed by signal SIGKILL."),
    ("import os, signal; os.kill(os.getpid(), signal.SIGRTMIN + 1)", f"it was killed by signal {getattr(signal, 'SIGRTMIN', 0) + 1}."),
    ("raise SystemExit(3)", "it ended with status 3 and said nothing."),
])  # fmt: skip
def test_a_task_that_fails_in_silence_says_how(code, said):
    (found,) = run_tasks([Task("a", ())], workers=1, program=(sys.executable, "-c", code))
    assert (found.status, found.error) == ("failed", said)


@pytest.mark.parametrize("top", ["deaf", "obedient"])
def test_leaving_the_iteration_kills_everything_and_starts_nothing(tmp_path, monkeypatch, top):
    monkeypatch.setattr(workers, "PATIENCE", 0.5)
    program = (sys.executable, "-c", "import sys\nif sys.argv[1] == 'quick': sys.exit()\n" + FAMILY[2])
    first, quick = Task("first", (str(tmp_path / "first"), top)), Task("quick", ("quick",))
    going = run_tasks([first, quick, Task("late", (str(tmp_path / "late"), top))], workers=1 + 1, program=program)
    assert next(going).task is quick
    pids = [int(pid) for pid in written(tmp_path / "first").split()]
    assert len(pids) == 3 and all(map(alive, pids))
    going.close()
    assert not any(map(alive, pids))
    time.sleep(0.3)
    assert not (tmp_path / "late").exists()


def test_a_task_is_asked_first_and_can_end_in_order(tmp_path):
    tidy = (
        sys.executable, "-c",
        "import sys, time\nif sys.argv[1] == 'quick': sys.exit()\n"
        "open(sys.argv[1], 'w').write('begun')\n"
        "try: time.sleep(60)\n"
        "except KeyboardInterrupt: time.sleep(0.5); open(sys.argv[1], 'w').write('in order')",
    )  # fmt: skip
    going = run_tasks([Task("a", (str(tmp_path / "a"),)), Task("quick", ("quick",))], workers=2, program=tidy)
    next(going)
    written(tmp_path / "a")
    going.close()
    assert (tmp_path / "a").read_text() == "in order"


def test_all_are_asked_before_any_is_waited_for(tmp_path, monkeypatch):
    monkeypatch.setattr(workers, "PATIENCE", 1.0)
    going = run_tasks([Task(str(n), (str(tmp_path / str(n)), "deaf")) for n in range(3)] + [Task("quick", ("quick",))], workers=4, program=(
        sys.executable, "-c", "import sys\nif sys.argv[1] == 'quick': sys.exit()\n" + FAMILY[2],
    ))  # fmt: skip
    next(going)
    pids = [int(pid) for n in range(3) for pid in written(tmp_path / str(n)).split()]
    began = time.monotonic()
    going.close()
    assert time.monotonic() - began < 2.5 and not any(map(alive, pids))  # 1 s in all, not 3


DRIVER = """
import sys, time
from stablerep.study.sweeps.workers import Task, run_tasks
try:
    for found in run_tasks([Task("a", {first!r}), Task("b", {late!r})], workers=1, program={program!r}):
        print(found)
except KeyboardInterrupt:
    sys.exit(130)
"""


def drive(first: tuple, late: tuple, program: tuple) -> subprocess.Popen:
    """A process that runs two tasks, one after the other."""
    return subprocess.Popen([sys.executable, "-c", DRIVER.format(first=first, late=late, program=program)])


@pytest.mark.parametrize("sign", [signal.SIGINT, signal.SIGKILL])
def test_nothing_outlives_the_process_that_asked(tmp_path, sign):
    """Ctrl-C stops in order; even SIGKILL leaves no task behind."""
    process = drive((str(tmp_path / "pid"), "60"), (str(tmp_path / "late"), "60"), SLEEP)
    pid = int(written(tmp_path / "pid"))
    assert alive(pid) and pid != process.pid
    process.send_signal(sign)
    assert process.wait(20) == (130 if sign == signal.SIGINT else -signal.SIGKILL)
    wait_for(lambda: not alive(pid))
    assert not (tmp_path / "late").exists()


def test_a_second_interruption_kills_at_once(tmp_path):
    process = drive((str(tmp_path / "pids"), "deaf"), (str(tmp_path / "late"), "deaf"), FAMILY)
    pids = [int(pid) for pid in written(tmp_path / "pids").split()]
    began = time.monotonic()
    process.send_signal(signal.SIGINT)
    time.sleep(1)
    assert process.poll() is None and all(map(alive, pids))  # they have PATIENCE seconds
    process.send_signal(signal.SIGINT)
    assert process.wait(20) == 130 and time.monotonic() - began < workers.PATIENCE - 2
    assert not any(map(alive, pids))


@pytest.mark.slow
@pytest.mark.parametrize("sign", [signal.SIGINT, signal.SIGKILL])
def test_no_kernel_outlives_the_process_that_asked(tmp_path, sign):
    """The kernel computes in a session of its own, two processes below the one that is killed."""
    mark = str(tmp_path / "pid")
    process = drive(
        (str(tmp_path), f"import os\nopen({mark!r}, 'w').write(str(os.getpid()))\nwhile True: pass"),
        (str(tmp_path), "1"),
        NOTEBOOK,
    )
    kernel = int(written(Path(mark)))
    assert alive(kernel) and os.getsid(kernel) == kernel
    process.send_signal(sign)
    assert process.wait(30) == (130 if sign == signal.SIGINT else -signal.SIGKILL)
    wait_for(lambda: not alive(kernel), 10 if sign == signal.SIGKILL else 0.1)


def test_progress_bars_are_no_errors():
    text = "loading\rjudge:  5%|#  | 1/20 [00:01<00:20, 1.2it/s]\rjudge: 100%|###| 20/20\nsynthesis: 3.1img/s\n\nno such file\n"
    assert last_lines(text) == "loading\nno such file"
    assert last_lines("\n".join(map(str, range(9)))) == "4\n5\n6\n7\n8"


def test_no_worker_is_no_number():
    with pytest.raises(ValueError, match="workers is 0"):
        next(run_tasks([], workers=0))


def test_synthesis_tasks_are_alike():
    tasks = synthesis_tasks(("folder", "-w", "2"), 3)
    assert [task.arguments for task in tasks] == [("synthesize", "folder", "-w", "2")] * 3
    assert len({task.name for task in tasks}) == 3
    with pytest.raises(ValueError, match="workers is 0"):
        synthesis_tasks(("folder",), 0)


def test_the_program_is_the_command_line():
    (found,) = run_tasks([Task("help", ("--help",))], workers=1)
    assert found.status == "done" and "Usage" in found.output and " sweep " in found.output
