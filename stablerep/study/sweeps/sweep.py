"""Sweeps: one notebook at many combinations of parameters, each in a process of its own, with a table of what happened.

The folder of a sweep holds ``sweep.json`` (what it is), ``table.csv`` (a row per combination, rewritten as they end),
and at its end what :mod:`stablerep.study.sweeps.page` writes: ``results.csv``, and ``summary.md`` with its figure. What
is expensive lies in the run store: a combination that was executed is found there, whoever executed it.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pandas as pd

from stablerep.checkpoint import written_aside
from stablerep.errors import InputError
from stablerep.study.notebooks.execution import notebook_identities
from stablerep.study.parameters.base import Parameters
from stablerep.study.store.runs import RunStore
from stablerep.study.sweeps.combinations import shown
from stablerep.study.sweeps.task import Task
from stablerep.study.sweeps.workers import run_tasks

DONE = ("done", "found")


@dataclass
class Sweep:
    """A sweep and where it keeps its table.

    Attributes:
        swept: what differs, a dictionary per combination; ``parameters``: all of them, checked.
        rows: per combination ``status`` (waiting, running, done, found, failed, stopped), ``seconds``, ``attempts``,
            ``path`` of the executed notebook relative to the run store, ``error``.
    """

    notebook: str
    swept: list[dict]
    parameters: list[Parameters]
    folder: Path

    def __post_init__(self) -> None:
        self.store = RunStore()
        identities = notebook_identities((self.notebook, p) for p in self.parameters)
        self.keys = [self.store.key(**identity) for identity in identities]
        self.rows = [{"status": "waiting", "seconds": 0.0, "attempts": 0, "path": "", "error": ""} for _ in self.swept]
        self.find_executed()

    def find_executed(self) -> None:
        """Mark the combinations that were executed before."""
        for number in self.waiting:
            if self.store.find(self.keys[number]):
                self.rows[number] |= {"status": "found", "path": self.path(number), "error": ""}

    def path(self, number: int) -> str:
        """Where the executed notebook of a combination is, relative to the run store."""
        return f"{self.keys[number]}/{self.notebook}.ipynb"

    @property
    def waiting(self) -> list[int]:
        """Numbers, from 0, of the combinations that were not executed."""
        return [number for number, row in enumerate(self.rows) if row["status"] not in DONE]

    def table(self) -> pd.DataFrame:
        """One row per combination: its parameters and what became of it."""
        table = pd.concat([pd.DataFrame(self.swept), pd.DataFrame(self.rows)], axis=1)
        return table.rename_axis("combination").rename(lambda number: number + 1)

    def save(self) -> None:
        with written_aside(self.folder / "table.csv") as aside, open(aside, "wb") as file:  # not an address for pandas
            self.table().to_csv(file)

    def results(self) -> pd.DataFrame:
        """The headline numbers of every combination that was executed: ``combination``, its parameters, the chapter's
        keys, ``value``, ``low``, ``high``."""
        parts = []
        for number, (one, row) in enumerate(zip(self.swept, self.rows)):
            if row["status"] in DONE:
                about = json.loads((self.store.root / row["path"]).read_text())["metadata"]["stablerep"]
                part = pd.DataFrame(about["headline"]["rows"]).astype(dict.fromkeys(("value", "low", "high"), float))
                for place, (name, value) in enumerate({"combination": number + 1, **one}.items()):
                    column = name if name not in part else f"parameter {name}"
                    part.insert(place, column, str(value) if isinstance(value, list) else value)
                parts.append(part)
        return pd.concat(parts, ignore_index=True) if parts else pd.DataFrame()


def sweep_key(notebook: str, parameters: list[Parameters]) -> str:
    """Hash of what a sweep asks for; the same sweep has the same folder."""
    text = json.dumps([notebook, [p.model_dump() for p in parameters]], sort_keys=True)
    return hashlib.sha256(text.encode()).hexdigest()[:12]


def begin_sweep(
    notebook: str, swept: list[dict], parameters: list[Parameters], *, folder: Path | None, resume: bool
) -> Sweep:
    """Open the folder of a sweep, ``sweeps/<notebook>-<key>`` by default.

    Raises:
        InputError: the folder has a sweep of something else, or one that was begun and ``resume`` is not set.
    """
    key = sweep_key(notebook, parameters)
    folder = Path(folder or Path("sweeps") / f"{notebook}-{key}")
    about = folder / "sweep.json"
    before = json.loads(about.read_text()) if about.exists() else None
    if before and before["key"] != key:
        other = f"{before['notebook']} with {before['combinations']} combinations"
        raise InputError(f"{folder} holds another sweep, of {other}; name another folder.")
    sweep = Sweep(notebook, swept, parameters, folder)
    if before and not resume:
        ended = f"{len(swept) - len(sweep.waiting)} of {len(swept)} combinations are executed"
        raise InputError(f"this sweep was begun before ({ended}); add --resume to continue it: {folder}")
    with written_aside(about) as aside:
        content = {"notebook": notebook, "key": key, "combinations": len(swept), "swept": swept}
        aside.write_text(json.dumps(content, indent=1) + "\n")
    sweep.save()
    return sweep


def run_sweep(sweep: Sweep, *, workers: int, cluster: str | None = None, log: Callable = print) -> Sweep:
    """Execute what waits, ``workers`` at a time; a combination that fails does not stop the others.

    Interrupted, the table says what ended and what was stopped; begun again with ``resume``, the rest is executed.
    """
    waiting, total = sweep.waiting, len(sweep.rows)
    tasks = [_task(sweep, number) for number in waiting]
    number_of = dict(zip(map(id, tasks), waiting))

    def note(event: str, task: Task) -> None:
        if event == "waiting":
            log("the cluster has no worker yet; waiting for one")
        else:
            sweep.rows[number_of[id(task)]]["status"] = "running"
            sweep.save()

    ended = total - len(tasks)
    if ended:
        log(f"{ended} of {total} combinations were executed before")
    try:
        for finished in run_tasks(tasks, workers=workers, cluster=cluster, on_event=note):
            number = number_of[id(finished.task)]
            sweep.rows[number] |= {
                "status": finished.status, "seconds": round(finished.seconds, 1), "attempts": finished.attempts,
                "path": sweep.path(number) if finished.status == "done" else "", "error": finished.error,
            }  # fmt: skip
            sweep.save()
            ended += 1
            problem = f": {finished.error.splitlines()[-1]}" if finished.error else ""
            log(f"[{ended}/{total}] {finished.task.name}: {finished.status} in {finished.seconds:.0f} s{problem}")
    finally:
        for row in sweep.rows:
            if row["status"] in ("running", "waiting"):
                row["status"] = "stopped"
        sweep.find_executed()  # one may have ended at the last moment
        sweep.save()
    return sweep


def _task(sweep: Sweep, number: int) -> Task:
    """The command that executes a combination."""
    values = sweep.parameters[number].model_dump().items()
    texts = {name: value if isinstance(value, str) else json.dumps(value) for name, value in values}
    pairs = (part for name, text in texts.items() for part in ("-p", f"{name}={text}"))
    return Task(shown(sweep.swept[number]), ("run", sweep.notebook, *pairs), {"STABLEREP_RUNS": str(sweep.store.root)})
