"""What the book adds to its pages when it is built: parameters that are not the preset's, the hashes a page was made from, and whether it is stale."""

from __future__ import annotations

import json
from pathlib import Path
from types import SimpleNamespace

RECORD = "book.json"  # beside _config.yml while the pages are built, then in the folder of the pages
WORDS = {
    "notebook": "the notebook's source", "library": "the library", "stored": "the stored results", "corpus": "the corpus",
    "generator": "the generator",
}  # fmt: skip


def stale_inputs(name: str, notebook: dict) -> list[str] | None:
    """In words, what has changed since a chapter was executed; None when the notebook does not say from what it was made."""
    from stablerep.study.notebooks.execution import current_inputs

    about = notebook["metadata"].get("stablerep") or {}
    if "inputs" not in about:
        return None
    now = current_inputs(name, SimpleNamespace(**about["parameters"]))
    return [WORDS[key] for key in WORDS if now.get(key) != about["inputs"].get(key)]


def stale_chapters(folder: Path, names: list[str]) -> list[str]:
    """A sentence for each executed chapter in a folder that is not what its sources would give now."""
    sentences = []
    for name in names:
        found = stale_inputs(name, json.loads((folder / f"{name}.ipynb").read_text()))
        if found is None:
            sentences.append(f"{name} does not say from what it was made; `stablerep run {name}` executes it anew.")
        elif found:
            sentences.append(
                f"{name} was executed before {' and '.join(found)} changed; `stablerep book` executes it anew."
            )
    return sentences


def add_chapter_notes(name: str, notebook: dict) -> None:
    """Put notes into an executed chapter: below its title what is stale or not the preset's, and at its end what it was made from."""
    about = notebook["metadata"].get("stablerep") or {}
    found = stale_inputs(name, notebook)
    top = []
    if found is None:
        top.append(
            _note(
                "Of unknown make",
                "warning",
                "This page was not executed by `stablerep`, so that it cannot be told whether it is what its sources would give now.",
            )
        )
    elif found:
        top.append(
            _note(
                "Stale",
                "warning",
                f"This page was executed before {' and '.join(found)} changed. What it shows may not be what its sources would give now.",
            )
        )
    if changed := {k: v for k, v in about.get("changed", {}).items() if k != "live"}:
        values = ", ".join(f"`{name} = {json.dumps(value, ensure_ascii=False)}`" for name, value in changed.items())
        text = f"Computed with {values}; everything else is as the preset `{about['preset']}` has it."
        if not about["parameters"].get("live", True):
            text = (
                f"Asked for with {values}, but drawn from stored results, whose numbers these parameters do not change."
            )
        top.append(_note("Other parameters", "note", text))
    if top:
        notebook["cells"].insert(1, _cell("notes", "\n\n".join(top)))
    if about.get("inputs"):
        hashes = ", ".join(f"{WORDS[key].removeprefix('the ')} `{value}`" for key, value in about["inputs"].items())
        notebook["cells"].append(_cell("made-from", f"Made from {hashes}; run `{about['key']}`."))


def add_front_note(text: str, record: dict) -> str:
    """The first page with the book's title and, below it, the parameters that are not the preset's."""
    from stablerep.study.book.whole import changed_sentence

    title, _, rest = text.partition("\n")
    sentence = changed_sentence(record)
    where = f"at the preset `{record['preset']}`" + ("" if record["live"] else ", from stored results")
    note = f"This book was computed {where}, with other parameters: {sentence}." if sentence else ""
    if sentence and not record["live"]:
        note = f"This book was drawn from stored results, whose numbers its parameters do not change: {sentence}."
    parts = [f"# {record['title']}", _note("Other parameters", "note", note) if note else "", rest.lstrip("\n")]
    return "\n\n".join(part for part in parts if part)


def _note(title: str, kind: str, text: str) -> str:
    return f":::{{admonition}} {title}\n:class: {kind}\n{text}\n:::"


def _cell(name: str, text: str) -> dict:
    return {"cell_type": "markdown", "id": f"stablerep-{name}", "metadata": {}, "source": text}
