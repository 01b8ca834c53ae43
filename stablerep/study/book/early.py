"""The book before its runs are done: every chapter as far as it is known, so that there is something to read from the first minutes."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path

import nbformat

from stablerep.errors import MissingError
from stablerep.study.book.side_by_side import notebook_pool
from stablerep.study.chapters import chapter, is_computed, lacking, resolve, stored_tables
from stablerep.study.notebooks.chapter import source_text
from stablerep.study.notebooks.execution import execute_notebook, notebook_identity, place_chapter
from stablerep.study.parameters.base import Parameters
from stablerep.study.plans.costs import duration
from stablerep.study.plans.planning import ChapterPlan, total
from stablerep.study.store.runs import RunStore

WORTH = 60.0  # seconds of computing for which a page comes early,
WHOLE = 900.0  # where the whole book takes longer than this: smoke is there in a few minutes


def waited_for(plans: list[ChapterPlan], workers: int) -> set[str]:
    """The chapters whose runs take so long, computed by so many processes, that a reader should have a page before."""
    if total(plans).seconds / workers < WHOLE:
        return set()
    return {plan.name for plan in plans if not plan.executed and total([plan]).seconds / workers > WORTH}


def place_all_early(
    parameters: Mapping[str, Parameters], seconds: Mapping[str, float], store: RunStore, folder: Path, workers: int
) -> None:
    """:func:`place_early` for every chapter, so many at once: a notebook keeps one core busy."""
    if workers == 1:
        for name, p in parameters.items():
            place_early(name, p, seconds[name], store, folder)
        return
    with notebook_pool(min(workers, len(parameters))) as pool:
        jobs = [
            pool.submit(_place_early, name, p.model_dump(), seconds[name], store.root, store.accept, folder)
            for name, p in parameters.items()
        ]
        for job in jobs:
            job.result()


def _place_early(name: str, given: dict, seconds: float, runs: Path, accept: tuple[str, ...], folder: Path) -> None:
    """:func:`place_early` from what can be sent to another process."""
    place_early(name, resolve(name, given), seconds, RunStore(runs, accept=accept), folder, forked=True)


def place_early(
    name: str, parameters: Parameters, seconds: float, store: RunStore, folder: Path, *, forked: bool = False
) -> None:
    """Put a chapter into a folder as far as it is known: as it was executed, else from its stored results, else as a page that says what
    is to come.

    Args:
        seconds: that its run will take, by the plan. forked: of its kernel (:mod:`stablerep.study.notebooks.forked`).
    """
    if run := store.find(store.key(**notebook_identity(name, parameters, store))):
        place_chapter(run, name, folder)
        return
    path = folder / f"{name}.ipynb"
    try:
        stored_tables(name)
    except MissingError:
        if not is_computed(name, parameters):
            place_without_results(name, parameters, folder)
            return
        coming = f"and its run is still going on: about {duration(seconds)}. The page takes its place when it is done."
        path.write_text(json.dumps(announcement(name, coming)), encoding="utf-8")
        return
    place_chapter(
        execute_notebook(name, parameters.model_dump() | {"live": False}, store=store, log=None, forked=forked),
        name,
        folder,
    )
    notebook = json.loads(path.read_text(encoding="utf-8"))
    notebook["metadata"]["stablerep"]["pending"] = duration(seconds)
    path.write_text(json.dumps(notebook), encoding="utf-8")


def place_without_results(name: str, parameters: Parameters, folder: Path) -> None:
    """A page for a chapter that is to be drawn from stored results, of which there are none."""
    how = lacking(name, parameters) or f"`stablerep run {name}` computes the chapter at the preset `laptop`."
    remedy = "and none was computed for this book."
    if not hasattr(chapter(name), "WOULD_SHOW"):  # which says what to do
        remedy += f" {how}"
    (folder / f"{name}.ipynb").write_text(json.dumps(announcement(name, remedy)), encoding="utf-8")


def announcement(name: str, why: str) -> dict:
    """A notebook without code, with the chapter's title and question, ``why`` there is no more, and what the chapter would show and takes (``WOULD_SHOW``),
    where it says that."""
    title = "".join(json.loads(source_text(name))["cells"][0]["source"])
    text = f"{title}\n\n**{chapter(name).QUESTION}**\n\nThis chapter has no stored results, {why}"
    text += f"\n\n{shown}" if (shown := getattr(chapter(name), "WOULD_SHOW", "")) else ""
    notebook = nbformat.v4.new_notebook(cells=[nbformat.v4.new_markdown_cell(text)])
    notebook["metadata"]["stablerep"] = {"announced": True}
    return json.loads(nbformat.writes(notebook))
