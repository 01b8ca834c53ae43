"""A small store and executed notebooks, as a chapter leaves them."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path

import pandas as pd

from stablerep.study.archive.check import examine_export
from stablerep.study.chapters import resolve
from stablerep.study.experiments.steps import EVALUATION, PRETRAINING, SYNTHESIS
from stablerep.study.notebooks import execution
from stablerep.study.store.runs import Run, RunStore
from stablerep.study.store.step import Step

GENERATOR = "0123456789abcdef"
SET, TRAINED, PROBED = (Step(one.name, one.version, one.describe) for one in (SYNTHESIS, PRETRAINING, EVALUATION))


def verify_export(path: Path) -> list[str]:
    """What is wrong with an export, in sentences."""
    return examine_export(path).wrong


def plan_hash(seed: int) -> str:
    return hashlib.sha256(f"plan {seed}".encode()).hexdigest()[:16]


def small_store(root: Path) -> tuple[RunStore, dict[str, Run]]:
    """Two seeds of a synthesis, a pre-training on it and an evaluation, and one evaluation of an untrained encoder."""
    store, runs = RunStore(root), {}

    def write(name: str):
        def compute(folder: Path) -> dict:
            pd.DataFrame({"correct": [True, False]}).to_parquet(folder / "results.parquet", index=False)
            (folder / "weights.safetensors").write_bytes(name.encode() * 50)
            (folder / "recipe.json").write_text("{}")
            return {"images": 8}

        return compute

    for seed in (0, 1):
        runs[f"set {seed}"] = store.obtain(
            SET, compute=write(f"set {seed}"), inputs={"captions": plan_hash(seed), "generator": GENERATOR},
            parameters={"captions": 4, "images_per_caption": 2, "guidance_scale": 2.0, "steps": 3, "seed": seed, "precision": "float32"},
        )  # fmt: skip
        runs[f"trained {seed}"] = trained = store.obtain(
            TRAINED, compute=write(f"trained {seed}"), inputs={"images": f"{runs[f'set {seed}'].key}-first1"},
            parameters={"method": "simclr", "steps": 5, "views_per_step": 8, "seed": seed, "encoder": {"name": "resnet10t"}},
        )  # fmt: skip
        runs[f"probed {seed}"] = store.obtain(
            PROBED,
            compute=write(f"probed {seed}"),
            parameters={"size": 32},
            inputs={"encoder": trained.key, "corpus": "emoji"},
        )
    runs["untrained"] = store.obtain(
        PROBED,
        compute=write("untrained"),
        parameters={"size": 32},
        inputs={"encoder": "random-resnet10t-0", "corpus": "emoji"},
    )
    return store, runs


def executed_chapter(folder: Path | None, store: RunStore, asked: list[str], *, cells: list[dict] = (), **given) -> str:
    """The chapter ``compare`` as executed, as a run of the store and in a folder, if one is given; its key."""
    p = resolve("compare", {"preset": "smoke"} | given)
    identity = execution.notebook_identity("compare", p)
    key = store.key(**identity)
    about = {
        "chapter": "compare", "key": key, "preset": "smoke", "changed": given, "parameters": p.model_dump(), "inputs": identity["inputs"],
        "runs": asked, "headline": None,
    }  # fmt: skip
    first = {"cell_type": "code", "metadata": {}, "source": "x = '/home/kept/in/code'", "outputs": []}
    notebook = {
        "cells": [first, *cells],
        "metadata": {"stablerep": about, "papermill": {"environment_variables": {"SECRET": "x"}}},
    }

    def compute(target: Path) -> None:
        (target / "compare.ipynb").write_text(json.dumps(notebook))
        (target / "tables").mkdir()
        pd.DataFrame({"arm": ["A"]}).to_parquet(target / "tables" / "arms.parquet", index=False)

    store.obtain(**identity, compute=compute)
    if folder:
        folder.mkdir(parents=True, exist_ok=True)
        (folder / "compare.ipynb").write_text(json.dumps(notebook))
    return key
