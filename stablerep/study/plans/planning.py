"""What a command would do, without doing it: the runs that chapters ask for, which of them exist, and what the others cost.

A chapter's own ``ask`` is called with a store that computes nothing and with images that are stand-ins, so that a plan cannot say anything
else than what would happen.
"""

from __future__ import annotations

import importlib
import shutil
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path

import numpy as np
import pandas as pd

from stablerep.captioned_images import CaptionedImages
from stablerep.corpus import Corpus
from stablerep.study.experiments.study import Study
from stablerep.study.parameters.base import SCHEMAS, Parameters, preset_differences, resolve
from stablerep.study.parameters.presets import PRESETS
from stablerep.study.plans.costs import MACHINE_GFLOPS, Cost, Costs, duration, size
from stablerep.study.store.folder import identify
from stablerep.study.store.runs import Run, RunStore


@dataclass(frozen=True)
class PlannedRun(Run):
    """A run that does not exist: it has a key, and its tables are empty."""

    def table(self, name: str = "results") -> pd.DataFrame:
        return pd.DataFrame({"seconds": []})


@dataclass(frozen=True)
class Planned:
    """One run of a plan: ``what`` it is, whether it ``exists``, and its ``cost`` (None where it exists)."""

    key: str
    step: str
    what: str
    exists: bool
    cost: Cost | None


@dataclass
class ChapterPlan:
    """A chapter's runs in the order of asking. Those that an earlier chapter of the same plan asks for are left out.

    ``executed``: the notebook itself was executed with these parameters, so that nothing at all would run.
    """

    name: str
    executed: bool
    runs: list[Planned] = field(default_factory=list)

    @property
    def missing(self) -> list[Planned]:
        return [] if self.executed else [run for run in self.runs if not run.exists]


class PlanningStore(RunStore):
    """Answers as the store of the same folder would, and notes every run that is asked for instead of computing it."""

    def __init__(self, root: Path | str | None = None, costs: Costs | None = None) -> None:
        super().__init__(root)
        self.costs, self.planned = costs or Costs(RunStore(self.root)), {}

    def obtain(
        self, step: str, *, version: int, parameters: dict, inputs: dict[str, str], compute: Callable[[Path], dict | None],
        needs: Callable[[], object] | None = None,
    ) -> Run:  # fmt: skip
        identity = identify(step, version, parameters, inputs)
        key, found = identity["key"], self.find(identity["key"])
        if key not in self.planned:
            if not found and needs:
                needs()
            cost = None if found else self.costs.of(step, identity["parameters"], inputs)
            self.planned[key] = Planned(key, step, describe_run(step, identity["parameters"]), found is not None, cost)
        return found or PlannedRun(key, self.root / key, {"summary": {"views": 0, "weights": 0}})


class PlanningStudy(Study):
    """A study whose images are stand-ins of one pixel, with the captions and the fingerprint of the real ones."""

    @cached_property
    def corpus(self) -> Corpus:
        return replace(super().corpus, draw=lambda table, side: np.zeros((len(table), 3, 1, 1), np.uint8))

    def synthetic_images(self, captions, **sampling) -> CaptionedImages:
        import torch

        from stablerep.generator import default_precision
        from stablerep.synthesis import set_fingerprint

        self.synthetic_run(captions, **sampling)
        plan = self.synthesis_plan(captions, **sampling)
        ids = torch.arange(len(plan.captions)).repeat_interleave(plan.images_per_caption)
        name = set_fingerprint(plan.fingerprint, self.generator_fingerprint(sampling["generator"]), default_precision())
        return CaptionedImages(torch.zeros(len(ids), 3, 1, 1, dtype=torch.uint8), ids, list(plan.captions), name)


def describe_run(step: str, p: dict) -> str:
    """A few words for a reader."""
    if step == "synthesis":
        return f"{p['captions'] * p['images_per_caption']:,} images of {p['captions']:,} captions, w = {p['guidance_scale']:g}, seed {p['seed']}"
    if step == "pretraining":
        return f"{p['method']}, {p['encoder']['name']}, {p['steps']:,} steps of {p['views_per_step']:,} views, seed {p['seed']}"
    return {
        "evaluation": "all probes of an encoder", "transfer": f"an encoder on {p.get('set')}", "diagnostics": "features without labels",
        "judgement": "generated images before the judge", "reconstruction": "the autoencoder", "reading": "people in neutral images",
        "people": "a probe on people",
    }.get(step, step)  # fmt: skip


def plan_chapters(
    wanted: Iterable[tuple[str, Parameters]], store: RunStore | None = None, *, speed: float = 1.0
) -> list[ChapterPlan]:
    """The plan of several chapters, in their order; what two of them ask for is in the first one's."""
    from stablerep.study.notebooks.execution import notebook_identities

    store = store or RunStore()
    planning = PlanningStore(store.root, Costs(store, speed=speed))
    study, plans, seen, wanted = PlanningStudy(planning), [], set(), list(wanted)
    for (name, parameters), identity in zip(wanted, notebook_identities(wanted)):
        if parameters.live:
            importlib.import_module(f"stablerep.study.chapters.{name}").ask(parameters, study)
        executed = store.find(store.key(**identity)) is not None
        plans.append(ChapterPlan(name, executed, [run for key, run in planning.planned.items() if key not in seen]))
        seen.update(planning.planned)
    return plans


def total(plans: Iterable[ChapterPlan]) -> Cost:
    """Seconds and disk add up over what is missing, notebooks included; memory is that of the largest."""
    plans, notebook = list(plans), Costs().of("notebook", {}, {})
    missing = {run.key: run.cost for plan in plans for run in plan.missing}.values()
    waiting = sum(not plan.executed for plan in plans)
    return Cost(
        sum(cost.seconds for cost in missing) + waiting * notebook.seconds, max((cost.memory for cost in missing), default=0.0),
        sum(cost.disk for cost in missing) + waiting * notebook.disk,
    )  # fmt: skip


def describe_plan(name: str, parameters: Parameters, store: RunStore | None = None) -> str:
    """What ``stablerep run NAME`` would do, as text: parameters that are not the preset's, each run, and the sum."""
    store = store or RunStore()
    (plan,) = plan_chapters([(name, parameters)], store)
    changed = [
        f"{k} = {value} instead of {usual}" for k, (value, usual) in preset_differences(name, parameters).items()
    ]
    lines = [f"{name} at preset {parameters.preset}" + (f": {', '.join(changed)}" if changed else ", nothing changed")]
    for run in plan.runs:
        state = "exists " if run.exists else f"compute, about {duration(run.cost.seconds)}"
        lines.append(f"  {run.step:14s} {run.key[-16:]}  {run.what}: {state}".rstrip())
    return "\n".join([*lines, summary([plan], store)])


def summary(plans: list[ChapterPlan], store: RunStore) -> str:
    """The sum of a plan in sentences: what exists, what will be computed, time, memory and disk beside what is free."""
    runs = {run.key: run for plan in plans for run in plan.runs}.values()
    there = sum(run.exists for run in runs)
    missing = {run.key for plan in plans for run in plan.missing}
    waiting = sum(not plan.executed for plan in plans)
    lines = [
        f"Of {len(runs)} runs {there} exist and {len(missing)} would be computed; {_count(waiting, 'notebook')} would be executed."
    ]
    if not waiting:
        return "\n".join([*lines, "Everything was executed before with these parameters: nothing would be computed."])
    cost = total(plans)
    existing = next((folder for folder in (store.root, *store.root.parents) if folder.exists()), Path("."))
    free = shutil.disk_usage(existing).free
    lines.append(
        f"About {duration(cost.seconds)}, {size(max(cost.memory, 3e8))} of memory and {size(cost.disk)} on disk, of which {size(free)} are free."
    )
    if cost.disk > free:
        lines.append(
            f"That does not fit: free some space or set STABLEREP_RUNS to another folder than {store.root.name}."
        )
    return "\n".join(lines)


def _count(number: int, noun: str) -> str:
    return f"{number} {noun}{'' if number == 1 else 's'}"


def plan_book(given: dict, store: RunStore | None = None, *, speed: float = 1.0) -> list[ChapterPlan]:
    """The plan of every chapter of the book with the same preset and parameters."""
    return plan_chapters([(name, resolve(name, given)) for name in SCHEMAS], store, speed=speed)


def preset_costs(measured: dict) -> list[tuple[str, str]]:
    """For ``stablerep doctor``: each preset and the time that its whole book takes on an empty store, scaled by this machine's matrix product."""
    import tempfile

    speed, costs = measured["gflops"] / MACHINE_GFLOPS, []
    for preset in PRESETS:
        if preset == "paper":
            costs.append((preset, "Stable Diffusion and ViT-B/16: a cluster; not estimated from this machine."))
            continue
        with tempfile.TemporaryDirectory(prefix="stablerep-empty-") as empty:
            seconds = total(plan_book({"preset": preset}, RunStore(empty), speed=speed)).seconds
        note = " with the laptop's encoder; its own is larger and wants a GPU" if preset == "workstation" else ""
        costs.append((preset, f"the whole book takes about {duration(seconds)} here{note}."))
    return costs
