"""What a page saves where its kernel is forked with everything imported, in one run: seconds a page, and their ratio.

    python benchmarks/forked_kernels.py [--chapter images_per_caption] [--repetitions 5]

A chapter is drawn from its stored results, in turn by a kernel that begins anew and by one that is forked. The ratio is of neighbouring turns: median,
least and greatest. Before the first turn the server has been asked for a process, so that its imports are not counted; they are told beside.
"""

from __future__ import annotations

import argparse
import tempfile
import time
from pathlib import Path

import numpy as np

from stablerep.study.chapters import resolve
from stablerep.study.notebooks.execution import notebook_path
from stablerep.study.notebooks.forked import preload, process_context
from stablerep.study.notebooks.kernels import run_papermill
from stablerep.study.plans.together import shared_variables


def seconds(name: str, folder: str, forked: bool) -> float:
    """That the page of a chapter takes, from its stored results."""
    values, began = resolve(name, {"live": False}).model_dump(), time.perf_counter()
    run_papermill(
        notebook_path(name), Path(folder, "page.ipynb"), name, values, False, save_each_cell=False, forked=forked
    )
    return time.perf_counter() - began


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--chapter", default="images_per_caption")
    parser.add_argument("--repetitions", type=int, default=5)
    given = parser.parse_args()
    began = time.perf_counter()
    preload(shared_variables(2))
    process = process_context().Process(target=print, args=("the server has imported everything",))
    process.start()
    process.join()
    print(f"its imports took {time.perf_counter() - began:.1f} s")
    anew, forked = [], []
    with tempfile.TemporaryDirectory() as folder:
        for turn in range(given.repetitions):
            anew.append(seconds(given.chapter, folder, False))
            forked.append(seconds(given.chapter, folder, True))
            print(f"turn {turn + 1}: anew {anew[-1]:.2f} s, forked {forked[-1]:.2f} s", flush=True)
    ratios = np.array(forked) / np.array(anew)
    print(
        f"{given.chapter}: forked takes {np.median(ratios):.2f} of the time ({ratios.min():.2f} to {ratios.max():.2f})"
    )


if __name__ == "__main__":
    main()
