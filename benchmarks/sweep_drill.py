"""A sweep of 24 combinations at the smoke preset by two workers, once to its end and once killed halfway and resumed.

    python benchmarks/sweep_drill.py FOLDER

Prints whether both give the same table of results, and counts what was computed twice. About half an hour on two cores.
"""

from __future__ import annotations

import argparse
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pandas as pd

from stablerep.study.store.runs import RunStore

COMBINATIONS = 24
SWEEP = ("sweep", "compare", "-g", "guidance_scale=1,2,4,8", "-g", "seed=0..5", "--preset", "smoke", "--workers", "2")


def start(folder: Path, *more: str) -> subprocess.Popen:
    """The sweep with a store and a table of its own."""
    command = [sys.executable, "-m", "stablerep.study.commands", *SWEEP, "-o", str(folder / "sweep"), *more]
    return subprocess.Popen(command, env=os.environ | {"STABLEREP_RUNS": str(folder / "runs")}, start_new_session=True)


def notebooks(folder: Path) -> int:
    return len(list((folder / "runs").glob("notebook-*")))


def computed(folder: Path) -> dict[str, str]:
    """When each complete run was made."""
    return {info["key"]: info["provenance"]["created"] for info in RunStore(folder / "runs").records()}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder", type=Path, help="an empty folder for both sweeps")
    folder = parser.parse_args().folder
    whole, cut = folder / "whole", folder / "cut"
    if not (whole / "sweep" / "results.csv").exists():  # else it is there from an earlier drill in this folder
        assert start(whole).wait() == 0
    seconds = pd.read_csv(whole / "sweep" / "table.csv")["seconds"].sum()
    process = start(cut)
    while notebooks(cut) < COMBINATIONS // 2:
        assert process.poll() is None, "the sweep ended before it was killed"
        time.sleep(0.2)
    os.killpg(process.pid, signal.SIGKILL)
    process.wait()
    before = computed(cut)
    assert start(cut, "--resume").wait() == 0
    after = computed(cut)
    results = [pd.read_csv(one / "sweep" / "results.csv") for one in (whole, cut)]
    pd.testing.assert_frame_equal(*results)
    again = [key for key, created in before.items() if after.get(key) != created]
    attempts = [RunStore(cut / "runs").find(key).info["provenance"]["attempts"] for key in after]
    table = pd.read_csv(cut / "sweep" / "table.csv")
    print(
        f"{len(table)} combinations, {seconds:.0f} s of work; the other sweep was killed when {sum(k.startswith('notebook') for k in before)} had ended"
    )
    print(
        f"status after resuming: {table['status'].value_counts().to_dict()}; {len(results[0])} rows of results, the same in both"
    )
    print(
        f"runs: {len(before)} before the kill, {len(after)} at the end; computed twice: {len(again)}; resumed within a run: {sum(a > 1 for a in attempts)}"
    )
    print(f"runs of the sweep that was not killed: {len(computed(whole))}")


if __name__ == "__main__":
    main()
