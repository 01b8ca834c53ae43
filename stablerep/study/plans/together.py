"""Several processes compute what chapters ask for, each run once: many cores, or a GPU that one small network leaves idle.

Every process walks through the chapters as one alone would, and computes what is missing. A run that another process is computing,
and what needs it, is left for the next walk, which begins soon, so that the first chapters are complete first.
"""

from __future__ import annotations

import io
import multiprocessing
import os
import queue
import sys
import time
import traceback
from collections.abc import Callable, Sequence
from contextlib import suppress
from typing import TYPE_CHECKING

from stablerep.errors import FailedError, UserError
from stablerep.study.chapters import chapter, resolve
from stablerep.study.notebooks.execution import environment
from stablerep.study.notebooks.forked import begin, process_context
from stablerep.study.plans.costs import duration
from stablerep.study.plans.planning import ChapterPlan, PlannedRun
from stablerep.study.store.access import BusyError
from stablerep.study.store.provenance import processors
from stablerep.study.store.runs import Run, RunStore

if TYPE_CHECKING:
    from stablerep.study.store.step import Step

THREADS = ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS")
MOST = 4  # processes, where nobody says how many: each takes about a gigabyte of memory
PAUSE = 1.0  # seconds between walks that found nothing to compute
WALK = 10.0  # seconds after which a walk that left something begins again
SAID = 15.0  # seconds between two lines on how far the runs have come


def default_workers() -> int:
    """One process for each core, at most ``MOST``: small networks gain more from that than from threads. One where there is a GPU."""
    from stablerep.device import default_device

    return 1 if default_device() == "cuda" else min(processors(), MOST)


class AgainError(Exception):
    """A walk has left something, and has computed something since: it begins again."""


class SharingStore(RunStore):
    """A store that computes what nobody else does, and answers with a :class:`PlannedRun` for what is not there yet.

    It raises :class:`AgainError` after a run that it has computed where something was left and the walk is longer than ``WALK``.

    Args:
        computed: called with the key of a run and what it is, in a few words, when this store has computed it, or finds one that it had left
            to another process.

    Attributes:
        awaited: keys of the runs that are not there. began: when the walk did, by a monotonic clock.
    """

    def __init__(self, root=None, *, computed: Callable[[str, str], object] = lambda key, what: None) -> None:
        super().__init__(root)
        self.waits, self.announces, self.computed, self.missed = False, False, computed, set()
        self.begin()

    def begin(self) -> None:
        """A walk begins."""
        self.awaited, self.began = set(), time.monotonic()

    def obtain(self, step: Step, *, parameters: dict, inputs: dict[str, str], compute, needs=None) -> Run:
        identity = self.identity(step, parameters, inputs)
        key, what = identity["key"], ": ".join(filter(None, (step.name, step.describe(identity["parameters"]))))
        if found := self.find_like(identity):
            if key in self.missed:
                self.missed.remove(key)
                self.computed(key, what)
            return found
        before = len(self.awaited)
        if needs:
            needs()
        lacking = len(self.awaited) > before or any(key in name for key in self.awaited for name in inputs.values())
        if not lacking:
            try:
                run = super().obtain(step, parameters=parameters, inputs=inputs, compute=compute, needs=needs)
                self.computed(key, what)
                if self.awaited and time.monotonic() - self.began > WALK:
                    raise AgainError
                return run
            except BusyError:
                pass
        self.awaited.add(key)
        self.missed.add(key)
        return PlannedRun(key, self.root / key, {"step": step.name, "summary": {}})


class Remaining:
    """How long the runs of some plans will still take, corrected as they end, and ``afterwards`` what follows the last of them, in seconds."""

    def __init__(
        self, plans: Sequence[ChapterPlan], workers: int, afterwards: Callable[[], float] = lambda: 0.0
    ) -> None:
        self.costs = {run.key: run.cost.seconds for plan in plans for run in plan.missing}
        self.workers, self.afterwards, self.done, self.began = workers, afterwards, set(), time.monotonic()

    def seconds(self) -> float:
        """Of waiting: by the plan until a twentieth of it is done, then by how long that took. Where a run has ended, those that the other
        processes compute count as half done: the first by the plan that are not."""
        every = sum(self.costs.values())
        done = sum(self.costs.get(key, 0.0) for key in self.done)
        if done:
            done += sum([cost for key, cost in self.costs.items() if key not in self.done][: self.workers - 1]) / 2
        pace = (time.monotonic() - self.began) / done if done > every / 20 else 1 / self.workers
        return (every - done) * pace

    def end(self, key: str, what: str) -> str:
        """A run has ended; what is to be said of it."""
        self.done.add(key)
        count = len(self.costs.keys() & self.done)
        return f"{count} of {len(self.costs)} runs, about {duration(self.seconds() + self.afterwards())} left: {what}"


def compute_together(
    wanted: Sequence[tuple[str, dict]],
    workers: int,
    plans: Sequence[ChapterPlan],
    *,
    complete: Callable[[list[str]], object] = lambda names: None,
    afterwards: Callable[[], float] = lambda: 0.0,
    log: Callable = print,
) -> None:
    """Compute every run that some chapters ask for, and say how far they have come.

    Args:
        wanted: chapters and what is given of their parameters. workers: processes; the processor's threads are divided among them.
        plans: of these chapters, in their order.
        complete: called with the names of chapters, in their order, as soon as all their runs are there: one at a time while those of others
            go on, and all that are left when none does.
        afterwards: gives the seconds that the caller takes after the last run, which belong to the time left.

    Raises:
        FailedError: a process failed, with what it said. What is computed stays in the store.
    """
    context = process_context()
    told, remaining, said, ended = context.Queue(), Remaining(plans, workers, afterwards), time.monotonic(), 0
    waiting = [(plan.name, {run.key for run in plan.missing}) for plan in plans]
    with environment(shared_variables(workers)):
        processes = [
            context.Process(target=_work, args=(list(wanted), told, dict(os.environ)), daemon=True)
            for _ in range(workers)
        ]
        for process in processes:
            process.start()
    try:
        while waiting:
            if ended == workers:
                complete([name for name, _ in waiting])
                return
            if waiting[0][1] <= remaining.done:
                complete([waiting.pop(0)[0]])
                continue
            try:
                kind, *about = told.get(timeout=1.0)
            except queue.Empty:
                if any(process.exitcode for process in processes):
                    raise FailedError(
                        "a process that computed runs was killed, or memory ran out; the same command goes on where it stopped."
                    ) from None
                continue
            if kind == "failed":
                raise FailedError(about[0])
            if kind == "ended":
                ended += 1
                continue
            if about[0] in remaining.done:  # another one found it since
                continue
            line = remaining.end(*about)
            if time.monotonic() - said > SAID:
                said = time.monotonic()
                log(line)
    finally:
        for process in processes:
            process.terminate()
            process.join()


def shared_variables(workers: int) -> dict[str, str]:
    """Variables of processes that share this machine's threads, unless the environment says how many each has."""
    # the tokenizer would start a thread for each core in every process
    own = dict.fromkeys(THREADS, str(threads_each(workers))) | {"TOKENIZERS_PARALLELISM": "false"}
    return {name: value for name, value in own.items() if name not in os.environ}


def threads_each(workers: int) -> int:
    """Of the processor's threads, how many one of so many processes has."""
    return max(1, processors() // workers)


def _work(wanted: list[tuple[str, dict]], told: multiprocessing.Queue, variables: dict[str, str]) -> None:
    """Walk through the chapters until all their runs are there; tells of each that it has computed, and of chapters that are complete.

    ``variables`` are the environment.
    """
    from stablerep.study.experiments.study import Study

    begin(variables)
    sys.stderr = WithoutBars(sys.stderr)
    try:
        left = []
        for name, given in wanted:
            parameters = resolve(name, given)
            if not parameters.live:
                continue
            store = SharingStore(computed=lambda key, what, name=name: told.put(("run", key, f"{name}, {what}")))
            left.append((name, parameters, Study(store, parameters)))
        while left:
            asked = sum(len(study.store.asked) for _, _, study in left)
            for _, _, study in left:
                study.store.begin()
            with suppress(AgainError):
                for name, parameters, study in list(left):
                    chapter(name).ask(parameters, study)
                    if not study.store.awaited:
                        left.remove((name, parameters, study))
            if left and asked == sum(len(study.store.asked) for _, _, study in left):
                time.sleep(PAUSE)
        told.put(("ended",))
    except UserError as error:
        told.put(("failed", str(error)))
    except Exception:
        traceback.print_exc()
        told.put(("failed", "a process that computed runs failed, as said above; this is a fault of the project."))


class WithoutBars(io.TextIOBase):
    """Text without progress bars, which several processes would write over each other: whole lines that nothing was written over."""

    def __init__(self, stream) -> None:
        self.stream, self.line = stream, ""

    def write(self, text: str) -> int:
        *lines, self.line = (self.line + text).split("\n")
        for line in lines:
            if "\r" not in line:
                self.stream.write(f"{line}\n")
        return len(text)

    def flush(self) -> None:
        self.stream.flush()
