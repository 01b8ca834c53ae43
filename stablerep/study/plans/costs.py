"""What a run will cost before it exists: seconds, memory, disk; by earlier runs of its kind or its step's rates."""

from __future__ import annotations

import json
import statistics
from dataclasses import dataclass

from stablerep.study.plans.speed import measure_speed
from stablerep.study.store.runs import RunStore
from stablerep.study.store.step import Step

SHORT = 20.0  # seconds of a run below which it is not worth a second to measure the machine
# how many times more or less work a run may have than one that foretells it: a few steps of smoke take most of their time to start
COMPARABLE = 20.0
MEMORY = 1.5e9  # bytes of one process that trains or evaluates at the laptop preset


@dataclass(frozen=True)
class Cost:
    """``seconds`` of computing, peak ``memory`` of the process and ``disk`` in bytes."""

    seconds: float
    memory: float
    disk: float


class Costs:
    """Estimates from the complete runs of a store that have comparable amounts of work, by their median, else from the rates of steps.

    ``speed``: times as fast as the machine of the rates; measured, with so many ``threads``, where it is not given and a run is long.
    """

    def __init__(
        self, store: RunStore | None = None, *, speed: float | None = None, threads: int | None = None
    ) -> None:
        self.speed, self.threads = speed, threads
        self.history: dict[str, list[tuple[float, Cost]]] = {}  # by kind: amounts, and costs for one of it
        for info in store.records() if store else ():
            made = info["provenance"]
            if "kind" in made:
                size = sum(file["size"] for file in info["files"].values())
                past = Cost(made["seconds"] / made["amount"], made["peak_memory_bytes"], size / made["disk"])
                self.history.setdefault(json.dumps(made["kind"]), []).append((made["amount"], past))

    def of(self, step: Step, parameters: dict, inputs: dict) -> Cost:
        """What a run would cost."""
        amount = step.amount(parameters)
        known = self.history.get(json.dumps(step.kind(parameters, inputs)), [])
        if past := [cost for other, cost in known if amount / COMPARABLE <= other <= amount * COMPARABLE]:
            seconds = statistics.median(cost.seconds for cost in past)
            memory = statistics.median(cost.memory for cost in past)
            disk = statistics.median(cost.disk for cost in past)
            return Cost(amount * seconds, memory, step.disk(parameters) * disk)
        seconds = step.estimate(parameters)
        if self.speed is None and seconds > SHORT:
            self.speed = measure_speed(threads=self.threads)
        return Cost(seconds / (self.speed or 1.0), MEMORY, step.disk(parameters))


def duration(seconds: float) -> str:
    """``12 s``, ``4.5 min`` or ``3.2 h``."""
    if seconds < 100:
        return f"{max(seconds, 1):.0f} s"
    if seconds < 6000:
        return f"{seconds / 60:.1f} min"
    return f"{seconds / 3600:.1f} h" if seconds < 200 * 3600 else f"{seconds / 86400:.0f} days"


def size(count: float) -> str:
    """``0.2 MB``, ``1.4 GB``, ``3.1 TB``."""
    unit, scale = next(((u, s) for u, s in (("TB", 1e12), ("GB", 1e9)) if count >= s), ("MB", 1e6))
    return f"{count / scale:.1f} {unit}"
