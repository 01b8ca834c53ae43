"""Sweeps: one notebook at many combinations of parameters, each in a process of its own, with a table of what happened.

The folder of a sweep holds ``sweep.json`` (what it is), ``table.csv`` (a row per combination, rewritten as they end), and at its end
``results.csv`` and ``results.parquet`` (the headline numbers of all, one row per number) and ``summary.md`` with its figure. What is
expensive lies in the run store: a combination that was executed is found there, whoever executed it.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import pandas as pd

from stablerep.checkpoint import written_aside
from stablerep.errors import InputError
from stablerep.study.notebooks.execution import notebook_identities
from stablerep.study.parameters.base import Parameters
from stablerep.study.store.runs import RunStore

DONE = ("done", "found")


@dataclass
class Sweep:
    """A sweep and where it keeps its table.

    Attributes:
        swept: what differs, a dictionary per combination; ``parameters``: all of them, checked.
        rows: per combination ``status`` (waiting, running, done, found, failed, stopped), ``seconds``, ``attempts``, ``path`` of the
            executed notebook relative to the run store, ``error``.
    """

    notebook: str
    swept: list[dict]
    parameters: list[Parameters]
    folder: Path
    store: RunStore
    rows: list[dict] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.keys = [
            self.store.key(**identity) for identity in notebook_identities((self.notebook, p) for p in self.parameters)
        ]
        self.rows = [{"status": "waiting", "seconds": 0.0, "attempts": 0, "path": "", "error": ""} for _ in self.swept]
        self.look()

    def look(self) -> None:
        """Mark the combinations that were executed before."""
        for number, key in enumerate(self.keys):
            if self.rows[number]["status"] not in DONE and self.store.find(key):
                self.rows[number] |= {"status": "found", "path": f"{key}/{self.notebook}.ipynb", "error": ""}

    @property
    def waiting(self) -> list[int]:
        return [number for number, row in enumerate(self.rows) if row["status"] not in DONE]

    def table(self) -> pd.DataFrame:
        """One row per combination: its parameters and what became of it."""
        return (
            pd.concat([pd.DataFrame(self.swept), pd.DataFrame(self.rows)], axis=1)
            .rename_axis("combination")
            .rename(lambda n: n + 1)
        )

    def save(self) -> None:
        with written_aside(self.folder / "table.csv") as aside:
            self.table().to_csv(aside)

    def results(self) -> pd.DataFrame:
        """The headline numbers of every combination that was executed: ``combination``, its parameters, the chapter's keys, ``value``,
        ``low``, ``high``."""
        parts = []
        for number, (one, key, row) in enumerate(zip(self.swept, self.keys, self.rows), 1):
            if row["status"] in DONE:
                about = json.loads(self.store.find(key).path(f"{self.notebook}.ipynb").read_text())["metadata"][
                    "stablerep"
                ]
                part = pd.DataFrame(about["headline"]["rows"]).astype(dict.fromkeys(("value", "low", "high"), float))
                for place, (name, value) in enumerate({"combination": number, **one}.items()):
                    part.insert(place, name if name not in part else f"parameter {name}", [value] * len(part))
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
        ValueError: the folder has a sweep of something else, or one that was begun and ``resume`` is not set.
    """
    key = sweep_key(notebook, parameters)
    folder = Path(folder or Path("sweeps") / f"{notebook}-{key}")
    about = folder / "sweep.json"
    if about.exists():
        there = json.loads(about.read_text())
        if there["key"] != key:
            raise InputError(
                f"{folder} holds another sweep, of {there['notebook']} with {there['combinations']} combinations; name another folder."
            )
        if not resume:
            ended = len(swept) - len(Sweep(notebook, swept, parameters, folder, RunStore()).waiting)
            raise InputError(
                f"this sweep was begun before ({ended} of {len(swept)} combinations are executed); --resume goes on with it: {folder}"
            )
    found = Sweep(notebook, swept, parameters, folder, RunStore())
    with written_aside(about) as aside:
        aside.write_text(
            json.dumps({"notebook": notebook, "key": key, "combinations": len(swept), "swept": swept}, indent=1) + "\n"
        )
    found.save()
    return found


def run_sweep(sweep: Sweep, *, workers: int, cluster: str | None = None, log: Callable = print) -> Sweep:
    """Execute what waits, ``workers`` at a time; a combination that fails does not stop the others.

    Interrupted, the table says what ended and what was stopped; begun again with ``resume``, the rest is executed.
    """
    from stablerep.study.sweeps.workers import Task, run_tasks

    tasks, number_of = [], {}
    for number in sweep.waiting:
        given = [f"{name}={json.dumps(value)}" for name, value in sweep.parameters[number].model_dump().items()]
        name = ", ".join(f"{k} = {v}" for k, v in sweep.swept[number].items())
        pairs = tuple(part for pair in given for part in ("-p", pair))
        tasks.append(Task(name, ("run", sweep.notebook, *pairs), {"STABLEREP_RUNS": str(sweep.store.root)}))
        number_of[name] = number
        sweep.rows[number]["status"] = "waiting"

    def note(event: str, task) -> None:
        if event == "started":
            sweep.rows[number_of[task.name]]["status"] = "running"
            sweep.save()
        if event == "waiting":
            log("the cluster has no worker yet; waiting for one")

    ended = len(sweep.rows) - len(tasks)
    if ended:
        log(f"{ended} of {len(sweep.rows)} combinations were executed before")
    try:
        for finished in run_tasks(tasks, workers=workers, cluster=cluster, on_event=note):
            number = number_of[finished.task.name]
            path = f"{sweep.keys[number]}/{sweep.notebook}.ipynb" if finished.status == "done" else ""
            sweep.rows[number] |= {
                "status": finished.status, "seconds": round(finished.seconds, 1), "attempts": finished.attempts, "path": path,
                "error": finished.error,
            }  # fmt: skip
            sweep.save()
            ended += 1
            problem = f": {finished.error.splitlines()[-1]}" if finished.error else ""
            log(
                f"[{ended}/{len(sweep.rows)}] {finished.task.name}: {finished.status} in {finished.seconds:.0f} s{problem}"
            )
    finally:
        for row in sweep.rows:
            if row["status"] in ("running", "waiting"):
                row["status"] = "stopped"
        sweep.look()  # one may have ended at the last moment
        sweep.save()
    write_results(sweep)
    return sweep


def write_results(sweep: Sweep) -> None:
    """The tidy table of all results and the summary page."""
    from stablerep.study.sweeps.page import write_page

    results = sweep.results()
    with written_aside(sweep.folder / "results.csv") as aside:
        results.to_csv(aside, index=False)
    plain = results.assign(
        **{name: results[name].map(str) for name in results if results[name].map(type).eq(list).any()}
    )  # lists as text
    with written_aside(sweep.folder / "results.parquet") as aside:
        plain.to_parquet(aside, index=False)
    write_page(sweep, plain)
