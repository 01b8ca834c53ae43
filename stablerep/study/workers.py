"""Many commands at once, each in a process of its own: on this machine, or on the workers of a dask cluster."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import tempfile
import time
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, field

PROGRAM = (sys.executable, "-m", "stablerep.study.commands")
THREADS = ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS")
# What papermill, nbclient and jupyter_client say when a kernel did not start, which another attempt may mend.
KERNEL_FAILURES = ("Kernel didn't respond", "Kernel died before replying to kernel_info", "Address already in use", "Kernel died: ", "DeadKernelError")
SOON = 60  # seconds within which a dying kernel counts as one that did not start
PATIENCE = 10  # seconds between asking a process to stop and killing it
PAUSE = 0.1
_BAR = re.compile(r"\d%\||\d ?(it|img)/s")


@dataclass(frozen=True)
class Task:
    """A ``stablerep`` command: ``arguments`` after the program's name, and variables to add to the environment."""

    name: str
    arguments: tuple[str, ...]
    environment: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Finished:
    """What became of a task: ``status`` is done, failed or stopped; ``error`` the last lines that it wrote to stderr."""

    task: Task
    status: str
    seconds: float
    attempts: int
    error: str
    output: str


class Running:
    """A task under way; started again once when its kernel did not start.

    It has a session of its own, so that Ctrl-C reaches the sweep alone, which then stops it in order.
    """

    def __init__(self, task: Task, threads: int, program: Sequence[str] = PROGRAM) -> None:
        self.task, self.threads, self.program = task, threads, program
        self.began, self.attempts, self.seconds = time.monotonic(), 0, 0.0
        self._start()

    def _start(self) -> None:
        self.attempts += 1
        self.stdout, self.stderr = tempfile.TemporaryFile(), tempfile.TemporaryFile()
        threads = {name: str(self.threads) for name in THREADS if name not in os.environ}
        environment = os.environ | threads | self.task.environment
        child = [sys.executable, "-m", "stablerep.study.child", str(os.getpid()), *self.program, *self.task.arguments]
        self.process = subprocess.Popen(
            child, stdin=subprocess.DEVNULL, stdout=self.stdout, stderr=self.stderr, env=environment, start_new_session=True
        )  # fmt: skip

    def poll(self) -> Finished | None:
        """What became of it, or None while it runs."""
        code = self.process.poll()
        if code is None:
            return None
        self.seconds = time.monotonic() - self.began
        error = self._read(self.stderr)
        if code and self.attempts == 1 and self.seconds < SOON + 120 and any(words in error for words in KERNEL_FAILURES):
            self._close()
            self._start()
            return None
        output = self._read(self.stdout)
        self._close()
        if code < 0 and not last_lines(error):
            error = f"it was killed by signal {signal.Signals(-code).name}."
        return Finished(self.task, "failed" if code else "done", self.seconds, self.attempts, last_lines(error) if code else "", output)

    def stop(self) -> Finished:
        """Ask the process and all it started to stop, and kill what does not within ``PATIENCE`` seconds."""
        for sign, patience in ((signal.SIGINT, PATIENCE), (signal.SIGKILL, PATIENCE)):
            with suppress(ProcessLookupError):
                os.killpg(self.process.pid, sign)
            with suppress(subprocess.TimeoutExpired):
                self.process.wait(patience)
                break
        self._close()
        return Finished(self.task, "stopped", time.monotonic() - self.began, self.attempts, "", "")

    def _close(self) -> None:
        self.stdout.close()
        self.stderr.close()

    @staticmethod
    def _read(file) -> str:
        file.seek(0)
        return file.read().decode(errors="replace")


def last_lines(text: str, count: int = 5) -> str:
    """The last lines of what a process wrote, progress bars left out."""
    lines = [line.rstrip() for line in re.split(r"[\r\n]+", text)]
    return "\n".join([line for line in lines if line.strip() and not _BAR.search(line)][-count:])


def cores() -> int:
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def run_tasks(
    tasks: Sequence[Task], *, workers: int, cluster: str | None = None, on_event: Callable[[str, Task], None] | None = None,
    program: Sequence[str] = PROGRAM,
) -> Iterator[Finished]:  # fmt: skip
    """Run tasks, at most ``workers`` at a time, and yield each as it ends; one that fails does not stop the others.

    Threads of the processor are divided among the workers unless the environment says otherwise. When the iteration is left, by Ctrl-C or an
    error, what runs is stopped and nothing more is started; if this process is killed, so are its tasks.

    Args:
        cluster: address or scheduler file of a dask cluster, whose workers then run the tasks, or ``local`` for one on this machine.
        on_event: called with ``started`` and a task, from this process.

    Raises:
        ValueError: no worker, or a cluster that cannot be reached.
    """
    if workers < 1:
        raise ValueError(f"workers is {workers}; it must be at least 1.")
    if cluster:
        from stablerep.study.dask_workers import run_on_cluster

        yield from run_on_cluster(tasks, cluster, workers=workers, on_event=on_event, program=program)
        return
    waiting, running = deque(tasks), []
    threads = max(1, cores() // min(workers, max(len(tasks), 1)))
    try:
        while waiting or running:
            while waiting and len(running) < workers:
                running.append(Running(waiting.popleft(), threads, program))
                if on_event:
                    on_event("started", running[-1].task)
            ended = [(one, found) for one in running if (found := one.poll())]
            for one, found in ended:
                running.remove(one)
                yield found
            if not ended:
                time.sleep(PAUSE)
    finally:
        for one in running:  # all are asked before any is waited for
            with suppress(ProcessLookupError):
                os.killpg(one.process.pid, signal.SIGINT)
        for one in running:
            one.stop()
