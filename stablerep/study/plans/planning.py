"""What a command would do, without doing it: the runs that chapters ask for, which exist, why others are new, the cost.

A chapter's own ``ask`` is called with a store that computes nothing, so that a plan says what would happen.
"""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

import pandas as pd

from stablerep.study.chapters import (
    chapter,
    chapter_names,
    has_stored_results,
    is_computed,
    preset_differences,
    resolve,
)
from stablerep.study.experiments.sources import RUN
from stablerep.study.experiments.study import Study
from stablerep.study.notebooks.execution import NOTEBOOK, notebook_identities
from stablerep.study.parameters.base import Parameters
from stablerep.study.parameters.presets import PRESETS
from stablerep.study.plans.changes import why_new
from stablerep.study.plans.costs import Cost, Costs, duration, size
from stablerep.study.store.runs import Run, RunStore
from stablerep.study.store.step import Step

if TYPE_CHECKING:
    from stablerep.corpus import Corpus
    from stablerep.corpus.summary import Summary

LARGE = 1_000_000  # images; a corpus of more is not read for a plan


@dataclass(frozen=True)
class PlannedRun(Run):
    """A run that does not exist: it has a key, and its tables are empty."""

    def table(self, name: str = "results") -> pd.DataFrame:
        return pd.DataFrame()


@dataclass(frozen=True)
class Planned:
    """One run of a plan."""

    key: str
    step: str
    what: str  # in a few words
    exists: bool
    cost: Cost | None  # None where it exists
    why: str = ""  # it is new, where an earlier run is much like it
    old: str = ""  # key of the run of earlier code that serves in its place


@dataclass
class ChapterPlan:
    """A chapter's runs in the order of asking. Those that an earlier chapter of the same plan asks for are left out.

    ``executed``: the notebook itself was executed with these parameters, so that nothing at all would run; ``empty``: nothing can run, as
    nothing is to be computed and no results are stored.
    """

    name: str
    executed: bool
    runs: list[Planned] = field(default_factory=list)
    empty: bool = False

    @property
    def waits(self) -> bool:
        """Whether the notebook would be executed."""
        return not self.executed and not self.empty

    @property
    def missing(self) -> list[Planned]:
        return [] if self.executed else [run for run in self.runs if not run.exists]


class PlanningStore(RunStore):
    """Answers as the store of the same folder would, and notes every run that is asked for instead of computing it."""

    def __init__(self, root: Path | str | None = None, costs: Costs | None = None) -> None:
        super().__init__(root)
        self.costs, self.planned = costs or Costs(RunStore(self.root)), {}

    @cached_property
    def existing(self) -> list[dict]:
        return list(self.records())

    def obtain(self, step: Step, *, parameters: dict, inputs: dict[str, str], compute=None, needs=None) -> Run:
        identity = self.identity(step, parameters, inputs)
        key, found = identity["key"], self.find_like(identity)
        if key not in self.planned:
            if not found and needs:
                needs()
            cost = None if found else self.costs.of(step, identity["parameters"], inputs)
            why = "" if found else why_new(identity, step.modules(parameters), self.existing)
            what = step.describe(identity["parameters"])
            old = found.key if found and found.key != key else ""
            self.planned[key] = Planned(key, step.name, what, found is not None, cost, why, old)
        return found or PlannedRun(key, self.root / key, {"step": step.name, "summary": {}})


class PlanningStudy(Study):
    """A study that does not read a large corpus, of which a plan needs the summary alone, and refuses a generator's
    folder before anything is computed for it."""

    @cached_property
    def summary(self) -> Summary | None:
        """Of a corpus of more than ``LARGE`` images; None for one that is read."""
        from stablerep.corpus.summary import summarize

        found = None if self.source == "emoji" else summarize(self.source, **self._options)
        return found if found and found.images > LARGE else None

    @property
    def about(self) -> Corpus | Summary:
        return self.summary or self.corpus

    def counts(self) -> tuple[int, int]:
        return (self.summary.images, self.summary.captions) if self.summary else super().counts()

    def most_images(self) -> int:
        return self.summary.images if self.summary else super().most_images()

    def available_captions(self) -> int:
        return self.summary.train_captions if self.summary else super().available_captions()

    def sets_to_open(self, names: Sequence[str]) -> list[str]:
        """Without those on the Hub: a plan downloads nothing, and does not count what they would cost."""
        from stablerep.transfer import TRANSFER_SETS

        return [name for name in names if name not in TRANSFER_SETS or TRANSFER_SETS[name].where != "hub"]

    def generator_fingerprint(self, name: str) -> str:
        """As of any study. Raises ``InputError`` for a folder whose small files say that it cannot serve."""
        from stablerep.generator.folders import check_index, generator_folder, read_index, weights_variant

        if not name.startswith(RUN) and (folder := generator_folder(name)):
            index = read_index(folder)
            check_index(name, index)
            weights_variant(folder, index)
        return super().generator_fingerprint(name)


def plan_chapters(
    wanted: Iterable[tuple[str, Parameters]],
    store: RunStore | None = None,
    *,
    speed: float | None = None,
    threads: int | None = None,
) -> list[ChapterPlan]:
    """The plan of several chapters, in their order; what two of them ask for is in the first one's. Costs are those of one process with so
    many ``threads``, by default as many as torch takes."""
    store = store or RunStore()
    planning = PlanningStore(store.root, Costs(store, speed=speed, threads=threads))
    plans, seen, wanted = [], set(), list(wanted)
    for (name, parameters), identity in zip(wanted, notebook_identities(wanted, planning)):
        computed = is_computed(name, parameters)
        if computed:
            chapter(name).ask(parameters, PlanningStudy(planning, parameters))
        executed = store.find(store.key(**identity)) is not None
        runs = [run for key, run in planning.planned.items() if key not in seen]
        plans.append(ChapterPlan(name, executed, runs, empty=not computed and not has_stored_results(name)))
        seen.update(planning.planned)
    return plans


def total(plans: list[ChapterPlan]) -> Cost:
    """Seconds and disk add up over what is missing, notebooks included; memory is that of the largest."""
    missing = [run.cost for plan in plans for run in plan.missing]
    notebooks = [Costs().of(NOTEBOOK, {}, {}) for plan in plans if plan.waits]
    return Cost(
        seconds=sum(cost.seconds for cost in missing + notebooks),
        memory=max((cost.memory for cost in missing), default=0.0),
        disk=sum(cost.disk for cost in missing + notebooks),
    )


def describe_plan(name: str, parameters: Parameters, store: RunStore | None = None) -> str:
    """What ``stablerep run NAME`` would do, as text: parameters that are not the preset's, each run, and the sum."""
    store = store or RunStore()
    (plan,) = plan_chapters([(name, parameters)], store)
    differences = preset_differences(name, parameters).items()
    changed = ", ".join(f"{k} = {value} instead of {usual}" for k, (value, usual) in differences)
    lines = [f"{name} at preset {parameters.preset}" + (f": {changed}" if changed else ", no parameter changed")]
    for run in plan.runs:
        state = "exists" if run.exists else f"compute, about {duration(run.cost.seconds)}"
        state += f" (new: {run.why})" if run.why else ""
        state += ", made by earlier code" if run.old else ""
        lines.append(f"  {run.step:14s} {(run.old or run.key)[-16:]}  {run.what}: {state}".rstrip())
    return "\n".join([*lines, summary([plan], store)])


def summary(plans: list[ChapterPlan], store: RunStore, workers: int = 1) -> str:
    """The sum of a plan in sentences: what exists, what will be computed by so many ``workers``, time, memory and disk beside what is free."""
    runs = [run for plan in plans for run in plan.runs]
    there = sum(run.exists for run in runs)
    missing = sum(len(plan.missing) for plan in plans)
    waiting = sum(plan.waits for plan in plans)
    notebooks = f"{waiting} notebook{'' if waiting == 1 else 's'}"
    lines = [f"Of {len(runs)} runs {there} exist and {missing} would be computed; {notebooks} would be executed."]
    if not waiting:
        what = "All that can be executed" if any(plan.empty for plan in plans) else "Everything"
        return "\n".join([*lines, f"{what} was executed before with these parameters: nothing would be computed."])
    cost = total(plans)
    existing = next((folder for folder in (store.root, *store.root.parents) if folder.exists()), Path("."))
    free = shutil.disk_usage(existing).free
    needed = f"{size(max(workers * cost.memory, 3e8))} of memory and {size(cost.disk)} on disk"
    lines.append(f"About {duration(cost.seconds / workers)}, {needed}, of which {size(free)} are free.")
    if cost.disk > free:
        other = f"set STABLEREP_RUNS to another folder than {store.root.name}"
        lines.append(f"That does not fit: free some space or {other}.")
    return "\n".join(lines)


def preset_costs(speed: float, workers: int) -> list[tuple[str, str]]:
    """For ``stablerep doctor``: each preset and the time of its whole book.

    Args:
        speed: of one of so many ``workers`` of this machine (:func:`stablerep.study.plans.speed.measure_speed`).
    """
    costs = []
    for preset in PRESETS:
        if preset == "paper":
            costs.append((preset, "Stable Diffusion and ViT-B/16: a cluster; not estimated from this machine."))
            continue
        with tempfile.TemporaryDirectory(prefix="stablerep-empty-") as empty:
            wanted = [(name, resolve(name, {"preset": preset})) for name in chapter_names()]
            seconds = total(plan_chapters(wanted, RunStore(empty), speed=speed)).seconds / workers
        note = " with the laptop's encoder; its own is larger and wants a GPU" if preset == "workstation" else ""
        costs.append((preset, f"the whole book takes about {duration(seconds)} here{note}."))
    return costs
