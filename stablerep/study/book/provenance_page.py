"""The book's page on provenance: what each chapter was made from, the code, the machine, the versions."""

from __future__ import annotations

import hashlib
import json
from datetime import UTC, datetime
from pathlib import Path

from stablerep.study.book.contents import CHAPTERS
from stablerep.study.chapters import chapter_names
from stablerep.study.markdown import markdown_table
from stablerep.study.plans.costs import duration
from stablerep.study.store.provenance import gather, git_state, hash_package

UNKNOWN = "not recorded"


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
    if ours := notebook["metadata"].get("stablerep"):
        given = {"preset": ours["preset"], **ours["changed"]}
    changed = ", ".join(f"`{key}={value}`" for key, value in sorted(given.items()) if key != "preset") or "none"
    return [
        f"[](/{(CHAPTERS / name).as_posix()}.ipynb)",
        f"`{given['preset']}`" if "preset" in given else UNKNOWN,
        changed.replace("|", "\\|"),
        duration(record["duration"]) if record.get("duration") is not None else UNKNOWN,
        (record.get("start_time") or UNKNOWN)[:16].replace("T", " "),
        f"`{source_hash(notebook)}`",
    ]


def write_provenance(root: Path, chapters: Path, folder: Path | None = None) -> Path:
    """Write the page on the executed notebooks in ``chapters``, ``provenance.md`` beside them or in ``folder``, and return its path."""
    page = (folder or chapters) / "provenance.md"
    rows = [chapter_row(name, json.loads((chapters / f"{name}.ipynb").read_text())) for name in chapter_names(root)]
    now, commit = gather(), git_state(root)
    at = f"`{commit['commit'][:12]}`{', with local changes' if commit['dirty'] else ''}" if commit else "none known"
    facts = {
        "Package": f"stablerep {now['stablerep']}, source files `{hash_package()}`",
        "Commit": at,
        "Book built": datetime.now(UTC).strftime("%Y-%m-%d %H:%M UTC"),
        "Machine": f"{now['device']}, {now['threads']} threads, {now['platform']}",
    }
    versions = {"Python": now["python"]} | {name: one or "not installed" for name, one in now["packages"].items()}
    parts = [
        "# Provenance",
        "This page was written when the book was built. The hash of a notebook covers its text and code, but not its outputs.",
        markdown_table(["Chapter", "Preset", "Parameters given", "Run time", "Executed (UTC)", "Notebook"], rows),
        "## Code and machine",
        markdown_table(["What", "Which"], facts.items()),
        "## Versions",
        markdown_table(["Package", "Version"], versions.items()),
    ]
    page.write_text("\n\n".join(parts) + "\n")
    return page
