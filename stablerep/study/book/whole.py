"""Everything behind ``make book``: a plan with a time estimate, the chapters one after the other, the HTML."""

from __future__ import annotations

import hashlib
import json
import shutil
import tempfile
import time
from collections.abc import Callable, Collection, Mapping, Sequence
from math import inf
from pathlib import Path

from stablerep.checkpoint import written_aside
from stablerep.errors import nearest
from stablerep.study.book.build import build_book, check_chapters, check_pages
from stablerep.study.book.early import place_all_early, place_without_results, waited_for
from stablerep.study.book.record import TITLE, Record
from stablerep.study.book.side_by_side import execute_side_by_side
from stablerep.study.chapters import (
    CHAPTERS,
    chapter_names,
    has_stored_results,
    is_computed,
    preset_differences,
    resolve,
    schemas,
)
from stablerep.study.notebooks.execution import execute_notebook, notebook_identities, place_chapter
from stablerep.study.notebooks.forked import preload
from stablerep.study.parameters.base import Parameters
from stablerep.study.parameters.errors import ParameterError
from stablerep.study.plans.costs import duration
from stablerep.study.plans.planning import ChapterPlan, plan_chapters, summary, total
from stablerep.study.plans.together import compute_together, default_workers, shared_variables, threads_each
from stablerep.study.root import project_root
from stablerep.study.store.runs import RunStore

PAGES = 25.0  # seconds of building all pages, where none were built before; of two cores, one of them busy


def book_parameters(given: dict, only: Collection[str] = ()) -> dict[str, Parameters]:
    """The parameters of every chapter, each of which takes those of the ``given`` names that it declares.

    Args:
        only: chapters to compute, where the others show their stored results; none given: all.

    Raises:
        ParameterError: names that no chapter declares (with the nearest), and values that chapters refuse, all at once; a chapter that there is not,
            or some to compute in a book that is to compute nothing.
    """
    for name in only:
        if name not in schemas():
            hint = nearest(name, schemas()) or f"the book has {', '.join(schemas())}"
            raise ParameterError(f"there is no chapter {name!r}; {hint}")
    if only and given.get("live") is False:
        raise ParameterError(
            f"a book of stored results computes no chapter; {', '.join(only)} cannot be named with --no-live"
        )
    known = dict.fromkeys(name for schema in schemas().values() for name in schema.model_fields)
    problems, wrong, resolved = [], {}, {}
    for name in given:
        if name not in known:
            hint = nearest(name, known) or f"the book has {', '.join(known)}"
            problems.append(f"no chapter has a parameter {name!r}; {hint}")
    for chapter, schema in schemas().items():
        try:
            own = {name: value for name, value in given.items() if name in schema.model_fields}
            resolved[chapter] = resolve(chapter, own if not only or chapter in only else own | {"live": False})
        except ParameterError as error:
            for line in str(error).splitlines():
                wrong.setdefault(line, []).append(chapter)
    for line, chapters in wrong.items():
        declaring = [chapter for chapter, schema in schemas().items() if line.split()[0] in schema.model_fields]
        problems += [line] if chapters == declaring else [f"{chapter}: {line}" for chapter in chapters]
    if problems:
        raise ParameterError("\n".join(problems))
    return resolved


def book_record(parameters: dict[str, Parameters], title: str | None = None) -> Record:
    """What the book of these parameters is."""
    store, first = RunStore(), next(iter(parameters.values()))
    keys = [store.key(**identity) for identity in notebook_identities(parameters.items())]
    changed = [{k: value for k, (value, _) in preset_differences(name, p).items()} for name, p in parameters.items()]
    return _record(title or TITLE, keys, first.preset, any(p.live for p in parameters.values()), changed)


def _record(title: str, keys: list[str], preset: str, live: bool, changed: list[dict]) -> Record:
    """The record of a book from what its chapters, in their order, say of themselves."""
    different = {}
    for name, values in zip(chapter_names(), changed):
        if values := {key: value for key, value in values.items() if key != "live"}:
            different[name] = values
    key = hashlib.sha256("\n".join([title, *keys]).encode()).hexdigest()[:16]
    return Record(title=title, key=key, preset=preset, live=live, changed=different, chapters=chapter_names())


def make_book(
    given: dict,
    *,
    title: str | None = None,
    output: Path | None = None,
    strict: bool = False,
    pages: Sequence[Path] = (),
    workers: int | None = None,
    only: Collection[str] = (),
    log: Callable = print,
) -> Path:
    """Execute every chapter with the ``given`` preset and parameters, build the HTML, and return the path of its index.

    Pages are in ``_build/html``; a book of other parameters or another title has a folder of its own,
    ``_build/books/<key>``, so that no book takes the place of another. Two that are made at once do not mix; what both
    need is computed once, in the run store. Where runs take long, the pages are built at once as far as they are known
    (:mod:`stablerep.study.book.early`), and again whenever such a chapter is done.

    ``workers`` processes compute the runs (:mod:`stablerep.study.plans.together`), each chapter's before the next one's, while a
    chapter whose runs are there is executed, and execute the chapters that are left then; by default as many as :func:`default_workers` says.
    With one, chapters compute their own. Where ``only`` names chapters, the others compute nothing (:func:`book_parameters`).
    """
    from filelock import FileLock

    root, store = project_root(), RunStore()
    parameters = book_parameters(given, only)
    record = book_record(parameters, title)
    check_pages(pages)  # before the long part
    plain = not record.changed and title is None
    output = output or root / "_build" / ("html" if plain else f"books/{record.key}")
    workers = workers or default_workers()
    if workers > 1:
        preload(shared_variables(workers))  # while the book is planned
    plans = plan_chapters(parameters.items(), store, threads=threads_each(workers))
    log("\n".join(describe_book(record, plans, store, workers)))
    began, executed, estimates = time.monotonic(), [], {plan.name: total([plan]).seconds / workers for plan in plans}
    waiting, computing = waited_for(plans, workers), {plan.name for plan in plans if plan.missing}
    without = {name for name, p in parameters.items() if not is_computed(name, p) and not has_stored_results(name)}
    # seconds of the fastest notebook and of building all pages, which follow the last run, when nothing else goes on
    took: dict[str, float] = {}
    with tempfile.TemporaryDirectory(prefix="stablerep-book-") as scratch:
        kept = Path(scratch) / "pages"

        def build(**how) -> Path:
            started = time.monotonic()
            index = build_book(root, output, Path(scratch), record=record, pages=pages, **how)
            took.setdefault("pages", time.monotonic() - started)  # later ones build only what has changed
            return index

        if waiting:
            log("first the pages as far as they are known")
            place_all_early(parameters, estimates, store, Path(scratch), workers)
            log(f"{build(kept=kept)} can be read; its pages are built again as their runs end")

        def execute(names: Sequence[str]) -> None:
            for name in filter(without.__contains__, names):
                place_without_results(name, parameters[name], Path(scratch))
                log(f"{place(name)}: there are no stored results; its page says so")
                executed.append(name)
            rest = {name: parameters[name] for name in names if name not in without}
            if workers > 1 and len(rest) > 1:
                for name, seconds in execute_side_by_side(rest, store, Path(scratch), workers):
                    finish(name, seconds)
                return
            for name, p in rest.items():
                started = time.monotonic()
                log(place(name))
                run = execute_notebook(name, p.model_dump(), store=store, forked=workers > 1)
                place_chapter(run, name, Path(scratch))
                finish(name, time.monotonic() - started)

        def place(name: str) -> str:
            return f"[{len(executed) + 1}/{len(parameters)}] {name}"

        def finish(name: str, seconds: float) -> None:
            at = place(name)
            executed.append(name)
            took["notebook"] = min(seconds, took.get("notebook", inf))
            spent = time.monotonic() - began
            left = time_left(estimates, executed, spent) if workers == 1 else 0.0
            more = f", about {duration(left + took.get('pages', 0.0))} left" if left else ""
            log(f"{at}: {seconds:.0f} s, {spent:.0f} s in all{more}")
            if name in waiting and computing - set(executed):  # after the last runs the pages are built anyway
                build(kept=kept)

        if workers == 1 or not any(plan.missing for plan in plans):
            execute(list(parameters))
        else:
            wanted = [(name, p.model_dump()) for name, p in parameters.items()]
            compute_together(
                wanted,
                workers,
                plans,
                complete=execute,
                afterwards=lambda: sum(({"pages": PAGES} | took).values()),
                log=log,
            )
        log("building the pages")
        index = build(strict=strict)
        if plain:
            # `jupyter-book build .` by hand reads the chapters of the last plain book
            with FileLock(root / "book" / ".chapters.lock"):
                for name in executed:
                    with written_aside(root / CHAPTERS / f"{name}.ipynb") as aside:
                        shutil.copyfile(Path(scratch) / f"{name}.ipynb", aside)
    log(f"done in {time.monotonic() - began:.0f} s")
    return index


def time_left(estimates: Mapping[str, float], done: Collection[str], spent: float) -> float:
    """Seconds that the chapters that are not ``done`` will take: estimates, times spent to estimated so far."""
    estimated = sum(estimates[name] for name in done)
    rest = sum(estimates.values()) - estimated
    return rest * spent / estimated if estimated else rest


def build_executed(
    *, title: str | None = None, output: Path | None = None, strict: bool = False, pages: Sequence[Path] = ()
) -> Path:
    """Build the pages of the chapters that the last plain book left in ``book/chapters``; one that is stale says so.

    Raises:
        FailedError: a chapter was never executed, or (``strict``) is stale.
    """
    root, abouts = project_root(), {}
    check_chapters(root)
    for name in chapter_names():
        metadata = json.loads((root / CHAPTERS / f"{name}.ipynb").read_text())["metadata"]
        abouts[name] = {
            "key": "",
            "preset": "unknown",
            "parameters": {"live": True},
            "changed": {},
        }  # by papermill alone
        abouts[name] |= metadata.get("stablerep", {})
    first = next(iter(abouts.values()))
    keys, changed = ([about[what] for about in abouts.values()] for what in ("key", "changed"))
    record = _record(title or TITLE, keys, first["preset"], first["parameters"]["live"], changed)
    return build_book(root, output, record=record, strict=strict, pages=pages)


def describe_book(record: Record, plans: list[ChapterPlan], store: RunStore, workers: int) -> list[str]:
    """The plan of a book in lines: a chapter each, with what it would compute that no earlier one does, and the sum."""
    source, changes = "" if record.live else ", from stored results", record.changes()
    width = max(len(plan.name) for plan in plans)
    lines = [f"{record.title}, at preset {record.preset}{source}{': ' + changes if changes else ''}"]
    for plan in plans:
        state = f"about {duration(total([plan]).seconds / workers)}"
        if not plan.waits:
            state = "no results" if plan.empty else "executed before"
        runs = f"{len(plan.missing)} of {len(plan.runs)} runs to compute" if plan.runs else "no runs of its own"
        lines.append(f"  {plan.name:{width}s}  {state:15s}  {runs}")
    return [*lines, summary(plans, store, workers)]


def plan_text(given: dict, title: str | None = None, workers: int | None = None, only: Collection[str] = ()) -> str:
    """What :func:`make_book` would do, without doing it."""
    parameters, store, workers = book_parameters(given, only), RunStore(), workers or default_workers()
    plans = plan_chapters(parameters.items(), store, threads=threads_each(workers))
    return "\n".join(describe_book(book_record(parameters, title), plans, store, workers))
