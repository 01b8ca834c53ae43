"""What the book adds to its pages when it is built: parameters that are not the preset's, the hashes a page was made
from, whether it is stale, and a page on the provenance of all chapters, the code, the machine and the versions."""

from __future__ import annotations

import hashlib
import json
from datetime import UTC, datetime
from pathlib import Path
from types import SimpleNamespace

from stablerep.errors import UserError
from stablerep.study.book.record import Record
from stablerep.study.chapters import CHAPTERS, chapter_names
from stablerep.study.markdown import captioned, markdown_table
from stablerep.study.plans.costs import duration
from stablerep.study.store.code import library_hash
from stablerep.study.store.provenance import gather, git_state

UNKNOWN = "not recorded"
WORDS = {
    "notebook": "the notebook's source",
    "library": "the library",
    "stored": "the stored results",
    "corpus": "the corpus",
    "generator": "the generator",
}


def stale_inputs(name: str, notebook: dict) -> list[str] | None:
    """In words, what has changed since a chapter was executed; None when the notebook has no record of its inputs."""
    from stablerep.study.notebooks.execution import current_inputs

    about = notebook["metadata"].get("stablerep")
    if not about:
        return None
    if about.get("announced"):  # it shows no results, and says so itself
        return []
    try:
        now = current_inputs(name, SimpleNamespace(**about["parameters"]))
    except UserError:  # a corpus or a generator that is no longer there
        return [WORDS["corpus"]]
    return [word for key, word in WORDS.items() if now.get(key) != about["inputs"].get(key)]


def stale_chapters(folder: Path, names: list[str]) -> list[str]:
    """A sentence for each executed chapter in a folder that is not what its sources would give now."""
    sentences = []
    for name in names:
        stale = stale_inputs(name, json.loads((folder / f"{name}.ipynb").read_text()))
        if stale is None:
            sentences.append(
                f"{name} has no record of what it was made from; `stablerep run {name}` executes it again."
            )
        elif stale:
            sentences.append(
                f"{name} was executed before {' and '.join(stale)} changed; `stablerep book` executes it again."
            )
    return sentences


def add_chapter_notes(name: str, notebook: dict) -> None:
    """Note in a chapter below its title what is stale, still to come or not the preset's, and at its end what it was made from."""
    if notebook["metadata"].get("stablerep", {}).get("announced"):
        return  # it says so itself
    stale = stale_inputs(name, notebook)
    if stale is None:
        text = (
            "This page was not executed by `stablerep`, "
            "so nobody can tell whether its sources would give the same page now."
        )
        notebook["cells"].insert(1, _cell("notes", _note("Origin unknown", "warning", text)))
        return
    about, notes = notebook["metadata"]["stablerep"], []
    if stale:
        text = f"This page was executed before {' and '.join(stale)} changed. Its sources might give another page now."
        notes.append(_note("Stale", "warning", text))
    if pending := about.get("pending"):
        text = f"This page shows the stored reference. Its own run is still going on, about {pending}; the page takes it in when it is done."
        notes.append(_note("Still to come", "note", text))
    if (changed := {k: v for k, v in about["changed"].items() if k != "live"}) and not about.get("pending"):
        values = ", ".join(f"`{name} = {json.dumps(value, ensure_ascii=False)}`" for name, value in changed.items())
        text = f"Requested with {values}, but drawn from stored results, whose numbers these parameters do not change."
        if about["parameters"]["live"]:
            text = f"Computed with {values}; everything else comes from the preset `{about['preset']}`."
        notes.append(_note("Other parameters", "note", text))
    if accepted := about.get("accepted"):
        text = f"{len(accepted)} runs behind this page were made by earlier code and taken by name (`--accept-old`): "
        text += ", ".join(f"`{key}`" for key in accepted) + "."
        notes.append(_note("Runs of earlier code", "warning", text))
    if libraries := about.get("libraries"):
        which = "; ".join(f"{name} {' and '.join(versions)}" for name, versions in libraries.items())
        text = (
            f"Some runs behind this page were made with versions that were not installed when it was executed: {which}."
        )
        notes.append(_note("Other versions", "note", text))
    if notes:
        notebook["cells"].insert(1, _cell("notes", "\n\n".join(notes)))
    from stablerep.study.notebooks.execution import NOTHING

    hashes = [
        "no stored results"
        if key == "stored" and value == NOTHING
        else f"{WORDS.get(key, key).removeprefix('the ')} `{value}`"
        for key, value in about["inputs"].items()
    ]
    notebook["cells"].append(_cell("made-from", f"Made from {', '.join(hashes)}; run `{about['key']}`."))


def add_front_note(text: str, record: Record) -> str:
    """The first page with the book's title and, below it, the parameters that are not the preset's."""
    parts = [f"# {record.title}"]
    if changes := record.changes():
        sentence = f"This book was drawn from stored results, whose numbers its parameters do not change: {changes}."
        if record.live:
            sentence = f"This book was computed at the preset `{record.preset}` with other parameters: {changes}."
        parts.append(_note("Other parameters", "note", sentence))
    _, _, rest = text.partition("\n")
    return "\n\n".join([*parts, rest.lstrip("\n")])


def source_hash(notebook: dict) -> str:
    """Hash of what an executed notebook says, without its outputs and without the parameters that were injected."""
    cells = [c for c in notebook["cells"] if "injected-parameters" not in c["metadata"].get("tags", ())]
    text = json.dumps([[c["cell_type"], "".join(c["source"])] for c in cells], ensure_ascii=False)
    return hashlib.sha256(text.encode()).hexdigest()[:12]


def chapter_row(name: str, notebook: dict) -> list[str]:
    """One row of the table of chapters: name, preset, parameters given, run time, date and hash.

    Preset and parameters are those of ``metadata.stablerep`` where the notebook has it, else of papermill's record.
    """
    record = notebook["metadata"].get("papermill", {})
    given = record.get("parameters", {})
    unknown = "not executed" if notebook["metadata"].get("stablerep", {}).get("announced") else UNKNOWN
    if "preset" in (ours := notebook["metadata"].get("stablerep", {})):
        given = {"preset": ours["preset"], **ours["changed"]}
    changed = ", ".join(f"`{key}={value}`" for key, value in sorted(given.items()) if key != "preset") or "none"
    return [
        f"[](/{CHAPTERS}/{name}.ipynb)",
        f"`{given['preset']}`" if "preset" in given else unknown,
        changed.replace("|", "\\|"),
        duration(record["duration"]) if record.get("duration") is not None else unknown,
        (record.get("start_time") or unknown)[:16].replace("T", " "),
        f"`{source_hash(notebook)}`",
    ]


def write_provenance(root: Path, chapters: Path, folder: Path | None = None) -> Path:
    """Write the page on the executed notebooks in ``chapters``, ``provenance.md`` beside them or in ``folder``."""
    page = (folder or chapters) / "provenance.md"
    rows = [chapter_row(name, json.loads((chapters / f"{name}.ipynb").read_text())) for name in chapter_names(root)]
    now, commit = gather(), git_state(root)
    at = f"`{commit['commit'][:12]}`{', with local changes' if commit['dirty'] else ''}" if commit else "none known"
    facts = {
        "Package": f"stablerep {now['stablerep']}, code `{library_hash()}`",
        "Commit": at,
        "Book built": datetime.now(UTC).strftime("%Y-%m-%d %H:%M UTC"),
        "Machine": f"{now['device']}, {now['threads']} threads, {now['platform']}",
    }
    versions = {"Python": now["python"]} | {name: one or "not installed" for name, one in now["packages"].items()}
    parts = [
        "# Provenance",
        "This page was written when the book was built. "
        "The hash of a notebook covers its text and code, but not its outputs.",
        captioned(
            "The notebooks, and how they were executed.",
            markdown_table(["Chapter", "Preset", "Parameters given", "Run time", "Executed (UTC)", "Notebook"], rows),
        ),
        "## Code and machine",
        captioned("Code and machine.", markdown_table(["What", "Which"], facts.items())),
        "## Versions",
        captioned("Versions of packages.", markdown_table(["Package", "Version"], versions.items())),
    ]
    page.write_text("\n\n".join(parts) + "\n")
    return page


def _note(title: str, kind: str, text: str) -> str:
    return f":::{{admonition}} {title}\n:class: {kind}\n{text}\n:::"


def _cell(name: str, text: str) -> dict:
    return {"cell_type": "markdown", "id": f"stablerep-{name}", "metadata": {}, "source": text}
