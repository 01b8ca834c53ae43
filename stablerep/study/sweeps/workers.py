"""Many tasks at once, by the workers of a dask cluster: processes of this machine, or those of a scheduler that is
given.

Client and workers share a file system under the same paths; between them travel names and what a task printed.
"""

from __future__ import annotations

import asyncio
import json
import logging
import os
import re
import signal
import time
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

import dask
from dask.system import CPU_COUNT
from distributed import Client, Future, LocalCluster, Security, Worker, as_completed, comm, get_worker
from distributed.client import ClosedClientError
from distributed.core import Status

from stablerep.errors import FailedError, InputError
from stablerep.study.sweeps.task import HURRY, PATIENCE, PROGRAM, Finished, Task, run_task

LOOK = 0.2  # seconds between looks at the cluster
REACH = 8  # seconds until a scheduler counts as unreachable
_ADDRESS = re.compile(r"(tcp|tls)://.+:\d+")
GONE = (OSError, RuntimeError, ClosedClientError)  # what a client meets whose scheduler is not there any more


def run_tasks(
    tasks: Sequence[Task],
    *,
    workers: int,
    cluster: str | None = None,
    on_event: Callable[[str, Task], None] = lambda event, task: None,
    program: Sequence[str] | None = None,
) -> Iterator[Finished]:
    """Run tasks, one for each thread of the cluster's workers, and yield each as it ends; one that fails does not stop
    the others.

    Workers may join and leave meanwhile. One that dies takes its task's processes with it; dask gives the task to
    another. When the iteration is left, by Ctrl-C or an error, what runs is stopped and nothing more is started; a
    second Ctrl-C does not wait until it has stopped. If this process is killed, so are its tasks.

    Args:
        workers: processes on this machine, among which the threads of the processor are divided unless the environment
            says otherwise.
        cluster: address or scheduler file of a dask cluster to use instead, whatever ``workers`` says; ``local`` is
            this machine.
        on_event: called with ``started`` and a task, from this process; also with ``waiting`` and the next task, once,
            when a cluster has no worker yet.
        program: what takes the tasks' arguments; ``stablerep`` as the workers have it by default.

    Raises:
        InputError: no worker, or a cluster that cannot be reached.
        FailedError: the cluster's scheduler is gone.
    """
    if workers < 1:
        raise InputError(f"workers is {workers}; it must be at least 1.")
    if not tasks:
        return
    count = min(workers, len(tasks))
    where = cluster or "local"
    client = connect(where, count)
    share = max(1, CPU_COUNT // count) if client.cluster else None
    waiting, futures, pending = deque(tasks), {}, as_completed()
    told = False
    try:
        while waiting or futures:
            # No more than there are threads, or dask would give a worker a second task to wait behind its first.
            threads = _threads(client, where)
            if not threads and waiting and not told:
                told = True
                on_event("waiting", waiting[0])
            while waiting and len(futures) < max(threads, 1):
                task = waiting.popleft()
                future = client.submit(_run, task, share, program, os.getcwd(), PATIENCE, pure=False)
                futures[future] = task
                pending.add(future)
                on_event("started", task)
            if pending.has_ready():
                future = next(pending)
                yield _finished(futures.pop(future), future, client, where)
            else:
                time.sleep(LOOK)
    finally:
        _leave(client, list(futures))


def connect(cluster: str, workers: int) -> Client:
    """A client of the cluster at an address, of a scheduler file, or of one of ``workers`` processes started here
    (``local``).

    Raises:
        InputError: nothing answers there.
    """
    if cluster == "local":
        # dask would tell the workers, and so their tasks, to use one thread each. A worker whose scheduler closes would
        # say that it cannot be reached; what matters comes back as an exception or as a task's error.
        with dask.config.set({"distributed.nanny.pre-spawn-environ": {}}):
            started = LocalCluster(
                n_workers=workers, threads_per_worker=1, memory_limit=None, silence_logs=logging.CRITICAL, security=True,
                dashboard_address=None, scheduler_kwargs={"dashboard_address": "127.0.0.1:0"}, preload=[__name__],
            )  # fmt: skip
        return Client(started)
    if not Path(cluster).is_file() and not _ADDRESS.fullmatch(cluster):
        raise InputError(f"cluster is {cluster!r}; give tcp://HOST:PORT, a scheduler file that exists, or local.")
    try:
        address = json.loads(Path(cluster).read_text())["address"] if Path(cluster).is_file() else cluster
        asyncio.run(asyncio.wait_for(_handshake(address), REACH))
        return Client(address, timeout=REACH)
    except (OSError, TimeoutError):
        raise InputError(f"no dask scheduler answered at {cluster} within {REACH} s.") from None
    except (ValueError, TypeError, KeyError) as error:
        raise InputError(f"{cluster} leads to no dask scheduler: {type(error).__name__}: {error}.") from None


async def _handshake(address: str) -> None:
    """Say hello to a scheduler. A client would wait for ever for one that is there but silent, such as another program
    at that port."""
    connection = await comm.connect(address, timeout=REACH, **Security().get_connection_args("client"))
    await connection.close()


def _threads(client: Client, cluster: str) -> int:
    """How many tasks the cluster's workers can run at once."""
    try:
        return sum(client.nthreads().values())
    except GONE:
        raise FailedError(f"the dask scheduler at {cluster} is gone; what was done is kept.") from None


def _finished(task: Task, future: Future, client: Client, cluster: str) -> Finished:
    """What became of a task whose future is no longer pending."""
    if future.status == "finished":
        return replace(future.result(), task=task)
    if future.status == "error":  # dask's own, such as a task that took several workers with it
        error = future.exception()
        return Finished(task, "failed", error=f"{type(error).__name__}: {error}")
    _threads(client, cluster)
    return Finished(task, "stopped", error="it was cancelled on the cluster.")


def _leave(client: Client, futures: list[Future]) -> None:
    """Stop what runs; the workers of this machine are closed when it has stopped."""
    with suppress(*GONE):
        client.cancel(futures, force=True)
    if not client.cluster:
        client.close()
        return
    try:
        _wait_until_idle(client)
    except KeyboardInterrupt:
        client.run(_hurry)
        _wait_until_idle(client)
        raise
    finally:
        client.cluster.close()
        client.close()


def _wait_until_idle(client: Client) -> None:
    end = time.monotonic() + PATIENCE + 2
    with suppress(*GONE):
        while any(client.run(_count_tasks).values()) and time.monotonic() < end:
            time.sleep(LOOK)


# On a worker


def dask_setup(worker: Worker) -> None:
    """Ctrl-C in the terminal is for the client, which then stops what runs. (A worker of this machine calls this when
    it starts.)"""
    signal.signal(signal.SIGINT, lambda *_: None)


def _run(task: Task, threads: int | None, program: tuple | None, folder: str, patience: float) -> Finished:
    """One task, stopped when nobody wants its result any more."""
    if not Path(folder).is_dir():
        reason = f"the worker on {os.uname().nodename} has no folder {folder}; client and workers must share it."
        return Finished(task, "failed", error=reason)
    worker, key = get_worker(), get_worker().get_current_task()
    threads = threads or max(1, CPU_COUNT // worker.state.nthreads)
    return run_task(
        task, threads, program or PROGRAM, Path(folder), wanted=lambda: _is_wanted(worker, key), patience=patience
    )


def _is_wanted(worker: Worker, key: str) -> bool:
    """Whether the scheduler still asks for a task: not when its client cancelled it or has died, nor when the worker
    itself closes."""
    state = worker.state.tasks.get(key)
    closing = worker.status in (Status.closing, Status.closed, Status.failed)
    return state is not None and state.state != "cancelled" and not closing


def _count_tasks(dask_worker: Worker) -> int:
    """A worker's tasks that have not ended; one that was cancelled may still be stopping."""
    return sum(task.state not in ("memory", "error") for task in dask_worker.state.tasks.values())


def _hurry() -> None:
    HURRY.set()
