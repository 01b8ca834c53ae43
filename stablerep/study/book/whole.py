"""Everything behind ``make book``: a plan with a time estimate, the chapters one after the other, the HTML."""

from __future__ import annotations

import difflib
import hashlib
import json
import time
from collections.abc import Callable, Sequence
from pathlib import Path

from stablerep.study.notebooks.execution import execute_notebook, notebook_identities, place_chapter
from stablerep.study.parameters.base import SCHEMAS, ParameterError, Parameters, preset_differences, resolve
from stablerep.study.plans.costs import duration
from stablerep.study.root import project_root
from stablerep.study.store.runs import RunStore

TITLE = "StableRep at small scale"


def book_parameters(given: dict) -> dict[str, Parameters]:
    """The parameters of every chapter, each of which takes those of the ``given`` names that it declares.

    Raises:
        ParameterError: a name that no chapter declares (with the nearest), or a value that a chapter refuses; all at once.
    """
    known = dict.fromkeys(name for schema in SCHEMAS.values() for name in schema.model_fields)
    problems, wrong, resolved = [], {}, {}
    for name in given:
        if name not in known:
            near = difflib.get_close_matches(name, known, n=1)
            problems.append(
                f"no chapter has a parameter {name!r}; {f'did you mean {near[0]}?' if near else 'the book has ' + ', '.join(known)}"
            )
    for chapter, schema in SCHEMAS.items():
        try:
            resolved[chapter] = resolve(
                chapter, {name: value for name, value in given.items() if name in schema.model_fields}
            )
        except ParameterError as error:
            for line in str(error).splitlines():
                wrong.setdefault(line, []).append(chapter)
    for line, chapters in wrong.items():
        declaring = [chapter for chapter, schema in SCHEMAS.items() if line.split()[0] in schema.model_fields]
        problems += [line] if chapters == declaring else [f"{chapter}: {line}" for chapter in chapters]
    if problems:
        raise ParameterError("\n".join(problems))
    return resolved


def book_record(parameters: dict[str, Parameters], title: str | None = None) -> dict:
    """What a book is: ``title``, ``key`` (a hash of the title and of all that determines its chapters), ``preset``, ``live``, ``changed``
    (by chapter, the parameters other than the preset's) and ``chapters``."""
    store, changed, title = RunStore(), {}, title or TITLE
    keys = [store.key(**identity) for identity in notebook_identities(parameters.items())]
    for name, p in parameters.items():
        different = {k: v for k, (v, _) in preset_differences(name, p).items() if k != "live"}
        changed |= {name: different} if different else {}
    first = next(iter(parameters.values()))
    return {
        "title": title, "key": hashlib.sha256("\n".join([title, *keys]).encode()).hexdigest()[:16], "preset": first.preset,
        "live": first.live, "changed": changed, "chapters": list(parameters),
    }  # fmt: skip


def make_book(
    given: dict, *, title: str | None = None, output: Path | None = None, strict: bool = False, pages: Sequence[Path] = (),
    log: Callable = print,
) -> Path:  # fmt: skip
    """Execute every chapter with the ``given`` preset and parameters and build the HTML. Returns the path of ``index.html``.

    Pages are in ``_build/html``; a book of other parameters or another title has a folder of its own, ``_build/books/<key>``, so that no
    book takes the place of another. Each book has its own folder of executed chapters too, so that two made at once do not mix; what both
    need is computed once, in the run store.
    """
    import tempfile

    from filelock import FileLock

    from stablerep.study.book.build import CHAPTERS, build_book, check_pages

    root, store = project_root(), RunStore()
    parameters = book_parameters(given)
    record = book_record(parameters, title)
    check_pages(pages)  # before the long part
    plain = not record["changed"] and title is None
    output = output or root / "_build" / ("html" if plain else f"books/{record['key']}")
    log("\n".join(describe_book(parameters, record, store)))
    began, executed = time.monotonic(), {}
    with tempfile.TemporaryDirectory(prefix="stablerep-book-") as scratch:
        for number, (name, p) in enumerate(parameters.items(), 1):
            started = time.monotonic()
            log(f"[{number}/{len(SCHEMAS)}] {name}")
            executed[name] = execute_notebook(name, p.model_dump(), store=store)
            place_chapter(executed[name], name, Path(scratch))
            log(
                f"[{number}/{len(SCHEMAS)}] {name}: {time.monotonic() - started:.0f} s, {time.monotonic() - began:.0f} s in all"
            )
        log("building the pages")
        index = build_book(root, output, Path(scratch), record=record, strict=strict, pages=pages)
    if plain:
        with FileLock(
            root / "book" / ".chapters.lock"
        ):  # `jupyter-book build .` by hand reads the chapters of the last plain book
            for name, run in executed.items():
                place_chapter(run, name, root / CHAPTERS)
    log(f"done in {time.monotonic() - began:.0f} s")
    return index


def build_executed(
    *, title: str | None = None, output: Path | None = None, strict: bool = False, pages: Sequence[Path] = ()
) -> Path:
    """Build the pages of the chapters that the last plain book left in ``book/chapters``, whatever has changed since: a page that is stale says so.

    Raises:
        RuntimeError: a chapter was never executed, or (``strict``) is stale.
    """
    from stablerep.study.book.build import CHAPTERS, build_book, chapter_names, missing_chapters

    root, changed, about = project_root(), {}, {}
    if not missing_chapters(root):
        for name in chapter_names(root):
            about = json.loads((root / CHAPTERS / f"{name}.ipynb").read_text())["metadata"].get("stablerep", {})
            if different := {k: v for k, v in about.get("changed", {}).items() if k != "live"}:
                changed[name] = different
    record = {
        "title": title or TITLE, "key": hashlib.sha256(json.dumps([title, changed, about.get("inputs")]).encode()).hexdigest()[:16],
        "preset": about.get("preset", "unknown"), "live": about.get("parameters", {}).get("live", True), "changed": changed,
        "chapters": chapter_names(root),
    }  # fmt: skip
    return build_book(root, output, record=record, strict=strict, pages=pages)


def describe_book(parameters: dict[str, Parameters], record: dict, store: RunStore) -> list[str]:
    """The plan of a book in lines: a chapter each, with what it would compute that no earlier one does, and the sum."""
    from stablerep.study.plans.planning import plan_chapters, summary, total

    source = "" if record["live"] else ", from stored results"
    lines = [
        f"{record['title']}, at preset {record['preset']}{source}{': ' + sentence if (sentence := changed_sentence(record)) else ''}"
    ]
    plans = plan_chapters(parameters.items(), store)
    for plan in plans:
        cost = total([plan])
        runs = f"{len(plan.missing)} of {len(plan.runs)} runs to compute" if plan.runs else "no runs of its own"
        lines.append(
            f"  {plan.name:10s} {'executed before' if plan.executed else 'about ' + duration(cost.seconds):15s} {runs}"
        )
    return [*lines, summary(plans, store)]


def changed_sentence(record: dict) -> str:
    """``guidance_scale = 4 (compare, scaling, bias), seed = 1 (all chapters)``; empty for a book at the preset's values."""
    where: dict[tuple[str, str], list[str]] = {}
    for chapter, values in record["changed"].items():
        for name, value in values.items():
            where.setdefault((name, str(value)), []).append(chapter)
    everywhere = len(record["chapters"])
    return ", ".join(
        f"{name} = {value} ({'all chapters' if len(chapters) == everywhere else ', '.join(chapters)})" for (name, value), chapters in where.items()
    )  # fmt: skip
