"""Notebooks of a book executed side by side, each in a process of its own: one keeps one core busy, and mostly with starting."""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Iterator, Mapping
from concurrent.futures import ProcessPoolExecutor, as_completed
from pathlib import Path

from stablerep.study.notebooks.execution import execute_notebook, place_chapter
from stablerep.study.notebooks.forked import begin, process_context
from stablerep.study.parameters.base import Parameters
from stablerep.study.plans.together import MOST, WithoutBars
from stablerep.study.store.runs import RunStore


def notebook_pool(workers: int) -> ProcessPoolExecutor:
    """Processes that execute notebooks, at most ``MOST``: a kernel takes memory. They end with this one, and show no progress bars."""
    return ProcessPoolExecutor(min(workers, MOST), process_context(), initializer=_begin, initargs=(dict(os.environ),))


def _begin(variables: dict[str, str]) -> None:
    begin(variables)
    sys.stderr = WithoutBars(sys.stderr)


def execute_side_by_side(
    wanted: Mapping[str, Parameters], store: RunStore, folder: Path, workers: int
) -> Iterator[tuple[str, float]]:
    """Execute notebooks and place them into a folder; each name and how long it took in seconds, in the order in which they end.

    Raises what the first that fails raises; those that have not begun are left, and those that have are kept by the store.
    """
    with notebook_pool(min(workers, len(wanted))) as pool:
        jobs = {
            pool.submit(_execute, name, p.model_dump(), store.root, store.accept, folder): name
            for name, p in wanted.items()
        }
        try:
            for job in as_completed(jobs):
                yield jobs[job], job.result()
        finally:
            pool.shutdown(wait=False, cancel_futures=True)


def _execute(name: str, given: dict, runs: Path, accept: tuple[str, ...], folder: Path) -> float:
    began = time.monotonic()
    place_chapter(execute_notebook(name, given, store=RunStore(runs, accept=accept), forked=True), name, folder)
    return time.monotonic() - began
