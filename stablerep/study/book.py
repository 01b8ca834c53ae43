"""The HTML book: jupyter-book over the executed chapters and a page on their provenance, built aside and swapped in."""

from __future__ import annotations

import hashlib
import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path

from stablerep.study.offline import check_offline
from stablerep.study.provenance import gather, git_state, hash_package

__all__ = ["CHAPTERS", "build_book", "chapter_names", "check_chapters", "check_offline", "missing_chapters", "write_provenance"]

CHAPTERS = Path("book/chapters")  # executed notebooks, and the page on their provenance; not under version control


def chapter_names(root: Path) -> list[str]:
    """The chapters that the table of contents of the book names, in its order."""
    listed = re.findall(rf"^\s*-\s*file:\s*{CHAPTERS.as_posix()}/(\w+)\s*$", (Path(root) / "_toc.yml").read_text(), re.MULTILINE)
    return [name for name in listed if name != "provenance"]


def missing_chapters(root: Path, chapters: Path | None = None) -> list[str]:
    """Chapters of the table of contents that have not been executed yet."""
    folder = Path(chapters or Path(root) / CHAPTERS)
    return [name for name in chapter_names(root) if not (folder / f"{name}.ipynb").is_file()]


def check_chapters(root: Path, chapters: Path | None = None) -> None:
    """Raise ``RuntimeError`` unless every chapter is there, was executed to its end and holds no error output."""
    if missing := missing_chapters(root, chapters):
        raise RuntimeError(
            f"the book cannot be built: {', '.join(missing)} not executed yet; `make book` or `stablerep book` does it."
        )
    folder = Path(chapters or Path(root) / CHAPTERS)
    faults = []
    for name in chapter_names(root):
        cells = [cell for cell in json.loads((folder / f"{name}.ipynb").read_text())["cells"] if cell["cell_type"] == "code"]
        for number, cell in enumerate(cells, 1):
            errors = [output for output in cell["outputs"] if output["output_type"] == "error"]
            if errors:
                faults.append(f"{name}, code cell {number}: {errors[0]['ename']}: {errors[0]['evalue']}")
                break
            if cell["execution_count"] is None and "".join(cell["source"]).strip():
                faults.append(f"{name}, code cell {number}: not executed")
                break
    if faults:
        raise RuntimeError("the book cannot be built:\n" + "\n".join(faults))


def build_book(root: Path, output: Path | None = None, chapters: Path | None = None) -> Path:
    """Build the HTML book and return the path of its ``index.html``.

    The pages are built in a folder aside and take the place of the earlier ones only when the build succeeded. Two builds
    into one place follow each other. Any warning is an error.

    Args:
        root: folder of ``_config.yml``, ``_toc.yml`` and ``book/``.
        output: folder of the pages, ``root/_build/html`` by default; the log of the build is ``book.log`` beside them.
        chapters: folder of the executed notebooks, ``root/book/chapters`` by default.

    Raises:
        RuntimeError: a chapter is missing, unfinished or in error, or jupyter-book failed; the message holds its reasons.
    """
    root = Path(root).resolve()
    output = Path(output or root / "_build" / "html").resolve()
    chapters = Path(chapters or root / CHAPTERS).resolve()
    check_chapters(root, chapters)
    output.parent.mkdir(parents=True, exist_ok=True)
    with _only_build(output):
        aside = Path(tempfile.mkdtemp(prefix=f".{output.name}.building-", dir=output.parent))
        try:
            source = aside / "source"
            shutil.copytree(root / "book", source / "book", ignore=shutil.ignore_patterns("chapters"))
            (source / CHAPTERS).mkdir()
            for name in chapter_names(root):
                shutil.copyfile(chapters / f"{name}.ipynb", source / CHAPTERS / f"{name}.ipynb")
            for name in ("_config.yml", "_toc.yml"):
                shutil.copyfile(root / name, source / name)
            write_provenance(root, chapters, source / CHAPTERS / "provenance.md")
            _run_jupyter_book(source, aside, output.with_name("book.log"), shown_as=root)
            _swap(aside / "_build" / "html", output)
        finally:
            shutil.rmtree(aside, ignore_errors=True)
    return output / "index.html"


@contextmanager
def _only_build(output: Path) -> Iterator[None]:
    """Hold the lock of ``output``; say so when another build has it. What a killed build left behind is tidied up."""
    from filelock import FileLock, Timeout

    lock = FileLock(output.parent / f".{output.name}.lock")
    try:
        lock.acquire(timeout=0)
    except Timeout:
        print(f"another build of {output} is under way; waiting for it to end", flush=True)
        lock.acquire()
    try:
        for left in output.parent.glob(f".{output.name}.building-*"):
            shutil.rmtree(left, ignore_errors=True)
        earlier = _earlier(output)
        if earlier.exists():
            if output.exists():
                shutil.rmtree(earlier)
            else:
                earlier.rename(output)
        yield
    finally:
        lock.release()


def _earlier(output: Path) -> Path:
    return output.with_name(f".{output.name}.earlier")


def _swap(fresh: Path, output: Path) -> None:
    if output.exists():
        output.rename(_earlier(output))
    fresh.rename(output)
    shutil.rmtree(_earlier(output), ignore_errors=True)


def _run_jupyter_book(source: Path, aside: Path, log: Path, shown_as: Path) -> None:
    """Run jupyter-book with warnings as errors; keep its log, in which files are named as under ``shown_as``."""
    start = "from jupyter_book.cli.main import main; main()"  # the package has no __main__
    command = [sys.executable, "-c", start, "build", str(source), "--path-output", str(aside), "-W", "-n", "--keep-going"]
    environment = os.environ | {"NO_COLOR": "1", "PYTHONUNBUFFERED": "1"}
    done = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, env=environment)
    text = re.sub(r"\x1b\[[0-9;]*m", "", done.stdout).replace(str(source), str(shown_as))
    log.write_text(text)
    if done.returncode != 0:
        lines = [line.strip() for line in text.splitlines() if line.strip()]
        useful = [line for line in lines if re.search(r"\b(WARNING|ERROR|CRITICAL)\b|[Ee]rror:", line)] or lines[-20:]
        raise RuntimeError("\n".join([f"jupyter-book failed; its log is {log}:", *dict.fromkeys(useful[:30])]))


def source_hash(notebook: dict) -> str:
    """Hash of what an executed notebook says, without its outputs and without the parameters that were injected."""
    cells = [c for c in notebook["cells"] if "injected-parameters" not in c["metadata"].get("tags", ())]
    text = json.dumps([[c["cell_type"], "".join(c["source"])] for c in cells], ensure_ascii=False)
    return hashlib.sha256(text.encode()).hexdigest()[:12]


def chapter_row(name: str, notebook: dict) -> list[str]:
    """One row of the table of chapters: name, preset, parameters given, run time, date and hash.

    ``metadata.stablerep`` (``preset`` and ``changed``) is read when the notebook has it, else papermill's record of its
    parameters.
    """
    record = notebook["metadata"].get("papermill", {})
    given = dict(record.get("parameters") or {})
    preset = given.pop("preset", None)
    if ours := notebook["metadata"].get("stablerep"):
        preset, given = ours.get("preset", preset), ours.get("changed", given)
    parameters = ", ".join(f"`{key}={value}`" for key, value in sorted(given.items())) or "none"
    return [
        f"[](/{(CHAPTERS / name).as_posix()}.ipynb)",
        f"`{preset}`" if preset else "not recorded",
        parameters.replace("|", "\\|"),
        _duration(record.get("duration")),
        str(record.get("start_time") or "not recorded")[:16].replace("T", " "),
        f"`{source_hash(notebook)}`",
    ]


def _duration(seconds: float | None) -> str:
    if seconds is None:
        return "not recorded"
    return f"{seconds:.0f} s" if seconds < 120 else f"{seconds / 60:.1f} min"


def write_provenance(root: Path, chapters: Path | None = None, page: Path | None = None) -> Path:
    """Write the provenance page from the executed notebooks and return its path.

    Args:
        root: folder of the project.
        chapters: folder of the executed notebooks, ``root/book/chapters`` by default.
        page: the file to write, ``provenance.md`` beside the notebooks by default.
    """
    root = Path(root)
    chapters = Path(chapters or root / CHAPTERS)
    page = Path(page or chapters / "provenance.md")
    rows = [chapter_row(name, json.loads((chapters / f"{name}.ipynb").read_text())) for name in chapter_names(root)]
    now, commit = gather(), git_state(root)
    facts = {
        "Package": f"stablerep {now['stablerep']}, source files `{hash_package()}`",
        "Commit": f"`{commit['commit'][:12]}`{', with local changes' if commit['dirty'] else ''}" if commit else "none known",
        "Book built": datetime.now(UTC).strftime("%Y-%m-%d %H:%M UTC"),
        "Machine": f"{now['device']}, {now['threads']} threads, {now['platform']}",
    }
    versions = {"Python": now["python"]} | {name: version or "not installed" for name, version in now["packages"].items()}
    parts = [
        "# Provenance",
        "This page was written when the book was built. The hash of a notebook covers its text and code, but not its outputs.",
        _table(["Chapter", "Preset", "Parameters given", "Run time", "Executed (UTC)", "Notebook"], rows),
        "## Code and machine",
        _table(["What", "Which"], facts.items()),
        "## Versions",
        _table(["Package", "Version"], versions.items()),
    ]
    page.write_text("\n\n".join(parts) + "\n")
    return page


def _table(header: list[str], rows: Iterable[Sequence[str]]) -> str:
    return "\n".join("| " + " | ".join(line) + " |" for line in [header, ["---"] * len(header), *rows])
