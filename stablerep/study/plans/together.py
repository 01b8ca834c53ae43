"""Several processes compute what chapters ask for, each run once: many cores, or a GPU that one small network leaves idle.

Every process walks through the chapters as one alone would, and computes what is missing. A run that another process is computing,
and what needs it, is left for the next walk.
"""

from __future__ import annotations

import multiprocessing
import os
import sys
import time
import traceback
from collections.abc import Sequence
from typing import TYPE_CHECKING

from stablerep.errors import FailedError, UserError
from stablerep.study.chapters import chapter, resolve
from stablerep.study.plans.planning import PlannedRun
from stablerep.study.store.access import BusyError
from stablerep.study.store.runs import Run, RunStore

if TYPE_CHECKING:
    from stablerep.study.store.step import Step

PAUSE = 1.0  # seconds between walks that found nothing to compute


class SharingStore(RunStore):
    """A store that computes what nobody else does, and answers with a :class:`PlannedRun` for what is not there yet.

    Attributes:
        awaited: keys of the runs that are not there. computed: how many this store has computed.
    """

    def __init__(self, root=None, **options) -> None:
        super().__init__(root, **options)
        self.waits, self.awaited, self.computed = False, set(), 0

    def obtain(self, step: Step, *, parameters: dict, inputs: dict[str, str], compute, needs=None) -> Run:
        identity = self.identity(step, parameters, inputs)
        if found := self.find_like(identity):
            return found
        before = len(self.awaited)
        if needs:
            needs()
        lacking = len(self.awaited) > before or any(key in name for key in self.awaited for name in inputs.values())
        if not lacking:
            try:
                run = super().obtain(step, parameters=parameters, inputs=inputs, compute=compute, needs=needs)
                self.computed += 1
                return run
            except BusyError:
                pass
        self.awaited.add(key := identity["key"])
        return PlannedRun(key, self.root / key, {"step": step.name, "summary": {}})


def compute_together(wanted: Sequence[tuple[str, dict]], processes: int, *, threads: int = 1) -> None:
    """Compute every run that some chapters ask for.

    Args:
        wanted: chapters and what is given of their parameters. processes: how many work at a time, each with so many ``threads``.

    Raises:
        FailedError: a process failed; the others end after the run at which they are. What is computed stays in the store.
    """
    context = multiprocessing.get_context("spawn")  # a GPU cannot be shared with a fork
    failed = context.Event()
    # the tokenizer would start a thread for each core in every process
    own = {"OMP_NUM_THREADS": str(threads), "TOKENIZERS_PARALLELISM": "false"}
    before = {name: os.environ.get(name) for name in own}
    os.environ.update(own)
    try:
        workers = [context.Process(target=_work, args=(list(wanted), failed), daemon=True) for _ in range(processes)]
        for worker in workers:
            worker.start()
    finally:
        for name, value in before.items():
            os.environ.pop(name) if value is None else os.environ.update({name: value})
    for worker in workers:
        worker.join()
    if failed.is_set() or any(worker.exitcode for worker in workers):
        raise FailedError(
            "a process that computed runs failed, as said above; the same command goes on where it stopped."
        )


def _work(wanted: list[tuple[str, dict]], failed) -> None:
    from stablerep.study.experiments.study import Study

    try:
        studies = [
            (name, parameters := resolve(name, given), Study(SharingStore(), parameters)) for name, given in wanted
        ]
        while studies and not failed.is_set():
            computed, left = 0, []
            for name, parameters, study in studies:
                study.store.awaited.clear()
                study.store.computed = 0
                chapter(name).ask(parameters, study)
                computed += study.store.computed
                left += [(name, parameters, study)] if study.store.awaited else []
            studies = left
            if studies and not computed:
                time.sleep(PAUSE)
    except UserError as error:
        print(error, file=sys.stderr, flush=True)
        failed.set()
    except BaseException:
        failed.set()
        traceback.print_exc()
        raise
