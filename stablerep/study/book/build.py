"""The HTML book: jupyter-book over the executed chapters and a page on their provenance, built aside and swapped in."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from stablerep.errors import FailedError, InputError
from stablerep.study.book.notes import RECORD, stale_chapters
from stablerep.study.book.offline import check_offline
from stablerep.study.book.provenance_page import CHAPTERS, chapter_names, write_provenance

__all__ = [
    "CHAPTERS",
    "build_book",
    "chapter_names",
    "check_chapters",
    "check_offline",
    "missing_chapters",
    "write_provenance",
]


def missing_chapters(root: Path, chapters: Path | None = None) -> list[str]:
    """Chapters of the table of contents that have not been executed yet."""
    folder = Path(chapters or Path(root) / CHAPTERS)
    return [name for name in chapter_names(root) if not (folder / f"{name}.ipynb").is_file()]


def check_chapters(root: Path, chapters: Path | None = None) -> None:
    """Raise ``RuntimeError`` unless every chapter is there, was executed to its end and holds no error output."""
    if missing := missing_chapters(root, chapters):
        raise FailedError(
            f"the book cannot be built: {', '.join(missing)} not executed yet; `make book` or `stablerep book` does it."
        )
    folder = Path(chapters or Path(root) / CHAPTERS)
    faults = []
    for name in chapter_names(root):
        cells = [
            cell for cell in json.loads((folder / f"{name}.ipynb").read_text())["cells"] if cell["cell_type"] == "code"
        ]
        for number, cell in enumerate(cells, 1):
            errors = [output for output in cell["outputs"] if output["output_type"] == "error"]
            if errors:
                faults.append(f"{name}, code cell {number}: {errors[0]['ename']}: {errors[0]['evalue']}")
                break
            if cell["execution_count"] is None and "".join(cell["source"]).strip():
                faults.append(f"{name}, code cell {number}: not executed")
                break
    if faults:
        raise FailedError("the book cannot be built:\n" + "\n".join(faults))


def build_book(
    root: Path, output: Path | None = None, chapters: Path | None = None, *, record: dict | None = None, strict: bool = False,
    pages: Sequence[Path] = (),
) -> Path:  # fmt: skip
    """Build the HTML book and return the path of its ``index.html``.

    The pages are built in a folder aside and take the place of the earlier ones only when the build succeeded. Two builds
    into one place follow each other. Any warning is an error.

    Args:
        root: folder of ``_config.yml``, ``_toc.yml`` and ``book/``.
        output: folder of the pages, ``root/_build/html`` by default; the log of the build is ``book.log`` beside them.
        chapters: folder of the executed notebooks, ``root/book/chapters`` by default.
        record: what the book is (:func:`stablerep.study.book.whole.book_record`): its title, and parameters for the first page. It stays in
            the folder of the pages as ``book.json``.
        pages: Markdown files for a part of their own at the end; the images beside them are taken along.
        strict: refuse chapters that are not what their sources would give now; else such a page carries a note.

    Raises:
        RuntimeError: a chapter is missing, unfinished, in error or (``strict``) stale, or jupyter-book failed; the message holds its reasons.
    """
    root = Path(root).resolve()
    output = Path(output or root / "_build" / "html").resolve()
    chapters = Path(chapters or root / CHAPTERS).resolve()
    check_chapters(root, chapters)
    check_pages(pages)
    if strict and (stale := stale_chapters(chapters, chapter_names(root))):
        raise FailedError("\n".join(["the book is not built, because it would be stale:", *stale]))
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
            _add_pages(source, pages)
            if record:
                (source / RECORD).write_text(json.dumps(record, indent=1, ensure_ascii=False) + "\n")
                settings = (source / "_config.yml").read_text()
                title = json.dumps(record["title"], ensure_ascii=False)  # which YAML reads too
                (source / "_config.yml").write_text(
                    re.sub(r"^title: .*$", lambda _: f"title: {title}", settings, flags=re.MULTILINE)
                )
            _run_jupyter_book(source, aside, output.with_name("book.log"), shown_as=root)
            if record:
                shutil.copyfile(source / RECORD, aside / "_build" / "html" / RECORD)
            _swap(aside / "_build" / "html", output)
        finally:
            shutil.rmtree(aside, ignore_errors=True)
    return output / "index.html"


def check_pages(pages: Sequence[Path]) -> None:
    """Raise ``ValueError`` unless every page is a Markdown file."""
    for page in pages:
        if page.suffix != ".md" or not page.is_file():
            raise InputError(f"{page} is no Markdown file; a page for the book is one, such as sweeps/NAME/summary.md.")


def _add_pages(source: Path, pages: Sequence[Path]) -> None:
    """Copy pages and the images beside them into the book's source, and name them in a last part of its contents."""
    if not pages:
        return
    lines = ["  - caption: Added", "    chapters:"]
    for number, page in enumerate(pages, 1):
        place = source / "book" / "added" / str(number)
        place.mkdir(parents=True)
        for file in (page, *page.parent.glob("*.png")):
            shutil.copyfile(file, place / file.name)
        lines.append(f"      - file: book/added/{number}/{page.stem}")
    contents = source / "_toc.yml"
    contents.write_text(contents.read_text().rstrip("\n") + "\n" + "\n".join(lines) + "\n")


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
    command = [
        sys.executable,
        "-c",
        start,
        "build",
        str(source),
        "--path-output",
        str(aside),
        "-W",
        "-n",
        "--keep-going",
    ]
    environment = os.environ | {"NO_COLOR": "1", "PYTHONUNBUFFERED": "1"}
    done = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, env=environment)
    text = re.sub(r"\x1b\[[0-9;]*m", "", done.stdout).replace(str(source), str(shown_as))
    log.write_text(text)
    if done.returncode != 0:
        lines = [line.strip() for line in text.splitlines() if line.strip()]
        useful = [line for line in lines if re.search(r"\b(WARNING|ERROR|CRITICAL)\b|[Ee]rror:", line)] or lines[-20:]
        raise FailedError("\n".join([f"jupyter-book failed; its log is {log}:", *dict.fromkeys(useful[:30])]))
