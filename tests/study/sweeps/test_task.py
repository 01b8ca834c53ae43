"""One task: a real process that does little."""

from __future__ import annotations

import os
import signal
import sys
import threading
from pathlib import Path

import pytest

from stablerep.study.sweeps import task as module
from stablerep.study.sweeps.task import GONE, NOT_STARTED, PROGRAM, THREADS, Finished, Task, last_lines, run_task
from tests.study.sweeps.programs import FAIL, FAMILY, alive, notebook, written


def python(code: str) -> tuple[str, ...]:
    return (sys.executable, "-c", code)


def run(*arguments: str, program=FAIL, **options) -> Finished:
    return run_task(Task("a", arguments), 1, program, **options)


def test_outcomes():
    good, bad = run("good"), run("thing")
    assert (good.status, good.attempts, good.error, good.output) == ("done", 1, "", "out\n") and good.seconds > 0
    assert (bad.status, bad.attempts, bad.error, bad.output) == ("failed", 1, "first\nno such thing", "out\n")


@pytest.mark.parametrize(("code", "said"), [
    ("import os, signal; os.kill(os.getpid(), signal.SIGKILL)", "it was killed by signal SIGKILL."),
    ("import os, signal; os.kill(os.getpid(), signal.SIGRTMIN + 1)", f"it was killed by signal {getattr(signal, 'SIGRTMIN', 0) + 1}."),
    ("raise SystemExit(3)", "it ended with status 3 and said nothing."),
])  # fmt: skip
def test_a_task_that_fails_in_silence_says_how(code, said):
    found = run(program=python(code))
    assert (found.status, found.error) == ("failed", said)


# Its surroundings


def test_folder_and_environment(tmp_path, monkeypatch):
    for name in THREADS:
        monkeypatch.delenv(name, raising=False)
    show = python(f"import os; print(os.getcwd(), os.environ['COLOUR'], *(os.environ[name] for name in {THREADS}))")
    found = run_task(Task("a", (), {"COLOUR": "red"}), 3, show, tmp_path)
    assert found.output == f"{tmp_path} red 3 3 3\n"
    monkeypatch.setenv(THREADS[0], "7")  # what was asked for is kept
    found = run_task(Task("a", (), {"COLOUR": "red", THREADS[1]: "5"}), 3, show, tmp_path)
    assert found.output == f"{tmp_path} red 7 5 3\n"


def test_the_program_is_the_command_line():
    found = run("--help", program=PROGRAM)
    assert found.status == "done" and "Usage" in found.output and " sweep " in found.output


# A second attempt


@pytest.mark.parametrize("words", [*NOT_STARTED, *GONE])
def test_a_kernel_that_does_not_start_gets_one_more_attempt(tmp_path, words):
    """The first attempt leaves a mark; with it there, the second succeeds."""
    once = "import pathlib, sys; p = pathlib.Path(sys.argv[1]); there = p.exists(); p.touch(); there or sys.exit(sys.argv[2])"
    found = run(str(tmp_path / "mark"), words, program=python(once))
    assert (found.status, found.attempts, found.error) == ("done", 2, "")
    found = run(words)
    assert (found.status, found.attempts) == ("failed", 2)  # and not a third


def test_a_kernel_that_is_lost_later_gets_no_other_attempt(monkeypatch):
    """It was there, so it started; one that never answered is known only after minutes."""
    monkeypatch.setattr(module, "SOON", 0)
    assert [run(words).attempts for words in GONE] == [1] * len(GONE)
    assert [run(words).attempts for words in NOT_STARTED] == [2] * len(NOT_STARTED)


def test_the_words_are_those_of_the_libraries():
    import jupyter_client.client
    import nbclient.client

    said = Path(jupyter_client.client.__file__).read_text()
    assert all(words in said for words in NOT_STARTED)
    assert all(words in Path(nbclient.client.__file__).read_text() for words in GONE[:2])
    assert os.strerror(98) == GONE[2] if sys.platform == "linux" else True


@pytest.mark.slow
def test_a_real_kernel_that_dies_at_once_is_started_again(tmp_path):
    found = run(*notebook(tmp_path, "import os; os._exit(1)"), program=PROGRAM)
    assert (found.status, found.attempts) == ("failed", 2)
    assert any(words in found.error.splitlines()[-1] for words in GONE)
    found = run(*notebook(tmp_path, "1 / 0"), program=PROGRAM)
    assert (found.status, found.attempts) == ("failed", 1) and "ZeroDivisionError" in found.error.splitlines()[-1]


# Its end, when it is no longer wanted


@pytest.mark.parametrize("top", ["deaf", "obedient"])
def test_the_whole_family_is_killed(tmp_path, top):
    file = tmp_path / "pids"
    found = run(str(file), top, program=FAMILY, wanted=lambda: not file.exists(), patience=0.3)
    pids = [int(pid) for pid in file.read_text().split()]
    assert found.status == "stopped" and len(pids) == 3 and not any(map(alive, pids))


def test_a_task_is_asked_first_and_can_end_in_order(tmp_path):
    mark = tmp_path / "mark"
    tidy = python(
        "import sys, time\nopen(sys.argv[1], 'w').write('begun')\n"
        "try: time.sleep(60)\n"
        "except KeyboardInterrupt: time.sleep(0.3); open(sys.argv[1], 'w').write('in order')"
    )
    found = run(str(mark), program=tidy, wanted=lambda: not mark.exists() or mark.read_text() != "begun", patience=60)
    assert found.status == "stopped" and mark.read_text() == "in order"


def test_in_a_hurry_nothing_is_waited_for(tmp_path, monkeypatch):
    """Otherwise the family would live as long as the test may take."""
    monkeypatch.setattr(module, "HURRY", hurry := threading.Event())
    hurry.set()
    file = tmp_path / "pids"
    run(str(file), "deaf", program=FAMILY, wanted=lambda: not file.exists(), patience=3600)
    assert not any(alive(int(pid)) for pid in written(file).split())


def test_progress_bars_are_no_errors():
    text = "loading\rjudge:  5%|#  | 1/20 [00:01<00:20, 1.2it/s]\rjudge: 100%|###| 20/20\nsynthesis: 3.1img/s\n\nno such file\n"
    assert last_lines(text) == "loading\nno such file"
    assert last_lines("\n".join(map(str, range(9)))) == "4\n5\n6\n7\n8"
