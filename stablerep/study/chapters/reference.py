"""The stored reference: a chapter's tables at more seeds and steps, committed with their provenance."""

from __future__ import annotations

import json
from datetime import UTC, datetime

from stablerep.checkpoint import written_aside
from stablerep.study.chapters import compute_tables
from stablerep.study.experiments.study import EVALUATION_VERSION, Study
from stablerep.study.parameters.base import resolve
from stablerep.study.root import STORED
from stablerep.study.store.provenance import gather, hash_file, hash_package


def make_reference(notebook: str, given: dict | None = None) -> list[str]:
    """Compute a chapter's reference tables (or go on where that was cut) and write them to ``results/<notebook>/``.

    Every pre-training and evaluation is a run of its own in the store, so what was finished before a cut is not repeated.

    Returns:
        The files written.
    """
    parameters = resolve(notebook, {"preset": "reference"} | (given or {}))
    study = Study()
    began = datetime.now(UTC)
    before = set(study.store.list()["key"]) if study.store.root.exists() else set()
    tables = compute_tables(notebook, parameters, study)
    runs = study.store.list()
    folder = STORED / notebook
    written = []
    for name, table in tables.items():
        with written_aside(folder / f"{name}.parquet") as aside:
            table.to_parquet(aside, index=False)
        written.append(f"{name}.parquet")
    record = {
        "notebook": notebook,
        "parameters": parameters.model_dump(),
        "corpus": study.corpus.fingerprint,
        "provenance": {**gather(), "created": began.isoformat(timespec="seconds"), "library": hash_package()},
        "evaluation_version": EVALUATION_VERSION,
        "runs_computed": int((~runs["key"].isin(before)).sum()),
        "sha256": {name: hash_file(folder / name) for name in written},
    }
    if hasattr(parameters, "generator"):
        record["generator"] = study.generator(parameters.generator).fingerprint
    with written_aside(folder / "record.json") as aside:
        aside.write_text(json.dumps(record, indent=1) + "\n")
    return [*written, "record.json"]
