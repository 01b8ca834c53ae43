"""Tasks on the workers of a dask cluster. The run store must lie on a file system that all of them see; only names travel."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from stablerep.study.workers import PAUSE, Finished, Running, Task, cores

if TYPE_CHECKING:
    from distributed import Client

LOOK = 0.3  # seconds between looks at the cluster
REACH = 10  # seconds until a scheduler counts as unreachable


def connect(cluster: str, workers: int) -> Client:
    """A client of the cluster at an address, of a scheduler file, or of one started here.

    Raises:
        ValueError: dask.distributed is not installed, or nothing answers there.
    """
    try:
        from distributed import Client, LocalCluster
    except ImportError:
        raise ValueError("a cluster needs dask.distributed; `pip install -c constraints.txt -e '.[cluster]'` brings it.") from None
    if cluster == "local":
        return Client(LocalCluster(n_workers=workers, threads_per_worker=1, dashboard_address=None))
    where = {"scheduler_file": cluster} if Path(cluster).is_file() else {"address": cluster}
    if "address" in where and "://" not in cluster:
        raise ValueError(f"cluster is {cluster!r}; give tcp://HOST:PORT, a scheduler file, or local.")
    try:
        return Client(**where, timeout=REACH)
    except (OSError, TimeoutError, ValueError):
        raise ValueError(f"no dask scheduler answered at {cluster} within {REACH} s.") from None


def run_on_cluster(
    tasks: Sequence[Task], cluster: str, *, workers: int, on_event: Callable[[str, Task], None] | None, program: Sequence[str]
) -> Iterator[Finished]:
    """As :func:`stablerep.study.workers.run_tasks`, by the cluster's workers, a task for each of their threads.

    A worker that dies takes its task's process with it; dask gives the task to another. Leaving the iteration stops what runs.
    """
    client = connect(cluster, workers)
    from distributed import Event, as_completed

    stop, waiting, futures, ended = Event(client=client), deque(tasks), {}, as_completed()
    try:
        while waiting or not ended.is_empty():
            # No more than there are threads, or dask would give a worker a second task to wait behind its first.
            threads = sum(client.nthreads().values())
            while waiting and ended.count() < max(threads, 1):
                task = waiting.popleft()
                future = client.submit(_run, task.name, task.arguments, task.environment, tuple(program), stop.name, pure=False)
                futures[future] = task
                ended.add(future)
                if on_event:
                    on_event("started", task)
            if not ended.has_ready():
                time.sleep(LOOK)  # workers may join or leave meanwhile
                continue
            future = next(ended)
            task = futures.pop(future)
            if future.status == "finished":
                status, seconds, attempts, error, output = future.result()
                yield Finished(task, status, seconds, attempts, error, output)
            else:
                yield Finished(task, "failed", 0.0, 1, str(future.exception()).splitlines()[0], "")
    finally:
        stop.set()
        client.cancel(list(futures), force=True)
        if client.cluster is not None:
            client.cluster.close()
        client.close()


def _run(name: str, arguments: tuple, environment: dict, program: tuple, stop: str) -> tuple:
    """One task on a worker; ends early when the sweep that asked for it does."""
    from distributed import Event, get_client, get_worker

    worker, asked = get_worker(), Event(stop, client=get_client())
    running = Running(Task(name, arguments, environment), max(1, cores() // worker.state.nthreads), program)
    look = time.monotonic()
    while not (found := running.poll()):
        if time.monotonic() - look > 1:
            look = time.monotonic()
            if asked.is_set():
                found = running.stop()
                break
        time.sleep(PAUSE)
    return found.status, found.seconds, found.attempts, found.error, found.output
