"""What the book adds to its pages when it is built: parameters that are not the preset's, the hashes a page was made from, and whether it is stale."""

from __future__ import annotations

import json
from pathlib import Path
from types import SimpleNamespace

from stablerep.errors import UserError
from stablerep.study.book.record import Record

WORDS = {
    "notebook": "the notebook's source", "library": "the library", "stored": "the stored results", "corpus": "the corpus",
    "generator": "the generator",
}  # fmt: skip


def stale_inputs(name: str, notebook: dict) -> list[str] | None:
    """In words, what has changed since a chapter was executed; None when the notebook has no record of its inputs."""
    from stablerep.study.notebooks.execution import current_inputs

    about = notebook["metadata"].get("stablerep") or {}
    if "inputs" not in about:
        return None
    try:
        now = current_inputs(name, SimpleNamespace(**about["parameters"]))
    except UserError:  # a corpus or a generator that is no longer there
        return [WORDS["corpus"]]
    return [WORDS[key] for key in WORDS if now.get(key) != about["inputs"].get(key)]


def stale_chapters(folder: Path, names: list[str]) -> list[str]:
    """A sentence for each executed chapter in a folder that is not what its sources would give now."""
    sentences = []
    for name in names:
        found = stale_inputs(name, json.loads((folder / f"{name}.ipynb").read_text()))
        if found is None:
            sentences.append(
                f"{name} has no record of what it was made from; `stablerep run {name}` executes it again."
            )
        elif found:
            sentences.append(
                f"{name} was executed before {' and '.join(found)} changed; `stablerep book` executes it again."
            )
    return sentences


def add_chapter_notes(name: str, notebook: dict) -> None:
    """Put notes into an executed chapter: below its title what is stale or not the preset's, and at its end what it was made from."""
    about = notebook["metadata"].get("stablerep") or {}
    found, top = stale_inputs(name, notebook), []
    if found is None:
        text = "This page was not executed by `stablerep`, so nobody can tell whether its sources would give the same page now."
        top.append(_note("Origin unknown", "warning", text))
    elif found:
        text = f"This page was executed before {' and '.join(found)} changed. Its sources might give another page now."
        top.append(_note("Stale", "warning", text))
    if changed := {k: v for k, v in about.get("changed", {}).items() if k != "live"}:
        values = ", ".join(f"`{name} = {json.dumps(value, ensure_ascii=False)}`" for name, value in changed.items())
        text = f"Computed with {values}; everything else comes from the preset `{about['preset']}`."
        if not about["parameters"].get("live", True):
            text = (
                f"Requested with {values}, but drawn from stored results, whose numbers these parameters do not change."
            )
        top.append(_note("Other parameters", "note", text))
    if accepted := about.get("accepted"):
        text = f"{len(accepted)} runs behind this page were made by earlier code and taken by name (`--accept-old`): {', '.join(f'`{key}`' for key in accepted)}."
        top.append(_note("Runs of earlier code", "warning", text))
    if libraries := about.get("libraries"):
        text = "; ".join(f"{name} {' and '.join(versions)}" for name, versions in libraries.items())
        top.append(
            _note(
                "Other versions",
                "note",
                f"Some runs behind this page were made with versions that were not installed when it was executed: {text}.",
            )
        )
    if top:
        notebook["cells"].insert(1, _cell("notes", "\n\n".join(top)))
    if about.get("inputs"):
        hashes = ", ".join(
            f"{WORDS.get(key, key).removeprefix('the ')} `{value}`" for key, value in about["inputs"].items()
        )
        notebook["cells"].append(_cell("made-from", f"Made from {hashes}; run `{about['key']}`."))


def add_front_note(text: str, record: Record) -> str:
    """The first page with the book's title and, below it, the parameters that are not the preset's."""
    _, _, rest = text.partition("\n")
    note = ""
    if changes := record.changes():
        sentence = f"This book was computed at the preset `{record.preset}` with other parameters: {changes}."
        if not record.live:
            sentence = (
                f"This book was drawn from stored results, whose numbers its parameters do not change: {changes}."
            )
        note = _note("Other parameters", "note", sentence)
    return "\n\n".join(part for part in (f"# {record.title}", note, rest.lstrip("\n")) if part)


def _note(title: str, kind: str, text: str) -> str:
    return f":::{{admonition}} {title}\n:class: {kind}\n{text}\n:::"


def _cell(name: str, text: str) -> dict:
    return {"cell_type": "markdown", "id": f"stablerep-{name}", "metadata": {}, "source": text}
