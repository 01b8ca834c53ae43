"""Everything behind ``make book``: a plan with a time estimate, the chapters one after the other, the HTML."""

from __future__ import annotations

import time
from pathlib import Path

from stablerep.study.execution import execute_notebook, place_chapter
from stablerep.study.notebooks import project_root
from stablerep.study.parameters import SCHEMAS, resolve
from stablerep.study.runs import RunStore


def make_book(*, preset: str = "laptop", live: bool = True, output: Path | None = None, log=print) -> Path:
    """Execute every chapter at a preset and build the HTML. Returns the path of ``index.html``.

    Each book has its own folder of executed chapters, so that two books made at once do not mix; what both need is computed
    once, in the run store.
    """
    import tempfile

    from filelock import FileLock

    from stablerep.study.book import CHAPTERS, build_book
    from stablerep.study.costs import book_estimate

    root, store = project_root(), RunStore()
    given = {"preset": preset, "live": live}
    parameters = {name: resolve(name, given) for name in SCHEMAS}
    log(f"The book at preset {preset}{'' if live else ', from stored results'}:")
    total = 0.0
    for name, (seconds, what) in book_estimate(parameters).items():
        total += seconds
        log(f"  {name:10s} about {seconds / 60:4.1f} min   {what}")
    log(f"  At most {total / 60:.0f} min on a machine like the one the rates were measured on; less where runs are in {store.root.name}/.")
    began = time.monotonic()
    executed = {}
    with tempfile.TemporaryDirectory(prefix="stablerep-book-") as scratch:
        for number, name in enumerate(SCHEMAS, 1):
            started = time.monotonic()
            log(f"[{number}/{len(SCHEMAS)}] {name}")
            executed[name] = execute_notebook(name, given, store=store)
            place_chapter(executed[name], name, Path(scratch))
            log(f"[{number}/{len(SCHEMAS)}] {name}: {time.monotonic() - started:.0f} s, {time.monotonic() - began:.0f} s in all")
        log("building the pages")
        index = build_book(root, output, Path(scratch))
    with FileLock(root / "book" / ".chapters.lock"):  # `jupyter-book build .` by hand reads the chapters of the last book
        for name, run in executed.items():
            place_chapter(run, name, root / CHAPTERS)
    log(f"done in {time.monotonic() - began:.0f} s")
    return index
