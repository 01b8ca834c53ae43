"""One command in a process of its own, which ends with all that it started."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO

import psutil

from stablerep.study.plans.together import THREADS

PROGRAM = (sys.executable, "-m", "stablerep.study.commands")
# What jupyter_client says, after minutes, when a kernel did not start, which another attempt may mend.
NOT_STARTED = ("Kernel didn't respond", "Kernel died before replying to kernel_info")
# What nbclient, zeromq and the study say when a kernel is gone: later than SOON for another cause, such as no memory.
GONE = ("Kernel died", "DeadKernelError", "Address already in use", "the kernel died")
SOON = 60  # seconds after the start of an attempt
PATIENCE = 10  # seconds between asking a process to stop and killing it
PAUSE = 0.1  # seconds between looks at the processes
HURRY = threading.Event()  # set in a process whose tasks must stop at once
_BAR = re.compile(r"\d%\||\d ?(it|img)/s")


@dataclass(frozen=True)
class Task:
    """A ``stablerep`` command: ``arguments`` after the program's name, and variables to add to the environment."""

    name: str
    arguments: tuple[str, ...]
    environment: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Finished:
    """What became of a task.

    Attributes:
        status: done, failed or stopped.
        seconds: of all its ``attempts``.
        error: the last lines that it wrote to stderr, never empty when it failed; ``output``: all that it printed.
    """

    task: Task
    status: str
    seconds: float = 0.0
    attempts: int = 1
    error: str = ""
    output: str = ""


def run_task(
    task: Task, threads: int, program: Sequence[str] = PROGRAM, folder: Path | None = None, *,
    wanted: Callable[[], bool] = lambda: True, patience: float = PATIENCE,
) -> Finished:  # fmt: skip
    """Run a task to its end, a second time if its kernel did not start; stop it when it is no longer ``wanted``.

    It has a session of its own, so that Ctrl-C reaches the sweep alone, which then stops it in order. On Linux it ends
    with the thread that called this function.

    Args:
        threads: of the processor, unless the environment says otherwise.
        folder: where it runs; the current one by default.
        patience: seconds that it has to stop in order.
    """
    environment = dict.fromkeys(THREADS, str(threads)) | os.environ | task.environment
    child = [sys.executable, "-m", "stablerep.study.sweeps.child", str(os.getpid()), *program, *task.arguments]
    began = time.monotonic()
    for attempt in (1, 2):
        start = time.monotonic()
        with tempfile.TemporaryFile() as stdout, tempfile.TemporaryFile() as stderr:
            process = subprocess.Popen(
                child, env=environment, cwd=folder, start_new_session=True,
                stdin=subprocess.DEVNULL, stdout=stdout, stderr=stderr,
            )  # fmt: skip
            while (code := process.poll()) is None and wanted():
                time.sleep(PAUSE)
            if code is None:
                _stop(process, patience)
                return Finished(task, "stopped", time.monotonic() - began, attempt)
            output, error = _read(stdout), _read(stderr)
        words = NOT_STARTED + (GONE if time.monotonic() - start < SOON else ())
        if code == 0 or attempt == 2 or not any(one in error for one in words):
            break
    status = "failed" if code else "done"
    return Finished(task, status, time.monotonic() - began, attempt, _reason(code, error), output)


def _read(file: IO[bytes]) -> str:
    file.seek(0)
    return file.read().decode(errors="replace")


def _reason(code: int, error: str) -> str:
    """Why a process ended with a status other than 0, in its own words if there are any."""
    if code == 0:
        return ""
    silent = f"it ended with status {code} and said nothing."
    if code < 0:
        silent = f"it was killed by signal {next((known.name for known in signal.Signals if known == -code), -code)}."
    return last_lines(error) or silent


def _stop(process: subprocess.Popen, patience: float) -> None:
    """Ask a task and all that it started to stop, and kill what does not within ``patience`` seconds, or at once in a
    hurry.

    A Jupyter kernel has a session of its own, so a task's process group is not all of it.
    """
    family = _family(process.pid)
    _signal_group(process.pid, signal.SIGINT)
    _wait_until_gone(family, patience, HURRY)
    family |= _family(process.pid)
    _signal_group(process.pid, signal.SIGKILL)  # not collected yet, so its number belongs to no other process
    for one in family:
        with suppress(psutil.Error):  # gone meanwhile
            one.kill()
    _wait_until_gone(family, PATIENCE, threading.Event())
    process.wait()


def _family(pid: int) -> set[psutil.Process]:
    """A process and all below it."""
    with suppress(psutil.NoSuchProcess):
        leader = psutil.Process(pid)
        return {leader, *leader.children(recursive=True)}
    return set()


def _signal_group(pid: int, sign: signal.Signals) -> None:
    with suppress(ProcessLookupError, PermissionError):  # macOS forbids signals to a group that has ended
        os.killpg(pid, sign)


def _wait_until_gone(family: set[psutil.Process], seconds: float, hurry: threading.Event) -> None:
    """Wait until no process of a family runs; one that has ended and waits to be collected does not."""

    def lives(process: psutil.Process) -> bool:
        with suppress(psutil.NoSuchProcess):
            return process.is_running() and process.status() != psutil.STATUS_ZOMBIE
        return False

    end = time.monotonic() + seconds
    while any(map(lives, family)) and time.monotonic() < end and not hurry.is_set():
        time.sleep(PAUSE)


def last_lines(text: str, count: int = 5) -> str:
    """The last lines of what a process wrote, progress bars left out."""
    lines = [line.rstrip() for line in re.split(r"[\r\n]+", text)]
    return "\n".join([line for line in lines if line.strip() and not _BAR.search(line)][-count:])
