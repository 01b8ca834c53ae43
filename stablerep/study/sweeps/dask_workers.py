"""Tasks on the workers of a dask cluster.

The run store must lie on a file system that client and workers share under the same paths; between them travel names and what a task printed.
"""

from __future__ import annotations

import asyncio
import json
import os
import re
import signal
import time
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

from stablerep.errors import InputError
from stablerep.study.sweeps.workers import PATIENCE, PAUSE, PROGRAM, Finished, Running, Task, cores

if TYPE_CHECKING:
    from distributed import Client, Future, Worker

LOOK = 0.3  # seconds between looks at the cluster
REACH = 8  # seconds until a scheduler counts as unreachable
_ADDRESS = re.compile(r"(tcp|tls)://.+:\d+")


def connect(cluster: str, workers: int) -> Client:
    """A client of the cluster at an address, of a scheduler file, or of one of ``workers`` processes started here (``local``).

    Raises:
        ValueError: dask.distributed is not installed, or nothing answers there.
    """
    try:
        from distributed import Client, LocalCluster
    except ImportError:
        raise InputError(
            "a cluster needs dask.distributed; `pip install -c constraints.txt -e '.[cluster]'` brings it."
        ) from None
    if cluster == "local":
        client = Client(LocalCluster(n_workers=workers, threads_per_worker=1, dashboard_address=None))
        client.run(_ignore_interrupts)
        return client
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
    """Say hello to a scheduler. A client would wait for ever for one that is there but silent, such as another program at that port."""
    from distributed import Security
    from distributed.comm import connect

    connection = await connect(address, timeout=REACH, **Security().get_connection_args("client"))
    await connection.close()


def run_on_cluster(
    tasks: Sequence[Task],
    cluster: str,
    *,
    workers: int,
    on_event: Callable[[str, Task], None] | None,
    program: Sequence[str],
) -> Iterator[Finished]:
    """As :func:`stablerep.study.sweeps.workers.run_tasks`, by the cluster's workers, a task for each of their threads.

    Workers may join and leave meanwhile. One that dies takes its task's processes with it; dask gives the task to another. Leaving the
    iteration, or the death of this process, stops what runs.
    """
    client = connect(cluster, workers)
    from distributed import as_completed

    waiting, futures, pending = deque(tasks), {}, as_completed()
    # The workers' Python may have another path than ours.
    same = (os.getcwd(), () if tuple(program) == PROGRAM else tuple(program))
    told = on_event is None
    try:
        while waiting or futures:
            # No more than there are threads, or dask would give a worker a second task to wait behind its first.
            threads = _threads(client, cluster)
            if not threads and waiting and not told:
                told = True
                on_event("waiting", waiting[0])
            while waiting and len(futures) < max(threads, 1):
                task = waiting.popleft()
                future = client.submit(_run, task.name, task.arguments, task.environment, *same, pure=False)
                futures[future] = task
                pending.add(future)
                if on_event:
                    on_event("started", task)
            if pending.has_ready():
                future = next(pending)
                yield _finished(futures.pop(future), future, client, cluster)
            else:
                time.sleep(LOOK)
    finally:
        with suppress(OSError, RuntimeError):  # the scheduler may be gone
            client.cancel(list(futures), force=True)
        try:
            if client.cluster is not None:
                _wait_until_idle(client)
        finally:
            if client.cluster is not None:
                client.cluster.close()
            client.close()


def _ignore_interrupts() -> None:
    """On a worker: Ctrl-C in the terminal is for the client, which then stops what runs. A handler, unlike SIG_IGN, is not inherited by tasks."""
    signal.signal(signal.SIGINT, lambda *_: None)


def _wait_until_idle(client: Client) -> None:
    """Let workers that are about to be closed stop their tasks in order."""
    end = time.monotonic() + PATIENCE + 2
    with suppress(OSError, RuntimeError):
        while any(client.run(_count_tasks).values()) and time.monotonic() < end:
            time.sleep(PAUSE)


def _count_tasks(dask_worker: Worker) -> int:
    """On a worker: its tasks, those that were cancelled but have not stopped yet included."""
    return len(dask_worker.state.tasks)


def _threads(client: Client, cluster: str) -> int:
    """How many tasks the cluster's workers can run at once."""
    try:
        return sum(client.nthreads().values())
    except (OSError, RuntimeError):
        raise ConnectionError(f"the dask scheduler at {cluster} is gone; what was done is kept.") from None


def _finished(task: Task, future: Future, client: Client, cluster: str) -> Finished:
    """What became of a task whose future is no longer pending."""
    if future.status == "finished":
        return Finished(task, *future.result())
    if future.status == "error":  # dask's own, such as a task that took several workers with it
        return Finished(task, "failed", 0.0, 1, f"{type(future.exception()).__name__}: {future.exception()}", "")
    _threads(client, cluster)
    return Finished(task, "stopped", 0.0, 1, "it was cancelled on the cluster.", "")


def _run(name: str, arguments: tuple, environment: dict, folder: str, program: tuple) -> tuple:
    """One task on a worker: the fields of ``Finished`` after the task. Stopped when nobody wants its result any more."""
    from distributed import get_worker

    if not Path(folder).is_dir():
        return (
            "failed",
            0.0,
            1,
            f"the worker on {os.uname().nodename} has no folder {folder}; client and workers must share it.",
            "",
        )
    worker, key = get_worker(), get_worker().get_current_task()
    running = Running(
        Task(name, arguments, environment), max(1, cores() // worker.state.nthreads), program or PROGRAM, Path(folder)
    )
    while not (found := running.poll()):
        if not _wanted(worker, key):
            found = running.stop()
            break
        time.sleep(PAUSE)
    return found.status, found.seconds, found.attempts, found.error, found.output


def _wanted(worker: Worker, key: str) -> bool:
    """Whether the scheduler still asks for a task: not when its client cancelled it or has died, nor when the worker itself closes."""
    from distributed.core import Status

    state = worker.state.tasks.get(key)
    return (
        state is not None
        and state.state != "cancelled"
        and worker.status not in (Status.closing, Status.closed, Status.failed)
    )
