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
from pathlib import Path
from typing import TYPE_CHECKING

from stablerep.errors import InputError

if TYPE_CHECKING:
    import psutil

PROGRAM = (sys.executable, "-m", "stablerep.study.commands")
THREADS = ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS")
# What jupyter_client says when a kernel did not start, which another attempt may mend; it waits for minutes before it says so.
NOT_STARTED = ("Kernel didn't respond", "Kernel died before replying to kernel_info")
# What nbclient, zeromq and the study say when a kernel is gone. Later than soon after the start it has another cause, such as too little memory.
GONE = ("Kernel died", "DeadKernelError", "Address already in use", "the kernel died")
SOON = 60  # seconds
PATIENCE = 10  # seconds between asking a process to stop and killing it
PAUSE = 0.1  # seconds between looks at the processes
_BAR = re.compile(r"\d%\||\d ?(it|img)/s")


@dataclass(frozen=True)
class Task:
    """A ``stablerep`` command: ``arguments`` after the program's name, and variables to add to the environment."""

    name: str
    arguments: tuple[str, ...]
    environment: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Finished:
    """What became of a task: ``status`` is done, failed or stopped; ``error`` the last lines that it wrote to stderr, never empty when it
    failed; ``output`` all that it printed; ``seconds`` of all its ``attempts``."""

    task: Task
    status: str
    seconds: float
    attempts: int
    error: str
    output: str


class Running:
    """A task under way, in ``folder`` or where we are; started again once when its kernel did not start.

    It has a session of its own, so that Ctrl-C reaches the sweep alone, which then stops it in order. On Linux it ends with the thread that
    made this object, which must therefore be the one that waits for it.
    """

    def __init__(self, task: Task, threads: int, program: Sequence[str] = PROGRAM, folder: Path | None = None) -> None:
        self.task, self.threads, self.program, self.folder = task, threads, program, folder
        self.began, self.attempts = time.monotonic(), 0
        self._start()

    @property
    def seconds(self) -> float:
        """Since the first attempt began."""
        return time.monotonic() - self.began

    def _start(self) -> None:
        self.attempts += 1
        self.attempt_began = time.monotonic()
        self.stdout, self.stderr = tempfile.TemporaryFile(), tempfile.TemporaryFile()
        threads = {name: str(self.threads) for name in THREADS if name not in os.environ}
        environment = os.environ | threads | self.task.environment
        child = [
            sys.executable,
            "-m",
            "stablerep.study.sweeps.child",
            str(os.getpid()),
            *self.program,
            *self.task.arguments,
        ]
        self.process = subprocess.Popen(
            child, stdin=subprocess.DEVNULL, stdout=self.stdout, stderr=self.stderr, env=environment, cwd=self.folder, start_new_session=True
        )  # fmt: skip

    def poll(self) -> Finished | None:
        """What became of it, or None while it runs."""
        code = self.process.poll()
        if code is None:
            return None
        error = self._read(self.stderr)
        if code and self.attempts == 1 and self._kernel_failed(error):
            self._close()
            self._start()
            return None
        output, seconds = self._read(self.stdout), self.seconds
        self._close()
        if not code:
            return Finished(self.task, "done", seconds, self.attempts, "", output)
        silent = f"it ended with status {code} and said nothing."
        if code < 0:
            silent = (
                f"it was killed by signal {next((known.name for known in signal.Signals if known == -code), -code)}."
            )
        return Finished(self.task, "failed", seconds, self.attempts, last_lines(error) or silent, output)

    def stop(self) -> Finished:
        """Stop it and all that it started; see :func:`stop_all`."""
        stop_all([self])
        return Finished(self.task, "stopped", self.seconds, self.attempts, "", "")

    def _kernel_failed(self, error: str) -> bool:
        soon = time.monotonic() - self.attempt_began < SOON
        return any(words in error for words in (*NOT_STARTED, *(GONE if soon else ())))

    def _close(self) -> None:
        self.stdout.close()
        self.stderr.close()

    @staticmethod
    def _read(file) -> str:
        file.seek(0)
        return file.read().decode(errors="replace")


def stop_all(running: Sequence[Running]) -> None:
    """Ask tasks and all that they started to stop, and kill what does not within ``PATIENCE`` seconds, or at a second Ctrl-C.

    A Jupyter kernel has a session of its own, so a task's process group is not all of it.
    """
    import psutil

    family = _family(running)
    _signal_groups(running, signal.SIGINT)
    try:
        _wait_until_gone(family, PATIENCE)
    finally:
        family |= _family(running)
        _signal_groups(
            running, signal.SIGKILL
        )  # those that were asked are not collected yet, so their numbers belong to no other process
        for process in family:
            with suppress(psutil.Error):  # gone meanwhile
                process.kill()
        _wait_until_gone(family, PATIENCE)
        for one in running:
            with suppress(subprocess.TimeoutExpired):
                one.process.wait(PATIENCE)
            one._close()


def _family(running: Sequence[Running]) -> set[psutil.Process]:
    """The processes of tasks and all below them."""
    import psutil

    family = set()
    for one in running:
        with suppress(psutil.NoSuchProcess):
            leader = psutil.Process(one.process.pid)
            family |= {leader, *leader.children(recursive=True)}
    return family


def _signal_groups(running: Sequence[Running], sign: signal.Signals) -> None:
    for one in running:
        with suppress(ProcessLookupError, PermissionError):  # macOS forbids signals to a group that has ended
            os.killpg(one.process.pid, sign)


def _wait_until_gone(family: set[psutil.Process], seconds: float) -> None:
    """Wait until none of some processes runs; one that has ended and waits to be collected does not."""
    import psutil

    def lives(process: psutil.Process) -> bool:
        try:
            return process.is_running() and process.status() != psutil.STATUS_ZOMBIE
        except psutil.NoSuchProcess:
            return False

    end = time.monotonic() + seconds
    while any(map(lives, family)) and time.monotonic() < end:
        time.sleep(PAUSE)


def last_lines(text: str, count: int = 5) -> str:
    """The last lines of what a process wrote, progress bars left out."""
    lines = [line.rstrip() for line in re.split(r"[\r\n]+", text)]
    return "\n".join([line for line in lines if line.strip() and not _BAR.search(line)][-count:])


def cores() -> int:
    """Cores of the processor that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def run_tasks(
    tasks: Sequence[Task], *, workers: int, cluster: str | None = None, on_event: Callable[[str, Task], None] | None = None,
    program: Sequence[str] = PROGRAM,
) -> Iterator[Finished]:  # fmt: skip
    """Run tasks, at most ``workers`` at a time, and yield each as it ends; one that fails does not stop the others.

    Threads of the processor are divided among the workers unless the environment says otherwise. When the iteration is left, by Ctrl-C or an
    error, what runs is stopped and nothing more is started; if this process is killed, so are its tasks. Iterate in one thread.

    Args:
        cluster: address or scheduler file of a dask cluster, each of whose threads then runs a task at a time, whatever ``workers`` says; or
            ``local`` for one of ``workers`` processes on this machine.
        on_event: called with ``started`` and a task, from this process; with a cluster also with ``waiting`` and the next task, once, when the
            cluster has no worker yet.

    Raises:
        ValueError: no worker, or a cluster that cannot be reached.
        ConnectionError: the cluster's scheduler is gone.
    """
    if workers < 1:
        raise InputError(f"workers is {workers}; it must be at least 1.")
    if cluster:
        from stablerep.study.sweeps.dask_workers import run_on_cluster

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
        stop_all(running)


def synthesis_tasks(arguments: Sequence[str], workers: int) -> list[Task]:
    """The same ``stablerep synthesize`` several times: they share the shards of its one folder through the file system.

    Args:
        arguments: of ``stablerep synthesize``, the folder first.

    Raises:
        ValueError: no worker.
    """
    if workers < 1:
        raise InputError(f"workers is {workers}; it must be at least 1.")
    return [Task(f"synthesize {number} of {workers}", ("synthesize", *arguments)) for number in range(1, workers + 1)]
